"""registry: institutions, BIN rows, merchants and terminals as versioned data."""

import getpass
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from posswitch.base.errors import OfficeError
from posswitch.base.moment import clock_text
from posswitch.base.order import TABLES
from posswitch.base.registry import Change, Registry, key_of
from posswitch.cli.options import AsJson, Lang, OrConfigFile, OrData, OrLang, settings_of, user
from posswitch.crypto.commands import Usage
from posswitch.office.checks import NOT_VERIFIED, REFUSED
from posswitch.office.desk import Desk, Plan, activations, known_table
from posswitch.office.difference import lines
from posswitch.office.drift import SENTENCE, Drift, read_drift, remedy, standing
from posswitch.office.finding import Finding
from posswitch.office.forms import cell, shown
from posswitch.office.hsm_answers import AS_SHOWN, checks_for, judged_by_hsm
from posswitch.office.intake import take_in
from posswitch.office.onboard import (
    COMPONENTS,
    Component,
    draw_components,
    form_tmk,
    onboarding,
    read_component,
)
from posswitch.office.places import wrapped_keys
from posswitch.office.rules import findings, shared_keys, shut_keys
from posswitch.office.sheets import write_sheets
from posswitch.settings.clock import SystemClock
from posswitch.settings.finding import counted

registry = typer.Typer(
    name="registry",
    help="Banks, BINs, merchants and terminals: import, list, change, restore.",
    no_args_is_help=True,
)

Table = Annotated[
    str, typer.Argument(metavar="TABLE", help="bank, bin, merchant, terminal, source, limit, route or pause.")
]
Name = Annotated[str, typer.Argument(metavar="ID", help="Its id; of a BIN row PREFIX/LENGTH.")]
By = Annotated[str, typer.Option("--by", help="Who does it; without it the user of this machine.")]
Note = Annotated[str, typer.Option("--note", help="Why; kept in the history.")]
_CALLED = {table: table for table in TABLES} | {"bin": "BIN"}


@registry.command("import")
def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV or TOML files.")],
    config: OrConfigFile = None,
    data: OrData = None,
    table: Annotated[
        str | None, typer.Option(help="What a CSV file holds, if its columns do not say.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove rows that are not in the files.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    note: Note = "",
    by: By = "",
) -> None:
    """Add and change rows from files: all mistakes at once, or the difference and a new version."""
    desk = _desk(config, data)
    taken = take_in(desk, files, table and known_table(table), replace)
    for mistake in taken.mistakes:
        print(mistake, file=sys.stderr)
    if taken.mistakes:
        count = counted(len(taken.mistakes), "mistake")
        print(f"posswitch: {count}; nothing was changed", file=sys.stderr)
        raise typer.Exit(1)
    activate(desk, taken.plan, note or ", ".join(path.name for path in files)[:200], by, dry_run)


@registry.command("remove")
def remove(
    table: Table, name: Name, config: OrConfigFile = None, data: OrData = None, note: Note = "", by: By = ""
) -> None:
    """Remove one row; refused while others name it."""
    desk = _desk(config, data)
    desk.row(table, name)
    activate(desk, desk.plan(drop=[(table, name)]), note, by)


@registry.command("revert")
def revert(
    version: Annotated[int, typer.Argument(help="The version to restore; 0 is the configuration alone.")],
    config: OrConfigFile = None,
    data: OrData = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    note: Note = "",
    by: By = "",
) -> None:
    """Restore an old version as a new one."""
    desk = _desk(config, data)
    activate(desk, desk.plan_of(desk.at(version)), note or f"as version {version}", by, dry_run)


@registry.command("onboard")
def onboard(
    terminal: Annotated[str, typer.Argument(help="The terminal's id (field 41, 8 characters).")],
    merchant: Annotated[str, typer.Option(help="Its merchant (field 42, 15 characters).")],
    config: OrConfigFile = None,
    data: OrData = None,
    merchant_name: Annotated[str, typer.Option(help="Adds the merchant under this name.")] = "",
    city: Annotated[str, typer.Option(help="City of a new merchant.")] = "",
    mcc: Annotated[str, typer.Option(help="Category of a new merchant, 4 digits.")] = "",
    model: Annotated[str, typer.Option(help="Its model.")] = "",
    firmware: Annotated[str, typer.Option(help="Its program version.")] = "",
    kinds: Annotated[str, typer.Option(help="What it may send, for example sale,void; without it all.")] = "",
    show_components: Annotated[
        bool, typer.Option("--show-components", help="Print two clear key components (a key ceremony).")
    ] = False,
    tmk_components: Annotated[
        bool, typer.Option("--tmk-components", help="Read two components from standard input instead.")
    ] = False,
    note: Note = "",
    by: By = "",
) -> None:
    """Register a terminal with a new master key, in one step."""
    if show_components == tmk_components:
        raise OfficeError(
            "give either --show-components (a new key, for whoever loads the terminal) "
            "or --tmk-components (the key that is in it)"
        )
    desk = _desk(config, data)
    row = {"id": terminal, "merchant": merchant, "model": model, "firmware": firmware, "kinds": kinds}
    shop = {"name": merchant_name, "city": city, "mcc": mcc}
    new_shop = shop if any(shop.values()) else None
    drawn = draw_components(desk.hsm)
    onboarding(desk, row, new_shop, form_tmk(desk.hsm, drawn))  # refused before anybody types a component
    components = list(_typed_components()) if tmk_components else drawn
    tmk = form_tmk(desk.hsm, components)
    activate(desk, onboarding(desk, row, new_shop, tmk), note or f"onboard {terminal}", by)
    print(f"terminal {terminal}: TMK check value {desk.checks.of(Usage.TMK, tmk)}")
    if show_components:
        _print_components(components)


def _typed_components() -> Iterator[Component]:
    for number in range(1, COMPONENTS + 1):
        prompt = f"component {number}, hex: "
        typed = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline().strip()
        component = read_component(number, typed)
        print(f"component {number}: check value {component.check}")
        yield component


def _print_components(components: list[Component]) -> None:
    print("For a key ceremony: each component is for one person alone, who enters it into the terminal and")
    print("destroys it. Nobody may see both. They are not kept anywhere and cannot be shown again.")
    for number, component in enumerate(components, 1):
        print(f"component {number}: {component.value.hex().upper()}  check value {component.check}")


@registry.command("list")
def list_rows(
    table: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="Only this table.")] = None,
    config: OrConfigFile = None,
    data: OrData = None,
    as_json: AsJson = False,
) -> None:
    """Print the registered rows, keys as check values."""
    desk = _desk(config, data)
    wanted = table and known_table(table)
    rows = [row for row in desk.registry.rows if wanted in (None, key_of(row)[0])]
    checks = checks_for(desk, wrapped_keys(Registry(rows)))
    told = [{"table": key_of(row)[0], **shown(row, checks)} for row in rows]
    if as_json:
        print(json.dumps({"version": desk.version, "rows": told}, ensure_ascii=False))
        return
    for values in told:
        print("  ".join(f"{cell(value)}" for value in values.values() if cell(value)))


@registry.command("show")
def show(table: Table, name: Name, config: OrConfigFile = None, data: OrData = None) -> None:
    """Print one row and the versions that changed it."""
    desk = _desk(config, data)
    row = desk.row(table, name)
    for column, value in shown(row, checks_for(desk, wrapped_keys(Registry([row])))).items():
        print(f"{column:<10}  {cell(value)}")
    for entry in desk.entries:
        change = entry.change
        if any(key_of(put) == (table, name) for put in change.put) or (table, name) in change.drop:
            print(f"version {change.version:<6} {clock_text(entry.at_ns)}  {entry.author}  {entry.note}")


@registry.command("export")
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An empty or new folder.")],
    config: OrConfigFile = None,
    data: OrData = None,
) -> None:
    """Write one CSV file a table, keys wrapped; import takes them back."""
    for path in write_sheets(folder, _desk(config, data).registry):
        print(path)


@registry.command("history")
def history(config: OrConfigFile = None, data: OrData = None) -> None:
    """Print what was changed when, by whom and why."""
    desk = _desk(config, data)
    for parts in activations(desk.entries):
        first = parts[0]
        span = f"{first.first}" if first.first == first.last else f"{first.first}-{first.last}"
        put = sum(len(part.change.put) for part in parts)
        drop = sum(len(part.change.drop) for part in parts)
        what = _what(first.change) or f"{put:,} put, {drop:,} removed"
        print(f"{span:<9} {clock_text(first.at_ns)}  {first.author}  {what}  {first.note}")
    print(f"version {desk.version}: {_counts(desk.registry)}")


def _what(change: Change) -> str:
    """What an order asks for that changes no row."""
    if change.ruling is not None:
        return f"payment {change.ruling.payment} {change.ruling.says}"
    return f"new zone keys with {', '.join(change.rekey)}" if change.rekey else ""


@registry.command("check")
def check(config: OrConfigFile = None, data: OrData = None) -> None:
    """Check the books and every row: exit 1 names what is wrong."""
    try:
        desk = _desk(config, data)
    except OfficeError as error:
        print(error)
        raise typer.Exit(1) from None
    refused, unheard = judged_by_hsm(desk.config.hsm, desk.registry)
    found = [
        *shut_keys(desk.registry, desk.hsm),
        *findings(desk.registry),
        *shared_keys(desk.registry, desk.checks),
    ]
    for place in refused:
        remedy = AS_SHOWN.format(place.usage)
        found.append(Finding(True, place.row, f"{place.column}: {REFUSED}", remedy))
    if unheard:
        print(f"note: {counted(unheard, 'key')} {NOT_VERIFIED}")
    for finding in found:
        print(finding if finding.error else f"note: {finding}")
    if any(finding.error for finding in found):
        raise typer.Exit(1)
    print(f"ok: version {desk.version}, {_counts(desk.registry)}")


@registry.command("drift")
def drift(
    config: OrConfigFile = None,
    data: OrData = None,
    lang: OrLang = None,
    as_json: AsJson = False,
) -> None:
    """Print what terminals send that is not what is registered of them, and what to do: exit 1 if any."""
    settings = settings_of(config, data)
    standing_now = standing(read_drift(settings.data), Desk(settings, SystemClock()).registry)
    if as_json:
        print(json.dumps([_drift_json(row) for row in standing_now], ensure_ascii=False))
        raise typer.Exit(1 if standing_now else 0)
    languages = [lang] if lang else list(Lang)
    for number, row in enumerate(standing_now):
        if not number or standing_now[number - 1].terminal != row.terminal:
            print(f"terminal {row.terminal}")
        for language in languages:
            print(f"  {_drift_line(row, language.value)}")
    if standing_now:
        raise typer.Exit(1)
    print("no drift")


def _drift_line(row: Drift, lang: str) -> str:
    name, words = remedy(row, lang)
    first, last = clock_text(row.first_ns), clock_text(row.last_ns)
    return SENTENCE[lang].format(
        **msgspec.structs.asdict(row),
        name=name,
        remedy=words,
        first=first,
        last=last,
        times="once" if row.count == 1 else f"{row.count:,} times",
    )


def _drift_json(row: Drift) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(row),
        **{f"remedy_{lang.value}": remedy(row, lang.value)[1] for lang in Lang},
    }


def _desk(config: Path | None, data: Path | None) -> Desk:
    return Desk(settings_of(config, data), SystemClock())


def activate(desk: Desk, plan: Plan, note: str, by: str, dry_run: bool = False) -> None:
    """Makes a plan the newest version and shows its difference; exit 1 when it would break something."""
    if plan.errors:
        for found in plan.errors:
            print(f"posswitch: {found}", file=sys.stderr)
        raise typer.Exit(1)
    if not plan.difference:
        ends = f"nothing to change; version {plan.version} stands"
    elif dry_run:
        ends = f"dry run: {plan.difference}; nothing was changed"
    else:
        made = desk.activate(plan, by or user(), note)
        ends = f"version {made[-1].version}: {plan.difference}"
    for line in lines(plan.difference, desk.checks):
        print(line)
    for found in plan.notes:
        print(f"note: {found}")
    print(ends)


def _counts(rows: Registry) -> str:
    tables = [key_of(row)[0] for row in rows.rows]
    return ", ".join(counted(tables.count(table), _CALLED[table]) for table in dict.fromkeys(tables))
