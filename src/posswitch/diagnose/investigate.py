"""From alarms and facts to findings: where, what kind, how sure; some milliseconds after they were raised."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.again import ITS_OWN
from posswitch.diagnose.baseline import Baseline
from posswitch.diagnose.cube import SLOW, Cube
from posswitch.diagnose.detect import Alarm, Change
from posswitch.diagnose.facts import LINKED_S, NODE, Fact, FactBoard, Place
from posswitch.diagnose.features import Scene, features, place_name
from posswitch.diagnose.latency import Latencies
from posswitch.diagnose.locate import locate
from posswitch.diagnose.past import Past
from posswitch.diagnose.signals import Atlas, Dim, Floats, Mask, Sort
from posswitch.diagnose.suspects import Named, named
from posswitch.diagnose.window import Rows, Where, Window, is_bad, llr, usual_of
from posswitch.journal.vitals import Column, How

_LOOK_BACK_NS = 30 * NS_PER_S
_BEFORE_NS = NS_PER_S  # the change may have begun a moment before it was seen
_ROWS_MAX = 60_000  # the newest outcomes say enough
_ITS_WORD = 0.7  # of what is bad
_BAD_MIN = 3
_SHARE_MIN = 0.12  # of what is bad, or it is no place of its own
_MOST, _OUTSIDE_MIN = 0.6, 15  # of the outcomes; so many others have to be well
_SLOW_BANKS = 3
_NEARLY_ALL = 0.7  # of the volume
_COMMON = (
    Dim.TERMINAL, Dim.MERCHANT, Dim.BIN, Dim.BANK, Dim.SOURCE, Dim.REGION, Dim.MODEL, Dim.KIND, Dim.ENTRY,
)  # fmt: skip
_COMMON_ODDS, _RARE, _RARE_MAX = 12.0, 0.1, 0.4  # that it is chance; a value's share before anything was seen
_OUTSIDE = 0.6  # unexplained: then the cause is outside the known dimensions
_CARD_WEIGHT, _CARD_FAILURES = 0.2, 2  # failures of one card at one terminal beyond so many count so much

# Facts that open an incident by themselves, and those that only say more about one.
LOUD = frozenset({
    "link-down", "link-flaps", "link-silent", "link-fenced", "bank-unreachable", "lane-old",
    "bank-unreadable", "bank-mac-bad", "bank-unmatched", "bank-differs", "bank-answers-again",
    "bank-tls-not-yet", "lane-deep", "clock-off",
    "bank-tls-expired", "bank-tls-unknown", "node-restarted", "node-restarts", "sheds", "fsync-slow",
    "disk-low", "memory-grows", "descriptors-near", "hsm-down", "hsm-busy", "hsm-refuses",
    "gate-crowded", "gate-bad-frames", "frames-unreadable", "handshakes-fail",
    "misfit-banks", "key-exchange-failed", "bank-full",
})  # fmt: skip


# What lingers after the trouble itself is over keeps no incident open.
LASTING = frozenset({
    "link-flaps", "lane-deep", "lane-old", "bank-unmatched", "bank-answers-again", "node-restarts",
    "memory-grows", "clock-off",
})  # fmt: skip


class Finding(NamedTuple):
    """One cause, as it looks now."""

    place: dict[str, str]
    where: Where
    named: Named
    since_ns: int
    bad: int
    facts: frozenset[tuple[str, Place]]
    alarms: int
    streams: frozenset[int] = frozenset()  # of which something is bad there
    strained: bool = False  # the node has more to do than it can
    odds: float = 0.0  # how sure it is that something is wrong there: log likelihood ratio

    @property
    def kind(self) -> str:
        """The likeliest kind; empty: inconclusive."""
        return self.named.first.kind


class Investigator:
    """Knows what there is to look at."""

    def __init__(
        self, atlas: Atlas, window: Window, cube: Cube, baseline: Baseline, latencies: Latencies,
        board: FactBoard,
    ) -> None:  # fmt: skip
        self._atlas = atlas
        self._window = window
        self._cube = cube
        self._baseline = baseline
        self._latencies = latencies
        self._board = board
        self._named, self._pin_ways = 0, list[int]()
        self._past = board.past

    def __repr__(self) -> str:
        return f"<investigator over {self._window!r}>"

    def look(
        self, at_ns: int, alarms: Sequence[Alarm], loud: Sequence[Fact],
        known: frozenset[tuple[str, Place]] = frozenset(),
    ) -> list[Finding]:  # fmt: skip
        """Every cause that alarms and loud facts show together; `known` facts belong to another one."""
        began = sorted(alarm.since_ns for alarm in alarms)  # some were half way up by chance
        since_ns = began[len(began) // 2] if began else min((fact.since_ns for fact in loud), default=at_ns)
        since_ns, rows = self._back_to(at_ns, since_ns)
        streams = frozenset(alarm.stream for alarm in alarms if alarm.change is Change.BAD)
        shares = self._baseline.share(len(self._cube.slices))
        bad = is_bad(rows, streams)
        facts = [fact for fact in self._board.held(since_ns) if (fact.name, fact.place) not in known]
        look = _Look(at_ns, since_ns, rows, bad, streams, shares, tuple(facts))
        findings = [self._finding(look, where, alarms) for where in self._places(look, alarms)]
        findings += [
            self._finding(look, where, alarms, streams=frozenset())
            for where in self._silences(alarms)
            if not any(_inside(where, one.where) for one in findings)
        ]
        banks, down = _banks(self._past)
        if 1 < banks <= down and loud:
            findings = [self._of_all_banks(look, loud, alarms)]
        for fact in loud:
            if not any((fact.name, fact.place) in one.facts for one in findings):
                findings.append(self._of_fact(look, fact, alarms))
        return findings

    def _back_to(self, at_ns: int, since_ns: int) -> tuple[int, Rows]:
        """What came since then, or a little before, as far back as anything is looked at."""
        since_ns = max(since_ns - _BEFORE_NS, at_ns - _LOOK_BACK_NS)
        rows = self._window.since(since_ns, _ROWS_MAX)
        return (int(rows.at_ns[0]) if len(rows) == _ROWS_MAX else since_ns), rows

    # Where

    def _places(self, look: "_Look", alarms: Sequence[Alarm]) -> list[Where]:
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
        found = locate(rows.columns, weights, np.ones(len(rows)), expected)
        places = [
            self._closed(look, tuple((Dim(dim), value) for dim, value in one.place))
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

    def _closed(self, look: "_Look", place: Where) -> Where:
        """With what all that is bad there has in common, where that is rare in this place otherwise."""
        if len(place) == 1 and place[0][0] in (Dim.TERMINAL, Dim.MERCHANT):
            return place
        rows = look.rows
        its = rows.only(rows.within(place) & look.bad)
        before = self._window.since(0, _ROWS_MAX)
        before = before.only((before.at_ns < look.since_ns) & before.within(place))
        for dim in _COMMON:
            value = int(its.columns[dim][0]) if len(its) else 0
            if not value or dim in dict(place) or (its.columns[dim] != value).any():
                continue
            usual = (float((before.columns[dim] == value).sum()) + _RARE) / (len(before) + 1.0)
            if usual < _RARE_MAX and -len(its) * float(np.log(usual)) >= _COMMON_ODDS:
                if dim in (Dim.TERMINAL, Dim.MERCHANT):
                    return ((dim, value),)
                wider = tuple(one for one in place if (one[0], dim) != (Dim.BANK, Dim.BIN))
                return tuple(sorted((*wider, (dim, value)))) if len(wider) <= 1 else place
        return place

    def _only_bank(self, look: "_Look") -> Where:
        """The whole centre; where there is one bank only, and it is its word or its silence, the bank."""
        banks = look.rows.columns[Dim.BANK]
        known = np.unique(banks[banks > 0])
        if len(known) != 1 or _banks(self._past)[0] > 1:
            return ()
        hows = look.rows.hows[look.bad]
        its = np.isin(hows, (How.BANK, How.TIMER, How.OVERDUE)) & (banks[look.bad] > 0)
        return ((Dim.BANK, int(known[0])),) if float(its.mean()) > _ITS_WORD else ()

    def _silences(self, alarms: Sequence[Alarm]) -> list[Where]:
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

    # What

    def _of_all_banks(self, look: "_Look", loud: Sequence[Fact], alarms: Sequence[Alarm]) -> Finding:
        """No bank can be reached: that is one cause."""
        finding = self._finding(look, (), alarms)
        lines = frozenset((fact.name, fact.place) for fact in loud if fact.place != NODE)
        return finding._replace(facts=finding.facts | lines)

    def _of_fact(self, look: "_Look", fact: Fact, alarms: Sequence[Alarm]) -> Finding:
        """A finding at the place of a fact."""
        bank = bank_of(fact.place)
        value = self._atlas.value(Dim.BANK, bank) if bank else 0
        where: Where = ((Dim.BANK, value),) if value else ()
        return self._finding(look, where, alarms, bank=bank)

    def _finding(
        self,
        look: "_Look",
        where: Where,
        alarms: Sequence[Alarm],
        place: dict[str, str] | None = None,
        bank: str = "",
        streams: frozenset[int] | None = None,
    ) -> Finding:
        inside = look.rows.within(where)
        bank = bank or next((self._atlas.label(dim, value) for dim, value in where if dim is Dim.BANK), "")
        facts = tuple(
            fact for fact in look.facts if fact.place == NODE or (bank and bank_of(fact.place) == bank)
        )
        links = _links(self._past, bank)
        ill = {fact.place[1] for fact in facts if fact.place[0] == "link" and fact.name in LINK_TROUBLE}
        total_bad = float(look.bad.sum())
        mine = float((look.bad & inside).sum())
        value = next((value for dim, value in where if dim is Dim.BANK), 0)
        scene = Scene(
            where, look.rows.only(inside), look.bad[inside], look.rows, look.bad,
            max((look.at_ns - look.since_ns) / NS_PER_S, 0.25), self._rate(where), 0.0,
            self._latencies.half_ms(value), 1.0 - mine / total_bad if total_bad else 0.0,
            facts, links, len(ill), *_banks(self._past),
        )  # fmt: skip
        seen = features(scene, self._atlas)
        if place is None:
            place = self._named_place(where, bank, ill, links, scene)
        kind_of_place = "link" if "link" in place else place_name(where)
        judged = named(kind_of_place, seen)
        return Finding(
            place, where, judged, look.since_ns, int(mine),
            _facts_of(facts, judged, bank),
            len(alarms), _streams_of(look, inside) if streams is None else streams,
            any(fact.name in _STRAIN for fact in look.facts), self._odds(look, inside),
        )  # fmt: skip

    def _odds(self, look: "_Look", inside: Mask) -> float:
        rows = look.rows.only(inside)
        if not look.streams or not len(rows):
            return 0.0
        usual = usual_of(rows, look.shares, self._cube, look.streams)
        return llr(float(look.bad[inside].sum()), len(rows), float(usual.mean()))

    def _rate(self, where: Where) -> float:
        found = self._cube.find(where)
        return float(self._baseline.rate(len(self._cube.slices))[found]) if found >= 0 else 0.0

    def _named_place(
        self, where: Where, bank: str, ill: set[str], links: int, scene: Scene
    ) -> dict[str, str]:
        """The place as people call it; a link, where only some of a bank's links have trouble."""
        if len(where) <= 1 and bank and len(ill) == 1 and links > 1:
            return {"link": next(iter(ill))}
        if not where and bank:
            return {"bank": bank}
        return {place_name(((dim, value),)): self._atlas.label(dim, value) for dim, value in where}


_STRAIN = frozenset({"queue-stands", "sheds", "cpu-full", "node-lags"})


def _streams_of(look: "_Look", inside: Mask) -> frozenset[int]:
    """In which senses outcomes of a place are bad."""
    mine = look.rows.only(inside & look.bad)
    return frozenset(stream for stream in look.streams if is_bad(mine, frozenset((stream,))).any())


class _Look(NamedTuple):
    """What one investigation has before it."""

    at_ns: int
    since_ns: int
    rows: Rows
    bad: Mask
    streams: frozenset[int]
    shares: Floats
    facts: tuple[Fact, ...]


LINK_TROUBLE = frozenset({
    "link-down", "link-refused", "link-silent", "link-fenced", "link-flaps", "link-lossy", "link-slower",
    "link-lost", "link-alone",
})  # fmt: skip


def bank_of(place: Place) -> str:
    """The bank of a place; empty for the node."""
    scope, name = place
    return name.partition("/")[0] if scope in ("bank", "link") else ""


def _facts_of(facts: Sequence[Fact], judged: Named, bank: str) -> frozenset[tuple[str, Place]]:
    """Those of its bank; of the node those that speak for what it is."""
    said = {one.name for one in judged.supports}
    return frozenset(
        (fact.name, fact.place) for fact in facts if (fact.name in said if fact.place == NODE else bool(bank))
    )


def _links(past: Past, bank: str) -> int:
    return int(past.get(f"bank.{bank}.links")) if bank else 0


def _banks(past: Past) -> tuple[int, int]:
    """How many banks there are, and how many have no link that stands; a young node has yet to dial them."""
    banks = [name[5:-6] for name in past.now if name.startswith("bank.") and name.endswith(".links")]
    down = sum(
        not any(past.get(f"link.{bank}.{index}.up") for index in range(_links(past, bank))) for bank in banks
    )
    return len(banks), down if past.age_s > LINKED_S else 0


def _is_nearly_all(look: "_Look", place: Where) -> bool:
    """Whether so little is outside of a place that nobody can say it is well there."""
    outside = ~look.rows.within(place)
    came = int(np.count_nonzero(outside))
    if came > (1 - _MOST) * len(outside):
        return False
    few = int(np.count_nonzero(outside & look.bad)) >= 0.3 * came * float(look.bad[~outside].mean())
    return few or came < _OUTSIDE_MIN


def _inside(inner: Where, outer: Where) -> bool:
    return set(outer) <= set(inner)


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
