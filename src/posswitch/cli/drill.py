"""drill: one named fault against the real stack, and whether diagnosis names it."""

import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from posswitch.base.errors import ConfigError, PosswitchError
from posswitch.cli.options import AsJson, Lang, settings_of
from posswitch.cli.train import Asked, train
from posswitch.sim.drills.drill import SEVERITIES, Drill, Ground
from posswitch.sim.drills.play import Played, play, severity_of
from posswitch.sim.drills.stage import Stage, Theatre, standing
from posswitch.sim.drills.table import DRILLS, NOT_HERE, drill_named
from posswitch.sim.drills.titles import title_of


class Severity(StrEnum):
    """How much of what happens at the place goes wrong."""

    light = "light"
    medium = "medium"
    full = "full"


assert tuple(Severity) == tuple(SEVERITIES)
_SEEDS_MAX = 10**9


def drill(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which; without it all.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Only say what there is.")] = False,
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(min=0, max=_SEEDS_MAX, help="Draws place and severity.")] = 1,
    severity: Annotated[Severity | None, typer.Option(help="How much at the place goes wrong.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="The folder of a city that runs; without it one of its own.")
    ] = None,
    training: Annotated[
        bool, typer.Option("--train", help="The fault is hidden; you find it. NAME: also calls, complaints.")
    ] = False,
    lang: Annotated[Lang, typer.Option("--lang", help="Of a training.")] = Lang.zh,
    who: Annotated[str, typer.Option(help="Who is trained; without it the user of this machine.")] = "",
    history: Annotated[Path | None, typer.Option(help="The file in which trainings are noted.")] = None,
    past: Annotated[bool, typer.Option("--past", help="With --train: how somebody is doing.")] = False,
) -> None:
    """Play a fault on the real stack; does diagnosis name it? Undo it, count: exit 1 when it is wrong."""
    if training:
        chosen = severity.value if severity is not None else None
        train(Asked(name or "", seed, chosen, lang.value, who, data, history, past, as_json))
        return
    if past or who or history is not None:
        raise ConfigError("--past, --who, --history: belong to --train")
    if listed:
        _list(name, as_json=as_json)
        return
    wanted = [drill_named(name)] if name else list(DRILLS.values())
    if name is None and data is not None:
        raise ConfigError("--data: which drill is to be played there? name one")
    chosen = severity.value if severity is not None else None
    good = True
    for ground in Ground:
        for played in _on(ground, [one for one in wanted if one.ground is ground], seed, chosen, data, name):
            good = good and played.good
            print(json.dumps(played.plain(), ensure_ascii=False) if as_json else _line(played), flush=True)
    raise typer.Exit(0 if good else 1)


def _list(name: str | None, *, as_json: bool) -> None:
    rows = [drill_named(name)] if name else list(DRILLS.values())
    if as_json:
        told = {
            "drills": [
                {
                    "drill": row.name,
                    "cause": row.cause,
                    "place": list(row.where),
                    "severities": list(row.severities),
                    "ground": row.ground.value,
                    "title_zh": title_of(row, "zh"),
                    "title_en": title_of(row, "en"),
                    "missing": row.needs(),
                }
                for row in rows
            ],
            "not_here": NOT_HERE if name is None else {},
        }
        print(json.dumps(told, ensure_ascii=False))
        return
    for row in rows:
        missing = f"  ({row.needs()})" if row.needs() else ""
        where = "/".join(row.where) or "centre"
        print(
            f"{row.name:<32}{row.cause:<11}{where:<10}{title_of(row, 'zh')} · {title_of(row, 'en')}{missing}"
        )
    if name is None:
        print(f"{len(rows)} drills; not to be played here:")
        for kind, why in NOT_HERE.items():
            print(f"  {kind:<30}{why}")


def _on(
    ground: Ground, drills: list[Drill], seed: int, severity: str | None, data: Path | None, name: str | None
) -> Iterator[Played]:
    """What came of all drills that need the same city; those that cannot be played are passed over."""
    able = [one for one in drills if name is not None or not one.needs()]
    for one in drills:
        if one not in able:
            print(f"posswitch: {one.name} is left out: {one.needs()}", file=sys.stderr)
    if not able:
        return
    if data is not None:
        stage = standing(settings_of(None, data))
        yield from (_on_stage(one, stage, seed, severity) for one in able)
        return
    for one in able:
        if missing := one.needs():
            raise PosswitchError(f"{one.name} cannot be played here: {missing}")
    theatre = Theatre(ground, seed)
    with theatre.open() as stage:
        played = [_on_stage(one, stage, seed, severity) for one in able]
    if theatre.ended.report is None:
        raise PosswitchError(f"the city of {able[0].name} did not end well: nobody knows what was lost")
    yield from (one.ended(theatre.ended) for one in played)


def _on_stage(one: Drill, stage: Stage, seed: int, severity: str | None) -> Played:
    played = play(one, stage, seed, severity_of(one, severity, seed))
    if stage.began_s:  # the count comes at the end
        print(f"posswitch: {_line(played)}", file=sys.stderr, flush=True)
    return played


def _line(played: Played) -> str:
    """One drill for people."""
    place = ", ".join(f"{name} {value}" for name, value in played.expected.place.items()) or "the centre"
    said = played.diagnosed
    where = ", ".join(f"{name} {value}" for name, value in said.place.items()) if said else ""
    named = f"{said.kind or 'inconclusive'} at {where or 'the centre'}" if said else "nothing"
    seconds = "" if played.seconds_to_detect is None else f" after {played.seconds_to_detect} s"
    lost = "" if played.lost is None else f", lost {played.lost}"
    mark = "✓" if played.good else "✗"
    return f"{mark} {played.drill} at {place}: {named}{seconds}{lost}"
