"""Figures from marks: shares with their intervals, times, who was taken for what, the rivals beside it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from posswitch.sim.unrest.audience import Seen
from posswitch.sim.unrest.cases import population
from posswitch.sim.unrest.marks import Mark
from posswitch.sim.unrest.rivals import RULES, Bell, first_of

_DRAWS = 1000
_RATES = ((2.0, "<2/s"), (20.0, "2-20/s"), (float("inf"), ">20/s"))
_LATER_S = 30.0  # after a fault a rival's alarm still counts
_ALIKE = 0.95


def share_of(rights: Sequence[bool]) -> float:
    """How many of them, of 1."""
    return round(sum(rights) / len(rights), 4) if rights else 0.0


def interval(rights: Sequence[bool]) -> list[float]:
    """Of a share: the middle 95 % of what other draws of as many would have given (bootstrap)."""
    if not rights:
        return [0.0, 1.0]
    chance = np.random.default_rng(1)
    drawn = chance.choice(np.array(rights, float), (_DRAWS, len(rights))).mean(1)
    return [round(float(np.quantile(drawn, edge)), 3) for edge in (0.025, 0.975)]


def times(marks: Sequence[Mark]) -> dict[str, Any]:
    """How long until it was seen; what nobody saw counts as longer than anything."""
    waits = sorted(mark.seen_s if mark.seen else float("inf") for mark in marks)
    if not waits:
        return {"cases": 0, "seen": 0.0, "median": -1.0, "p95": -1.0}
    return {
        "cases": len(waits),
        "seen": share_of([mark.seen for mark in marks]),
        "median": _known(float(np.quantile(waits, 0.5, method="higher"))),
        "p95": _known(float(np.quantile(waits, 0.95, method="higher"))),
    }


def _known(wait: float) -> float:
    """-1: it was not seen."""
    return round(wait, 2) if np.isfinite(wait) else -1.0


class Part:
    """Some of the cases."""

    def __init__(self, seen: Sequence[Seen]) -> None:
        self._seen = seen
        self.marks = [mark for one in seen for mark in one.verdict.marks]
        self.doubts = [doubt for one in seen for doubt in one.verdict.doubts]

    def __repr__(self) -> str:
        return f"<{len(self._seen)} cases>"

    def share(self, what: str) -> float:
        """How often place, cause or kind was right."""
        return share_of([getattr(mark, what) for mark in self.marks])

    @property
    def false(self) -> int:
        """Incidents about nothing."""
        return sum(one.verdict.false for one in self._seen)

    @property
    def well_s(self) -> float:
        """Seconds in which nothing was wrong."""
        return sum(one.seconds for one in self._seen)

    @property
    def incidents_per_fault(self) -> float:
        """One is wanted."""
        seen = [one for one in self._seen if one.verdict.incidents]
        faults = sum(len(one.verdict.marks) for one in seen)
        return round(sum(one.verdict.incidents for one in seen) / faults, 3) if faults else 0.0

    @property
    def answer_ms(self) -> dict[str, float]:
        """From detection to the first answer."""
        waits = [mark.answer_ms for mark in self.marks if mark.seen]
        if not waits:
            return {}
        return {name: round(float(np.quantile(waits, edge)), 1)
                for name, edge in (("median", 0.5), ("p95", 0.95), ("max", 1.0))}  # fmt: skip

    def figures(self) -> dict[str, Any]:
        """The usual ones."""
        found: dict[str, Any] = {
            "faults": len(self.marks),
            "seen": share_of([mark.seen for mark in self.marks]),
        }
        for what in ("place", "cause", "kind"):
            found[what] = self.share(what)
            found[f"{what}_95"] = interval([getattr(mark, what) for mark in self.marks])
        return found | {
            "place_last": self.share("place_last"),
            "cause_last": self.share("cause_last"),
            "detect_s": times(self.marks)["median"],
            "incidents_per_fault": self.incidents_per_fault,
            "false": self.false,
        }

    def detection(self) -> dict[str, dict[str, Any]]:
        """How soon, by severity and by how busy the place is."""
        found = {}
        for severity in sorted({mark.truth.severity for mark in self.marks}, reverse=True):
            for place, (most, name) in enumerate(_RATES):
                least = _RATES[place - 1][0] if place else 0.0
                inside = [
                    mark for mark in self.marks
                    if mark.truth.severity == severity and least <= mark.truth.rate < most
                ]  # fmt: skip
                if inside:
                    found[f"{severity:.0%} {name}"] = times(inside)
        return found


def confusion(marks: Sequence[Mark]) -> dict[str, dict[str, int]]:
    """What was really the cause, and which was named."""
    found: dict[str, dict[str, int]] = {}
    for mark in marks:
        named = (mark.answered or "inconclusive") if mark.seen else "not seen"
        row = found.setdefault(mark.truth.cause or "outside", {})
        row[named] = row.get(named, 0) + 1
    return {cause: found[cause] for cause in sorted(found)}


def by_kind(marks: Sequence[Mark]) -> dict[str, dict[str, Any]]:
    """Of each kind: how many cases, how many were seen and right."""
    found: dict[str, dict[str, Any]] = {}
    for mark in marks:
        row = found.setdefault(mark.truth.kind, {"cases": 0, "seen": 0, "place": 0, "cause": 0, "kind": 0})
        for name in ("seen", "place", "cause", "kind"):
            row[name] += getattr(mark, name)
        row["cases"] += 1
    return {kind: found[kind] for kind in sorted(found)}


def rivals(seen: Sequence[Seen]) -> dict[str, dict[str, Any]]:
    """What other rules made of the same traffic."""
    return {rule: _rival(rule, seen) for rule in RULES}


def _rival(rule: str, seen: Sequence[Seen]) -> dict[str, Any]:
    waits, places, false = [], [], 0
    for one in seen:
        people = population(one.case.plan.seed)
        for mark in one.verdict.marks:
            truth = mark.truth
            bell = first_of(list(one.bells), rule, truth.begin_s, truth.end_s + _LATER_S)
            waits.append(bell.at_s - truth.begin_s if bell else float("inf"))
            places.append(
                bell is not None and any(people.alike(bell.place, place) >= _ALIKE for place in truth.places)
            )
        false += sum(bell.rule == rule and not _in_time(bell, one) for bell in one.bells)
    well_s = sum(one.seconds for one in seen)
    return {
        "seen": share_of([bool(np.isfinite(wait)) for wait in waits]),
        "place": share_of(places),
        "median_s": _known(float(np.quantile(waits, 0.5, method="higher"))) if waits else -1.0,
        "false_per_hour": round(false / max(well_s / 3600, 1e-9), 1),
    }


def _in_time(bell: Bell, one: Seen) -> bool:
    return any(mark.truth.begin_s <= bell.at_s <= mark.truth.end_s + _LATER_S for mark in one.verdict.marks)
