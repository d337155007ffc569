"""Plants each bug of mutants.toml into a copy of the program: `python -m tests.mutants.run [--only WORDS]`.

One line a bug: the seed that saw it and what it saw. Who shall catch it: the simulated worlds, unless its row
says `catcher`: "digest" (two processes that hash otherwise must agree), or a path of tests for what worlds
cannot reach. A row with `equivalent` says why nobody can see a difference; any other survivor is exit 1.
"""

import argparse
import os
import resource
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

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "posswitch"
SEEDS, REQUESTS, DIGEST_SEEDS = 40, 100, 8
CPU_SECONDS_MAX = 300  # of one bug: a world that does not end is seen, however busy the machine is
_HUNT = f"""
from posswitch.sim.world.run import many
for world in many(range(1, {SEEDS + 1}), {REQUESTS}):
    if world.violations:
        print(world.seed, world.violations[0])
        break
"""
_DIGEST = f"""
from posswitch.sim.world.run import many
for world in many(range(1, {DIGEST_SEEDS + 1}), {REQUESTS}):
    print(world.digest)
"""

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


def _run(folder: str, *argv: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    """Python with the mutated program, for so many seconds of CPU time at most."""
    return subprocess.run(
        [sys.executable, *argv],
        env={
            **os.environ,
            "PYTHONPATH": folder,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": hash_seed,
        },
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX + 1)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def _by_worlds(folder: str) -> tuple[int, str]:
    ended = _run(folder, "-c", _HUNT)
    if ended.returncode < 0:
        return SEEDS, f"a world does not end within {CPU_SECONDS_MAX} s"
    if ended.returncode:
        return 1, ended.stderr.strip().splitlines()[-1]
    seed, _, what = ended.stdout.strip().partition(" ")
    return int(seed or 0), what


def _by_digest(folder: str) -> tuple[int, str]:
    one, other = (_run(folder, "-c", _DIGEST, hash_seed=seed).stdout.split() for seed in ("1", "4711"))
    pairs = enumerate(zip(one, other, strict=True), 1)
    seed = next((number for number, (mine, yours) in pairs if mine != yours), 0)
    return seed, "two processes differ" if seed else ""


def _by_tests(folder: str, where: str) -> tuple[int, str]:
    ended = _run(folder, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", where)
    failed = [line for line in ended.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return (1, failed[0].split(" - ")[0]) if ended.returncode and failed else (0, "")


def hunted(mutant: Mutant) -> tuple[int, str]:
    """The first seed that sees the bug (0 when none does) and what it saw."""
    catcher = mutant.get("catcher", "worlds")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "posswitch"
        shutil.copytree(SOURCE, program, ignore=shutil.ignore_patterns("__pycache__"))
        place = program / mutant["file"]
        place.write_text(planted(mutant, place.read_text("utf-8")), "utf-8")
        if catcher == "worlds":
            return _by_worlds(folder)
        return _by_digest(folder) if catcher == "digest" else _by_tests(folder, catcher)


def hunts(mutants: list[Mutant], workers: int) -> Iterator[tuple[Mutant, int, str]]:
    """Every bug with the seed that saw it."""
    with ThreadPoolExecutor(workers) as pool:
        for mutant, (seed, what) in zip(mutants, pool.map(hunted, mutants), strict=True):
            yield mutant, seed, what


def main() -> int:
    """One line a bug, then how many were caught, by how many seeds, and which survivors nobody explains."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.run", description=__doc__)
    parser.add_argument("--only", default="", help="those whose name holds these words")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    mutants = [mutant for mutant in read_mutants() if chosen.only in mutant["name"]]
    seeds, explained, unexplained = [], 0, 0
    for mutant, seed, what in hunts(mutants, chosen.workers):
        why = mutant.get("equivalent", "")
        said = f"seed {seed}" if seed else "equal" if why else "SURVIVED"
        print(f"{said:<9} {mutant['name']}: {(what or why)[:140]}", flush=True)
        if seed:
            seeds.append(seed)
        elif why:
            explained += 1
        else:
            unexplained += 1
    typical = median(seeds) if seeds else "-"
    print(
        f"{len(seeds)} of {len(mutants)} caught, median seed {typical}; {explained} make no difference",
        end="",
    )
    print(f"; {unexplained} SURVIVED" if unexplained else "")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
