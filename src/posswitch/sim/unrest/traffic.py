"""Who comes to pay: a seeded stream of requests, drawn a tick at a time, with what would become of each.

Volume has the shape of a day and a week, varies more than chance alone would have it, and so do failures.
Cashiers try again.
"""

import math
from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posswitch.sim.unrest.town import (
    EDGE,
    FAILURES,
    HERE,
    HERE_ORIGINAL,
    SILENT,
    Floats,
    Ints,
    Town,
    cumulative,
)

# Of the day's mean, by hour, on a working day; Saturdays and Sundays are later and busier.
_DAY = (
    0.10, 0.06, 0.04, 0.03, 0.04, 0.08, 0.25, 0.6, 1.0, 1.3, 1.5, 1.8,
    2.0, 1.6, 1.4, 1.4, 1.5, 1.8, 2.1, 2.0, 1.6, 1.1, 0.55, 0.24,
)  # fmt: skip
_WEEK = (0.95, 0.94, 0.95, 0.97, 1.08, 1.16, 1.05)
_MOOD_S = 300.0  # how long a mood of volume and of failures lasts
_MOOD_VOLUME, _MOOD_FAILURES = 0.04, 0.35  # spread of its logarithm
_MOOD_MAX = 2.5  # times the usual failures
_AGAIN_SHARE, AGAIN_TIMES = 0.6, 3  # of failures, a cashier's
_AGAIN_S = (4.0, 20.0)
_STUBBORN = 1 / 900  # a second: one terminal whose cashier tries a dead card again and again


def shape(hour: float) -> float:
    """How busy it is at an hour of the week, in means of the week."""
    day, at = int(hour // 24) % 7, hour % 24
    before, part = int(at), at - int(at)
    level = _DAY[before] * (1 - part) + _DAY[(before + 1) % 24] * part
    return level * _WEEK[day] * 24 / sum(_DAY)


class Again(NamedTuple):
    """A payment that will be tried once more: when, and what it is."""

    at_s: float
    number: int
    terminal: int
    bin: int
    kind: int
    entry: int
    amount: int
    card: int
    tries: int
    trait: int
    stubborn: str = ""  # what its bank says each time


class Batch:
    """The requests of one tick, an array for each column; faults change it in place.

    `edge`, `here`: the code of a refusal at the edge, by the centre; 0: none. `code` is what the bank says
    after `took_ms`, unless the answer is `lost`, cannot be read (`garbled`), has a wrong MAC (`spoiled`) or
    belongs to another payment (`crossed`). `again`: the answer to the same request was given before.
    """

    __slots__ = (
        "again", "amount", "at_s", "bank", "bin", "card", "code", "crossed", "edge", "entry", "garbled",
        "here", "kind", "lost", "merchant", "model", "pin", "region", "source", "spoiled", "terminal",
        "took_ms", "trait", "tries",
    )  # fmt: skip

    def __init__(self, town: Town, at_s: Floats, columns: "dict[str, Ints]") -> None:
        size = len(at_s)
        self.at_s = at_s
        self.terminal, self.bin = columns["terminal"], columns["bin"]
        self.kind, self.entry = columns["kind"], columns["entry"]
        self.amount, self.card, self.tries = columns["amount"], columns["card"], columns["tries"]
        self.bank = town.bin_bank[self.bin]
        self.merchant = town.terminal_merchant[self.terminal]
        self.model = town.terminal_model[self.terminal]
        self.region = town.merchant_region[self.merchant]
        self.source = town.merchant_source[self.merchant]
        self.pin = town.has_pin[self.entry]
        self.trait = columns.get("trait", np.zeros(size, np.int64))
        self.edge, self.here, self.code, self.again = (np.zeros(size, np.int64) for _ in range(4))
        self.lost, self.garbled, self.spoiled, self.crossed = (np.zeros(size, bool) for _ in range(4))
        self.took_ms: Floats = np.zeros(size)

    def __len__(self) -> int:
        return len(self.at_s)

    def __repr__(self) -> str:
        return f"<{len(self)} requests>"

    def keep(self, some: NDArray[np.bool_]) -> None:
        """Drops all others: they never came."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name)[some])

    def join(self, other: "Batch") -> None:
        """Takes others in, in order of time."""
        order = np.argsort(np.concatenate((self.at_s, other.at_s)), kind="stable")
        for name in self.__slots__:
            setattr(self, name, np.concatenate((getattr(self, name), getattr(other, name)))[order])


def part(batch: Batch, some: "NDArray[np.bool_] | Ints") -> Batch:
    """A copy of some of them."""
    found: Batch = Batch.__new__(Batch)
    for name in Batch.__slots__:
        setattr(found, name, getattr(batch, name)[some])
    return found


class Traffic:
    """Draws the requests of each tick, and what would become of them in a healthy world."""

    def __init__(self, town: Town, seed: int, tps: float) -> None:
        self.town = town
        self.chance = np.random.default_rng((seed, 2))
        self._tps = tps
        self._mood_until_s = 0.0
        self._volume, self._failures = 1.0, np.ones(len(town.banks))
        self._again: list[Again] = []
        self._numbers = 0
        self.rate_now = tps
        self.factor = 1.0  # times as many come, of everybody
        self.failing = 1.0  # times as many failures as usual, at every bank
        self._here = _choices(town, HERE)
        self._original = _choices(town, HERE_ORIGINAL)
        self._edge = _choices(town, EDGE)
        shares = town.decline_shares.copy()
        shares[:, -len(FAILURES) :] *= _MOOD_MAX
        self._declines = np.cumsum(shares, axis=1)
        self._moody = np.arange(len(shares[0]) + 1) >= len(shares[0]) - len(FAILURES)
        self._moody[-1] = False
        self._answers = np.concatenate((town.decline_ids, [town.codes["00"]]))

    def __repr__(self) -> str:
        return f"<traffic of {self._tps} a second, {len(self._again)} to be tried again>"

    def well(self) -> None:
        """Forgets what ailed it: whoever still does says so each tick."""
        self.factor = self.failing = 1.0

    def rate(self, hour: float) -> float:
        """How many come a second, on average, at an hour of the week."""
        return self._tps * shape(hour) * self.factor

    def draw(self, now_s: float, seconds: float, hour: float) -> Batch:
        """Those who come in the next seconds."""
        self._change_mood(now_s)
        self.rate_now = self.rate(hour) * self._volume
        count = int(self.chance.poisson(self.rate_now * seconds))
        batch = self.people(count, now_s, seconds)
        if self.chance.random() < _STUBBORN * seconds:
            self._be_stubborn(batch)
        due = self._due(now_s + seconds)
        if due is not None:
            batch.join(due)
        return batch

    def people(self, count: int, now_s: float, seconds: float, terminals: Ints | None = None) -> Batch:
        """So many ordinary customers at any moment of these seconds, at any (or one of these) terminals."""
        town, chance = self.town, self.chance
        at_s = np.sort(now_s + chance.random(count) * seconds)
        if terminals is None:
            terminal = np.searchsorted(town.terminal_table, chance.random(count))
        else:
            shares = cumulative(town.terminal_shares[terminals])
            terminal = terminals[np.searchsorted(shares, chance.random(count))]
        merchant = town.terminal_merchant[terminal]
        trade = town.merchant_trade[merchant]
        bank = _search(town.bank_table[town.merchant_region[merchant]], chance.random(count))
        bin_ = town.first_bin[bank] + _search(town.bin_table[bank], chance.random(count))
        kind = _search(town.kind_table[trade], chance.random(count))
        amount = np.exp(town.amount_median[trade] + town.amount_spread[trade] * chance.normal(size=count))
        each = len(town.cards) // len(town.bins)
        card = bin_ * each + chance.integers(0, each, count)
        batch = Batch(
            town,
            at_s,
            {
                "terminal": terminal,
                "bin": bin_,
                "kind": kind,
                "entry": _search(town.entry_table[trade], chance.random(count)),
                "amount": np.where(town.money[kind], amount.astype(np.int64) + 1, 0),
                "card": town.cards[card],
                "tries": np.zeros(count, np.int64),
                "trait": (town.card_trait[card] * 1000).astype(np.int64),
            },
        )
        self.fate(batch)
        return batch

    def fate(self, batch: Batch) -> None:
        """What becomes of requests while all is well."""
        town, chance, size = self.town, self.chance, len(batch)
        batch.edge = _chosen(self._edge, chance.random(size))
        batch.here = _chosen(self._here, chance.random(size))
        builds = town.builds[batch.kind]
        batch.here = np.where(builds, _chosen(self._original, chance.random(size)), batch.here)
        place = _search(self._declines[batch.bank], chance.random(size))
        said = self._answers[place]
        of_pin = np.append(town.declines_pin, False)[place]
        calm = chance.random(size) * _MOOD_MAX > self._failures[batch.bank] * self.failing
        batch.code = np.where((of_pin & ~batch.pin) | (self._moody[place] & calm), town.codes["00"], said)
        medians = np.array([bank.answer_ms for bank in town.banks])[batch.bank]
        spread = np.array([bank.spread for bank in town.banks])[batch.bank]
        batch.took_ms = medians * np.exp(spread * chance.normal(size=size))
        batch.lost = chance.random(size) < SILENT

    def come_again(self, at_s: float, flight: "Again") -> None:
        """A payment failed: its cashier may try it again."""
        if flight.tries < AGAIN_TIMES and self.chance.random() < _AGAIN_SHARE:
            low, high = _AGAIN_S
            self._numbers += 1
            later = at_s + low + (high - low) * float(self.chance.random())
            heappush(self._again, flight._replace(at_s=later, number=self._numbers, tries=flight.tries + 1))

    def _due(self, until_s: float) -> Batch | None:
        due: list[Again] = []
        while self._again and self._again[0].at_s < until_s:
            due.append(heappop(self._again))
        if not due:
            return None
        columns = {
            name: np.array([getattr(one, name) for one in due], np.int64)
            for name in ("terminal", "bin", "kind", "entry", "amount", "card", "tries", "trait")
        }
        batch = Batch(self.town, np.array([one.at_s for one in due]), columns)
        self.fate(batch)
        for place, one in enumerate(due):
            if one.stubborn:
                batch.code[place], batch.here[place] = self.town.codes[one.stubborn], 0
        return batch

    def _be_stubborn(self, batch: Batch) -> None:
        """Somebody tries a card that does not work four to ten times."""
        if not len(batch):
            return
        code = str(self.chance.choice(["51", "55", "61", "05", "96"]))
        at_s = float(batch.at_s[0])
        for _ in range(int(self.chance.integers(4, 11))):
            at_s += float(self.chance.uniform(3.0, 12.0))
            self._numbers += 1
            heappush(
                self._again,
                Again(
                    at_s, self._numbers, int(batch.terminal[0]), int(batch.bin[0]), int(batch.kind[0]),
                    int(batch.entry[0]), int(batch.amount[0]), int(batch.card[0]), AGAIN_TIMES,
                    int(batch.trait[0]), code,
                ),
            )  # fmt: skip

    def _change_mood(self, now_s: float) -> None:
        if now_s >= self._mood_until_s:
            self._mood_until_s = now_s + _MOOD_S
            self._volume = math.exp(self.chance.normal(0.0, _MOOD_VOLUME))
            self._failures = np.exp(self.chance.normal(0.0, _MOOD_FAILURES, len(self._failures)))


def _search(tables: Floats, draws: Floats) -> Ints:
    """In which part of its own cumulative table each draw lies."""
    found: Ints = (tables < draws[:, None]).sum(1)
    return found


_Choices = tuple[Floats, Ints]


def _choices(town: Town, shares: dict[str, float]) -> _Choices:
    """Codes by their shares; the rest is 0."""
    return np.cumsum(list(shares.values())), np.append(town.names.all(list(shares)), 0)


def _chosen(choices: _Choices, draws: Floats) -> Ints:
    found: Ints = choices[1][np.searchsorted(choices[0], draws)]
    return found
