"""Who looks on while a case is played: a diagnosis, and the rivals beside it."""

import copy
import functools
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from posswitch.diagnose.incident import Incident
from posswitch.diagnose.signals import Atlas, Tick
from posswitch.sim.unrest.cases import Case, Play, play, population, warmed
from posswitch.sim.unrest.marks import SETTLED_S, Judge, Sighting, Verdict, counts
from posswitch.sim.unrest.rivals import Bell, Rivals
from posswitch.sim.unrest.town import Plan


class Diagnosis(Protocol):
    """What is proven here."""

    def look(self, tick: Tick) -> list[Incident]:
        """Takes one tick in; the incidents that have changed."""


Make = Callable[[Atlas], Diagnosis]


class Seen(NamedTuple):
    """A case as it was seen."""

    case: Case
    verdict: Verdict
    bells: tuple[Bell, ...]
    seconds: float  # that were well
    look_s: float  # of a core


class Watching:
    """Follows the incidents of one case."""

    def __init__(self) -> None:
        self._seen_s: dict[int, float] = {}
        self._first: dict[int, Incident] = {}
        self._settled: dict[int, Incident] = {}
        self._last: dict[int, Incident] = {}

    def __repr__(self) -> str:
        return f"<{len(self._first)} incidents seen>"

    def take(self, incidents: list[Incident], now_s: float) -> None:
        """What has changed at a moment."""
        for one in incidents:
            if one.number not in self._first:
                if not counts(one):
                    continue
                self._seen_s[one.number], self._first[one.number] = now_s, one
            if now_s - self._seen_s[one.number] <= SETTLED_S:
                self._settled[one.number] = one
            self._last[one.number] = one

    def sightings(self) -> list[Sighting]:
        """All, in order."""
        return [
            Sighting(self._seen_s[number], self._first[number], self._settled[number], self._last[number])
            for number in sorted(self._first)
        ]


@functools.lru_cache(maxsize=16)
def _prepared(plan: Plan, make: Make) -> tuple[Diagnosis, Rivals, frozenset[int]]:
    """A diagnosis and rivals that have seen ten good minutes, and the incidents that it had then."""
    world, warm = warmed(plan)
    atlas = Atlas(world.town.sites)
    atlas.know(world.town.names.list)
    diagnosis, rivals, old = make(atlas), Rivals(atlas), set()
    for place, tick in enumerate(warm):
        old |= {one.number for one in diagnosis.look(tick)}
        rivals.look(tick, place - len(warm))
    return diagnosis, rivals, frozenset(old)


def watch(case: Case, make: Make) -> Seen:
    """Plays a case before a diagnosis that `make` makes."""
    known, rivals, old = _prepared(case.plan, make)
    diagnosis, rivals = copy.deepcopy(known), copy.deepcopy(rivals)
    stage = play(case)
    watching, bells, spent = Watching(), [], 0.0
    for now_s, tick in _timed(stage):
        began = time.process_time()
        changed = diagnosis.look(tick)
        spent += time.process_time() - began
        watching.take([one for one in changed if one.number not in old], now_s)
        bells += rivals.look(tick, now_s)
    judge = Judge(stage.world.town, population(case.plan.seed))
    verdict = judge.judge(stage.truths, watching.sightings())
    ill_s = max((one.end_s for one in stage.truths), default=0.0) - min(
        (one.begin_s for one in stage.truths), default=0.0
    )
    return Seen(case, verdict, tuple(bells), case.seconds - ill_s, spent)


def _timed(stage: Play) -> Iterator[tuple[float, Tick]]:
    """Each tick, with the seconds since the case began."""
    began_s = stage.world.now_s
    for moment in stage.moments():
        yield stage.world.now_s - began_s, moment.tick
