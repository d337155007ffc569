"""What comes back is the journal as it was, to the end or to a moment, whole or not at all, quarantined."""

import os

import apsw
import pytest
from archive_town import town_in
from test_backup import ordered, rows

from posswitch.archive import restore as restore_room
from posswitch.base.errors import ArchiveError
from posswitch.base.moment import NS_PER_S
from posswitch.engine.events import HandedToOwner, JournalRestored
from posswitch.engine.lifecycle import NEEDS_OWNER
from posswitch.journal.recovery import decode_record
from posswitch.journal.sqlite import Journal

TABLES = ("payment", "counter", "batch", "difference")


def table(data, name):
    db = apsw.Connection(str(data / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
    found = sorted(db.execute(f"SELECT * FROM {name}"))
    db.close()
    return found


def test_records_and_tables_come_back_as_they_were(town):
    restored = town.restore()
    was = rows(town.data)
    assert rows(town.folder / "restored")[: len(was)] == was
    for name in TABLES:
        assert table(town.folder / "restored", name) == table(town.data, name)
    assert (restored.records, restored.last, restored.open) == (len(was), was[-1][0], 0)
    assert restored.at_ns == decode_record(*was[-1][:2]).at_ns
    assert town.verify() == []


def test_its_last_record_says_that_it_was_restored_and_skips_numbers(town):
    town.restore()
    *_, (last, _, _), (seq, body, _) = rows(town.folder / "restored")
    event = decode_record(seq, body).event
    assert isinstance(event, JournalRestored)
    assert event.after == last < seq - 1


def test_what_was_open_has_an_owner_and_nothing_is_sent(town):
    town.pay(1, open_at_the_end=3)
    town.backup()
    restored = town.restore()
    assert restored.open == 3
    events = [decode_record(seq, body).event for seq, body, _ in rows(town.folder / "restored")[-3:]]
    assert all(isinstance(event, HandedToOwner) for event in events)
    assert [row[6] for row in table(town.folder / "restored", "payment")].count(NEEDS_OWNER) == 3
    journal = Journal(town.folder / "restored", town.key)
    state = journal.recover(town.config.node)
    journal.close()
    assert state.flights == {}
    assert town.verify() == []


@pytest.mark.parametrize("record", [1, 2, 7, 8, 9, 10, 11, 20])
def test_to_a_record(town, record):
    restored = town.restore(record=record)
    assert (restored.records, restored.last) == (record, record)
    assert rows(town.folder / "restored")[:record] == rows(town.data)[:record]
    assert town.verify() == []


def test_to_a_moment(town):
    times = [decode_record(seq, body).at_ns for seq, body, _ in rows(town.data)]
    moment = times[12]
    restored = town.restore(at_ns=moment)
    assert restored.last == sum(at_ns <= moment for at_ns in times)
    assert restored.at_ns == moment
    assert town.verify() == []


def test_a_moment_after_the_end_is_the_end(town):
    assert town.restore(at_ns=1 << 62).last == rows(town.data)[-1][0]


def test_before_the_first_record_there_is_nothing(town):
    with pytest.raises(ArchiveError, match="holds no record so early"):
        town.restore(at_ns=NS_PER_S)
    assert not (town.folder / "restored").exists()


def test_beyond_the_last_record_there_is_nothing(town):
    with pytest.raises(ArchiveError, match="ends at record"):
        town.restore(record=1000)
    assert not (town.folder / "restored").exists()


def test_no_archive(town, tmp_path):
    town.shelf.folder = tmp_path / "elsewhere"
    with pytest.raises(ArchiveError, match="no backup there"):
        town.restore()
    assert sorted(path.name for path in town.folder.glob(".*restore*")) == []


@pytest.mark.parametrize("name", ["journal.db", "journal.head", "office.db"])
def test_nothing_is_ever_overwritten(town, name):
    into = town.folder / "restored"
    into.mkdir()
    (into / name).write_bytes(b"mine")
    with pytest.raises(ArchiveError, match="is there already, nothing was restored"):
        town.restore()
    assert [(path.name, path.read_bytes()) for path in into.iterdir()] == [(name, b"mine")]


def test_what_else_lay_in_the_folder_is_kept_beside_it(town):
    into = town.folder / "restored"
    into.mkdir()
    (into / "node.log").write_text("mine")
    town.restore()
    assert not (into / "node.log").exists()
    (kept,) = town.folder.glob("restored.before-*/restored/node.log")
    assert kept.read_text() == "mine"


def test_an_empty_folder_is_taken(town):
    (town.folder / "restored").mkdir()
    town.restore()
    assert town.verify() == []


@pytest.mark.parametrize("step", ["rebuilt", "_quarantine", "_move"])
def test_a_restore_that_is_cut_short_leaves_nothing_half(town, monkeypatch, step):
    before = sorted(town.folder.iterdir())
    real = getattr(restore_room, step)

    def killed(*arguments):
        if step != "_move":
            real(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(restore_room, step, killed)
        with pytest.raises(KeyboardInterrupt):
            town.restore()
    assert sorted(town.folder.iterdir()) == before
    town.restore()
    assert town.verify() == []


def test_what_a_killed_restore_left_is_swept(town):
    left = town.folder / ".restored.restore-abc"
    left.mkdir()
    (left / "journal.db").write_bytes(b"half")
    town.restore()
    assert not left.exists()


def test_only_its_owner_may_read_it(town):
    os.umask(0o022)
    ordered(town, 1)
    town.backup()
    town.restore()
    folder = town.folder / "restored"
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"journal.db", "journal.head", "office.db"} <= modes.keys()


def test_the_offices_books_come_back(town):
    ordered(town, 2)
    town.backup()
    assert town.restore().office == 2
    db = apsw.Connection(str(town.folder / "restored" / "office.db"), flags=apsw.SQLITE_OPEN_READONLY)
    assert db.execute("SELECT max(seq) FROM orders").fetchone() == (2,)
    db.close()


def test_the_archive_goes_on_after_a_restore_and_can_be_restored_again(town):
    town.pay(1, open_at_the_end=2)
    town.backup()
    town.data.rename(town.folder / "lost")
    town.restore(town.data)
    gap = rows(town.data)
    assert town.backup().records == 3
    town.pay(4)
    town.backup()
    assert town.look().findings == []
    assert town.look().last == rows(town.data)[-1][0]
    again = town.restore()
    assert again.records == len(rows(town.data))
    assert rows(town.folder / "restored")[: len(gap)] == gap
    assert town.verify() == []


def test_the_archive_does_not_follow_a_journal_that_was_restored_to_an_earlier_moment(town):
    town.data.rename(town.folder / "lost")
    town.restore(town.data, record=12)
    with pytest.raises(ArchiveError, match="it is of another history; restore from it"):
        town.backup()


def test_batches_of_memory_are_written_in_runs(town, monkeypatch):
    for name in ("_ROWS_MAX", "_PAYMENTS_MAX", "_COUNTERS_MAX"):
        monkeypatch.setattr(f"posswitch.journal.rebuild.{name}", 2)
    town.restore()
    assert town.verify() == []
    for name in TABLES:
        assert table(town.folder / "restored", name) == table(town.data, name)


def test_another_secret_restores_nothing(town, tmp_path):
    other = town_in(tmp_path / "other")
    other.shelf = town.shelf
    with pytest.raises(ArchiveError, match="made under another secret"):
        other.restore()
    assert not (other.folder / "restored").exists()
