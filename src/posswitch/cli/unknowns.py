"""unknowns: payments whose outcome only a person can find out, and the person's word."""

import json
from typing import Annotated, Any

import typer

from posswitch.base.amount import amount_text
from posswitch.base.codes import lookup
from posswitch.base.errors import OfficeError
from posswitch.base.moment import clock_text
from posswitch.base.registry import Word
from posswitch.cli.options import AsJson, Lang, OrConfigFile, OrData, OrLang, settings_of, user
from posswitch.engine.lifecycle import NEEDS_OWNER
from posswitch.journal.story import Case, Step, needing_owner, told
from posswitch.office.desk import Desk
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import Config

# Why it needs a person: the cause of its last step, what to find out.
_WHY = {
    "expired": (
        "银行在规定时限内未应答冲正或通知；请向发卡行查询是否入账",
        "its bank did not answer for as long as we may ask; find out there what was posted",
    ),
    "bank-refused": (
        "银行拒绝了不应拒绝的通知；请与发卡行核对",
        "its bank refuses what it may not refuse; settle it with the bank",
    ),
    "restored": (
        "由备份恢复，备份之后的结果未知；请与发卡行、终端核对",
        "it was open when the backup ends; find out from bank and terminal what became of it",
    ),
    "reversal-of-lost": (
        "终端冲正的原交易在恢复时丢失；请按终端号、流水号向发卡行查询",
        "a terminal reverses what the restored journal does not have; look for the original at the banks",
    ),
}

_CERTAIN = frozenset({"expired", "bank-refused", "reversal-of-lost"})
_HOW = "posswitch unknowns PAYMENT --stands | --reversed | --again --reason TEXT"


def unknowns(
    payment: Annotated[
        str, typer.Argument(metavar="[PAYMENT]", help="Its number, or field 37 as on the receipt.")
    ] = "",
    config: OrConfigFile = None,
    data: OrData = None,
    stands: Annotated[bool, typer.Option("--stands", help="It is posted at the bank and stays.")] = False,
    reversed_: Annotated[
        bool, typer.Option("--reversed", help="Nothing was posted, or it was given back.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Tell the bank again by itself.")] = False,
    reason: Annotated[str, typer.Option(help="How you know; kept for ever beside the payment.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who says so; without it the user of this machine.")] = "",
    lang: OrLang = None,
    as_json: AsJson = False,
) -> None:
    """List what needs a person (exit 1 if anything does), show one payment, or settle it."""
    settings = settings_of(config, data)
    options: list[tuple[Word, bool]] = [("stands", stands), ("reversed", reversed_), ("again", again)]
    words = [word for word, on in options if on]
    if words and (len(words) > 1 or not payment):
        raise OfficeError("give one payment and one of --stands, --reversed, --again")
    if reason and not words:
        raise OfficeError("--reason belongs to --stands, --reversed or --again")
    if words:
        _rule(settings, payment, words[0], by or user(), reason)
    elif payment:
        case, steps = told(settings.data, settings.node, payment)
        print(
            json.dumps(_document(case, steps), ensure_ascii=False) if as_json else _story(case, steps, lang)
        )
    else:
        _list(needing_owner(settings.data, settings.node), lang, as_json=as_json)


def _list(cases: list[Case], lang: Lang | None, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_document(case) for case in cases], ensure_ascii=False))
    else:
        for case in cases:
            print(_text(case, lang))
        print(f"{len(cases):,} to decide, {_totals(cases)}: {_HOW}" if cases else "nothing needs a person")
    raise typer.Exit(1 if cases else 0)


def _totals(cases: list[Case]) -> str:
    """What is open in all, a sum per currency."""
    sums: dict[str, int] = {}
    for case in cases:
        sums[case.currency] = sums.get(case.currency, 0) + case.amount_minor
    return " + ".join(amount_text(minor, currency) for currency, minor in sorted(sums.items()))


def _rule(settings: Config, payment: str, says: Word, by: str, reason: str) -> None:
    case, _ = told(settings.data, settings.node, payment)
    if case.state != NEEDS_OWNER:
        raise OfficeError(f"payment {case.payment} is {case.state}; there is nothing to decide")
    if says == "again" and not case.bank:
        raise OfficeError(f"payment {case.payment}: nobody here knows its bank; find it, then say --reversed")
    version = Desk(settings, SystemClock()).rule(case.payment, says, by, reason)
    print(f"order {version}: payment {case.payment} {says}, by {by}; a running switch follows within seconds")


def _text(case: Case, lang: Lang | None) -> str:
    amount = amount_text(case.amount_minor, case.currency)
    where = f"terminal {case.terminal} batch {case.batch} trace {case.stan}"
    where += f"  card …{case.last_four}" if case.last_four else ""
    where += f"  bank {case.bank}" if case.bank else ""
    lines = [
        f"payment {case.payment}  RRN {case.rrn}  {case.kind} {amount}",
        f"  {clock_text(case.at_ns)}  {where}",
    ]
    if case.state == NEEDS_OWNER:
        lines += [f"  {line}" for line in _chosen(_WHY[case.cause], lang)]
    lines += [f"  {line}" for line in _chosen(_answered(case), lang)]
    return "\n".join(lines)


def _answered(case: Case) -> tuple[str, str]:
    """What its terminal has heard: certain only where no restore and no owner came in between."""
    row = lookup(case.code)
    zh, en = (row.meaning_zh.rstrip("。"), row.meaning_en.rstrip(".")) if row is not None else ("", "")
    if case.cause in _CERTAIN:
        return f"终端已收到应答 {case.code}（{zh}）", f"the terminal was told {case.code} ({en})"
    return (
        f"终端先前收到的应答以其签购单为准；如重发，应答 {case.code}（{zh}）",
        f"its slip says what the terminal was told; a repeat of it is told {case.code} ({en})",
    )


def _story(case: Case, steps: list[Step], lang: Lang | None) -> str:
    lines = [_text(case, lang)]
    lines += [f"  {line}" for line in _chosen((f"当前状态：{case.state}", f"it is {case.state} now"), lang)]
    for step in steps:
        moved = f" → {step.state}" if step.state else ""
        why = f": {step.why}" if step.why else ""
        cause = f" {step.cause}" if step.cause else ""
        lines.append(f"  {clock_text(step.at_ns)}  record {step.seq}  {step.event}{cause}{moved}{why}")
    return "\n".join(lines)


def _document(case: Case, steps: list[Step] | None = None) -> dict[str, Any]:
    zh, en = _WHY.get(case.cause, ("", "")) if case.state == NEEDS_OWNER else ("", "")
    shown = {**case._asdict(), "why_zh": zh, "why_en": en}
    return shown if steps is None else {**shown, "steps": [step._asdict() for step in steps]}


def _chosen(texts: tuple[str, str], lang: Lang | None) -> list[str]:
    return [text for text, language in zip(texts, Lang, strict=True) if lang in (None, language)]
