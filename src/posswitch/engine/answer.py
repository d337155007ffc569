"""What banks say: matched by institution, STAN and F7, and compared in every field that must repeat."""

from posswitch.base.codes import APPROVALS
from posswitch.base.moment import NS_PER_S
from posswitch.engine.effects import Answer, Decision, Effect, SendResponse, WakeLane
from posswitch.engine.events import AnswerArrived, AnswerSpoiled, RequestArrived, Verdict
from posswitch.engine.facts import Facts, Row
from posswitch.engine.lifecycle import (
    ADVISING,
    BANK_KNOWS_NONE,
    DECLINED,
    FORWARDED,
    NEEDS_OWNER,
    OPEN,
    REVERSING,
    after,
)
from posswitch.engine.near import near_miss
from posswitch.engine.reverse import UNKNOWN_OUTCOME, forget, release, reopen, reverse
from posswitch.engine.rules import Rules
from posswitch.engine.state import Flight, State
from posswitch.scheme.interbank import REVERSAL_ANSWER
from posswitch.scheme.kinds import (
    ADVICE_LATER,
    HOP_CODES,
    OUTCOME_UNKNOWN,
    PAYMENT_KINDS,
    REVERSAL_DONE,
    REVERSAL_UNKNOWN,
    answer_mti,
)


def answer_arrived(state: State, event: AnswerArrived, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """A bank's word about something under way, or about something that is closed."""
    flight = state.flight_of_answer(event.bank, event.stan, event.f7)
    if flight is None:
        return _answer_to_closed(state, event, facts.row, at_ns)
    differs = _difference(event, flight)
    if differs:
        return Decision(Verdict(flight.payment, why=f"answer differs in {differs}"), note="answer-differs")
    if event.mti == REVERSAL_ANSWER:
        return _reversal_answered(state, event, flight, at_ns, rules)
    if flight.state == ADVISING:
        return _advice_answered(event, flight)
    if flight.state == REVERSING:
        late = "late approval" if event.code in APPROVALS else "late decline"
        effects: tuple[Effect, ...] = (WakeLane(event.bank),) if flight.deferred else ()
        return Decision(Verdict(flight.payment, why=late, landed=True), effects)
    if event.code in OUTCOME_UNKNOWN:
        return _bank_unsure(state, event, flight, at_ns)
    return _request_answered(event, flight)


def _bank_unsure(state: State, event: AnswerArrived, flight: Flight, at_ns: int) -> Decision:
    if not PAYMENT_KINDS[flight.request.kind].reversible:
        return forget(flight, UNKNOWN_OUTCOME, event.day)
    answer = Answer(UNKNOWN_OUTCOME, flight.rrn, day=event.day)
    return Decision(
        reverse(state, flight, "bank-unsure", at_ns),
        (SendResponse(flight.ticket, flight.request, answer), WakeLane(event.bank)),
    )


def _request_answered(event: AnswerArrived, flight: Flight) -> Decision:
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
    takes_back = approved and PAYMENT_KINDS[flight.request.kind].reversible
    told = SendResponse(flight.ticket, flight.request, answer, flight.payment if takes_back else 0)
    return Decision(verdict, (told,))


def _difference(event: AnswerArrived, flight: Flight) -> str:
    """The first field in which an answer does not repeat its request, or empty."""
    request = flight.request
    reversal = (event.stan, event.f7) == (flight.rev_stan, flight.rev_f7)
    expected = REVERSAL_ANSWER if reversal else answer_mti(PAYMENT_KINDS[request.kind].bank)
    if event.mti != expected:
        return "MTI"
    if not event.code:
        return "field 39"
    differs = ""
    if event.merchant != request.merchant:
        differs = "field 42"
    if event.terminal != request.terminal:
        differs = "field 41"
    if event.rrn != flight.rrn:
        differs = "field 37"
    if event.amount_minor != request.amount_minor:
        differs = "field 4"
    if event.pan_print != request.pan_print:
        differs = "field 2"
    return differs


def _reversal_answered(
    state: State, event: AnswerArrived, flight: Flight, at_ns: int, rules: Rules
) -> Decision:
    """The bank has reversed, or knows no original and none can come any more; else it is tried again.

    How long ago a life before this one sent it is unknown: the clock may have been set in between.
    """
    unknown = event.code in REVERSAL_UNKNOWN
    sent_ns = flight.since_ns if PAYMENT_KINDS[flight.request.kind].advice else flight.at_ns
    since_ns = max(sent_ns, state.restarted_ns)
    flown_out = at_ns - since_ns >= int(rules.timers.flight_max * NS_PER_S)
    if event.code in REVERSAL_DONE or (unknown and flown_out):
        cause = BANK_KNOWS_NONE if unknown else "bank-reversed"
        verdict = Verdict(flight.payment, cause, after(flight.state, cause), UNKNOWN_OUTCOME)
        return Decision(verdict, (WakeLane(event.bank),))
    return Decision(None, (WakeLane(event.bank, flight.payment),), note="reversal-not-done")


def _advice_answered(event: AnswerArrived, flight: Flight) -> Decision:
    """Acknowledged, to be told again, or refused: an advice may not be, so a person looks."""
    if event.code in ADVICE_LATER:
        return Decision(None, (WakeLane(event.bank, flight.payment),), note="advice-not-taken")
    approved = event.code in APPROVALS
    cause = "bank-acknowledged" if approved else "bank-refused"
    why = "" if approved else f"the bank refuses with {event.code} what it may not refuse"
    stood_in = not PAYMENT_KINDS[flight.request.kind].final  # its terminal has an authorisation code of ours
    verdict = Verdict(
        flight.payment,
        cause,
        after(flight.state, cause),
        "00",
        why,
        auth=flight.request.auth if stood_in else event.auth,
        holds=release(flight.holds) if stood_in and not approved else (),
    )
    return Decision(verdict, (WakeLane(event.bank),))


def _answer_to_closed(state: State, event: AnswerArrived, row: Row | None, at_ns: int) -> Decision:
    """An answer to nothing under way. An approval that the terminal never saw must not stand."""
    request = row.request if row is not None else None
    if row is None or request is None or row.state in OPEN or not _was_asked(row, request, event):
        return _unmatched(state, event, row)
    kind = PAYMENT_KINDS[request.kind]
    acknowledges = kind.advice and event.mti != REVERSAL_ANSWER
    if event.mti == REVERSAL_ANSWER or (acknowledges and (kind.final or row.state == NEEDS_OWNER)):
        done = event.code in (APPROVALS if acknowledges else REVERSAL_DONE)
        unheard = acknowledges and row.code not in APPROVALS  # posted, and its terminal knows nothing of it
        if row.state != NEEDS_OWNER or not done or unheard:
            return _again(row, event)
        cause, code = ("bank-acknowledged", "00") if acknowledges else ("bank-reversed", UNKNOWN_OUTCOME)
        holds = row.first.verdict.holds if acknowledges and not kind.final else ()
        return Decision(
            Verdict(row.payment, cause, after(row.state, cause), code, auth=row.auth, holds=holds)
        )
    unseen = row.state == DECLINED or row.cause == BANK_KNOWS_NONE
    if event.code in APPROVALS and unseen and kind.reversible:
        return Decision(reopen(state, row, "approved-after-all", at_ns), (WakeLane(event.bank),))
    return _again(row, event)


def _again(row: Row, event: AnswerArrived) -> Decision:
    return Decision(Verdict(row.payment, why=f"answer {event.code} to a closed payment"), note="answer-again")


def _unmatched(state: State, event: AnswerArrived, row: Row | None) -> Decision:
    """It moves nothing; when it comes near a payment, that is evidence beside it."""
    payment, differs = near_miss(state, event, row)
    if not payment:
        return Decision(None, note="answer-unmatched")
    why = f"a near miss: {event.mti} {event.code} of its bank belongs to nothing; {differs}"
    return Decision(Verdict(payment, why=why), note="answer-unmatched")


def _was_asked(row: Row, request: RequestArrived, answer: AnswerArrived) -> bool:
    """Whether the payment went to this bank, under this STAN and F7 when it is answered itself.

    The numbers of a closed reversal are not at hand; its RRN, card and amount are.
    """
    verdict = row.first.verdict
    if verdict.state not in (FORWARDED, ADVISING) or request.bank != answer.bank:
        return False
    if answer.mti == REVERSAL_ANSWER:
        return (request.pan_print, request.amount_minor) == (answer.pan_print, answer.amount_minor)
    return (verdict.stan, verdict.f7) == (answer.stan, answer.f7)


def answer_spoiled(state: State, event: AnswerSpoiled, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """Evidence only; recorded when it can be laid beside a payment."""
    flight = state.flight_of_answer(event.bank, event.stan, event.f7)
    if flight is None:
        return Decision(None, note="answer-spoiled")
    return Decision(Verdict(flight.payment, why=event.why), note="answer-spoiled")
