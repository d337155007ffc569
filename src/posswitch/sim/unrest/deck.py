"""Which cases there are: each drawn from its number, so that a bench is the same everywhere."""

import numpy as np

from posswitch.sim.unrest.cases import PLANS, WARM_S, Case, Fault, population, town_of
from posswitch.sim.unrest.kinds import Kind, Shape
from posswitch.sim.unrest.places import LINKS_MAX, Population, Spot, index_of, size_of
from posswitch.sim.unrest.town import ADVICES, KINDS, Plan, Town
from posswitch.sim.unrest.traffic import shape

_BEFORE_S = (15.0, 30.0)
_SHOWN = 60.0  # so many payments are struck before a fault ends
_LONG_S, _SHORT_S = 120.0, 45.0
_SEEN_MIN = 12.0  # payments struck, at least, or the place is too quiet for this severity
_LOOKS = 60  # at places
_ASKED = [place for place, name in enumerate(KINDS) if name not in ADVICES]


def draw(number: int, kind: Kind, plan: Plan, severity: float = 0.0, shape: Shape | None = None) -> Case:
    """A case of a kind; its number decides all that is not given."""
    chance = np.random.default_rng((number, 7))
    plan = PLANS[kind.plan] if kind.plan >= 0 else plan
    severity = severity or float(chance.choice(kind.severities))
    shape = kind.shapes[int(chance.integers(len(kind.shapes)))] if shape is None else shape
    people, tps = population(plan.seed), tps_of(plan)
    spot = choose(shape, town_of(plan.seed), people, tps * severity * _LONG_S, chance)
    rate = people.share(spot) * tps * severity
    seconds = kind.seconds or min(max(_SHOWN / max(rate, 0.01), _SHORT_S), _LONG_S)
    form = str(chance.choice(kind.forms))
    after_s = float(chance.uniform(*_BEFORE_S))
    return Case(number, plan, (Fault(kind.key, spot, severity, form, after_s, seconds),))


def tps_of(plan: Plan) -> float:
    """How many come a second when a case of this plan begins."""
    return plan.tps * shape(plan.hour + WARM_S / 3600)


def choose(
    shape: Shape, town: Town, people: Population, payments: float, chance: np.random.Generator
) -> Spot:
    """A place of this shape that sees enough of so many payments; the busiest of some where none does."""
    if not shape:
        return Spot()
    best, most = Spot(), -1.0
    for _ in range(_LOOKS):
        spot = Spot(tuple(_any(dim, "bank" in shape, town, chance) for dim in shape))
        share = people.share(spot)
        if share * payments >= _SEEN_MIN:
            return spot
        if share > most:
            best, most = spot, share
    return best


def _any(dim: str, asked: bool, town: Town, chance: np.random.Generator) -> tuple[str, int]:
    """A value of a dimension; of kinds, where a bank is meant as well, one that banks are asked for."""
    dim, _, value = dim.partition("=")
    if value:
        return dim, index_of(town, dim, value)
    if dim == "link":
        bank = int(chance.integers(len(town.banks)))
        return dim, bank * LINKS_MAX + int(chance.integers(town.banks[bank].links))
    if dim == "kind" and asked:
        return dim, int(chance.choice(_ASKED))
    return dim, int(chance.integers(size_of(town, dim)))
