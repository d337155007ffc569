"""batches: what became of every terminal's settlement."""

import json
import sys
from typing import Annotated

import typer

from posswitch.base.amount import amount_text
from posswitch.cli.options import OrConfigFile, OrData, settings_of
from posswitch.engine.events import Difference
from posswitch.journal.batches import BatchView, read_batches
from posswitch.office.desk import Desk
from posswitch.scheme.settlement import Side
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import Config


def batches(
    config: OrConfigFile = None,
    data: OrData = None,
    terminal: Annotated[str, typer.Option(help="Only this terminal.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable, one batch a line.")] = False,
    differing: Annotated[bool, typer.Option("--differing", help="Only those that did not balance.")] = False,
) -> None:
    """Show settled batches: balanced, or what differed; exit 1 when --differing finds any."""
    settings = settings_of(config, data)
    views = read_batches(settings.data, terminal)
    chosen = [view for view in views if not (differing and view.balanced)]
    for view in chosen:
        print(json.dumps(_row(view), ensure_ascii=False) if as_json else _text(view))
    if not chosen:
        if terminal and not views:
            _known(settings, terminal)
        which = f"{'differing' if differing and views else 'settled'} batches"
        said = f"no {which}{f' of terminal {terminal}' if terminal else ''}"
        print(said, file=sys.stderr if as_json else sys.stdout)
    raise typer.Exit(1 if differing and chosen else 0)


def _known(settings: Config, terminal: str) -> None:
    """Raises OfficeError when the registry has no such terminal, now or since the office changed it."""
    Desk(settings, SystemClock()).row("terminal", terminal)


def _row(view: BatchView) -> dict[str, object]:
    totals = view.totals
    sides = ("theirs_domestic", "theirs_foreign", "domestic", "foreign")
    return {
        "terminal": view.terminal,
        "batch": view.batch,
        "phase": view.phase,
        "balanced": view.balanced,
        **{name: _side(getattr(totals, name)) for name in sides},
        "open": list(totals.open),
        "differences": [
            {"stan": one.stan, "ours_minor": one.ours_minor, "theirs_minor": one.theirs_minor}
            for one in view.differences
        ],
    }


def _side(side: Side) -> dict[str, int]:
    names = ("debit_minor", "debits", "credit_minor", "credits")
    return {name: getattr(side, name) for name in names}


def _text(view: BatchView) -> str:
    totals = view.totals
    word = "balanced / 平" if view.balanced else "not balanced / 不平"
    lines = [f"{view.terminal} batch {view.batch}: {word}, {view.phase}"]
    for name, ours, theirs in (
        ("domestic", totals.domestic, totals.theirs_domestic),
        ("foreign", totals.foreign, totals.theirs_foreign),
    ):
        if ours != theirs:
            lines.append(f"  {name}: centre {_words(ours)}; terminal {_words(theirs)}")
    if totals.open:
        lines.append(f"  still open when it was settled: {', '.join(totals.open)}")
    lines += [f"  {_explained(one)}" for one in view.differences]
    return "\n".join(lines)


def _words(side: Side) -> str:
    debit, credit = amount_text(side.debit_minor), amount_text(side.credit_minor)
    return f"{debit} in {side.debits} debits, {credit} in {side.credits} credits"


def _explained(one: Difference) -> str:
    """One difference as a sentence."""
    if one.theirs_minor is None:
        return f"{one.stan}: {amount_text(one.ours_minor or 0)} at the centre, the terminal has lost it"
    if one.ours_minor is None:
        why = f"it is {one.ours_state} here" if one.ours_state else "it is unknown here"
        return f"{one.stan}: {amount_text(one.theirs_minor)} at the terminal, {why}"
    ours, theirs = amount_text(one.ours_minor), amount_text(one.theirs_minor)
    return f"{one.stan}: {ours} at the centre, {theirs} at the terminal"
