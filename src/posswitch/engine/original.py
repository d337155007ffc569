"""What a payment builds on: a void on its sale, a refund on what was paid, a completion on its authorisation.

One rule for races: the first durable record wins. What something was built on is not reversed by its
terminal any more, and nothing is built on what is being reversed.
"""

import msgspec

from posswitch.base.moment import NS_PER_S, stamp
from posswitch.engine.events import Hold, Original, RequestArrived
from posswitch.engine.facts import Facts, Row
from posswitch.engine.lifecycle import ADVISING, APPROVED
from posswitch.engine.limits import Refusal
from posswitch.engine.rules import Rules
from posswitch.engine.state import State
from posswitch.scheme.kinds import (
    BY_RECEIPT,
    COMPLETION_PERCENT_MAX,
    IN_BATCH,
    PART,
    PAYMENT_KINDS,
    TOLERANT,
    Kind,
)

_NOT_FOUND = ("25", "no such original")
_STANDING = frozenset({APPROVED, ADVISING})


class Base(msgspec.Struct, frozen=True):
    """What an original gives to the payment that builds on it."""

    request: RequestArrived  # with the card of the original where it came without one
    original: Original
    hold: Hold


def taken_key(payment: int) -> str:
    """The counter of what was taken of a payment; its window is empty."""
    return f"taken:{payment}"


def build_on(state: State, kind: Kind, event: RequestArrived, facts: Facts, rules: Rules) -> Base | Refusal:
    """The base of a request, or why its original does not allow it."""
    row = facts.original
    first = row.request if row is not None else None
    if row is None or first is None or _is_other(kind, event, first, row, rules):
        return _NOT_FOUND
    if PAYMENT_KINDS[first.kind].as_told not in kind.of:
        return "12", f"a {first.kind} is no original of a {kind.name}"
    if row.state not in _STANDING:
        return "12", f"its original is {row.state}"
    refusal = _too_much(kind, event.amount_minor, first.amount_minor, facts.taken_minor)
    if refusal:
        return refusal
    if row.state == ADVISING and not kind.advice:
        return "12", "the bank has not been told of its original yet"
    return _base(event, first, row, state.rrn(row.first.at_ns, row.payment))


def _is_other(kind: Kind, event: RequestArrived, first: RequestArrived, row: Row, rules: Rules) -> bool:
    """Whether what was found is not what the terminal means."""
    if first.merchant != event.merchant or event.pan_print not in (b"", first.pan_print):
        return True
    if kind.original == IN_BATCH:
        said = (event.terminal, event.batch, event.orig_batch, event.orig_stan)
        return said != (first.terminal, first.batch, first.batch, first.stan)
    return kind.original == BY_RECEIPT and event.orig_date not in _receipt_dates(row.first.at_ns, rules)


def _receipt_dates(at_ns: int, rules: Rules) -> tuple[str, str]:
    """The dates a receipt may bear: it is answered later than it was asked, perhaps after midnight."""
    return stamp(at_ns).date, stamp(at_ns + int(rules.timers.flight_max * NS_PER_S)).date


def _too_much(kind: Kind, amount_minor: int, whole_minor: int, taken_minor: int) -> Refusal | None:
    if kind.takes == PART:
        if taken_minor >= whole_minor:
            return "12", "nothing is left of its original"
        if amount_minor > whole_minor - taken_minor:
            return "64", "more than is left of its original"
        return None
    if taken_minor:
        return "12", "its original was taken already"
    if kind.takes == TOLERANT:
        if amount_minor * 100 > whole_minor * COMPLETION_PERCENT_MAX:
            return "64", f"more than {COMPLETION_PERCENT_MAX} % of what was authorised"
    elif amount_minor != whole_minor:
        return "64", "another amount than its original"
    return None


def _base(event: RequestArrived, first: RequestArrived, row: Row, rrn: str) -> Base:
    """A payment goes where its original went, whatever the BIN table says today."""
    verdict = row.first.verdict
    original = Original(row.payment, PAYMENT_KINDS[first.kind].bank, verdict.stan, verdict.f7, rrn, row.auth)
    hold = Hold(taken_key(row.payment), "", event.amount_minor)
    return Base(msgspec.structs.replace(row.carded(event), bank=first.bank), original, hold)
