"""What can befall the world, in its simplest parts; kinds are composed of them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posswitch.sim.unrest.places import Mask, Spot
from posswitch.sim.unrest.traffic import Batch
from posswitch.sim.unrest.world import Blow, World

_FAST_MS = 0.35  # of its usual time, a bank takes to refuse without looking
STEP, RAMP, FLAP = "step", "ramp", "flap"


class Onset(NamedTuple):
    """From when to when, in what form: at once, growing for `rise_s`, or `on_s` of every `on_s + off_s`."""

    begin_s: float
    end_s: float
    form: str = STEP
    rise_s: float = 20.0
    on_s: float = 3.0
    off_s: float = 20.0

    def level(self, now_s: float) -> float:
        """How much of it there is at a moment, 0 to 1."""
        if not self.begin_s <= now_s < self.end_s:
            return 0.0
        since_s = now_s - self.begin_s
        if self.form == RAMP:
            return min(since_s / self.rise_s, 1.0)
        return float(since_s % (self.on_s + self.off_s) < self.on_s) if self.form == FLAP else 1.0


class Hit(NamedTuple):
    """Where, how much of it, when."""

    spot: Spot
    share: float
    onset: Onset

    def level(self, now_s: float) -> float:
        """The share that is struck at a moment."""
        return self.share * self.onset.level(now_s)

    def struck(self, world: World, batch: Batch, now_s: float) -> Mask:
        """Which requests are."""
        level = self.level(now_s)
        if not level:
            return np.zeros(len(batch), bool)
        return self.spot.mask(batch) & (world.traffic.chance.random(len(batch)) < level)


def drawn(world: World, codes: Mapping[str, float], count: int) -> NDArray[np.int64]:
    """So many codes by their shares, as numbers of names."""
    shares = np.array(list(codes.values()))
    ids = np.array([world.town.names[code] for code in codes])
    return world.traffic.chance.choice(ids, count, p=shares / shares.sum())


class Harm(Blow):
    """A blow at a place."""

    def __init__(self, hit: Hit) -> None:
        self.hit = hit


class Lines(Harm):
    """The lines there are in a condition, while it lasts; a number is as large as it is severe."""

    def __init__(self, hit: Hit, **condition: "bool | float | str") -> None:
        super().__init__(hit)
        self._condition = condition

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        level = self.hit.onset.level(now_s)
        if level:
            for line in self.hit.spot.lines(world):
                for name, value in self._condition.items():
                    setattr(line.condition, name, value * level if isinstance(value, float) else value)


class LinesEnd(Harm):
    """Every connection there ends once, when it begins."""

    def __init__(self, hit: Hit) -> None:
        super().__init__(hit)
        self._done = False

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        if not self._done and self.hit.onset.level(now_s):
            self._done = True
            for line in self.hit.spot.lines(world):
                line.end(int(now_s * 1e9))


class Says(Harm):
    """The bank says something else, with the shares of these codes; `fast`: without looking."""

    def __init__(
        self, hit: Hit, codes: Mapping[str, float], *, fast: bool = False, pin: bool = False
    ) -> None:
        super().__init__(hit)
        self._codes, self._fast, self._pin = codes, fast, pin

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        struck = self.hit.struck(world, batch, now_s)
        if self._pin:
            struck &= batch.pin
        batch.code[struck] = drawn(world, self._codes, int(struck.sum()))
        if self._fast:
            batch.took_ms[struck] *= _FAST_MS


class Refuses(Harm):
    """The centre itself refuses, at its edge or when it decides; `again`: what was answered before."""

    def __init__(
        self, hit: Hit, codes: Mapping[str, float], where: str = "here", *, pin: bool = False
    ) -> None:
        super().__init__(hit)
        self._codes, self._where, self._pin = codes, where, pin

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        struck = self.hit.struck(world, batch, now_s)
        if self._pin:
            struck &= batch.pin
        getattr(batch, self._where)[struck] = drawn(world, self._codes, int(struck.sum()))


class Mute(Harm):
    """The bank does not answer; of its lane neither, where it is the whole bank."""

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        if {dim for dim, _ in self.hit.spot.at} == {"bank"}:
            for door in self.hit.spot.doors(world):
                door.habits.silent = max(door.habits.silent, self.hit.level(now_s))

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        batch.lost |= self.hit.struck(world, batch, now_s)


class Slow(Harm):
    """The bank takes so many times as long."""

    def __init__(self, hit: Hit, times: float) -> None:
        super().__init__(hit)
        self._times = times

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        level = self.hit.onset.level(now_s)
        struck = Hit(self.hit.spot, self.hit.share, self.hit.onset._replace(form=STEP)).struck(
            world, batch, now_s
        )
        batch.took_ms[struck] *= 1 + (self._times - 1) * level


class Spoils(Harm):
    """Answers come that nobody can use: `garbled`, `spoiled` (their MAC), `crossed` (of another payment)."""

    def __init__(self, hit: Hit, what: str) -> None:
        super().__init__(hit)
        self._what = what

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        batch_column = getattr(batch, self._what)
        batch_column |= self.hit.struck(world, batch, now_s)


class Fewer(Harm):
    """They do not come."""

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        struck = self.hit.struck(world, batch, now_s)
        if struck.any():
            batch.keep(~struck)


class Changed(Harm):
    """A new version of the registry, when it begins."""

    def __init__(self, hit: Hit) -> None:
        super().__init__(hit)
        self._done = False

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        if not self._done and now_s >= self.hit.onset.begin_s:
            self._done = True
            world.node.registry += 1


class Behaves(Harm):
    """The banks there have other habits."""

    def __init__(self, hit: Hit, **habits: "bool | float | str") -> None:
        super().__init__(hit)
        self._habits = habits

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        if self.hit.onset.level(now_s):
            for door in self.hit.spot.doors(world):
                for name, value in self._habits.items():
                    setattr(door.habits, name, value)


class Strains(Harm):
    """The node itself: knobs of its burden, each as far from its usual value as it is severe."""

    def __init__(self, hit: Hit, **knobs: float) -> None:
        super().__init__(hit)
        self._knobs = knobs

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        level, knobs = self.hit.level(now_s), world.node.burden.knobs
        for name, value in self._knobs.items():
            usual = getattr(knobs, name)
            setattr(knobs, name, usual + (value - usual) * level)


class Machinery(Harm):
    """What is around the node: attributes of its machine, as they are while it lasts."""

    def __init__(self, hit: Hit, **parts: "bool | float | str") -> None:
        super().__init__(hit)
        self._parts = parts

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        level = self.hit.onset.level(now_s)
        if level:
            for name, value in self._parts.items():
                setattr(world.node.machine, name, value * level if isinstance(value, float) else value)


class Counts(Harm):
    """Counts of the node that rise by so many a second."""

    def __init__(self, hit: Hit, **rates: float) -> None:
        super().__init__(hit)
        self._rates = {name.replace("_", "-"): rate for name, rate in rates.items()}
        self._last_s = hit.onset.begin_s

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        level, seconds = self.hit.level(now_s), max(now_s - self._last_s, 0.0)
        self._last_s = max(now_s, self._last_s)
        for name, rate in self._rates.items():
            if level:
                world.node.machine.counts[name] += int(world.node.chance.poisson(rate * level * seconds))
