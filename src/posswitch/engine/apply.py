"""Folding a record into the state; the only way the state changes, live and in recovery."""

from posswitch.engine.events import (
    DayTurned,
    NodeRestarted,
    Record,
    RequestArrived,
    TerminalSignedOn,
    Verdict,
)
from posswitch.engine.lifecycle import FORWARDED, OPEN, REVERSING
from posswitch.engine.state import FIRST_BATCH, Flight, Session, State, let_go, take_up


def apply(state: State, seq: int, record: Record) -> None:
    """Applies record `seq`; records come in order, each once."""
    assert seq == state.seq + 1, f"record {seq} after {state.seq}"
    state.seq = seq
    state.at_ns = record.at_ns
    event, verdict = record.event, record.verdict
    if isinstance(event, TerminalSignedOn):
        session = state.sessions.get(event.terminal)
        batch = session.batch if session else FIRST_BATCH
        state.sessions[event.terminal] = Session(batch, event.tpk, event.tak)
    elif isinstance(event, DayTurned):
        state.day = event.day
    elif isinstance(event, NodeRestarted):
        state.day = max(state.day, event.day)
        state.identity = event.identity
    if verdict.reversing:
        _enter_reversing(state, seq, record.at_ns, verdict)
    elif verdict.state == FORWARDED:
        assert isinstance(event, RequestArrived)
        flight = Flight(
            verdict.payment,
            event,
            record.at_ns,
            state.rrn(record.at_ns, seq),
            verdict.stan,
            verdict.f7,
            event.ticket,
            verdict.holds,
        )
        state.stans[event.bank] = verdict.stan
        take_up(state, flight)
    elif verdict.state and verdict.state not in OPEN and verdict.payment in state.flights:
        let_go(state, state.flights[verdict.payment])
    elif not verdict.cause and verdict.payment in state.flights:
        _evidence(state, event, state.flights[verdict.payment], verdict.landed)


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
        flight.deferred = again is None and verdict.cause == "terminal-reversed"
        state.stans[flight.request.bank] = step.stan
        take_up(state, flight)


def _evidence(state: State, event: object, flight: Flight, landed: bool) -> None:
    """A record that moves no payment: a repeat takes over the reply, a late answer frees the reversal."""
    if isinstance(event, RequestArrived):
        flight.ticket = event.ticket
    elif landed and flight.deferred:
        flight.deferred = False
        state.lane(flight.request.bank).release(flight.payment)
