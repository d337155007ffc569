"""The deck of a bench: which cases are played, quick or whole, all drawn from one seed."""

from itertools import count, cycle
from typing import NamedTuple

from posswitch.sim.unrest.cases import KINDS_FAMILY, KINDS_HELD, KINDS_TUNED, PLANS, Case
from posswitch.sim.unrest.deck import draw
from posswitch.sim.unrest.hard import FAMILIES, LIVELY, hard, ladder, lively
from posswitch.sim.unrest.kinds import Kind

TUNED, HELD, FAMILY, HARD, LADDER, CALM = "tuned", "held out", "held-out family", "hard", "ladder", "calm"
LEVELS = (1.0, 0.3, 0.1)
_SEEDS = 100_000  # numbers of one seed
_QUICK_S, _QUICK_AFTER_S = 45.0, 8.0
_SOAK_S, _SOAK_TICK_S = 1800.0, 1.0


class Dealt(NamedTuple):
    """A case, and which part of the bench it belongs to."""

    part: str
    case: Case


class Size(NamedTuple):
    """How many of each."""

    tuned: int  # cases of a kind
    held: int
    family: int
    hard: int  # cases of a family
    ladder: int  # cases of a level
    calm: int
    soaks: int
    plans: tuple[int, ...]


WHOLE = Size(2, 2, 4, 3, 8, 2, 4, (0, 1, 2, 3, 4))
QUICK = Size(0, 0, 0, 0, 2, 0, 0, (0, 1))
_QUICK_KINDS = 8  # of each of tuned and held out


def deal(quick: bool, seed: int) -> list[Dealt]:
    """All cases of a bench."""
    numbers = count(seed * _SEEDS)
    size = QUICK if quick else WHOLE
    plans = cycle([PLANS[place] for place in size.plans])

    def some(part: str, kinds: list[Kind], each: int) -> list[Dealt]:
        return [Dealt(part, draw(next(numbers), kind, next(plans))) for kind in kinds for _ in range(each)]

    def few(part: str, kinds: list[Kind]) -> list[Dealt]:
        spread = [one for one in kinds if one.plan < 0]
        start, step = seed % 5, max(len(spread) // _QUICK_KINDS, 1)
        return some(part, spread[start::step][:_QUICK_KINDS], 1)

    tuned, held, family = (list(kinds.values()) for kinds in (KINDS_TUNED, KINDS_HELD, KINDS_FAMILY))
    if quick:
        dealt = [*few(TUNED, tuned), *few(HELD, held), *some(FAMILY, family[:2], 1)]
        dealt += [Dealt(HARD, hard(next(numbers), name)) for name in ("few", "2-at-once")]
    else:
        dealt = [
            *some(TUNED, tuned, size.tuned),
            *some(HELD, held, size.held),
            *some(FAMILY, family, size.family),
        ]
        dealt += [Dealt(HARD, hard(next(numbers), name)) for name in FAMILIES for _ in range(size.hard)]
        dealt += [Dealt(CALM, lively(next(numbers), what)) for what in LIVELY for _ in range(size.calm)]
    dealt += [Dealt(LADDER, ladder(next(numbers), level)) for level in LEVELS for _ in range(size.ladder)]
    dealt += [Dealt(CALM, soak(next(numbers), place)) for place in range(size.soaks)]
    return [Dealt(one.part, _shortened(one.case)) for one in dealt] if quick else dealt


def soak(number: int, place: int) -> Case:
    """Half an hour in which nothing happens, a tick a second."""
    return Case(number, PLANS[place % len(PLANS)], (), "soak", after_s=_SOAK_S - 60.0, tick_s=_SOAK_TICK_S)


def _shortened(case: Case) -> Case:
    faults = tuple(one._replace(seconds=min(one.seconds, _QUICK_S)) for one in case.faults)
    return case._replace(faults=faults, after_s=min(case.after_s, _QUICK_AFTER_S))
