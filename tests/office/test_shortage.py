"""The short resource is named: each planted once in a ring that the real Vitals have written."""

import time

import pytest
from written_city import write_city

from capacity_scene import BANKS, GIB, SizedDisk, write_ring
from posswitch.base.bounds import LANE_ITEMS_MAX
from posswitch.office.capacity import capacity
from posswitch.office.shortage import NONE, RULES
from posswitch.settings.config import load_config

BANK = BANKS[1]
LOW = SizedDisk(free_bytes=200 << 20)
WIDE = SizedDisk()

# rule → resource, whose, what is planted, the disk
PLANTED = {
    "disk-low": ("disk", "", {}, LOW),
    "memory-tight": ("memory", "", {"memory_bytes": 4 * GIB, "memory_free_bytes": GIB // 4}, WIDE),
    "hsm-away": ("hsm", "", {"hsm_ready": 0}, WIDE),
    "hsm-full": ("hsm", "", {"hsm_under_way": 4000}, WIDE),
    "connections-full": ("connections", "", {"connections": 4000}, WIDE),
    "descriptors-full": ("descriptors", "", {"descriptors": 1000}, WIDE),
    "fsync-slow": (
        "fsync", "", {"rung": 3, "cpu_share": 0.2, "commits": 12, "commit_mean_us": 15_000.0}, WIDE,
    ),
    "cpu-busy": ("cpu", "", {"rung": 2, "cpu_share": 0.93}, WIDE),
    "cpu-taken": ("cpu", "", {"rung": 1, "cpu_share": 0.2, "cpu_wait_share": 0.7}, WIDE),
    "link-none": ("link", BANK, {f"bank.{BANK}.links_able": 0}, WIDE),
    "bank-full": ("bank", BANK, {f"bank.{BANK}.under_way": 250, f"bank.{BANK}.cap": 256}, WIDE),
    "bank-owes": (
        "bank", BANK, {f"bank.{BANK}.lane": LANE_ITEMS_MAX, f"bank.{BANK}.lane_age_s": 7200.0}, WIDE,
    ),
    "link-few": ("link", BANK, {f"bank.{BANK}.links_able": 1}, WIDE),
}  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("short")
    write_city(folder)
    return load_config(folder / "posswitch.toml").data


@pytest.fixture
def data(written):
    yield written
    for path in written.glob("vitals.db*"):
        path.unlink()


def looked(data, disk=WIDE, **planted):
    now_ns = time.time_ns()
    write_ring(data, now_ns, **planted)
    return capacity(data, now_ns, disk)


def test_a_node_that_is_well_lacks_nothing(data):
    report = looked(data)
    assert (report.short.resource, report.shortages, report.fine) == (NONE, [], True)


def test_each_rule_is_planted():
    assert list(PLANTED) == [rule.name for rule in RULES]


@pytest.mark.parametrize("rule", PLANTED)
def test_what_is_short_is_named(data, rule):
    resource, of, planted, disk = PLANTED[rule]
    report = looked(data, disk, **planted)
    assert [(one.resource, one.of, one.rule) for one in report.shortages] == [(resource, of, rule)]
    assert report.short is report.shortages[0]
    assert not report.fine


def test_who_is_turned_away_counts_though_connections_left_again(data):
    report = looked(data, each=lambda number: {"count.gate-full": max(0, number - 140)})
    assert report.short.rule == "connections-full"
    assert report.short.figures["refused"] == 19


def test_of_two_the_one_that_stops_more_is_named_first(data):
    planted = PLANTED["cpu-busy"][2] | PLANTED["hsm-away"][2]
    report = looked(data, **planted)
    assert [one.rule for one in report.shortages] == ["hsm-away", "cpu-busy"]


def test_a_moment_is_no_shortage(data):
    report = looked(data, each=lambda number: {"rung": 3, "cpu_share": 1.0} if number > 156 else {})
    assert report.short.resource == NONE


def test_what_has_passed_is_no_shortage_but_is_remembered(data):
    report = looked(data, each=lambda number: {"connections": 4000} if number < 40 else {})
    assert report.short.resource == NONE
    (connections,) = (one for one in report.resources if one.name == "connections")
    assert (connections.used, round(connections.most, 3)) == (100, round(4000 / 4096, 3))


def test_where_others_have_the_cores_the_disk_is_not_blamed(data):
    """Commits are timed by the clock: they take long when nobody lets the node run."""
    planted = {"rung": 2, "cpu_share": 0.15, "cpu_wait_share": 0.8, "commits": 25, "commit_mean_us": 8000.0}
    assert looked(data, **planted).short.rule == "cpu-taken"


@pytest.mark.parametrize(("cpu", "rule"), [(0.8, NONE), (0.9, "cpu-busy")])
def test_without_time_left_it_is_short_before_anybody_is_refused(data, cpu, rule):
    assert looked(data, cpu_share=cpu, cpu_wait_share=0.0, commits=0).short.rule == rule
