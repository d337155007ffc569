"""What diagnosis hears: what a node has said since the last look, and where everything stands."""

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posswitch.base.codes import CODES
from posswitch.base.moment import NS_PER_S
from posswitch.journal.vitals import NAMES_MAX, PERIOD_NS, WIDTH, Column, Gauges, How, Period

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Tick(NamedTuple):
    """What a node has said in so many seconds: outcomes (rows of `journal.vitals.Column`), newest gauges."""

    at_ns: int
    seconds: float
    outcomes: Ints
    gauges: Gauges


class Site(NamedTuple):
    """What is registered of a terminal beside its merchant."""

    model: str = ""  # with its firmware
    region: str = ""
    source: str = ""  # who connects for it


class Dim(IntEnum):
    """The dimensions of an outcome, the most telling for people first: link and node are told by facts."""

    BANK = 0
    BIN = 1
    REGION = 2
    SOURCE = 3
    MODEL = 4
    KIND = 5
    ENTRY = 6
    MERCHANT = 7
    TERMINAL = 8
    BAND = 9


_NAMED = {
    Dim.BANK: Column.BANK,
    Dim.BIN: Column.BIN,
    Dim.KIND: Column.KIND,
    Dim.ENTRY: Column.ENTRY,
    Dim.MERCHANT: Column.MERCHANT,
    Dim.TERMINAL: Column.TERMINAL,
}
_SITED = {Dim.MODEL: 0, Dim.REGION: 1, Dim.SOURCE: 2}  # places in a Site
_OF_A_SHOP = (Dim.REGION, Dim.SOURCE)  # all its terminals have them: told where the terminal is not known
_BANDS = 4  # of amounts: up to 10, 1,000, 10,000, above, in major units
_BAND_BITS = (10, 17, 20)
_GAP_NS = NS_PER_S  # between two periods: then the node was down, or has lost some


class Sort(IntEnum):
    """What an outcome is, for counting: the same payment never counts as two of them."""

    GOOD = 0
    FAIL = 1  # nobody's decision: no answer, no way, out of order
    FORMAT = 2
    MAC = 3
    PIN = 4
    ORDER = 5  # it does not fit what was before
    LIMIT = 6
    DECLINE = 7
    REGISTRY = 8
    NOTHING = 9  # it is counted elsewhere


SORTS = len(Sort) - 1
_SORT_OF_CODE = {
    **dict.fromkeys(("06", "09", "22", "68", "89", "90", "91", "92", "96", "98", "A7"), Sort.FAIL),
    **dict.fromkeys(("20", "30"), Sort.FORMAT),
    **dict.fromkeys(("A0", "77"), Sort.MAC),
    **dict.fromkeys(("38", "55", "75", "86", "99"), Sort.PIN),
    **dict.fromkeys(("12", "21", "25", "64", "76", "94", "95", "C1"), Sort.ORDER),
    **dict.fromkeys(("13", "61", "65"), Sort.LIMIT),
    **dict.fromkeys(("03", "15", "31", "40", "58", "97"), Sort.REGISTRY),
}
_SORT_OF_CATEGORY = {"approved": Sort.GOOD, "limit": Sort.LIMIT}


def sort_of(code: str) -> Sort:
    """What a DE39 means for counting; an unknown one is a decline."""
    found = _SORT_OF_CODE.get(code)
    if found is not None:
        return found
    row = CODES.get(code)
    return _SORT_OF_CATEGORY.get(row.category, Sort.DECLINE) if row is not None else Sort.DECLINE


class Atlas:
    """What the ids of names mean: codes by their sort, terminals by their site. Grows with the names."""

    def __init__(self, sites: Mapping[str, Site]) -> None:
        self._sites = sites
        self.names: list[str] = []
        self._ids: dict[str, int] = {}
        self.labels: dict[Dim, list[str]] = {dim: [""] for dim in _SITED}
        self._label_ids: dict[Dim, dict[str, int]] = {dim: {"": 0} for dim in _SITED}
        self._sited = np.zeros((len(_SITED), 0), np.int32)
        self._shops = np.zeros((len(_OF_A_SHOP), 0), np.int32)  # the same of merchants, as they were last
        self._sorts = np.zeros(0, np.int32)

    def __repr__(self) -> str:
        return f"<atlas of {len(self.names)} names>"

    def know(self, names: Sequence[str]) -> None:
        """Takes the names of a node; those that are known stay what they are, ValueError if they do not."""
        old = len(self.names)
        if len(names) < old or (old and names[old - 1] != self.names[-1]):
            raise ValueError("names of another file: they need another atlas")
        fresh = list(names[old:])
        if not fresh:
            return
        self.names += fresh
        for number, name in enumerate(fresh, old):
            self._ids.setdefault(name, number)
        sites = [self._sites.get(name, Site()) for name in fresh]
        sited = [[self._label(dim, site[place]) for site in sites] for dim, place in _SITED.items()]
        self._sited = np.hstack((self._sited[:, :old], np.array(sited, np.int32).reshape(len(_SITED), -1)))
        sorts = [sort_of(name) for name in fresh]
        more = np.zeros((len(_OF_A_SHOP), len(fresh)), np.int32)
        self._shops = np.hstack((self._shops[:, :old], more))
        self._sorts = np.concatenate((self._sorts[:old], np.array(sorts, np.int32)))

    def _label(self, dim: Dim, label: str) -> int:
        ids = self._label_ids[dim]
        if label not in ids:
            ids[label] = len(self.labels[dim])
            self.labels[dim].append(label)
        return ids[label]

    def label(self, dim: Dim, value: int) -> str:
        """What people call a value of a dimension."""
        if dim is Dim.BAND:
            return str(value)
        labels = self.labels.get(dim, self.names)
        return labels[value] if 0 <= value < len(labels) else ""

    def value(self, dim: Dim, label: str) -> int:
        """The value that people call so; 0 when there is none."""
        if dim in _SITED:
            return self._label_ids[dim].get(label, 0)
        return self._ids.get(label, 0)

    def columns(self, outcomes: Ints) -> Ints:
        """The values of all dimensions: one row a dimension, one column an outcome."""
        found = np.zeros((len(Dim), len(outcomes)), np.int32)
        for dim, column in _NAMED.items():
            found[dim] = outcomes[:, column]
        terminals, merchants = outcomes[:, Column.TERMINAL], outcomes[:, Column.MERCHANT]
        for dim, sited in zip(_SITED, self._sited, strict=True):
            found[dim] = _looked_up(sited, terminals)
        known = (terminals > 0) & (merchants > 0) & (merchants < self._shops.shape[1])
        for dim, shops in zip(_OF_A_SHOP, self._shops, strict=True):
            shops[merchants[known]] = found[dim][known]
            found[dim] = np.where(terminals > 0, found[dim], _looked_up(shops, merchants))
        found[Dim.KIND][outcomes[:, Column.HOW] == How.EDGE] = 0  # nobody read so far
        found[Dim.BAND] = np.searchsorted(_BAND_BITS, outcomes[:, Column.BAND])
        return found

    def sorts(self, outcomes: Ints) -> Ints:
        """The Sort of each outcome."""
        found = _looked_up(self._sorts, outcomes[:, Column.CODE])
        how = outcomes[:, Column.HOW]
        found[(how == How.OVERDUE) | (how == How.TIMER)] = Sort.FAIL
        found[(how == How.COUNTED) | (how == How.REPEAT)] = Sort.NOTHING
        return found


def _looked_up(table: Ints, ids: Ints) -> Ints:
    """A row of a table for each id; for one that nobody knows that of the empty name, which is 0."""
    if not len(table):
        return np.zeros(len(ids), np.int32)
    return table[np.where(ids < len(table), ids, 0)]


def ticks(periods: Sequence[Period], since_ns: int) -> Iterator[Tick]:
    """Periods of a ring as ticks; what follows a gap is what was said in one period of it."""
    for period in periods:
        ago_ns = period.at_ns - since_ns
        seconds = max(ago_ns / NS_PER_S, 0.01) if 0 < ago_ns <= _GAP_NS else PERIOD_NS / NS_PER_S
        rows = np.frombuffer(period.outcomes.tobytes(), np.int32).reshape(-1, WIDTH)
        yield Tick(period.at_ns, seconds, _sound(rows), period.gauges)
        since_ns = period.at_ns


def _sound(rows: Ints) -> Ints:
    """Without what no node writes: the file may be damaged, and ids are places of tables."""
    ids = rows[:, : Column.HOW]
    sound = (ids >= 0).all(1) & (ids < NAMES_MAX).all(1) & (rows[:, Column.HOW] >= 0)
    sound &= rows[:, Column.HOW] < len(How)
    return rows if sound.all() else rows[sound]
