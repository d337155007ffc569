"""What can befall the centre itself, its lanes and its clock; and banks that count what they are asked."""

import numpy as np

from posswitch.base.moment import NS_PER_S
from posswitch.sim.unrest.blows import Harm, Hit
from posswitch.sim.unrest.doubts import card_print
from posswitch.sim.unrest.traffic import Batch
from posswitch.sim.unrest.world import World

_DAY_S = 86_400.0


class Dies(Harm):
    """The node dies when it begins, and again every so many seconds; each time it is gone for a while."""

    def __init__(self, hit: Hit, down_s: float, every_s: float = 0.0) -> None:
        super().__init__(hit)
        self._down_s, self._every_s = down_s, every_s
        self._next_s = hit.onset.begin_s

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        if self._next_s <= now_s < self.hit.onset.end_s:
            world.node.kill(self._down_s)
            self._next_s = now_s + self._every_s if self._every_s else float("inf")


class ClockJumps(Harm):
    """The node's clock is set once."""

    def __init__(self, hit: Hit, seconds: float) -> None:
        super().__init__(hit)
        self._seconds, self._done = seconds, False

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        if not self._done and now_s >= self.hit.onset.begin_s:
            self._done = True
            world.node.set_clock(self._seconds)


class Leaks(Harm):
    """Memory or disk goes, so many bytes a second; when it is over what was taken comes back."""

    def __init__(self, hit: Hit, memory: float = 0.0, disk: float = 0.0) -> None:
        super().__init__(hit)
        self._memory, self._disk = memory, disk
        self._last_s = hit.onset.begin_s
        self._taken = [0.0, 0.0]

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        level, seconds = self.hit.level(now_s), max(now_s - self._last_s, 0.0)
        self._last_s = max(now_s, self._last_s)
        if level:
            more = (
                self._memory * level * seconds,
                min(self._disk * level * seconds, world.node.machine.disk_free),
            )
        elif now_s >= self.hit.onset.end_s:
            more = -self._taken[0], -self._taken[1]
        else:
            return
        self._taken = [self._taken[0] + more[0], self._taken[1] + more[1]]
        world.node.burden.memory += more[0]
        world.node.machine.disk_free -= more[1]


class Owes(Harm):
    """Reversals for the banks there come from elsewhere, `rate` a second; or some that are already so old."""

    def __init__(self, hit: Hit, rate: float = 0.0, old: int = 0, age_s: float = _DAY_S) -> None:
        super().__init__(hit)
        self._rate, self._old, self._age_s = rate, old, age_s
        self._last_s = hit.onset.begin_s

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        level, seconds = self.hit.level(now_s), max(now_s - self._last_s, 0.0)
        self._last_s = max(now_s, self._last_s)
        if not level:
            return
        count, age_s = int(world.node.chance.poisson(self._rate * level * seconds)), 0.0
        if self._old:
            count, age_s, self._old = self._old, self._age_s, 0
        for door in self.hit.spot.doors(world):
            for _ in range(count):
                number = world.node.flights.number()
                door.owe(number, card_print(number), int((now_s - age_s) * NS_PER_S))


class LosesFrames(Harm):
    """A stream is out of step: nothing of it can be read until its connection ends, and soon it is again."""

    def __init__(self, hit: Hit, every_s: float) -> None:
        super().__init__(hit)
        self._every_s = every_s
        self._next_s = hit.onset.begin_s

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        if not self.hit.onset.level(now_s):
            return
        for line in self.hit.spot.lines(world):
            line.condition.garbles = 1.0
            if now_s >= self._next_s + self._every_s:
                line.end(int(now_s * NS_PER_S), "link-slow-frame")
        if now_s >= self._next_s + self._every_s:
            self._next_s = now_s


class Late(Harm):
    """Answers come, but after so many seconds."""

    def __init__(self, hit: Hit, least_s: float, most_s: float) -> None:
        super().__init__(hit)
        self._range_ms = least_s * 1000, most_s * 1000

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        struck = self.hit.struck(world, batch, now_s)
        batch.took_ms[struck] = world.traffic.chance.uniform(*self._range_ms, int(struck.sum()))


class Limits(Harm):
    """A bank takes so many a second and refuses the others at once."""

    def __init__(self, hit: Hit, tps: float, code: str) -> None:
        super().__init__(hit)
        self._tps, self._code = tps, code
        self._spare, self._last_s = 0.0, hit.onset.begin_s

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        seconds, self._last_s = max(now_s - self._last_s, 0.0), max(now_s, self._last_s)
        if not self.hit.onset.level(now_s):
            return
        self._spare = min(self._spare + self._tps * seconds, self._tps)
        asked = np.flatnonzero(self.hit.spot.mask(batch) & (batch.here == 0) & (batch.edge == 0))
        over = asked[int(self._spare) :]
        self._spare -= min(len(asked), int(self._spare))
        batch.code[over] = world.town.names[self._code]
        batch.took_ms[over] *= 0.3


class Strays(Harm):
    """A table sends cards of a BIN to another bank, which does not know them."""

    def __init__(self, hit: Hit, bank: int) -> None:
        super().__init__(hit)
        self._bank = bank

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        struck = self.hit.struck(world, batch, now_s)
        batch.bank[struck] = self._bank


class Moods(Harm):
    """Volume and failures of everybody are so many times what was usual."""

    def __init__(self, hit: Hit, volume: float, failures: float) -> None:
        super().__init__(hit)
        self._volume, self._failures = volume, failures

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        level = self.hit.onset.level(now_s)
        world.traffic.factor *= 1 + (self._volume - 1) * level
        world.traffic.failing *= 1 + (self._failures - 1) * level


class Unnamed(Harm):
    """Cards with a trait that nobody registers fail, whatever their bank."""

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        struck = batch.trait < 1000 * self.hit.level(now_s)
        batch.code[struck] = world.town.names["96"]


class Doubles(Harm):
    """A bank answers what it has answered: nothing comes of it but a count."""

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        struck = self.hit.struck(world, batch, now_s)
        for door in self.hit.spot.doors(world):
            if count := int((struck & (batch.bank == door.place)).sum()):
                door.counts["answer-again"] += count
