"""The head file's lock: one writer, and questions that stand in nobody's way."""

import fcntl

import pytest

from posswitch.base.errors import JournalError
from posswitch.journal import disk
from posswitch.journal.disk import MACHINE, held

SIZE = 144


def test_a_writer_is_seen_for_as_long_as_it_has_the_file(tmp_path):
    path = tmp_path / "journal.head"
    writer = MACHINE.slots(path, SIZE)
    assert held(path)
    writer.close()
    assert not held(path)


def test_asking_makes_no_file(tmp_path):
    assert not held(tmp_path / "journal.head")
    assert not list(tmp_path.iterdir())


def test_asking_leaves_no_lock(tmp_path):
    path = tmp_path / "journal.head"
    path.touch()
    assert not held(path)
    MACHINE.slots(path, SIZE).close()


def test_a_start_waits_for_one_who_only_asks(tmp_path, monkeypatch):
    path = tmp_path / "journal.head"
    path.touch()
    with path.open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH | fcntl.LOCK_NB)
        monkeypatch.setattr(disk.time, "sleep", lambda _: fcntl.flock(asking, fcntl.LOCK_UN))
        MACHINE.slots(path, SIZE).close()


def test_a_start_does_not_wait_for_ever(tmp_path, monkeypatch):
    path = tmp_path / "journal.head"
    pauses = []
    monkeypatch.setattr(disk.time, "sleep", pauses.append)
    with path.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(JournalError, match="another node is using this journal"):
            MACHINE.slots(path, SIZE)
    assert 0 < len(pauses) < 10
    assert sum(pauses) < 1
