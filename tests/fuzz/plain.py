"""Blind mutations, many: `python -m tests.fuzz.plain --runs 1000000 --target all --seed 1 --workers 2`.

One line of JSON a target; what was found depends on seed and runs, not on workers or time. Exit 1 on escapes.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from .hunt import BLOCK_RUNS, Bag, Watch, block, smaller
from .targets import TARGETS, seeds_of

_NOTE_S = 30.0


def _shares(runs: int) -> list[int]:
    whole, rest = divmod(runs, BLOCK_RUNS)
    return [BLOCK_RUNS] * whole + [rest] * bool(rest)


def _block(name: str, seed: int, number: int, runs: int) -> tuple[int, int, Bag]:
    with Watch().on() as watch:
        return runs, *block(name, seed, number, runs, watch)


def _blocks(
    name: str, seed: int, runs: int, pool: ProcessPoolExecutor | None
) -> Iterator[tuple[int, int, Bag]]:
    shares = _shares(runs)
    each = pool.map if pool else map
    yield from each(_block, repeat(name), repeat(seed), range(len(shares)), shares)


def hunted(
    name: str, seed: int, runs: int, keep: Path | None = None, pool: ProcessPoolExecutor | None = None
) -> dict[str, object]:
    """The report about one target."""
    began = noted = time.monotonic()
    done = read = 0
    bag = Bag()
    for ran, known, found in _blocks(name, seed, runs, pool):
        done, read = done + ran, read + known
        for escape in found.values():
            bag.take(escape)
        if time.monotonic() - noted > _NOTE_S:
            noted = time.monotonic()
            print(f"{name}: {done} of {runs}, {len(bag)} escapes, {noted - began:.0f} s", file=sys.stderr)
    escapes = []
    for escape in bag.values():
        least = smaller(escape)
        row = {"what": least.what, "where": least.where, "times": escape.times, "hex": least.data.hex()[:400]}
        escapes.append(row | ({"file": str(least.keep(keep))} if keep else {}))
    seconds = round(time.monotonic() - began, 1)
    return {"target": name, "runs": done, "read": read, "escapes": escapes, "seconds": seconds}


def main() -> int:
    """One report a line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.plain", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=100_000, help="inputs for each target, fewer for slow ones"
    )
    parser.add_argument("--target", default="all", choices=["all", *TARGETS])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where reproducers are written")
    chosen = parser.parse_args()
    names = list(TARGETS) if chosen.target == "all" else [chosen.target]
    for name in names:
        seeds_of(name)  # before the workers are forked
    pool = ProcessPoolExecutor(chosen.workers) if chosen.workers > 1 else None
    escaped = 0
    for name in names:
        runs = chosen.runs // TARGETS[name].cost if len(names) > 1 else chosen.runs
        report = hunted(name, chosen.seed, runs, chosen.keep, pool)
        escaped += len(report["escapes"])  # type: ignore[arg-type]
        print(json.dumps(report), flush=True)
    return 1 if escaped else 0


if __name__ == "__main__":
    sys.exit(main())
