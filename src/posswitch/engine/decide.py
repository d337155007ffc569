"""decide(state, event, facts) → Decision: pure, total, one small function per event."""

from collections.abc import Callable
from typing import Any

from posswitch.engine.answer import answer_arrived, answer_spoiled
from posswitch.engine.batch import (
    batch_totaled,
    items_uploaded,
    terminal_signed_off,
    terminal_signed_on,
    upload_ended,
)
from posswitch.engine.effects import (
    Amend,
    Answer,
    Decision,
    Effect,
    SendResponse,
    SetTimer,
    TellCutover,
    WakeLane,
)
from posswitch.engine.events import (
    AnswerArrived,
    AnswerSpoiled,
    BatchTotaled,
    DayTurned,
    DeliveryExpired,
    Event,
    HandedToOwner,
    ItemsUploaded,
    JournalRestored,
    NodeRestarted,
    NotSent,
    RegistryChanged,
    RequestArrived,
    ReturnedUnread,
    ReversalArrived,
    TerminalSignedOff,
    TerminalSignedOn,
    TimerFired,
    Undelivered,
    UploadEnded,
    Verdict,
    ZoneKeyOffered,
    ZoneKeyTaken,
)
from posswitch.engine.facts import Facts
from posswitch.engine.lifecycle import ADVISING, APPROVED, FORWARDED, after
from posswitch.engine.owner import delivery_expired, handed_to_owner, journal_restored, ruled
from posswitch.engine.request import request_arrived, reversal_arrived
from posswitch.engine.reverse import UNKNOWN_OUTCOME, forget, release, reopen, reverse, reverse_all
from posswitch.engine.rules import Rules
from posswitch.engine.state import State
from posswitch.engine.zone import zone_key_offered, zone_key_taken
from posswitch.scheme.kinds import PAYMENT_KINDS

__all__ = ["Rules", "decide"]


def decide(state: State, event: Event, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """The one decision about `event`; `at_ns` is the time its record will carry."""
    return _DECIDE[type(event)](state, event, facts, at_ns, rules)


def timer_fired(state: State, event: TimerFired, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """No answer in time: the reversal becomes durable, the terminal is told 98."""
    flight = state.flights.get(event.payment)
    if flight is None or flight.state != FORWARDED:
        return Decision(None, note="timer-late")
    if not PAYMENT_KINDS[flight.request.kind].reversible:
        return forget(flight, UNKNOWN_OUTCOME, state.day[4:])
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
    if not PAYMENT_KINDS[flight.request.kind].reversible:
        return forget(flight, "96", state.day[4:])
    answer = Answer("96", flight.rrn, day=state.day[4:])
    return Decision(
        reverse(state, flight, "returned-unread", at_ns, "96"),
        (SendResponse(flight.ticket, flight.request, answer), WakeLane(flight.request.bank)),
    )


def undelivered(state: State, event: Undelivered, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """An approval of which nothing reached the terminal is taken back."""
    row = facts.row
    request = row.request if row is not None else None
    if row is not None and request is not None and row.state == ADVISING:  # the centre approved it itself
        flight = state.flights[row.payment]
        return Decision(reverse(state, flight, "undelivered", at_ns), (WakeLane(request.bank),))
    if row is None or request is None or row.state != APPROVED:
        return Decision(None, note="undelivered-closed")
    return Decision(reopen(state, row, "undelivered", at_ns), (WakeLane(request.bank),))


def node_restarted(state: State, event: NodeRestarted, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """Everything that was forwarded has an unknown outcome: it is reversed, inquiries are forgotten."""
    effects: list[Effect] = [
        WakeLane(bank) for bank in dict.fromkeys(flight.request.bank for flight in state.flights.values())
    ]
    effects += [
        SetTimer(flight.payment, 0.0)
        for flight in state.flights.values()
        if flight.state == FORWARDED and not PAYMENT_KINDS[flight.request.kind].reversible
    ]
    return Decision(reverse_all(state, at_ns), tuple(effects))


def day_turned(state: State, event: DayTurned, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """The business date moves forward only; the banks are told."""
    if event.day <= state.day:
        return Decision(None, note="day-stands")
    return Decision(Verdict(), (TellCutover(event.day),) if state.day else ())


def registry_changed(
    state: State, event: RegistryChanged, facts: Facts, at_ns: int, rules: Rules
) -> Decision:
    """The next version of the registry comes into force; an old one is no news."""
    change = event.change
    if change.version != state.registry + 1:
        return Decision(None, note="registry-stands")
    if change.ruling is not None:
        return ruled(state, change, change.ruling, facts, at_ns)
    return Decision(Verdict(), (Amend(change),))


_DECIDE: dict[type, Callable[[State, Any, Facts, int, Rules], Decision]] = {
    RequestArrived: request_arrived,
    ReversalArrived: reversal_arrived,
    TerminalSignedOn: terminal_signed_on,
    TerminalSignedOff: terminal_signed_off,
    BatchTotaled: batch_totaled,
    ItemsUploaded: items_uploaded,
    UploadEnded: upload_ended,
    AnswerArrived: answer_arrived,
    AnswerSpoiled: answer_spoiled,
    TimerFired: timer_fired,
    NotSent: not_sent,
    ReturnedUnread: returned_unread,
    Undelivered: undelivered,
    DeliveryExpired: delivery_expired,
    NodeRestarted: node_restarted,
    DayTurned: day_turned,
    RegistryChanged: registry_changed,
    JournalRestored: journal_restored,
    HandedToOwner: handed_to_owner,
    ZoneKeyOffered: zone_key_offered,
    ZoneKeyTaken: zone_key_taken,
}
