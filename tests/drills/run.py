"""Plays drills on the real stack and checks what the node says: `python -m tests.drills.run [NAME …]`.

With --diagnosis what diagnosis says is checked instead, as `posswitch drill` does: at the end a line a drill
and the figures of all. Drills that need the same city share one. Exit 1 when a sign does not come in time,
when diagnosis names fewer than LEAST anomalies (of those asked for by NAME: not all), or when money is lost.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator

from posswitch.base.errors import PosswitchError
from posswitch.sim.drills.drill import SEVERITIES, Drill, Ground
from posswitch.sim.drills.monitor import Monitor
from posswitch.sim.drills.play import Played, play
from posswitch.sim.drills.scene import Scene
from posswitch.sim.drills.stage import Stage, Theatre
from posswitch.sim.drills.table import DRILLS, drill_named

from .summary import LEAST, anomalies, line_of, report

_LOOK_S, _SETTLED_S = 0.25, 8.0
_CALM_SECONDS_MAX = 45.0
_UNCALM = ("link-down", "link-fenced", "link-probed", "bank-unreachable", "lane-deep", "disk-low", "hsm-down")

Judge = Callable[[Drill, Stage, int, str], Iterator[str]]  # every complaint


def signs(drill: Drill, stage: Stage, seed: int, severity: str) -> Iterator[str]:
    """Whether the node says what this anomaly is known by."""
    monitor = Monitor(stage.config.data, stage.config.registry)
    scene = Scene(stage.config, drill.name, seed, SEVERITIES[severity], stage.trading)
    place = scene.place(drill.where)
    monitor.look()
    monitor.mark()
    began, wanted, seen = time.monotonic(), dict.fromkeys(drill.signs), {}
    try:
        drill.begin(scene)
        while wanted and time.monotonic() - began < drill.seconds_max:
            time.sleep(_LOOK_S)
            monitor.look()
            for sign in [one for one in wanted if monitor.holds(one, place)]:
                name = sign.fact or "/".join(sign.codes) or sign.rises or "silence"
                seen[name] = round(time.monotonic() - began, 1)
                del wanted[sign]
    finally:
        scene.close()
    print(f"{drill.name} at {place}: {seen}", flush=True)
    for sign in wanted:
        yield f"{drill.name} at {place}: not seen within {drill.seconds_max} s: {sign}"
    if not calm(monitor):
        yield f"after {drill.name} it does not become calm: {[fact.name for fact in monitor.facts]}"


def calm(monitor: Monitor) -> bool:
    """Waits until no fact holds that would disturb the next drill."""
    ends = time.monotonic() + _CALM_SECONDS_MAX
    while time.monotonic() < ends:
        monitor.look()
        if not any(fact.name in _UNCALM for fact in monitor.facts):
            return True
        time.sleep(_LOOK_S)
    return False


class Names:
    """Lets diagnosis say what is played; what it has said of each is in `played`, and is no complaint."""

    def __init__(self) -> None:
        self.played: list[Played] = []

    def __call__(self, drill: Drill, stage: Stage, seed: int, severity: str) -> Iterator[str]:
        """One drill."""
        self.played.append(play(drill, stage, seed, severity))
        print(line_of(self.played[-1]), flush=True)
        yield from ()


def on_ground(ground: Ground, drills: list[Drill], seed: int, severity: str, judge: Judge) -> Iterator[str]:
    """All drills that need the same city; every complaint."""
    theatre = Theatre(ground, seed)
    with theatre.open() as stage:
        time.sleep(_SETTLED_S)
        for drill in drills:
            if missing := drill.needs():
                print(f"{drill.name}: not here: {missing}")
                continue
            severe = severity if severity in drill.severities else "full"
            try:
                yield from judge(drill, stage, seed, severe)
            except PosswitchError as error:
                yield f"{drill.name}: {error}"
    if theatre.ended.report is None:
        yield f"{ground}: the city has not ended well"
        return
    report = theatre.ended.report
    told = {
        name: report[name] for name in ("purchases", "lost", "duplicated", "unknown", "drained", "verify")
    }
    print(told)
    if theatre.ended.lost or report["verify"] != "ok":
        yield f"{ground}: {told}"


def main() -> int:
    """Prints a line a drill, then every complaint."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--diagnosis", action="store_true", help="what diagnosis says, not the node")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--severity", choices=list(SEVERITIES), default="full")
    parser.add_argument(
        "--least", type=int, help=f"anomalies to be named; {LEAST}, or all that are asked for"
    )
    asked = parser.parse_args()
    drills = [drill_named(name) for name in asked.names] or list(DRILLS.values())
    names = Names()
    judge = names if asked.diagnosis else signs
    found: list[str] = []
    for ground in Ground:
        chosen = [drill for drill in drills if drill.ground is ground]
        if chosen:
            found += on_ground(ground, chosen, asked.seed, asked.severity, judge)
    if asked.diagnosis:
        least = asked.least or (len({drill.kind for drill in drills}) if asked.names else LEAST)
        named = len(anomalies(names.played))
        if named < least:
            found.append(f"{named} anomalies were named, {least} must be")
        print("", *report(names.played), sep="\n", flush=True)
    for line in found:
        print(f"drills: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
