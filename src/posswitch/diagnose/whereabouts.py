"""Where something is wrong: from alarms and outcomes to the places that explain what is bad, said simply."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from posswitch.diagnose.again import ITS_OWN
from posswitch.diagnose.baseline import Baseline
from posswitch.diagnose.cube import AGAIN, SLOW, Cube
from posswitch.diagnose.detect import Alarm, Change
from posswitch.diagnose.facts import LINKED_S, Fact
from posswitch.diagnose.locate import locate
from posswitch.diagnose.past import Past
from posswitch.diagnose.signals import Atlas, Dim, Floats, Mask, Sort
from posswitch.diagnose.window import Rows, Where, Window, usual_of
from posswitch.journal.vitals import Column, How

ROWS_MAX = 60_000  # the newest outcomes say enough
_ITS_WORD = 0.7  # of what is bad
_BAD_MIN = 3
_SHARE_MIN = 0.12  # of what is bad, or it is no place of its own
_MOST, _OUTSIDE_MIN = 0.6, 15  # of the outcomes; so many others have to be well
_SLOW_BANKS = 3
_SURELY_BAD, _ALIKE = 0.9, 0.4  # a share; times as bad
_TELLING = 6.0  # odds that it is chance that all are well
_NEARLY_ALL = 0.7  # of the volume
_COMMON = (
    Dim.TERMINAL, Dim.MERCHANT, Dim.BIN, Dim.BANK, Dim.SOURCE, Dim.REGION, Dim.MODEL, Dim.KIND, Dim.ENTRY,
)  # fmt: skip
_NEARLY_EACH = 0.97  # of what is bad in a place
_COMMON_ODDS, _RARE, _RARE_MAX = 12.0, 0.1, 0.4  # that it is chance; a value's share before anything was seen
_OUTSIDE = 0.6  # unexplained: then the cause is outside the known dimensions
_CARD_WEIGHT, _CARD_FAILURES = 0.2, 2  # failures of one card at one terminal beyond so many count so much


class Look(NamedTuple):
    """What one investigation has before it."""

    at_ns: int
    since_ns: int
    rows: Rows
    bad: Mask
    streams: frozenset[int]
    shares: Floats
    facts: tuple[Fact, ...]


class Whereabouts:
    """Knows what there is to look at."""

    def __init__(self, atlas: Atlas, window: Window, cube: Cube, baseline: Baseline, past: Past) -> None:
        self._atlas, self._window, self._cube, self._baseline = atlas, window, cube, baseline
        self._past = past
        self._named, self._pin_ways = 0, list[int]()

    def __repr__(self) -> str:
        return f"<whereabouts in {self._window!r}>"

    def places(self, look: Look, alarms: Sequence[Alarm]) -> list[Where]:
        """The places that explain what is bad."""
        rows, bad = look.rows, look.bad
        if not look.streams or int(bad.sum()) < _BAD_MIN:
            return []
        payments = bad | (rows.columns[Dim.MERCHANT] > 0)  # who signs on again says nothing of payments
        if look.streams == {Sort.PIN}:
            payments &= bad | np.isin(rows.columns[Dim.ENTRY], self._with_pin())
        rows, bad = rows.only(payments), bad[payments]
        expected = usual_of(rows, look.shares, self._cube, look.streams)
        raised = [self._cube.slices[alarm.place] for alarm in alarms if alarm.change is Change.BAD]
        weights = bad * _weights(rows, bad)
        columns = rows.columns
        if look.streams == {AGAIN}:  # who comes again does so in every way
            columns = columns.copy()
            columns[[Dim.KIND, Dim.ENTRY, Dim.BAND]] = 0
        found = locate(columns, weights, np.ones(len(rows)), expected)
        places = [
            _simpler(look, self._closed(look, tuple((Dim(dim), value) for dim, value in one.place)))
            for one in found.places
            if one.share >= _SHARE_MIN and one.bad >= min(_BAD_MIN, 2)
        ]
        if not places or (found.unexplained >= _OUTSIDE and () in raised):
            return [self._only_bank(look)]
        banks = [place for place in places if len(place) == 1 and place[0][0] is Dim.BANK]
        if len(banks) >= _SLOW_BANKS and look.streams == {SLOW}:
            return [()]  # so many at once are slow by what they have in common
        if any(_is_nearly_all(look, place) for place in places):
            return [self._only_bank(look)]  # what is beside it is a part of it
        return places

    def _with_pin(self) -> list[int]:
        """The ways of entry (F22) that end in 1: a PIN can be entered."""
        if len(self._atlas.names) != self._named:
            self._named = len(self._atlas.names)
            self._pin_ways = [
                number for number, name in enumerate(self._atlas.names)
                if len(name) == 3 and name.isdigit() and name.endswith("1")
            ]  # fmt: skip
        return self._pin_ways

    def _closed(self, look: Look, place: Where) -> Where:
        """With what all that is bad there has in common, where that is rare in this place otherwise."""
        if len(place) == 1 and place[0][0] in (Dim.TERMINAL, Dim.MERCHANT):
            return place
        rows = look.rows
        its = rows.only(rows.within(place) & look.bad)
        before = self._window.since(0, ROWS_MAX)
        before = before.only((before.at_ns < look.since_ns) & before.within(place))
        for dim in _COMMON:
            value = int(np.bincount(its.columns[dim]).argmax()) if len(its) else 0
            common = float((its.columns[dim] == value).mean()) if len(its) else 0.0
            if not value or dim in dict(place) or common < _NEARLY_EACH:
                continue
            usual = (float((before.columns[dim] == value).sum()) + _RARE) / (len(before) + 1.0)
            if usual < _RARE_MAX and -len(its) * float(np.log(usual)) >= _COMMON_ODDS:
                if dim in (Dim.TERMINAL, Dim.MERCHANT):
                    return ((dim, value),)
                wider = tuple(one for one in place if (one[0], dim) != (Dim.BANK, Dim.BIN))
                return tuple(sorted((*wider, (dim, value)))) if len(wider) <= 1 else place
        return place

    def _only_bank(self, look: Look) -> Where:
        """The whole centre; where there is one bank only, and it is its word or its silence, the bank."""
        banks = look.rows.columns[Dim.BANK]
        known = np.unique(banks[banks > 0])
        if len(known) != 1 or banks_of(self._past)[0] > 1:
            return ()
        hows = look.rows.hows[look.bad]
        its = np.isin(hows, (How.BANK, How.TIMER, How.OVERDUE)) & (banks[look.bad] > 0)
        return ((Dim.BANK, int(known[0])),) if float(its.mean()) > _ITS_WORD else ()

    def silences(self, alarms: Sequence[Alarm]) -> list[Where]:
        """The place from which too little comes: the fewest values that account for most of it."""
        quiet = [alarm for alarm in alarms if alarm.change is Change.LITTLE]
        if not quiet:
            return []
        rates = self._baseline.rate(len(self._cube.slices))
        singles = [self._cube.slices[one.place] for one in quiet if len(self._cube.slices[one.place]) == 1]
        whole = any(not self._cube.slices[one.place] for one in quiet)
        by_dim: dict[Dim, list[int]] = {}
        for ((dim, value),) in singles:
            by_dim.setdefault(dim, []).append(value)
        best: Where | None = None
        best_rate = 0.0
        for dim in (Dim.SOURCE, Dim.REGION, Dim.BANK, Dim.MODEL, Dim.MERCHANT, Dim.BIN, Dim.ENTRY, Dim.KIND):
            values = by_dim.get(dim, [])
            if len(values) == 1:
                rate = float(rates[self._cube.find(((dim, values[0]),))])
                if rate > best_rate * 1.2:
                    best, best_rate = ((dim, values[0]),), rate
        if best is None or (whole and best_rate < _NEARLY_ALL * float(rates[0])):
            return [()] if whole else []
        return [best]


def links_of(past: Past, bank: str) -> int:
    return past.links(bank) if bank else 0


def banks_of(past: Past) -> tuple[int, int]:
    """How many banks there are, and how many have no link that stands; a young node has yet to dial them."""
    banks = [name[5:-6] for name in past.now if name.startswith("bank.") and name.endswith(".links")]
    down = sum(
        not any(past.get(f"link.{bank}.{index}.up") for index in range(links_of(past, bank)))
        for bank in banks
    )
    return len(banks), down if past.age_s > LINKED_S else 0


def _is_nearly_all(look: Look, place: Where) -> bool:
    """Whether so little is outside of a place that nobody can say it is well there."""
    outside = ~look.rows.within(place)
    came = int(np.count_nonzero(outside))
    if came > (1 - _MOST) * len(outside):
        return False
    few = int(np.count_nonzero(outside & look.bad)) >= 0.3 * came * float(look.bad[~outside].mean())
    return few or came < _OUTSIDE_MIN


def _simpler(look: Look, place: Where) -> Where:
    """Without values that say nothing: where hardly anything is well that has the others and not this one."""
    for dim, value in reversed(place):
        wider = tuple(one for one in place if one != (dim, value))
        if not wider and dim is not Dim.BAND:
            break
        inside = look.rows.within(place)
        beside = look.rows.within(wider) & ~inside
        share = min(float(look.bad[inside].mean()), _SURELY_BAD)
        came = int(np.count_nonzero(beside))
        alike = came and float(look.bad[beside].mean()) >= _ALIKE * share
        if alike or came * -np.log(1.0 - share) < _TELLING:
            place = wider
    return place


def _weights(rows: Rows, bad: Mask) -> Floats:
    """One for a card's first failures at a terminal, less for the next: a cashier tries and tries."""
    weights = np.ones(len(rows))
    places = np.flatnonzero(bad & np.isin(rows.sorts, ITS_OWN) & (rows.said[Column.CARD] != 0))
    cards = rows.said[Column.CARD][places].astype(np.int64) & 0xFFFF_FFFF
    mine = (rows.columns[Dim.TERMINAL][places].astype(np.int64) << 32) | cards
    order = np.argsort(mine, kind="stable")
    ranked = mine[order]
    starts = np.concatenate(([0], np.flatnonzero(np.diff(ranked)) + 1)) if len(ranked) else np.zeros(0, int)
    number = np.arange(len(ranked)) - np.repeat(starts, np.diff(np.append(starts, len(ranked))))
    weights[places[order[number >= _CARD_FAILURES]]] = _CARD_WEIGHT
    return weights
