"""How a whole bank behaves, by name: manners for sales, reversals and advices, and the ills it can have."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from posswitch.base.bounds import Timers
from posswitch.codec import Message
from posswitch.sim.peers.manners import (
    ADVICE_MANNERS,
    DECLINE,
    REVERSAL_MANNERS,
    SALE_MANNERS,
    Manner,
)

_SOON_S = (0.015, 0.045)  # what a bank takes that is well
_SLOWER = 20  # times that
_SHIFT_AT = 60  # bytes; where a changed format has one more
_FRAUD = ("59", "34", "41", "43")
_LISTED = ("41", "43", "04")
_NO_CODE = ("8X",)  # in no table


class Conduct(NamedTuple):
    """What a bank does with each sort of request."""

    sales: tuple[Manner, ...]
    reversals: tuple[Manner, ...]
    advices: tuple[Manner, ...]

    def mixed(self, usual: "Conduct", share: float) -> "Conduct":
        """This one for a share of the requests, the usual one for the others."""
        return Conduct(
            *(_mixed(ill, well, share) for ill, well in zip(self, usual, strict=True)),
        )


def _mixed(ill: Sequence[Manner], well: Sequence[Manner], share: float) -> tuple[Manner, ...]:
    return (*_weighing(ill, share), *_weighing(well, 1.0 - share))


def _weighing(manners: Sequence[Manner], share: float) -> list[Manner]:
    """The same manners, their weights adding up to a share."""
    whole = sum(manner.weight for manner in manners)
    return [manner._replace(weight=manner.weight * share / whole) for manner in manners]


def _soon(timers: Timers, entropy: random.Random) -> float:
    return entropy.uniform(*_SOON_S)


def _other_amount(message: Message, entropy: random.Random) -> None:
    """The answer is about another amount, as if it belonged to somebody else's payment."""
    if 4 in message.fields:
        digits = str(message.fields[4])
        message.fields[4] = f"{int(digits) ^ 1:0{len(digits)}d}"


def _much_later(timers: Timers, entropy: random.Random) -> float:
    return _SLOWER * entropy.uniform(*_SOON_S)


def _too_late(timers: Timers, entropy: random.Random) -> float:
    return timers.centre + entropy.uniform(0.1, 0.6)


def _unreadable(payload: bytes, entropy: random.Random) -> bytes:
    return entropy.randbytes(entropy.randrange(20, 200))


def _shifted(payload: bytes, entropy: random.Random) -> bytes:
    """Every message is one byte longer at the same place: somebody's specification has changed."""
    return payload[:_SHIFT_AT] + b"\x30" + payload[_SHIFT_AT:]


def _unproven(payload: bytes, entropy: random.Random) -> bytes:
    return payload[:-1] + (b"1" if payload[-1:] == b"0" else b"0")


_APPROVE = Manner("approve", 0.97, delay=_soon)
_DECLINE = Manner("decline", 0.03, effect=0, codes=DECLINE.codes, delay=_soon)
_ACK = Manner("ack", 1.0, delay=_soon)
_MUTE = Manner("silent", 1.0, effect=0.5, answers=0)
_BUSY = Manner("busy", 1.0, effect=0, codes=("96",), delay=_soon)
_BEYOND = Manner("beyond-limit", 1.0, effect=0, codes=("91",), delay=_soon)

LIVELY = Conduct(SALE_MANNERS, REVERSAL_MANNERS, ADVICE_MANNERS)  # everything goes wrong now and then
CALM = Conduct((_APPROVE, _DECLINE), (_ACK,), (_ACK,))


def _everywhere(manner: Manner) -> Conduct:
    return Conduct((manner,), (manner,), (manner,))


def _of_sales(*manners: Manner) -> Conduct:
    return Conduct(manners, CALM.reversals, CALM.advices)


def _says(name: str, codes: tuple[str, ...]) -> Conduct:
    return _of_sales(Manner(name, 1.0, effect=0, codes=codes, delay=_soon, insists=True))


ILLS: dict[str, Conduct] = {
    "slow": _everywhere(Manner("slow", 1.0, delay=_much_later)),
    "silent": _everywhere(_MUTE),
    "late": _of_sales(Manner("late", 1.0, delay=_too_late)),
    "twice": _everywhere(Manner("twice", 1.0, answers=2, delay=_soon)),
    "garbage": _everywhere(Manner("garbage", 1.0, delay=_soon, spoil=_unreadable)),
    "shifted": _everywhere(Manner("shifted", 1.0, delay=_soon, spoil=_shifted)),
    "bad-mac": _everywhere(Manner("bad_mac", 1.0, delay=_soon, spoil=_unproven)),
    "crossed": _of_sales(Manner("crossed", 1.0, delay=_soon, alter=_other_amount)),
    "unsaid": _of_sales(Manner("unsaid", 1.0, answers=0)),  # booked, and nobody hears of it
    "keeps-reversals": Conduct((_MUTE,), (_BUSY,), (_BUSY,)),
    "says-96": _says("says-96", ("96",)),
    "says-91": _says("says-91", ("91",)),
    "says-90": _says("says-90", ("90",)),
    "says-51": _says("says-51", ("51",)),
    "says-05": _says("says-05", ("05",)),
    "says-57": _says("says-57", ("57",)),
    "says-14": _says("says-14", ("14",)),
    "suspects": _says("suspects", _FRAUD),
    "blacklists": _says("blacklists", _LISTED),
    "unknown-code": _says("unknown-code", _NO_CODE),
}
LIMITED = "limited"  # beyond so many sales a second it answers 91
BEYOND = _BEYOND
