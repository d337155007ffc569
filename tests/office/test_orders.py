"""The order box: the node sees what the office ordered, and nothing wrong with office.db stops it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest
from office_rows import activate, merchant, new_tmk, rows_of, terminal

from posswitch.base.order import (
    CHANGE_BYTES_MAX,
    CHANGE_ROWS_MAX,
    OFFICE,
    order_fits,
    pack_change,
    read_change,
    sign_order,
    split_change,
)
from posswitch.base.registry import Address, Bank, Change, Registry
from posswitch.edge.orders import BYTES_PER_POLL_MAX, CHANGES_PER_POLL_MAX, ORDERS_LABEL, OrderBox
from posswitch.office.books import LAYOUT


@pytest.fixture
def box(config, vault):
    config.data.mkdir(exist_ok=True)
    return OrderBox(config.data, vault.derive(ORDERS_LABEL))


@pytest.fixture
def path(config):
    return config.data / OFFICE


@pytest.fixture
def plant(path, vault):
    """Writes rows into an office.db as somebody else would."""

    def plant(*rows):
        db = apsw.Connection(str(path))
        if not db.execute("SELECT 1 FROM sqlite_schema").fetchone():
            db.execute(LAYOUT)
        db.executemany("INSERT INTO orders VALUES(?, ?, 0, ?, ?)", rows)
        db.close()

    def signed(seq, change, key=None):
        body = change if isinstance(change, bytes) else pack_change(change)
        order = os.urandom(16)
        return seq, order, body, sign_order(key or vault.derive(ORDERS_LABEL), seq, order, body)

    plant.signed = signed
    return plant


def test_what_is_activated_is_polled(box, desk, hsm):
    row = terminal(7, new_tmk(hsm))
    activate(desk(), [merchant(100)])
    activate(desk(), [row], [("terminal", "10000001")])
    changes = box.poll(0)
    assert changes == [Change(1, (merchant(100),)), Change(2, (row,), (("terminal", "10000001"),))]
    assert box.poll(1) == changes[1:]
    assert box.poll(2) == []
    assert box.problem == ""
    assert box.counts["orders-read"] == 3


def test_a_node_that_applies_them_has_the_office_s_registry(box, config, desk, hsm):
    activate(desk(), [merchant(number) for number in range(100, 110)])
    activate(desk(), [terminal(7, new_tmk(hsm))], [("merchant", merchant(105).id)])
    node = Registry(config.registry.rows)
    for change in box.poll(0):
        node.amend(change.put, change.drop)
    assert rows_of(node) == rows_of(desk().registry)


def test_nothing_was_ever_ordered(box, path):
    assert box.poll(0) == []
    assert box.problem == ""
    assert not path.exists()


def test_no_office_db(box, path):
    assert box.poll(1) == []
    assert box.counts["orders-missing"] == 1
    assert "office.db: not there" in box.problem
    assert not path.exists()
    assert not list(path.parent.iterdir())


def test_no_data_folder(tmp_path):
    box = OrderBox(tmp_path / "none", b"k" * 32)
    assert box.poll(1) == []
    assert box.counts["orders-missing"] == 1


def garbage(path):
    path.write_bytes(os.urandom(8192))


def text(path):
    path.write_text("not a database")


def empty(path):
    path.touch()


def folder(path):
    path.mkdir()


def other_tables(path):
    apsw.Connection(str(path)).execute("CREATE TABLE orders(x)")


def a_view(path):
    apsw.Connection(str(path)).execute("CREATE VIEW orders AS SELECT 1 AS seq, 2 AS id, 3 AS body, 4 AS mac")


@pytest.mark.parametrize("spoil", [garbage, text, empty, folder, other_tables])
def test_what_is_no_office_db(box, path, spoil):
    spoil(path)
    assert box.poll(0) == []
    assert box.counts["orders-damaged"] == 1
    assert "cannot be read" in box.problem
    assert "\n" not in box.problem


def test_a_file_that_would_keep_the_reader_for_ever(box, path):
    apsw.Connection(str(path)).execute(
        "CREATE VIEW orders AS WITH RECURSIVE n(seq) AS (SELECT -1 UNION ALL SELECT seq - 1 FROM n) "
        "SELECT seq, 1 AS id, 2 AS body, 3 AS mac FROM n"
    )
    assert box.poll(0) == []
    assert box.counts["orders-damaged"] == 1


def test_columns_of_other_types_are_a_wrong_signature(box, path):
    a_view(path)
    assert box.poll(0) == []
    assert box.counts["orders-forged"] == 1


def test_damaged_pages(box, desk, path):
    activate(desk(), [merchant(number) for number in range(100, 400)])
    data = bytearray(path.read_bytes())
    for at in range(4096 + 100, len(data), 64):
        data[at] ^= 0xFF
    path.write_bytes(data)
    assert box.poll(0) == []
    assert box.problem


def test_an_order_too_big_to_be_one(box, plant):
    plant(plant.signed(1, b"\0" * (3 * CHANGE_BYTES_MAX)))
    assert box.poll(0) == []
    assert box.counts["orders-damaged"] == 1


def test_a_locked_file_is_read_later(box, desk, path):
    activate(desk(), [merchant(100)])
    db = apsw.Connection(str(path))
    db.execute("PRAGMA locking_mode=EXCLUSIVE")
    db.execute("BEGIN EXCLUSIVE")
    db.execute("SELECT * FROM orders").fetchall()
    began = time.monotonic()
    assert box.poll(0) == []
    assert time.monotonic() - began < 10  # it does not wait for the lock's end; a busy machine takes its time
    assert box.counts["orders-locked"] == 1
    db.close()
    assert len(box.poll(0)) == 1
    assert box.problem == ""


def test_a_writer_in_the_middle_is_not_in_the_way(box, desk, path):
    activate(desk(), [merchant(100)])
    db = apsw.Connection(str(path))
    db.execute("BEGIN IMMEDIATE")
    assert len(box.poll(0)) == 1
    db.execute("ROLLBACK")


def test_a_wrong_signature_holds_everything_behind_it(box, plant):
    good = [plant.signed(seq, Change(seq, (merchant(seq),))) for seq in (1, 3)]
    forged = plant.signed(2, Change(2, (merchant(2),)), b"another key" * 3)
    plant(good[0], forged, good[1])
    assert [change.version for change in box.poll(0)] == [1]
    assert box.poll(1) == []
    assert box.counts["orders-forged"] == 2
    assert "order 2" in box.problem


@pytest.mark.parametrize("column", [1, 2, 3])
def test_one_bit_anywhere_is_a_wrong_signature(box, plant, column):
    row = list(plant.signed(1, Change(1, (merchant(1),))))
    row[column] = bytes([row[column][0] ^ 1]) + row[column][1:]
    plant(tuple(row))
    assert box.poll(0) == []
    assert box.counts["orders-forged"] == 1


def test_an_order_does_not_fit_another_place(box, plant):
    _, order, body, mac = plant.signed(2, Change(1, (merchant(1),)))
    plant((1, order, body, mac))
    assert box.poll(0) == []
    assert box.counts["orders-forged"] == 1


def test_a_gap(box, plant):
    plant(plant.signed(1, Change(1)), plant.signed(3, Change(3)))
    assert [change.version for change in box.poll(0)] == [1]
    assert box.counts["orders-gap"] == 1
    assert "order 2 is missing" in box.problem


@pytest.mark.parametrize(
    "body",
    [
        b"\xc1",
        b"",
        pack_change(Change(2)),
        pack_change(Change(1, (), (("rebate", "x"),))),
        pack_change(Change(1))[:-1],
    ],
)
def test_a_signed_order_of_another_release_waits(box, plant, body):
    plant(plant.signed(1, body))
    assert box.poll(0) == []
    assert box.counts["orders-unreadable"] == 1
    assert "upgrade" in box.problem


def test_an_older_copy_than_the_node_has(box, desk):
    activate(desk(), [merchant(100)])
    assert box.poll(5) == []
    assert box.counts["orders-behind"] == 1
    assert "version 5" in box.problem


def test_a_poll_is_bounded_in_changes(box, plant):
    plant(*[plant.signed(seq, Change(seq)) for seq in range(1, 30)])
    assert [change.version for change in box.poll(0)] == list(range(1, CHANGES_PER_POLL_MAX + 1))
    assert len(box.poll(20)) == CHANGES_PER_POLL_MAX


def test_a_poll_is_bounded_in_bytes(box, plant):
    bank = Bank("90010000", "甲" * 64, "A" * 64, (Address("h" * 253, 1),) * 16, b"z" * 44, b"z" * 44)
    rows = tuple(bank for _ in range(CHANGE_BYTES_MAX // 5000))
    bodies = [pack_change(Change(seq, rows)) for seq in range(1, 9)]
    assert sum(map(len, bodies)) > BYTES_PER_POLL_MAX
    plant(*[plant.signed(seq, body) for seq, body in enumerate(bodies, 1)])
    got = box.poll(0)
    assert 1 <= len(got) < 8
    assert sum(len(pack_change(change)) for change in got) <= BYTES_PER_POLL_MAX
    assert box.problem == ""
    assert box.poll(len(got))[0].version == len(got) + 1


def test_a_writer_killed_in_the_middle_leaves_whole_versions(box, desk, path, city):
    activate(desk(), [merchant(100)])
    code = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from office_rows import activate, merchant
from posswitch.office.desk import Desk
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
config = load_config(Path(sys.argv[1]))
print("on", flush=True)
for number in range(1000):
    activate(Desk(config, SystemClock()), [merchant(row, f"Shop {number}") for row in range(2500)])
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code, city / "posswitch.toml", Path(__file__).parent],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    child.stdout.readline()
    while not box.poll(2):
        assert child.poll() is None, "it ended before it had written"
        time.sleep(0.02)
    time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    seen = 0
    while changes := box.poll(seen):
        seen = changes[-1].version
    assert box.problem == ""
    assert seen >= 3
    assert seen == desk().version
    assert (seen - 1) % 2 == 0, "two orders each, both or none"


# Values and split


def test_a_big_change_becomes_consecutive_versions(hsm):
    tmk = new_tmk(hsm)
    rows = [terminal(number, tmk) for number in range(5001)]
    changes = split_change(4, rows, [("terminal", "x")])
    assert [change.version for change in changes] == [4, 5, 6]
    assert all(len(change.put) + len(change.drop) <= CHANGE_ROWS_MAX for change in changes)
    assert all(len(pack_change(change)) <= CHANGE_BYTES_MAX for change in changes)
    assert [row for change in changes for row in change.put] == rows


def test_bytes_split_too():
    bank = Bank("90010000", "甲" * 64, "A" * 64, (Address("h" * 253, 1),) * 16, b"z" * 44, b"z" * 44)
    changes = split_change(1, [bank] * 500, [])
    assert len(changes) > 1
    assert all(len(pack_change(change)) <= CHANGE_BYTES_MAX for change in changes)


def test_what_is_named_comes_first_and_leaves_last(hsm):
    tmk = new_tmk(hsm)
    put = [terminal(number, tmk) for number in range(3000)] + [merchant(1)]
    drop = [("merchant", "m"), ("bank", "b"), ("terminal", "t"), ("bin", "6/16")]
    changes = split_change(1, put, drop)
    assert changes[0].put[0] == merchant(1)
    assert changes[-1].drop == (("terminal", "t"), ("merchant", "m"), ("bin", "6/16"), ("bank", "b"))


def test_no_change_is_no_version():
    assert split_change(1, [], []) == []


def test_bodies_come_back():
    change = Change(7, (merchant(1),), (("terminal", "t"),))
    assert read_change(pack_change(change)) == change


@pytest.mark.parametrize("columns", [(1, b"b", b"m"), (b"o" * 16, "b", b"m"), (b"o" * 16, b"b", None)])
def test_odd_columns_fit_nothing(columns):
    assert not order_fits(b"k", 1, *columns)
