"""Weeks in which much happens and nothing is wrong, as counts: what the detectors make of them.

Four hundred slices of a town at a thousand payments a second, a tick every two seconds. What rings is then
looked into as it would be: the same counts, as outcomes, before a whole diagnosis.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.baseline import Baseline
from posswitch.diagnose.cube import SLICES_MAX, STREAMS, Counts
from posswitch.diagnose.detect import Alarm, Change, Detectors
from posswitch.diagnose.signals import Floats, Sort
from posswitch.sim.unrest.places import Population, Spot
from posswitch.sim.unrest.town import BANKS, REGIONS, Town
from posswitch.sim.unrest.traffic import shape

SLICES = 400
TICK_S = 2.0
_WEEK_S = 7 * 86_400.0
_TPS = 1000.0
_BLOCK = 300  # ticks that are drawn at once: in ten minutes moods change
_MOOD_VOLUME, _MOOD_SHARE, _MOOD_FAILS = 0.04, 0.12, 0.25  # spread of the logarithms
_MOOD_STAYS = 0.7  # of it, from block to block
_QUIET_S = 600.0  # one alarm of a slice in so long
_TOGETHER_S = 30.0  # alarms of different slices are one event
_LEARN_S = 3600.0  # of the first week, before anything counts
_ANSWERED = 0.95
_SHARES = {
    Sort.FAIL: 0.004, Sort.FORMAT: 0.0001, Sort.MAC: 0.0002, Sort.PIN: 0.010, Sort.ORDER: 0.001,
    Sort.LIMIT: 0.006, Sort.DECLINE: 0.050, Sort.REGISTRY: 0.0006,
}  # fmt: skip
_SLOW = 0.02
_HOLIDAYS = (2, 3)  # days of the second week
_PAYDAYS = (9, 24)  # of the four weeks
_BURSTS = 600  # a week
_OPENINGS, _OPEN_S, _OPENED = 12, 14_400.0, 0.004  # of shops: a week, how long the rush lasts, its share
_NIGHTS = (2.0, 4.0)  # when banks work on their systems


class Rung(NamedTuple):
    """What rang, when, and the counts since it began to rise."""

    week: int
    at_s: float
    spot: Spot
    stream: int
    change: Change
    seconds: float
    total: float
    bad: float
    stubborn: bool  # it is one terminal


class Slices:
    """Which places are watched, how many come there, how often each sort happens."""

    def __init__(self, town: Town, people: Population, chance: np.random.Generator) -> None:
        singles = [(dim, size) for dim, size in (
            ("bank", BANKS), ("bin", len(town.bins)), ("region", len(REGIONS)), ("source", 5), ("model", 16),
            ("kind", 10), ("entry", 8),
        )]  # fmt: skip
        spots = [Spot(((dim, index),)) for dim, size in singles for index in range(size)]
        pairs = [Spot((("region", r), ("bank", b))) for b in range(BANKS) for r in range(len(REGIONS))]
        self.spots = [Spot(), *spots, *pairs][:SLICES]
        self.share = np.array([people.share(spot) for spot in self.spots])
        usual = np.zeros(STREAMS)
        for sort, share in _SHARES.items():
            usual[sort] = share
        usual[-1] = _SLOW
        self.usual = usual * np.exp(chance.normal(0.0, 0.25, (len(self.spots), STREAMS)))
        self.usual[:, Sort.GOOD] = 0.0
        self.bank = np.array([spot.get("bank") for spot in self.spots])
        self._of_dim = {
            dim: [place for place, spot in enumerate(self.spots) if [one for one, _ in spot.at] == [dim]]
            for dim, _ in singles
        }

    def of_somebody(self, chance: np.random.Generator) -> list[int]:
        """The slices that one customer at one terminal is counted in."""
        found = [0]
        for places in self._of_dim.values():
            shares = self.share[places]
            found.append(int(chance.choice(places, p=shares / shares.sum())))
        chosen = dict(pair for place in found for pair in self.spots[place].at)
        both = Spot((("region", chosen["region"]), ("bank", chosen["bank"])))
        return [*found, self.spots.index(both)] if both in self.spots else found

    def __repr__(self) -> str:
        return f"<{len(self.spots)} slices>"


class Week:
    """One week's counts."""

    def __init__(self, slices: Slices, number: int, seed: int) -> None:
        self._slices, self.number = slices, number
        self._chance = np.random.default_rng((seed, 12, number))
        chance = self._chance
        size = len(slices.spots)
        self._bursts = [
            (float(chance.uniform(0, _WEEK_S)), slices.of_somebody(chance), float(chance.uniform(30, 90)))
            for _ in range(_BURSTS)
        ]
        self._mood, self._crowd = np.zeros((size, STREAMS)), np.zeros(size)
        self._maintained = [
            (float(day * 86_400 + 3600 * chance.uniform(*_NIGHTS)), int(chance.integers(BANKS)))
            for day in range(7)
        ]
        self._openings = [
            (float(chance.uniform(0, 6.5) * 86_400), slices.of_somebody(chance)) for _ in range(_OPENINGS)
        ]
        self._new_bank = int(chance.integers(BANKS // 2, BANKS)) if number == 2 else -1

    def __repr__(self) -> str:
        return f"<week {self.number}>"

    def blocks(self) -> Iterator[tuple[float, Floats, Floats]]:
        """Counts of ten minutes each: when they begin, outcomes (ticks × slices), and those by stream."""
        slices, chance = self._slices, self._chance
        at_s = 0.0
        while at_s < _WEEK_S:
            level = np.linspace(self._level(at_s), self._level(at_s + _BLOCK * TICK_S), _BLOCK)[:, None]
            volume = slices.share * _TPS * level * TICK_S * self._crowds() * self._lively(at_s)
            share = slices.usual * self._moods()
            share[:, :, Sort.DECLINE] *= self._empty_purses(at_s)
            total = chance.poisson(volume).astype(float)
            bad = chance.poisson(total[:, :, None] * np.minimum(share, 0.9)).astype(float)
            bad[:, :, -1] = np.minimum(bad[:, :, -1], total * _ANSWERED)
            self._trouble(at_s, total, bad)
            yield at_s, total, np.minimum(bad, total[:, :, None])
            at_s += _BLOCK * TICK_S

    def _moods(self) -> Floats:
        """Times the usual share, ticks × slices × streams: from the last mood to the next."""
        spread = np.full(STREAMS, _MOOD_SHARE)
        spread[Sort.FAIL] = _MOOD_FAILS
        fresh = self._chance.normal(0.0, 1.0, self._mood.shape) * spread
        before, self._mood = self._mood, _MOOD_STAYS * self._mood + (1 - _MOOD_STAYS**2) ** 0.5 * fresh
        part = (np.arange(_BLOCK) / _BLOCK)[:, None, None]
        times: Floats = np.exp(before * (1 - part) + self._mood * part)
        return times

    def _crowds(self) -> Floats:
        """The same of volume, ticks × slices."""
        fresh = self._chance.normal(0.0, _MOOD_VOLUME, len(self._crowd))
        before, self._crowd = self._crowd, _MOOD_STAYS * self._crowd + (1 - _MOOD_STAYS**2) ** 0.5 * fresh
        part = (np.arange(_BLOCK) / _BLOCK)[:, None]
        times: Floats = np.exp(before * (1 - part) + self._crowd * part)
        return times

    def stubborn(self, at_s: float, place: int) -> bool:
        """Whether a cashier has just tried a card again and again there."""
        return any(
            began_s <= at_s <= began_s + seconds + _TOGETHER_S and place in places
            for began_s, places, seconds in self._bursts
        )

    def _level(self, at_s: float) -> float:
        hour = at_s / 3600
        holiday = self.number == 1 and int(hour // 24) in _HOLIDAYS
        return 1.25 * shape(hour % 24 + 144) if holiday else shape(hour)

    def _empty_purses(self, at_s: float) -> float:
        """How many times more cards are empty: more before payday, fewer after it."""
        day = self.number * 7 + at_s / 86_400
        before = min(((payday - day) % 14 for payday in _PAYDAYS), default=14.0)
        return 1.6 if before < 2.0 else 0.8 if before > 11.0 else 1.0

    def _lively(self, at_s: float) -> Floats:
        """A new shop here and there, a bank that joins: times the usual volume."""
        times = np.ones(len(self._slices.spots))
        for began_s, places in self._openings:
            height = min(at_s - began_s, began_s + _OPEN_S - at_s) / (_OPEN_S / 4)
            if height > 0:
                times[places] += _OPENED * min(height, 1.0) / self._slices.share[places]
        if self._new_bank >= 0:
            times[self._slices.bank == self._new_bank] *= min(at_s / (3 * 86_400), 1.0)
        return times

    def _trouble(self, at_s: float, total: Floats, bad: Floats) -> None:
        """Cashiers who try dead cards again and again, and banks that close one link after the other."""
        until_s = at_s + _BLOCK * TICK_S
        for began_s, places, seconds in self._bursts:
            if at_s <= began_s < until_s:
                first = int((began_s - at_s) / TICK_S)
                last = min(first + int(seconds / TICK_S), _BLOCK)
                struck = np.arange(first, last, 5)[:, None]  # two in ten seconds count
                bad[struck, places, int(self._chance.choice([Sort.FAIL, Sort.PIN, Sort.DECLINE]))] += 2
                total[struck, places] += 2
        for began_s, bank in self._maintained:
            if at_s <= began_s < until_s:
                tick = int((began_s - at_s) / TICK_S)
                there = self._slices.bank == bank
                lost = np.minimum(self._chance.poisson(0.3 * total[tick, there]), 3)
                bad[tick, there, Sort.FAIL] += lost
                total[tick, there] += lost


def rung(slices: Slices, number: int, seed: int, hours: float = _WEEK_S / 3600) -> list[Rung]:
    """One week before the detectors: what rings, of the same cause only once."""
    detectors = Detectors(Baseline(np.zeros(SLICES_MAX, np.int32)))
    found: list[Rung] = []
    last: dict[tuple[int, int, int], float] = {}
    began_ns = 1_800_000_000 * NS_PER_S
    week = Week(slices, number, seed)
    for block_s, total, bad in week.blocks():
        if block_s >= hours * 3600:
            break
        for tick in range(len(total)):
            now_s = block_s + tick * TICK_S
            counts = Counts(bad[tick], total[tick], total[tick] * _ANSWERED, total[tick])
            if now_s < _LEARN_S:
                detectors.learn(TICK_S, counts)
                continue
            alarms = detectors.look(began_ns + int(now_s * NS_PER_S), TICK_S, counts)
            for alarm in alarms:
                key = alarm.place, int(alarm.change), alarm.stream
                if now_s - last.get(key, -1e9) >= _QUIET_S and alarm.change is not Change.MUCH:
                    found.append(_rung(slices, week, now_s, alarm, began_ns, block_s, total, bad))
                last[key] = now_s
    return _one_each(found)


def _rung(
    slices: Slices, week: Week, now_s: float, alarm: Alarm, began_ns: int, block_s: float, total: Floats,
    bad: Floats,
) -> Rung:  # fmt: skip
    """With the counts since it began to rise, as far as this block has them."""
    since_s = max((alarm.since_ns - began_ns) / NS_PER_S, block_s)
    ticks = slice(int((since_s - block_s) / TICK_S), int((now_s - block_s) / TICK_S) + 1)
    return Rung(
        week.number, now_s, slices.spots[alarm.place], alarm.stream, alarm.change,
        max(now_s - since_s, TICK_S), float(total[ticks, alarm.place].sum()),
        float(bad[ticks, alarm.place, alarm.stream].sum()), week.stubborn(now_s, alarm.place),
    )  # fmt: skip


def _one_each(found: list[Rung]) -> list[Rung]:
    """Of those that rang together the first."""
    kept: list[Rung] = []
    for one in sorted(found, key=lambda rung: rung.at_s):
        if not kept or one.at_s - kept[-1].at_s > _TOGETHER_S:
            kept.append(one)
    return kept
