"""What must hold between the rows of a registry, and what is worth a look."""

from collections.abc import Collection, Iterator
from pathlib import Path

from posswitch.base.order import TABLES
from posswitch.base.registry import Key, Registry, key_of
from posswitch.crypto.hsm import SoftHsm
from posswitch.office.checks import Checks
from posswitch.office.finding import Finding, found
from posswitch.office.forms import shut, values_of, written
from posswitch.office.places import Place, places_of
from posswitch.settings.draft import Draft
from posswitch.settings.finding import NOTE
from posswitch.settings.rules import REFERENCES, ROW_RULES
from posswitch.settings.shape import Row as Written
from posswitch.settings.surroundings import dialects_readable

Unread = dict[Key, Written]  # rows of a change that have mistakes, in place of those with their key
_NAMED_MAX = 3
_RULES = (*ROW_RULES, dialects_readable)


def findings(
    registry: Registry, touched: Collection[Key] = (), unread: Unread | None = None
) -> list[Finding]:
    """Everything that is wrong in a registry, errors first; what two rows share is told at a touched one."""
    rows = {key_of(row): row for row in registry.rows} | (unread or {})
    draft = Draft(Path(), holes=False)
    draft.rows = {table: [] for table in TABLES}
    for key in sorted(rows, key=lambda key: (key in touched, key)):
        draft.rows[key[0]].append(written(rows[key]))
    told = [found(fault) for rule in _RULES for fault in rule(draft) if fault.severity != NOTE]
    return sorted([*_orphans(draft, touched), *told], key=lambda finding: not finding.error)


def shut_keys(registry: Registry, hsm: SoftHsm) -> Iterator[Finding]:
    """Wrapped keys that this node's secret does not open: the node would not start with them."""
    for row in registry.rows:
        yield from shut(key_of(row), values_of(row), hsm)


def shared_keys(registry: Registry, checks: Checks) -> Iterator[Finding]:
    """Keys that stand in two places, whatever they are for there: one that leaks opens both."""
    first: dict[bytes, Place] = {}
    for place, wrapped in places_of(registry):
        value = checks.whole(place.usage, wrapped)
        before = first.setdefault(value, place) if value else place
        if before is not place:
            what = f"{place.column}: is the same key as {before}"
            yield Finding(False, place.row, what, "form a key of its own: one that leaks opens both")


def _orphans(draft: Draft, touched: Collection[Key]) -> Iterator[Finding]:
    """Rows that name what is not there; told at the parent when it is the change that takes it away."""
    for table, column, target in REFERENCES:
        children: dict[str, list[str]] = {}
        for row in draft.lost(table, column, target):
            children.setdefault(row.good[column], []).append(str(row.path[1]))
        for parent, names in children.items():
            if (target, parent) in touched:
                few = ", ".join(names[:_NAMED_MAX]) + (", …" if len(names) > _NAMED_MAX else "")
                what = f"{len(names)} {table} rows still name it ({few})"
                yield Finding(True, (target, parent), what, "remove or move them first")
            else:
                for name in names:
                    what, remedy = f"{column}: no {target} {parent}", f"add that {target} first, or with it"
                    yield Finding(True, (table, name), what, remedy)
