"""inspect: the daily inspection report (巡检), a line for each check and what to do."""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from posswitch.base.errors import ConfigError, PosswitchError
from posswitch.base.moment import NS_PER_S, clock_text, stamp
from posswitch.cli.options import AsJson, ConfigFile, Lang, OrLang
from posswitch.edge.process import SUPERVISOR
from posswitch.office.inspection import CHECKS, keep, report
from posswitch.office.inspection import inspect as inspect_now
from posswitch.office.inspection_line import Line, Standing, counts
from posswitch.office.inspection_scene import Scene
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config

_NICE = 10  # payments first
_LOOK_S = 0.5  # how soon a supervisor that is gone is seen
_DAY_S = 86_400
_WORDS = {
    Standing.WELL: ("正常", "well"),
    Standing.ATTENTION: ("注意", "attention"),
    Standing.WRONG: ("异常", "WRONG"),
}
_NAMES = {check.name: (check.zh, check.en) for check in CHECKS}


def inspect(
    config: ConfigFile,
    as_json: AsJson = False,
    lang: OrLang = None,
    keeps: Annotated[bool, typer.Option("--keep", help="Keep the report in the data folder.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Inspect and keep, daily at [inspect] at, until stopped.")
    ] = False,
) -> None:
    """Look over everything once, as each day should begin: exit 1 when something is wrong."""
    if follow:
        _follow(config)
        return
    scene = Scene(config, SystemClock())
    lines = inspect_now(scene)
    document = report(scene, lines)
    if keeps:
        keep(scene.data, scene.now_ns, document)
    if as_json:
        print(json.dumps(document, ensure_ascii=False))
    else:
        sides = [side for side in (0, 1) if lang in (None, list(Lang)[side])]
        print("\n\n".join("\n".join(_said(scene, lines, side)) for side in sides))
    raise typer.Exit(1 if any(line.standing is Standing.WRONG for line in lines) else 0)


def _said(scene: Scene, lines: list[Line], side: int) -> Iterator[str]:
    at = clock_text(scene.now_ns)
    yield (f"巡检 {scene.config.node} {at}", f"inspection of {scene.config.node} at {at}")[side]
    for line in lines:
        head = f"[{_WORDS[line.standing][side]}] {_NAMES[line.check][side]}"
        yield f"{head}{('：', ': ')[side]}{(line.zh, line.en)[side]}"
        if todo := (line.do_zh, line.do_en)[side]:
            yield f"    {('处理：', 'do: ')[side]}{todo}"
    yield ("，", ", ")[side].join(f"{count} {_WORDS[one][side]}" for one, count in counts(lines).items())


def due_ns(at: str, now_ns: int) -> int:
    """The next moment after now at which the Beijing wall clock shows `at` (06:00)."""
    now = stamp(now_ns).time
    second = int(now[:2]) * 3600 + int(now[2:4]) * 60 + int(now[4:])
    wait_s = (int(at[:2]) * 3600 + int(at[3:]) * 60 - second) % _DAY_S or _DAY_S
    return (now_ns // NS_PER_S + wait_s) * NS_PER_S


def _follow(config: Path) -> None:
    """Inspects each day at its time, as long as the supervisor lives."""
    at = load_config(config, serve=False).inspect.at
    if not at:
        raise ConfigError('give [inspect] at = "06:00" in the configuration')
    os.nice(_NICE)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    supervisor = os.environ.get(SUPERVISOR)
    clock = SystemClock()
    due = due_ns(at, clock.wall_ns())
    while not stop.wait(_LOOK_S) and (supervisor is None or os.getppid() == int(supervisor)):
        if clock.wall_ns() < due:
            continue
        due = due_ns(at, clock.wall_ns())
        try:
            scene = Scene(config, clock)
            keep(scene.data, scene.now_ns, report(scene, inspect_now(scene)))
        except (PosswitchError, OSError) as error:
            print(f"posswitch: the inspection: {error}", file=sys.stderr, flush=True)
