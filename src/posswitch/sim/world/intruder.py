"""Somebody changes a copy of the journal behind the node's back: the next start, or verify, must see it."""

import random
from collections.abc import Callable
from typing import NamedTuple

from posswitch.base.errors import JournalError
from posswitch.journal.layout import DATABASE
from posswitch.journal.sqlite import Journal
from posswitch.journal.verify import verify
from posswitch.sim.world.disk import Disk, Image
from posswitch.sim.world.fittings import FOLDER


class Intrusion(NamedTuple):
    """What is done to a journal of `last` records; `row` is an earlier one, `body` its bytes, damaged."""

    name: str
    sql: str


_UNGUARDED = "DROP TRIGGER journal_no_update; DROP TRIGGER journal_no_delete"
CUT = Intrusion(
    "the tail cut", "DELETE FROM journal WHERE seq = :last; DELETE FROM snapshot WHERE seq = :last"
)
INTRUSIONS = (
    CUT,
    Intrusion("a record changed", "UPDATE journal SET body = :body WHERE seq = :row"),
    Intrusion("a record taken out", "DELETE FROM journal WHERE seq = :row"),
    Intrusion("a time changed", "UPDATE journal SET at_ns = at_ns + 1 WHERE seq = :row"),
    Intrusion(
        "an amount changed",
        "UPDATE payment SET amount_minor = amount_minor + 1 "
        "WHERE payment = (SELECT min(payment) FROM payment)",
    ),
    Intrusion(
        "a counter changed",
        "UPDATE counter SET used_minor = used_minor - 1 WHERE key = (SELECT min(key) FROM counter)",
    ),
)


def unseen_at_start(disk: Disk, key: bytes, node: str) -> str:
    """What a start would not see of a cut tail, empty when it refuses; nothing of the disk changes."""
    return _tried(disk, CUT, random.Random(0), lambda copy: _starts(copy, key, node))


def unseen_by_verify(disk: Disk, key: bytes, node: str, entropy: random.Random) -> str:
    """What verify would not see of one change, drawn; empty when it finds something."""
    change = entropy.choice(INTRUSIONS)
    return _tried(disk, change, entropy, lambda copy: not verify(FOLDER, key, node, copy))


def _starts(copy: Disk, key: bytes, node: str) -> bool:
    try:
        Journal(FOLDER, key, copy).recover(node)
    except JournalError:
        return False
    return True


def _tried(disk: Disk, change: Intrusion, entropy: random.Random, is_fooled: Callable[[Disk], bool]) -> str:
    copy = Disk(f"{disk.name}-copy", entropy, lambda life: True)
    for name, image in disk.files.items():
        copy.files[name] = Image(image.data)
    try:
        changed = _change(copy, change, entropy)
        return change.name if changed and is_fooled(copy) else ""
    finally:
        copy.close()


def _change(copy: Disk, change: Intrusion, entropy: random.Random) -> bool:
    """Does it; False when the journal is too short to do anything with."""
    db = copy.database(FOLDER / DATABASE)
    records = db.execute("SELECT seq, body FROM journal ORDER BY seq").fetchall()
    if len(records) < 2:
        return False
    row, body = records[entropy.randrange(len(records) - 1)]
    last = records[-1][0]
    assert isinstance(body, bytes)
    at = entropy.randrange(len(body))
    damaged = body[:at] + bytes((body[at] ^ 1,)) + body[at + 1 :]
    db.execute(_UNGUARDED)
    before = db.total_changes()
    db.execute(change.sql, {"last": last, "row": row, "body": damaged})
    changed = db.total_changes() > before
    db.close()
    return changed
