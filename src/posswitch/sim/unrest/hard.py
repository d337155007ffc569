"""The hard families: few failures, several at once, what looks like something else, what is nothing."""

from collections.abc import Callable

import numpy as np

from posswitch.diagnose.detect import Change
from posswitch.diagnose.signals import Sort
from posswitch.sim.unrest.blows import FLAP, RAMP, Changed, Fewer, Hit, Lines, Onset, Says
from posswitch.sim.unrest.cases import KINDS_TUNED, PLANS, WARM_S, Case, Fault, population, town_of
from posswitch.sim.unrest.crowds import Copies, More, Stubborn
from posswitch.sim.unrest.deck import choose, draw, tps_of
from posswitch.sim.unrest.kinds import BANK, BIN, LINK, MERCHANT, TERMINAL, Shape
from posswitch.sim.unrest.places import Spot
from posswitch.sim.unrest.quiet import Rung
from posswitch.sim.unrest.town import MERCHANTS, Plan
from posswitch.sim.unrest.upheavals import Moods
from posswitch.sim.unrest.world import Blow

_START_S = WARM_S + 1.0  # of the world's time, when a case begins
_FEW = (4.0, 8.0)  # failures
_FEW_KINDS: tuple[tuple[str, Shape], ...] = (
    ("sec-mac-mismatch-one", TERMINAL), ("data-format-one-terminal", TERMINAL), ("iss-partial-bin", BIN),
    ("data-merchant-limit-table", MERCHANT), ("data-bin-stale", BIN),
)  # fmt: skip
_AT_ONCE: tuple[tuple[str, Shape], ...] = (
    ("sys-issuer-96-remote", BANK), ("net-issuer-link-down", BANK), ("iss-all-decline", BANK),
    ("net-half-open", BANK), ("ter-region-mobile", ("region",)), ("ter-param-bad", ("model",)),
    ("sec-card-testing", MERCHANT), ("sec-mac-mismatch-all", ("source",)), ("data-bin-stale", BIN),
    ("iss-slow", BANK),
)  # fmt: skip
_LEVELS = (1.0, 0.3, 0.1)
_LADDER_TPS = (7.0, 14.0)
_CODE_OF = {
    int(Sort.FAIL): "96", int(Sort.PIN): "55", int(Sort.LIMIT): "61", int(Sort.DECLINE): "51",
    int(Sort.ORDER): "25", int(Sort.FORMAT): "30", int(Sort.REGISTRY): "58",
}  # fmt: skip

Draw = Callable[[int, np.random.Generator], Case]


def _plan(chance: np.random.Generator) -> Plan:
    return PLANS[int(chance.choice([0, 1, 2, 4], p=[0.4, 0.35, 0.15, 0.1]))]


def _hit(spot: Spot, share: float, after_s: float, seconds: float, form: str = "step") -> Hit:
    begin_s = _START_S + after_s
    return Hit(spot, share, Onset(begin_s, begin_s + seconds, form))


def _few(number: int, chance: np.random.Generator) -> Case:
    """Four to eight failures in all."""
    plan = PLANS[int(chance.integers(3))]
    key, shape = _FEW_KINDS[int(chance.integers(len(_FEW_KINDS)))]
    people, tps = population(plan.seed), tps_of(plan)
    spot = choose(shape, town_of(plan.seed), people, tps * 60.0 / 2, chance)
    failures = float(chance.uniform(*_FEW))
    seconds = failures / max(people.share(spot) * tps, 0.01)
    return Case(number, plan, (Fault(key, spot, 1.0, after_s=20.0, seconds=min(seconds, 150.0)),), "few")


def _several(count: int) -> Draw:
    def drawn(number: int, chance: np.random.Generator) -> Case:
        """Different kinds, none at a bank of another."""
        plan = PLANS[int(chance.integers(2))]
        faults: list[Fault] = []
        for place in chance.permutation(len(_AT_ONCE)):
            key, shape = _AT_ONCE[int(place)]
            one = draw(number + 7 * len(faults), KINDS_TUNED[key], plan, 1.0, shape).faults[0]
            banks = {_bank(plan, other.spot) for other in faults}
            if _bank(plan, one.spot) < 0 or _bank(plan, one.spot) not in banks:
                faults.append(one._replace(after_s=20.0 + float(chance.uniform(0, 6)), seconds=60.0))
            if len(faults) == count:
                break
        return Case(number, plan, tuple(faults), f"{count}-at-once")

    return drawn


def _bank(plan: Plan, spot: Spot) -> int:
    bin_ = spot.get("bin")
    return int(town_of(plan.seed).bin_bank[bin_]) if bin_ >= 0 else spot.get("bank")


def _one_way(number: int, chance: np.random.Generator) -> Case:
    case = draw(number, KINDS_TUNED["net-one-way"], _plan(chance))
    return case._replace(family="one-way")


def _drip(number: int, chance: np.random.Generator) -> Case:
    """From about 2 to 6 % at a bank, within a minute."""
    plan = _plan(chance)
    spot = choose(BANK, town_of(plan.seed), population(plan.seed), tps_of(plan) * 1.2, chance)
    drip = Fault("sys-issuer-96-remote", spot, 0.055, RAMP, 20.0, 150.0)
    beside: tuple[Blow, ...] = (Says(_hit(spot, 0.016, -WARM_S, 2 * WARM_S), {"96": 1.0}),)
    return Case(number, plan, (drip,), "drip", beside)


def _storm(number: int, chance: np.random.Generator) -> Case:
    """A bank is silent for 20 seconds; when it is back everybody tries again and again."""
    plan = PLANS[int(chance.integers(2))]
    spot = choose(BANK, town_of(plan.seed), population(plan.seed), tps_of(plan) * 0.6, chance)
    fault = Fault("net-half-open", spot, 1.0, after_s=20.0, seconds=22.0)
    return Case(number, plan, (fault,), "storm-after", (Copies(_hit(spot, 1.0, 40.0, 40.0), 2.5),), 50.0)


def _brown_out(number: int, chance: np.random.Generator) -> Case:
    """The largest bank gets slow, its customers try again, and that is too much for us."""
    plan = PLANS[int(chance.integers(2))]
    spot = Spot((("bank", 0),))
    fault = Fault("iss-slow", spot, 1.0, RAMP, 20.0, 80.0)
    return Case(number, plan, (fault,), "brown-out", (Copies(_hit(spot, 1.0, 26.0, 60.0), 14.0),), 40.0)


def _outside(number: int, chance: np.random.Generator) -> Case:
    """Some cards fail, for a reason that no dimension names."""
    plan = _plan(chance)
    return Case(number, plan, (Fault("outside", Spot(), 0.15, after_s=20.0, seconds=60.0),), "outside")


def _limit(number: int, chance: np.random.Generator) -> Case:
    """A bank says 96 and means a limit."""
    return draw(number, KINDS_TUNED["lim-issuer-quota"], _plan(chance))._replace(family="96-is-a-limit")


def _change_and_blip(number: int, chance: np.random.Generator) -> Case:
    """A version comes into force, and a line drops out that has nothing to do with it."""
    case = draw(number, KINDS_TUNED["net-issuer-link-down"], _plan(chance), shape=BANK)
    fault = case.faults[0]._replace(seconds=float(chance.uniform(12.0, 25.0)))
    changed = Changed(_hit(Spot(), 1.0, fault.after_s - float(chance.uniform(1.0, 8.0)), 60.0))
    return case._replace(faults=(fault,), beside=(changed,), family="change-and-blip")


def _attack(number: int, chance: np.random.Generator) -> Case:
    """Two or three tries at each of 300 merchants."""
    return draw(number, KINDS_TUNED["sec-card-testing"], _plan(chance), shape=BIN)._replace(
        family="300-merchants"
    )


def _clock(number: int, chance: np.random.Generator) -> Case:
    key = ("sys-clock-jump", "time-cutover", "time-cutover-stuck")[int(chance.integers(3))]
    return draw(number, KINDS_TUNED[key], _plan(chance))._replace(family="clock-and-cutover")


def _flapping(number: int, chance: np.random.Generator) -> Case:
    """Three seconds on, twenty off."""
    key = ("sys-issuer-96-remote", "iss-all-decline")[int(chance.integers(2))]
    case = draw(number, KINDS_TUNED[key], _plan(chance), 1.0, BANK)
    fault = case.faults[0]._replace(form=FLAP, seconds=115.0)
    return case._replace(faults=(fault,), family="flapping")


def _baseline(number: int, chance: np.random.Generator) -> Case:
    """What was usual is wrong by half, both ways, in volume and in failures."""
    key = ("sys-issuer-96-remote", "net-issuer-link-down", "ter-param-bad", "iss-all-decline")
    case = draw(number, KINDS_TUNED[key[int(chance.integers(len(key)))]], _plan(chance))
    times = float(chance.choice([0.5, 1.5]))
    drift = Moods(_hit(Spot(), 1.0, 0.0, case.seconds, RAMP), times, float(chance.choice([0.5, 1.5])))
    return case._replace(beside=(drift,), family="wrong-baseline")


def _link_of_two(number: int, chance: np.random.Generator) -> Case:
    """One of a bank's links ends: hardly anybody notices."""
    return draw(number, KINDS_TUNED["net-issuer-link-down"], _plan(chance), shape=LINK)._replace(
        family="one-link"
    )


FAMILIES: dict[str, Draw] = {
    "few": _few,
    "2-at-once": _several(2),
    "3-at-once": _several(3),
    "one-way": _one_way,
    "drip": _drip,
    "storm-after": _storm,
    "brown-out": _brown_out,
    "outside": _outside,
    "96-is-a-limit": _limit,
    "change-and-blip": _change_and_blip,
    "300-merchants": _attack,
    "clock-and-cutover": _clock,
    "flapping": _flapping,
    "wrong-baseline": _baseline,
    "one-link": _link_of_two,
}


def hard(number: int, family: str) -> Case:
    """A case of a family; its number decides everything."""
    return FAMILIES[family](number, np.random.default_rng((number, 9)))


def ladder(number: int, level: float) -> Case:
    """A bank of about ten payments a second that fails by this share: how soon is it seen?"""
    chance = np.random.default_rng((number, 10))
    kinds = ("sys-issuer-96-remote", "net-half-open", "net-issuer-link-down") if level >= 1.0 else (
        "sys-issuer-96-remote",
    )  # fmt: skip
    plan = PLANS[int(chance.integers(2))]
    people, tps = population(plan.seed), tps_of(plan)
    low, high = _LADDER_TPS
    banks = [
        bank for bank in range(20) if low <= people.share(Spot((("bank", bank),))) * tps <= high
    ]  # fmt: skip
    spot = Spot((("bank", int(chance.choice(banks))),))
    fault = Fault(str(chance.choice(kinds)), spot, level, after_s=float(chance.uniform(15, 25)), seconds=60.0)
    return Case(number, plan, (fault,), f"ladder-{level:g}")


# What is nobody's fault


def _payday(number: int, chance: np.random.Generator) -> tuple[Blow, ...]:
    return (Says(_hit(Spot(), 0.06, 10.0, 80.0, RAMP), {"51": 0.85, "61": 0.15}),)


def _opening(number: int, chance: np.random.Generator) -> tuple[Blow, ...]:
    return (More(_hit(Spot((("merchant", int(chance.integers(MERCHANTS))),)), 1.0, 10.0, 80.0, RAMP), 8.0),)


def _maintenance(number: int, chance: np.random.Generator) -> tuple[Blow, ...]:
    """One link after the other is closed for two seconds; the bank has others."""
    town = town_of(PLANS[0].seed)
    several = [place for place, bank in enumerate(town.banks) if bank.links > 1]
    bank = int(chance.choice(several))
    return tuple(
        Lines(_hit(Spot((("link", bank * 16 + index),)), 1.0, 15.0 + 12.0 * index, 2.0), cut=True)
        for index in range(town.banks[bank].links)
    )


def _rush(number: int, chance: np.random.Generator) -> tuple[Blow, ...]:
    return (More(_hit(Spot(), 1.0, 5.0, 90.0, RAMP), 1.6),)


LIVELY: dict[str, Callable[[int, np.random.Generator], tuple[Blow, ...]]] = {
    "payday": _payday, "opening": _opening, "maintenance": _maintenance, "rush": _rush,
    "quiet": lambda number, chance: (),
}  # fmt: skip


def looked_into(number: int, rang: Rung) -> Case:
    """What has rung in a quiet week, as outcomes: so many of so many failed there, or one terminal's did."""
    plan = PLANS[0]
    seconds = rang.total / max(population(plan.seed).share(rang.spot) * tps_of(plan), 0.05)
    seconds = min(max(seconds, rang.seconds, 10.0), 120.0)
    hit = _hit(rang.spot, 1.0, 15.0, rang.seconds if rang.stubborn else seconds)
    code = _CODE_OF.get(rang.stream, "96")
    if rang.change is Change.LITTLE:
        blow: Blow = Fewer(hit._replace(share=0.4))
    elif rang.stubborn:
        blow = Stubborn(hit, int(rang.bad), code)
    else:
        blow = Says(hit._replace(share=min(rang.bad / max(rang.total, 1.0), 1.0)), {code: 1.0})
    return Case(number, plan, (), "rung", (blow,), max(hit.onset.end_s - _START_S - 40.0, 20.0))


def lively(number: int, what: str) -> Case:
    """A minute and a half in which much happens and nothing is wrong."""
    chance = np.random.default_rng((number, 11))
    plan = PLANS[0] if what == "maintenance" else _plan(chance)
    return Case(number, plan, (), f"lively-{what}", LIVELY[what](number, chance), 40.0)
