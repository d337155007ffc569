"""From alarms and facts to findings: where, what kind, how sure; some milliseconds after they were raised."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.baseline import Baseline
from posswitch.diagnose.cube import SLOW, Cube
from posswitch.diagnose.detect import Alarm, Change
from posswitch.diagnose.facts import NODE, Fact, Past, Place
from posswitch.diagnose.features import Scene, features, place_name
from posswitch.diagnose.latency import Latencies
from posswitch.diagnose.locate import locate
from posswitch.diagnose.signals import Atlas, Dim, Floats, Mask, Sort
from posswitch.diagnose.suspects import Named, named
from posswitch.diagnose.window import Rows, Where, Window, is_bad, llr, usual_of
from posswitch.journal.vitals import How

_LOOK_BACK_NS = 30 * NS_PER_S
_BEFORE_NS = NS_PER_S  # the change may have begun a moment before it was seen
_ROWS_MAX = 60_000  # the newest outcomes say enough
_ITS_WORD = 0.7  # of what is bad
_BAD_MIN = 3
_SHARE_MIN = 0.12  # of what is bad, or it is no place of its own
_MOST, _OUTSIDE_MIN = 0.6, 15  # of the outcomes; so many others have to be well
_NEARLY_ALL = 0.7  # of the volume
_OUTSIDE = 0.6  # unexplained: then the cause is outside the known dimensions
_TERMINAL_WEIGHT, _TERMINAL_FAILURES = 0.25, 3  # a terminal's failures beyond so many count so much

# Facts that open an incident by themselves, and those that only say more about one.
LOUD = frozenset({
    "link-down", "link-flaps", "link-silent", "link-fenced", "bank-unreachable", "lane-old",
    "bank-unreadable", "bank-mac-bad", "bank-unmatched", "bank-differs", "bank-tls-not-yet",
    "bank-tls-expired", "bank-tls-unknown", "node-restarted", "node-restarts", "sheds", "fsync-slow",
    "disk-low", "memory-grows", "descriptors-near", "hsm-down", "hsm-busy", "hsm-refuses",
    "gate-crowded", "gate-bad-frames", "frames-unreadable", "handshakes-fail", "guard-bars",
    "misfit-banks", "key-exchange-failed", "bank-full",
})  # fmt: skip


# What lingers after the trouble itself is over keeps no incident open.
LASTING = frozenset({"link-flaps", "lane-old", "bank-unmatched", "node-restarts", "memory-grows"})


class Finding(NamedTuple):
    """One cause, as it looks now."""

    place: dict[str, str]
    where: Where
    named: Named
    since_ns: int
    bad: int
    facts: frozenset[tuple[str, Place]]
    alarms: int

    @property
    def kind(self) -> str:
        """The likeliest kind; empty: inconclusive."""
        return self.named.first.kind


class Investigator:
    """Knows what there is to look at."""

    def __init__(
        self, atlas: Atlas, window: Window, cube: Cube, baseline: Baseline, latencies: Latencies, past: Past
    ) -> None:
        self._atlas = atlas
        self._window = window
        self._cube = cube
        self._baseline = baseline
        self._latencies = latencies
        self._past = past

    def __repr__(self) -> str:
        return f"<investigator over {self._window!r}>"

    def look(self, at_ns: int, alarms: Sequence[Alarm], facts: Sequence[Fact]) -> list[Finding]:
        """Every cause that alarms and facts show together."""
        loud = [fact for fact in facts if fact.name in LOUD]
        began = sorted(alarm.since_ns for alarm in alarms)  # some were half way up by chance
        since_ns = min(began[len(began) // 2 :][:1] + [fact.since_ns for fact in loud], default=at_ns)
        since_ns, rows = self._back_to(at_ns, since_ns)
        streams = frozenset(alarm.stream for alarm in alarms if alarm.change is Change.BAD)
        shares = self._baseline.share(len(self._cube.slices))
        bad = is_bad(rows.sorts, rows.slow, streams, SLOW)
        look = _Look(at_ns, since_ns, rows, bad, streams, shares, tuple(facts))
        findings = [self._finding(look, where, alarms) for where in self._places(look, alarms)]
        findings += [
            self._finding(look, where, alarms)
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

    def again(self, at_ns: int, since_ns: int, place: dict[str, str], where: Where,
              streams: frozenset[int], facts: Sequence[Fact]) -> Finding:  # fmt: skip
        """A second look at one place, with what has come since."""
        since_ns, rows = self._back_to(at_ns, since_ns)
        shares = self._baseline.share(len(self._cube.slices))
        bad = is_bad(rows.sorts, rows.slow, streams, SLOW)
        look = _Look(at_ns, since_ns, rows, bad, streams, shares, tuple(facts))
        return self._finding(look, where, (), place)

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
        expected = usual_of(rows, look.shares, self._cube.values(Dim.BANK), look.streams)
        weights = bad.astype(np.float64)
        raised = [self._cube.slices[alarm.place] for alarm in alarms if alarm.change is Change.BAD]
        if any(not one or one[0][0] not in (Dim.TERMINAL, Dim.MERCHANT) for one in raised):
            weights *= _weights(rows.columns[Dim.TERMINAL], bad)
        found = locate(rows.columns, weights, np.ones(len(rows)), expected)
        places = [
            tuple((Dim(dim), value) for dim, value in one.place)
            for one in found.places
            if one.share >= _SHARE_MIN and one.bad >= min(_BAD_MIN, 2)
        ]
        if not places or (found.unexplained >= _OUTSIDE and () in raised):
            return [self._only_bank(look)]
        if any(_is_nearly_all(look, place) for place in places):
            return [self._only_bank(look)]  # what is beside it is a part of it
        return places

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
    ) -> Finding:
        inside = look.rows.within(where)
        bank = bank or next((self._atlas.label(dim, value) for dim, value in where if dim is Dim.BANK), "")
        facts = tuple(
            fact for fact in look.facts if fact.place == NODE or (bank and bank_of(fact.place) == bank)
        )
        links = _links(self._past, bank)
        ill = {fact.place[1] for fact in facts if fact.place[0] == "link" and fact.name in _LINK_TROUBLE}
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
            len(alarms),
        )  # fmt: skip

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


class _Look(NamedTuple):
    """What one investigation has before it."""

    at_ns: int
    since_ns: int
    rows: Rows
    bad: Mask
    streams: frozenset[int]
    shares: Floats
    facts: tuple[Fact, ...]


_LINK_TROUBLE = frozenset({
    "link-down", "link-refused", "link-silent", "link-fenced", "link-flaps", "link-lossy", "link-slower",
})  # fmt: skip


def bank_of(place: Place) -> str:
    """The bank of a place; empty for the node."""
    scope, name = place
    return name.partition("/")[0] if scope in ("bank", "link") else ""


def _facts_of(facts: Sequence[Fact], judged: Named, bank: str) -> frozenset[tuple[str, Place]]:
    """Those of its bank; of the node those that speak for what it is."""
    said = {one.name for one in judged.supports}
    return frozenset(
        (fact.name, fact.place)
        for fact in facts
        if (fact.place != NODE if bank else fact.place == NODE and fact.name in said)
    )


def _links(past: Past, bank: str) -> int:
    return int(past.get(f"bank.{bank}.links")) if bank else 0


def _banks(past: Past) -> tuple[int, int]:
    """How many banks there are, and how many have no link that stands."""
    banks = [name[5:-6] for name in past.now if name.startswith("bank.") and name.endswith(".links")]
    down = sum(
        not any(past.get(f"link.{bank}.{index}.up") for index in range(_links(past, bank))) for bank in banks
    )
    return len(banks), down


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


def _weights(terminals: "np.ndarray[tuple[int], np.dtype[np.int32]]", bad: Mask) -> Floats:
    """One for a terminal's first failures, less for those that follow: a cashier tries again and again."""
    weights = np.ones(len(terminals))
    places = np.flatnonzero(bad)
    mine = terminals[places]
    order = np.argsort(mine, kind="stable")
    ranked = mine[order]
    starts = np.concatenate(([0], np.flatnonzero(np.diff(ranked)) + 1)) if len(ranked) else np.zeros(0, int)
    number = np.arange(len(ranked)) - np.repeat(starts, np.diff(np.append(starts, len(ranked))))
    weights[places[order[number >= _TERMINAL_FAILURES]]] = _TERMINAL_WEIGHT
    return weights


def stands(rows: Rows, bad: Mask, where: Where, usual: Floats) -> float:
    """How sure it is that something is still wrong in a place: the log likelihood ratio."""
    inside = rows.within(where)
    return llr(
        float(bad[inside].sum()), float(inside.sum()), float(usual[inside].mean()) if inside.any() else 0.01
    )


SORTS_BAD = frozenset(range(1, Sort.NOTHING))
