"""verify: chain, heads, lifecycles, counters, snapshots; read-only, also beside a live node."""

import hmac
from collections.abc import Iterator
from pathlib import Path

import apsw

from posswitch.base.errors import JournalDamaged, JournalError
from posswitch.engine.apply import apply
from posswitch.engine.invariants import Refold
from posswitch.engine.state import State, pack_state
from posswitch.journal.chain import GENESIS, Chain, read_head
from posswitch.journal.sqlite import DATABASE, HEAD, checked_link, decode_record, snapshot_mac


def verify(folder: Path, key: bytes, node: str) -> list[str]:
    """Every finding as a line; an empty list means that the journal is whole.

    Raises JournalError when the journal cannot be read at all.
    """
    path = folder / DATABASE
    if not path.exists():
        raise JournalError(f"{path}: no journal there; give the folder of a switch")
    try:
        chain = Chain(key)
        head = read_head(folder / HEAD, chain)
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        with db:
            findings = list(_whole(db, chain, node, head.seq))
        db.close()
    except JournalDamaged as damage:
        return [str(damage)]
    except (apsw.Error, OSError) as error:
        raise JournalError(f"{path}: cannot be read ({type(error).__name__}: {error})") from None
    return findings


def _whole(db: apsw.Connection, chain: Chain, node: str, head_seq: int) -> Iterator[str]:
    refold = Refold()
    state = State(node)
    snapshots = {seq: (body, mac) for seq, body, mac in db.execute("SELECT seq, body, mac FROM snapshot")}
    previous = GENESIS
    for seq, at_ns, body, made in db.execute("SELECT seq, at_ns, body, link FROM journal ORDER BY seq"):
        previous = checked_link(chain, previous, state.seq + 1, seq, body, made)
        record = decode_record(seq, body)
        if record.at_ns != at_ns:
            yield f"record {seq}: its column at_ns differs from its body"
        if record.at_ns < state.at_ns:
            yield f"record {seq}: goes back in time"
        yield from refold.check(seq, record)
        apply(state, seq, record)
        if seq in snapshots:
            yield from _snapshot(chain, seq, *snapshots.pop(seq), state)
    if head_seq > state.seq:
        yield f"the journal ends at record {state.seq}, its head file at {head_seq}: the tail is cut"
    for seq in snapshots:
        yield f"snapshot {seq}: of a record that is not there"
    yield from _payments(db, refold)
    yield from _counters(db, refold)


def _snapshot(chain: Chain, seq: int, body: bytes, mac: bytes, state: State) -> Iterator[str]:
    if not hmac.compare_digest(mac, snapshot_mac(chain, seq, body)):
        yield f"snapshot {seq}: its signature does not fit"
    elif pack_state(state) != body:
        yield f"snapshot {seq}: is not what its records fold to"


def _payments(db: apsw.Connection, refold: Refold) -> Iterator[str]:
    left = dict(refold.states)
    for payment, state in db.execute("SELECT payment, state FROM payment"):
        folded = left.pop(payment, None)
        if folded != state:
            yield f"payment {payment}: the table says {state}, its records {folded}"
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
