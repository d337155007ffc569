"""check: every mistake in a configuration, with line and remedy, and what a start would find beside it."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import typer

from posswitch.base.errors import OfficeError, SecretShut
from posswitch.base.order import OFFICE
from posswitch.base.registry import Bin
from posswitch.cli.backup import foreseen_of_backup
from posswitch.cli.options import AsJson, ConfigFile
from posswitch.cli.telling import untold
from posswitch.crypto.hsm import SoftHsm
from posswitch.edge.start import Obstacle, foreseen
from posswitch.office.books import books_of, rebuilt
from posswitch.office.checks import NOT_VERIFIED, REFUSED, Checks
from posswitch.office.finding import named
from posswitch.office.hsm_answers import AS_SHOWN, judged_by_hsm
from posswitch.office.rules import shared_keys
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import Config, Examined, examine
from posswitch.settings.finding import ERROR, NOTE, WARNING, Fault, Finding, counted, found
from posswitch.settings.secret import KEPT, read_secret


def check(config: ConfigFile, as_json: AsJson = False) -> None:
    """Find every mistake in a configuration, with line and remedy: exit 1 when the switch would not start."""
    with KEPT.asker.sparing_input():
        examined = examine(config)
        if examined.config is not None:
            around = list(_around(examined, examined.config))
            fine = examined.config if not any(one.severity == ERROR for one in around) else None
            examined = examined._replace(findings=sorted([*examined.findings, *around]), config=fine)
    if as_json:
        print(json.dumps(_document(examined), ensure_ascii=False))
    else:
        _print(examined)
    raise typer.Exit(0 if examined.config is not None else 1)


def _around(examined: Examined, config: Config) -> Iterator[Finding]:
    """What a start with this configuration would meet: at its HSM and, with an open secret, in its data."""
    yield from _keys_at_hsm(examined, config)
    for unheard in untold(config):
        yield found(unheard, examined.places.of(unheard.path))
    try:
        read_secret(config.secret)
    except SecretShut:
        return
    obstacles = list(foreseen(config, SystemClock()))
    if not any(one.what.startswith(f"{OFFICE}: ") for one in obstacles):
        obstacles += _in_the_books(config)
    for one in obstacles:
        severity = ERROR if one.stops else WARNING
        fault = Fault(("node", one.key), f"node.{one.key}", one.what, one.remedy, severity)
        yield found(fault, examined.places.of(fault.path))
    if wrong := foreseen_of_backup(config):
        what, _, remedy = wrong.rpartition("; ")
        fault = Fault(("backup", "to"), "backup.to", what, remedy, WARNING)
        yield found(fault, examined.places.of(fault.path))


def _in_the_books(config: Config) -> Iterator[Obstacle]:
    """What is wrong with the office's history, or with the keys that it brought."""
    try:
        entries, _ = books_of(config, SystemClock()).history()
    except OfficeError as error:
        what, _, remedy = str(error).rpartition("; ")
        yield Obstacle("data", what, remedy, stops=False)
        return
    checks = Checks(SoftHsm(read_secret(config.secret), SystemClock().entropy))
    of_file = set(shared_keys(config.registry, checks))  # these have a line
    for one in shared_keys(rebuilt(config.registry.rows, entries), checks) if entries else ():
        if one not in of_file:
            yield Obstacle("data", f"{OFFICE}: {named(one.key)} {one.what}", one.remedy, stops=False)


def _keys_at_hsm(examined: Examined, config: Config) -> Iterator[Finding]:
    """What the HSM says of the keys of the file; a key that it refuses can never work."""
    refused, unheard = judged_by_hsm(config.hsm, config.registry)
    rows = {"bank": list(config.registry.banks), "terminal": list(config.registry.terminals)}
    for place in refused:
        path = (place.table, rows[place.table].index(place.id), place.column)
        name = f"{place.table} {place.id}: {place.column}"
        yield found(Fault(path, name, REFUSED, AS_SHOWN.format(place.usage)), examined.places.of(path))
    if unheard:
        what = f"{counted(unheard, 'key')} {NOT_VERIFIED}"
        fault = Fault(("hsm", "links"), "hsm.links", what, "look at the HSM, then check again", WARNING)
        yield found(fault, examined.places.of(fault.path))


def _print(examined: Examined) -> None:
    for finding in examined.findings:
        print(examined.line(finding))
    if examined.config is not None:
        print(f"{examined.path}: fine: {_sentence(examined.config)}")
    else:
        counts = ", ".join(counted(len(examined.of(kind)), kind) for kind in (ERROR, WARNING))
        more = f" (and {examined.unkept} more)" if examined.unkept else ""
        print(f"posswitch: {examined.path}: {counts}{more}", file=sys.stderr)


def _counts(config: Config) -> dict[str, int]:
    registry = config.registry
    banks, merchants, terminals = registry.banks, registry.merchants, registry.terminals
    dialects = {row.dialect for row in banks.values()} | {row.dialect for row in terminals.values()}
    return {
        "banks": len(banks),
        "BINs": sum(isinstance(row, Bin) for row in registry.rows),
        "merchants": len(merchants),
        "terminals": len(terminals),
        "sources": len(registry.sources),
        "dialects": len(dialects),
    }


def _sentence(config: Config) -> str:
    counts = ", ".join(
        counted(count, name[:-1]) for name, count in _counts(config).items() if count or name != "sources"
    )
    timers = config.timers
    waits = " / ".join(f"{wait:g}" for wait in (timers.bank, timers.centre, timers.terminal))
    return f"{counts}, timers {waits} s (bank / centre / terminal)"


def _document(examined: Examined) -> dict[str, Any]:
    config = examined.config
    return {
        "file": str(examined.path),
        "ok": config is not None,
        "errors": len(examined.of(ERROR)),
        "warnings": len(examined.of(WARNING)),
        "notes": len(examined.of(NOTE)),
        "unkept": examined.unkept,
        "findings": [finding._asdict() for finding in examined.findings],
        "summary": config and {**_counts(config), "timers_s": msgspec.structs.asdict(config.timers)},
    }
