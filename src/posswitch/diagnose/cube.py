"""The slices that are watched: every value of some dimensions and pairs, a row of counts each; bounded.

Terminals and merchants are too many: one of them has a slice of its own from its first trouble on, and gives
it up to another when it has been well for longest.
"""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from posswitch.diagnose.signals import SORTS, Dim, Floats, Ints, Mask, Sort

Dims = tuple[Dim, ...]
Slice = tuple[tuple[Dim, int], ...]  # dimension and value; two of them for a pair; none: everything

AGAIN, SLOW = SORTS, SORTS + 1  # requests that come once more; answers of banks that were slow
STREAMS = SORTS + 2
_CAPS = {
    (Dim.BANK,): 256,
    (Dim.BIN,): 512,
    (Dim.REGION,): 96,
    (Dim.SOURCE,): 96,
    (Dim.MODEL,): 128,
    (Dim.KIND,): 16,
    (Dim.ENTRY,): 24,
    (Dim.MERCHANT,): 512,
    (Dim.TERMINAL,): 512,
    (Dim.BANK, Dim.KIND): 512,
    (Dim.BANK, Dim.ENTRY): 512,
    (Dim.BANK, Dim.REGION): 512,
    (Dim.MODEL, Dim.KIND): 256,
}
SLICES_MAX = 1 + sum(_CAPS.values())
_TROUBLED_ONLY = frozenset({(Dim.MERCHANT,), (Dim.TERMINAL,)})
_TERMINAL_FAILURES_MAX = (
    2  # that count in ten seconds beside its own slice: a cashier who tries again and again
)
_WINDOW_NS = 10_000_000_000


class Marks(NamedTuple):
    """What is known of outcomes beside their sort, a mask each."""

    slow: Mask  # an answer that took too long
    asked: Mask  # a bank's answer
    again: Mask  # a request that comes once more
    stale: Mask  # a failure of a card that has just failed there: one customer, one failure


class Counts(NamedTuple):
    """Of one tick: outcomes by slice and stream, answers of banks by slice, in all."""

    bad: Floats  # slices × streams; the first column is of good ones
    total: Floats
    answered: Floats
    came: Floats  # also what a terminal says once too often


class Cube:
    """Gives slices to values as they come, and counts."""

    def __init__(self) -> None:
        self.slices: list[Slice] = [()]
        self.parent = np.zeros(SLICES_MAX, np.int32)  # of a pair: the slice of its first dimension
        self._number = np.zeros(SLICES_MAX + 1, np.int32)  # by slice: how many of its dimensions came before
        self._slot: dict[Dims, dict[int, int]] = {dims: {} for dims in _CAPS}
        self._table: dict[Dims, Ints] = {dims: np.full(_cells(dims), -1, np.int32) for dims in _CAPS}
        self._last_ill: dict[Dims, OrderedDict[int, None]] = {dims: OrderedDict() for dims in _TROUBLED_ONLY}
        self.reborn: list[int] = []  # slices that were given to another since the last tick
        self._window_ns = 0
        self._window: dict[int, int] = {}  # failures by terminal

    def __repr__(self) -> str:
        return f"<cube of {len(self.slices)} slices>"

    def find(self, where: Slice) -> int:
        """The slice of a place; -1 when it has none."""
        if not where:
            return 0
        dims = tuple(dim for dim, _ in where)
        if dims not in self._slot:
            return -1
        if len(where) == 1:
            return self._slot[dims].get(where[0][1], -1)
        first, second = (self._slot[(dim,)].get(value, -1) for dim, value in where)
        if first < 0 or second < 0:
            return -1
        return self._slot[dims].get(_pair(dims, int(self._number[first]), int(self._number[second])), -1)

    def values(self, dim: Dim) -> dict[int, int]:
        """The slices of a dimension's values."""
        return self._slot[(dim,)]

    def count(self, at_ns: int, columns: Ints, sorts: Ints, marks: Marks) -> Counts:
        """Counts one tick."""
        self.reborn.clear()
        some = (sorts != Sort.NOTHING) | marks.again
        columns, sorts = columns[:, some], sorts[some]
        slow, asked, again, stale = (mark[some] for mark in marks)
        told = (sorts != Sort.NOTHING) & ~stale
        capped = self._capped(at_ns, columns[Dim.TERMINAL], sorts)
        ill = np.flatnonzero(((sorts > 0) & told) | again).astype(np.int32)
        flat, slowed, answered, came, repeated = [], [], [], [], []
        numbers: dict[Dim, Ints] = {}
        for dims in ((), *_CAPS):
            if not dims:
                places = np.zeros(len(sorts), np.int32)
            elif len(dims) == 1:
                places = self._of_value(dims, columns[dims[0]], ill)
                numbers[dims[0]] = places
            else:
                places = self._of_pair(dims, numbers[dims[0]], numbers[dims[1]], columns)
            seen = places >= 0
            came.append(places[seen])
            repeated.append(places[seen & again])
            seen &= told if dims in _TROUBLED_ONLY else told & capped
            flat.append(places[seen] * SORTS + sorts[seen])
            slowed.append(places[seen & slow])
            answered.append(places[seen & asked])
        size = len(self.slices)
        by_sort = np.bincount(np.concatenate(flat), minlength=size * SORTS).reshape(size, SORTS)
        bad = np.zeros((size, STREAMS))
        bad[:, :SORTS] = by_sort
        bad[:, AGAIN] = np.bincount(np.concatenate(repeated), minlength=size)
        bad[:, SLOW] = np.bincount(np.concatenate(slowed), minlength=size)
        total: Floats = by_sort.sum(1).astype(np.float64)
        asked_of: Floats = np.bincount(np.concatenate(answered), minlength=size).astype(np.float64)
        volume: Floats = np.bincount(np.concatenate(came), minlength=size).astype(np.float64)
        return Counts(bad, total, asked_of, volume)

    def _capped(self, at_ns: int, terminals: Ints, sorts: Ints) -> Mask:
        """Which outcomes count beside the terminal's own slice."""
        if not 0 <= at_ns - self._window_ns < _WINDOW_NS:
            self._window_ns = at_ns
            self._window.clear()
        counts = np.ones(len(sorts), bool)
        ill = np.flatnonzero((sorts > 0) & (sorts < SORTS))
        over = []
        for row, terminal in zip(ill.tolist(), terminals[ill].tolist(), strict=True):
            failures = self._window[terminal] = self._window.get(terminal, 0) + 1
            if failures > _TERMINAL_FAILURES_MAX and terminal:
                over.append(row)
        counts[over] = False
        return counts

    def _of_value(self, dims: Dims, values: Ints, ill: Ints) -> Ints:
        """The slice of each outcome by one dimension; -1 where it has none."""
        table = self._table[dims]
        top = int(values.max(initial=0))
        if top >= len(table):
            table = np.concatenate((table, np.full(top + 1 + len(table) - len(table) % 2, -1, np.int32)))
            self._table[dims] = table
        if dims in _TROUBLED_ONLY:
            self._give_to_ill(dims, values[ill])
        else:
            unknown = values[(table[values] < 0) & (values > 0)]
            if len(unknown) and len(self._slot[dims]) < _CAPS[dims]:
                for value in np.unique(unknown).tolist():
                    self._give(dims, value, ((dims[0], value),), 0)
        return table[values]

    def _give_to_ill(self, dims: Dims, values: Ints) -> None:
        """A slice for each that has trouble; the one that was well for longest makes room."""
        last_ill, slots = self._last_ill[dims], self._slot[dims]
        for value in dict.fromkeys(values.tolist()):
            if not value:
                continue
            if value in last_ill:
                last_ill.move_to_end(value)
                continue
            last_ill[value] = None
            if len(slots) >= _CAPS[dims]:
                oldest, _ = last_ill.popitem(last=False)
                place = slots.pop(oldest)
                self._table[dims][oldest] = -1
                self.reborn.append(place)
                slots[value] = self._table[dims][value] = place
                self.slices[place] = ((dims[0], value),)
            else:
                self._give(dims, value, ((dims[0], value),), 0)

    def _of_pair(self, dims: Dims, first: Ints, second: Ints, columns: Ints) -> Ints:
        """The slice of each outcome by two dimensions, from those of each; -1 where it has none."""
        both = (first >= 0) & (second >= 0)
        keys = np.where(both, self._number[first] * _CAPS[dims[1:]] + self._number[second], 0)
        table = self._table[dims]
        unknown = both & (table[keys] < 0)
        if unknown.any() and len(self._slot[dims]) < _CAPS[dims]:
            rows = np.flatnonzero(unknown)
            fresh, firsts = np.unique(keys[rows], return_index=True)
            for key, row in zip(fresh.tolist(), rows[firsts].tolist(), strict=True):
                place = tuple((dim, int(columns[dim][row])) for dim in dims)
                self._give(dims, key, place, int(first[row]))
        return np.where(both, table[keys], -1)

    def _give(self, dims: Dims, key: int, where: Slice, parent: int) -> None:
        """The next slice, while there is one."""
        if len(self._slot[dims]) >= _CAPS[dims]:
            return
        place = len(self.slices)
        self.slices.append(where)
        self._number[place] = len(self._slot[dims])
        self.parent[place] = parent
        self._slot[dims][key] = self._table[dims][key] = place


def _pair(dims: Dims, first: int, second: int) -> int:
    return first * _CAPS[dims[1:]] + second


def _cells(dims: Dims) -> int:
    """How large the table of a dimension or pair is at first."""
    return 256 if len(dims) == 1 else _CAPS[dims[:1]] * _CAPS[dims[1:]]
