"""What terminals ask: payments and reversals. The first refusal ends a request with its DE39."""

import msgspec

from posswitch.base.moment import NS_PER_S, stamp
from posswitch.engine.effects import (
    Answer,
    Decision,
    EraseTicket,
    SendRequest,
    SendResponse,
    SetTimer,
    WakeLane,
)
from posswitch.engine.events import Hold, RequestArrived, ReversalArrived, Verdict
from posswitch.engine.facts import Facts, Row
from posswitch.engine.guard import card, guard
from posswitch.engine.lifecycle import ADVISING, APPROVED, FORWARDED, NEEDS_OWNER, RECEIVED, REVERSED, after
from posswitch.engine.limits import Refusal, judged, unused
from posswitch.engine.original import Base, build_on
from posswitch.engine.owner import in_doubt
from posswitch.engine.reverse import UNKNOWN_OUTCOME, reopen, reverse
from posswitch.engine.routing import Door, chosen
from posswitch.engine.rules import Rules
from posswitch.engine.standin import auth_code, stands_in
from posswitch.engine.state import State
from posswitch.scheme.kinds import BALANCE, PAYMENT_KINDS, STOOD_IN

_DONE = "00"


def request_arrived(state: State, event: RequestArrived, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """match → guard → original → card → limits → route."""
    if facts.row is not None:
        return _repeat(state, event, facts.row, at_ns, rules)
    if not facts.room:  # refused without a record, which would need room itself
        return Decision(None, (SendResponse(event.ticket, event, Answer("96")),), note="disk-low")
    if event.declared and in_doubt(state, at_ns):
        return _told(event, Answer(UNKNOWN_OUTCOME), 0, "a repeat of what may be lost")
    kind, now = PAYMENT_KINDS[event.kind], stamp(at_ns)
    refusal = guard(kind, event)
    base = build_on(state, kind, event, facts, rules) if kind.original else None
    request, original = event, None
    holds: tuple[Hold, ...] = ()
    if isinstance(base, Base):
        request, original, holds = base.request, base.original, (base.hold,)
    elif base is not None and kind.binding:
        refusal = refusal or base
    refusal = refusal or card(kind, request, now)
    tried = ""
    if not refusal:
        used = facts.used or unused(kind, event, rules.limits, rules.registry.limits, state.day, at_ns)
        refusal, held, tried = judged(kind, request, used, rules.registry.limits, at_ns)
        holds += held
    if not refusal:
        doors = facts.doors or (Door(request.bank, 0),)
        way = chosen(doors, facts.rule, kind, state, rules.registry, at_ns)
        if way.bank != request.bank:
            request = msgspec.structs.replace(request, bank=way.bank)
        if way.away and (held := stands_in(kind, request, facts.standin, state, rules.registry)):
            kind, tried = STOOD_IN, f"stand-in: {way.why}"
            changes = {"kind": kind.name, "auth": auth_code(state.seq + 1)}
            request, holds = msgspec.structs.replace(request, **changes), holds + held
        elif way.why:
            refusal = "91", way.why
    if refusal:
        return _refused(state, event, refusal, at_ns)
    payment = state.seq + 1
    cause = "advice-accepted" if kind.advice else "accepted"
    verdict = Verdict(
        payment,
        cause,
        after(RECEIVED, cause),
        _DONE if kind.advice else UNKNOWN_OUTCOME,
        tried,
        stan=state.next_stan(request.bank),
        f7=now.f7,
        auth="" if kind.final or not kind.advice else request.auth,
        holds=holds,
        completed=None if request is event else request,
        original=original,
    )
    if kind.advice:
        auth = "" if kind.final else request.auth
        answer = Answer(_DONE, state.rrn(at_ns, payment), auth, state.day[4:])
        told = SendResponse(event.ticket, request, answer, payment if kind.reversible else 0)
        return Decision(verdict, (told, WakeLane(request.bank)))
    return Decision(verdict, (SendRequest(payment), SetTimer(payment, rules.timers.centre)))


def _refused(state: State, event: RequestArrived, refusal: Refusal, at_ns: int) -> Decision:
    code, why, *says = refusal
    payment = state.seq + 1
    verdict = Verdict(payment, "refused", after(RECEIVED, "refused"), code, why)
    answer = Answer(code, state.rrn(at_ns, payment), day=state.day[4:], says="".join(says))
    return Decision(verdict, (SendResponse(event.ticket, event, answer),))


def _told(request: RequestArrived | ReversalArrived, answer: Answer, payment: int, why: str) -> Decision:
    """Nothing moves: the terminal is told what stands, and why is noted beside the payment."""
    return Decision(Verdict(payment, why=why), (SendResponse(request.ticket, request, answer, repeat=True),))


def _content(request: RequestArrived) -> tuple[str | int | bytes, ...]:
    """What must be the same in a repeat."""
    return (
        request.kind, request.amount_minor, request.currency, request.pan_print,
        request.orig_rrn, request.orig_batch, request.orig_stan, request.auth,
    )  # fmt: skip


def _is_old(state: State, row: Row, at_ns: int, rules: Rules) -> bool:
    """Whether no message of this payment can still be under way; what has its key now is something else.

    How long ago a life before this one got it is unknown: the clock may have been set in between.
    """
    since_ns = max(row.first.at_ns, state.restarted_ns)
    return at_ns - since_ns > int(rules.timers.flight_max * NS_PER_S)


def _repeat(state: State, event: RequestArrived, row: Row, at_ns: int, rules: Rules) -> Decision:
    """The key was seen: the same content gets the same answer, other content or another time is refused."""
    first = row.first.event
    if not isinstance(first, RequestArrived):
        return _told(event, Answer(row.code), row.payment, "its reversal came first")
    if _content(first) != _content(event):
        code = "30" if event.declared else "94"
        return _told(event, Answer(code), 0, "same key, other content")
    if row.state == FORWARDED:
        moved = EraseTicket(state.flights[row.payment].ticket)
        return Decision(Verdict(row.payment, why="repeat moves the reply"), (moved,))
    expected = event.declared or PAYMENT_KINDS[event.kind].advice
    if _is_old(state, row, at_ns, rules) and not expected:
        return _told(event, Answer("94"), row.payment, "a key from long ago")
    rrn = state.rrn(row.first.at_ns, row.payment)
    if event.kind == BALANCE.name and row.state == APPROVED:
        code = UNKNOWN_OUTCOME if event.declared else "94"
        return _told(event, Answer(code, rrn), row.payment, "a balance is not kept, it is asked anew")
    answer = Answer(row.code, rrn, row.auth, state.day[4:])
    stands = row.state in (APPROVED, ADVISING) and PAYMENT_KINDS[event.kind].reversible
    approved = row.payment if stands else 0  # heard now, it is not taken back because nobody heard it before
    told = SendResponse(event.ticket, event, answer, approved, repeat=True)
    return Decision(Verdict(row.payment, why="repeat answered"), (told,))


def reversal_arrived(
    state: State, event: ReversalArrived, facts: Facts, at_ns: int, rules: Rules
) -> Decision:
    """A terminal takes a payment back: whatever became of it, it will not stand."""
    row = facts.row
    if row is None:
        return _reversal_of_nothing(state, event, at_ns)
    first = row.request
    if first is None:
        code = "25" if row.state == REVERSED else _DONE
        return _told(event, Answer(code), row.payment, "reversal again")
    differs = _differs(event, first, _is_old(state, row, at_ns, rules))
    if differs:
        code, why, *_ = differs
        return _told(event, Answer(code), row.payment, why)
    rrn = state.rrn(row.first.at_ns, row.payment)
    done = Answer(_DONE, rrn, day=state.day[4:])
    accepted = SendResponse(event.ticket, event, done)
    if row.state == FORWARDED:
        flight = state.flights[row.payment]
        told = SendResponse(flight.ticket, first, Answer(UNKNOWN_OUTCOME, rrn, day=state.day[4:]))
        verdict = reverse(state, flight, "terminal-reversed", at_ns)
        return Decision(verdict, (accepted, told, WakeLane(first.bank)))
    owned = row.state == NEEDS_OWNER and row.code == _DONE  # the centre approved it, and a person looks
    if owned or row.state in (APPROVED, ADVISING):
        if facts.taken_minor:
            return _told(event, Answer("12"), row.payment, "something was built on it")
        if row.state == ADVISING:
            verdict = reverse(state, state.flights[row.payment], "terminal-reversed", at_ns)
            return Decision(verdict, (accepted, WakeLane(first.bank)))
        return Decision(reopen(state, row, "terminal-reversed", at_ns), (accepted, WakeLane(first.bank)))
    return _told(event, done, row.payment, "nothing left to reverse")


def _reversal_of_nothing(state: State, event: ReversalArrived, at_ns: int) -> Decision:
    """Its original never came; or it is one of those that a restored journal has lost: a person must look."""
    lost = in_doubt(state, at_ns)
    cause, code = ("reversal-of-lost", _DONE) if lost else ("reversal-came-first", "25")
    verdict = Verdict(state.seq + 1, cause, after(RECEIVED, cause), code if lost else "22")
    return Decision(verdict, (SendResponse(event.ticket, event, Answer(code)),))


def _differs(event: ReversalArrived, first: RequestArrived, is_old: bool) -> Refusal | None:
    """Why this is not the reversal of that request."""
    if not PAYMENT_KINDS[first.kind].reversible:
        return "12", f"a {first.kind} is not reversed"
    if event.kind != PAYMENT_KINDS[first.kind].as_told:
        return "30", "reversal of another kind than its original"
    if first.amount_minor != event.amount_minor:
        return "64", "reversal differs from its original"
    if event.pan_print and first.pan_print and event.pan_print != first.pan_print:
        return "30", "reversal differs from its original"
    if not event.pan_print and is_old:
        return "25", "reversal of long ago without a card number"
    return None
