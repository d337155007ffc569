"""A journal made anew from its records: the same tables in an empty folder, written in long runs."""

from pathlib import Path

import apsw

from posswitch.engine.batch import batch_row
from posswitch.engine.events import Event, Record, Verdict
from posswitch.journal.chain import GENESIS, HEAD_BYTES, Chain, Head, HeadFile
from posswitch.journal.disk import MACHINE
from posswitch.journal.layout import APPLICATION_ID, DATABASE, HEAD, LAYOUT_VERSION, TABLES
from posswitch.journal.recovery import snapshot_mac
from posswitch.journal.sqlite import COUNT, MOVE, OPEN, OPENING, batch_statements, opening_row

_ROWS_MAX = 10_000  # records between two writes
_PAYMENTS_MAX = 200_000  # that wait in memory for their next step
_COUNTERS_MAX = 200_000
# Nothing is lost when this is cut short: the folder is not in use before `finish` has made it durable.
_PRAGMAS = (
    "journal_mode=OFF",
    "synchronous=OFF",
    "locking_mode=EXCLUSIVE",
    "trusted_schema=OFF",
    "cache_size=-256000",  # KiB: the index of repeat keys is written in no order
)


class Rebuild:
    """Takes records in order and the rows that follow from them; `finish` makes all of it durable.

    Raises apsw.Error when the disk fails or a record contradicts another one.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._chain = Chain(key)
        (folder / DATABASE).touch(mode=0o600)
        self._db = apsw.Connection(str(folder / DATABASE))
        for pragma in _PRAGMAS:
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("BEGIN")
        self._db.execute(TABLES)
        self._last = Head(0, GENESIS)
        self.records = 0
        self._rows: list[tuple[int, int, bytes, bytes]] = []
        self._payments: dict[int, tuple[str | int, ...]] = {}
        self._counters: dict[tuple[str, str], int] = {}

    def __repr__(self) -> str:
        return f"<rebuild at record {self._last.seq}>"

    @property
    def last(self) -> int:
        """The number of the last record."""
        return self._last.seq

    def add(self, seq: int, body: bytes, link: bytes, record: Record) -> None:
        """The next record; its link was checked."""
        self._rows.append((seq, record.at_ns, body, link))
        self._last = Head(seq, link)
        self.records += 1
        verdict = record.verdict
        if verdict.cause:
            self._follow(record.event, verdict)
        elif verdict.closing is not None:
            self._follow_batch(record.event, verdict)
        if len(self._rows) >= _ROWS_MAX:
            self._write()

    def finish(self, state: bytes) -> Head:
        """Writes what waits, the last record's snapshot `state`, and the head; returns it."""
        self._write()
        self._write_payments()
        self._write_counters()
        seq = self._last.seq
        self._db.execute(
            "INSERT INTO snapshot VALUES(?, ?, ?)", (seq, state, snapshot_mac(self._chain, seq, state))
        )
        self._db.execute("COMMIT")
        self._db.pragma("application_id", APPLICATION_ID)
        self._db.pragma("user_version", LAYOUT_VERSION)
        self._db.pragma("locking_mode", "NORMAL")
        self._db.pragma("synchronous", "FULL")
        self._db.pragma("journal_mode", "WAL")
        self._db.close()
        head_file = HeadFile(MACHINE.slots(self._folder / HEAD, HEAD_BYTES), self._chain)
        head_file.write(self._last)
        head_file.close()
        return self._last

    def close(self) -> None:
        """Ends it unfinished."""
        self._db.close()

    def _follow(self, event: Event, verdict: Verdict) -> None:
        last = (verdict.state, verdict.code, verdict.auth, verdict.cause)
        if verdict.cause in OPENING:
            self._payments[verdict.payment] = (verdict.payment, *opening_row(event, verdict), *last)
            if len(self._payments) > _PAYMENTS_MAX:
                self._write_payments()
        elif verdict.reversing:
            for step in verdict.reversing:
                self._move(step.payment, last)
        else:
            self._move(verdict.payment, last)
        for hold in verdict.holds:
            key = hold.key, hold.window
            self._counters[key] = self._counters.get(key, 0) + hold.amount_minor
        if len(self._counters) > _COUNTERS_MAX:
            self._write_counters()

    def _move(self, payment: int, last: tuple[str, str, str, str]) -> None:
        row = self._payments.get(payment)
        if row is None:
            self._db.execute(MOVE, (*last, payment))
        else:
            self._payments[payment] = (*row[:6], *last)

    def _follow_batch(self, event: Event, verdict: Verdict) -> None:
        row = batch_row(event, verdict)
        assert row is not None
        for sql, bindings in batch_statements(row):
            self._db.execute(sql, bindings)

    def _write(self) -> None:
        self._db.executemany("INSERT INTO journal VALUES(?, ?, ?, ?)", self._rows)
        self._rows.clear()

    def _write_payments(self) -> None:
        self._db.executemany(OPEN, self._payments.values())
        self._payments.clear()

    def _write_counters(self) -> None:
        self._db.executemany(COUNT, [(*key, used) for key, used in self._counters.items()])
        self._counters.clear()
