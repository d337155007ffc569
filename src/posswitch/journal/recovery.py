"""The state after the last record: newest signed snapshot, then every later record, chain checked."""

import hmac
from pathlib import Path

import apsw
import msgspec

from posswitch.base.errors import JournalDamaged, JournalError
from posswitch.engine.apply import apply, follows
from posswitch.engine.events import Record
from posswitch.engine.state import State, unpack_state
from posswitch.journal.chain import GENESIS, Chain, Head, read_head
from posswitch.journal.disk import MACHINE, Disk
from posswitch.journal.layout import DATABASE, HEAD

_decode = msgspec.msgpack.Decoder(Record).decode


def recovered(db: apsw.Connection, chain: Chain, head: Head | None, node: str) -> State:
    """The state of a journal; `head` is what its head file names, None when neither was ever written.

    Raises JournalError when the journal is damaged, cut, or not the one its head file names.
    """
    try:
        state, previous = _from_snapshot(db, chain, node)
        if head is not None:
            _compare(db, head)
        for seq, body, made in db.execute(
            "SELECT seq, body, link FROM journal WHERE seq > ? ORDER BY seq", (state.seq,)
        ):
            previous = checked_link(chain, previous, state.seq + 1, seq, body, made)
            apply(state, seq, decode_record(seq, body))
    except (apsw.Error, LookupError, AssertionError, AttributeError, ValueError) as error:
        raise JournalError(
            f"the journal cannot be read to its end ({type(error).__name__}); "
            "run verify, restore the newest copy"
        ) from None
    return state


def look(folder: Path, key: bytes, node: str, disk: Disk = MACHINE) -> State | None:
    """What a start would recover, None without a journal; only reads, also beside a running node.

    Raises JournalError as a start would.
    """
    path = folder / DATABASE
    written = disk.read(folder / HEAD)  # before the records: a running node only goes on
    if not disk.exists(path):
        if not any(written):
            return None
        raise JournalError(f"{path.name}: is missing beside its head file; restore the newest copy")
    chain = Chain(key)
    try:
        db = disk.view(path)
        head = read_head(written, chain) if any(written) or last_head(db).seq else None
        with db:
            state = recovered(db, chain, head, node)
    except apsw.Error as error:
        raise JournalError(f"{path}: cannot be read as a journal ({type(error).__name__})") from None
    return state


def last_head(db: apsw.Connection) -> Head:
    """The newest record and its link."""
    found = db.execute("SELECT seq, link FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
    return Head(0, GENESIS) if found is None else Head(*found)


def decode_record(seq: int, body: bytes) -> Record:
    """A record from its bytes; raises JournalDamaged when they are not one."""
    try:
        return _decode(body)
    except msgspec.DecodeError:
        raise JournalDamaged(seq, "its body is not a record") from None


def checked_link(chain: Chain, previous: bytes, expected: int, seq: int, body: bytes, made: bytes) -> bytes:
    """The record's link when it fits what came before; raises JournalDamaged otherwise."""
    if seq != expected and not _is_gap(expected, seq, body):
        raise JournalDamaged(expected, "is missing")
    if not isinstance(body, bytes) or not isinstance(made, bytes):
        raise JournalDamaged(seq, "its columns are not what was written")
    if not hmac.compare_digest(chain.link(previous, seq, body), made):
        raise JournalDamaged(seq, "does not fit its chain")
    return made


def _is_gap(expected: int, seq: int, body: object) -> bool:
    """Whether a record says itself that those before it are left out."""
    return isinstance(body, bytes) and follows(expected - 1, seq, decode_record(seq, body).event)


def snapshot_mac(chain: Chain, seq: int, body: bytes) -> bytes:
    """The signature of a snapshot."""
    return chain.sign(b"snapshot" + seq.to_bytes(8, "big") + body)


def _compare(db: apsw.Connection, head: Head) -> None:
    """Holds the head file against the journal."""
    last = last_head(db)
    if head.seq > last.seq:
        raise JournalError(
            f"the journal ends at record {last.seq}, its head file at {head.seq}: "
            "records are missing; restore the newest copy, do not start on this one"
        )
    found = db.execute("SELECT link FROM journal WHERE seq = ?", (head.seq,)).fetchone()
    if head.seq and (found is None or found[0] != head.link):
        raise JournalDamaged(head.seq, "is not the one the head file names; it is of another history")


def _from_snapshot(db: apsw.Connection, chain: Chain, node: str) -> tuple[State, bytes]:
    found = db.execute("SELECT seq, body, mac FROM snapshot ORDER BY seq DESC LIMIT 1").fetchone()
    if found is None:
        return State(node), GENESIS
    seq, body, mac = found
    if not hmac.compare_digest(mac, snapshot_mac(chain, seq, body)):
        raise JournalDamaged(seq, "the snapshot's signature does not fit")
    at = db.execute("SELECT link FROM journal WHERE seq = ?", (seq,)).fetchone()
    if at is None:
        raise JournalDamaged(seq, "the snapshot's record is missing")
    return unpack_state(body), at[0]
