"""What a node says while a drill is played: facts that hold, and who was answered what, by place."""

from collections import deque
from collections.abc import Mapping
from pathlib import Path

from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Registry
from posswitch.diagnose.facts import Fact, FactBoard
from posswitch.journal.vitals import WIDTH, Column, How, Period, VitalsReader
from posswitch.sim.drills.drill import Sign
from posswitch.sim.drills.scene import Place

_WINDOW_NS = 5 * NS_PER_S
_PERIODS_MAX = 2400
_REPEATS = "repeats"
_REPEATS_MIN = 5
_OF = {
    "bank": Column.BANK,
    "bin": Column.BIN,
    "merchant": Column.MERCHANT,
    "terminal": Column.TERMINAL,
    "kind": Column.KIND,
    "code": Column.CODE,
}


class Monitor:
    """Follows the vitals of a node; look before asking."""

    WINDOW_S = _WINDOW_NS // NS_PER_S

    def __init__(self, folder: Path, registry: Registry) -> None:
        self._reader = VitalsReader(folder)
        self._board = FactBoard()
        self._periods: deque[Period] = deque(maxlen=_PERIODS_MAX)
        self._registry = registry
        self._before: dict[str, float] = {}
        self.facts: list[Fact] = []

    def __repr__(self) -> str:
        return f"<monitor of {len(self._periods)} periods>"

    @property
    def names(self) -> list[str]:
        """What the numbers in answers mean."""
        return self._reader.names

    @property
    def gauges(self) -> Mapping[str, float]:
        """The newest."""
        return self._periods[-1].gauges if self._periods else {}

    def look(self) -> None:
        """Takes in what is new."""
        for period in self._reader.read():
            self._periods.append(period)
            self.facts = self._board.look(period.at_ns, period.gauges)

    def mark(self) -> None:
        """From now on gauges are compared with how they are now."""
        self._before = dict(self.gauges)

    def holds(self, sign: Sign, place: Place) -> bool:
        """Whether a sign is seen at a place now."""
        if sign.fact == _REPEATS:
            return self.repeats() >= _REPEATS_MIN
        if sign.fact:
            return any(fact.name == sign.fact and _at(fact, place) for fact in self.facts)
        if sign.rises:
            return self.gauges.get(sign.rises, 0.0) >= self._before.get(sign.rises, 0.0) + sign.by
        if sign.fewer:
            return self.rate(place) * sign.fewer <= self.rate(place, ago_s=20)
        bad, all_ = self.answers(place, sign.codes, sign.kind)
        return all_ > 0 and bad >= sign.share * all_

    def repeats(self) -> int:
        """How often the same answer was given once more."""
        return sum(row[Column.HOW] == How.REPEAT for row in self.rows())

    def answers(self, place: Place, codes: tuple[str, ...], kind: str = "") -> tuple[int, int]:
        """Of the last seconds at a place: answers with one of these codes, and all (of that kind of message).

        With a kind, all means all answers there, so that a flood of that kind stands out.
        """
        names = self._reader.names
        bad = all_ = 0
        for row in self.rows():
            if row[Column.HOW] == How.COUNTED or not self._within(row, place):
                continue
            all_ += 1
            of_kind = not kind or names[row[Column.KIND]] == kind
            bad += of_kind and names[row[Column.CODE]] in codes
        return bad, all_

    def rate(self, place: Place, ago_s: int = 0) -> float:
        """Payments answered a second at a place, in the last seconds or some time ago."""
        end_ns = self._periods[-1].at_ns - ago_s * NS_PER_S if self._periods else 0
        rows = self.rows(end_ns)
        return sum(self._within(row, place) for row in rows) / (_WINDOW_NS / NS_PER_S)

    def rows(self, end_ns: int = 0) -> list[tuple[int, ...]]:
        """The answers of the last WINDOW_S seconds, or of those before a moment."""
        end_ns = end_ns or (self._periods[-1].at_ns if self._periods else 0)
        return [
            tuple(period.outcomes[at : at + WIDTH])
            for period in self._periods
            if end_ns - _WINDOW_NS < period.at_ns <= end_ns
            for at in range(0, len(period.outcomes), WIDTH)
        ]

    def _within(self, row: tuple[int, ...], place: Place) -> bool:
        return all(value == self.value(row, dim) for dim, value in place.items() if dim != "link")

    def value(self, row: tuple[int, ...], dim: str) -> str:
        """What an answer has for a dimension; empty where that is not known."""
        names = self._reader.names
        if dim in _OF:
            return names[row[_OF[dim]]]
        terminal = self._registry.terminals.get(names[row[Column.TERMINAL]])
        if terminal is None:
            return ""
        if dim == "model":
            return f"{terminal.model} {terminal.firmware}".strip()
        return self._registry.merchants[terminal.merchant].city


def _at(fact: Fact, place: Place) -> bool:
    scope, name = fact.place
    if scope == "node":
        return True
    if scope == "link" and "bank" in place:
        return name.startswith(f"{place['bank']}/")
    if scope == "bank" and "link" in place:
        return place["link"].startswith(f"{name}/")
    if scope in place:
        return place[scope] == name
    return not place or "bin" in place
