"""What must hold between the rows of a registry, and what is worth a look."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from posswitch.base.registry import Bin, Key, Merchant, Registry, key_of
from posswitch.crypto.hsm import Hsm
from posswitch.office.forms import KEYS, named, opens, wrap_again

NAME_BYTES, CITY_BYTES = 25, 13  # of field 43
_NAMED_MAX = 3


class Finding(NamedTuple):
    """What is wrong with a row, or only worth a look, and what to do about it."""

    error: bool
    key: Key
    what: str
    remedy: str
    missing: Key | None = None  # what it names and is not there

    def __str__(self) -> str:
        return f"{named(self.key)}: {self.what}; {self.remedy}"


def findings(registry: Registry, dropped: Iterable[Key] = ()) -> list[Finding]:
    """Everything that is wrong in a registry, errors first; `dropped` is what a change takes out of it."""
    bins = [row for row in registry.rows if isinstance(row, Bin)]
    found = [*_orphans(registry, bins, frozenset(dropped)), *_too_long(bins), *_overlaps(bins)]
    for merchant in registry.merchants.values():
        found += _merchant_notes(merchant)
    return sorted(found, key=lambda finding: not finding.error)


def shut_keys(registry: Registry, hsm: Hsm) -> Iterator[Finding]:
    """Wrapped keys that this node's secret does not open: the node would not start with them."""
    for row in registry.rows:
        for name, usage in KEYS.items():
            wrapped = getattr(row, name, None)
            if wrapped is not None and not opens(hsm, usage, wrapped):
                yield Finding(True, key_of(row), f"{name} does not open", wrap_again(usage))


def _orphans(registry: Registry, bins: list[Bin], dropped: frozenset[Key]) -> Iterator[Finding]:
    """Rows that name what is not there; told at the parent when it is the change that takes it away."""
    children: dict[Key, list[Key]] = {}
    for row in bins:
        if row.bank not in registry.banks:
            children.setdefault(("bank", row.bank), []).append(key_of(row))
    for terminal in registry.terminals.values():
        if terminal.merchant not in registry.merchants:
            children.setdefault(("merchant", terminal.merchant), []).append(key_of(terminal))
    for parent, keys in children.items():
        table, name = parent
        if parent in dropped:
            named = ", ".join(key[1] for key in keys[:_NAMED_MAX]) + (", …" if len(keys) > _NAMED_MAX else "")
            what = f"{len(keys)} {keys[0][0]} rows still name it ({named})"
            yield Finding(True, parent, what, "remove or move them first")
        else:
            for key in keys:
                remedy = f"add that {table} first, or with it"
                yield Finding(True, key, f"no {table} {name}", remedy, parent)


def _too_long(bins: list[Bin]) -> Iterator[Finding]:
    for row in bins:
        if len(row.prefix) > row.pan_digits:
            what = f"the prefix is longer than its cards ({row.pan_digits} digits)"
            yield Finding(True, key_of(row), what, "correct prefix or pan_digits")


def _overlaps(bins: list[Bin]) -> Iterator[Finding]:
    """A longer prefix takes cards out of another bank's: allowed, and worth a look."""
    rows = {(row.pan_digits, row.prefix): row for row in bins}
    for row in bins:
        for size in range(len(row.prefix) - 1, 0, -1):
            wider = rows.get((row.pan_digits, row.prefix[:size]))
            if wider is not None:
                if wider.bank != row.bank:
                    what = f"takes cards of {row.bank} out of {wider.prefix}, which belongs to {wider.bank}"
                    yield Finding(False, key_of(row), what, "the longer prefix wins; ask both banks")
                break


def _merchant_notes(row: Merchant) -> Iterator[Finding]:
    for column, text, most in (("name", row.name, NAME_BYTES), ("city", row.city, CITY_BYTES)):
        if (length := len(text.encode("gb18030", "replace"))) > most:
            what = f"{column} takes {length} bytes, field 43 has {most}"
            yield Finding(False, key_of(row), what, "banks see it cut; shorten it")
    if row.id.isdecimal() and row.id[7:11] != row.mcc:
        what = f"its number says MCC {row.id[7:11]}, its row {row.mcc}"
        yield Finding(False, key_of(row), what, "field 18 is the row's; ask the acquirer which is right")
