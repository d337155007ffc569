"""The operator's answer: what happened step by step, who decided, where the code was made, what is next."""

from collections.abc import Iterator

from posswitch.base.codes import APPROVALS
from posswitch.codec.wording import Words
from posswitch.office.why_evidence import Evidence, Outcome, Related, Settled
from posswitch.office.why_hops import hop_words, waits_words
from posswitch.office.why_notes import note_words
from posswitch.office.why_words import (
    NO_WORDS,
    amount_words,
    bank_words,
    by_flow,
    code_words,
    fine_text,
    kind_words,
    said,
    soon_text,
    state_words,
)
from posswitch.scheme.kinds import PAYMENT_KINDS

_ROOM = "operator"


def operator(evidence: Evidence) -> Words:
    """What the operator reads, line by line."""
    lines = list(_lines(evidence))
    return Words("\n".join(line.zh for line in lines), "\n".join(line.en for line in lines))


def outcome_words(outcome: Outcome) -> Words:
    """What became of a payment, in a few words."""
    return said(_ROOM, f"outcome.{outcome}")


def _lines(evidence: Evidence) -> Iterator[Words]:
    yield _head(evidence)
    yield _summary(evidence)
    yield from _codes(evidence)
    yield said(_ROOM, "steps")
    for line in (*(hop_words(evidence, hop) for hop in evidence.hops), waits_words(evidence)):
        yield Words(f"  {line.zh}", f"  {line.en}")
    yield said(_ROOM, "money", money=said(_ROOM, f"money.{evidence.money}"))
    yield from _around(evidence)
    yield said(_ROOM, "next", next=_next(evidence))


def _codes(evidence: Evidence) -> Iterator[Words]:
    """What the terminal was told last, where that was made, and what a repeat would be told."""
    heard = [told for told in evidence.told if told.to in ("payment", "repeat") and told.heard]
    if heard:
        place = said(_ROOM, f"made.{heard[-1].made}")
        yield said(_ROOM, "code", code=code_words(heard[-1].code), place=place)
    else:
        yield said(_ROOM, "untold")
    if evidence.outcome is not Outcome.UNDER_WAY and (not heard or heard[-1].code != evidence.code):
        yield said(_ROOM, "owed", code=code_words(evidence.code))


def _head(evidence: Evidence) -> Words:
    bank = bank_words(evidence)
    return said(
        _ROOM,
        "head",
        payment=evidence.payment,
        rrn=evidence.rrn,
        kind=kind_words(evidence.kind),
        a=amount_words(evidence.amount_minor, evidence.currency),
        terminal=evidence.terminal,
        merchant=evidence.merchant,
        batch=evidence.batch,
        stan=evidence.stan,
        card=Words(f"  卡 {evidence.card}", f"  card {evidence.card}") if evidence.card else NO_WORDS,
        bank=Words(f"  {bank.zh}", f"  {bank.en}") if evidence.bank.id else NO_WORDS,
    )


def _summary(evidence: Evidence) -> Words:
    why = note_words(evidence.why)
    return said(
        _ROOM,
        "summary",
        outcome=outcome_words(evidence.outcome),
        since=fine_text(evidence.since_ns),
        decided=said(_ROOM, f"decided.{evidence.decided}"),
        reason=said(_ROOM, f"reason.{evidence.reason}"),
        why=Words(f"（{why.zh}）", f" ({why.en})") if evidence.why else NO_WORDS,
    )


def _around(evidence: Evidence) -> Iterator[Words]:
    """What stands beside it: other payments, the batch, the bank's lines, incidents."""
    bank = evidence.bank
    if evidence.original is not None:
        yield _related("original", evidence.original)
    for built in evidence.built:
        yield _related("built", built)
    if evidence.repeats or evidence.terminal_reversals:
        yield said(_ROOM, "again", repeats=evidence.repeats, reversals=evidence.terminal_reversals)
    if evidence.settled is not None:
        yield from _settlement(evidence.settled)
    elif PAYMENT_KINDS[evidence.kind].totals is not None and evidence.code in APPROVALS:
        yield said(_ROOM, "unsettled")
    if bank.links_up is not None:
        yield said(_ROOM, "links", bank=bank_words(evidence), links=bank.links_up)
    if bank.contact or bank.phone:
        yield said(_ROOM, "call", bank=bank_words(evidence), contact=bank.contact, phone=bank.phone)
    if evidence.incidents:
        yield said(_ROOM, "incidents", numbers=", ".join(map(str, evidence.incidents)))


def _related(what: str, other: Related) -> Words:
    return said(
        _ROOM,
        what,
        payment=other.payment,
        rrn=other.rrn,
        kind=kind_words(other.kind),
        a=amount_words(other.amount_minor),
        state=state_words(other.state),
    )


def _settlement(settled: Settled) -> Iterator[Words]:
    at = fine_text(settled.at_ns)
    when = Words(f"，{at}", f" at {at}") if settled.at_ns else NO_WORDS
    own = said(_ROOM, "agrees")
    if settled.differs:
        own = said(_ROOM, "differs", ours=_side(settled.ours_minor), theirs=_side(settled.theirs_minor))
    yield said(_ROOM, "balanced" if settled.balanced else "not-balanced", at=when, own=own)
    if settled.open:
        yield said(_ROOM, "open")


def _side(minor: int | None) -> Words:
    return said(_ROOM, "nothing") if minor is None else amount_words(minor)


def _next(evidence: Evidence) -> Words:
    by = soon_text(evidence.known_by_ns, evidence.now_ns)
    if evidence.known_by_ns and evidence.known_by_ns <= evidence.now_ns:
        return said(_ROOM, "late")
    what = by_flow(_ROOM, f"next.{evidence.outcome}", evidence)
    return said(_ROOM, what, by=by, payment=evidence.payment)
