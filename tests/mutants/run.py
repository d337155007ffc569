"""Plants each bug of mutants.toml into a copy of the program: `python -m tests.mutants.run [--only WORDS]`.

One line a bug: the seed that saw it and what it saw, or that it survived; exit 1 when one did.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

SOURCE = Path(__file__).parents[2] / "src" / "posswitch"
SEEDS, REQUESTS = 40, 100
_HUNT = """
from posswitch.sim.world.run import many
for world in many(range(1, {seeds} + 1), {requests}):
    if world.violations:
        print(world.seed, world.violations[0])
        break
"""
_SECONDS_MAX = 120.0

Mutant = dict[str, Any]


def read_mutants() -> list[Mutant]:
    """The planted bugs."""
    with (Path(__file__).parent / "mutants.toml").open("rb") as file:
        found: list[Mutant] = tomllib.load(file)["mutant"]
    return found


def planted(mutant: Mutant, text: str) -> str:
    """The file with the bug in it; ValueError when its place is not just one."""
    if text.count(mutant["old"]) != 1:
        raise ValueError(f"{mutant['name']}: stands {text.count(mutant['old'])} times in {mutant['file']}")
    return text.replace(mutant["old"], mutant["new"])


def hunted(mutant: Mutant) -> tuple[int, str]:
    """The first seed that sees the bug (0 when none does) and what it saw."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "posswitch"
        shutil.copytree(SOURCE, program, ignore=shutil.ignore_patterns("__pycache__"))
        place = program / mutant["file"]
        place.write_text(planted(mutant, place.read_text("utf-8")), "utf-8")
        try:
            ended = subprocess.run(
                [sys.executable, "-c", _HUNT.format(seeds=SEEDS, requests=REQUESTS)],
                env={**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                text=True,
                timeout=_SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return SEEDS, f"a world does not end within {_SECONDS_MAX:g} s"
    if ended.returncode:
        return 1, ended.stderr.strip().splitlines()[-1]
    seed, _, what = ended.stdout.strip().partition(" ")
    return int(seed or 0), what


def hunts(mutants: list[Mutant], workers: int) -> Iterator[tuple[Mutant, int, str]]:
    """Every bug with the seed that saw it."""
    with ThreadPoolExecutor(workers) as pool:
        for mutant, (seed, what) in zip(mutants, pool.map(hunted, mutants), strict=True):
            yield mutant, seed, what


def main() -> int:
    """One line a bug."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.run", description=__doc__)
    parser.add_argument("--only", default="", help="those whose name holds these words")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    mutants = [mutant for mutant in read_mutants() if chosen.only in mutant["name"]]
    seeds = []
    for mutant, seed, what in hunts(mutants, chosen.workers):
        print(f"{f'seed {seed}' if seed else 'SURVIVED':<9} {mutant['name']}: {what[:140]}", flush=True)
        seeds.append(seed)
    caught = [seed for seed in seeds if seed]
    print(f"{len(caught)} of {len(mutants)} caught, median seed {median(caught) if caught else '-'}")
    return 0 if len(caught) == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
