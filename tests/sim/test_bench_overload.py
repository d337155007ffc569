"""The bench of overload judges its windows rightly, and a process can be held to a share of a core."""

import subprocess
import sys
import time

import pytest
from msgspec.structs import replace

from posswitch.scheme.kinds import SALE
from posswitch.sim import quota
from posswitch.sim.bench_overload import _kept_up, _knee, _usual_ms
from posswitch.sim.bench_side import node_cpu_ns
from posswitch.sim.crowd import Payment, Till, Window
from posswitch.sim.peers.customer import Purchase

MS = 1_000_000
SECONDS = 0.6


def window(tps, wait_ms, refused=0.0):
    payments = []
    for number in range(tps):
        due_ns = number * 1000 * MS // tps
        code = "96" if number < refused * tps else "00"
        payments.append(
            Payment(Till(None), number, Purchase("", "", "", 1), 0, SALE, False, b"", due_ns, due_ns,
                    due_ns + wait_ms * MS, code)
        )  # fmt: skip
    return Window(0, 1000 * MS, payments)


def test_a_node_keeps_up_while_it_approves_before_a_step_ends():
    assert _kept_up(window(100, 5)) == 1.0
    assert _kept_up(window(100, 5, refused=0.1)) == 0.9
    assert _kept_up(window(100, 300)) == pytest.approx(0.8, abs=0.02)


def test_the_knee_is_the_highest_load_that_is_served_as_fast():
    easy, knee, slow, refusing = window(100, 5), window(200, 40), window(300, 60), window(400, 5, 0.01)
    assert _knee([easy, knee, slow, refusing]) == 200
    assert _knee([window(100, 5, 0.5)]) == 0.0


def test_what_is_usual_is_told_by_looks_as_short_as_those_after_the_storm():
    quiet, rough = window(100, 5), window(100, 80)
    assert _usual_ms(quiet) == 5.0
    ten_seconds = [
        replace(one, due_ns=one.due_ns + later_ns, heard_ns=one.heard_ns + later_ns)
        for later_ns in range(0, 10_000 * MS, 1000 * MS)
        for one in (rough if later_ns == 4000 * MS else quiet).payments
    ]
    assert _usual_ms(Window(0, 10_000 * MS, ten_seconds)) == 5.0
    assert _usual_ms(Window(0, 1000 * MS, [])) == 0.0


@pytest.mark.parametrize("groups", [True, False])
def test_a_process_is_held_to_a_share_and_let_go_again(monkeypatch, groups):
    if not groups:  # a machine on which no cgroup may be made
        monkeypatch.setattr(quota, "_mounted", missing)
    busy = subprocess.Popen(("taskset", "-c", "0", sys.executable, "-S", "-c", "while True: pass"))
    try:
        time.sleep(0.3)
        with quota.held_to(busy.pid, 0.25) as held:
            assert 0 < held.share <= 0.5
            assert groups or "neighbours" in held.how
            began, spent = time.perf_counter_ns(), node_cpu_ns(busy.pid)
            time.sleep(SECONDS)
            share = (node_cpu_ns(busy.pid) - spent) / (time.perf_counter_ns() - began)
            assert share <= 2 * held.share
    finally:
        busy.kill()
        busy.wait()


def missing(kind, controller):
    raise FileNotFoundError(kind)
