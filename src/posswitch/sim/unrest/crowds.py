"""Those who come beside the ordinary customers: thieves with lists of cards, machines."""

from collections.abc import Mapping, Sequence

import numpy as np

from posswitch.journal.vitals import How
from posswitch.sim.unrest.blows import Harm, Hit, drawn
from posswitch.sim.unrest.places import terminals_at
from posswitch.sim.unrest.town import ENTRIES, KINDS
from posswitch.sim.unrest.traffic import AGAIN_TIMES, Batch, part
from posswitch.sim.unrest.world import World

_SOON_S, _LATER_S = 0.25, 3.0


class More(Harm):
    """So many times as many come there."""

    def __init__(self, hit: Hit, times: float) -> None:
        super().__init__(hit)
        self._times = times
        self._last_s = hit.onset.begin_s

    def press(self, world: World, now_s: float) -> None:
        """See Blow."""
        if not self.hit.spot.at:
            world.traffic.factor *= 1 + (self._times - 1) * self.hit.onset.level(now_s)

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        level, seconds = self.hit.onset.level(now_s), max(now_s - self._last_s, 0.0)
        self._last_s = max(now_s, self._last_s)
        if self.hit.spot.at and level and seconds:
            terminals = terminals_at(world.town, self.hit.spot)
            usual = float(world.town.terminal_shares[terminals].sum()) * world.traffic.rate_now
            count = int(world.traffic.chance.poisson((self._times - 1) * level * usual * seconds))
            batch.join(world.traffic.people(count, now_s, seconds, terminals))


class Tries(Harm):
    """Cards that nobody here knows are tried, `rate` a second, at these terminals or those of the place."""

    def __init__(
        self,
        hit: Hit,
        rate: float,
        codes: Mapping[str, float],
        *,
        entry: str = "012",
        kind: str = "sale",
        amount_max: int = 900,
        cards: int = 0,
        terminals: Sequence[int] = (),
        where: str = "code",
    ) -> None:
        super().__init__(hit)
        self._rate, self._codes = rate, codes
        self._entry, self._kind = ENTRIES.index(entry), KINDS.index(kind)
        self._amount_max, self._cards = amount_max, cards
        self._terminals = np.array(terminals, np.int64)
        self._where = where  # who says it: the bank (`code`), the centre (`here`)
        self._last_s = hit.onset.begin_s

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        level, seconds = self.hit.level(now_s), max(now_s - self._last_s, 0.0)
        self._last_s = max(now_s, self._last_s)
        if not level or not seconds:
            return
        chance, town = world.traffic.chance, world.town
        count = int(chance.poisson(self._rate * level * seconds))
        terminals = self._terminals if len(self._terminals) else terminals_at(town, self.hit.spot)
        comers = world.traffic.people(count, now_s, seconds, terminals)
        bin_ = self.hit.spot.get("bin")
        if bin_ >= 0:
            comers.bin[:] = bin_
        comers.bank = town.bin_bank[comers.bin]
        comers.kind[:], comers.entry[:] = self._kind, self._entry
        comers.pin = town.has_pin[comers.entry]
        comers.amount = chance.integers(1, self._amount_max, count)
        if self._cards:  # a few, again and again
            comers.card = 7_000_000 + chance.integers(0, self._cards, count)
        else:
            comers.card = chance.integers(1 << 30, 1 << 31, count)
        world.traffic.fate(comers)
        comers.edge[:] = comers.here[:] = 0
        setattr(comers, self._where, drawn(world, self._codes, count))
        batch.join(comers)


class Others(Harm):
    """Terminals there do something beside paying, `rate` a second of them all."""

    def __init__(
        self, hit: Hit, rate: float, kind: str, codes: Mapping[str, float], how: How = How.HERE
    ) -> None:
        super().__init__(hit)
        self._rate, self._kind, self._codes, self._how = rate, kind, codes, how
        self._last_s = hit.onset.begin_s

    def after(self, world: World, now_s: float) -> None:
        """See Blow."""
        level, seconds = self.hit.level(now_s), max(now_s - self._last_s, 0.0)
        self._last_s = max(now_s, self._last_s)
        if not level or world.node.down_until_ns:
            return
        chance, terminals = world.node.chance, terminals_at(world.town, self.hit.spot)
        for terminal in chance.choice(terminals, int(chance.poisson(self._rate * level * seconds))):
            code = str(chance.choice(list(self._codes), p=np.array(list(self._codes.values()))))
            world.node.other(int(terminal), self._kind, code, self._how)


class Copies(Harm):
    """What comes from there comes again within seconds: with a new number, or, with `codes`, as a repeat."""

    def __init__(self, hit: Hit, times: float, codes: Mapping[str, float] | None = None) -> None:
        super().__init__(hit)
        self._times, self._codes = times, codes
        self._kept: list[Batch] = []

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        chance = world.traffic.chance
        coming = [(one, one.at_s < now_s + _SOON_S) for one in self._kept]
        self._kept = [part(one, ~due) for one, due in coming if not due.all()]
        struck = np.flatnonzero(self.hit.struck(world, batch, now_s) & (batch.tries == 0))
        for one, due in coming:
            if due.any():
                batch.join(part(one, due))
        if not len(struck):
            return
        again = np.repeat(struck, chance.poisson(self._times, len(struck)))
        copies = part(batch, again)
        copies.at_s = copies.at_s + chance.uniform(_SOON_S, _LATER_S, len(copies))
        world.traffic.fate(copies)
        copies.edge[:] = copies.here[:] = 0
        copies.tries[:] = AGAIN_TIMES  # no cashier tries these again
        if self._codes is not None:
            copies.again = drawn(world, self._codes, len(copies))
        self._kept.append(copies)


class Stubborn(Harm):
    """One customer at one terminal there tries one card so many times, and is told the same each time."""

    def __init__(self, hit: Hit, times: int, code: str) -> None:
        super().__init__(hit)
        self._times, self._code = times, code
        self._who: tuple[int, int] | None = None
        self._done = 0

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        onset, traffic = self.hit.onset, world.traffic
        if not onset.level(now_s):
            return
        due = int(self._times * (now_s - onset.begin_s) / (onset.end_s - onset.begin_s)) + 1 - self._done
        if due <= 0:
            return
        self._done += due
        terminals = terminals_at(world.town, self.hit.spot)
        if self._who is None:
            self._who = int(traffic.chance.choice(terminals)), int(traffic.chance.integers(1 << 30, 1 << 31))
        one = traffic.people(due, now_s, 0.2, np.array([self._who[0]]))
        for dim, index in self.hit.spot.at:
            if dim in ("bin", "kind", "entry"):
                getattr(one, dim)[:] = index
        one.bank = world.town.bin_bank[one.bin]
        if self.hit.spot.get("bank") >= 0:
            one.bank[:] = self.hit.spot.get("bank")
            one.bin = world.town.first_bin[one.bank]
        one.card[:] = self._who[1]
        one.tries[:] = AGAIN_TIMES
        one.edge[:] = one.here[:] = 0
        one.code[:] = world.town.names[self._code]
        batch.join(one)


class TwoPlaces(Harm):
    """Somebody else pays under the number of a terminal, from another source, so many times as often."""

    def __init__(self, hit: Hit, rate: float, source: int) -> None:
        super().__init__(hit)
        self._rate, self._source = rate, source
        self._last_s = hit.onset.begin_s

    def shape(self, world: World, batch: Batch, now_s: float) -> None:
        """See Blow."""
        level, seconds = self.hit.level(now_s), max(now_s - self._last_s, 0.0)
        self._last_s = max(now_s, self._last_s)
        if level and seconds:
            count = int(world.traffic.chance.poisson(self._rate * level * seconds))
            comers = world.traffic.people(count, now_s, seconds, terminals_at(world.town, self.hit.spot))
            comers.source[:] = self._source
            batch.join(comers)
