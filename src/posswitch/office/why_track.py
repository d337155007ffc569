"""A payment's records, read in their order: what happened, what its terminal was told, which way it went."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from msgspec.structs import replace

from posswitch.base.card import scrub
from posswitch.engine.events import (
    AnswerArrived,
    AnswerSpoiled,
    DeliveryExpired,
    HandedToOwner,
    NodeRestarted,
    NotSent,
    Record,
    RegistryChanged,
    RequestArrived,
    ReturnedUnread,
    ReversalArrived,
    TimerFired,
    Undelivered,
    Verdict,
)
from posswitch.engine.lifecycle import FORWARDED, RECEIVED, REVERSED, REVERSING, after
from posswitch.engine.limits import limit_named
from posswitch.office.why_evidence import Hop, Place, Told
from posswitch.scheme.interbank import REVERSAL_ANSWER

UNTOLD = "98"  # what a terminal is told of an unknown outcome

# What the engine notes beside a repeat → which step that is, and the DE39 that it gets where that is another.
_REPEATS = {
    "repeat moves the reply": ("repeat-waits", ""),
    "repeat answered": ("repeat-answered", None),
    "a key from long ago": ("repeat-old", "94"),
    "a balance is not kept, it is asked anew": ("repeat-balance", "94"),
    "its reversal came first": ("repeat-reversed", None),
    "same key, other content": ("other-content", "94"),
}
_DECLARED = {"repeat-balance": UNTOLD, "other-content": "30"}  # to a repeat that says what it is
# Likewise beside a terminal's reversal that moves nothing.
_REVERSALS = {
    "nothing left to reverse": "00",
    "something was built on it": "12",
    "reversal of another kind than its original": "30",
    "reversal of long ago without a card number": "25",
}
_ANSWERS = {
    "bank-approved": "bank-approved",
    "bank-declined": "bank-declined",
    "bank-unsure": "bank-unsure",
    "inquiry-unanswered": "bank-unsure",
    "bank-reversed": "reversal-done",
    "bank-knows-none": "reversal-none",
    "bank-acknowledged": "advice-taken",
    "bank-refused": "advice-refused",
    "approved-after-all": "late-approval",
}
_NOTED = (
    ("late approval", "late-approval-noted"),
    ("late decline", "late-decline-noted"),
    ("answer differs in ", "answer-differs"),
    ("a near miss", "near-miss"),
    ("answer ", "answer-to-closed"),
)
_RULED = {"owner-approved": "owner-stands", "owner-reversed": "owner-reversed"}
_TO_PAYMENT = frozenset({"bank-approved", "bank-declined", "bank-unsure"})
_BARRED, _NO_WAY = "barred: ", "91"


class Turn(NamedTuple):
    """One step through the lifecycle: its cause, the state after it, which event brought it."""

    cause: str
    state: str
    at_ns: int
    seq: int
    event: type


class Track:
    """What the records of one payment say, taken together; filled by `read`."""

    def __init__(self, payment: int) -> None:
        self.payment = payment
        self.at_ns = 0
        self.state = RECEIVED
        self.code = self.auth = self.why = ""
        self.made = Place.HERE
        self.request: RequestArrived | None = None
        self.reversal: ReversalArrived | None = None  # that opened it
        self.turns: list[Turn] = []
        self.hops: list[Hop] = []
        self.told: list[Told] = []
        self.repeats = self.terminal_reversals = 0
        self.stan = self.reversal_stan = self.original = 0
        self.f7 = self.reversal_f7 = ""
        self.reversal_since_ns = 0
        self.restarted = False  # the node, while its answer was awaited
        self.said, self.said_ns = "", 0  # the bank, to the payment itself

    def __repr__(self) -> str:
        return f"<payment {self.payment} {self.state}, {len(self.hops)} steps>"

    @property
    def since_ns(self) -> int:
        """Since when it is in its state."""
        return self.turns[-1].at_ns if self.turns else self.at_ns

    def hop(self, what: str, seq: int, record: Record, code: str = "", note: str = "", by: str = "") -> None:
        """A step at the time of its record."""
        self.hops.append(Hop(what, record.at_ns, seq, code, scrub(note), by))

    def later(self, what: str, seq: int, record: Record, code: str = "") -> None:
        """A step that followed its record, at a time that is not recorded."""
        self.hops.append(Hop(what, 0, seq, code, after_ns=record.at_ns))

    def tell(self, seq: int, record: Record, code: str, made: Place, to: str = "payment") -> None:
        """The terminal is given an answer, after its record."""
        self.told.append(Told(code, made, to, seq, record.at_ns))
        self.later(f"told-{to}", seq, record, code)


def read(payment: int, records: Iterable[tuple[int, Record]]) -> Track:
    """Every record about a payment, the first of them the one that opened it."""
    track = Track(payment)
    for seq, record in records:
        verdict = record.verdict
        before = track.state
        cause = verdict.cause if _moved(verdict, payment) else ""
        if cause:
            track.state = after(before, cause)
            track.turns.append(Turn(cause, track.state, record.at_ns, seq, type(record.event)))
            if verdict.code not in ("", track.code):
                track.code, track.made = verdict.code, _made(verdict, record.event)
            track.auth = verdict.auth or track.auth
        _READS[type(record.event)](track, seq, record, before)
        _into_lane(track, seq, record)
    return track


def _moved(verdict: Verdict, payment: int) -> bool:
    return verdict.payment == payment or any(step.payment == payment for step in verdict.reversing)


def _made(verdict: Verdict, event: object) -> Place:
    """Where the DE39 of a verdict comes from."""
    if verdict.cause == "refused":
        if verdict.why.startswith(_BARRED):
            return Place.GUARD
        if limit_named(verdict.why):
            return Place.LIMIT
    if verdict.cause in ("refused", "not-sent") and verdict.code == _NO_WAY:
        return Place.ROUTE
    if isinstance(event, AnswerArrived) and verdict.cause in (*_TO_PAYMENT, "inquiry-unanswered"):
        return Place.BANK
    return Place.TIMER if isinstance(event, TimerFired) else Place.HERE


def _into_lane(track: Track, seq: int, record: Record) -> None:
    """A reversal that this record has made durable; how often and when it leaves, no record says."""
    for step in record.verdict.reversing:
        if step.payment == track.payment:
            track.reversal_stan, track.reversal_f7 = step.stan, step.f7
            track.reversal_since_ns = record.at_ns
            track.hop("reversal", seq, record, note=f"{step.stan:06d}")


# Terminals


def _request(track: Track, seq: int, record: Record, before: str) -> None:
    event, verdict = record.event, record.verdict
    assert isinstance(event, RequestArrived)
    if seq != track.payment:
        _repeat(track, seq, record, event)
        return
    track.at_ns = record.at_ns
    track.request = verdict.completed or event
    track.stan, track.f7 = verdict.stan, verdict.f7
    track.original = verdict.original.payment if verdict.original is not None else 0
    track.hops.append(Hop("arrived", before_ns=record.at_ns))
    if verdict.cause == "refused":
        track.why = verdict.why
        track.hop("refused", seq, record, verdict.code, verdict.why)
        track.tell(seq, record, verdict.code, track.made)
    elif verdict.cause == "accepted":
        track.hop("accepted", seq, record, note=verdict.why, by=track.request.bank)
        track.later("sent", seq, record)
    else:
        stood_in = track.request.kind != event.kind
        track.hop("stood-in" if stood_in else "advice-accepted", seq, record, note=verdict.why)
        track.tell(seq, record, verdict.code, Place.HERE)
        track.later("advice-sent", seq, record)


def _repeat(track: Track, seq: int, record: Record, event: RequestArrived) -> None:
    what, fixed = _REPEATS.get(record.verdict.why, ("repeat-noted", ""))
    code = track.code if fixed is None else fixed
    if event.declared:
        code = _DECLARED.get(what, code)
    track.repeats += what != "other-content"
    track.hop(what, seq, record, code)
    if code:
        to = "other" if what == "other-content" else "repeat"
        track.tell(seq, record, code, track.made if fixed is None else Place.HERE, to)


def _reversed(track: Track, seq: int, record: Record, before: str) -> None:
    event, verdict = record.event, record.verdict
    assert isinstance(event, ReversalArrived)
    track.terminal_reversals += 1
    if seq == track.payment:
        track.at_ns, track.reversal = record.at_ns, event
        lost = verdict.cause == "reversal-of-lost"
        track.hop(verdict.cause, seq, record, event.reason)
        track.tell(seq, record, "00" if lost else "25", Place.HERE, "reversal")
        return
    if verdict.cause:
        track.hop("terminal-reversed", seq, record, event.reason)
        track.tell(seq, record, "00", Place.HERE, "reversal")
        if before == FORWARDED:
            track.tell(seq, record, UNTOLD, Place.HERE)
        return
    track.hop("reversal-noted", seq, record, event.reason, verdict.why)
    track.tell(seq, record, _answer_to_reversal(track, event, verdict.why), Place.HERE, "reversal")


def _answer_to_reversal(track: Track, event: ReversalArrived, why: str) -> str:
    """The DE39 of a terminal's reversal that moved nothing."""
    if why == "reversal again":
        return "25" if track.state == REVERSED else "00"
    if why == "reversal differs from its original":
        request = track.request
        return "64" if request is not None and request.amount_minor != event.amount_minor else "30"
    return _REVERSALS.get(why, "12")  # of a kind that is not reversed


def _undelivered(track: Track, seq: int, record: Record, before: str) -> None:
    for at in reversed(range(len(track.told))):
        if track.told[at].to == "payment":
            track.told[at] = replace(track.told[at], heard=False)
            break
    track.hop("undelivered", seq, record)


# Banks


def _answer(track: Track, seq: int, record: Record, before: str) -> None:
    event, verdict = record.event, record.verdict
    assert isinstance(event, AnswerArrived)
    what = _ANSWERS.get(verdict.cause) or next(
        name for begins, name in _NOTED if verdict.why.startswith(begins)
    )
    own = what not in ("near-miss", "answer-differs") and event.mti != REVERSAL_ANSWER
    if own and (verdict.cause or not track.said):
        track.said, track.said_ns = event.code, record.at_ns
    track.hop(what, seq, record, event.code, verdict.why, event.bank)
    if what in _TO_PAYMENT:
        track.tell(seq, record, verdict.code, Place.BANK)


def _spoiled(track: Track, seq: int, record: Record, before: str) -> None:
    event = record.event
    assert isinstance(event, AnswerSpoiled)
    track.hop("answer-spoiled", seq, record, note=event.why, by=event.bank)


def _not_sent(track: Track, seq: int, record: Record, before: str) -> None:
    verdict = record.verdict
    track.why = verdict.why
    track.hops = [hop for hop in track.hops if hop.what != "sent"]
    track.hop("not-sent", seq, record, verdict.code, verdict.why)
    track.tell(seq, record, verdict.code, track.made)


def _returned(track: Track, seq: int, record: Record, before: str) -> None:
    track.hop("returned", seq, record)
    track.tell(seq, record, record.verdict.code, Place.HERE)


# Time, the house, people


def _timer(track: Track, seq: int, record: Record, before: str) -> None:
    if track.restarted:  # an inquiry, and nobody waits for it any more
        return
    track.hop("timer", seq, record)
    track.tell(seq, record, record.verdict.code, Place.TIMER)


def _restarted(track: Track, seq: int, record: Record, before: str) -> None:
    """Whether it was sent before the node ended, no record says."""
    if before != FORWARDED:
        return
    track.restarted = True
    track.hops = [replace(hop, what="sent-perhaps") if hop.what == "sent" else hop for hop in track.hops]
    track.hop("restarted", seq, record)


def _expired(track: Track, seq: int, record: Record, before: str) -> None:
    track.hop("expired-reversal" if before == REVERSING else "expired-advice", seq, record)


def _restored(track: Track, seq: int, record: Record, before: str) -> None:
    track.hop("restored", seq, record)


def _ruled(track: Track, seq: int, record: Record, before: str) -> None:
    event, verdict = record.event, record.verdict
    assert isinstance(event, RegistryChanged) and event.change.ruling is not None
    ruling = event.change.ruling
    what = _RULED.get(verdict.cause, "owner-again") if verdict.cause else "owner-too-late"
    track.hop(what, seq, record, note=ruling.reason, by=ruling.author)


_READS: dict[type, Callable[[Track, int, Record, str], Any]] = {
    RequestArrived: _request,
    ReversalArrived: _reversed,
    AnswerArrived: _answer,
    AnswerSpoiled: _spoiled,
    TimerFired: _timer,
    NotSent: _not_sent,
    ReturnedUnread: _returned,
    Undelivered: _undelivered,
    DeliveryExpired: _expired,
    NodeRestarted: _restarted,
    HandedToOwner: _restored,
    RegistryChanged: _ruled,
}
