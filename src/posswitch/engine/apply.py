"""Folding a record into the state; the only way the state changes, live and in recovery."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from posswitch.base.bounds import BATCH_ITEMS_MAX
from posswitch.engine.events import (
    BatchTotaled,
    DayTurned,
    Event,
    ItemsUploaded,
    JournalRestored,
    NodeRestarted,
    Record,
    RegistryChanged,
    Reopened,
    RequestArrived,
    TerminalSignedOff,
    TerminalSignedOn,
    UploadEnded,
    Verdict,
    ZoneKeyOffered,
    ZoneKeyTaken,
)
from posswitch.engine.lifecycle import ADVISING, FORWARDED, OPEN, REVERSING
from posswitch.engine.state import CLOSED, FIRST_BATCH, UPLOADING, Flight, Session, State, let_go, take_up
from posswitch.engine.zone import offered, taken
from posswitch.scheme.numbers import skipped_stan


def apply(state: State, seq: int, record: Record) -> None:
    """Applies record `seq`; records come in order, each once."""
    event, verdict = record.event, record.verdict
    assert follows(state.seq, seq, event), f"record {seq} after {state.seq}"
    state.seq = seq
    state.at_ns = record.at_ns
    note = _NOTES.get(type(event))
    if note is not None:
        note(state, event, verdict)
    if verdict.reversing:
        _enter_reversing(state, seq, record.at_ns, verdict)
    elif verdict.state == ADVISING and verdict.reopened is not None:
        _advise_again(state, seq, record.at_ns, verdict, verdict.reopened)
    elif verdict.state in (FORWARDED, ADVISING):
        _take_off(state, seq, record)
    elif verdict.state and verdict.state not in OPEN and verdict.payment in state.flights:
        let_go(state, state.flights[verdict.payment])
    elif not verdict.cause and verdict.payment in state.flights:
        _evidence(state, event, state.flights[verdict.payment], verdict.landed)


def follows(last: int, seq: int, event: Event) -> bool:
    """Whether a record of this number comes next: only a restored journal leaves a gap, and says so."""
    return seq == last + 1 or (isinstance(event, JournalRestored) and event.after == last < seq)


def _take_off(state: State, seq: int, record: Record) -> None:
    verdict = record.verdict
    request = verdict.completed or record.event
    assert isinstance(request, RequestArrived)
    state.stans[request.bank] = verdict.stan
    take_up(
        state,
        Flight(
            verdict.payment,
            request,
            record.at_ns,
            state.rrn(record.at_ns, seq),
            verdict.stan,
            verdict.f7,
            request.ticket,
            verdict.holds,
            verdict.state,
            since_seq=seq,
            since_ns=record.at_ns,
            original=verdict.original,
        ),
    )


def _enter_reversing(state: State, seq: int, at_ns: int, verdict: Verdict) -> None:
    for step in verdict.reversing:
        again = verdict.reopened
        if again is not None:
            request = again.request
            rrn = state.rrn(again.at_ns, step.payment)
            flight = Flight(step.payment, request, again.at_ns, rrn, again.stan, again.f7, request.ticket)
        else:
            flight = state.flights[step.payment]
            let_go(state, flight)
        flight.state = REVERSING
        flight.holds = ()
        flight.rev_stan, flight.rev_f7 = step.stan, step.f7
        flight.since_seq, flight.since_ns = seq, at_ns
        flight.deferred = again is None and verdict.cause in ("terminal-reversed", "undelivered")
        state.stans[flight.request.bank] = step.stan
        take_up(state, flight)


def _advise_again(state: State, seq: int, at_ns: int, verdict: Verdict, again: Reopened) -> None:
    rrn = state.rrn(again.at_ns, verdict.payment)
    flight = Flight(
        verdict.payment, again.request, again.at_ns, rrn, again.stan, again.f7, again.request.ticket,
        verdict.holds, ADVISING, since_seq=seq, since_ns=at_ns, original=again.original,
    )  # fmt: skip
    take_up(state, flight)


def _evidence(state: State, event: object, flight: Flight, landed: bool) -> None:
    """A record that moves no payment: a repeat takes over the reply, a late answer frees the reversal."""
    if isinstance(event, RequestArrived):
        flight.ticket = event.ticket
    elif landed and flight.deferred:
        flight.deferred = False
        state.lane(flight.request.bank).release(flight.payment)


# Events that concern no payment of their own, and what else a request says.


def _first_use(state: State, event: RequestArrived, verdict: Verdict) -> None:
    if event.fresh and event.terminal in state.sessions:
        state.sessions[event.terminal] = replace(state.sessions[event.terminal], before=None)


def _signed_on(state: State, event: TerminalSignedOn, verdict: Verdict) -> None:
    old = state.sessions.get(event.terminal)
    before = None
    if old is not None and old.tak:  # keys that were never used take nobody's place
        before = old.before or (old.tpk, old.tak, old.tdk)
    keys = {"tpk": event.tpk, "tak": event.tak, "tdk": event.tdk, "since_ns": state.at_ns, "before": before}
    if old is None or old.phase == CLOSED:
        old = Session(FIRST_BATCH if old is None else old.next_batch, b"", b"")
    state.sessions[event.terminal] = replace(old, **keys)


def _signed_off(state: State, event: TerminalSignedOff, verdict: Verdict) -> None:
    state.sessions[event.terminal] = replace(
        state.sessions[event.terminal], tpk=b"", tak=b"", tdk=b"", before=None
    )


def _batch_moved(state: State, event: BatchTotaled | ItemsUploaded | UploadEnded, verdict: Verdict) -> None:
    session = state.sessions[event.terminal]
    if verdict.closing is None or event.batch != session.batch or session.phase == CLOSED:
        return
    uploaded = session.uploaded if verdict.closing.phase == UPLOADING else ()
    if isinstance(event, ItemsUploaded):
        new = dict.fromkeys(item.stan for item in event.items if item.stan not in uploaded)
        uploaded = (*uploaded, *new)[:BATCH_ITEMS_MAX]
    state.sessions[event.terminal] = replace(session, phase=verdict.closing.phase, uploaded=uploaded)


def _day_turned(state: State, event: DayTurned, verdict: Verdict) -> None:
    state.day = event.day


def _restarted(state: State, event: NodeRestarted, verdict: Verdict) -> None:
    state.day = max(state.day, event.day)
    state.identity = event.identity
    state.restarted_ns = state.at_ns


def _restored(state: State, event: JournalRestored, verdict: Verdict) -> None:
    state.stans = {bank: skipped_stan(stan) for bank, stan in state.stans.items()}
    state.stan_first = skipped_stan(state.stan_first)
    state.restored_ns = state.at_ns


def _registry_changed(state: State, event: RegistryChanged, verdict: Verdict) -> None:
    state.amend(event.change)


_NOTES: dict[type, Callable[[State, Any, Verdict], None]] = {
    RequestArrived: _first_use,
    TerminalSignedOn: _signed_on,
    TerminalSignedOff: _signed_off,
    BatchTotaled: _batch_moved,
    ItemsUploaded: _batch_moved,
    UploadEnded: _batch_moved,
    DayTurned: _day_turned,
    NodeRestarted: _restarted,
    RegistryChanged: _registry_changed,
    JournalRestored: _restored,
    ZoneKeyOffered: lambda state, event, _: offered(state, event),
    ZoneKeyTaken: lambda state, event, _: taken(state, event),
}
