"""One incident for the screen: what diagnosis says of it, and its steps as a story."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from posswitch.base.moment import NS_PER_S, stamp
from posswitch.base.registry import Registry
from posswitch.console.words import Say
from posswitch.diagnose.headline import title
from posswitch.diagnose.incident import Deed, Incident, Phase, Tier
from posswitch.diagnose.phrases import DEEDS, cause_words
from posswitch.diagnose.places import bank_of, contacts_of, names_of, place_words, target_words
from posswitch.diagnose.words import Explained, explained

GUESSES_MAX, STEPS_MAX = 4, 40
_FIRST_STEPS = 4  # that are kept of a long story
_GUESS_MIN = 0.01  # less likely causes are not named
_PROPOSED = "proposed"


class Account(NamedTuple):
    """An incident in one language: who asks what, causes with their probability, how each action stands."""

    said: Explained
    cause: str
    phase: str
    since: str
    guesses: tuple[tuple[str, float], ...]
    states: tuple[str, ...]  # of what was done, in the order of `said.done`
    contact: str


class Teller:
    """Tells incidents in one language; `lang` is that of `say`."""

    def __init__(self, say: Say, lang: str, registry: Registry) -> None:
        self._say, self._lang = say, lang
        self._names = names_of(registry, lang)
        self._contacts = contacts_of(registry)

    def __repr__(self) -> str:
        return f"<teller in {self._lang}>"

    def account(self, incident: Incident) -> Account:
        """Everything."""
        deeds = [one for one in incident.deeds if one.tier is not Tier.FORBIDDEN and one.state != _PROPOSED]
        guesses = [one for one in incident.guesses if one.probability >= _GUESS_MIN][:GUESSES_MAX]
        return Account(
            explained(incident, self._lang, self._names, self._contacts),
            cause_words(incident.cause, self._lang),
            self.phase(incident),
            clock(incident.since_ns),
            tuple((self.title(replace(incident, kind=one.kind)), one.probability) for one in guesses),
            tuple(one.state for one in deeds),
            self._contact(incident),
        )

    def title(self, incident: Incident) -> str:
        """What it is and where; said plainly when nobody can tell yet."""
        return title(incident, self._lang, self._names)

    def phase(self, incident: Incident) -> str:
        """Where it stands in its life."""
        return self._say(f"phase.{incident.phase}")

    def _contact(self, incident: Incident) -> str:
        found = self._contacts.get(bank_of(incident.place) or incident.place.get("source", ""))
        return str(found) if found is not None else ""

    # Its steps

    def timeline(self, steps: Sequence[Incident]) -> list[tuple[str, str]]:
        """When, and what was new then, in order; a look that changed nothing worth telling is left out."""
        lines: list[tuple[str, str]] = []
        before: Incident | None = None
        for step in steps:
            lines += [(clock(step.changed_ns), text) for text in self._news(before, step)]
            before = step
        if len(lines) <= STEPS_MAX:
            return lines
        return [*lines[:_FIRST_STEPS], ("", "…"), *lines[_FIRST_STEPS + 1 - STEPS_MAX :]]

    def _news(self, before: Incident | None, step: Incident) -> list[str]:
        news = []
        where = place_words(step.place, self._lang, self._names)
        if before is None:
            news.append(self._say("step.noticed", place=where))
        elif before.place != step.place:
            news.append(self._say("step.place", place=where))
        if step.kind and (before is None or before.kind != step.kind):
            news.append(self._say("step.kind", title=self.title(step), percent=f"{step.probability:.0%}"))
        known = {(one.action, one.target): one.state for one in before.deeds} if before else {}
        for deed in step.deeds:
            if deed.tier is not Tier.FORBIDDEN and known.get((deed.action, deed.target)) != deed.state:
                news.append(self._deed(deed))
        if before is not None and before.phase != step.phase:
            news.append(self._say("step.phase", phase=self.phase(step)))
        if before is not None and before.opened_again < step.opened_again:
            news.append(self._say("step.again"))
        return news

    def _deed(self, deed: Deed) -> str:
        row = DEEDS.get(deed.action)
        what = row.say("title", self._lang) if row is not None else deed.action
        target = target_words(row.of if row is not None else "", deed.target, self._lang, self._names)
        key = f"deed.{deed.state if deed.state in _STATES else 'refused'}"
        at = "step.deed-at" if target else "step.deed"
        return self._say(at, what=what, target=target, state=self._say(key))


_STATES = frozenset({_PROPOSED, "running", "worked", "failed", "undone", "refused"})


def is_over(incident: Incident) -> bool:
    """Whether nobody has to do anything any more."""
    return incident.phase is Phase.RESOLVED or bool(incident.merged_into)


def clock(at_ns: int, *, day: bool = False) -> str:
    """The time of day in Beijing, with the date before it where asked; empty for 0."""
    if not at_ns:
        return ""
    at = stamp(at_ns)
    time = f"{at.time[:2]}:{at.time[2:4]}:{at.time[4:]}"
    return f"{at.day[:4]}-{at.day[4:6]}-{at.day[6:]} {time}" if day else time


def lasted(incident: Incident, now_ns: int) -> str:
    """How long it has been going on, or went on: 12 s, 3:05, 2:14:09."""
    seconds = max((incident.closed_ns or now_ns) - incident.since_ns, 0) // NS_PER_S
    minutes, hours = seconds // 60, seconds // 3600
    if hours:
        return f"{hours}:{minutes % 60:02d}:{seconds % 60:02d}"
    return f"{minutes}:{seconds % 60:02d}" if minutes else f"{seconds} s"
