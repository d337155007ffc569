"""The journal on SQLite: one writer, one transaction per batch, `synchronous=FULL`.

After the first failed write nothing is retried: the error goes up and ends the process; recovery decides.
"""

from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec

from posswitch.base.bounds import BATCH_ITEMS_MAX
from posswitch.base.errors import JournalDamaged, JournalError
from posswitch.engine.batch import BatchRow, batch_row
from posswitch.engine.events import (
    Event,
    Record,
    RequestArrived,
    ReversalArrived,
    Verdict,
)
from posswitch.engine.facts import Entry, Row
from posswitch.engine.lifecycle import LIFE, RECEIVED
from posswitch.engine.state import State, pack_state
from posswitch.journal.chain import HEAD_BYTES, Chain, Head, HeadFile
from posswitch.journal.disk import MACHINE, Disk
from posswitch.journal.layout import APPLICATION_ID, DATABASE, HEAD, LAYOUT_VERSION, TABLES
from posswitch.journal.recovery import decode_record, last_head, recovered, snapshot_mac
from posswitch.journal.tail import settle

_SNAPSHOTS_KEPT = 2

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "trusted_schema=OFF",
    "recursive_triggers=ON",  # so that REPLACE meets the triggers of an append-only table
    "cache_size=-32000",  # KiB: the pages of today's keys and counters stay in memory
    "wal_autocheckpoint=4000",  # pages: the same page is copied back once, not once per thousand
)
OPENING = frozenset(cause for state, cause in LIFE if state == RECEIVED)
_FACTS = """SELECT (SELECT payment FROM payment WHERE key = ?),
(SELECT used_minor FROM counter WHERE key = ? AND window = ?)"""
_ROW = "SELECT payment, state, code, auth, cause FROM payment"
_SAME_AUTH_MAX = 64  # authorisation codes have six characters: some come again within a month
_PREAUTHS = """SELECT payment FROM payment WHERE kind = 'preauth' AND auth = ? AND state = 'approved'
ORDER BY payment DESC LIMIT ?"""
_LAST_KEY = "SELECT max(key) FROM payment WHERE key >= ? AND key < ?"
_BATCH = """SELECT payment, original, key, kind, amount_minor, is_foreign, state, code FROM payment
WHERE key >= ? AND key < ? LIMIT ?"""
OPEN = "INSERT INTO payment VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
MOVE = "UPDATE payment SET state = ?, code = ?, auth = ?, cause = ? WHERE payment = ?"
COUNT = """INSERT INTO counter VALUES(?, ?, ?)
ON CONFLICT(key, window) DO UPDATE SET used_minor = used_minor + excluded.used_minor"""

_encode = _pack = msgspec.msgpack.Encoder().encode


def opening_row(event: Event, verdict: Verdict) -> tuple[str, str, int, int, int]:
    """Key, kind, amount, foreign and original of the payment that this record opens."""
    assert isinstance(event, RequestArrived | ReversalArrived)
    request = verdict.completed or event
    foreign = isinstance(request, RequestArrived) and request.foreign
    original = verdict.original.payment if verdict.original else 0
    return event.key, event.kind, event.amount_minor, int(foreign), original


def batch_statements(row: BatchRow) -> Iterator[tuple[str, tuple[str | int | bytes | None, ...]]]:
    """What is written when a terminal's batch moves."""
    if row.totals is not None:
        made = (row.terminal, row.batch, row.phase, _pack(row.totals))
        yield "INSERT OR REPLACE INTO batch VALUES(?, ?, ?, ?)", made
    else:
        moved = (row.phase, row.terminal, row.batch)
        yield "UPDATE batch SET phase = ? WHERE terminal = ? AND batch = ?", moved
    for one in row.differences:
        differs = (row.terminal, row.batch, one.stan, one.ours_minor, one.theirs_minor, one.ours_state)
        yield "INSERT OR REPLACE INTO difference VALUES(?, ?, ?, ?, ?, ?)", differs


class Journal:
    """The write side, owned by the node's loop; `open` creates what is missing."""

    def __init__(self, folder: Path, key: bytes, disk: Disk = MACHINE) -> None:
        self._chain = Chain(key)
        self._head_file = HeadFile(disk.slots(folder / HEAD, HEAD_BYTES), self._chain)
        try:
            self._db, self.frames_cut = _connect(disk, folder / DATABASE)
        except JournalError:
            self._head_file.close()  # else nobody in this process could try again
            raise
        self._run = self._db.cursor().execute
        self._last = last_head(self._db)
        if not self._last.seq:
            if self._head_file.blank:
                self._head_file.write(self._last)  # from now on a missing head is a finding
            self._head_file.sync()  # also what a start before this one left unsynced

    def __repr__(self) -> str:
        return f"<journal at record {self._last.seq}>"

    # Facts

    def row_by_key(self, key: str) -> Row | None:
        """The payment with this repeat key."""
        return self._row(f"{_ROW} WHERE key = ?", key)

    def row(self, payment: int) -> Row | None:
        """The payment with this number."""
        return self._row(f"{_ROW} WHERE payment = ?", payment)

    def preauths(self, auth: str) -> Iterator[Row]:
        """Approved pre-authorisations with this authorisation code, newest first, a bounded number."""
        for (payment,) in self._run(_PREAUTHS, (auth, _SAME_AUTH_MAX)).fetchall():
            row = self.row(int(payment))  # type: ignore[arg-type]
            if row is not None:
                yield row

    def last_key(self, prefix: str) -> str:
        """The highest repeat key that begins with `prefix`, empty when there is none."""
        found = self._run(_LAST_KEY, (prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1))).fetchone()
        return str(found[0]) if found and found[0] is not None else ""

    def used(self, counter: str, window: str = "") -> int:
        """What a counter holds."""
        found = self._run("SELECT used_minor FROM counter WHERE key = ? AND window = ?", (counter, window))
        row = found.fetchone()
        return 0 if row is None else int(row[0])

    def batch(self, prefix: str) -> tuple[Entry, ...]:
        """The payments whose key begins with `prefix`, at most one more than a settlement looks at."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        rows = self._run(_BATCH, (prefix, end, BATCH_ITEMS_MAX + 1))
        return tuple(
            Entry(
                payment,
                original,
                key[len(prefix) :].partition("|")[0],
                kind,
                amount,
                bool(foreign),
                state,
                code,
            )
            for payment, original, key, kind, amount, foreign, state, code in rows
        )

    def _row(self, sql: str, binding: str | int) -> Row | None:
        found = self._run(sql, (binding,)).fetchone()
        if found is None:
            return None
        first = self._run("SELECT body FROM journal WHERE seq = ?", (found[0],)).fetchone()
        if first is None:
            raise JournalDamaged(found[0], "a payment without its first record")
        payment, state, code, auth, cause = found
        return Row(payment, state, code, auth, cause, decode_record(payment, first[0]))

    def facts(self, key: str, counter: str, window: str) -> tuple[Row | None, int]:
        """The payment with this repeat key and what a counter holds, in one question."""
        found = self._run(_FACTS, (key, counter, window)).fetchone()
        payment, used_minor = found or (None, None)
        return (None if payment is None else self.row(payment)), used_minor or 0

    def owners(self) -> int:
        """How many payments need an owner."""
        found = self._run("SELECT count(*) FROM payment WHERE state = 'needs-owner'").fetchone()  # an index
        return 0 if found is None else int(found[0])

    # Writing

    def begin(self) -> None:
        """Opens the batch's transaction."""
        self._run("BEGIN IMMEDIATE")

    def append(self, at_ns: int, event: Event, verdict: Verdict, skip: int = 0) -> tuple[int, Record]:
        """Writes one record and what follows from it into the open transaction; `skip`: numbers left out."""
        record = Record(at_ns, event, verdict)
        body = _encode(record)
        seq = self._last.seq + 1 + skip
        made = self._chain.link(self._last.link, seq, body)
        self._run("INSERT INTO journal VALUES(?, ?, ?, ?)", (seq, at_ns, body, made))
        self._last = Head(seq, made)
        if verdict.cause:
            self._follow(event, verdict)
        elif verdict.closing is not None:
            self._follow_batch(event, verdict)
        return seq, record

    def _follow(self, event: Event, verdict: Verdict) -> None:
        """Writes the rows that follow from a record: the payment's line and the counters."""
        run = self._run
        last = (verdict.state, verdict.code, verdict.auth, verdict.cause)
        if verdict.cause in OPENING:
            run(OPEN, (verdict.payment, *opening_row(event, verdict), *last))
        elif verdict.reversing:
            for step in verdict.reversing:
                run(MOVE, (*last, step.payment))
        else:
            run(MOVE, (*last, verdict.payment))
        for hold in verdict.holds:
            run(COUNT, (hold.key, hold.window, hold.amount_minor))

    def _follow_batch(self, event: Event, verdict: Verdict) -> None:
        """Writes how a terminal's batch stands."""
        row = batch_row(event, verdict)
        assert row is not None
        for sql, bindings in batch_statements(row):
            self._run(sql, bindings)

    def commit(self) -> None:
        """Makes the batch durable; a failure must end the process."""
        self._run("COMMIT")
        self._head_file.write(self._last)

    def snapshot(self, state: State) -> None:
        """Keeps the state after the last record, signed, so that recovery need not start at record 1."""
        assert state.seq == self._last.seq
        body = pack_state(state)
        with self._db:
            self._run(
                "INSERT OR REPLACE INTO snapshot VALUES(?, ?, ?)",
                (state.seq, body, snapshot_mac(self._chain, state.seq, body)),
            )
            self._run(
                "DELETE FROM snapshot WHERE seq NOT IN (SELECT seq FROM snapshot ORDER BY seq DESC LIMIT ?)",
                (_SNAPSHOTS_KEPT,),
            )

    def sync_head(self) -> None:
        """Makes the head file durable (each minute)."""
        self._head_file.sync()

    def close(self) -> None:
        """Closes in order; the head is durable afterwards."""
        self._head_file.write(self._last)
        self._head_file.close()
        self._db.close()

    # Recovery

    def recover(self, node: str) -> State:
        """The state after the last record, as `recovered` finds it."""
        head = self._head_file.read() if self._last.seq or not self._head_file.blank else None
        return recovered(self._db, self._chain, head, node)


def _connect(disk: Disk, path: Path) -> tuple[apsw.Connection, int]:
    """The write connection, and how many frames of the log's end were torn or never committed.

    Raises JournalError when the file is not a journal of this layout, or its end cannot be written.
    """
    try:
        frames = settle(disk, path)
        db = disk.database(path)
        for pragma in _PRAGMAS:
            db.execute(f"PRAGMA {pragma}")
        _lay_out(db, path)
        cut = frames - _whole_frames(db) if frames else 0
    except (apsw.Error, OSError) as error:
        name = type(error).__name__
        raise JournalError(f"{path}: cannot be opened as a journal ({name}); see to the disk") from None
    return db, cut


def _whole_frames(db: apsw.Connection) -> int:
    """The frames of the log up to its last commit; they are copied into the database on the way."""
    _, frames, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone() or (0, 0, 0)
    return int(frames)


def _lay_out(db: apsw.Connection, path: Path) -> None:
    """Makes the tables of a new file; JournalError for those of another layout."""
    version = db.pragma("user_version")
    if version == 0 and not db.execute("SELECT 1 FROM sqlite_schema").fetchone():
        with db:
            db.execute(TABLES)
            db.pragma("application_id", APPLICATION_ID)
            db.pragma("user_version", LAYOUT_VERSION)
    elif version != LAYOUT_VERSION:
        raise JournalError(f"{path}: layout {version}, this program reads {LAYOUT_VERSION}")
