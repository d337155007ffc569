"""An import: files become a plan, or all their mistakes at once."""

from pathlib import Path
from typing import NamedTuple

from posswitch.base.registry import Key, Registry, Row, key_of
from posswitch.office.desk import Desk, Plan
from posswitch.office.finding import named
from posswitch.office.forms import name_of, read_row
from posswitch.office.sheets import Line, Place, read_sheet
from posswitch.settings.shape import Row as Written


class Intake(NamedTuple):
    """What files would do; with mistakes, nothing."""

    plan: Plan
    mistakes: list[str]
    notes: list[str]


def take_in(desk: Desk, files: list[Path], table: str | None, replace: bool) -> Intake:
    """Reads files as one change; with `replace`, tables in them hold those rows and no others."""
    mistakes: list[tuple[Place, str]] = []
    lines: list[Line] = []
    for path in files:
        sheet = read_sheet(path, table)
        lines += sheet.lines
        mistakes += [(place, f"{what}; {remedy}") for place, what, remedy in sheet.mistakes]
    registered = {key_of(row): row for row in desk.registry.rows}
    rows: list[Row] = []
    unread: dict[Key, Written] = {}
    places: dict[Key, Place] = {}
    for line in lines:
        key = name_of(line.table, line.values)
        if key in places:
            what = f"{named(key)}: stands already at {places[key]}; remove one"
            mistakes.append((line.place, what))
            continue
        places[key] = line.place
        row, wrong = read_row(line.table, line.values, registered.get(key), line.folder, desk.hsm)
        mistakes += [(line.place, str(mistake)) for mistake in wrong]
        if isinstance(row, Written):
            unread[key] = row
        else:
            rows.append(row)
    drop = _others(desk.registry, places) if replace else []
    plan = desk.plan(rows, drop, unread)
    nowhere = Place("", 0)  # the row at fault is registered already
    mistakes += [(places.get(error.key, nowhere), str(error)) for error in plan.errors]
    told = [f"{place}: {what}" if place.line else what for place, what in sorted(mistakes)]
    return Intake(plan, told, [str(note) for note in plan.notes])


def _others(registry: Registry, places: dict[Key, Place]) -> list[Key]:
    tables = frozenset(table for table, _ in places)
    return [key for key in map(key_of, registry.rows) if key[0] in tables and key not in places]
