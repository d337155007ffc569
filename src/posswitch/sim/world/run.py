"""Many worlds, one after the other or side by side, and what became of them."""

import gc
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from itertools import repeat
from typing import Any

import msgspec
import structlog

from posswitch.sim.world.judge import digest, violations
from posswitch.sim.world.loop import Idle
from posswitch.sim.world.story import story
from posswitch.sim.world.world import World

VIOLATIONS_MAX = 20  # told of one world


class Told(msgspec.Struct, frozen=True):
    """What became of one world."""

    seed: int
    transactions: int
    crashes: int
    faults: dict[str, int]
    violations: list[str]
    digest: str
    mix: str


def one(seed: int, requests: int) -> Told:
    """Runs and judges the world of a seed."""
    return explained(seed, requests, tell=False)[0]


def explained(seed: int, requests: int, *, tell: bool = True) -> tuple[Told, list[str]]:
    """The same, with its story."""
    with hushed():
        world = World(seed, requests)
        try:
            world.run()
            found = list(violations(world))
        except Idle:
            found = [*world.violations, "the world stands still: somebody waits for what never comes"]
        told = Told(
            seed,
            len(world.pages("slips")),
            world.counts["kill"] + world.counts["power-cut"],
            dict(sorted(world.faults().items())),
            found[:VIOLATIONS_MAX],
            digest(world),
            str(world.mix),
        )
        lines = list(story(world, found)) if tell else []
        world.bury()
        del world
        gc.collect()
    return told, lines


class hushed:
    """The dead close their files in vain and the node writes no log: nobody hears it."""

    def __enter__(self) -> None:
        self._warnings = warnings.catch_warnings(action="ignore")
        self._warnings.__enter__()
        self._hook = sys.unraisablehook
        sys.unraisablehook = lambda unraisable: None
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

    def __exit__(self, *_: object) -> None:
        self._warnings.__exit__(None, None, None)
        sys.unraisablehook = self._hook
        structlog.reset_defaults()


def many(seeds: Iterable[int], requests: int, workers: int = 1) -> Iterator[Told]:
    """Every world of `seeds`, in order."""
    if workers == 1:
        _rest()
        yield from (one(seed, requests) for seed in seeds)
        return
    with ProcessPoolExecutor(workers, initializer=_rest) as pool:
        yield from pool.map(one, seeds, repeat(requests), chunksize=4)


def _rest() -> None:
    """What is there before the first world stays: looking through it after each costs more than it frees."""
    gc.collect()
    gc.freeze()


def summary(told: Iterable[Told]) -> dict[str, Any]:
    """All of them together."""
    faults, said = Counter[str](), sha256()
    found: list[dict[str, Any]] = []
    seeds = transactions = crashes = 0
    for world in told:
        seeds += 1
        transactions += world.transactions
        crashes += world.crashes
        faults.update(world.faults)
        said.update(world.digest.encode())
        found += [{"seed": world.seed, "what": what} for what in world.violations]
    return {
        "seeds": seeds,
        "transactions": transactions,
        "crashes": crashes,
        "faults": dict(sorted(faults.items())),
        "violations": found,
        "digest": said.hexdigest(),
    }
