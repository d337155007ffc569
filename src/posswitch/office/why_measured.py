"""What the node's vitals still have of an answer: how long it took, and what was refused without a record."""

from pathlib import Path
from typing import NamedTuple

from posswitch.engine.events import RequestArrived
from posswitch.journal.vitals import PERIOD_NS, WIDTH, Column, How, VitalsReader
from posswitch.office.why_evidence import Told, Waits

_PERIODS = 12  # after a record: within them its answer leaves
_RING_PERIODS = 2_400  # ten minutes
_CARD_MASK = 0x7FFF_FFFF
_OWN = frozenset({How.BANK, How.HERE, How.TIMER, How.COUNTED})
SHOWN_MAX = 20


class AtEdge(NamedTuple):
    """A request that was refused before anything was recorded: within the period that ended then, its MTI."""

    at_ns: int
    mti: str


def measured(folder: Path, request: RequestArrived, told: Told) -> Waits | None:
    """How long the terminal waited for an answer; None when the ring of the vitals no longer has it."""
    reader = VitalsReader(folder)
    reader.skip(told.after_ns - 1)
    card = int.from_bytes(request.pan_print[:4], "big") & _CARD_MASK
    for period in reader.read(_PERIODS):
        if period.at_ns > told.after_ns + _PERIODS * PERIOD_NS:
            return None
        rows = period.outcomes
        for at in range(0, len(rows), WIDTH):
            if rows[at + Column.CARD] != card or rows[at + Column.HOW] not in _OWN:
                continue
            names = [
                reader.names[rows[at + column]] for column in (Column.TERMINAL, Column.KIND, Column.CODE)
            ]
            if names == [request.terminal, request.kind, told.code]:
                return Waits(rows[at + Column.WAIT_US], rows[at + Column.BANK_US], period.at_ns)
    return None


def refused_at_edge(folder: Path, terminal: str, code: str, since_ns: int, until_ns: int) -> list[AtEdge]:
    """What a terminal was refused without a record, the newest first; at most SHOWN_MAX.

    Of what was turned away under the heaviest load, and of strangers, nothing is kept.
    """
    reader = VitalsReader(folder)
    reader.skip(since_ns)
    found = []
    for period in reader.read(_RING_PERIODS):
        if period.at_ns - PERIOD_NS > until_ns or terminal not in reader.names or code not in reader.names:
            continue
        rows, named, coded = period.outcomes, reader.names.index(terminal), reader.names.index(code)
        if named not in rows[Column.TERMINAL :: WIDTH]:
            continue
        for at in range(0, len(rows), WIDTH):
            what = rows[at + Column.TERMINAL], rows[at + Column.CODE], rows[at + Column.HOW]
            if what == (named, coded, How.EDGE):
                found.append(AtEdge(period.at_ns, reader.names[rows[at + Column.KIND]]))
    return found[-SHOWN_MAX:][::-1]
