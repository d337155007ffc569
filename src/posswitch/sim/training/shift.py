"""A duty: a person looks, asks, diagnoses and acts, while people call; line by line, and then the debrief."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from posswitch.diagnose.phrases import CAUSES, DEEDS, KINDS, cause_words
from posswitch.diagnose.places import Names, place_words
from posswitch.sim.drills.drill import Drill
from posswitch.sim.drills.judge import narrow
from posswitch.sim.drills.scene import Place
from posswitch.sim.training.debrief import Outcome, debrief
from posswitch.sim.training.people import Visit
from posswitch.sim.training.score import (
    ACT,
    CAUSE,
    GUESS,
    HARM,
    KIND,
    PLACE,
    Score,
    people_points,
    speed_points,
)
from posswitch.sim.training.tables import ACTS, BEST, WAIT, Encounter, Lesson, act_title, words

SECONDS_MAX = 900.0
_LINE_MAX = 200
_PLACES = ("bank", "link", "bin", "merchant", "terminal", "model", "region", "kind")
_SEEN_BY = ("bank", "bin", "merchant", "terminal", "model", "region", "kind", "code")
COMMANDS = ("ping", "why", "guards", "history", "unknowns", "explain")  # of the real program
_VISITS_AT = (2, 5, 8, 11)  # after so many commands somebody comes


class Field(Protocol):
    """What a duty is about."""

    def look(self) -> Iterator[str]:
        """How it is now, line by line."""

    def by(self, dim: str) -> Iterator[str]:
        """Answers by the values of a dimension, the worst first."""

    def run(self, command: str, words: Sequence[str]) -> Iterator[str]:
        """What a command of the real program prints."""

    def money_minor(self) -> int:
        """What is at risk so far."""

    def heal(self) -> None:
        """The fault is undone."""

    def seconds(self) -> float:
        """Since it began."""

    @property
    def names(self) -> Names:
        """What places are called."""


class Shift:
    """Takes lines and gives lines until it is `over`; then `outcome` stands."""

    def __init__(
        self,
        field: Field,
        drill: Drill,
        places: Sequence[Place],
        lesson: Lesson,
        visitors: Sequence[Encounter],
        lang: str,
        chance: random.Random,
    ) -> None:
        """`places` are the right answers, the drill's own first."""
        self._field, self._drill, self._places, self._lesson = field, drill, places, lesson
        self._lang, self._chance = lang, chance
        self._visitors = list(visitors)
        self._visit: Visit | None = None
        self._commands = self._came = 0
        self._diagnosis = 0
        self._diagnosed_s: float | None = None
        self._acted_s: float | None = None
        self._money_minor = 0
        self._wrong_guesses = 0
        self._harmful: list[str] = []
        self._answers: list[int] = []
        self.over = False

    def __repr__(self) -> str:
        return f"<shift, {self._commands} commands{', over' if self.over else ''}>"

    def begin(self) -> Iterator[str]:
        """What is said first."""
        yield words("begin", self._lang)
        yield from self._field.look()

    def heard(self, line: str) -> Iterator[str]:
        """What follows of one line that the person has typed."""
        option = self._visit.chosen(line) if self._visit is not None else None
        if self._visit is not None and option is not None:
            self._answers.append(option.score)
            yield self._visit.told(option)
            self._visit = None
        elif self._field.seconds() > SECONDS_MAX:
            yield words("over", self._lang)
            self.over = True
        elif word := line[:_LINE_MAX].split():
            self._commands += 1
            yield from self._obey(word[0].lower(), word[1:])
        if self._diagnosed_s is not None and self._acted_s is not None and self._visit is None:
            self.over = True
        if not self.over:
            yield from self._people()

    def _people(self) -> Iterator[str]:
        """Who waits is heard again; after some commands somebody else comes."""
        if self._visit is None and self._came < len(_VISITS_AT) and self._visitors:
            if self._commands < _VISITS_AT[self._came]:
                return
            self._came += 1
            self._visit = Visit(self._visitors.pop(0), self._lang, self._chance)
        if self._visit is not None:
            yield from self._visit.asks()

    @property
    def asks_letter(self) -> bool:
        """Whether somebody waits for an answer."""
        return self._visit is not None

    def _obey(self, word: str, rest: list[str]) -> Iterator[str]:
        if word in COMMANDS:
            yield from self._field.run(word, rest)
        elif word in _OBEY:
            yield from _OBEY[word](self, rest)
        elif word in ("incidents", "incident"):
            yield words("hidden", self._lang)
        else:
            yield words("unknown", self._lang, word=word)

    def _help(self, rest: list[str]) -> Iterator[str]:
        yield words("help", self._lang)

    def _look(self, rest: list[str]) -> Iterator[str]:
        yield from self._field.look()

    def _by(self, rest: list[str]) -> Iterator[str]:
        if len(rest) != 1 or rest[0] not in _SEEN_BY:
            yield f"by {' | '.join(_SEEN_BY)}"
            return
        yield from self._field.by(rest[0])

    def _done(self, rest: list[str]) -> Iterator[str]:
        self.over = True
        yield from ()

    # The diagnosis

    def _diagnose(self, rest: list[str]) -> Iterator[str]:
        what, *where = rest or [""]
        place = _place(where)
        if (what not in CAUSES and what not in KINDS) or place is None:
            causes = ", ".join(f"{cause} ({cause_words(cause, self._lang)})" for cause in CAUSES)
            yield words("how-diagnose", self._lang, causes=causes)
            return
        points = self._worth(what, narrow(place))
        self._diagnosis = max(self._diagnosis, points)
        if narrow(place) not in self._places or points < CAUSE + PLACE:
            self._wrong_guesses += 1
        elif self._diagnosed_s is None:
            self._diagnosed_s = self._field.seconds()
        named = cause_words(what, self._lang) if what in CAUSES else what
        yield words(
            "diagnosed", self._lang, what=named, where=place_words(place, self._lang, self._field.names)
        )

    def _worth(self, what: str, place: Place) -> int:
        """Points for a cause or kind at a place; half of the place's for the wider one."""
        of_kind = what in (self._drill.kind, *self._drill.alike)
        cause = KINDS[what].cause if what in KINDS else what
        points = KIND * of_kind + CAUSE * (of_kind or cause == self._drill.cause)
        if place in self._places:
            return points + PLACE
        wider = any(_holds(place, right) for right in self._places)
        return points + PLACE // 2 * wider

    # The act

    def _actions(self, rest: list[str]) -> Iterator[str]:
        for act in ACTS:
            of = f" {DEEDS[act].of}" if act in DEEDS and DEEDS[act].of not in ("", "node") else ""
            yield f"  {act + of.upper():<32}{act_title(act, self._lang)}"

    def _act(self, rest: list[str]) -> Iterator[str]:
        act, target = (rest or [""])[0], " ".join(rest[1:])
        of = DEEDS[act].of if act in DEEDS else ""
        if act not in ACTS or (of not in ("", "node") and not target):
            yield words("how-act", self._lang)
            yield from self._actions([])
            return
        yield words("acted", self._lang, what=f"{act_title(act, self._lang)} {target}".strip())
        if act in self._lesson.wrong:
            self._harmful.append(act)
            why = DEEDS[act].say("never", self._lang) if act in DEEDS else ""
            yield words("harmful", self._lang, why=why)
        elif act in self._lesson.right and self._hits(of, target):
            if self._acted_s is None:
                self._acted_s = self._field.seconds()
                self._money_minor = self._field.money_minor()
                self._field.heal()
            yield words("recovers", self._lang)
        elif act != WAIT:
            yield words("useless", self._lang)

    def _hits(self, of: str, target: str) -> bool:
        """Whether the act is on what is ill, where that is one of the kind."""
        own = self._places[0]
        values = {**own, **({"bank": own["link"].partition("/")[0]} if "link" in own else {})}
        return of not in values or target == values[of]

    # The end

    @property
    def outcome(self) -> Outcome:
        """What came of it."""
        score = Score(
            diagnosis=self._diagnosis,
            action=ACT if self._acted_s is not None else 0,
            speed=speed_points(self._diagnosed_s, self._acted_s),
            scenes=people_points(self._answers, self._came * BEST),
            lost=HARM * len(self._harmful) + GUESS * self._wrong_guesses,
        )
        money = self._money_minor if self._acted_s is not None else self._field.money_minor()
        return Outcome(
            self._drill.name, self._drill.cause, score, self._diagnosed_s, self._acted_s, money,
            len(self._harmful),
        )  # fmt: skip

    def debrief(self) -> Iterator[str]:
        """What it was, and how it went."""
        names = self._field.names
        yield from debrief(self.outcome, self._drill, self._lesson, self._places[0], names, self._lang)


_OBEY: dict[str, Callable[[Shift, list[str]], Iterator[str]]] = {
    "help": Shift._help,
    "look": Shift._look,
    "by": Shift._by,
    "diagnose": Shift._diagnose,
    "actions": Shift._actions,
    "act": Shift._act,
    "done": Shift._done,
}


def _place(rest: Sequence[str]) -> Place | None:
    """`bank 90020000 …` or `all`; None for anything else."""
    if list(rest) == ["all"]:
        return {}
    if not rest or len(rest) < 2 or rest[0] not in _PLACES:
        return None
    return {rest[0]: " ".join(rest[1:])}


def _holds(wide: Place, narrow_one: Place) -> bool:
    """Whether a place is the bank of the link that is meant."""
    link = narrow_one.get("link", "")
    return bool(link) and wide == {"bank": link.partition("/")[0]}
