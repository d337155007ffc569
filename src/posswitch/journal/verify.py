"""verify: chain, heads, lifecycles, counters, snapshots; read-only, also beside a live node."""

import contextlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec

from posswitch.base.errors import JournalError, PosswitchError
from posswitch.engine.apply import apply
from posswitch.engine.events import Difference, NodeRestarted, Record
from posswitch.engine.grounds import Grounds
from posswitch.engine.invariants import Refold
from posswitch.engine.state import State, pack_state
from posswitch.journal.chain import GENESIS, Chain, Head, read_head
from posswitch.journal.disk import MACHINE, Disk
from posswitch.journal.layout import DATABASE, HEAD
from posswitch.journal.recovery import checked_link, decode_record, snapshot_mac
from posswitch.journal.second import second

_LARGE_BYTES = 64 << 20  # from here on a second process pays


class Found(NamedTuple):
    """What a reading has found, and whether it could not go on to the end."""

    findings: list[str]
    cut_short: bool


def verify(
    folder: Path,
    key: bytes,
    node: str,
    disk: Disk = MACHINE,
    caps: Mapping[str, int] | None = None,
    identity: str = "",
) -> list[str]:
    """Every finding as a line; an empty list means that the journal is whole.

    `identity`: node, acquirer and centre that it should be kept under; without it any.
    `caps`: see Refold.
    Raises JournalError when there is no journal to look at.
    """
    path = folder / DATABASE
    if not disk.exists(path) and disk.exists(folder / HEAD):
        return [f"{path.name}: is missing beside its head file; restore the newest copy"]
    if not disk.exists(path):
        raise JournalError(f"{path}: no journal there; give the folder of a switch")
    chain = Chain(key)
    try:
        head = read_head(disk.read(folder / HEAD), chain)
    except JournalError as damage:
        return [str(damage)]

    def chained() -> Found:
        return _read(path, disk, lambda db: _chained(db, chain, node, head, identity))

    def refolded() -> Found:
        return _read(path, disk, lambda db: _refolded(db, Refold(caps)))

    if disk is not MACHINE or path.stat().st_size < _LARGE_BYTES:
        found = chained()
        return found.findings if found.cut_short else refolded().findings + found.findings
    with second(lambda line: line.send(refolded().findings)) as line:
        found = chained()
        more = [] if found.cut_short else line.hear()
    assert isinstance(more, list)
    return more + found.findings


def beside_records(folder: Path, refold: Refold, disk: Disk = MACHINE) -> list[str]:
    """Where the tables beside the records differ from what `refold` found; the database's own faults."""
    return _read(folder / DATABASE, disk, lambda db: _beside(db, refold)).findings


def _read(path: Path, disk: Disk, findings_in: Callable[[apsw.Connection], Iterator[str]]) -> Found:
    """The findings of one read transaction: a live node goes on meanwhile."""
    findings: list[str] = []
    cut_short = True
    try:
        with contextlib.closing(disk.view(path)) as db, db:
            findings.extend(findings_in(db))
            cut_short = False
    except JournalError as damage:
        findings.append(str(damage))
    except apsw.NotADBError:
        raise JournalError(f"{path}: cannot be read, it is not a database; restore the newest copy") from None
    except (apsw.Error, OSError, ValueError) as error:  # ValueError: text that is not UTF-8
        findings.append(f"{path.name}: cannot be read to its end ({type(error).__name__}: {error})")
    return Found(findings, cut_short)


def _chained(db: apsw.Connection, chain: Chain, node: str, head: Head, identity: str) -> Iterator[str]:
    """Chain, head, order of time, and the state as recovery would fold it, with its snapshots."""
    life = _Life(chain, node, dict(_snapshots(db)))
    last = Head(0, GENESIS)
    before_ns = 0
    for seq, at_ns, body, made in db.execute("SELECT seq, at_ns, body, link FROM journal ORDER BY seq"):
        last = Head(seq, checked_link(chain, last.link, last.seq + 1, seq, body, made))
        record = decode_record(seq, body)
        _belongs(record, identity)
        if record.at_ns != at_ns:
            yield f"record {seq}: its column at_ns differs from its body"
        if record.at_ns < before_ns:
            yield f"record {seq}: goes back in time"
        before_ns = record.at_ns
        if seq == head.seq and made != head.link:
            yield f"record {seq}: is not the one the head file names; it is of another history"
        yield from life.follow(seq, record)
    if head.seq > last.seq:
        yield f"the journal ends at record {last.seq}, its head file at {head.seq}: the tail is cut"
    yield from life.left()


def _refolded(db: apsw.Connection, refold: Refold) -> Iterator[str]:
    """What no honest journal contains, and the tables beside the records."""
    grounds = Grounds()
    for seq, body in db.execute("SELECT seq, body FROM journal ORDER BY seq"):
        record = decode_record(seq, body)
        yield from refold.check(seq, record)
        yield from grounds.check(seq, record)
    yield from _beside(db, refold)


def _beside(db: apsw.Connection, refold: Refold) -> Iterator[str]:
    yield from _payments(db, refold)
    yield from _counters(db, refold)
    yield from _batches(db, refold)
    said = [f"database: {row[0]}" for row in db.execute("PRAGMA integrity_check(5)")]
    yield from (line for line in said if line != "database: ok")


def _belongs(record: Record, identity: str) -> None:
    """Raises JournalError at a start under other numbers: everything after it would seem wrong."""
    kept = record.event.identity if isinstance(record.event, NodeRestarted) else ""
    if identity and kept not in ("", identity):
        raise JournalError(
            f"the journal is of node/acquirer/centre {kept}, the configuration says {identity}; "
            "verify it with its own configuration"
        )


class _Life:
    """The state as recovery would fold it, held against the snapshots on the way."""

    def __init__(self, chain: Chain, node: str, snapshots: dict[int, tuple[bytes, bytes]]) -> None:
        self._chain = chain
        self._state: State | None = State(node)
        self._snapshots = snapshots

    def follow(self, seq: int, record: Record) -> Iterator[str]:
        """Applies one record; a record that does not apply ends the following with a finding."""
        if self._state is None:
            return
        try:
            apply(self._state, seq, record)
        except (LookupError, AssertionError, AttributeError, PosswitchError):
            self._state = None
            yield f"record {seq}: cannot follow what came before it"
            return
        if seq in self._snapshots:
            body, mac = self._snapshots.pop(seq)
            if not hmac.compare_digest(mac, snapshot_mac(self._chain, seq, body)):
                yield f"snapshot {seq}: its signature does not fit"
            elif pack_state(self._state) != body:
                yield f"snapshot {seq}: is not what its records say"

    def left(self) -> Iterator[str]:
        """Snapshots that no record led to."""
        if self._state is not None:
            for seq in self._snapshots:
                yield f"snapshot {seq}: of a record that is not there"


def _snapshots(db: apsw.Connection) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
    for seq, body, mac in db.execute("SELECT seq, body, mac FROM snapshot"):
        yield seq, (body, mac)


def _payments(db: apsw.Connection, refold: Refold) -> Iterator[str]:
    left = dict(refold.lives)
    names = (
        "key", "kind", "amount_minor", "is_foreign", "original", "state", "code", "auth", "cause",
    )  # fmt: skip
    for payment, *row in db.execute(f"SELECT payment, {', '.join(names)} FROM payment"):  # noqa: S608
        life = left.pop(payment, None)
        if life is None:
            yield f"payment {payment}: no record opened it"
        elif life.row() != tuple(row):
            changed = [name for name, said, is_ in zip(names, row, life.row(), strict=True) if said != is_]
            yield f"payment {payment}: {', '.join(changed)} in the table is not what its records say"
    for payment in left:
        yield f"payment {payment}: is missing in the table"


def _counters(db: apsw.Connection, refold: Refold) -> Iterator[str]:
    left = dict(refold.counters)
    for key, window, used in db.execute("SELECT key, window, used_minor FROM counter"):
        folded = left.pop((key, window), None)
        if folded != used:
            yield f"counter of day {window}: the table says {used}, its records {folded}"
    for _, window in left:
        yield f"counter of day {window}: is missing in the table"


def _batches(db: apsw.Connection, refold: Refold) -> Iterator[str]:
    pack = msgspec.msgpack.encode
    folded = {key: (phase, pack(totals)) for key, (phase, totals) in refold.batches.items()}
    found = {
        (terminal, batch): (phase, body)
        for terminal, batch, phase, body in db.execute("SELECT terminal, batch, phase, body FROM batch")
    }
    for terminal, batch in sorted(folded.keys() | found.keys()):
        if folded.get((terminal, batch)) != found.get((terminal, batch)):
            yield f"batch {batch} of terminal {terminal}: the table is not what its records say"
    differences = {
        (terminal, batch, stan): Difference(stan, *rest)
        for terminal, batch, stan, *rest in db.execute(
            "SELECT terminal, batch, stan, ours_minor, theirs_minor, ours_state FROM difference"
        )
    }
    for key in sorted(differences.keys() | refold.differences.keys()):
        if differences.get(key) != refold.differences.get(key):
            place = f"batch {key[1]} of terminal {key[0]}"
            yield f"difference {key[2]} in {place}: the table is not what its records say"
