"""Blows fall only on a switch that serves, with sales of its present life in flight."""

import asyncio
import os
import time
from types import SimpleNamespace

import pytest

from posswitch.sim import striker as room
from posswitch.sim.striker import Striker


class Streets:
    """One sale, sent at `sent_ns`."""

    def __init__(self):
        self.sent_ns = time.time_ns()

    def in_flight(self, since_ns):
        return [("10000001", 100)] if self.sent_ns > since_ns else []

    def at_a_bank(self, sales):
        return bool(sales)


class Switch:
    """Counts the blows, and knows who serves."""

    def __init__(self):
        self.pid = None
        self.blows = 0

    def serves(self, pid):
        self.pid = pid

    def kill(self):
        self.blows += 1


@pytest.fixture
def scene(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_SALE_SECONDS_MAX", 0.05)
    monkeypatch.setattr(room, "_AWAY_SECONDS_MAX", 0.05)
    streets, switch = Streets(), Switch()
    monkeypatch.setattr(room, "serving_pid", lambda config: switch.pid)
    return streets, switch, Striker(SimpleNamespace(data=tmp_path), streets, switch, seed=1)


def test_a_switch_that_serves_nobody_is_not_struck(scene):
    streets, switch, striker = scene
    streets.sent_ns = 0
    switch.serves(os.getpid())
    assert not asyncio.run(striker.strike())
    assert (switch.blows, striker.in_flight) == (0, [])


def test_a_switch_that_is_away_is_not_struck(scene):
    _, switch, striker = scene
    assert not asyncio.run(striker.strike())
    assert (switch.blows, striker.in_flight) == (0, [])


def test_it_has_recovered_when_another_process_serves_and_old_sales_count_no_more(scene):
    _, switch, striker = scene
    switch.serves(os.getpid())
    assert asyncio.run(striker.strike())
    assert not asyncio.run(striker.recovered())
    switch.serves(os.getppid())
    assert asyncio.run(striker.recovered())
    assert not asyncio.run(striker.strike())
    assert (switch.blows, striker.in_flight, len(striker.away_seconds)) == (1, [1], 1)


def test_the_moments_fill_the_hours_in_order(scene):
    moments = list(scene[2].moments(20, 60.0))
    assert len(moments) == 20
    assert moments == sorted(moments)
    assert 0 < moments[0] < moments[-1] < 60
