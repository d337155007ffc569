"""The debrief of a duty: the score, what it was, and what each person should have done and heard."""

from collections.abc import Iterator
from typing import NamedTuple

from posswitch.base.amount import amount_text
from posswitch.diagnose.observed import finished, where_slots
from posswitch.diagnose.phrases import fill, kind_of
from posswitch.diagnose.places import Names
from posswitch.sim.drills.drill import Drill
from posswitch.sim.drills.scene import Place
from posswitch.sim.training.score import MOST, Score
from posswitch.sim.training.tables import Lesson, act_title, words

_AND = {"zh": "、", "en": ", "}
_STEP = {"zh": "；", "en": "; "}
_BANK = "BANK"


class Outcome(NamedTuple):
    """What came of a duty: times in seconds since the fault began, None = never."""

    drill: str
    cause: str
    score: Score
    diagnosed_s: float | None
    acted_s: float | None
    money_minor: int
    harmful: int


def debrief(
    outcome: Outcome, drill: Drill, lesson: Lesson, place: Place, names: Names, lang: str
) -> Iterator[str]:
    """Line by line."""
    score, kind = outcome.score, kind_of(drill.kind)
    yield words(
        "score", lang, score=score.total, most=MOST, diagnosis=score.diagnosis, action=score.action,
        speed=score.speed, lost=score.lost, scenes=score.scenes,
    )  # fmt: skip
    yield words(
        "times", lang, diagnosed=_seconds(outcome.diagnosed_s, lang), acted=_seconds(outcome.acted_s, lang),
        money=amount_text(outcome.money_minor), wrong=outcome.harmful,
    )  # fmt: skip
    slots = {**where_slots(place, lang, names), "bank": place.get("bank", _BANK)}
    title = finished(fill(kind.say("title", lang), slots), lang)
    yield words("it-was", lang, title=title)
    yield words("right-acts", lang, acts=_AND[lang].join(act_title(act, lang) for act in lesson.right))
    yield words("to-do", lang, steps=_steps(fill(kind.say("operator", lang), slots), lang))
    yield words("do-not", lang, never=kind.say("never", lang))
    yield words("cashier", lang, words=kind.say("cashier", lang))
    yield words("customer", lang, words=kind.say("customer", lang))
    yield words("afterwards", lang, steps=_steps(fill(kind.say("after", lang), slots), lang))


def _steps(text: str, lang: str) -> str:
    return _STEP[lang].join(text.split("|"))


def _seconds(seconds: float | None, lang: str) -> str:
    return words("never-did", lang) if seconds is None else words("seconds", lang, seconds=round(seconds))
