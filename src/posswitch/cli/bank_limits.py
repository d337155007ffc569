"""limits bank: requests to banks about limits of their own, from the evidence to the answer."""

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from posswitch.base.amount import amount_text
from posswitch.base.moment import clock_text
from posswitch.cli.options import AsJson, Lang, OrConfigFile, OrData, OrLang, settings_of
from posswitch.office import bank_requests as papers
from posswitch.office.acts import LimitClosed, known_name
from posswitch.office.bank_requests import CLOSED, USUAL_CODES, Followed
from posswitch.office.desk import Desk
from posswitch.office.limit_words import EN, ZH
from posswitch.settings.clock import SystemClock

bank = typer.Typer(
    name="bank",
    help="Ask a bank to adjust a limit of its own. Names given with --by are not verified.",
    no_args_is_help=True,
)
Number = Annotated[int, typer.Argument(metavar="N", help="The request's number.")]
By = Annotated[str, typer.Option("--by", callback=known_name, help="Who does it; it is not verified.")]
Note = Annotated[str, typer.Option("--note", help="What was said; kept for ever.")]


@bank.command("open")
def open_(
    institution: Annotated[str, typer.Argument(metavar="BANK", help="The bank's institution number.")],
    by: By,
    want: Annotated[str, typer.Option("--want", help="What the bank is asked to do; kept for ever.")],
    config: OrConfigFile = None,
    data: OrData = None,
    days: Annotated[int, typer.Option("--days", help="How far back, 1 to 31.")] = 7,
    code: Annotated[
        list[str] | None, typer.Option("--code", help="The bank's DE39; repeatable, without it 61 and 65.")
    ] = None,
    lang: OrLang = None,
    as_json: AsJson = False,
) -> None:
    """Open a request with the evidence of the journal, and print the message to the bank."""
    desk = _desk(config, data)
    one = papers.open_request(desk, institution, by, want, days, tuple(code or USUAL_CODES))
    _print(desk, one, lang, as_json)


@bank.command("list")
def list_requests(
    config: OrConfigFile = None,
    data: OrData = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not closed.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the requests and how they stand."""
    desk = _desk(config, data)
    found = [one for one in papers.requests(desk) if not only_open or one.state != CLOSED]
    if as_json:
        print(json.dumps([_document(one) for one in found], ensure_ascii=False))
        return
    for one in found:
        asked = one.asked
        codes = " ".join(f"{code}×{count}" for code, count in asked.codes)
        money = ", ".join(amount_text(minor, currency) for currency, minor in asked.minor)
        words = (f"{one.number:<5} {clock_text(asked.at_ns)}", one.state, asked.bank, asked.by, codes, money)
        print("  ".join((*words, asked.want)))
    if not found:
        print("nothing")


@bank.command("show")
def show(
    number: Number,
    config: OrConfigFile = None,
    data: OrData = None,
    lang: OrLang = None,
    as_json: AsJson = False,
) -> None:
    """Print the message to the bank, and what became of it."""
    desk = _desk(config, data)
    _print(desk, papers.request(desk, number), lang, as_json)


@bank.command("answer")
def answer(number: Number, by: By, note: Note, config: OrConfigFile = None, data: OrData = None) -> None:
    """Keep what the bank has answered."""
    papers.answer(_desk(config, data), number, by, note)
    print(f"request {number}: answered, kept by {by} / 已记录银行答复")


@bank.command("close")
def close(number: Number, by: By, note: Note, config: OrConfigFile = None, data: OrData = None) -> None:
    """Close a request: nothing more is to be done."""
    papers.close(_desk(config, data), number, by, note)
    print(f"request {number}: closed by {by} / 已结案")


def _print(desk: Desk, one: Followed, lang: Lang | None, as_json: bool) -> None:
    messages = {
        language.value: papers.message(desk, one, side) for side, language in ((ZH, Lang.zh), (EN, Lang.en))
    }
    if as_json:
        print(json.dumps(_document(one) | {"message": messages}, ensure_ascii=False))
        return
    print("\n\n".join(text for language, text in messages.items() if lang in (None, Lang(language))))
    print()
    print(f"request {one.number}: {one.state}")
    for act in one.said:
        did = "closed" if isinstance(act, LimitClosed) else "answered"
        print(f"  {clock_text(act.at_ns)}  {act.by}  {did}  {act.note}")


def _document(one: Followed) -> dict[str, Any]:
    asked = one.asked
    said = [
        {"state": CLOSED if isinstance(act, LimitClosed) else papers.ANSWERED, **msgspec.structs.asdict(act)}
        for act in one.said
    ]
    told = msgspec.structs.asdict(asked) | {
        "codes": dict(asked.codes),
        "minor": dict(asked.minor),
        "examples": [msgspec.structs.asdict(each) for each in asked.examples],
    }
    return {"number": one.number, "state": one.state, **told, "said": said}


def _desk(config: Path | None, data: Path | None) -> Desk:
    return Desk(settings_of(config, data), SystemClock())
