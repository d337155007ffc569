"""Ordinary business as guards see it: `python -m tests.pressure.ordinary [--purchases N] [--seed N]`.

Says how many of so many purchases the guards would have disturbed, and what they cost. The town has corner
shops, a chain behind two lines, a canteen, a hotel, a desk for returned goods, mobile terminals and days of
returns; customers who come again and tourists; empty cards, mistyped PINs and second tries; a bank that
refuses everybody for a while, one whose PIN key is out of step, and a restart of the node, which forgets.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from posswitch.base.bounds import BATCH_EVENTS_MAX
from posswitch.base.moment import NS_PER_S
from posswitch.edge.guards import Guards
from posswitch.engine.events import RequestArrived
from posswitch.engine.guard import BARRED
from posswitch.scheme.kinds import BALANCE, PREAUTH, REFUND, SALE, Kind
from posswitch.settings.machine import GuardsTable

DISTURBED_SHARE_MAX = 0.001
BINS = ("621700", "622848", "625912", "356833", "6223095", "62148300")  # any: guards do not know banks
_SHOPS, _CHAIN_TILLS, _MOBILE = 1500, 240, 150
_FREQUENT, _OFTEN = 40_000, 260_000  # cards of people who live here
_SPAN_S = 3 * 86_400  # what a million purchases are spread over
_WEEK = 1_000_000
# What a refused purchase is told, by how often.
_REFUSALS = {
    "51": 52,
    "61": 9,
    "65": 3,
    "05": 9,
    "62": 4,
    "57": 3,
    "14": 3,
    "54": 5,
    "41": 1,
    "91": 6,
    "96": 5,
}


class Till(NamedTuple):
    """Where people pay: its shop, how busy it is, what is usual there."""

    terminal: str
    merchant: str
    weight: int
    refused: float  # share of purchases
    returns: float = 0.0
    regulars: tuple[int, int] = (0, 0)  # cards that come here again and again: first, how many
    loyal: float = 0.0  # share of them among the customers
    places: tuple[str, ...] = ()
    pins: float = 0.6
    kind: Kind = SALE


class Moment(NamedTuple):
    """One message as the edge sees it."""

    request: RequestArrived
    bin: str
    place: str
    code: str
    tick_ns: int


def request_of(
    till: Till, card: int, stan: int, amount_minor: int, kind: Kind, *, pin: bool, bin_: str, batch: str
) -> RequestArrived:
    """What was admitted; the fingerprint stands for the card number."""
    print_ = (card * 0x9E3779B97F4A7C15 % (1 << 64)).to_bytes(8, "big") + card.to_bytes(8, "big")
    return RequestArrived(
        stan, kind.name, f"{till.terminal}{stan}", till.terminal, till.merchant, batch, f"{stan:06d}",
        amount_minor, "156", "000000", "051", "00", "4912", b"", print_, 16,
        f"{card * 7919 % 10_000:04d}", True, bin_, "5411", "22000001", pin, "test",
    )  # fmt: skip


def tills(entropy: random.Random) -> list[Till]:
    """The town."""
    found = []
    for number in range(_SHOPS):
        home = entropy.randrange(_FREQUENT + _OFTEN)
        for desk in range(entropy.choice((1, 1, 1, 2, 3))):
            found.append(
                Till(
                    f"{number:05d}{desk:03d}",
                    f"8024403541{number:05d}",
                    entropy.choice((2, 5, 10, 30)),
                    entropy.uniform(0.03, 0.08),
                    entropy.choice((0.0, 0.002, 0.02)),
                    (home, 400),
                    0.5,
                    (f"10.1.{number % 250}.{number // 250}",),
                )
            )
    for desk in range(_CHAIN_TILLS):
        lines = ("10.9.0.1", "10.9.0.2")  # both in turn
        found.append(
            Till(f"90000{desk:03d}", "802440354199999", 25, 0.05, 0.01, (0, 20_000), 0.3, lines, 0.5)
        )
    for number in range(_MOBILE):
        cells = tuple(f"100.64.{number}.{cell}" for cell in range(6))
        found.append(Till(f"M{number:07d}", f"8024403412{number:05d}", 4, 0.07, 0.0, (0, 0), 0.0, cells, 0.7))
    found += [
        Till("CANTEEN1", "802440358120001", 9000, 0.06, 0.0, (50_000, 4_000), 0.97, ("10.2.0.1",), 0.05),
        Till("HOTEL001", "802440370110001", 600, 0.08, 0.05, (0, 0), 0.0, ("10.2.0.2",), 0.8, PREAUTH),
        Till("RETURNS1", "802440356610001", 300, 0.03, 0.95, (0, 0), 0.0, ("10.2.0.3",), 0.5),
        Till("INQUIRE1", "802440360120001", 500, 0.05, 0.0, (0, 0), 0.0, ("10.2.0.4",), 1.0, BALANCE),
        Till("CLINIC01", "802440380110001", 900, 0.08, 0.01, (7_000, 6_000), 0.6, ("10.2.0.5",), 0.95),
    ]
    return found


class Town:
    """An endless stream, the same for the same seed."""

    def __init__(self, seed: int, step_ns: int = _SPAN_S * NS_PER_S // _WEEK) -> None:
        self._entropy = random.Random(seed)
        self._step_ns = step_ns
        self.tick_ns = NS_PER_S
        self.tills = tills(self._entropy)
        self._weights = [till.weight for till in self.tills]
        self._stans: Counter[str] = Counter()
        self._strangers = _FREQUENT + _OFTEN
        self.purchases = 0
        self.bank_down = self.pins_out_of_step = ""
        self.returns_day = False

    def said(self, till: Till, card: int, code: str, amount_minor: int, kind: Kind, *, pin: bool) -> Moment:
        """One request and what it is answered."""
        self.tick_ns += self._step_ns
        self._stans[till.terminal] += 1
        turn, stan = divmod(self._stans[till.terminal], 999_999)
        place = till.places[
            (self._stans[till.terminal] // 3 if len(till.places) > 2 else stan) % len(till.places)
        ]
        bin_ = self.bin_of(card)
        batch = f"{turn + 1:06d}"
        request = request_of(till, card, stan + 1, amount_minor, kind, pin=pin, bin_=bin_, batch=batch)
        return Moment(request, bin_, place, code, self.tick_ns)

    @staticmethod
    def bin_of(card: int) -> str:
        """The canteen's people all have the same bank."""
        return BINS[0] if 50_000 <= card < 54_000 else BINS[card % len(BINS)]

    def _card(self, till: Till) -> int:
        entropy = self._entropy
        if entropy.random() < till.loyal:
            first, count = till.regulars
            return first + entropy.randrange(count)
        at = entropy.random()
        if at < 0.45:
            return entropy.randrange(_FREQUENT)
        if at < 0.9:
            return _FREQUENT + entropy.randrange(_OFTEN)
        self._strangers += 1
        return self._strangers

    def __iter__(self) -> Iterator[Moment]:
        """One customer after the other."""
        entropy, refusals = self._entropy, list(_REFUSALS)
        shares = list(_REFUSALS.values())
        while True:
            for till in entropy.choices(self.tills, self._weights, k=1000):
                card = self._card(till)
                amount_minor = entropy.randrange(300, 2_500 if till.terminal == "CANTEEN1" else 60_000)
                pin = entropy.random() < till.pins
                if entropy.random() < till.returns * (8 if self.returns_day and till.returns < 0.1 else 1):
                    yield self.said(till, card, "00", amount_minor, REFUND, pin=False)
                    continue
                self.purchases += 1
                bin_ = self.bin_of(card)
                if bin_ == self.bank_down:
                    yield self.said(till, card, "05", amount_minor, till.kind, pin=pin)
                    continue
                if pin and (bin_ == self.pins_out_of_step or entropy.random() < 0.02):
                    yield from self._mistyped(till, card, amount_minor)
                elif entropy.random() < till.refused:
                    code = entropy.choices(refusals, shares)[0]
                    yield from self._refused(till, card, amount_minor, code, pin=pin)
                else:
                    yield self.said(till, card, "00", amount_minor, till.kind, pin=pin)

    def _mistyped(self, till: Till, card: int, amount_minor: int) -> Iterator[Moment]:
        entropy = self._entropy
        for _ in range(1 + (entropy.random() < 0.35)):
            yield self.said(till, card, "55", amount_minor, till.kind, pin=True)
        if self.bin_of(card) != self.pins_out_of_step and entropy.random() < 0.85:
            yield self.said(till, card, "00", amount_minor, till.kind, pin=True)
        elif entropy.random() < 0.4:
            yield self.said(till, card, entropy.choice(("55", "75")), amount_minor, till.kind, pin=True)

    def _refused(self, till: Till, card: int, amount_minor: int, code: str, *, pin: bool) -> Iterator[Moment]:
        """People try again: the same, with less, with another card."""
        entropy = self._entropy
        yield self.said(till, card, code, amount_minor, till.kind, pin=pin)
        while code in ("51", "61") and entropy.random() < 0.4:
            amount_minor = amount_minor * 2 // 3 + 1
            yield self.said(till, card, code, amount_minor, till.kind, pin=pin)
        if code in ("05", "14", "91") and entropy.random() < 0.4:
            yield self.said(till, card, code, amount_minor, till.kind, pin=pin)
        other = self._card(till)
        if entropy.random() < 0.5 and self.bin_of(other) != self.bank_down:
            yield self.said(till, other, "00", amount_minor, till.kind, pin=pin)


class Count(NamedTuple):
    """What the guards did to a stream."""

    purchases: int
    requests: int
    disturbed: Counter[str]  # by the guard in force
    shadow: Counter[str]


def fed(guards: Guards, moment: Moment) -> str:
    """One request and its answer past the guards; who barred it."""
    guards.paid(moment.place, moment.tick_ns)
    request, code = moment.request, moment.code
    barred = guards.asked(request, moment.bin, moment.tick_ns)
    if barred:
        request, code = msgspec.structs.replace(request, barred=barred), BARRED
    guards.answered(request, code, moment.bin, moment.place, moment.tick_ns)
    return barred


def ordinary(seed: int, purchases: int, *, troubles: bool = True) -> Count:
    """So many purchases of a town past the guards with their usual modes."""
    town, guards = Town(seed), Guards(GuardsTable(), lambda: 0)
    disturbed: Counter[str] = Counter()
    shadow: Counter[str] = Counter()
    requests = 0
    for moment in town:
        at = town.purchases * 100 // purchases
        town.returns_day = 30 <= at < 45
        if troubles:  # an hour of three days each
            town.bank_down = {50: BINS[1], 60: BINS[0]}.get(at, "")
            town.pins_out_of_step = BINS[0] if at == 70 else ""
            if at == 60 and not shadow["restarts"]:
                shadow["restarts"] = 1
                guards = Guards(GuardsTable(), lambda: 0)
        barred = fed(guards, moment)
        requests += 1
        if barred:
            disturbed[barred] += 1
        if town.purchases >= purchases:
            break
    for name, count in guards.counts.items():
        shadow[name] += count
    return Count(purchases, requests, disturbed, shadow)


def cost_us(seed: int, purchases: int = 200_000) -> float:
    """CPU µs a request of all guards together, after a fifth of the stream; what a turn has made is warm."""
    town, guards = iter(Town(seed)), Guards(GuardsTable(), lambda: 0)
    spent_ns = counted = 0
    for at in range(0, purchases, BATCH_EVENTS_MAX):
        turn = [next(town) for _ in range(BATCH_EVENTS_MAX)]
        began_ns = time.process_time_ns()
        for moment in turn:
            fed(guards, moment)
        with_guards_ns = time.process_time_ns() - began_ns
        began_ns = time.process_time_ns()
        for moment in turn:
            _unfed(moment)
        if at >= purchases // 5:
            spent_ns += with_guards_ns - (time.process_time_ns() - began_ns)
            counted += len(turn)
    return spent_ns / 1000 / counted


def _unfed(moment: Moment) -> str:
    """What `fed` does beside the guards."""
    request, code = moment.request, moment.code
    return "" if (request, moment.bin, moment.tick_ns, code, moment.place) else code


def main() -> int:
    """One line each; exit 1 when more than one purchase in a thousand was disturbed."""
    parser = argparse.ArgumentParser(prog="python -m tests.pressure.ordinary", description=__doc__)
    parser.add_argument("--purchases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    count = ordinary(chosen.seed, chosen.purchases)
    disturbed = count.disturbed.total()
    print(f"{count.purchases:,} purchases, {count.requests:,} requests, disturbed {disturbed}")
    print(f"disturbed by guard: {dict(count.disturbed)}; counted by the last guards: {dict(count.shadow)}")
    print(f"cost of all guards: {cost_us(chosen.seed):.2f} CPU µs a request")
    return 1 if disturbed > count.purchases * DISTURBED_SHARE_MAX else 0


if __name__ == "__main__":
    sys.exit(main())
