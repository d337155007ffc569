"""How much is left and how long it lasts: from a ring, a journal and a disk whose figures are known."""

import time

import apsw
import msgspec
import pytest

from capacity_scene import BANKS, GIB, LongTown, SizedDisk, write_ring
from posswitch.base.bounds import DISK_LOW_BYTES
from posswitch.journal.days import size
from posswitch.office.capacity import DAYS_NEAR, capacity
from posswitch.office.growth import DAYS_MIN
from posswitch.office.shortage import NONE

WEEKS = [20 + 2 * day + (15 if day % 7 == 5 else 0) for day in range(21)]  # purchases: two more each day
PERIOD_S = 0.25


@pytest.fixture(scope="module")
def growing(tmp_path_factory):
    town = LongTown(tmp_path_factory.mktemp("growing"))
    town.write([*WEEKS, 3])
    return town.config.data


@pytest.fixture(scope="module")
def young(tmp_path_factory):
    town = LongTown(tmp_path_factory.mktemp("young"))
    town.write([40, 60, 3])
    return town.config.data


@pytest.fixture
def ring_of(growing, young):
    yield write_ring
    for data in (growing, young):
        for path in data.glob("vitals.db*"):
            path.unlink()


def named(report):
    return {(one.name, one.of): one for one in report.resources}


def test_growth_is_that_of_the_journal(growing):
    report = capacity(growing, time.time_ns(), SizedDisk())
    assert report.whole_days == len(WEEKS)
    assert report.growth_a_day == pytest.approx(2)
    assert report.payments_a_day == pytest.approx(sum(WEEKS[-7:]) / 7 + 2 * 3)
    assert report.records_a_payment == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize(("records", "near"), [(400, True), (20_000, False)])
def test_the_disk_is_full_on_the_day_that_adding_up_finds(growing, records, near):
    grown = size(growing)
    each = grown.file_bytes / grown.records
    left, day = records * each, len(WEEKS) - 1
    found = capacity(growing, time.time_ns(), SizedDisk(int(left) + DISK_LOW_BYTES)).resources[0]
    while left > 0:
        day += 1
        left -= (2 * (20 + 2 * day + 15 / 7) + 1) * each  # two records a purchase, and the day's turn
    assert (found.name, found.assumes) == ("disk", "growth")
    assert found.days == pytest.approx(day - len(WEEKS) + 1, abs=1)
    assert found.near is near


def test_few_days_are_gone_on_with_and_it_is_said(young):
    grown = size(young)
    each = grown.file_bytes / grown.records
    a_day = sum(one.records for one in grown.whole_days) / len(grown.whole_days) * each
    report = capacity(young, time.time_ns(), SizedDisk(int(100 * a_day) + DISK_LOW_BYTES))
    disk = named(report)["disk", ""]
    assert report.whole_days < DAYS_MIN
    assert report.growth_a_day is None
    assert (round(disk.days), disk.assumes) == (100, "pace")
    assert report.fine


@pytest.mark.parametrize(("free", "days", "assumes"), [(DISK_LOW_BYTES, 0.0, "full"), (10**15, None, "far")])
def test_the_ends_of_the_scale(growing, free, days, assumes):
    disk = named(capacity(growing, time.time_ns(), SizedDisk(free, 2 * 10**15)))["disk", ""]
    assert (disk.days, disk.assumes) == (days, assumes)


def test_without_a_node_only_journal_and_disk_speak(growing, ring_of):
    ring_of(growing, time.time_ns() - 10**10)
    report = capacity(growing, time.time_ns(), SizedDisk())
    assert (report.running, report.peak_per_s, list(named(report))) == (False, None, [("disk", "")])


def loaded(number):
    """Loads from 80 to 400 a second: 300 µs a payment, and two hundredths of a core for nothing."""
    payments = 10 + number // 4
    per_s = payments * len(BANKS) / PERIOD_S
    return {
        "payments": payments,
        "cpu_share": 0.02 + 300e-6 * per_s,
        "commits": payments,
        "commit_events": 4.0,
    }


def test_what_a_payment_costs_is_told_from_different_loads(growing, ring_of):
    now_ns = time.time_ns()
    ring_of(growing, now_ns, each=loaded, commit_mean_us=400.0, cpu_wait_share=0.0)
    report = capacity(growing, now_ns, SizedDisk())
    assert report.cpu_payment_us == pytest.approx(300, rel=0.02)
    assert report.loads_per_s[1] > 2 * report.loads_per_s[0]
    disk_s = 400e-6 / 4 * 2  # four events a commit, two a payment
    assert report.peak_per_s == pytest.approx(0.98 / (300e-6 + disk_s), rel=0.02)
    cpu = named(report)["cpu", ""]
    assert cpu.left == pytest.approx(report.peak_per_s - report.payments_per_s)
    assert cpu.left_unit == "payments/s"


def test_who_shares_the_cores_takes_from_what_can_be_reached(growing, ring_of):
    """Waiting for a core as long as having one: all work takes twice its time."""
    now_ns = time.time_ns()
    ring_of(
        growing,
        now_ns,
        each=lambda number: (one := loaded(number)) | {"cpu_wait_share": one["cpu_share"]},
        commit_mean_us=0.0,
    )
    report = capacity(growing, now_ns, SizedDisk())
    assert report.cpu_payment_us == pytest.approx(300, rel=0.02)
    assert report.peak_per_s == pytest.approx(0.96 / 600e-6, rel=0.02)


def test_what_was_carried_can_be_reached(growing, ring_of):
    """A ring of a node that is at its end says so, and no less than it did."""
    now_ns = time.time_ns()
    ring_of(growing, now_ns, cpu_share=0.7, cpu_wait_share=0.5, payments=25)
    report = capacity(growing, now_ns, SizedDisk())
    assert report.peak_per_s == pytest.approx(200, rel=0.05)
    assert named(report)["cpu", ""].left == pytest.approx(0, abs=5)


def test_at_one_load_all_of_the_time_is_the_payments(growing, ring_of):
    now_ns = time.time_ns()
    ring_of(growing, now_ns, cpu_share=0.4, payments=25)  # 200 a second
    assert capacity(growing, now_ns, SizedDisk()).cpu_payment_us == pytest.approx(2000, rel=0.02)


def test_a_slow_bank_has_less_room_than_a_quick_one(growing, ring_of):
    """4 of 4,096 under way at 100 a second: 40 ms each, so 102,400 a second at most; 100 under way: 4,096."""
    now_ns = time.time_ns()
    ring_of(growing, now_ns, **{f"bank.{BANKS[1]}.under_way": 100})
    found = named(capacity(growing, now_ns, SizedDisk()))
    quick, slow = (found["bank", bank] for bank in BANKS)
    assert quick.left == pytest.approx(102_400 - 100, rel=0.02)
    assert slow.left == pytest.approx(4096 - 100, rel=0.02)
    assert slow.days < 3650
    assert (quick.days, quick.assumes) == (None, "far")


def test_the_window_of_a_bank_is_its_cap_now_and_no_end_of_its_room(growing, ring_of):
    """It grows while the bank answers as usual."""
    now_ns = time.time_ns()
    ring_of(growing, now_ns, **{f"bank.{BANKS[0]}.cap": 64})
    bank = named(capacity(growing, now_ns, SizedDisk()))["bank", BANKS[0]]
    assert (bank.limit, bank.share) == (64, 4 / 64)
    assert bank.left == pytest.approx(102_400 - 100, rel=0.02)


def test_the_shortest_comes_first(growing, ring_of):
    now_ns = time.time_ns()
    ring_of(growing, now_ns, connections=4000)
    report = capacity(growing, now_ns, SizedDisk())
    days = [one.days for one in report.resources if one.days is not None]
    assert days == sorted(days)
    assert report.resources[0].name == "connections"
    assert report.resources[0].days <= DAYS_NEAR
    assert not report.fine


def test_memory_is_held_against_what_is_left_to_the_node(growing, ring_of):
    now_ns = time.time_ns()
    ring_of(growing, now_ns, memory_bytes=GIB, memory_free_bytes=3 * GIB)
    memory = named(capacity(growing, now_ns, SizedDisk()))["memory", ""]
    assert (memory.share, memory.left, memory.days, memory.assumes) == (0.25, 3 * GIB, None, "steady")


def test_an_unreadable_ring_is_none(growing, ring_of):
    (growing / "vitals.db").write_bytes(b"nonsense" * 4096)
    assert not capacity(growing, time.time_ns(), SizedDisk()).running


@pytest.mark.parametrize("said", ["text", b"", b"\xc1", msgspec.msgpack.encode({"rung": "high"})])
def test_periods_that_nobody_can_read_are_left_out(growing, ring_of, said):
    now_ns = time.time_ns()
    ring_of(growing, now_ns)
    db = apsw.Connection(str(growing / "vitals.db"))
    db.execute("UPDATE vitals SET gauges = ? WHERE at_ns > ?", (said, now_ns - 10**9))
    db.close()
    report = capacity(growing, now_ns, SizedDisk())
    assert report.running
    assert report.short.resource == NONE
