"""What lies between two registries: rows added, changed, removed."""

from collections.abc import Iterator
from typing import NamedTuple

from posswitch.base.registry import Key, Registry, Row, key_of
from posswitch.office.checks import Checks
from posswitch.office.forms import cell, shown

_LINES_MAX = 20  # shown of each kind


class Difference(NamedTuple):
    """Rows in the order of their tables; `changed` are pairs of old and new."""

    added: list[Row]
    changed: list[tuple[Row, Row]]
    removed: list[Row]

    def __bool__(self) -> bool:
        return any(self)

    @property
    def put(self) -> list[Row]:
        """What an amendment has to put."""
        return [*self.added, *(new for _, new in self.changed)]

    @property
    def drop(self) -> list[Key]:
        """What an amendment has to drop."""
        return [key_of(row) for row in self.removed]

    def __str__(self) -> str:
        counts = ((self.added, "added"), (self.changed, "changed"), (self.removed, "removed"))
        return ", ".join(f"{len(rows):,} {word}" for rows, word in counts)


def between(before: Registry, after: Registry) -> Difference:
    """What turns one registry into another."""
    old = {key_of(row): row for row in before.rows}
    new = {key_of(row): row for row in after.rows}
    return Difference(
        [row for key, row in new.items() if key not in old],
        [(old[key], row) for key, row in new.items() if key in old and old[key] != row],
        [row for key, row in old.items() if key not in new],
    )


def lines(difference: Difference, checks: Checks) -> Iterator[str]:
    """A difference for human eyes: `+` added, `~` changed, `-` removed, keys as check values."""
    yield from _cut(
        [f"+ {_whole(row, checks)}" for row in difference.added[: _LINES_MAX + 1]], difference.added
    )
    yield from _cut(
        [f"~ {_turned(old, new, checks)}" for old, new in difference.changed[: _LINES_MAX + 1]],
        difference.changed,
    )
    yield from _cut(
        [f"- {' '.join(key_of(row))}" for row in difference.removed[:_LINES_MAX]], difference.removed
    )


def _cut(told: list[str], rows: list[Row] | list[tuple[Row, Row]]) -> Iterator[str]:
    yield from told[:_LINES_MAX]
    if len(rows) > _LINES_MAX:
        yield f"  … and {len(rows) - _LINES_MAX:,} more"


def _whole(row: Row, checks: Checks) -> str:
    said = [
        f"{name} {cell(value)}" for name, value in shown(row, checks).items() if cell(value) and name != "id"
    ]
    return f"{' '.join(key_of(row))}: {', '.join(said)}"


def _turned(old: Row, new: Row, checks: Checks) -> str:
    before, after = shown(old, checks), shown(new, checks)
    said = [
        f"{name} {cell(before[name])!r} → {cell(after[name])!r}"
        for name in after
        if before[name] != after[name]
    ]
    return f"{' '.join(key_of(new))}: {', '.join(said) or 'the same key, wrapped anew'}"
