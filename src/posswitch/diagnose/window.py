"""The last minute, outcome by outcome: what an investigation looks at."""

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.cube import AGAIN, SLOW, Cube
from posswitch.diagnose.signals import Dim, Floats, Ints, Mask, Sort, Tick
from posswitch.journal.vitals import Column

KEPT_NS = 60 * NS_PER_S
_ROWS_MAX = 200_000  # at 10,000 a second 20 s
_ROWS_MIN = 1 << 12  # room at the start; it doubles as it is needed


_TELLING = (Dim.BANK, Dim.KIND, Dim.ENTRY)  # of what is usual


class Rows(NamedTuple):
    """Outcomes of a stretch of time, in its order; `columns` has one row a dimension, `said` one a Column."""

    at_ns: NDArray[np.int64]
    columns: Ints
    sorts: Ints
    said: Ints
    slow: Mask
    again: Mask

    def __len__(self) -> int:
        return len(self.at_ns)

    @property
    def outcomes(self) -> Ints:
        """One row an outcome."""
        return self.said.T

    @property
    def hows(self) -> Ints:
        """Whose word each is."""
        found: Ints = self.said[Column.HOW]
        return found

    @property
    def codes(self) -> Ints:
        """The id of each DE39."""
        found: Ints = self.said[Column.CODE]
        return found

    def only(self, mask: Mask) -> "Rows":
        """Some of them."""
        some = np.flatnonzero(mask)
        return Rows(
            self.at_ns[some],
            self.columns.take(some, axis=1),
            self.sorts[some],
            self.said.take(some, axis=1),
            self.slow[some],
            self.again[some],
        )

    def within(self, place: "Where") -> Mask:
        """Which lie in a place."""
        inside = np.ones(len(self), bool)
        for dim, value in place:
            inside &= self.columns[dim] == value
        return inside


Where = tuple[tuple[Dim, int], ...]  # values of dimensions; none: everywhere


class Window:
    """Outcomes of the last minute, bounded in number, the oldest leave first; what it gives are views."""

    def __init__(self) -> None:
        self._ticks: deque[tuple[int, int]] = deque()  # when, and how many outcomes
        self._first = self._end = 0  # of what is kept
        self._rows = _room(_ROWS_MIN)

    def __repr__(self) -> str:
        return f"<window of {len(self)} outcomes>"

    def __len__(self) -> int:
        return self._end - self._first

    def take(self, tick: Tick, columns: Ints, sorts: Ints, slow: Mask, again: Mask) -> None:
        """The newest tick; views that were given before end here."""
        self._ticks.append((tick.at_ns, len(sorts)))
        while self._ticks[0][0] < tick.at_ns - KEPT_NS or (len(self) + len(sorts) > _ROWS_MAX and len(self)):
            self._first += self._ticks.popleft()[1]
        self._make_room(len(sorts))
        new = slice(self._end, self._end + len(sorts))
        self._rows.at_ns[new] = tick.at_ns
        self._rows.columns[:, new] = columns
        self._rows.sorts[new] = sorts
        self._rows.said[:, new] = tick.outcomes.T
        self._rows.slow[new] = slow
        self._rows.again[new] = again
        self._end = new.stop

    def since(self, at_ns: int, most: int = _ROWS_MAX) -> Rows:
        """What came after a moment, of it the newest `most`."""
        first = self._first + int(np.searchsorted(self._rows.at_ns[self._first : self._end], at_ns))
        first = min(max(first, self._end - most), self._end)
        return _part(self._rows, first, self._end)

    def _make_room(self, more: int) -> None:
        """Moves what is kept to the front, in a larger room where this one is half full."""
        if self._end + more <= len(self._rows):
            return
        kept = _part(self._rows, self._first, self._end)
        room = len(self._rows)
        while room < 2 * (len(kept) + more):
            room *= 2
        self._rows = _room(room)
        new, end = self._rows, len(kept)
        new.at_ns[:end] = kept.at_ns
        new.columns[:, :end] = kept.columns
        new.sorts[:end] = kept.sorts
        new.said[:, :end] = kept.said
        new.slow[:end] = kept.slow
        new.again[:end] = kept.again
        self._first, self._end = 0, end


def _room(rows: int) -> Rows:
    return Rows(
        np.zeros(rows, np.int64),
        np.zeros((len(Dim), rows), np.int32),
        np.zeros(rows, np.int32),
        np.zeros((len(Column), rows), np.int32),
        np.zeros(rows, bool),
        np.zeros(rows, bool),
    )


def _part(rows: Rows, first: int, end: int) -> Rows:
    at_ns, columns, sorts, said, slow, again = rows
    part = slice(first, end)
    return Rows(at_ns[part], columns[:, part], sorts[part], said[:, part], slow[part], again[part])


def llr(bad: float, total: float, usual: float) -> float:
    """How much likelier so many bad ones of a total are at their own share than at the usual one."""
    if total <= 0 or bad <= total * usual:
        return 0.0
    share = min(bad / total, 0.999)
    return float(bad * np.log(share / usual) + (total - bad) * np.log((1 - share) / (1 - usual)))


def is_bad(rows: Rows, streams: frozenset[int]) -> Mask:
    """Which outcomes are bad in the sense of some streams."""
    table = np.zeros(len(Sort), bool)
    table[[stream for stream in streams if Sort.GOOD < stream < Sort.NOTHING]] = True
    bad: Mask = table[rows.sorts]
    if AGAIN in streams:
        bad = bad | rows.again
    return bad | rows.slow if SLOW in streams else bad


def usual_of(rows: Rows, shares: Floats, cube: Cube, streams: frozenset[int]) -> Floats:
    """The usual share of bad outcomes for each row: by bank, kind and way of entry."""
    by_slice = shares[:, sorted(streams)].sum(1)
    usual: Floats = np.full(len(rows), by_slice[0])
    for dim in _TELLING:
        of = rows.columns[dim]
        times = np.ones(int(of.max(initial=0)) + 1)
        for value, place in cube.values(dim).items():
            if value < len(times):
                times[value] = by_slice[place] / by_slice[0]
        usual *= times[of]
    return np.clip(usual, 0.0005, 0.6)
