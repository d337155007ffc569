"""The town, its traffic and its node, a tick at a time; what befalls them is said by blows."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.signals import Tick
from posswitch.journal.vitals import PERIOD_NS
from posswitch.sim.unrest.node import Node
from posswitch.sim.unrest.town import Plan, Town
from posswitch.sim.unrest.traffic import Batch, Traffic

_MONDAY_NS = 1_799_625_600 * NS_PER_S  # 2027-01-11 0:00 UTC, a Monday


class Moment(NamedTuple):
    """One tick, and over which link each of its outcomes went: its place among all links, -1 for none."""

    tick: Tick
    over: NDArray[np.int32]


class Blow:
    """Something that befalls the world. Each part is called every tick, with the seconds since it began."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def press(self, world: "World", now_s: float) -> None:
        """Changes lines, banks and the node, before anybody comes."""

    def shape(self, world: "World", batch: Batch, now_s: float) -> None:
        """Changes who comes, and what becomes of them."""

    def after(self, world: "World", now_s: float) -> None:
        """What follows once the tick is over."""


class World:
    """Time is in seconds since the plan's hour; nothing here looks at a clock."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.town = Town(plan.seed)
        self.traffic = Traffic(self.town, plan.seed, plan.tps)
        wall_ns = _MONDAY_NS + int(plan.hour * 3600 * NS_PER_S)
        self.node = Node(self.town, self.traffic, plan.tps, wall_ns, plan.seed)
        self.now_s = 1.0
        self.blows: list[Blow] = []
        self._last_ns = int(self.now_s * NS_PER_S)

    def __repr__(self) -> str:
        return f"<world at {self.now_s:.2f} s, {len(self.blows)} blows>"

    @property
    def hour(self) -> float:
        """Of the week."""
        return self.plan.hour + self.now_s / 3600

    def reseed(self, seed: int) -> None:
        """From here on another chance: so that one past can have many futures."""
        self.traffic.chance.bit_generator.state = np.random.default_rng((seed, 4)).bit_generator.state
        self.node.chance.bit_generator.state = np.random.default_rng((seed, 5)).bit_generator.state

    def step(self, seconds: float = PERIOD_NS / NS_PER_S) -> Moment | None:
        """The next tick; None while the node is down and says nothing."""
        node, traffic = self.node, self.traffic
        node.well()
        traffic.well()
        for blow in self.blows:
            blow.press(self, self.now_s)
        batch = traffic.draw(self.now_s, seconds, self.hour)
        for blow in self.blows:
            blow.shape(self, batch, self.now_s)
        self.now_s += seconds
        now_ns = int(self.now_s * NS_PER_S)
        speaks = node.step(batch, now_ns, seconds)
        for blow in self.blows:
            blow.after(self, self.now_s)
        if not speaks:
            return None
        rows, over = node.flights.outcomes.taken()
        since_s = min((now_ns - self._last_ns) / NS_PER_S, 1.0) if self._last_ns else seconds
        self._last_ns = now_ns
        return Moment(Tick(node.wall_ns(), max(since_s, 0.01), rows, node.gauges()), over)

    def run(self, seconds: float, tick_s: float = PERIOD_NS / NS_PER_S) -> Iterator[Moment]:
        """So many seconds, whatever comes."""
        for _ in range(round(seconds / tick_s)):
            moment = self.step(tick_s)
            if moment is not None:
                yield moment

    def links(self) -> Sequence[str]:
        """The links as `Moment.over` counts them, each `bank/index`."""
        return [line.name for door in self.node.doors for line in door.lines]
