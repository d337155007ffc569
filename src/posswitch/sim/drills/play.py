"""Plays a drill: injects, waits until diagnosis has named it, undoes it, waits until it is over."""

import contextlib
import time
from pathlib import Path
from typing import Any

import apsw
import msgspec

from posswitch.base.errors import PosswitchError
from posswitch.diagnose.incident import Incident, Phase
from posswitch.diagnose.shelf import STALE_NS, read_incidents, read_now
from posswitch.sim.drills.drill import SEVERITIES, Drill
from posswitch.sim.drills.judge import is_of_kind, is_right, is_there, likeliest, right_places
from posswitch.sim.drills.scene import Scene
from posswitch.sim.drills.stage import Ended, Stage

WARM_S = 40.0  # before it diagnosis does not know yet what is usual
_LOOK_S = 0.1
_WATCH_SECONDS_MAX = 20.0
_OVER_SECONDS_MAX = 90.0
_SLOWER = {"light": 3.0, "medium": 1.5, "full": 1.0}  # a small share takes longer to be seen
_INCIDENTS_MAX = 50


class Naming(msgspec.Struct, frozen=True):
    """A kind, its cause, a place; of what was said also how surely."""

    kind: str
    cause: str
    place: dict[str, str]
    probability: float | None = None


class Played(msgspec.Struct, frozen=True):
    """What came of a drill; `lost` is known when its city has ended.

    `correct`: kind and place were. `beside`: what else was said for sure when it was named, or given up.
    """

    drill: str
    expected: Naming
    diagnosed: Naming | None
    correct: bool
    seconds_to_detect: float | None
    lost: int | None = None
    severity: str = "full"
    seed: int = 1
    incidents: int = 0
    seconds_to_resolve: float | None = None
    kind_correct: bool = False
    place_correct: bool = False
    beside: tuple[Naming, ...] = ()

    @property
    def good(self) -> bool:
        """Whether it was named rightly, and cost nobody anything."""
        return self.correct and not self.lost

    def ended(self, ended: Ended) -> "Played":
        """The same with what its city has counted."""
        return msgspec.structs.replace(self, lost=ended.lost)

    def plain(self) -> dict[str, Any]:
        """For programs."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def severity_of(drill: Drill, wanted: str | None, scene_seed: int) -> str:
    """The severity that is wanted, or one by the seed; PosswitchError when the drill has no such one."""
    if wanted is None:
        return drill.severities[scene_seed % len(drill.severities)]
    if wanted not in drill.severities:
        raise PosswitchError(f"{drill.name} has severity {' or '.join(drill.severities)}, no {wanted}")
    return wanted


def play(drill: Drill, stage: Stage, seed: int, severity: str) -> Played:
    """One drill on a stage that is of its ground; PosswitchError when it cannot be played."""
    if missing := drill.needs():
        raise PosswitchError(f"{drill.name} cannot be played here: {missing}")
    if stage.ground is not drill.ground:
        raise PosswitchError(f"{drill.name} needs a city of its own; leave --data out")
    _warm(stage, drill)
    scene = Scene(stage.config, drill.name, seed, SEVERITIES[severity], stage.trading)
    try:
        return _played(drill, scene, severity)
    finally:
        scene.close()


def _warm(stage: Stage, drill: Drill) -> None:
    """Waits until diagnosis runs and knows what is usual."""
    ends = time.monotonic() + _WATCH_SECONDS_MAX
    while not is_watched(stage.config.data):
        if time.monotonic() > ends:
            raise PosswitchError(
                f"nobody diagnoses this city: posswitch incidents -c {stage.config.data.parent} --follow"
            )
        time.sleep(_LOOK_S)
    left_s = stage.began_s + WARM_S + drill.warm_s - time.monotonic()
    if stage.began_s and left_s > 0:
        time.sleep(left_s)


def is_watched(folder: Path) -> bool:
    """Whether diagnosis runs beside the node of a data folder."""
    with contextlib.suppress(apsw.Error):
        said = read_now(folder)
        return said is not None and time.time_ns() - said[0] < STALE_NS
    return False


def open_incidents(folder: Path) -> list[Incident]:
    """What is wrong now, as diagnosis has it; nothing while its book is in use."""
    with contextlib.suppress(apsw.Error):
        return read_incidents(folder, _INCIDENTS_MAX, open_only=True)
    return []


def _played(drill: Drill, scene: Scene, severity: str) -> Played:
    data, places = scene.data, right_places(drill, scene)
    before = {one.number for one in open_incidents(data)}
    expected = Naming(drill.kind, drill.cause, scene.place(drill.where))
    seen: dict[int, None] = {}
    best: Incident | None = None
    beside: list[Incident] = []
    detected_s: float | None = None
    right = False
    began = time.monotonic()
    drill.begin(scene)
    while not right and time.monotonic() - began < drill.seconds_max * _SLOWER[severity]:
        time.sleep(_LOOK_S)
        new = [one for one in open_incidents(data) if one.number not in before]
        seen.update(dict.fromkeys(one.number for one in new))
        if new and detected_s is None:
            detected_s = round(time.monotonic() - began, 2)
        fitting = [one for one in new if is_right(drill, scene, one)]
        right = bool(fitting)
        best = likeliest(fitting or new, places) or best
        beside = [one for one in new if one is not best and _sure(one)]
    named_s = round(time.monotonic() - began, 2)
    scene.heal()
    return Played(
        drill=drill.name,
        expected=expected,
        diagnosed=_named(best) if best else None,
        correct=right,
        seconds_to_detect=named_s if right else detected_s,
        severity=severity,
        seed=scene.seed,
        incidents=len(seen),
        seconds_to_resolve=_over(data, before),
        kind_correct=best is not None and is_of_kind(drill, best),
        place_correct=best is not None and is_there(drill, scene, best),
        beside=tuple(_named(one) for one in beside),
    )


def _sure(incident: Incident) -> bool:
    return incident.phase is not Phase.SUSPECT and bool(incident.kind)


def _named(incident: Incident) -> Naming:
    return Naming(incident.kind, incident.cause, incident.place, round(incident.probability, 3))


def _over(data: Path, before: set[int]) -> float | None:
    """Waits until nothing new is open any more; how long that took, None if it still is."""
    began = time.monotonic()
    while time.monotonic() - began < _OVER_SECONDS_MAX:
        if not any(one.number not in before for one in open_incidents(data)):
            return round(time.monotonic() - began, 1)
        time.sleep(_LOOK_S)
    return None
