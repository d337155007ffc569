"""What a node says of its resources: held against what the kernel, the banks and the journal say of it."""

import asyncio
import resource
import time
from itertools import pairwise
from pathlib import Path

import apsw
import msgspec
from edge_town import until

from posswitch.base.bounds import CONNECTIONS_MAX, HSM_UNDER_WAY_MAX, OPEN_PER_BANK_MAX, WINDOW_MIN
from posswitch.base.moment import NS_PER_S
from posswitch.edge.footprint import Footprint
from posswitch.edge.strain import Commits
from posswitch.engine.lanes import Lane
from posswitch.office.capacity import capacity
from posswitch.office.shortage import NONE
from posswitch.sim.bench_side import node_cpu_ns

TILLS, BUSY_S = 8, 1.5
_PERIOD_NS = 250_000_000
PAGE_BYTES = resource.getpagesize()


def rows(town, since_ns=0):
    """The gauges of every period since, with its end."""
    db = apsw.Connection(str(town.city.data / "vitals.db"), flags=apsw.SQLITE_OPEN_READONLY)
    found = list(db.execute("SELECT at_ns, gauges FROM vitals WHERE at_ns > ? ORDER BY at_ns", (since_ns,)))
    db.close()
    return [(at_ns, msgspec.msgpack.decode(gauges)) for at_ns, gauges in found]


async def busy(town, seconds=BUSY_S):
    """Shops that sell at once, as fast as their bank answers; how many sales there were."""
    ends_s = time.monotonic() + seconds

    async def sells(till):
        sales = 0
        while time.monotonic() < ends_s:
            await town.approved(till, town.bought())
            sales += 1
        return sales

    return sum(await asyncio.gather(*[sells(await town.till()) for _ in range(TILLS)]))


def open_descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_bytes(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def test_commits_are_those_of_the_period():
    commits = Commits()
    commits.noted(300_000, 4)
    commits.noted(900_000, 8)
    assert commits.gauges() == {
        "commits": 2, "commit_mean_us": 600.0, "commit_worst_us": 900.0, "commit_events": 6.0,
    }  # fmt: skip
    assert set(commits.gauges().values()) == {0}


def test_the_oldest_of_a_lane_is_the_one_that_came_first():
    lane = Lane()
    assert lane.oldest == 0
    for payment in (7, 9, 8):
        lane.add(payment, b"card %d" % payment, deferred=False)
    lane.remove(7, b"card 7")
    assert lane.oldest == 9


def test_a_footprint_is_of_its_period_alone(tmp_path):
    footprint = Footprint(tmp_path)
    ends_s = time.process_time() + 0.2
    while time.process_time() < ends_s:
        pass
    assert footprint.gauges()["cpu_share"] > 0.05
    time.sleep(0.2)
    idle = footprint.gauges()
    assert idle["cpu_share"] < 0.05
    assert "journal_bytes" not in idle, "there is none"


async def test_the_share_of_a_core_is_the_one_that_the_kernel_counts(switch):
    pid = switch.supervisor.node_pid
    began_ns, spent_ns = time.time_ns(), node_cpu_ns(pid)
    await busy(switch)
    spent_ns, ended_ns = node_cpu_ns(pid) - spent_ns, time.time_ns()
    await until(lambda: switch.gauges(ended_ns + _PERIOD_NS))
    told = rows(switch)
    inside = around = 0.0
    for (before_ns, _), (at_ns, gauges) in pairwise(told):
        share_ns = gauges["cpu_share"] * (at_ns - before_ns)
        inside += share_ns if before_ns >= began_ns and at_ns <= ended_ns else 0
        around += share_ns if at_ns > began_ns and before_ns < ended_ns else 0
    assert inside > 0
    assert inside * 0.95 <= spent_ns <= around * 1.05


async def test_commits_hold_every_record(switch):
    at_ns, records = time.time_ns(), len(switch.records())
    sales = await busy(switch)
    ended_ns = time.time_ns()
    await until(lambda: switch.gauges(ended_ns + _PERIOD_NS))
    told = [gauges for _, gauges in rows(switch, at_ns - _PERIOD_NS)]
    events = sum(gauges["commits"] * gauges["commit_events"] for gauges in told)
    wrote = [gauges for gauges in told if gauges["commits"]]
    assert events >= len(switch.records()) - records >= 2 * sales
    assert all(0 < gauges["commit_mean_us"] <= gauges["commit_worst_us"] for gauges in wrote)


async def test_connections_and_descriptors_are_counted_with_their_caps(switch):
    before = switch.gauges()
    cables = [await switch.cable() for _ in range(5)]
    await until(lambda: switch.gauges()["descriptors"] >= before["descriptors"] + len(cables))
    gauges = switch.gauges()
    assert gauges["connections_cap"] == CONNECTIONS_MAX
    assert gauges["hsm_cap"] == HSM_UNDER_WAY_MAX
    assert gauges["descriptors_cap"] >= gauges["descriptors"]
    assert abs(gauges["descriptors"] - open_descriptors(switch.supervisor.node_pid)) <= 3
    for cable in cables:
        await cable.pulled()


async def test_memory_and_files_are_those_of_the_machine(switch):
    gauges = switch.gauges()
    assert abs(gauges["memory_bytes"] - resident_bytes(switch.supervisor.node_pid)) < 16 << 20
    assert gauges["memory_free_bytes"] > 0
    await until(lambda: switch.gauges()["wal_bytes"] == (switch.city.data / "journal.db-wal").stat().st_size)
    assert switch.gauges()["journal_bytes"] == (switch.city.data / "journal.db").stat().st_size


async def test_a_bank_that_is_silent_shows_what_waits_for_it(switch):
    bank = switch.banks[0]
    name = f"bank.{bank.plan.id}."
    till, bank.acks = await switch.till(), ""
    asked = await switch.forwarded(till, switch.bought())
    await until(lambda: switch.gauges()[f"{name}under_way"] == 1)
    assert WINDOW_MIN <= switch.gauges()[f"{name}cap"] <= OPEN_PER_BANK_MAX
    assert (await till.answer()).fields[39] == "98"
    await until(lambda: switch.gauges()[f"{name}lane"] == 1)
    await until(lambda: switch.gauges()[f"{name}lane_age_s"] > 0.3)
    assert switch.gauges()[f"{name}lane_age_s"] < 60
    bank.acks = "00"
    await until(lambda: switch.gauges()[f"{name}lane"] == 0)
    assert switch.gauges()[f"{name}lane_age_s"] == 0
    await until(lambda: switch.gauges()[f"{name}under_way"] == 0)
    bank.answer(asked)  # late: nobody waits for it


async def test_a_link_that_is_gone_is_not_able(switch):
    bank = switch.banks[1]
    name = f"bank.{bank.plan.id}."
    assert switch.gauges()[f"{name}links_able"] == switch.gauges()[f"{name}links"] == 2
    bank.close()
    await until(lambda: switch.gauges()[f"{name}links_able"] == 0)
    assert switch.gauges()[f"{name}links"] == 2
    await bank.open()
    await until(lambda: switch.gauges()[f"{name}links_able"] == 2)


async def test_capacity_looks_at_a_node_under_load(lone_switch):
    """Its CPU a payment is what the kernel counts, beats and vitals aside."""
    town, pid = lone_switch, lone_switch.supervisor.node_pid
    spent_ns = node_cpu_ns(pid)
    sales = await busy(town, 2 * BUSY_S)
    spent_ns = node_cpu_ns(pid) - spent_ns
    await asyncio.sleep(2 * _PERIOD_NS / NS_PER_S)
    report = capacity(town.city.data, time.time_ns())
    found = {(one.name, one.of): one for one in report.resources}
    assert report.running
    assert report.short.resource in (NONE, "cpu", "fsync"), report.short
    assert report.payments_per_s > 0
    assert 0.2 < report.cpu_payment_us / (spent_ns / 1000 / sales) < 5
    assert 0 < report.peak_per_s < 1e6 / report.cpu_payment_us
    assert 0 < found["cpu", ""].most < 1.1
    assert WINDOW_MIN <= found["bank", town.banks[0].plan.id].limit <= OPEN_PER_BANK_MAX
