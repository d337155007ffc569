"""drill --train: a person finds a hidden fault, mends it, answers people, and is told how it went."""

import json
import random
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from posswitch.base.errors import ConfigError
from posswitch.cli.options import settings_of, user
from posswitch.diagnose.phrases import LANGS
from posswitch.settings.clock import SystemClock
from posswitch.sim.drills.drill import SEVERITIES, Drill, Ground
from posswitch.sim.drills.judge import right_places
from posswitch.sim.drills.scene import Scene
from posswitch.sim.drills.stage import Stage, Theatre, standing
from posswitch.sim.drills.table import DRILLS, drill_named
from posswitch.sim.training.diary import FILE, Diary, Entry, known_name, summary
from posswitch.sim.training.field import CityField
from posswitch.sim.training.quiz import Quiz
from posswitch.sim.training.score import MOST
from posswitch.sim.training.shift import Shift
from posswitch.sim.training.tables import CALL, COMPLAINT, ENCOUNTERS, LESSONS, words

_QUIZZES = {"calls": CALL, "complaints": COMPLAINT}
_VISITORS = 4
_HOME = Path("demo-data")


class Asked(NamedTuple):
    """What a trainee wants: a lesson (empty = a fault by the seed), in which language, where it is noted."""

    name: str
    seed: int
    severity: str | None
    lang: str
    who: str
    data: Path | None
    history: Path | None
    past: bool
    as_json: bool


def train(asked: Asked) -> None:
    """One lesson, or (past) how somebody is doing."""
    lang, who = asked.lang or LANGS[0], known_name(asked.who or user())
    asked = asked._replace(lang=lang, who=who)
    diary = Diary(_diary_of(asked))
    if asked.past:
        _show_past(diary, asked)
        return
    diary.read(who)  # a file that cannot be used is said now, not after the lesson
    entry = _quiz(asked) if asked.name in _QUIZZES else _fault(asked)
    diary.note(entry)
    if asked.as_json:
        print(json.dumps(_plain(entry), ensure_ascii=False))
    print(summary(diary.read(who), who, lang))


def _diary_of(asked: Asked) -> Path:
    if asked.history is not None:
        return asked.history
    return settings_of(None, asked.data).data / FILE if asked.data is not None else _HOME / FILE


def _show_past(diary: Diary, asked: Asked) -> None:
    entries = diary.read(asked.who)
    if asked.as_json:
        print(json.dumps([_plain(entry) for entry in entries], ensure_ascii=False))
    else:
        print(summary(entries, asked.who, asked.lang))


def _plain(entry: Entry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in entry.__struct_fields__}


def _quiz(asked: Asked) -> Entry:
    sort, chance = _QUIZZES[asked.name], random.Random(asked.seed)  # noqa: S311 - an order of questions
    quiz = Quiz([one for one in ENCOUNTERS.values() if one.sort == sort], asked.lang, chance)
    _say(quiz.begin())
    while not quiz.over and (line := _typed(words("choose", asked.lang))) is not None:
        _say(quiz.heard(line))
    return Entry(
        SystemClock().wall_ns(), asked.who, asked.name, "", asked.seed, quiz.score, max(quiz.most, 1)
    )


def _fault(asked: Asked) -> Entry:
    drill = _hidden(asked)
    if asked.data is not None:
        return _duty(standing(settings_of(None, asked.data)), drill, asked)
    with Theatre(drill.ground, asked.seed).open() as stage:
        return _duty(stage, drill, asked)


def _hidden(asked: Asked) -> Drill:
    """The lesson that is named, or one by the seed."""
    if asked.name:
        if asked.name not in LESSONS:
            there = ", ".join((*_QUIZZES, *LESSONS))
            raise ConfigError(f"{asked.name[:60]} is not among the lessons: {there}")
        return drill_named(asked.name)
    able = [
        DRILLS[name] for name in LESSONS if DRILLS[name].ground is Ground.PLAIN and not DRILLS[name].needs()
    ]
    return random.Random(asked.seed).choice(able)  # noqa: S311 - draws a lesson


def _duty(stage: Stage, drill: Drill, asked: Asked) -> Entry:
    """From the first sign to the debrief; the fault is undone whatever the person does."""
    chance = random.Random(f"{asked.seed}/{drill.name}")  # noqa: S311 - draws who calls
    severity = asked.severity or drill.severities[-1]
    scene = Scene(stage.config, drill.name, asked.seed, SEVERITIES[severity], stage.trading)
    try:
        field = CityField(stage.config, scene, drill, asked.lang)
        field.settle(stage.began_s)
        field.begin()
        visitors = chance.sample(list(ENCOUNTERS.values()), _VISITORS)
        places = right_places(drill, scene)
        shift = Shift(field, drill, places, LESSONS[drill.name], visitors, asked.lang, chance)
        _say(shift.begin())
        while not shift.over and (line := _typed(words(_prompt(shift), asked.lang))) is not None:
            _say(shift.heard(line))
        _say(shift.debrief())
        outcome = shift.outcome
    finally:
        scene.close()
    return Entry(
        SystemClock().wall_ns(), asked.who, drill.name, drill.cause, asked.seed, outcome.score.total, MOST,
        outcome.diagnosed_s, outcome.acted_s, outcome.money_minor, outcome.harmful,
    )  # fmt: skip


def _prompt(shift: Shift) -> str:
    return "choose" if shift.asks_letter else "prompt"


def _typed(prompt: str) -> str | None:
    """A line; None at the end of input."""
    print(prompt, end="", flush=True)
    line = sys.stdin.readline(4096)
    if not line:
        print()
        return None
    return line


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)
