"""A backup: follows the journal up to its head, in short looks, and keeps what it has checked."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec

from posswitch.archive.office import OFFICE_KEPT, office_copy, office_standing
from posswitch.archive.reading import Sealed, chosen, head_of, misplaced, office_head, way_of
from posswitch.archive.segment import CHUNK_BYTES_MAX, JOURNAL, OFFICE, Head, pack_chunk
from posswitch.archive.shelf import Shelf, Span, office_name
from posswitch.base.errors import ArchiveError
from posswitch.journal.chain import GENESIS, Chain, read_head
from posswitch.journal.chain import Head as Position
from posswitch.journal.disk import MACHINE
from posswitch.journal.layout import DATABASE, HEAD
from posswitch.journal.recovery import checked_link, decode_record

SEGMENT_RECORDS_MAX = 50_000
SEGMENT_BYTES_MAX = 64 << 20  # compressed; a segment waits in memory until it is whole
_LOOK_RECORDS = 1000  # one read transaction: a few milliseconds, so that the WAL can begin anew
_LENGTH_BYTES = 5  # before a record in a chunk, and before them all
_BODY_BYTES_MAX = CHUNK_BYTES_MAX - 2 * _LENGTH_BYTES
_SMALL_RECORDS, _SMALL_MAX = SEGMENT_RECORDS_MAX // 2, 64  # more small segments are joined
_ROWS = "SELECT seq, body, link FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"

_encode = msgspec.msgpack.Encoder().encode


class Written(msgspec.Struct):
    """What a backup has written: so many records, up to number `last`, and the office's version."""

    last: int
    records: int = 0
    at_ns: int = 0
    segments: int = 0
    bytes: int = 0
    office: int = 0


class _Chunks:
    """Records on their way into a segment."""

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._bodies: list[bytes] = []
        self._clear = self._sealed = self._records = 0

    @property
    def full(self) -> bool:
        """Whether the segment should end here."""
        return self._records >= SEGMENT_RECORDS_MAX or self._sealed > SEGMENT_BYTES_MAX

    def add(self, seq: int, body: bytes) -> None:
        """One more record."""
        if len(body) > _BODY_BYTES_MAX:
            raise ArchiveError(f"record {seq}: is too long for a backup; report it")
        if self._clear + len(body) > _BODY_BYTES_MAX:
            self._pack()
        self._bodies.append(body)
        self._clear += len(body) + _LENGTH_BYTES
        self._records += 1

    def finished(self) -> list[bytes]:
        """The chunks, packed."""
        self._pack()
        return self._packed

    def _pack(self) -> None:
        self._packed.append(pack_chunk(_encode(self._bodies)))
        self._sealed += len(self._packed[-1])
        self._bodies, self._clear = [], 0


class Backup:
    """Keeps one node's data folder on one shelf; used within `Shelf.locked`."""

    def __init__(
        self, data: Path, chain: Chain, shelf: Shelf, sealed: Sealed, wall_ns: Callable[[], int]
    ) -> None:
        self._data = data
        self._chain = chain
        self._shelf = shelf
        self._sealed = sealed
        self._wall_ns = wall_ns
        self._position: Position | None = None

    def __repr__(self) -> str:
        return f"<backup of {self._data} to {self._shelf.folder} at {self._position}>"

    def run(self) -> Written:
        """Writes what is new, up to the journal's head; raises ArchiveError, JournalError."""
        path = self._data / DATABASE
        if not MACHINE.exists(path):
            raise ArchiveError(f"{path}: no journal there; start the switch once, or restore it")
        head = read_head(MACHINE.read(self._data / HEAD), self._chain)
        try:
            with contextlib.closing(MACHINE.view(path)) as db:
                at = self._position or self._resumed(db)
                if head.seq < at.seq:
                    raise _other_history(self._shelf, at.seq, f"the journal ends at record {head.seq}")
                written = Written(at.seq)
                while at.seq < head.seq:
                    made = self._segment(db, at, head.seq)
                    at = self._position = Position(made.last, made.after)
                    written.last, written.at_ns = made.last, made.last_ns
                    written.records += made.last - made.first + 1
                    written.segments += 1
                    written.bytes += self._shelf.size(Span(made.first, made.last).name)
                self._position = at
                if written.segments:
                    self._join(db)
        except (apsw.Error, ValueError) as error:
            raise ArchiveError(f"{path}: cannot be read ({type(error).__name__}); run verify") from None
        written.office = self._keep_office()
        return written

    def foresee(self) -> None:
        """Raises what the next `run` would raise about an archive that is not this journal's."""
        path = self._data / DATABASE
        if MACHINE.exists(path):
            with contextlib.closing(MACHINE.view(path)) as db:
                self._resumed(db)
        elif way := way_of(self._shelf, self._sealed):
            raise _other_history(self._shelf, way[-1].last, "there is no journal yet")

    def _resumed(self, db: apsw.Connection) -> Position:
        """Where the archive ends: whole as far as heads tell, and at a place of this journal."""
        way = way_of(self._shelf, self._sealed)
        if not way:
            return Position(0, GENESIS)
        last, link = 0, GENESIS
        for span in way:
            head = head_of(self._shelf, self._sealed, span)
            if wrong := misplaced(last, link, head.previous, head.before, span):
                raise ArchiveError(f"{wrong}; bring back its copy, or begin a backup in a new folder")
            last, link = head.last, head.after
        found = db.execute("SELECT link FROM journal WHERE seq = ?", (head.last,)).fetchone()
        if found is None or found[0] != head.after:
            what = "the journal does not reach it" if found is None else "the journal has another one"
            raise _other_history(self._shelf, head.last, what)
        return Position(head.last, head.after)

    def _segment(self, db: apsw.Connection, at: Position, upto: int) -> Head:
        """Writes the segment that follows `at`, in which no number is left out; its head."""
        first, last, times, packed = self._packed(db, at, upto)
        node, now_ns = self._sealed.node, self._wall_ns()
        head = Head(JOURNAL, node, first, last.seq, at.seq, at.link, last.link, *times, now_ns)
        self._shelf.write(Span(head.first, head.last).name, self._sealed.sealer.sealed(head, packed))
        return head

    def _packed(
        self, db: apsw.Connection, at: Position, upto: int
    ) -> tuple[int, Position, tuple[int, int], list[bytes]]:
        """The records after `at` as chunks: the first of them, the last, the times of both."""
        chunks = _Chunks()
        first, first_body, last, body = 0, b"", at, b""
        for seq, found, made in self._looks(db, at.seq, upto):
            if first and (seq != last.seq + 1 or chunks.full):
                break
            last = Position(seq, checked_link(self._chain, last.link, last.seq + 1, seq, found, made))
            body = found
            chunks.add(seq, body)
            if not first:
                first, first_body = seq, body
        times = decode_record(first, first_body).at_ns, decode_record(last.seq, body).at_ns
        return first, last, times, chunks.finished()

    def _looks(self, db: apsw.Connection, after: int, upto: int) -> Iterator[tuple[Any, ...]]:
        """The records after one up to another, every few of them in a transaction of its own."""
        while after < upto:
            rows = db.execute(_ROWS, (after, upto, _LOOK_RECORDS)).fetchall()
            if not rows:
                raise ArchiveError(f"record {after + 1}: is missing in the journal; run verify")
            yield from rows
            after = int(rows[-1][0])  # type: ignore[arg-type]

    def _join(self, db: apsw.Connection) -> None:
        """Many small segments at the end become few: written anew from the journal, then removed."""
        for run in _joined(chosen(self._shelf.spans())):
            head = head_of(self._shelf, self._sealed, run[0])
            at = Position(head.previous, head.before)
            made = self._segment(db, at, run[-1].last)
            whole = made.last == run[-1].last  # else it was too many bytes for one
            self._shelf.remove(span.name for span in (run if whole else [Span(made.first, made.last)]))

    def _keep_office(self) -> int:
        """A copy of the office's books when they have changed; its version, 0 when there is nothing new."""
        version, acts = office_standing(self._data)
        kept = self._shelf.office_versions()
        if not (version or acts) or (version in kept and self._acts_kept(version) >= acts):
            return 0
        packed = [pack_chunk(part) for part in office_copy(self._data)]
        now = self._wall_ns()
        head = Head(OFFICE, self._sealed.node, 1, version, acts, b"", b"", now, now, now)
        self._shelf.write(office_name(version), self._sealed.sealer.sealed(head, packed))
        self._shelf.remove(office_name(old) for old in sorted({*kept, version})[:-OFFICE_KEPT])
        return version

    def _acts_kept(self, version: int) -> int:
        """How many acts the kept copy of a version has; one that cannot be read is made anew."""
        try:
            return office_head(self._shelf, self._sealed, version).previous
        except ArchiveError:
            return -1


def _joined(way: list[Span]) -> Iterator[list[Span]]:
    """Runs of small segments at the end that fit into one each, once there are too many."""
    small: list[Span] = []
    for span in reversed(way):
        if span.last - span.first + 1 > _SMALL_RECORDS:
            break
        small.append(span)
    if len(small) <= _SMALL_MAX:
        return
    run: list[Span] = []
    for span in reversed(small):
        if run and (span.last - run[0].first >= SEGMENT_RECORDS_MAX or span.first != run[-1].last + 1):
            if len(run) > 1:
                yield run
            run = []
        run.append(span)
    if len(run) > 1:
        yield run


def _other_history(shelf: Shelf, seq: int, what: str) -> ArchiveError:
    return ArchiveError(
        f"{shelf.folder}: goes up to record {seq}, {what}, so it is of another history; "
        "restore from it, or name a new folder"
    )
