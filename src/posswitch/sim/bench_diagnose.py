"""Measures the diagnosis on the proving ground: what it sees, how soon, whether it is right, what it costs.

The figures at the top are those of kinds and combinations that nobody tuned on. Cases are independent and
drawn from the seed, so that they can be played side by side.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.centre import Centre
from posswitch.diagnose.signals import Atlas
from posswitch.journal.vitals import PERIOD_NS
from posswitch.sim.unrest.audience import Diagnosis, Seen, watch
from posswitch.sim.unrest.bench_deck import (
    CALM,
    FAMILY,
    HARD,
    HELD,
    LADDER,
    LEVELS,
    TUNED,
    Dealt,
    deal,
)
from posswitch.sim.unrest.cases import population, town_of
from posswitch.sim.unrest.figures import (
    Part,
    by_kind,
    confusion,
    rivals,
    share_of,
    times,
)
from posswitch.sim.unrest.hard import looked_into
from posswitch.sim.unrest.marks import calibration
from posswitch.sim.unrest.quiet import SLICES, Rung, Slices, rung
from posswitch.sim.unrest.town import Plan
from posswitch.sim.unrest.traffic import shape
from posswitch.sim.unrest.world import World

_WORKERS = 2
_WEEKS, _QUICK_HOURS, _WEEK_HOURS = 4, 3.0, 168.0
_LOOKED_INTO_MAX, _LOOKED_INTO_QUICK = 24, 4  # of what rang in the quiet weeks; more are drawn from
_BUSY_TPS, _BUSY_HOUR, _BUSY_WARM_S, _BUSY_S = 10_000.0, 34.0, 10.0, 8.0
_RUNG_NUMBERS = 90_000


def run(quick: bool, seed: int, make: Callable[[Atlas], Diagnosis] = Centre) -> dict[str, Any]:
    """The figures; seconds unless a name says otherwise, shares of 1."""
    began = time.perf_counter()
    dealt = deal(quick, seed)
    with ProcessPoolExecutor(max_workers=min(_WORKERS, os.cpu_count() or 1)) as pool:
        seen = _played(pool, dealt, make)
        hours, rang = _quiet(pool, quick, seed)
        looks = _LOOKED_INTO_QUICK if quick else _LOOKED_INTO_MAX
        calm = _looked_into(pool, rang, seed, looks, make)
    busy = _busy(seed, make, _BUSY_S / 4 if quick else _BUSY_S)
    figures = _told(seen)
    weeks = hours / _WEEK_HOURS
    figures |= {
        "false_incidents_per_week": round(calm / weeks, 2),
        "quiet": {
            "weeks": round(weeks, 3), "slices": SLICES, "rang_per_week": round(len(rang) / weeks, 1),
            "rang_of_one_terminal": sum(one.stubborn for one in rang), "incidents": calm,
        },
        **busy,
        "seed": seed,
        "cases": len(dealt),
        "took_s": round(time.perf_counter() - began, 1),
    }  # fmt: skip
    return figures


# Playing


def _played(
    pool: ProcessPoolExecutor, dealt: Sequence[Dealt], make: Callable[[Atlas], Diagnosis]
) -> list[tuple[str, Seen]]:
    """Every case as it was seen; those of one plan in a few bundles, so that each process warms few towns."""
    bundles = list(_bundles(dealt))
    found: list[tuple[str, Seen]] = []
    for bundle, seen in zip(bundles, pool.map(partial(_play, make), bundles), strict=True):
        found += zip((one.part for one in bundle), seen, strict=True)
    return found


def _bundles(dealt: Sequence[Dealt]) -> Iterable[list[Dealt]]:
    """The largest first."""
    by_plan: dict[Plan, list[Dealt]] = {}
    for one in dealt:
        by_plan.setdefault(one.case.plan, []).append(one)
    return sorted(by_plan.values(), key=len, reverse=True)


def _play(make: Callable[[Atlas], Diagnosis], bundle: Sequence[Dealt]) -> list[Seen]:
    return [watch(one.case, make) for one in bundle]


def _quiet(pool: ProcessPoolExecutor, quick: bool, seed: int) -> tuple[float, list[Rung]]:
    """How many hours, and what rang in them."""
    weeks, hours = (2, _QUICK_HOURS) if quick else (_WEEKS, _WEEK_HOURS)
    rang = pool.map(partial(_week, seed, hours), range(weeks))
    return weeks * hours, [one for week in rang for one in week]


def _week(seed: int, hours: float, number: int) -> list[Rung]:
    slices = Slices(town_of(1), population(1), np.random.default_rng((seed, 13)))
    return rung(slices, number, seed, hours)


def _looked_into(
    pool: ProcessPoolExecutor,
    rang: Sequence[Rung],
    seed: int,
    looks: int,
    make: Callable[[Atlas], Diagnosis],
) -> float:
    """How many incidents the whole diagnosis would have made of what rang."""
    some = list(rang)
    if len(some) > looks:
        chosen = np.random.default_rng((seed, 14)).choice(len(some), looks, replace=False)
        some = [some[int(place)] for place in sorted(chosen)]
    cases = [
        Dealt(CALM, looked_into(seed * 100_000 + _RUNG_NUMBERS + number, one))
        for number, one in enumerate(some)
    ]
    halves = [half for half in (cases[::2], cases[1::2]) if half]
    incidents = sum(one.verdict.false for half in pool.map(partial(_play, make), halves) for one in half)
    return incidents * len(rang) / max(len(some), 1)


def _busy(seed: int, make: Callable[[Atlas], Diagnosis], seconds: float) -> dict[str, float]:
    """What a look costs at ten thousand payments a second, in CPU time of this process."""
    world = World(Plan(seed, _BUSY_TPS / shape(_BUSY_HOUR), _BUSY_HOUR))
    warm = [moment.tick for moment in world.run(_BUSY_WARM_S, 1.0)]
    ticks = [moment.tick for moment in world.run(seconds)]
    atlas = Atlas(world.town.sites)
    atlas.know(world.town.names.list)
    diagnosis = make(atlas)
    for tick in warm:
        diagnosis.look(tick)
    began = time.process_time()
    for tick in ticks:
        diagnosis.look(tick)
    spent = time.process_time() - began
    outcomes = sum(len(tick.outcomes) for tick in ticks)
    return {
        "cpu_share_10k": round(spent / (len(ticks) * PERIOD_NS / NS_PER_S), 4),
        "cpu_at_tps": round(outcomes / seconds, 0),
    }


# Telling


def _told(seen: Sequence[tuple[str, Seen]]) -> dict[str, Any]:
    parts = {
        name: Part([one for part, one in seen if part in which])
        for name, which in {
            "unseen": (HELD, FAMILY), "held_out": (HELD,), "held_out_family": (FAMILY,), "tuned": (TUNED,),
            "hard": (HARD,), "ladder": (LADDER,), "calm": (CALM,),
        }.items()
    }  # fmt: skip
    faults = Part([one for part, one in seen if part != CALM])
    unseen, ladder = parts["unseen"], parts["ladder"]
    levels = {level: [mark for mark in ladder.marks if mark.truth.severity == level] for level in LEVELS}
    return {
        "place_top1": unseen.share("place"),
        "cause_top1": unseen.share("cause"),
        "kind_top1": unseen.share("kind"),
        "detect_total_s": times(levels[1.0])["median"],
        "detect_30_s": times(levels[0.3])["median"],
        "detect_10_s": times(levels[0.1])["median"],
        "incidents_per_fault": faults.incidents_per_fault,
        "harmful_actions": sum(one.verdict.harmful for _, one in seen),
        "inconclusive": share_of([not mark.answered for mark in faults.marks if mark.seen]),
        "calibration_error": round(calibration(faults.doubts), 4),
        "answer_ms": faults.answer_ms,
        "false_in_cases": sum(one.verdict.false for part, one in seen if part != CALM),
        "false_in_calm": {
            "incidents": parts["calm"].false, "hours": round(parts["calm"].well_s / 3600, 2),
        },
        "look_ms": round(1000 * median([one.look_s / one.case.seconds / 4 for _, one in seen]), 3),
        "parts": {name: part.figures() for name, part in parts.items() if part.marks},
        "families": {
            family: Part([one for part, one in seen if part == HARD and one.case.family == family]).figures()
            for family in dict.fromkeys(one.case.family for part, one in seen if part == HARD)
        },
        "ladder": {f"{level:g}": times(marks) for level, marks in levels.items()},
        "detection": faults.detection(),
        "causes": confusion(faults.marks),
        "kinds": by_kind(parts["tuned"].marks),
        "rivals": rivals([one for part, one in seen]),
    }  # fmt: skip


def lines(figures: dict[str, Any]) -> Iterable[str]:
    """The figures for people."""
    tables = ("parts", "families", "detection", "causes", "kinds", "rivals", "ladder")
    for name, value in figures.items():
        if name not in tables:
            yield f"{name:<26} {value}"
    for name in tables:
        if figures.get(name):
            yield ""
            yield from _table(name, figures[name])


def _table(name: str, rows: dict[str, dict[str, Any]]) -> Iterable[str]:
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    cells = {key: [_cell(row.get(column, "")) for column in columns] for key, row in rows.items()}
    widths = [
        max(len(column), *(len(row[place]) for row in cells.values())) for place, column in enumerate(columns)
    ]
    first = max(len(name), *(len(key) for key in rows))
    yield f"{name:<{first}}  " + "  ".join(
        f"{one:>{width}}" for one, width in zip(columns, widths, strict=True)
    )
    for key, row in cells.items():
        yield f"{key:<{first}}  " + "  ".join(
            f"{one:>{width}}" for one, width in zip(row, widths, strict=True)
        )


def _cell(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
