"""What is wrong with a row of the registry, or only worth a look."""

from typing import NamedTuple

from posswitch.base.registry import Key
from posswitch.settings.finding import ERROR, Fault, brief, one_line

_MERCHANT_CHARS = 15  # of field 42; one in ten numbers looks like a card's


class Finding(NamedTuple):
    """What to say about a row, and what to do about it; equal wherever the row stands."""

    error: bool
    key: Key
    what: str
    remedy: str

    def __str__(self) -> str:
        return one_line(f"{named(self.key)}: {self.what}; {self.remedy}")


def found(fault: Fault) -> Finding:
    """What a rule says about a column of a registry's row, whose path is its key."""
    table, name, column = map(str, fault.path[:3])
    return Finding(fault.severity == ERROR, (table, name), f"{column}: {fault.what}", fault.remedy)


def named(key: Key) -> str:
    """A row's key as people are told it, whatever stands in it."""
    table, name = key
    as_typed = table == "merchant" and len(name) == _MERCHANT_CHARS  # a listing shows it, too
    return f"{table} {one_line(name) if as_typed else brief(name)}"
