"""Faults that reviews found in the journal, each kept as the damage that showed it."""

import apsw
import pytest
from world import KEY, NODE, World

from posswitch.base.errors import JournalError
from posswitch.engine.events import Reversing, TimerFired, Verdict
from posswitch.engine.lifecycle import REVERSING
from posswitch.journal.chain import HEAD_BYTES
from posswitch.journal.sqlite import Journal
from posswitch.journal.verify import verify


def sold(folder, code="00"):
    world = World(folder)
    world.sale()
    world.answer(code)
    return world


def test_a_head_of_another_history_is_seen(tmp_path):
    sold(tmp_path / "a").close()
    other = sold(tmp_path / "b", "51")
    other.sale()
    other.close()
    (tmp_path / "b/journal.head").write_bytes((tmp_path / "a/journal.head").read_bytes())
    assert any("another history" in line for line in verify(tmp_path / "b", KEY, NODE))
    with pytest.raises(JournalError, match="another history"):
        Journal(tmp_path / "b", KEY).recover(NODE)


@pytest.mark.parametrize("left", [None, b"", bytes(HEAD_BYTES)])
def test_records_without_a_head_are_not_trusted(tmp_path, left):
    sold(tmp_path).close()
    head = tmp_path / "journal.head"
    if left is None:
        head.unlink()
    else:
        head.write_bytes(left)
    assert verify(tmp_path, KEY, NODE)
    with pytest.raises(JournalError, match="head file"):
        Journal(tmp_path, KEY).recover(NODE)


@pytest.mark.parametrize("column", ["key", "code", "auth", "cause"])
def test_every_column_of_a_payment_is_refolded(tmp_path, column):
    sold(tmp_path, "51").close()
    apsw.Connection(str(tmp_path / "journal.db")).execute(f"UPDATE payment SET {column} = 'x'")
    assert any(f": {column} in the table" in line for line in verify(tmp_path, KEY, NODE))


def test_replace_does_not_get_around_append_only(tmp_path):
    world = sold(tmp_path)
    with pytest.raises(apsw.ConstraintError):
        world.journal._db.execute("INSERT OR REPLACE INTO journal VALUES(1, 2, x'00', x'00')")
    world.close()


def test_a_signed_record_that_does_not_apply_is_a_finding(tmp_path):
    journal = Journal(tmp_path, KEY)
    journal.recover(NODE)
    journal.begin()
    step = Reversing(9, 1, "0615100000")
    journal.append(1, TimerFired(9), Verdict(9, "timed-out", REVERSING, "98", reversing=(step,)))
    journal.commit()
    journal.close()
    assert any("no record opened" in line for line in verify(tmp_path, KEY, NODE))


def test_a_flipped_bit_anywhere_never_escapes_as_something_else(tmp_path):
    world = World(tmp_path)
    for _ in range(6):
        world.sale()
        world.answer("00")
    world.journal.snapshot(world.state)
    world.close()
    whole = (tmp_path / "journal.db").read_bytes()
    head = (tmp_path / "journal.head").read_bytes()
    silent = opened = 0
    for bit in range(0, len(whole) * 8, len(whole) * 8 // 400 | 1):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / "journal.db").write_bytes(damaged)
        (tmp_path / "journal.head").write_bytes(head)
        try:
            silent += verify(tmp_path, KEY, NODE) == []
            journal = Journal(tmp_path, KEY)
        except JournalError:
            continue
        opened += 1
        try:
            journal.recover(NODE)
        except JournalError:
            continue
        finally:
            journal._head_file.close()
            journal._db.close()
    assert silent < 400, "most of a small file is free space, not all of it"
    assert opened > 200, "most of the damage is met behind the door, not at it"


def test_a_journal_that_cannot_be_opened_can_be_opened_once_it_is_mended(tmp_path):
    sold(tmp_path).close()
    path = tmp_path / "journal.db"
    whole = path.read_bytes()
    path.write_bytes(b"no database" * 400)
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path, KEY)
    path.write_bytes(whole)
    journal = Journal(tmp_path, KEY)
    journal.recover(NODE)
    journal.close()


def test_a_first_start_that_was_killed_before_its_first_head_can_be_repeated(tmp_path):
    (tmp_path / "journal.head").write_bytes(bytes(HEAD_BYTES))
    world = World(tmp_path)
    world.sale()
    world.close()
    assert verify(tmp_path, KEY, NODE) == []
