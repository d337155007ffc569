"""keys: the life of long-lived keys, from their components to their end."""

import json
from typing import Annotated, Any

import typer

from posswitch.base.moment import clock_text
from posswitch.cli import ceremonies
from posswitch.cli.inventory import list_keys
from posswitch.cli.options import AsJson, OrConfigFile, OrData, settings_of
from posswitch.office.acts import Confirmed, KeyAct, Ledger, Proposed, Withdrawn
from posswitch.office.ceremony import confirm, withdraw
from posswitch.office.desk import Desk
from posswitch.settings.clock import SystemClock

keys = typer.Typer(
    name="keys",
    help="Keys: inventory, ceremonies under dual control, end. Names given with --by are not verified.",
    no_args_is_help=True,
)
Number = Annotated[int, typer.Argument(metavar="N", help="The proposal's number.")]


@keys.command("confirm")
def confirm_proposal(
    number: Number, by: ceremonies.By, config: OrConfigFile = None, data: OrData = None
) -> None:
    """Confirm what another person proposed: now it takes effect. Names are not verified."""
    done = confirm(Desk(settings_of(config, data), SystemClock()), number, by)
    print(f"proposal {number}: confirmed by {by}{f', version {done.version}' if done.version else ''}")
    for line in done.said:
        print(line)


@keys.command("withdraw")
def withdraw_proposal(
    number: Number, by: ceremonies.By, config: OrConfigFile = None, data: OrData = None
) -> None:
    """Take a proposal back; nothing of it happens."""
    withdraw(Desk(settings_of(config, data), SystemClock()), number, by)
    print(f"proposal {number}: withdrawn by {by}")


@keys.command("history")
def history(
    config: OrConfigFile = None,
    data: OrData = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only proposals that wait.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print who did what with which key, when, by its check values; and what waits to be confirmed."""
    desk = Desk(settings_of(config, data), SystemClock())
    now_ns, ledger = desk.now_ns(), desk.ledger
    waiting = ledger.open(now_ns)
    told = [
        _told(number, act, ledger, "open" if number in waiting else "expired")
        for number, act in enumerate(ledger.acts, 1)
        if isinstance(act, KeyAct) and (not only_open or number in waiting)
    ]
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
        return
    for one in told:
        words = (f"{name} {value}" for name, value in one.items() if value and name not in _LEADING)
        print("  ".join((f"{one['number']:<5} {clock_text(one['at_ns'])}", one["by"], one["act"], *words)))
    if not told:
        print("nothing")


_LEADING = frozenset({"number", "at_ns", "by", "act"})


def _told(number: int, act: KeyAct, ledger: Ledger, waits: str) -> dict[str, Any]:
    """An act for people: never a key, wrapped or not."""
    told: dict[str, Any] = {"number": number, "at_ns": act.at_ns, "by": act.by}
    match act:
        case Proposed():
            ended = ledger.ending(number)
            state = waits if ended is None else type(ended).__name__.lower()
            return told | {
                "act": f"{act.what} {act.place}",
                "check value": act.check,
                "parts": ", ".join(f"{name} {check}" for name, check in act.parts),
                "under": act.under,
                "until": clock_text(act.end_ns) if act.end_ns else "",
                "state": state,
            }
        case Confirmed():
            return told | {"act": f"confirms {act.proposal}", "version": act.version}
        case Withdrawn():
            return told | {"act": f"withdraws {act.proposal}"}
    return told | {"act": f"draws a {act.usage}", "parts": ", ".join(act.checks), "check value": act.whole}


for _name, _command in (
    ("list", list_keys),
    ("components", ceremonies.components),
    ("form", ceremonies.form_key),
    ("import", ceremonies.import_key),
    ("export", ceremonies.export_key),
    ("rotate", ceremonies.rotate),
    ("expire", ceremonies.expire),
    ("destroy", ceremonies.destroy),
):
    keys.command(_name)(_command)
