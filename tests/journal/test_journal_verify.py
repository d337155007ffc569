"""verify finds every damage, names the record, and disturbs nobody."""

import os

import apsw
import pytest
from test_journal_sqlite import filled, tampered
from world import KEY, NODE, World

from posswitch.base.errors import JournalError
from posswitch.engine.events import DayTurned, RequestArrived, Verdict
from posswitch.engine.state import pack_state
from posswitch.journal import verify as verify_room
from posswitch.journal.chain import Chain
from posswitch.journal.recovery import snapshot_mac
from posswitch.journal.sqlite import Journal
from posswitch.journal.verify import verify


@pytest.fixture(autouse=True, params=["one process", "two processes"])
def processes(request, monkeypatch):
    """A large journal is read by two."""
    if request.param == "two processes":
        monkeypatch.setattr(verify_room, "_LARGE_BYTES", 0)


def found(folder) -> list[str]:
    return verify(folder, KEY, NODE)


@pytest.mark.parametrize("snapshot", [False, True])
def test_a_whole_journal(tmp_path, snapshot):
    filled(tmp_path, snapshot)
    assert found(tmp_path) == []


@pytest.mark.parametrize("seq", [1, 3, 6])
@pytest.mark.parametrize("byte", [1, 20])
def test_one_flipped_byte_of_a_body(tmp_path, seq, byte):
    filled(tmp_path)
    db = apsw.Connection(str(tmp_path / "journal.db"))
    (body,) = db.execute("SELECT body FROM journal WHERE seq = ?", (seq,)).fetchone()
    db.close()
    byte %= len(body)
    flipped = bytearray(body)
    flipped[byte] ^= 1
    tampered(tmp_path, f"UPDATE journal SET body = x'{flipped.hex()}' WHERE seq = {seq}")
    assert found(tmp_path) == [f"record {seq}: does not fit its chain"]


@pytest.mark.parametrize("seq", [1, 3, 6])
def test_a_changed_link(tmp_path, seq):
    filled(tmp_path)
    tampered(tmp_path, f"UPDATE journal SET link = zeroblob(32) WHERE seq = {seq}")
    assert found(tmp_path) == [f"record {seq}: does not fit its chain"]


def test_a_changed_time(tmp_path):
    filled(tmp_path)
    tampered(tmp_path, "UPDATE journal SET at_ns = at_ns + 1 WHERE seq = 4")
    assert found(tmp_path) == ["record 4: its column at_ns differs from its body"]


@pytest.mark.parametrize("seq", [1, 3])
def test_a_removed_record(tmp_path, seq):
    filled(tmp_path)
    tampered(tmp_path, f"DELETE FROM journal WHERE seq = {seq}")
    assert found(tmp_path) == [f"record {seq}: is missing"]


def test_two_records_in_each_others_place(tmp_path):
    filled(tmp_path)
    tampered(
        tmp_path,
        "UPDATE journal SET seq = 99 WHERE seq = 3",
        "UPDATE journal SET seq = 3 WHERE seq = 4",
        "UPDATE journal SET seq = 4 WHERE seq = 99",
    )
    assert found(tmp_path) == ["record 3: does not fit its chain"]


def test_an_added_record(tmp_path):
    last = filled(tmp_path).state.seq
    tampered(
        tmp_path, f"INSERT INTO journal SELECT {last + 1}, at_ns, body, link FROM journal WHERE seq = {last}"
    )
    assert found(tmp_path) == [f"record {last + 1}: does not fit its chain"]


def test_a_cut_tail(tmp_path):
    last = filled(tmp_path).state.seq
    tampered(tmp_path, f"DELETE FROM journal WHERE seq >= {last - 1}")
    assert f"the journal ends at record {last - 2}, its head file at {last}: the tail is cut" in found(
        tmp_path
    )


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        ("UPDATE payment SET state = 'approved' WHERE payment = 4", "payment 4: state in the table"),
        ("DELETE FROM payment WHERE payment = 2", "payment 2: is missing"),
        (
            "INSERT INTO payment VALUES(1, 'k', 'sale', 1, 0, 0, 'declined', '', '', '')",
            "payment 1: no record opened it",
        ),
        ("UPDATE counter SET used_minor = used_minor + 1", "counter of day 20260615: the table says"),
        ("UPDATE counter SET window = '20260616'", "counter of day 20260616: the table says"),
        ("DELETE FROM counter", "counter of day 20260615: is missing"),
        ("INSERT INTO counter VALUES('card:00', '20260615', 5)", "counter of day 20260615: the table says 5"),
    ],
)
def test_a_changed_row_that_follows_from_records(tmp_path, sql, finding):
    filled(tmp_path)
    tampered(tmp_path, sql)
    assert [line for line in found(tmp_path) if line.startswith(finding)]


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        ("UPDATE snapshot SET body = CAST(body || x'00' AS BLOB)", "its signature does not fit"),
        ("UPDATE snapshot SET mac = zeroblob(32)", "its signature does not fit"),
        ("UPDATE snapshot SET seq = seq - 1", "its signature does not fit"),
        ("UPDATE snapshot SET seq = 99", "of a record that is not there"),
    ],
)
def test_a_changed_snapshot(tmp_path, sql, finding):
    filled(tmp_path, snapshot=True)
    tampered(tmp_path, sql)
    (line,) = found(tmp_path)
    assert line.startswith("snapshot ")
    assert finding in line


def test_a_signed_snapshot_of_another_state(tmp_path):
    world = filled(tmp_path, snapshot=True)
    db = apsw.Connection(str(tmp_path / "journal.db"))
    (seq,) = db.execute("SELECT seq FROM snapshot").fetchone()
    body = pack_state(world.state)
    db.execute("UPDATE snapshot SET body = ?, mac = ?", (body, snapshot_mac(Chain(KEY), seq, body)))
    db.close()
    assert found(tmp_path) == [f"snapshot {seq}: is not what its records say"]


def test_a_record_that_goes_back_in_time(tmp_path):
    world = World(tmp_path)
    world.journal.begin()
    world.journal.append(world.at_ns - 1, DayTurned("20260616"), Verdict())
    world.journal.commit()
    world.close()
    assert found(tmp_path) == ["record 2: goes back in time"]


def test_a_signed_record_that_no_honest_node_writes(tmp_path):
    world = World(tmp_path)
    request = world.sale()
    second = RequestArrived(
        *(getattr(request, name) for name in request.__struct_fields__[:2]),
        "other",
        *(getattr(request, name) for name in request.__struct_fields__[3:]),
    )
    world.journal.begin()
    first = world.row().first.verdict
    world.journal.append(
        world.at_ns, second, Verdict(3, "accepted", "forwarded", "98", stan=first.stan, f7=first.f7)
    )
    world.journal.commit()
    world.close()
    assert found(tmp_path)[0] == "record 3: STAN and F7 of payment 2 given again to 3"


def test_another_key(tmp_path):
    filled(tmp_path)
    assert "no signature fits" in verify(tmp_path, b"another key", NODE)[0]


def test_no_journal(tmp_path):
    with pytest.raises(JournalError, match="no journal there"):
        found(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_database(tmp_path):
    filled(tmp_path)
    (tmp_path / "journal.db").write_bytes(b"no database, however one looks at it" * 40)
    with pytest.raises(JournalError, match="cannot be read"):
        found(tmp_path)


def test_verify_leaves_no_trace(tmp_path):
    filled(tmp_path, snapshot=True)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    found(tmp_path)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {name: after[name] for name in before} == before


def test_verify_in_the_middle_of_a_transaction(tmp_path):
    world = World(tmp_path)
    world.sale()
    world.journal.begin()
    world.journal.append(world.at_ns, DayTurned("20260616"), Verdict())
    assert found(tmp_path) == []
    world.journal.commit()
    assert found(tmp_path) == []
    world.journal.close()
    journal = Journal(tmp_path, KEY)
    assert journal.recover(NODE).day == "20260616"
    journal.close()


def test_a_second_process_that_dies_is_said(tmp_path, monkeypatch):
    filled(tmp_path)
    monkeypatch.setattr(verify_room, "_LARGE_BYTES", 0)
    monkeypatch.setattr(verify_room, "_refolded", lambda db, refold: os._exit(9))
    with pytest.raises(JournalError, match="ended early; try again"):
        found(tmp_path)
