"""What the peers alone show: a line for people, an object for programs; masked, and safe on any terminal."""

import re
from collections.abc import Iterator

from posswitch.base.amount import amount_text
from posswitch.base.card import mask_pan, scrub
from posswitch.base.codes import lookup
from posswitch.base.moment import clock_text
from posswitch.codec import Message
from posswitch.scheme.kinds import REVERSAL, kind_from_terminal, kind_reversed, text, texts
from posswitch.scheme.settlement import Side, read_totals
from posswitch.sim.peers.desk import Exchange
from posswitch.sim.peers.seen import IN, LINE, Seen
from posswitch.sim.solo import Result

_UNUSED = {"98": "no usable answer", "A0": "an answer whose MAC is wrong"}
_FLAGS = {"0": "not said", "1": "balanced", "2": "not balanced", "3": "error"}
_BALANCE = re.compile(r"[0-9]{2}([0-9]{2})([0-9]{3})([CD])([0-9]{12})")
_BALANCE_NAMES = {"01": "ledger", "02": "available"}
_ARROWS = {IN: "←", LINE: "·"}  # else →
_OF_A_PAYMENT = frozenset({"0100", "0200", "0220", "0400"})  # what a cashier is told is about one
_SHOWN_MAX = 160


def plain(words: str) -> str:
    """`words` from the other side, short, without what a screen would obey."""
    kept = words if len(words) <= _SHOWN_MAX else f"{words[:_SHOWN_MAX]}…"
    return scrub("".join(char if char.isprintable() else "·" for char in kept))


def _amount(message: Message) -> int | None:
    digits = text(message, 4)
    return int(digits) if digits.isascii() and digits.isdigit() else None


def _meaning(code: str) -> str:
    row = lookup(code)
    return f"{row.meaning_zh}{row.meaning_en}" if row else "a code that is not in the table: a decline"


def _filled(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value not in (None, "", [], ())}


# A bank


def bank_object(seen: Seen, link: int) -> dict[str, object]:
    """One message or event of a bank."""
    message = seen.message
    shown = _filled(at_ns=seen.at_ns, way=seen.way, link=link, kind=seen.kind, note=plain(seen.note))
    if message is None:
        return shown
    return shown | _filled(
        mti=plain(message.mti),
        stan=plain(text(message, 11)),
        amount_minor=_amount(message),
        pan=mask_pan(text(message, 2)),
        rrn=plain(text(message, 37)),
        code=plain(text(message, 39)),
        management=plain(text(message, 70)),
    )


def bank_line(seen: Seen, link: int) -> str:
    """One message or event of a bank, with its time and link, and what is wrong with it."""
    message = seen.message
    head = f"{clock_text(seen.at_ns, fine=True).partition(' ')[2]} link {link} {_ARROWS.get(seen.way, '→')}"
    if message is None:
        return f"{head} {plain(seen.note)}"
    amount = _amount(message)
    parts = [
        f"{plain(message.mti)} {seen.kind or 'unknown':<17} {plain(text(message, 11)) or '-':<6}",
        amount_text(amount) if amount is not None else "",
        mask_pan(text(message, 2)),
        f"70={plain(text(message, 70))}" if text(message, 70) else "",
        plain(text(message, 39)),
        f"({plain(seen.note)})" if seen.note else "",
    ]
    return " ".join((head, *filter(None, parts)))


# A terminal


def _name(request: Message) -> tuple[str, str]:
    """What a terminal's message is, in English and Chinese."""
    had = texts(request)
    kind = kind_from_terminal(request.mti, had)
    if kind is None:
        return request.mti, ""
    if kind is REVERSAL:
        original = kind_reversed(had)
        assert original is not None
        return f"reversal of {original.name}, reason {text(request, 39)}", f"{original.name_zh}{kind.name_zh}"
    return kind.name, kind.name_zh


def exchange_object(exchange: Exchange) -> dict[str, object]:
    """One question of a terminal and what came of it."""
    request, answer = exchange.request, exchange.reply.message
    name, name_zh = _name(request)
    shown = _filled(
        event="exchange",
        kind=name,
        kind_zh=name_zh,
        mti=request.mti,
        stan=text(request, 11),
        amount_minor=_amount(request),
        pan=mask_pan(text(request, 2)),
        ms=round(exchange.waited_ms, 3),
        answered=answer is not None,
        remarks=[plain(remark) for remark in exchange.remarks],
    )
    if answer is None:
        return shown | {"why": _UNUSED.get(exchange.reply.why, exchange.reply.why)}
    row = lookup(exchange.reply.code)
    return shown | _filled(
        code=plain(exchange.reply.code),
        meaning_zh=row.meaning_zh if row else "",
        meaning_en=row.meaning_en if row else "",
        auth=plain(text(answer, 38)),
        rrn=plain(text(answer, 37)),
        balances=list(_balances(answer)),
        totals=list(_totals(answer)),
    )


def exchange_lines(exchange: Exchange) -> list[str]:
    """One question of a terminal and what came of it, for people."""
    request, answer = exchange.request, exchange.reply.message
    amount = _amount(request)
    asked = [
        " ".join(filter(None, _name(request))),
        amount_text(amount) if amount is not None else "",
        mask_pan(text(request, 2)),
        f"STAN {text(request, 11)}" if text(request, 11) else "",
    ]
    took = f"{exchange.waited_ms:.0f} ms"
    if answer is None:
        got = [_UNUSED.get(exchange.reply.why, exchange.reply.why), took]
    else:
        code = exchange.reply.code
        got = [
            f"{plain(code)} {_meaning(code)}" if code else "an answer without field 39",
            f"auth {plain(text(answer, 38))}" if text(answer, 38) else "",
            f"RRN {plain(text(answer, 37))}" if text(answer, 37) else "",
            took,
        ]
    lines = [f"{' · '.join(filter(None, asked))} → {' · '.join(filter(None, got))}"]
    lines += [f"    ! {plain(remark)}" for remark in exchange.remarks]
    if answer is not None:
        lines += [f"    balance {words}" for words in _balances(answer)]
        lines += [f"    totals {words}" for words in _totals(answer)]
        row = lookup(exchange.reply.code)
        if row is not None and row.category != "approved" and request.mti in _OF_A_PAYMENT:
            lines += [f"    收银员：{row.cashier_zh}", f"    Cashier: {row.cashier_en}"]
    return lines


def _balances(answer: Message) -> Iterator[str]:
    """The amounts of field 54, in words."""
    for kind, currency, sign, digits in _BALANCE.findall(text(answer, 54)):
        amount_minor = int(digits) * (1 if sign == "C" else -1)
        yield f"{_BALANCE_NAMES.get(kind, f'type {kind}')} {amount_text(amount_minor, currency)}"


def _totals(answer: Message) -> Iterator[str]:
    """Both halves of a settlement's answer with their flags, in words."""
    f48 = text(answer, 48)
    totals = read_totals(f48) if answer.mti == "0510" else None
    for name, side, flag in zip(("domestic", "foreign"), totals or (), f48[30::31], strict=False):
        yield f"{name}: {_side(side)}, {_FLAGS.get(flag, f'flag {flag}')}"


def _side(side: Side) -> str:
    debit, credit = amount_text(side.debit_minor), amount_text(side.credit_minor)
    return f"debit {side.debits} for {debit}, credit {side.credits} for {credit}"


def result_object(result: Result) -> dict[str, object]:
    """How one step ended."""
    return {"event": "step", "step": result.step.word, "good": result.good, "why": plain(result.why)}


def result_line(result: Result) -> str:
    """How one step ended, for people."""
    return f"{'✓' if result.good else '✗'} {result.step.word}{f': {plain(result.why)}' if result.why else ''}"
