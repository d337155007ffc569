"""What others do, on the same traffic: burn rates in two windows, fixed shares over a minute, the last 125.

Each watches every bank, BIN, region, source, model, kind, entry and merchant by itself, once a second. Its
answer is the first slice that rings: they know of no cause.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posswitch.diagnose.signals import Atlas, Dim, Sort, Tick

Floats = NDArray[np.float64]

_DIMS = (Dim.BANK, Dim.BIN, Dim.REGION, Dim.SOURCE, Dim.MODEL, Dim.KIND, Dim.ENTRY, Dim.MERCHANT)
_FAILED = np.zeros(len(Sort), bool)
_FAILED[[Sort.FAIL, Sort.FORMAT, Sort.MAC, Sort.ORDER, Sort.REGISTRY]] = True
_MINUTE, _FIVE, _HOUR = 60, 300, 3600
_BURN = 14.4  # times the budget, over an hour and over five minutes (SRE workbook, chapter 5)
_SEEN_MIN = 20.0  # in a minute, before a share of it says anything
_LAST, _LAST_RATE = 125, 0.75  # payments, and the success rate that is too low
_QUIET_S = 600  # one alarm of a slice in so long
RULES = ("burn-99", "burn-99.9", "static-5", "static-20", "last-125")


class Bell(NamedTuple):
    """One alarm: which rule, when, where."""

    rule: str
    at_s: float
    place: dict[str, str]


class Rivals:
    """All rules over all slices; `look` is told of every tick."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._names: list[tuple[Dim, int]] = []
        self._tables: dict[Dim, NDArray[np.int64]] = {}
        self._ring = np.zeros((_HOUR, 2, 0))
        self._second = np.zeros((2, 0))
        self._at = 0
        self._seconds = 0.0
        self._last = np.zeros((2, 0))  # of the last payments: a moving sum
        self._rang: dict[tuple[str, int], float] = {}

    def __repr__(self) -> str:
        return f"<rivals over {len(self._names)} slices>"

    def look(self, tick: Tick, now_s: float) -> list[Bell]:
        """Counts a tick; what rings."""
        sorts = self._atlas.sorts(tick.outcomes)
        columns = self._atlas.columns(tick.outcomes)[:, sorts != Sort.NOTHING]
        failed = _FAILED[sorts[sorts != Sort.NOTHING]]
        for dim in _DIMS:
            self._count(dim, columns[dim], failed)
        self._seconds += tick.seconds
        if self._seconds < 1.0:
            return []
        self._seconds = 0.0
        return self._judge(now_s)

    def _count(self, dim: Dim, values: NDArray[np.int32], failed: NDArray[np.bool_]) -> None:
        table = self._tables.get(dim, np.zeros(0, np.int64))
        top = int(values.max(initial=0)) + 1
        if top > len(table):
            table = np.concatenate((table, np.full(top - len(table), -1)))
        for value in np.unique(values[(table[values] < 0) & (values > 0)]).tolist():
            table[value] = len(self._names)
            self._names.append((dim, value))
        self._tables[dim] = table
        size = len(self._names)
        if size > self._ring.shape[2]:
            more = size - self._ring.shape[2]
            self._ring = np.concatenate((self._ring, np.zeros((_HOUR, 2, more))), 2)
            self._second = np.concatenate((self._second, np.zeros((2, more))), 1)
            self._last = np.concatenate((self._last, np.zeros((2, more))), 1)
        places = table[values]
        known = places >= 0
        self._second[0] += np.bincount(places[known], minlength=size)
        self._second[1] += np.bincount(places[known], weights=failed[known], minlength=size)

    def _judge(self, now_s: float) -> list[Bell]:
        ring, second = self._ring, self._second
        ring[self._at % _HOUR] = second
        self._at += 1
        keep = np.clip(1 - second[0] / _LAST, 0.0, 1.0)
        self._last = self._last * keep + second
        minute, five, hour = (self._sum(seconds) for seconds in (_MINUTE, _FIVE, _HOUR))
        ringing = {
            "burn-99": _over(hour, _BURN * 0.01, 1.0) & _over(five, _BURN * 0.01, 1.0),
            "burn-99.9": _over(hour, _BURN * 0.001, 1.0) & _over(five, _BURN * 0.001, 1.0),
            "static-5": _over(minute, 0.05, _SEEN_MIN),
            "static-20": _over(minute, 0.20, _SEEN_MIN),
            "last-125": (self._last[0] >= 0.6 * _LAST) & (self._last[1] > (1 - _LAST_RATE) * self._last[0]),
        }
        self._second = np.zeros_like(second)
        bells = []
        for rule in RULES:
            for slot in np.flatnonzero(ringing[rule]).tolist():
                if now_s - self._rang.get((rule, slot), -1e9) >= _QUIET_S:
                    bells.append(Bell(rule, now_s, self._place(*self._names[slot])))
                self._rang[rule, slot] = now_s
        return bells

    def _sum(self, seconds: int) -> Floats:
        """Of the last seconds; an hour that is not over yet is as it was until now."""
        seen = min(self._at, seconds)
        places = np.arange(self._at - seen, self._at) % _HOUR
        total: Floats = self._ring[places].sum(0)
        return total

    def _place(self, dim: Dim, value: int) -> dict[str, str]:
        return {dim.name.lower(): self._atlas.label(dim, value)}


def _over(counts: Floats, share: float, least: float) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (counts[0] >= least) & (counts[1] > share * counts[0])
    return found


def first_of(bells: list[Bell], rule: str, begin_s: float, end_s: float) -> Bell | None:
    """The first alarm of a rule within these seconds."""
    return next((one for one in bells if one.rule == rule and begin_s <= one.at_s <= end_s), None)
