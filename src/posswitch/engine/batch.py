"""A terminal's day: it signs on, its batch is counted, uploaded where totals differ, and closed."""

from collections.abc import Iterable

import msgspec

from posswitch.base.bounds import BATCH_ITEMS_MAX
from posswitch.base.codes import APPROVALS
from posswitch.engine.effects import Answer, Decision, SendResponse
from posswitch.engine.events import (
    BatchTotaled,
    Closing,
    Difference,
    Event,
    ItemsUploaded,
    TerminalSignedOff,
    TerminalSignedOn,
    UploadEnded,
    Verdict,
)
from posswitch.engine.facts import Entry, Facts
from posswitch.engine.lifecycle import FORWARDED, REVERSING
from posswitch.engine.rules import Rules
from posswitch.engine.state import CLOSED, FIRST_BATCH, TRADING, UPLOADING, State
from posswitch.scheme.kinds import DEBIT, PAYMENT_KINDS
from posswitch.scheme.settlement import Side

BALANCED, DIFFERENT, UNABLE = "1", "2", "3"  # flags of field 48
_UNDECIDED = frozenset({FORWARDED, REVERSING})


class Totals(msgspec.Struct, frozen=True, array_like=True):
    """A settlement as it was answered: the terminal's totals, ours, flags, trace numbers still open."""

    theirs_domestic: Side
    theirs_foreign: Side
    domestic: Side
    foreign: Side
    flags: str
    open: tuple[str, ...]


class BatchRow(msgspec.Struct, frozen=True):
    """What a record says of a terminal's batch; `totals` is None where it only moves on."""

    terminal: str
    batch: str
    phase: str
    totals: Totals | None
    differences: tuple[Difference, ...]


def batch_row(event: Event, verdict: Verdict) -> BatchRow | None:
    """What follows from a record for the tables of batches and differences, if anything does."""
    closing = verdict.closing
    if closing is None or not isinstance(event, BatchTotaled | ItemsUploaded | UploadEnded):
        return None
    totals = None
    if isinstance(event, BatchTotaled):
        totals = Totals(
            event.domestic, event.foreign, closing.domestic, closing.foreign, closing.flags, closing.open
        )
    return BatchRow(event.terminal, event.batch, closing.phase, totals, closing.differences)


def terminal_signed_on(
    state: State, event: TerminalSignedOn, facts: Facts, at_ns: int, rules: Rules
) -> Decision:
    """The terminal gets its keys and the batch number it goes on with."""
    session = state.sessions.get(event.terminal)
    batch = session.next_batch if session else FIRST_BATCH
    return Decision(Verdict(), (SendResponse(event.ticket, event, Answer("00", batch=batch)),))


def terminal_signed_off(
    state: State, event: TerminalSignedOff, facts: Facts, at_ns: int, rules: Rules
) -> Decision:
    """The terminal's working keys are forgotten; its batch waits for the next sign-on."""
    return Decision(Verdict(), (SendResponse(event.ticket, event, Answer("00")),))


def batch_totaled(state: State, event: BatchTotaled, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """Our totals beside the terminal's: equal ones close the batch, others ask for an upload."""
    ours = {foreign: _side(facts.batch, foreign) for foreign in (False, True)}
    flags = "".join(
        BALANCED if ours[foreign] == theirs else DIFFERENT
        for foreign, theirs in ((False, event.domestic), (True, event.foreign))
    )
    if len(facts.batch) > BATCH_ITEMS_MAX or not (ours[False].fits and ours[True].fits):
        flags = UNABLE * 2
    phase = CLOSED if flags == BALANCED * 2 else UPLOADING
    phase = _phase(state, event, phase)
    undecided = tuple(entry.stan for entry in facts.batch if entry.state in _UNDECIDED)
    closing = Closing(phase, ours[False], ours[True], flags, undecided)
    return _closing(event, closing, state)


def items_uploaded(state: State, event: ItemsUploaded, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """Each payment the terminal names is held against ours."""
    refused = _not_asked_for(state, event)
    if refused is not None:
        return refused
    ours = {entry.stan: entry for entry in facts.batch}
    differences = tuple(
        difference
        for item in event.items
        if (difference := _difference(item.stan, item.amount_minor, ours.get(item.stan))) is not None
    )
    return _closing(event, Closing(_phase(state, event, UPLOADING), differences=differences), state)


def upload_ended(state: State, event: UploadEnded, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """What counts here and was not named differs too; then the batch is closed, explained item by item.

    Without totals before it there is nothing to end.
    """
    refused = _not_asked_for(state, event)
    if refused is not None:
        return refused
    session = state.sessions[event.terminal]
    if session.batch != event.batch or session.phase == CLOSED:  # a repeat: it was explained before
        return _closing(event, Closing(CLOSED), state)
    named = frozenset(session.uploaded)
    differences = tuple(
        Difference(entry.stan, entry.amount_minor, None, entry.state)
        for entry in _counting(facts.batch)
        if entry.stan not in named
    )
    why = "" if event.count == len(named) else f"{event.count} payments announced, {len(named)} named"
    return _closing(event, Closing(CLOSED, differences=differences), state, why)


def _phase(state: State, event: BatchTotaled | ItemsUploaded, phase: str) -> str:
    """`phase`, unless the batch is closed already: a repeat opens nothing again."""
    session = state.sessions[event.terminal]
    return phase if session.batch == event.batch and session.phase != CLOSED else CLOSED


def _closing(
    event: BatchTotaled | ItemsUploaded | UploadEnded, closing: Closing, state: State, why: str = ""
) -> Decision:
    sides = (closing.domestic, closing.foreign)
    if UNABLE in closing.flags:  # there is no room to say them
        sides = (Side(), Side())
    answer = Answer("00", flags=closing.flags, sides=sides, day=state.day[4:])
    return Decision(Verdict(closing=closing, why=why), (SendResponse(event.ticket, event, answer),))


def _not_asked_for(state: State, event: ItemsUploaded | UploadEnded) -> Decision | None:
    """The refusal of an upload before any settlement: it would close a batch that still trades."""
    session = state.sessions[event.terminal]
    if session.batch != event.batch or session.phase != TRADING:
        return None
    refused = SendResponse(event.ticket, event, Answer("12"))
    return Decision(Verdict(why="no upload was asked for"), (refused,))


def _difference(stan: str, theirs_minor: int, ours: Entry | None) -> Difference | None:
    if ours is None:
        return Difference(stan, None, theirs_minor)
    if not _signed(ours):
        return Difference(stan, None, theirs_minor, ours.state)
    if ours.amount_minor != theirs_minor:
        return Difference(stan, ours.amount_minor, theirs_minor, ours.state)
    return None


def _counting(batch: Iterable[Entry]) -> list[Entry]:
    """What counts and is not cancelled: a void and its original need not be named in an upload."""
    entries = [entry for entry in batch if _signed(entry)]
    voided = {entry.original for entry in entries if _signed(entry) < 0}
    return [entry for entry in entries if _signed(entry) > 0 and entry.payment not in voided]


def _signed(entry: Entry) -> int:
    """1 when the payment adds to its side, -1 when it takes its original away, 0 when it does not count."""
    totals = PAYMENT_KINDS[entry.kind].totals
    return totals[1] if totals is not None and entry.code in APPROVALS else 0


def _side(batch: Iterable[Entry], foreign: bool) -> Side:
    amounts, counts = {True: 0, False: 0}, {True: 0, False: 0}
    for entry in batch:
        sign = _signed(entry)
        totals = PAYMENT_KINDS[entry.kind].totals
        if sign and totals is not None and entry.foreign == foreign:
            debit = totals[0] == DEBIT
            amounts[debit] += sign * entry.amount_minor
            counts[debit] += sign
    return Side(amounts[True], counts[True], amounts[False], counts[False])
