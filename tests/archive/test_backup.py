"""A backup holds the journal up to its head, grows with it, and stays small in number of files."""

import errno
import os
import shutil
from collections import namedtuple
from itertools import pairwise

import apsw
import pytest
from archive_town import town_in

from posswitch.archive import backup as backup_room
from posswitch.archive import shelf as shelf_room
from posswitch.archive.reading import chosen, read_bodies, read_links
from posswitch.archive.shelf import Shelf, office_name
from posswitch.base.errors import ArchiveError, JournalDamaged
from posswitch.base.order import OFFICE
from posswitch.base.registry import Merchant
from posswitch.journal.recovery import last_head
from posswitch.office.acts import Drawn
from posswitch.office.books import Books, Signed
from posswitch.settings.clock import SystemClock


def rows(data):
    db = apsw.Connection(str(data / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
    found = list(db.execute("SELECT seq, body, link FROM journal ORDER BY seq"))
    db.close()
    return found


def changed(data, *statements):
    db = apsw.Connection(str(data / "journal.db"))
    for (trigger,) in list(db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")):
        db.execute(f"DROP TRIGGER {trigger}")
    for sql in statements:
        db.execute(sql)
    db.close()


def test_the_first_is_full_and_the_next_is_what_is_new(town):
    last = rows(town.data)[-1][0]
    assert [tuple(map(int, path.stem.split("-"))) for path in town.segments()] == [
        (1, 7),
        (8, 10),
        (11, last),
    ]
    town.pay(2)
    written = town.backup()
    assert (written.records, written.segments, written.last) == (5, 1, last + 5)
    assert written.bytes == town.segments()[-1].stat().st_size
    assert written.at_ns


def test_it_holds_every_record_as_it_is_in_the_journal(town):
    assert [(link.seq, link.body, link.link) for link in read_links(town.shelf, town.sealed, town.chain)] == (
        rows(town.data)
    )
    assert list(read_bodies(town.shelf, town.sealed)) == [row[:2] for row in rows(town.data)]


def test_nothing_new_writes_nothing(town):
    before = {path.name: path.stat().st_mtime_ns for path in town.segments()}
    written = town.backup()
    assert (written.records, written.segments, written.bytes) == (0, 0, 0)
    assert {path.name: path.stat().st_mtime_ns for path in town.segments()} == before


def test_it_never_goes_beyond_the_head(town):
    head = (town.data / "journal.head").read_bytes()
    end = town.look().last
    town.pay(2)
    newer = (town.data / "journal.head").read_bytes()
    (town.data / "journal.head").write_bytes(head)
    assert town.backup().records == 0
    (town.data / "journal.head").write_bytes(newer)
    assert town.backup().last == end + 5


def test_a_damaged_record_is_named_and_not_kept(town):
    town.pay(2)
    last = rows(town.data)[-1][0]
    changed(town.data, f"UPDATE journal SET body = CAST(body || x'00' AS BLOB) WHERE seq = {last - 1}")
    before = town.segments()
    with pytest.raises(JournalDamaged, match=f"record {last - 1}: does not fit its chain"):
        town.backup()
    assert town.segments() == before


def test_a_missing_record_is_named(town):
    town.pay(2)
    last = rows(town.data)[-1][0]
    changed(town.data, f"DELETE FROM journal WHERE seq = {last - 2}")
    with pytest.raises(JournalDamaged, match=f"record {last - 2}: is missing"):
        town.backup()


def test_nothing_is_readable_and_nobody_else_may_read(town):
    text = b"".join(path.read_bytes() for path in town.segments())
    assert b"802440354110001" in b"".join(body for _, body, _ in rows(town.data))
    assert b"802440354110001" not in text
    assert {path.stat().st_mode & 0o777 for path in town.segments()} == {0o600}
    assert town.shelf.folder.stat().st_mode & 0o777 == 0o700


def test_another_switchs_folder_is_refused(town, tmp_path):
    other = town_in(tmp_path / "other")
    other.pay(1)
    other.shelf = town.shelf
    before = town.segments()
    with pytest.raises(ArchiveError, match="another secret"):
        other.backup()
    assert town.segments() == before


def test_a_journal_that_went_another_way_is_refused(town):
    town.shelf.folder.rename(town.folder / "kept")
    shutil.rmtree(town.data)
    for count in (3, 1, 5, 6):
        town.pay(count)
    (town.folder / "kept").rename(town.shelf.folder)
    with pytest.raises(ArchiveError, match="it is of another history; restore from it"):
        town.backup()


def test_a_journal_that_is_older_than_the_backup_is_refused(town):
    shutil.copytree(town.data, town.folder / "old")
    town.pay(2)
    town.backup()
    shutil.rmtree(town.data)
    (town.folder / "old").rename(town.data)
    with pytest.raises(ArchiveError, match="goes up to record"):
        town.backup()


def test_one_backup_at_a_time(town):
    with town.shelf.locked(), pytest.raises(ArchiveError, match="another backup is writing there"):
        town.backup()


def test_no_journal_no_backup(town):
    shutil.rmtree(town.data)
    with pytest.raises(ArchiveError, match="no journal there"):
        town.backup()


def test_long_runs_are_cut_into_segments(town, monkeypatch):
    monkeypatch.setattr(backup_room, "SEGMENT_RECORDS_MAX", 4)
    town.pay(7)
    first = town.look().last + 1
    assert town.backup().segments == 4
    assert [path.stem for path in town.segments()[3:]] == [
        f"{begin:016d}-{min(begin + 3, first + 14):016d}" for begin in range(first, first + 15, 4)
    ]
    assert town.look().findings == []


def test_a_chunk_is_never_longer_than_it_may_be(town, monkeypatch):
    monkeypatch.setattr(backup_room, "_BODY_BYTES_MAX", 600)
    town.pay(5)
    town.backup()
    assert town.look().findings == []
    assert [link[:2] for link in read_links(town.shelf, town.sealed, town.chain)] == [
        row[:2] for row in rows(town.data)
    ]


@pytest.fixture
def many_small(town, monkeypatch):
    monkeypatch.setattr(backup_room, "SEGMENT_RECORDS_MAX", 12)
    monkeypatch.setattr(backup_room, "_SMALL_RECORDS", 12)
    monkeypatch.setattr(backup_room, "_SMALL_MAX", 6)
    while len(town.segments()) < 6:
        town.pay(1)
        town.backup()
    town.pay(1)
    return town


def test_many_small_segments_become_few(many_small):
    before = many_small.segments()
    many_small.backup()
    after = many_small.segments()
    assert len(after) < len(before)
    assert chosen(many_small.shelf.spans()) == many_small.shelf.spans()
    assert many_small.look().findings == []
    assert [link[0] for link in read_links(many_small.shelf, many_small.sealed, many_small.chain)] == [
        row[0] for row in rows(many_small.data)
    ]


def test_a_join_that_was_cut_short_leaves_a_whole_archive(many_small, monkeypatch):
    def killed(self, names):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            many_small.backup()
    spans = many_small.shelf.spans()
    assert len(chosen(spans)) < len(spans)
    assert many_small.look().findings == []
    many_small.pay(1)
    many_small.backup()
    assert many_small.look().last == rows(many_small.data)[-1][0]


def test_segments_are_not_joined_over_numbers_that_a_restore_left_out(many_small):
    town = many_small
    town.backup()
    town.data.rename(town.folder / "lost")
    town.restore(town.data)
    for _ in range(8):
        town.pay(1)
        town.backup()
    spans = town.shelf.spans()
    assert town.look().findings == []
    assert len(spans) < 12
    assert any(after.first > before.last + 1 for before, after in pairwise(spans))
    assert town.look().last == rows(town.data)[-1][0]
    assert all(span.last - span.first < 12 for span in spans)


@pytest.mark.parametrize("at", [0, 8, 12, 20])
@pytest.mark.parametrize("reader", ["links", "bodies"])
def test_it_may_be_joined_while_it_is_read(many_small, at, reader):
    town = many_small
    reading = read_bodies(town.shelf, town.sealed)
    if reader == "links":
        reading = read_links(town.shelf, town.sealed, town.chain)
    before = town.segments()
    seen = []
    for number, record in enumerate(reading):
        if number == at:
            town.backup()
            assert len(town.segments()) < len(before), "nothing was joined"
        seen.append(tuple(record)[:2])
    assert seen == [row[:2] for row in rows(town.data)]


Usage = namedtuple("Usage", "total used free")


def test_a_nearly_full_disk_is_left_alone(town, monkeypatch):
    town.pay(1)
    before = sorted(town.shelf.folder.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(shelf_room.shutil, "disk_usage", lambda _: Usage(1 << 40, 1 << 40, 1 << 20))
        with pytest.raises(ArchiveError, match="nearly full"):
            town.backup()
    assert sorted(town.shelf.folder.iterdir()) == before
    assert town.backup().records == 3


@pytest.mark.parametrize("call", ["fsync", "open"])
def test_a_disk_that_fails_leaves_the_archive_as_it_was(town, monkeypatch, call):
    town.pay(1)
    before = sorted(town.shelf.folder.iterdir())

    def full(*_arguments, **_names):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, town.shelf.locked():
        patch.setattr(shelf_room.os, call, full)
        with pytest.raises(ArchiveError, match="No space left on device"):
            town.shelf.write("0000000000000099-0000000000000099.seg", [b"x"])
    assert sorted(town.shelf.folder.iterdir()) == before
    assert town.backup().records == 3


def test_what_a_killed_backup_left_is_no_segment(town):
    (town.shelf.folder / ".0000000000000021-0000000000000030.seg.tmp").write_bytes(b"half")
    end = town.look()
    assert end.findings == []
    town.pay(1)
    town.backup()
    assert town.look().last == end.last + 3


def ordered(town, count):
    for number in range(count):
        shop = Merchant(f"80244035411{number:04d}", "Shop", "SHENZHEN", "5411")
        books = Books(town.data, b"key of orders", SystemClock())
        books.activate(number, [shop], [], "me", "")


def test_the_offices_books_are_kept_when_they_change(town):
    assert town.backup().office == 0
    ordered(town, 2)
    assert town.backup().office == 2
    assert town.backup().office == 0
    assert town.look().office == 2
    assert town.shelf.office_versions() == [2]


def acted(town, number):
    """Somebody has drawn parts of a key."""
    books = Books(town.data, b"key of orders", SystemClock())
    books.note(Signed(number - 1, Drawn("ZMK", "Chen", number, (), "")))


def test_what_people_did_is_kept_with_the_version_it_stands_beside(town):
    acted(town, 1)
    town.backup()
    assert town.shelf.office_versions() == [0]
    ordered(town, 1)
    assert town.backup().office == 1
    assert town.backup().office == 0
    acted(town, 2)
    assert town.backup().office == 1
    assert town.backup().office == 0
    assert town.restore().office == 0  # what the journal has in force
    (town.shelf.folder / office_name(0)).unlink()
    (town.folder / "restored" / OFFICE).unlink()
    shutil.rmtree(town.folder / "restored")
    assert town.restore().office == 1
    copy = Books(town.folder / "restored", b"key of orders", SystemClock())
    assert [act.at_ns for act in copy.history().acts] == [1, 2]


def test_a_damaged_copy_of_the_books_is_made_anew(town):
    ordered(town, 1)
    town.backup()
    path = town.shelf.folder / office_name(1)
    path.write_bytes(path.read_bytes()[:-1])
    path.write_bytes(b"x" * 40 + path.read_bytes()[40:])
    assert town.backup().office == 1
    assert town.look().office == 1


def test_only_the_newest_books_are_kept(town, monkeypatch):
    monkeypatch.setattr(backup_room, "OFFICE_KEPT", 2)
    for version in (1, 2, 3):
        books = Books(town.data, b"key of orders", SystemClock())
        shop = Merchant(f"80244035411{version:04d}", "Shop", "SHENZHEN", "5411")
        books.activate(version - 1, [shop], [], "me", "")
        town.backup()
    assert town.shelf.office_versions() == [2, 3]


def test_the_head_is_what_the_journal_says(town):
    db = apsw.Connection(str(town.data / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
    assert last_head(db).seq == town.look().last
    db.close()
