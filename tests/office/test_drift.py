"""Drift: noted within bounds by the node, told by the office with what to do."""

import json
import time

import apsw
import pytest
from office_rows import SHOP, activate, merchant, new_tmk, terminal

from posswitch.base.card import luhn_ok
from posswitch.edge import drift as edge_drift
from posswitch.edge.beside import PENDING_MAX
from posswitch.edge.drift import DRIFT_ROWS_MAX, DriftLog
from posswitch.edge.vitals import Vitals
from posswitch.journal.vitals import VITALS
from posswitch.office.drift import read_drift, standing


@pytest.fixture
def db():
    return apsw.Connection("")


def rows(db):
    return db.execute(
        "SELECT terminal, what, registered, sent, first_ns, last_ns, count FROM drift"
        " ORDER BY terminal, what, sent"
    ).fetchall()


def test_a_difference_is_counted_from_its_first_to_its_last_time(db):
    log = DriftLog()
    for at_ns in (10, 20):
        log.note("T0000001", "currency", "156", "840", at_ns)
    log.write(db)
    log.note("T0000001", "currency", "344", "840", 30)
    log.write(db)
    assert rows(db) == [("T0000001", "currency", "344", "840", 10, 30, 3)]


def test_nothing_noted_nothing_written(db):
    DriftLog().write(db)
    assert not db.execute("SELECT 1 FROM sqlite_schema").fetchone()


def test_values_are_masked_and_then_cut(db):
    log = DriftLog()
    log.note("T0000001", "merchant", "M", "x" * 27 + " 4000000000000002", 1)
    log.note("T0000001", "kind", "y" * 90, "4000000000000002", 1)
    log.write(db)
    told = json.dumps(rows(db))
    assert "4000" in told  # cut in the middle of its mask
    assert "40000000000" not in told
    assert all(len(value) <= 32 for row in rows(db) for value in row[:4])


def test_memory_is_bounded(db):
    log = DriftLog()
    for number in range(PENDING_MAX + 7):
        log.note(f"{number:08d}", "kind", "", "refund", 1)
    assert log.lost == 7
    assert "7 lost" in repr(log)
    log.write(db)
    assert len(rows(db)) == PENDING_MAX


def test_rows_are_bounded_and_the_longest_unseen_leave(db, monkeypatch):
    monkeypatch.setattr(edge_drift, "DRIFT_ROWS_MAX", 10)
    log = DriftLog()
    for number in range(12):
        log.note(f"{number:08d}", "kind", "", "refund", number)
    log.write(db)
    assert [row[0] for row in rows(db)] == [f"{number:08d}" for number in range(2, 12)]


def test_a_full_table_is_quick_enough_for_the_loop(db):
    log = DriftLog()
    for at in range(0, DRIFT_ROWS_MAX + 2000, 500):
        for number in range(at, at + 500):
            log.note(f"{number:08d}", "merchant", SHOP, "802440354119999", number)
        log.write(db)
    assert len(rows(db)) == DRIFT_ROWS_MAX
    log.note("00009999", "merchant", SHOP, "802440354119999", 99_999)
    began = time.process_time()
    log.write(db)
    assert time.process_time() - began < 0.05


def test_a_disk_that_does_not_take_it_loses_it(db):
    log = DriftLog()
    log.note("T0000001", "kind", "", "refund", 1)
    db.close()
    log.write(db)
    assert log.lost == 1


@pytest.fixture
def noted(config):
    """Writes differences as the node does."""

    def noted(*differences):
        config.data.mkdir(exist_ok=True)
        Vitals(config.data).close()
        db = apsw.Connection(str(config.data / VITALS))
        log = DriftLog()
        for terminal_, what, sent in differences:
            log.note(terminal_, what, "before", sent, 1_790_000_000_000_000_000)
        log.write(db)
        db.close()

    return noted


def test_no_vitals_no_drift(registry, config, noted):
    assert registry("drift").out == "no drift\n"
    noted()
    assert registry("drift").out == "no drift\n"
    assert read_drift(config.data) == []


def test_what_agrees_by_now_is_not_told(desk, hsm, config, noted):
    activate(desk(), [terminal(1, new_tmk(hsm), kinds=("sale", "void"), currency="344", dialect="pos")])
    noted(
        ("00000001", "currency", "344"),
        ("00000001", "currency", "156"),
        ("00000001", "kind", "void"),
        ("00000001", "kind", "refund"),
        ("00000001", "merchant", SHOP),
        ("00000001", "dialect", "iso87a"),
        ("99999999", "currency", "840"),
        ("10000001", "kind", "refund"),
    )
    told = standing(read_drift(config.data), desk().registry)
    assert [(row.what, row.registered, row.sent) for row in told] == [
        ("currency", "344", "156"),
        ("dialect", "pos", "iso87a"),
        ("kind", "sale void", "refund"),
    ]


def test_a_merchant_number_like_a_cards_agrees_with_itself(desk, hsm, config, noted):
    shop = next(shop for shop in map(merchant, range(2000, 2100)) if luhn_ok(shop.id))
    activate(desk(), [shop, terminal(1, new_tmk(hsm), shop.id)])
    noted(("00000001", "merchant", shop.id))
    assert standing(read_drift(config.data), desk().registry) == []


def test_the_report_speaks_both_languages(registry, noted):
    noted(("10000001", "merchant", "802440354119999"), ("10000001", "currency", "840"))
    said = registry("drift")
    assert said.code == 1
    assert said.out.startswith("terminal 10000001\n")
    for words in (
        "商户号",
        "币种",
        f"登记 {SHOP}",
        "set merchant 802440354110001",
        "once since 2026-09-21 22:13:20+08:00",
    ):
        assert words in said.out
    assert "商户号" not in registry("drift", "--lang", "en").out


def test_the_report_as_json(registry, noted):
    noted(("10000001", "currency", "840"))
    (row,) = json.loads(registry("drift", "--json").out)
    assert (row["terminal"], row["what"], row["registered"], row["sent"], row["count"]) == (
        "10000001",
        "currency",
        "156",
        "840",
        1,
    )
    assert row["remedy_zh"] and row["remedy_en"]


def test_damaged_vitals_are_one_line(registry, config):
    config.data.mkdir()
    (config.data / VITALS).write_bytes(b"\x17" * 4096)
    said = registry("drift")
    assert said.code == 2
    assert "vitals.db: cannot be read" in said.err
