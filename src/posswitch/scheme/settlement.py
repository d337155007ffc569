"""Field 48 of a terminal's settlement: totals of a batch (0500), payments of an upload (0320)."""

from typing import NamedTuple

import msgspec

_SIDE = ((0, 12), (12, 15), (15, 27), (27, 30))  # debits, how many, credits, how many
_SIDE_DIGITS = 31  # with the flag
TOTALS_DIGITS = 2 * _SIDE_DIGITS
_ITEM_DIGITS = 40
_ITEMS_MAX = 8
_FOREIGN = "01"


class Side(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Half of a batch's totals, of domestic or of foreign cards; amounts in minor units."""

    debit_minor: int = 0
    debits: int = 0
    credit_minor: int = 0
    credits: int = 0

    @property
    def fits(self) -> bool:
        """Whether field 48 has digits enough for it; a batch may be worth less than nothing in parts."""
        return all(0 <= amount < 10**12 for amount in (self.debit_minor, self.credit_minor)) and all(
            0 <= count < 1000 for count in (self.debits, self.credits)
        )


class Uploaded(NamedTuple):
    """One payment of an upload: field 11, card number, amount in minor units, whether the card is foreign."""

    stan: str
    pan: str
    amount_minor: int
    foreign: bool

    def __repr__(self) -> str:
        return f"Uploaded({self.stan}, {self.amount_minor})"


def read_totals(f48: str) -> tuple[Side, Side] | None:
    """Domestic and foreign totals of an n62, or None when it is not one."""
    if len(f48) != TOTALS_DIGITS or not _digits(f48):
        return None
    return _side(f48), _side(f48[_SIDE_DIGITS:])


def write_totals(domestic: Side, foreign: Side, flags: str = "00") -> str:
    """The n62 of both sides with their flags (0 in a request; 1 balanced, 2 not, 3 error in an answer)."""
    return "".join(
        f"{side.debit_minor:012d}{side.debits:03d}{side.credit_minor:012d}{side.credits:03d}{flag}"
        for side, flag in zip((domestic, foreign), flags, strict=True)
    )


def read_items(f48: str) -> list[Uploaded] | None:
    """The payments of an upload: their number (n2), then 40 digits each; None when it is something else."""
    if len(f48) < 2 or not _digits(f48):
        return None
    count, rest = int(f48[:2]), f48[2:]
    if not 1 <= count <= _ITEMS_MAX or len(rest) != count * _ITEM_DIGITS:
        return None
    rows = [rest[at : at + _ITEM_DIGITS] for at in range(0, len(rest), _ITEM_DIGITS)]
    return [Uploaded(row[2:8], row[8:28].lstrip("0"), int(row[28:]), row[:2] == _FOREIGN) for row in rows]


def write_items(items: list[Uploaded]) -> str:
    """The field of one upload message; at most 8 payments fit."""
    assert 1 <= len(items) <= _ITEMS_MAX
    return f"{len(items):02d}" + "".join(
        f"{'01' if item.foreign else '00'}{item.stan}{item.pan:0>20}{item.amount_minor:012d}"
        for item in items
    )


def read_count(f48: str) -> int | None:
    """How many payments an upload had (n4), as its end says; None when it is no number."""
    return int(f48) if len(f48) == 4 and _digits(f48) else None


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _side(digits: str) -> Side:
    return Side(*(int(digits[start:end]) for start, end in _SIDE))
