"""sim: worlds of one seed each, in which everything goes wrong, and what they prove."""

import json
import re
from typing import Annotated

import typer

from posswitch.base.errors import ConfigError
from posswitch.cli.options import AsJson
from posswitch.sim.world.run import explained, many, summary

_SEEDS_USUAL = "1-100"
_SEEDS = re.compile(r"([0-9]{1,12})(?:-([0-9]{1,12}))?")


def sim(
    seeds: Annotated[
        str | None, typer.Option(metavar="A-B", help="The first and the last seed, or one; without it 1-100.")
    ] = None,
    requests: Annotated[int, typer.Option(min=1, max=100_000, help="Payments in each world.")] = 500,
    seed: Annotated[int | None, typer.Option(min=0, help="One seed; with --explain its story.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Tell the story of one seed.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Run the switch in simulated worlds, kill and starve it, and count: exit 1 on any violation."""
    if seed is not None and seeds is not None:
        raise ConfigError("--seed and --seeds: give one of them")
    if explain and as_json:
        raise ConfigError("--explain and --json: a story is for people; give one of them")
    if explain:
        if seed is None:
            raise ConfigError("--explain: of which world? add --seed N")
        told, lines = explained(seed, requests)
        print("\n".join(lines))
        raise typer.Exit(1 if told.violations else 0)
    chosen = range(seed, seed + 1) if seed is not None else _read(seeds or _SEEDS_USUAL)
    counted = summary(many(chosen, requests, workers))
    if as_json:
        print(json.dumps(counted, ensure_ascii=False))
    else:
        print(" · ".join(f"{name} {counted[name]:,}" for name in ("seeds", "transactions", "crashes")))
        print("faults: " + ", ".join(f"{name} {count:,}" for name, count in counted["faults"].items()))
        for found in counted["violations"]:
            print(f"seed {found['seed']}: {found['what']}")
        print(f"violations {len(counted['violations'])} · digest {counted['digest'][:16]}")
    raise typer.Exit(1 if counted["violations"] else 0)


def _read(seeds: str) -> range:
    found = _SEEDS.fullmatch(seeds)
    if found is None or int(found[2] or found[1]) < int(found[1]):
        raise ConfigError(f"--seeds {seeds[:40]!r}: write the first and the last, as 1-100")
    return range(int(found[1]), int(found[2] or found[1]) + 1)
