"""Cases: a town that was well for a while, and what then befalls it; `play` gives the ticks and the truth."""

import copy
import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.signals import Atlas, Tick
from posswitch.journal.vitals import PERIOD_NS
from posswitch.sim.unrest.blows import STEP, Hit, Onset
from posswitch.sim.unrest.held_out import FAMILY, HELD_OUT
from posswitch.sim.unrest.kinds import Kind, Scene
from posswitch.sim.unrest.kinds_banks import BANKS_ILL
from posswitch.sim.unrest.kinds_centre import CENTRE, OUTSIDE
from posswitch.sim.unrest.kinds_lines import LINES
from posswitch.sim.unrest.kinds_shops import SHOPS
from posswitch.sim.unrest.places import Population, Spot
from posswitch.sim.unrest.town import Plan, Town
from posswitch.sim.unrest.world import Blow, Moment, World

WARM_S = 600.0
PLANS = (
    Plan(1, 200.0, 24 + 10.0), Plan(2, 200.0, 72 + 19.0), Plan(3, 80.0, 96 + 15.0), Plan(2, 400.0, 24 + 1.0),
    Plan(1, 700.0, 120 + 12.0), Plan(2, 400.0, 24 + 22.84),
)  # fmt: skip
AFTER_S = 20.0
KINDS_TUNED = {kind.key: kind for kind in (*LINES, *BANKS_ILL, *SHOPS, *CENTRE)}
KINDS_HELD = {kind.key: kind for kind in HELD_OUT}
KINDS_FAMILY = {kind.key: kind for kind in FAMILY}
KINDS_ALL = KINDS_TUNED | KINDS_HELD | KINDS_FAMILY | {OUTSIDE.key: OUTSIDE}


class Fault(NamedTuple):
    """One kind at a place: how severe, in what form, how long after the case begins and for how long."""

    kind: str  # the key of its row
    spot: Spot
    severity: float
    form: str = STEP
    after_s: float = 20.0
    seconds: float = 60.0


class Case(NamedTuple):
    """One story; `beside` is what happens as well and is nobody's fault."""

    number: int
    plan: Plan
    faults: tuple[Fault, ...]
    family: str = ""  # of the hard ones
    beside: tuple[Blow, ...] = ()
    after_s: float = AFTER_S  # that it goes on when all is well again
    tick_s: float = PERIOD_NS / NS_PER_S

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return max((one.after_s + one.seconds for one in self.faults), default=60.0) + self.after_s


class Truth(NamedTuple):
    """What is really wrong: kind, cause, the place (and others that mean the same), from when to when.

    `same` are kinds that a node cannot tell from it; `rate` is how many payments a second are at the place.
    """

    kind: str
    cause: str
    places: tuple[dict[str, str], ...]
    begin_ns: int
    end_ns: int
    severity: float
    rate: float
    same: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()  # that are right as well
    begin_s: float = 0.0  # since the case began; clocks may jump in between
    end_s: float = 0.0


class Play(NamedTuple):
    """A case on the stage. `warm` are the ticks of the time before, for who has to learn what is usual."""

    case: Case
    world: World
    warm: tuple[Tick, ...]
    truths: tuple[Truth, ...]

    def atlas(self) -> Atlas:
        """A new one of this town."""
        atlas = Atlas(self.world.town.sites)
        atlas.know(self.world.town.names.list)
        return atlas

    def moments(self) -> Iterator[Moment]:
        """Each tick with the links of its outcomes; once only."""
        return self.world.run(self.case.seconds, self.case.tick_s)

    def ticks(self) -> Iterator[Tick]:
        """The ticks, a quarter of a second each; once only."""
        return (moment.tick for moment in self.moments())


@functools.lru_cache(maxsize=len(PLANS))
def warmed(plan: Plan) -> tuple[World, tuple[Tick, ...]]:
    """A world that was well for ten minutes, and what it said; nobody may step it further."""
    world = World(plan)
    return world, tuple(moment.tick for moment in world.run(WARM_S, 1.0))


@functools.lru_cache(maxsize=8)
def town_of(seed: int) -> Town:
    """The town with this seed, to look at."""
    return Town(seed)


@functools.lru_cache(maxsize=8)
def population(seed: int) -> Population:
    """Of the town with this seed."""
    return Population(town_of(seed))


def play(case: Case) -> Play:
    """Puts a case on the stage: `Centre(play.atlas())`, the warm ticks, then `play.ticks()`."""
    before, warm = warmed(case.plan)
    world = copy.deepcopy(before)
    world.reseed(case.number)
    scene = scene_of(case.number, world)
    world.blows += copy.deepcopy(case.beside)
    truths = []
    for fault in case.faults:
        kind = KINDS_ALL[fault.kind]
        begin_s = world.now_s + fault.after_s
        hit = Hit(fault.spot, fault.severity, Onset(begin_s, begin_s + fault.seconds, fault.form))
        world.blows += kind.blows(hit, scene)
        truths.append(_truth(kind, fault, scene, world.node.wall_ns()))
    return Play(case, world, warm, tuple(truths))


def scene_of(number: int, world: World) -> Scene:
    """What kinds ask about a world."""
    return Scene(
        world.town,
        population(world.plan.seed),
        world.traffic.rate(world.hour),
        world.node.burden.capacity,
        np.random.default_rng((number, 8)),
    )


def _truth(kind: Kind, fault: Fault, scene: Scene, now_ns: int) -> Truth:
    places = kind.truth(fault.spot, scene) if kind.truth else (fault.spot.place(scene.town),)
    begin_ns = now_ns + int(fault.after_s * NS_PER_S)
    return Truth(
        kind.id, kind.cause, places, begin_ns, begin_ns + int(fault.seconds * NS_PER_S), fault.severity,
        scene.population.share(fault.spot) * scene.tps, kind.same, kind.causes,
        fault.after_s, fault.after_s + fault.seconds,
    )  # fmt: skip
