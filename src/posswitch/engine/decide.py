"""decide(state, event, facts) → Decision: pure, total, one small function per event."""

from collections.abc import Callable
from typing import Any

import msgspec

from posswitch.base.bounds import Timers
from posswitch.base.codes import APPROVALS
from posswitch.base.moment import NS_PER_S, stamp
from posswitch.base.registry import Limits
from posswitch.engine.effects import (
    Answer,
    Decision,
    Effect,
    EraseTicket,
    SendRequest,
    SendResponse,
    SetTimer,
    WakeLane,
)
from posswitch.engine.events import (
    AnswerArrived,
    AnswerSpoiled,
    DayTurned,
    Event,
    NodeRestarted,
    NotSent,
    RequestArrived,
    ReturnedUnread,
    ReversalArrived,
    ReversalExpired,
    TerminalSignedOn,
    TimerFired,
    Undelivered,
    Verdict,
)
from posswitch.engine.facts import Facts, Row
from posswitch.engine.guard import card_hold, guard, limits, route
from posswitch.engine.lifecycle import (
    APPROVED,
    BANK_KNOWS_NONE,
    DECLINED,
    FORWARDED,
    NEEDS_OWNER,
    RECEIVED,
    REVERSING,
    after,
)
from posswitch.engine.reverse import UNKNOWN_OUTCOME, release, reopen, reverse, reverse_all
from posswitch.engine.state import FIRST_BATCH, Flight, State
from posswitch.scheme.kinds import HOP_CODES, OUTCOME_UNKNOWN, REVERSAL_DONE, REVERSAL_UNKNOWN


class Rules(msgspec.Struct, frozen=True):
    """What decisions depend on besides state and facts: the configuration's timers and limits."""

    timers: Timers
    limits: Limits


def decide(state: State, event: Event, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """The one decision about `event`; `at_ns` is the time its record will carry."""
    return _DECIDE[type(event)](state, event, facts, at_ns, rules)


def request_arrived(state: State, event: RequestArrived, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """match → guard → limits → route; the first refusal ends it with its DE39."""
    if facts.row is not None:
        return _repeat(state, event, facts.row, at_ns, rules)
    now = stamp(at_ns)
    refusal = guard(event, now) or limits(event, facts, rules.limits) or route(event, state, facts)
    payment = state.seq + 1
    if refusal:
        code, why = refusal
        verdict = Verdict(payment, "refused", after(RECEIVED, "refused"), code, why)
        answer = Answer(code, state.rrn(at_ns, payment), day=state.day[4:])
        return Decision(verdict, (SendResponse(event.ticket, event, answer),))
    verdict = Verdict(
        payment,
        "accepted",
        after(RECEIVED, "accepted"),
        UNKNOWN_OUTCOME,
        stan=state.next_stan(event.bank),
        f7=now.f7,
        holds=(card_hold(event, state.day),),
    )
    return Decision(verdict, (SendRequest(payment), SetTimer(payment, rules.timers.centre)))


def _told(request: RequestArrived | ReversalArrived, answer: Answer, payment: int, why: str) -> Decision:
    """Nothing moves: the terminal is told what stands, and why is noted beside the payment."""
    return Decision(Verdict(payment, why=why), (SendResponse(request.ticket, request, answer),))


def _content(request: RequestArrived) -> tuple[str | int | bytes, ...]:
    """What must be the same in a repeat."""
    return request.kind, request.amount_minor, request.currency, request.pan_print


def _is_old(row: Row, at_ns: int, rules: Rules) -> bool:
    """Whether no message of this payment can still be under way; what has its key now is something else."""
    return at_ns - row.first.at_ns > int(rules.timers.flight_max * NS_PER_S)


def _repeat(state: State, event: RequestArrived, row: Row, at_ns: int, rules: Rules) -> Decision:
    """The key was seen: the same content gets the same answer, other content or another time is refused."""
    first = row.first.event
    if not isinstance(first, RequestArrived):
        return _told(event, Answer(row.code), row.payment, "its reversal came first")
    if _content(first) != _content(event):
        return _told(event, Answer("94"), 0, "same key, other content")
    if row.state == FORWARDED:
        moved = EraseTicket(state.flights[row.payment].ticket)
        return Decision(Verdict(row.payment, why="repeat moves the reply"), (moved,))
    if _is_old(row, at_ns, rules):
        return _told(event, Answer("94"), row.payment, "a key from long ago")
    answer = Answer(row.code, state.rrn(row.first.at_ns, row.payment), row.auth, state.day[4:])
    approved = row.payment if row.state == APPROVED else 0
    told = SendResponse(event.ticket, event, answer, approved, repeat=True)
    return Decision(Verdict(row.payment, why="repeat answered"), (told,))


def reversal_arrived(
    state: State, event: ReversalArrived, facts: Facts, at_ns: int, rules: Rules
) -> Decision:
    """A terminal takes a sale back: whatever became of it, it will not stand."""
    row = facts.row
    if row is None:
        payment = state.seq + 1
        verdict = Verdict(payment, "reversal-came-first", after(RECEIVED, "reversal-came-first"), "22")
        return Decision(verdict, (SendResponse(event.ticket, event, Answer("25")),))
    first = row.first.event
    if not isinstance(first, RequestArrived):
        return _told(event, Answer("25"), row.payment, "reversal again")
    if first.amount_minor != event.amount_minor:
        return _told(event, Answer("64"), row.payment, "reversal differs from its original")
    if event.pan_print not in (b"", first.pan_print):
        return _told(event, Answer("30"), row.payment, "reversal differs from its original")
    if not event.pan_print and _is_old(row, at_ns, rules):
        return _told(event, Answer("25"), row.payment, "reversal of long ago without a card number")
    rrn = state.rrn(row.first.at_ns, row.payment)
    done = Answer("00", rrn, day=state.day[4:])
    accepted = SendResponse(event.ticket, event, done)
    if row.state == FORWARDED:
        flight = state.flights[row.payment]
        told = SendResponse(flight.ticket, first, Answer(UNKNOWN_OUTCOME, rrn, day=state.day[4:]))
        verdict = reverse(state, flight, "terminal-reversed", at_ns)
        return Decision(verdict, (accepted, told, WakeLane(first.bank)))
    if row.state == APPROVED:
        return Decision(reopen(state, row, "terminal-reversed", at_ns), (accepted, WakeLane(first.bank)))
    return _told(event, done, row.payment, "nothing left to reverse")


def terminal_signed_on(
    state: State, event: TerminalSignedOn, facts: Facts, at_ns: int, rules: Rules
) -> Decision:
    """The terminal gets its keys and the batch number it goes on with."""
    session = state.sessions.get(event.terminal)
    batch = session.batch if session else FIRST_BATCH
    return Decision(Verdict(), (SendResponse(event.ticket, event, Answer("00", batch=batch)),))


def answer_arrived(state: State, event: AnswerArrived, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """A bank's word, matched by institution, STAN and F7 and compared in every field that must repeat."""
    flight = state.flight_of_answer(event.bank, event.stan, event.f7)
    if flight is None:
        return _answer_to_closed(state, event, facts.row, at_ns)
    differs = _difference(event, flight)
    if differs:
        return Decision(Verdict(flight.payment, why=f"answer differs in {differs}"))
    if event.mti == "0430":
        return _reversal_answered(state, event, flight, at_ns, rules)
    if flight.state == REVERSING:
        late = "late approval" if event.code in APPROVALS else "late decline"
        effects: tuple[Effect, ...] = (WakeLane(event.bank),) if flight.deferred else ()
        return Decision(Verdict(flight.payment, why=late, landed=True), effects)
    if event.code in OUTCOME_UNKNOWN:
        answer = Answer(UNKNOWN_OUTCOME, flight.rrn, day=event.day)
        return Decision(
            reverse(state, flight, "bank-unsure", at_ns),
            (SendResponse(flight.ticket, flight.request, answer), WakeLane(event.bank)),
        )
    approved = event.code in APPROVALS
    cause = "bank-approved" if approved else "bank-declined"
    code = HOP_CODES.get(event.code, event.code)
    verdict = Verdict(
        flight.payment,
        cause,
        after(flight.state, cause),
        code,
        auth=event.auth,
        holds=() if approved else release(flight.holds),
    )
    answer = Answer(code, flight.rrn, event.auth, event.day)
    told = SendResponse(flight.ticket, flight.request, answer, flight.payment if approved else 0)
    return Decision(verdict, (told,))


def _difference(event: AnswerArrived, flight: Flight) -> str:
    """The first field in which an answer does not repeat its request, or empty."""
    request = flight.request
    reversal = event.mti == "0430"
    if reversal != ((event.stan, event.f7) == (flight.rev_stan, flight.rev_f7)):
        return "MTI"
    if not event.code:
        return "field 39"
    pairs = (
        ("field 2", event.pan_print, request.pan_print),
        ("field 4", event.amount_minor, request.amount_minor),
        ("field 37", event.rrn, flight.rrn),
        ("field 41", event.terminal, request.terminal),
        ("field 42", event.merchant, request.merchant),
    )
    return next((name for name, got, sent in pairs if got != sent), "")


def _reversal_answered(
    state: State, event: AnswerArrived, flight: Flight, at_ns: int, rules: Rules
) -> Decision:
    """The bank has reversed, or knows no original and none can come any more; else it is tried again."""
    unknown = event.code in REVERSAL_UNKNOWN
    flown_out = at_ns - flight.at_ns >= int(rules.timers.flight_max * NS_PER_S)
    if event.code in REVERSAL_DONE or (unknown and flown_out):
        cause = BANK_KNOWS_NONE if unknown else "bank-reversed"
        verdict = Verdict(flight.payment, cause, after(flight.state, cause), UNKNOWN_OUTCOME)
        return Decision(verdict, (WakeLane(event.bank),))
    return Decision(None, (WakeLane(event.bank, flight.payment),), note="reversal-not-done")


def _answer_to_closed(state: State, event: AnswerArrived, row: Row | None, at_ns: int) -> Decision:
    """An answer to nothing under way. An approval that the terminal never saw must not stand."""
    if row is None or not _was_asked(row, event):
        return Decision(None, note="answer-unmatched")
    if event.mti == "0430":
        if row.state != NEEDS_OWNER or event.code not in REVERSAL_DONE:
            return Decision(Verdict(row.payment, why=f"answer {event.code} to a closed reversal"))
        cause = "bank-reversed"
        return Decision(Verdict(row.payment, cause, after(row.state, cause), UNKNOWN_OUTCOME))
    unseen = row.state == DECLINED or row.cause == BANK_KNOWS_NONE
    if event.code in APPROVALS and unseen:
        return Decision(reopen(state, row, "approved-after-all", at_ns), (WakeLane(event.bank),))
    return Decision(Verdict(row.payment, why=f"answer {event.code} to a closed payment"))


def _was_asked(row: Row, answer: AnswerArrived) -> bool:
    """Whether the payment went to this bank, under this STAN and F7 when the sale is answered.

    The numbers of a closed reversal are not at hand; its RRN, card and amount are.
    """
    event, verdict = row.first.event, row.first.verdict
    if not isinstance(event, RequestArrived) or verdict.state != FORWARDED or event.bank != answer.bank:
        return False
    if answer.mti == "0430":
        return (event.pan_print, event.amount_minor) == (answer.pan_print, answer.amount_minor)
    return (verdict.stan, verdict.f7) == (answer.stan, answer.f7)


def answer_spoiled(state: State, event: AnswerSpoiled, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """Evidence only; recorded when it can be laid beside a payment."""
    flight = state.flight_of_answer(event.bank, event.stan, event.f7)
    if flight is None:
        return Decision(None, note="answer-spoiled")
    return Decision(Verdict(flight.payment, why=event.why))


def timer_fired(state: State, event: TimerFired, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """No answer in time: the reversal becomes durable, the terminal is told 98."""
    flight = state.flights.get(event.payment)
    if flight is None or flight.state != FORWARDED:
        return Decision(None, note="timer-late")
    answer = Answer(UNKNOWN_OUTCOME, flight.rrn, day=state.day[4:])
    return Decision(
        reverse(state, flight, "timed-out", at_ns),
        (SendResponse(flight.ticket, flight.request, answer), WakeLane(flight.request.bank)),
    )


def not_sent(state: State, event: NotSent, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """The bank never saw the request: a plain decline, no reversal."""
    flight = state.flights.get(event.payment)
    if flight is None or flight.state != FORWARDED:
        return Decision(None, note="not-sent-late")
    verdict = Verdict(
        flight.payment,
        "not-sent",
        after(FORWARDED, "not-sent"),
        event.code,
        event.why,
        holds=release(flight.holds),
    )
    answer = Answer(event.code, flight.rrn, day=state.day[4:])
    return Decision(verdict, (SendResponse(flight.ticket, flight.request, answer),))


def returned_unread(state: State, event: ReturnedUnread, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """A request that came back may have arrived as well: it is reversed, the terminal is told 96."""
    flight = state.flights.get(event.payment)
    if flight is None or flight.state != FORWARDED:
        return Decision(None, note="returned-late")
    answer = Answer("96", flight.rrn, day=state.day[4:])
    return Decision(
        reverse(state, flight, "returned-unread", at_ns, "96"),
        (SendResponse(flight.ticket, flight.request, answer), WakeLane(flight.request.bank)),
    )


def undelivered(state: State, event: Undelivered, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """An approval of which nothing reached the terminal is taken back."""
    row = facts.row
    if row is None or row.state != APPROVED or not isinstance(row.first.event, RequestArrived):
        return Decision(None, note="undelivered-closed")
    return Decision(reopen(state, row, "undelivered", at_ns), (WakeLane(row.first.event.bank),))


def reversal_expired(
    state: State, event: ReversalExpired, facts: Facts, at_ns: int, rules: Rules
) -> Decision:
    """The lane has tried long enough: a person must look."""
    flight = state.flights.get(event.payment)
    if flight is None or flight.state != REVERSING:
        return Decision(None, note="expired-closed")
    verdict = Verdict(flight.payment, "expired", after(REVERSING, "expired"), UNKNOWN_OUTCOME)
    return Decision(verdict, (WakeLane(flight.request.bank),))


def node_restarted(state: State, event: NodeRestarted, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """Everything that was forwarded has an unknown outcome: all of it is reversed."""
    banks = dict.fromkeys(flight.request.bank for flight in state.flights.values())
    return Decision(reverse_all(state, at_ns), tuple(WakeLane(bank) for bank in banks))


def day_turned(state: State, event: DayTurned, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """The business date moves forward only."""
    if event.day <= state.day:
        return Decision(None, note="day-stands")
    return Decision(Verdict())


_DECIDE: dict[type, Callable[[State, Any, Facts, int, Rules], Decision]] = {
    RequestArrived: request_arrived,
    ReversalArrived: reversal_arrived,
    TerminalSignedOn: terminal_signed_on,
    AnswerArrived: answer_arrived,
    AnswerSpoiled: answer_spoiled,
    TimerFired: timer_fired,
    NotSent: not_sent,
    ReturnedUnread: returned_unread,
    Undelivered: undelivered,
    ReversalExpired: reversal_expired,
    NodeRestarted: node_restarted,
    DayTurned: day_turned,
}
