"""The books: a history that is only added to, from which every version can be made again."""

import multiprocessing
import stat
import tempfile
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from office_rows import Bin, activate, merchant, new_tmk, rows_of, terminal

from posswitch.base.errors import OfficeError
from posswitch.base.order import OFFICE
from posswitch.base.registry import Bank, Registry, key_of
from posswitch.edge.orders import OrderBox
from posswitch.office.books import Books, rebuilt
from posswitch.office.desk import Desk, activations
from posswitch.office.difference import between
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config


def test_looking_creates_nothing(desk, config):
    assert desk().version == 0
    assert rows_of(desk().registry) == rows_of(config.registry)
    assert not config.data.exists()


def test_the_first_change_creates_a_private_file(desk, config):
    activate(desk(), [merchant(100)])
    assert stat.S_IMODE((config.data / OFFICE).stat().st_mode) == 0o600
    assert stat.S_IMODE(config.data.stat().st_mode) == 0o700


def test_what_was_changed_when_by_whom_and_why(desk):
    before = SystemClock().wall_ns()
    activate(desk(), [merchant(100)], author="lin", note="new shop")
    (entry,) = desk().entries
    assert (entry.change.version, entry.author, entry.note) == (1, "lin", "new shop")
    assert before <= entry.at_ns <= SystemClock().wall_ns()
    assert entry.change.put == (merchant(100),)


def test_every_version_can_be_made_again(desk, config):
    activate(desk(), [merchant(100)])
    activate(desk(), [merchant(101)], [("merchant", merchant(100).id)])
    activate(desk(), [merchant(101, "Renamed")])
    names = [
        [row.name for row in desk().at(version).merchants.values() if row.id.startswith("80244035411010")]
        for version in range(4)
    ]
    assert names == [[], ["Shop 100"], ["Shop 101"], ["Renamed 101"]]
    assert rows_of(desk().at(0)) == rows_of(config.registry)


@pytest.mark.parametrize("version", [-1, 2])
def test_no_such_version(desk, version):
    activate(desk(), [merchant(100)])
    with pytest.raises(OfficeError, match="0 to 1"):
        desk().at(version)


def test_a_part_of_an_activation_is_no_version_to_go_to(desk):
    activate(desk(), [merchant(number) for number in range(100, 4200)])
    activate(desk(), [merchant(1, "One more")])
    assert [len(parts) for parts in activations(desk().entries)] == [3, 1]
    for version in (1, 2):
        with pytest.raises(OfficeError, match="give 0 or 3"):
            desk().at(version)
    assert len(desk().at(3).merchants) == len(desk().registry.merchants)


@pytest.mark.parametrize("table", ["orders", "change"])
@pytest.mark.parametrize("act", ["UPDATE {} SET rowid = 9", "DELETE FROM {}"])
def test_history_is_append_only(desk, config, table, act):
    activate(desk(), [merchant(100)])
    db = apsw.Connection(str(config.data / OFFICE))
    with pytest.raises(apsw.ConstraintError, match="append-only"):
        db.execute(act.format(table))


def forced(path, sql):
    """As somebody with the file in hand."""
    db = apsw.Connection(str(path))
    for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    db.execute(sql)
    db.close()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE orders SET body = x'00' WHERE seq = 2", "version 2: its signature does not fit"),
        ("UPDATE orders SET mac = zeroblob(32) WHERE seq = 1", "version 1: its signature does not fit"),
        ("DELETE FROM orders WHERE seq = 1", "version 1 is missing"),
        ("DELETE FROM change WHERE version = 2", "version 2 is missing"),
        ("PRAGMA user_version = 9", "layout 9"),
        ("DROP TABLE orders", "cannot be used as the office's books"),
    ],
)
def test_a_changed_history_is_said(desk, config, sql, said):
    for number in (100, 101, 102):
        activate(desk(), [merchant(number)])
    forced(config.data / OFFICE, sql)
    with pytest.raises(OfficeError, match=said) as raised:
        desk()
    assert "\n" not in str(raised.value)


def test_another_secret(desk, config, city):
    activate(desk(), [merchant(100)])
    (city / "secret.key").write_text("ab" * 32)
    with pytest.raises(OfficeError, match="secret is another one"):
        desk()


def test_a_first_change_that_was_cut_short(desk, config):
    config.data.mkdir()
    (config.data / OFFICE).touch()
    assert desk().version == 0
    activate(desk(), [merchant(100)])
    assert desk().version == 1


def test_a_full_disk_is_said_and_nothing_is_changed(desk, config, monkeypatch):
    activate(desk(), [merchant(100)])

    def full(*_):
        raise apsw.FullError

    monkeypatch.setattr(Books, "_write", full)
    with pytest.raises(OfficeError, match="disk is full and nothing was changed; make room"):
        activate(desk(), [merchant(101)])
    monkeypatch.undo()
    assert desk().version == 1


def test_no_database(desk, config):
    config.data.mkdir()
    (config.data / OFFICE).write_bytes(b"\x17" * 4096)
    with pytest.raises(OfficeError, match="cannot be used"):
        desk()


def test_a_folder_in_place_of_the_books(desk, config):
    (config.data / OFFICE).mkdir(parents=True)
    with pytest.raises(OfficeError, match="is a folder; bring back the newest good copy"):
        desk()


def test_nothing_of_the_database_s_own_words_is_told(desk, config):
    config.data.mkdir()
    (config.data / OFFICE).write_bytes(b"\x17" * 4096)
    with pytest.raises(OfficeError) as raised:
        desk()
    assert str(raised.value).endswith(
        "cannot be used as the office's books: it is damaged; bring back the newest good copy"
    )


# Two at once


def test_the_later_of_two_plans_is_refused(desk):
    first, second = desk(), desk()
    plan = second.plan([merchant(101)])
    activate(first, [merchant(100)])
    with pytest.raises(OfficeError, match="from version 0 to 1 meanwhile; nothing was changed"):
        second.activate(plan, "test", "")
    assert desk().version == 1


def test_a_file_that_stays_locked_is_said(desk, config, monkeypatch):
    activate(desk(), [merchant(100)])
    monkeypatch.setattr("posswitch.office.books._BUSY_MS", 50)
    db = apsw.Connection(str(config.data / OFFICE))
    db.execute("BEGIN IMMEDIATE")
    with pytest.raises(OfficeError, match="another program is writing in it; try again"):
        activate(desk(), [merchant(101)])
    db.execute("ROLLBACK")
    activate(desk(), [merchant(101)])


def _insist(path, numbers):
    """One of several writers at once: repeats until every row is in."""
    config = load_config(path)
    for number in numbers:
        while True:
            try:
                activate(Desk(config, SystemClock()), [merchant(number)])
            except OfficeError:
                continue
            break


def test_writers_at_once_lose_nothing(city, desk):
    spawn = multiprocessing.get_context("fork")
    writers = [
        spawn.Process(target=_insist, args=(city / "posswitch.toml", range(at, at + 8)))
        for at in (100, 200, 300)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert desk().version == 24
    assert len(desk().registry.merchants) == 12 + 24


# Properties

IDS = st.integers(1, 6)
ROWS = st.one_of(
    IDS.map(lambda number: Bank(f"9{number:07d}", "行", "B", (), b"", b"")),
    st.builds(lambda prefix, bank: Bin(f"62{prefix}", 16, f"9{bank:07d}"), IDS, IDS),
    st.builds(merchant, IDS, st.sampled_from(["A", "B"])),
    st.builds(
        lambda number, shop, model: terminal(number, b"k" * 44, merchant(shop).id, model=model),
        IDS,
        IDS,
        st.sampled_from(["", "X"]),
    ),
)
CHANGES = st.lists(st.tuples(st.lists(ROWS, max_size=8), st.lists(ROWS.map(key_of), max_size=4)), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ROWS, max_size=6), CHANGES, st.integers(1, 5))
def test_the_office_and_a_node_come_to_the_same_registry(base, changes, rows_max):
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr("posswitch.base.order.CHANGE_ROWS_MAX", rows_max)
        books = Books(Path(name), b"k" * 32, SystemClock())
        wanted, node, box, version = Registry(base), Registry(base), OrderBox(Path(name), b"k" * 32), 0
        for put, drop in changes:
            wanted.amend(put, drop)
            difference = between(rebuilt(base, books.history().entries), wanted)
            made = books.activate(version, difference.put, difference.drop, "a", "n")
            version += len(made)
            assert rows_of(rebuilt(base, books.history().entries)) == rows_of(wanted)
        seen = 0
        while found := box.poll(seen):
            for change in found:
                assert change.version == seen + 1
                node.amend(change.put, change.drop)
                seen = change.version
                assert rows_of(node) == rows_of(rebuilt(base, books.history().entries[:seen]))
        assert seen == version
        assert rows_of(node) == rows_of(wanted)


@given(st.lists(ROWS, max_size=10), st.lists(ROWS, max_size=10))
def test_a_difference_turns_one_into_the_other(before, after):
    old, new = Registry(before), Registry(after)
    difference = between(old, new)
    old.amend(difference.put, difference.drop)
    assert rows_of(old) == rows_of(new)
    assert not between(old, new)


def test_reading_a_long_history_is_quick(desk, hsm):
    tmk = new_tmk(hsm)
    activate(desk(), [terminal(number, tmk) for number in range(10_000)])
    began = SystemClock().tick_ns()
    assert len(desk().registry.terminals) == 10_020
    assert SystemClock().tick_ns() - began < 2_000_000_000
