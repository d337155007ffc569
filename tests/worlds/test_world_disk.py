"""The simulated disk: what SQLite may rely on, and what a power cut takes."""

import random
from pathlib import Path

import apsw
import pytest

from posswitch.sim.world.disk import Disk

DB = Path("/world/a.db")


@pytest.fixture
def disk():
    living = {"one"}
    made = Disk("tested", random.Random(1), living.__contains__)
    made.living = living
    made.life = "one"
    made.dead = []  # connections that may not be closed before it
    yield made
    made.close()


def opened(disk, synchronous):
    db = disk.database(DB)
    for pragma in ("journal_mode=WAL", f"synchronous={synchronous}"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    return db


def rows(disk):
    db = disk.database(DB)
    disk.dead.append(db)  # an orderly end would write
    return [row for (row,) in db.execute("SELECT a FROM t ORDER BY a")]


def filled(disk, synchronous, count):
    """A table of so many rows, each committed by itself; then the power fails."""
    db = opened(disk, synchronous)
    db.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
    for number in range(count):
        db.execute("INSERT INTO t VALUES(?, ?)", (number, bytes(3000)))
    disk.dead.append(db)
    disk.living.clear()
    disk.power_cut()
    disk.living.add("two")
    disk.life = "two"


@pytest.mark.parametrize("count", [1, 7, 50])
def test_every_commit_survives_with_full(disk, count):
    filled(disk, "FULL", count)
    assert rows(disk) == list(range(count))


def test_normal_loses_commits_or_the_disk_is_blind(disk):
    filled(disk, "NORMAL", 50)
    try:
        left = rows(disk)
    except apsw.SQLError:  # the table itself is gone
        left = []
    assert len(left) < 50


def test_a_dead_life_changes_nothing(disk):
    db = opened(disk, "FULL")
    disk.dead.append(db)
    db.execute("CREATE TABLE t(a)")
    disk.living.clear()
    before = {name: bytes(image.data) for name, image in disk.files.items()}
    with pytest.raises(apsw.Error):
        db.execute("INSERT INTO t VALUES(1)")
    assert {name: bytes(image.data) for name, image in disk.files.items()} == before


@pytest.mark.parametrize("what", ["write", "sync"])
def test_an_error_in_the_middle_of_a_commit_leaves_the_rows_before_it(disk, what):
    db = opened(disk, "FULL")
    db.execute("CREATE TABLE t(a)")
    db.execute("INSERT INTO t VALUES(1)")

    def fails(now):
        if now == what:
            raise apsw.IOError("injected")

    disk.before = fails
    with pytest.raises(apsw.IOError):
        db.execute("INSERT INTO t VALUES(2)")
    disk.before = lambda now: None
    assert rows(disk)[:1] == [1]


def test_what_a_failed_sync_lost_is_read_and_yet_gone(disk):
    """What Linux does, and why a start writes its tail anew."""
    db = opened(disk, "FULL")
    db.execute("CREATE TABLE t(a)")
    db.execute("INSERT INTO t VALUES(1)")

    def fails(now):
        if now == "sync":
            raise apsw.IOError("injected")

    disk.before = fails
    with pytest.raises(apsw.IOError):
        db.execute("INSERT INTO t VALUES(2)")
    disk.before = lambda now: None
    assert rows(disk) == [1, 2]
    disk.power_cut()
    assert rows(disk) == [1]


def test_slots_are_seen_at_once_and_kept_after_a_sync(disk):
    slots = disk.slots(Path("/world/head"), 4)
    slots.write(0, b"ab")
    slots.sync()
    slots.write(2, b"cd")
    assert disk.read(Path("/world/head")) == b"abcd"
    disk.files["/world/head"].pending.clear()
    disk.power_cut()
    assert disk.read(Path("/world/head")) == b"ab\0\0"


LOG = f"{DB}-wal"


def test_a_disk_says_what_could_still_be_lost(disk):
    assert disk.owes(LOG) == ""
    db = opened(disk, "FULL")
    disk.dead.append(db)
    db.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
    for number in range(70):  # every place in a sector where a frame can end
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO t VALUES(?, ?)", (number, bytes(3000)))
        assert disk.owes(LOG) == "its transaction is open"
        db.execute("COMMIT")
        assert disk.owes(LOG) == ""


def test_what_normal_does_not_sync_could_be_lost(disk):
    db = opened(disk, "NORMAL")
    disk.dead.append(db)
    db.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")
    assert disk.owes(LOG) == "its record could be lost"


def test_what_a_failed_sync_left_could_be_lost_until_the_log_begins_anew(disk):
    db = opened(disk, "FULL")
    db.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB)")

    def fail(what):
        if what == "sync":
            raise apsw.IOError("injected")

    disk.before = fail
    with pytest.raises(apsw.IOError):
        db.execute("INSERT INTO t VALUES(1, ?)", (bytes(3000),))
    disk.before = lambda what: None
    disk.dead.append(db)
    after = opened(disk, "FULL")
    assert after.execute("SELECT count(*) FROM t").fetchone()[0] in (0, 1)
    assert disk.owes(LOG) == "its record could be lost"
    after.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert disk.owes(LOG) == ""
    disk.dead.append(after)
