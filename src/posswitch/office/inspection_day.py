"""The last day of a journal, terminal by terminal: how cards were read, what failed; starts of the node."""

from pathlib import Path
from typing import NamedTuple

from posswitch.base.codes import CODES
from posswitch.engine.events import NodeRestarted, Record, RequestArrived
from posswitch.journal.traffic import records_of, span_since

RECORDS_MAX = 200_000  # the newest of the day
_CHIP, _FELL_BACK, _SWIPED = ("05", "95", "07"), ("80",), ("02", "90")  # how field 22 begins
_FALLBACK_REFUSED = "45"
_TECHNICAL = frozenset({"data", "network", "overload", "system"})
_FAILED = frozenset(code for code, row in CODES.items() if row.category in _TECHNICAL)


class Tally(NamedTuple):
    """One terminal's payments: all, with a chip that was read, with one that was not, and what failed."""

    payments: int = 0
    chip: int = 0
    fell_back: int = 0
    failed: int = 0


class Survey(NamedTuple):
    """The day: tallies by terminal, starts of the node, the newest record; `cut` when it was longer."""

    tallies: dict[str, Tally]
    starts: int
    records: int
    cut: bool


class _Asked(NamedTuple):
    """A payment as its terminal asked for it."""

    terminal: str
    entry: str
    card: bytes


class _Day:
    """Collects; which cards have a chip, and what became of a payment, is known once all has been seen."""

    def __init__(self) -> None:
        self.asked: dict[int, _Asked] = {}
        self.code: dict[int, str] = {}  # what each payment's terminal was owed last
        self.starts = self.records = 0

    def take(self, seq: int, record: Record) -> None:
        event, verdict = record.event, record.verdict
        self.records += 1
        self.starts += isinstance(event, NodeRestarted)
        if isinstance(event, RequestArrived) and verdict.payment == seq:  # not a repeat
            self.asked[seq] = _Asked(event.terminal, event.entry, event.pan_print)
        if verdict.code and verdict.payment in self.asked:
            self.code[verdict.payment] = verdict.code

    def tallies(self) -> dict[str, Tally]:
        """By terminal."""
        with_chip = {one.card for one in self.asked.values() if one.entry.startswith(_CHIP)} - {b""}
        found: dict[str, Tally] = {}
        for payment, one in self.asked.items():
            code, before = self.code.get(payment, ""), found.get(one.terminal, Tally())
            fell_back = _fell_back(one, code, with_chip)
            found[one.terminal] = Tally(
                before.payments + 1,
                before.chip + one.entry.startswith(_CHIP),
                before.fell_back + fell_back,
                before.failed + (code in _FAILED),
            )
        return dict(sorted(found.items()))


def _fell_back(one: _Asked, code: str, with_chip: set[bytes]) -> bool:
    """Field 22 says so, the bank says so, or the card's chip was read elsewhere on this day."""
    if one.entry.startswith(_FELL_BACK):
        return True
    return one.entry.startswith(_SWIPED) and (code == _FALLBACK_REFUSED or one.card in with_chip)


def survey(folder: Path, since_ns: int) -> Survey:
    """Reads the records since a time, the newest RECORDS_MAX; JournalError when they cannot be read."""
    span, day = span_since(folder, since_ns, RECORDS_MAX), _Day()
    for seq, record in records_of(folder, span):
        day.take(seq, record)
    return Survey(day.tallies(), day.starts, day.records, span.cut)
