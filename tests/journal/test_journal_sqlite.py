"""The journal's promises: append-only, durable, recovered as it was, refused when it is not whole."""

import apsw
import pytest
from world import KEY, MORNING_NS, NODE, World

from posswitch.base.errors import JournalDamaged, JournalError
from posswitch.engine.events import DayTurned, Verdict
from posswitch.engine.lifecycle import APPROVED
from posswitch.engine.state import pack_state
from posswitch.journal.chain import Chain, read_head
from posswitch.journal.recovery import decode_record
from posswitch.journal.sqlite import Journal

FULL = 2
WAL_RESET_MENDED = (3, 51, 3)


def filled(folder, snapshot: bool = False) -> World:
    """A journal of a few payments, closed."""
    world = World(folder)
    world.sale()
    world.answer("00")
    world.sale("card 2")
    world.timer()
    if snapshot:
        world.journal.snapshot(world.state)
    world.sale("card 3")
    world.close()
    return world


def tampered(folder, *sql: str) -> None:
    """Changes the database as somebody with the file, but without the key, could."""
    db = apsw.Connection(str(folder / "journal.db"))
    for trigger in ("journal_no_update", "journal_no_delete"):
        db.execute(f"DROP TRIGGER {trigger}")
    for statement in sql:
        db.execute(statement)
        assert db.changes() > 0
    db.close()


def recover(folder) -> None:
    journal = Journal(folder, KEY)
    try:
        journal.recover(NODE)
    finally:
        journal.close()


def test_every_commit_is_synced_and_the_library_is_sound(tmp_path):
    assert tuple(int(part) for part in apsw.sqlite_lib_version().split(".")) >= WAL_RESET_MENDED
    journal = Journal(tmp_path, KEY)
    assert journal._db.pragma("synchronous") == FULL
    assert journal._db.pragma("journal_mode") == "wal"
    journal.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE journal SET body = x'00' WHERE seq = 1",
        "UPDATE journal SET at_ns = 0",
        "UPDATE OR REPLACE journal SET seq = 1 WHERE seq = 2",
        "DELETE FROM journal",
        "DELETE FROM journal WHERE seq = 5",
    ],
)
def test_the_journal_is_append_only(tmp_path, sql):
    filled(tmp_path)
    db = apsw.Connection(str(tmp_path / "journal.db"))
    with pytest.raises(apsw.ConstraintError, match="append-only"):
        db.execute(sql)
    db.close()


def test_a_key_opens_one_payment(tmp_path):
    world = World(tmp_path)
    request = world.sale()
    world.journal.begin()
    with pytest.raises(apsw.ConstraintError):
        world.journal.append(world.at_ns, request, Verdict(world.state.seq + 1, "refused", "declined", "91"))
    world.close()


def test_facts_are_what_was_recorded(tmp_path):
    world = World(tmp_path)
    request = world.sale()
    world.answer("00", auth="A1B2C3")
    row = world.journal.row_by_key(request.key)
    assert row == world.journal.row(world.payment)
    assert (row.state, row.code, row.auth, row.cause) == (APPROVED, "00", "A1B2C3", "bank-approved")
    assert (row.first.event, row.first.verdict.payment) == (request, world.payment)
    assert world.used_minor() == request.amount_minor
    assert world.journal.row_by_key("another") is None
    assert world.journal.row(0) is None
    assert world.journal.facts(request.key, "card:another", "20260615") == (row, 0)
    world.close()


def test_what_was_not_committed_is_not_there(tmp_path):
    world = filled(tmp_path)
    last = world.state.seq
    journal = Journal(tmp_path, KEY)
    journal.begin()
    seq, _ = journal.append(MORNING_NS, DayTurned("20260616"), Verdict())
    assert seq == last + 1
    journal._db.close()  # as a crash does; close() would have to be told what became of the transaction
    journal._head_file.close()
    again = Journal(tmp_path, KEY)
    assert again.recover(NODE).seq == last
    again.close()


@pytest.mark.parametrize("snapshot", [False, True])
def test_recovery_comes_to_the_state_that_was_left(tmp_path, snapshot):
    world = filled(tmp_path, snapshot)
    journal = Journal(tmp_path, KEY)
    assert pack_state(journal.recover(NODE)) == pack_state(world.state)
    assert repr(journal) == f"<journal at record {world.state.seq}>"
    journal.close()


def test_the_numbers_go_on(tmp_path):
    last = filled(tmp_path).state.seq
    journal = Journal(tmp_path, KEY)
    journal.recover(NODE)
    journal.begin()
    seq, record = journal.append(MORNING_NS, DayTurned("20260616"), Verdict())
    journal.commit()
    assert (seq, record.event) == (last + 1, DayTurned("20260616"))
    journal.close()
    recover(tmp_path)


def test_two_snapshots_are_kept(tmp_path):
    world = World(tmp_path)
    seqs = []
    for _ in range(4):
        world.sale()
        world.journal.snapshot(world.state)
        seqs.append(world.state.seq)
    world.journal.snapshot(world.state)  # again at the same record
    world.close()
    db = apsw.Connection(str(tmp_path / "journal.db"))
    assert [seq for (seq,) in db.execute("SELECT seq FROM snapshot ORDER BY seq")] == seqs[-2:]
    db.close()
    recover(tmp_path)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("UPDATE journal SET body = CAST(body || x'00' AS BLOB) WHERE seq = 3", "record 3"),
        ("UPDATE journal SET link = zeroblob(32) WHERE seq = 4", "record 4"),
        ("DELETE FROM journal WHERE seq = 2", "record 2"),
        ("UPDATE journal SET seq = 99 WHERE seq = 3", "record 3"),
    ],
)
def test_a_damaged_record_stops_recovery_and_is_named(tmp_path, sql, named):
    filled(tmp_path)
    tampered(tmp_path, sql)
    with pytest.raises(JournalDamaged, match=named):
        recover(tmp_path)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE snapshot SET body = CAST(body || x'00' AS BLOB)",
        "UPDATE snapshot SET mac = zeroblob(32)",
        "UPDATE snapshot SET seq = seq - 1",
        "DELETE FROM journal WHERE seq = (SELECT seq FROM snapshot)",
    ],
)
def test_a_changed_snapshot_stops_recovery(tmp_path, sql):
    filled(tmp_path, snapshot=True)
    tampered(tmp_path, sql)
    with pytest.raises(JournalDamaged):
        recover(tmp_path)


def test_a_record_before_the_snapshot_does_not_stop_recovery(tmp_path):
    filled(tmp_path, snapshot=True)
    tampered(tmp_path, "UPDATE journal SET link = zeroblob(32) WHERE seq = 1")
    recover(tmp_path)  # verify finds it; a start is bounded by the snapshot


def test_a_journal_behind_its_head_is_refused(tmp_path):
    last = filled(tmp_path).state.seq
    tampered(tmp_path, f"DELETE FROM journal WHERE seq = {last}")
    with pytest.raises(JournalError, match=f"ends at record {last - 1}, its head file at {last}"):
        recover(tmp_path)


def test_the_head_follows_every_commit(tmp_path):
    world = World(tmp_path)
    for _ in range(3):
        world.sale()
        assert read_head((tmp_path / "journal.head").read_bytes(), Chain(KEY)).seq == world.state.seq
    world.close()


def test_a_head_behind_its_journal_is_a_crash_between_the_two_and_fine(tmp_path):
    world = World(tmp_path)
    world.sale()
    earlier = (tmp_path / "journal.head").read_bytes()
    world.answer("00")
    world.close()
    (tmp_path / "journal.head").write_bytes(earlier)
    recover(tmp_path)


@pytest.mark.parametrize("snapshot", [False, True])
def test_another_key_opens_nothing(tmp_path, snapshot):
    filled(tmp_path, snapshot)
    journal = Journal(tmp_path, b"another key")
    with pytest.raises(JournalError):
        journal.recover(NODE)


def test_a_journal_has_one_writer(tmp_path):
    world = World(tmp_path)
    with pytest.raises(JournalError, match="another node"):
        Journal(tmp_path, KEY)
    world.sale()
    world.close()
    recover(tmp_path)


def test_another_layout_is_refused(tmp_path):
    filled(tmp_path)
    db = apsw.Connection(str(tmp_path / "journal.db"))
    db.pragma("user_version", 99)
    db.close()
    with pytest.raises(JournalError, match="layout 99"):
        Journal(tmp_path, KEY)


def test_what_is_no_database_is_refused(tmp_path):
    (tmp_path / "journal.db").write_bytes(b"no database, however one looks at it" * 40)
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path, KEY)


def test_a_record_that_is_none_is_named():
    with pytest.raises(JournalDamaged, match="record 12"):
        decode_record(12, b"\x93\x01")


def test_no_card_number_is_on_disk(tmp_path):
    world = World(tmp_path)
    world.sale(pan_box=b"only this, sealed")
    world.close()
    assert (tmp_path / "journal.db").read_bytes().count(b"only this, sealed") == 1
    assert (tmp_path.stat().st_mode & 0o777, (tmp_path / "journal.head").stat().st_mode & 0o777)[1] == 0o600
