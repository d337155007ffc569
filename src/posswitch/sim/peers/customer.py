"""Who pays: made-up cards, their PINs, and amounts that no two payments share."""

import hashlib
import random
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from posswitch.base.card import luhn_digit, mask_pan

VALID, EXPIRED = "4912", "1912"  # YYMM
NO_PIN_RATE = 0.2
_SERVICE_CODE = "201"
_CARDS_PER_RANGE = 5_000
_ISSUED_EACH = 7  # each so many'th number of a range is a card
_AMOUNT_BASE, _AMOUNT_SPAN, _AMOUNT_STRIDE = 100, 100_000, 7_919  # the stride shares no divisor with the span
_BIG_AMOUNT_MINOR = 9_000_000
_BIG_CARDS = 3


class Range(NamedTuple):
    """Cards of one bank: BIN and length of the PAN."""

    prefix: str
    pan_digits: int
    foreign: bool = False


UNKNOWN_RANGE = Range("629999", 16)  # in no BIN table


class Oddity(NamedTuple):
    """What can be wrong with a payment before any bank or line misbehaves, and how often."""

    name: str
    rate: float


ODDITIES = (
    Oddity("unknown-bin", 0.012),
    Oddity("expired", 0.012),
    Oddity("wrong-pin", 0.012),
    Oddity("big", 0.008),
)


class Purchase(msgspec.Struct, frozen=True):
    """One customer at the desk; `pin` is what is typed, empty when the card asks for none."""

    pan: str
    expiry: str
    pin: str
    amount_minor: int

    def __repr__(self) -> str:
        return f"Purchase({mask_pan(self.pan)}, {self.amount_minor})"

    @property
    def track2(self) -> str:
        """Track 2 with the separator of BCD messages, `D`."""
        return f"{self.pan}D{self.expiry}{_SERVICE_CODE}{self.pan[-5:]}00000"


def pin_of(seed: int, pan: str) -> str:
    """The PIN of a made-up card: six digits, four for one card in eight."""
    digest = hashlib.blake2b(pan.encode(), key=str(seed).encode(), digest_size=8).digest()
    digits = f"{int.from_bytes(digest[1:], 'big') % 10**6:06d}"
    return digits[:4] if digest[0] % 8 == 0 else digits


class Customers:
    """The endless queue at one terminal."""

    def __init__(self, seed: int, ranges: Sequence[Range], entropy: random.Random) -> None:
        self._seed = seed
        self._ranges = ranges
        self._entropy = entropy
        self._served = 0
        self.oddities: Sequence[Oddity] = ODDITIES

    def __repr__(self) -> str:
        return f"Customers({self._served} served)"

    def next(self) -> Purchase:
        """The next customer; the amount never comes again at this terminal."""
        odd = self._oddity()
        big = odd == "big"
        cards = _BIG_CARDS if big else _CARDS_PER_RANGE
        card_range = UNKNOWN_RANGE if odd == "unknown-bin" else self._entropy.choice(self._ranges)
        pan = pan_at(card_range, self._entropy.randrange(cards) + (_CARDS_PER_RANGE if big else 0))
        pin = pin_of(self._seed, pan)
        if odd == "wrong-pin":
            pin = f"{(int(pin) + 1) % 10 ** len(pin):0{len(pin)}d}"
        elif self._entropy.random() < NO_PIN_RATE:
            pin = ""
        amount_minor = self._amount_minor() + (_BIG_AMOUNT_MINOR if big else 0)
        return Purchase(pan, EXPIRED if odd == "expired" else VALID, pin, amount_minor)

    def _oddity(self) -> str:
        at = self._entropy.random()
        for oddity in self.oddities:
            at -= oddity.rate
            if at < 0:
                return oddity.name
        return ""

    def _amount_minor(self) -> int:
        turn, place = divmod(self._served, _AMOUNT_SPAN)
        self._served += 1
        return _AMOUNT_BASE + place * _AMOUNT_STRIDE % _AMOUNT_SPAN + turn * _AMOUNT_SPAN


def pan_at(card_range: Range, index: int) -> str:
    """The card number `index` of a range, with its Luhn digit."""
    prefix, pan_digits, _ = card_range
    body = f"{prefix}{index * _ISSUED_EACH:0{pan_digits - len(prefix) - 1}d}"
    return body + luhn_digit(body)


def is_issued(pan: str, ranges: Sequence[Range]) -> bool:
    """Whether a bank with these ranges has such a card: between two that it has are numbers of nobody."""
    return any(
        len(pan) == row.pan_digits
        and pan.startswith(row.prefix)
        and int(pan[len(row.prefix) : -1]) % _ISSUED_EACH == 0
        for row in ranges
    )
