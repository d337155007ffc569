"""What a diagnosis is worth: each incident held against what was really wrong.

Strict by design: of one fault the incident that was seen first is the answer, as it stood some seconds later,
whatever came after it; of several faults each incident answers for at most one. What nobody saw is wrong.
"""

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import NamedTuple

from posswitch.diagnose.incident import Incident, Phase, Tier
from posswitch.sim.unrest.cases import Truth
from posswitch.sim.unrest.places import Place, Population
from posswitch.sim.unrest.town import Town

SETTLED_S = 10.0  # after it was seen an incident is what it is
_ALIKE = 0.95
_SOONER_S = 0.5  # before the fault begins: ticks are as long as they are
_LATER_S = 30.0  # after its end an incident may still be about it
_SCOPE = 1.2  # times the truth, and an action does harm
_DONE = frozenset({"running", "worked", "failed"})
_ASSIGNED_MAX = 5  # incidents that are tried on several faults


class Sighting(NamedTuple):
    """One incident as it was seen: when it was more than a suspicion, then, some seconds later, at last."""

    seen_s: float
    first: Incident
    settled: Incident
    last: Incident


class Mark(NamedTuple):
    """What became of one fault; `seen_s` is -1 when nobody saw it."""

    truth: Truth
    seen_s: float
    place: bool
    cause: bool
    kind: bool
    place_last: bool
    cause_last: bool
    answered: str  # the cause that was named; empty: inconclusive
    probability: float
    answer_ms: float

    @property
    def seen(self) -> bool:
        """Whether anybody saw it."""
        return self.seen_s >= 0


class Verdict(NamedTuple):
    """What became of a case."""

    marks: tuple[Mark, ...]
    incidents: int  # about its faults
    false: int  # about nothing
    harmful: int
    doubts: tuple[tuple[float, bool], ...]  # how sure it was of a kind, and whether that was right


class Judge:
    """Of one town."""

    def __init__(self, town: Town, people: Population) -> None:
        self._people = people
        self._known = {
            **dict.fromkeys(town.terminals, "terminal"),
            **dict.fromkeys(town.merchants, "merchant"),
            **dict.fromkeys(town.bins, "bin"),
            **{bank.id: "bank" for bank in town.banks},
            **{f"{bank.id}/{index}": "link" for bank in town.banks for index in range(bank.links)},
            **dict.fromkeys(town.sources, "source"),
        }

    def __repr__(self) -> str:
        return f"<judge of {self._people!r}>"

    def judge(self, truths: Sequence[Truth], sightings: Sequence[Sighting]) -> Verdict:
        """Holds what was seen against what was."""
        standing = [one for one in sightings if not one.last.merged_into]
        about = [one for one in standing if any(self._is_about(one, truth) for truth in truths)]
        answers = self._answers(truths, about)
        marks = tuple(self._mark(truth, answer) for truth, answer in zip(truths, answers, strict=True))
        doubts = tuple(
            (answer.settled.probability, self._kind_right(answer.settled, truth))
            for truth, answer in zip(truths, answers, strict=True)
            if answer is not None
        )
        harmful = sum(self._harms(one, truths if one in about else ()) for one in sightings)
        return Verdict(marks, len(about), len(standing) - len(about), harmful, doubts)

    def place_right(self, place: Place, truth: Truth) -> bool:
        """Whether it means the same payments."""
        return any(self._people.alike(place, one) >= _ALIKE for one in truth.places)

    def _is_about(self, one: Sighting, truth: Truth) -> bool:
        """Whether an incident can be about a fault: seen while it lasted or soon after, where it was."""
        in_time = truth.begin_s - _SOONER_S <= one.seen_s <= truth.end_s + _LATER_S
        return in_time and any(
            self._people.meet(incident.place, place)
            for incident in (one.first, one.settled, one.last)
            for place in truth.places
        )

    def _answers(self, truths: Sequence[Truth], about: Sequence[Sighting]) -> list[Sighting | None]:
        """The incident that answers for each fault."""
        seen = sorted(about, key=lambda one: (one.seen_s, one.first.number))
        if len(truths) <= 1:
            return [seen[0] if seen else None for _ in truths]
        tried: list[Sighting | None] = [*seen[:_ASSIGNED_MAX], *[None] * len(truths)]
        best = max(
            permutations(range(len(tried)), len(truths)),
            key=lambda order: (self._fit(truths, [tried[at] for at in order]), [-at for at in order]),
        )
        return [tried[place] for place in best]

    def _fit(self, truths: Sequence[Truth], answers: Sequence[Sighting | None]) -> int:
        fit = 0
        for truth, answer in zip(truths, answers, strict=True):
            if answer is not None and self._is_about(answer, truth):
                settled = answer.settled
                fit += 1 + 4 * self.place_right(settled.place, truth) + 2 * cause_right(settled, truth)
            elif answer is not None:
                fit -= 8
        return fit

    def _mark(self, truth: Truth, answer: Sighting | None) -> Mark:
        if answer is None:
            return Mark(truth, -1.0, False, False, False, False, False, "", 0.0, 0.0)
        settled, last = answer.settled, answer.last
        return Mark(
            truth,
            max(answer.seen_s - truth.begin_s, 0.0),
            self.place_right(settled.place, truth),
            cause_right(settled, truth),
            self._kind_right(settled, truth),
            self.place_right(last.place, truth),
            cause_right(last, truth),
            settled.cause if settled.kind else "",
            settled.probability,
            answer.first.answer_ms,
        )

    def _kind_right(self, incident: Incident, truth: Truth) -> bool:
        return incident.kind == truth.kind or incident.kind in truth.same

    def _harms(self, one: Sighting, truths: Sequence[Truth]) -> int:
        """Actions that were carried out though all was well, or on more than was ill."""
        harmful = 0
        for deed in one.last.deeds:
            if deed.tier is not Tier.FORBIDDEN and deed.state in _DONE and deed.action != "notify":
                scope = self.scope(deed.target, one.last.place)
                harmful += not any(
                    self._people.meet(scope, place) and self._people.within(scope, place) <= _SCOPE
                    for truth in truths
                    for place in truth.places
                )
        return harmful

    def scope(self, target: str, place: Place) -> Mapping[str, str]:
        """What an action touches: its target where that names something, else the incident's place."""
        dim = self._known.get(target)
        return {dim: target} if dim is not None else place


def cause_right(incident: Incident, truth: Truth) -> bool:
    """Whether the cause is; where none is known, saying so."""
    named = incident.cause if incident.kind else ""
    return named == truth.cause or (named != "" and named in truth.causes)


def counts(incident: Incident) -> bool:
    """Whether it is more than a suspicion."""
    return incident.phase is not Phase.SUSPECT


def calibration(doubts: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """The expected calibration error: how far off probabilities are from how often they are right."""
    if not doubts:
        return 0.0
    error = 0.0
    for place in range(bins):
        inside = [one for one in doubts if min(int(one[0] * bins), bins - 1) == place]
        if inside:
            sure = sum(one[0] for one in inside) / len(inside)
            right = sum(one[1] for one in inside) / len(inside)
            error += len(inside) / len(doubts) * abs(sure - right)
    return error
