"""An import: files become a plan, or all their mistakes at once."""

from pathlib import Path
from typing import NamedTuple

from posswitch.base.registry import Key, Registry, Row, key_of
from posswitch.office.desk import Desk, Plan
from posswitch.office.forms import name_of, named, read_row
from posswitch.office.rules import Finding
from posswitch.office.sheets import Line, Place, read_sheet


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
    places: dict[Key, Place] = {}
    for line in lines:
        key = name_of(line.table, line.values)
        what = f"{named(key)}: "
        if key in places:
            mistakes.append((line.place, f"{what}stands already at {places[key]}; remove one"))
            continue
        places[key] = line.place
        row, wrong = read_row(line.table, line.values, registered.get(key), line.folder, desk.hsm)
        mistakes += [(line.place, f"{what}{mistake.what}; {mistake.remedy}") for mistake in wrong]
        if row is not None:
            rows.append(row)
    drop = _others(desk.registry, places) if replace else []
    plan = desk.plan(rows, drop)
    for found in plan.errors:
        if found.missing not in places:  # else it is there, and was not read
            mistakes.append((_place(found, places), str(found)))
    told = [f"{place}: {what}" if place.line else what for place, what in sorted(mistakes)]
    return Intake(plan, told, [str(note) for note in plan.notes])


def _others(registry: Registry, places: dict[Key, Place]) -> list[Key]:
    tables = frozenset(table for table, _ in places)
    return [key for key in map(key_of, registry.rows) if key[0] in tables and key not in places]


def _place(found: Finding, places: dict[Key, Place]) -> Place:
    """Where the row at fault was read, or nowhere: it is registered already."""
    return places.get(found.key, Place("", 0))
