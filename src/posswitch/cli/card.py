"""card: the payments of a card number, and the card number of a payment."""

import json
from typing import Annotated, Any

import typer

from posswitch.base.amount import amount_text
from posswitch.base.card import mask_pan
from posswitch.base.moment import clock_text
from posswitch.cli.options import AsJson, OrConfigFile, OrData, settings_of
from posswitch.cli.typed import typed
from posswitch.journal.story import Case
from posswitch.office.acts import known_name
from posswitch.office.cards import SHOWN_PER_DAY_MAX, find, show, traces
from posswitch.office.desk import Desk
from posswitch.office.parts import wipe
from posswitch.settings.clock import SystemClock

card = typer.Typer(
    name="card",
    help="Payments by card number, and card numbers in clear. Names given with --by are not verified.",
    no_args_is_help=True,
)


@card.command("find")
def find_payments(
    config: OrConfigFile = None,
    data: OrData = None,
    days: Annotated[int, typer.Option("--days", help="How far back, 1 to 400.")] = 7,
    most: Annotated[int, typer.Option("--most", help="How many at most, 1 to 1000.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List a card's payments, newest first; the number is typed without echo, or read from standard input."""
    settings = settings_of(config, data)
    line = typed("card number (not shown): ", hidden=True)
    pan = line.decode("ascii", "replace").replace(" ", "").strip()
    wipe(line)
    cases, more = find(settings, SystemClock(), pan, days, most)
    if as_json:
        print(
            json.dumps(
                {"payments": [_document(case, pan) for case in cases], "more": more}, ensure_ascii=False
            )
        )
        return
    for case in cases:
        print(_text(case, pan))
    if more:
        print(f"there are more; these are the newest {len(cases)}: give --most, or fewer --days")
    elif not cases:
        print(f"no payment of {mask_pan(pan)} in {days} days")


@card.command("show")
def show_number(
    payment: Annotated[str, typer.Argument(metavar="PAYMENT", help="Its number, or field 37.")],
    reason: Annotated[str, typer.Option("--reason", help="Why you must see it; kept for ever.")],
    by: Annotated[
        str,
        typer.Option("--by", callback=known_name, help="Who sees it; it is not verified."),
    ],
    config: OrConfigFile = None,
    data: OrData = None,
) -> None:
    """Show a card number in clear to somebody who may see it; who, when and why is durable before."""
    shown = show(Desk(settings_of(config, data), SystemClock()), payment, by, reason)
    print(f"payment {shown.case.payment}: {shown.pan}  (act {shown.act})")


@card.command("history")
def history(config: OrConfigFile = None, data: OrData = None, as_json: AsJson = False) -> None:
    """Print who has seen which payment's card number, when and why."""
    seen = traces(Desk(settings_of(config, data), SystemClock()))
    if as_json:
        rows = [
            {"payment": one.payment, "by": one.by, "at_ns": one.at_ns, "reason": one.reason} for one in seen
        ]
        print(json.dumps(rows, ensure_ascii=False))
        return
    for one in seen:
        print(f"{clock_text(one.at_ns)}  {one.by}  payment {one.payment}  {one.reason}")
    print(f"{len(seen):,} shown; at most {SHOWN_PER_DAY_MAX} a day to one name")


def _document(case: Case, pan: str) -> dict[str, Any]:
    return {**case._asdict(), "card": mask_pan(pan)}


def _text(case: Case, pan: str) -> str:
    amount = amount_text(case.amount_minor, case.currency)
    where = f"terminal {case.terminal} batch {case.batch} trace {case.stan}"
    ended = f"{case.state}{f' {case.code}' if case.code else ''}"
    return (
        f"payment {case.payment}  RRN {case.rrn}  {clock_text(case.at_ns)}  {mask_pan(pan)}  "
        f"{case.kind} {amount}  {where}  {ended}"
    )
