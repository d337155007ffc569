"""why: the whole story of one payment, for cashier, operator, bank and customer."""

import json
from typing import Annotated, Any

import msgspec
import typer

from posswitch.base.codes import explain_text, lookup
from posswitch.base.moment import clock_text
from posswitch.cli.options import AsJson, Lang, OrConfigFile, OrData, OrLang, settings_of
from posswitch.codec.wording import Words
from posswitch.office.why_bank import bank_message
from posswitch.office.why_cashier import cashier
from posswitch.office.why_customer import customer
from posswitch.office.why_evidence import Evidence
from posswitch.office.why_find import Asked, Found, find
from posswitch.office.why_operator import operator, outcome_words
from posswitch.office.why_words import amount_words, kind_words, said
from posswitch.settings.clock import SystemClock

REGISTERS = {"cashier": cashier, "operator": operator, "bank": bank_message, "customer": customer}


def why(
    reference: Annotated[
        str, typer.Argument(metavar="[RRN|PAYMENT]", help="Field 37 of the slip, or the payment's number.")
    ] = "",
    config: OrConfigFile = None,
    data: OrData = None,
    terminal: Annotated[str, typer.Option("--terminal", help="Field 41, with --stan or --code.")] = "",
    stan: Annotated[str, typer.Option("--stan", help="The slip's trace number, field 11.")] = "",
    batch: Annotated[str, typer.Option("--batch", help="The slip's batch number.")] = "",
    last_four: Annotated[str, typer.Option("--last-four", help="Of the card, with --amount.")] = "",
    amount: Annotated[str, typer.Option("--amount", help="For example 123.45.")] = "",
    on: Annotated[str, typer.Option("--on", help="That day, Beijing time, for example 2026-11-29.")] = "",
    code: Annotated[str, typer.Option("--code", help="What the slip says (DE39), with --terminal.")] = "",
    at: Annotated[str, typer.Option("--at", help="The slip's time, for example 14:05.")] = "",
    lang: OrLang = None,
    as_json: AsJson = False,
) -> None:
    """Tell the story of one payment; exit 1 when none fits what is known, or several do."""
    settings = settings_of(config, data)
    asked = Asked(reference, terminal, stan, batch, last_four, amount, on, code, at)
    found = find(settings, SystemClock(), asked)
    if as_json:
        print(json.dumps(_document(found, asked.code), ensure_ascii=False))
    else:
        languages = [lang] if lang else list(Lang)
        print("\n\n".join(_text(found, asked.code, language) for language in languages))
    raise typer.Exit(0 if len(found.payments) == 1 else 1)


def _text(found: Found, code: str, lang: Lang) -> str:
    if len(found.payments) == 1:
        return _story(found.payments[0], lang)
    return _several(found.payments, lang) if found.payments else _none(found, code, lang)


def _story(evidence: Evidence, lang: Lang) -> str:
    return "\n".join(
        f"[{_in(said('find', f'title.{name}'), lang)}]\n{_in(tells(evidence), lang)}"
        for name, tells in REGISTERS.items()
    )


def _several(payments: list[Evidence], lang: Lang) -> str:
    head = _in(said("find", "several", n=len(payments)), lang)
    return "\n".join((head, *(f"  {_in(_row(one), lang)}" for one in payments)))


def _row(one: Evidence) -> Words:
    return said(
        "find",
        "row",
        payment=one.payment,
        rrn=one.rrn,
        at=clock_text(one.at_ns),
        kind=kind_words(one.kind),
        a=amount_words(one.amount_minor, one.currency),
        stan=one.stan,
        card=one.card,
        told=" ".join(dict.fromkeys(told.code for told in one.told if told.to != "reversal")) or "-",
        outcome=outcome_words(one.outcome),
    )


def _none(found: Found, code: str, lang: Lang) -> str:
    code = code.upper()
    edge = [
        said("find", "edge", at=clock_text(one.at_ns, fine=True), mti=one.mti, code=code)
        for one in found.at_edge
    ]
    lines = [_in(words, lang) for words in (*edge, said("find", "none"))]
    lines += [f"  - {_in(check, lang)}" for check in found.checks]
    if lookup(code) is not None:
        lines.append(explain_text(code, lang.value))
    return "\n".join(lines)


def _in(words: Words, lang: Lang) -> str:
    return words.zh if lang is Lang.zh else words.en


def _document(found: Found, code: str) -> dict[str, Any]:
    return {
        "found": len(found.payments),
        "payments": [_payment(one) for one in found.payments],
        "at_edge": [{"at_ns": one.at_ns, "mti": one.mti, "code": code.upper()} for one in found.at_edge],
        "checks": [words._asdict() for words in found.checks],
    }


def _payment(evidence: Evidence) -> dict[str, Any]:
    texts = {name: tells(evidence)._asdict() for name, tells in REGISTERS.items()}
    return {**msgspec.to_builtins(evidence), "safe": evidence.safe.value, "texts": texts}
