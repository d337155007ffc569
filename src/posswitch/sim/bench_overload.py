"""Measures a node under more load than it can carry: what it approves, whom it answers, how it recovers.

The node is held to a share of one core, so that one generator on the other can offer many times its peak. The
load is an open loop: payments leave at moments drawn beforehand, whatever the answers do.
"""

import asyncio
import gc
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from posswitch.base.moment import NS_PER_S
from posswitch.edge.loop import run_fast
from posswitch.sim.bench_codec import yardstick_us
from posswitch.sim.bench_side import node_cpu_ns
from posswitch.sim.crowd import Crowd, Payment, Window, tick_ns
from posswitch.sim.quota import held_to
from posswitch.sim.square import Square, opened_square
from posswitch.sim.window import approved_tps, offered_tps, sales, share, told, wait_ms

_TERMINALS, _LINES = 1024, 32
_SHARE = 0.3  # of one core for the node
_FIRST_TPS, _GROWTH, _GROWTH_FINE, _TPS_MAX = 200.0, 1.4, 1.1, 50_000.0
_KEPT_UP = 0.95  # of what was offered: less, and the peak is passed
_SOON_NS = NS_PER_S // 10
_KNEE_SHARE, _KNEE_WAIT = 0.999, 10.0  # approved; times the wait at little load
_BASE, _STORMS = 0.8, (2.0, 5.0)  # times the peak
_AHEAD_S = 15.0  # of payments made before the storm for the time after it
_LOOK_S, _GOOD_LOOKS, _RECOVERY_SECONDS_MAX = 0.5, 2, 60.0
_USUAL = 0.9  # of the looks at the base have a p99 of at most what is called usual
_BACK, _BACK_MS = 1.25, 5.0  # p99 is back within this factor of what is usual, or so near to it
_FINISH_SECONDS_MAX = 120.0


class _Hours(NamedTuple):
    """How long everything takes, in seconds."""

    step: float
    level: float
    cool: float


_FULL, _QUICK = _Hours(5.0, 60.0, 3.0), _Hours(2.0, 5.0, 1.0)


def run(quick: bool, seed: int, share_of_core: float = _SHARE) -> dict[str, Any]:
    """The figures: rates a second, ms, seconds; `goodput` = approved in time over the peak of this run.

    The peak is what a whole level carries at the height of the climb: in the few seconds of a step the node
    still has a young journal and an empty queue.
    """
    gc_was = gc.isenabled()
    gc.disable()  # a generator that stops to look for garbage sends late; nothing here is in cycles
    try:
        with tempfile.TemporaryDirectory(prefix="posswitch-bench-") as folder:
            return run_fast(_measured(Path(folder), _QUICK if quick else _FULL, seed, share_of_core))
    finally:
        if gc_was:
            gc.enable()


async def _measured(folder: Path, hours: _Hours, seed: int, share_of_core: float) -> dict[str, Any]:
    async with opened_square(folder, seed, _TERMINALS) as square:
        crowd = Crowd(square.city, square.city.fittings, _LINES, random.Random(seed))  # noqa: S311
        with held_to(square.pid, share_of_core) as quota:
            await crowd.connect(square.at)
            steps = await _climb(crowd, hours)
            height = max(approved_tps(step, crowd.patience_ns) for step in steps)
            summit = await _level(square, crowd, hours, height)
            peak = approved_tps(summit.window, crowd.patience_ns)
            base = await _level(square, crowd, hours, _BASE * peak)
            levels = {_BASE: base, 1.0: summit}
            for times in _STORMS:
                await asyncio.sleep(hours.cool)
                await crowd.prepare(int((times * hours.level + _BASE * _AHEAD_S) * peak))
                levels[times] = await _level(square, crowd, hours, times * peak, calm=times != _STORMS[-1])
            back = await _recovery(crowd, _BASE * peak, _usual_ms(base.window))
        books = await square.closed_books([crowd], _FINISH_SECONDS_MAX)
    return {
        "peak_tps": round(peak, 1),
        **{
            f"goodput_{times:g}x": round(approved_tps(levels[times].window, crowd.patience_ns) / peak, 3)
            for times in _STORMS
        },
        "unanswered": crowd.counts["unanswered"] + crowd.counts["reversals unanswered"],
        **back,
        "reversals_shed": _shed(crowd.counts),
        "knee_tps": round(_knee(steps), 1),
        "p99_ms": {f"{times:g}x": wait_ms(sales(level.window), 99) for times, level in levels.items()},
        "levels": {f"{times:g}x": level.told(crowd.patience_ns) for times, level in levels.items()},
        "steps": [told(step, crowd.patience_ns) for step in steps],
        "counts": dict(sorted(crowd.counts.items())),
        "books": books,
        "cpu_quota": quota.share,
        "cpu_held_by": quota.how,
        "patience_s": crowd.patience_ns / NS_PER_S,
        "level_s": hours.level,
        "pyiso8583_us": yardstick_us() or 0.0,
        "seed": seed,
    }


class _Level(NamedTuple):
    """One load for a while, and what the node spent on it."""

    window: Window
    node_ns: int

    def told(self, patience_ns: int) -> dict[str, Any]:
        """In figures."""
        took_ns = self.window.ended_ns - self.window.began_ns
        approved = sum(one.code == "00" for one in self.window.payments)
        return {
            **told(self.window, patience_ns),
            "node_core_share": round(self.node_ns / took_ns, 3),
            "node_cpu_us_per_approval": round(self.node_ns / 1000 / max(approved, 1), 1),
        }


async def _level(square: Square, crowd: Crowd, hours: _Hours, tps: float, *, calm: bool = True) -> _Level:
    """A load for a while; afterwards calm, unless the next follows at once."""
    spent_ns = node_cpu_ns(square.pid)
    window = await crowd.offer(tps, hours.level)
    spent_ns = node_cpu_ns(square.pid) - spent_ns
    if calm:
        await crowd.calm()
    return _Level(window, spent_ns)


async def _climb(crowd: Crowd, hours: _Hours) -> list[Window]:
    """Rising loads until the node no longer keeps up; then again in smaller steps from the last good one."""
    steps: list[Window] = []
    tps, good_tps = _FIRST_TPS, _FIRST_TPS / _GROWTH_FINE
    for growth in (_GROWTH, _GROWTH_FINE):
        while tps < _TPS_MAX:
            step = await crowd.offer(tps, hours.step)
            await crowd.calm()
            steps.append(step)
            if _kept_up(step) < _KEPT_UP:
                break
            good_tps, tps = tps, tps * growth
        tps = good_tps * _GROWTH_FINE
    return steps


def _kept_up(step: Window) -> float:
    """The share of its payments that were approved before the step had ended, or soon after."""
    until_ns = step.ended_ns + _SOON_NS
    return sum(one.code == "00" and one.heard_ns <= until_ns for one in step.payments) / max(
        len(step.payments), 1
    )


def _knee(steps: Sequence[Window]) -> float:
    """The highest load at which everybody was approved about as fast as at little load."""
    limit_ms = _KNEE_WAIT * wait_ms(sales(steps[0]), 99)
    easy = [
        offered_tps(step)
        for step in steps
        if share(sales(step), "00") >= _KNEE_SHARE and wait_ms(sales(step), 99) <= limit_ms
    ]
    return max(easy, default=0.0)


def _usual_ms(base: Window) -> float:
    """The p99 of a look at the base, as nine of ten looks have it at most."""
    look_ns = int(_LOOK_S * NS_PER_S)
    looks: dict[int, list[Payment]] = {}
    for one in sales(base):
        looks.setdefault((one.due_ns - base.began_ns) // look_ns, []).append(one)
    waits = sorted(wait_ms(look, 99) for look in looks.values())
    return waits[int((len(waits) - 1) * _USUAL)] if waits else 0.0


async def _recovery(crowd: Crowd, tps: float, base_ms: float) -> dict[str, Any]:
    """Right after the storm a bearable load: how long until it is served as before."""
    limit_ms = max(_BACK * base_ms, base_ms + _BACK_MS)
    looks: list[Window] = []
    good = 0
    began_ns = tick_ns()
    while tick_ns() - began_ns < _RECOVERY_SECONDS_MAX * NS_PER_S:
        looks.append(await crowd.offer(tps, _LOOK_S))
        if len(looks) < 2:
            continue
        seen = sales(looks[-2])  # the payments of the last one may still be under way
        back = share(seen, "00") >= _KNEE_SHARE and wait_ms(seen, 99) <= limit_ms
        good = good + 1 if back else 0
        if good == _GOOD_LOOKS:
            first = looks[-1 - _GOOD_LOOKS]
            return {"recovery_s": round((first.began_ns - began_ns) / NS_PER_S, 2), "recovered": True}
    return {"recovery_s": _RECOVERY_SECONDS_MAX, "recovered": False}


def _shed(counts: Counter[str]) -> int:
    """Reversals that the node refused or did not answer, each try counted."""
    return counts["reversals refused 96"] + counts["reversals unanswered"]
