"""How banks behave: one row a manner, for sales and for reversals."""

import random
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

from posswitch.base.bounds import Timers
from posswitch.codec import Message
from posswitch.codec.header import CUPS_HEADER_BYTES

Delay = Callable[[Timers, random.Random], float]
Alter = Callable[[Message, random.Random], None]
Spoil = Callable[[bytes, random.Random], bytes]


def _now(timers: Timers, entropy: random.Random) -> float:
    return 0.0


def _slowly(timers: Timers, entropy: random.Random) -> float:
    return timers.bank * entropy.uniform(0.3, 0.8)


def _too_late(timers: Timers, entropy: random.Random) -> float:
    return timers.centre + entropy.uniform(0.2, 1.5)


def _keep(message: Message, entropy: random.Random) -> None:
    pass


def _wrong_field(message: Message, entropy: random.Random) -> None:
    field = entropy.choice([field for field in (4, 11, 41) if field in message.fields])
    digits = str(message.fields[field])
    message.fields[field] = (
        f"{int(digits) ^ 1:0{len(digits)}d}" if digits.isascii() and digits.isdigit() else digits[::-1]
    )


def _as_packed(payload: bytes, entropy: random.Random) -> bytes:
    return payload


def _bad_mac(payload: bytes, entropy: random.Random) -> bytes:
    flipped = b"0" if payload[-1:] != b"0" else b"1"
    return payload[:-1] + flipped


def _garbage(payload: bytes, entropy: random.Random) -> bytes:
    if entropy.random() < 0.5:
        return entropy.randbytes(entropy.randrange(1, 200))
    at = min(CUPS_HEADER_BYTES + 4, len(payload) // 2)  # the bitmap of `cups`, the middle of anything shorter
    return payload[:at] + entropy.randbytes(16) + payload[at + 16 :]


class Manner(NamedTuple):
    """One way to treat a request: chance that it takes effect, codes, when and how it is answered."""

    name: str
    weight: float
    effect: float = 1.0
    codes: tuple[str, ...] = ("00",)
    answers: int = 1
    delay: Delay = _now
    alter: Alter = _keep
    spoil: Spoil = _as_packed
    insists: bool = False  # its code goes before the bank's own reasons


APPROVE = Manner("approve", 0.73)
DECLINE = Manner("decline", 0.05, effect=0, codes=("51", "61", "05", "62", "65"))
SALE_MANNERS = (
    APPROVE,
    DECLINE,
    Manner("slow", 0.0275, delay=_slowly),
    Manner("silent", 0.0275, effect=0.5, answers=0),
    Manner("garbage", 0.0275, spoil=_garbage),
    Manner("wrong_field", 0.0275, alter=_wrong_field),
    Manner("bad_mac", 0.0275, spoil=_bad_mac),
    Manner("late", 0.0275, delay=_too_late),
    Manner("late_decline", 0.0275, effect=0, codes=DECLINE.codes, delay=_too_late),
    Manner("twice", 0.0275, answers=2),
)
ACK = Manner("ack", 0.80)
REVERSAL_MANNERS = (
    ACK,
    Manner("slow", 0.04, delay=_slowly),
    Manner("silent", 0.05, effect=0.5, answers=0),
    Manner("garbage", 0.04, spoil=_garbage),
    Manner("bad_mac", 0.03, spoil=_bad_mac),
    Manner("busy", 0.04, effect=0, codes=("96",)),
)
ADVICE_MANNERS = REVERSAL_MANNERS


class Mood:
    """Draws manners by weight."""

    def __init__(self, manners: Sequence[Manner]) -> None:
        self._manners = tuple(manners)
        self._weights = tuple(accumulate(manner.weight for manner in manners))

    def __repr__(self) -> str:
        return f"Mood({', '.join(manner.name for manner in self._manners)})"

    def draw(self, entropy: random.Random) -> Manner:
        """One manner."""
        return entropy.choices(self._manners, cum_weights=self._weights)[0]
