"""A node raises its limit of open files to what its caps need, or serves fewer terminals."""

import asyncio
import resource
import sys

import pytest
from edge_till import Cable
from edge_town import Town, until

from posswitch.base.bounds import CONNECTIONS_MAX
from posswitch.edge.start import foreseen
from posswitch.edge.supervisor import Supervisor
from posswitch.settings import descriptors
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.settings.descriptors import DESCRIPTORS_NEEDED, connections_for

NODE = (sys.executable, "-m", "posswitch.cli.node")
FEW = 128


@pytest.fixture
def limited(runner, tmp_path, request):
    """A town whose node is started with so many open files, soft and hard."""
    town = runner.run(Town.open(tmp_path))
    runner.run(town.supervisor.stop())
    town.supervisor = Supervisor(town.city.config, ("prlimit", f"--nofile={request.param}", *NODE))
    runner.run(town.supervisor.start())
    runner.run(town.linked())
    yield town
    runner.run(town.close())


def log(town):
    return (town.city.data / "node.log").read_text()


@pytest.mark.parametrize("limited", ["64:20000"], indirect=True)
async def test_a_low_soft_limit_is_raised_to_what_the_caps_need(limited):
    assert resource.prlimit(limited.supervisor.node_pid, resource.RLIMIT_NOFILE)[0] == DESCRIPTORS_NEEDED
    assert "descriptors" not in log(limited)


@pytest.mark.parametrize("limited", [f"{FEW}:{FEW}"], indirect=True)
async def test_where_it_may_not_there_are_fewer_connections_and_the_banks_keep_theirs(limited):
    assert f'"connections": {connections_for(FEW)}' in log(limited)
    crowd = [await Cable.dial(limited.city.node) for _ in range(FEW)]
    till = await limited.till()
    for number in range(3):
        await limited.approved(till, limited.bought())
        await asyncio.sleep(0.3 * number)
    await until(lambda: limited.gauges().get("count.gate-crowded-out", 0) >= FEW - connections_for(FEW))
    gauges = limited.gauges()
    assert gauges["links_up"] == 8
    assert "count.link-lost" not in gauges
    for cable in crowd:
        await cable.pulled()


def test_a_check_says_when_too_few_files_may_be_open(switch, monkeypatch):
    config = load_config(switch.city.config)
    few = {resource.RLIMIT_NOFILE: (1024, 1024)}
    monkeypatch.setattr(descriptors, "getrlimit", few.get)
    (said,) = [one for one in foreseen(config, SystemClock()) if one.key == "listen"]
    assert not said.stops
    assert f"1024 open files are allowed here, {DESCRIPTORS_NEEDED} are needed" in str(said)
    few[resource.RLIMIT_NOFILE] = (64, resource.RLIM_INFINITY)
    assert [one for one in foreseen(config, SystemClock()) if one.key == "listen"] == []


def test_banks_and_files_keep_their_descriptors():
    assert connections_for(DESCRIPTORS_NEEDED) == CONNECTIONS_MAX
    assert connections_for(10 * DESCRIPTORS_NEEDED) == CONNECTIONS_MAX
    for few in (16, 256, 1024, 4096):
        assert 0 < connections_for(few) <= few // 2 or few - connections_for(few) >= 1024
