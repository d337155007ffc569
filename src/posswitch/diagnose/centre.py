"""The centre of diagnosis: takes what a node says, tick by tick, and keeps the book of what is wrong.

Pure: time comes with the ticks. A tick costs little; an investigation, some milliseconds, is made when
something new was raised, and again as an incident grows older.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
from msgspec.structs import replace

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.act import Actor
from posswitch.diagnose.again import Again
from posswitch.diagnose.baseline import Baseline
from posswitch.diagnose.book import Book
from posswitch.diagnose.case import Case
from posswitch.diagnose.cube import AGAIN, SLOW, Cube, Marks
from posswitch.diagnose.detect import Alarm, Change, Detectors
from posswitch.diagnose.facts import NODE, Fact, FactBoard
from posswitch.diagnose.incident import Incident
from posswitch.diagnose.investigate import LASTING, LOUD, Finding, Investigator
from posswitch.diagnose.latency import Latencies
from posswitch.diagnose.signals import Atlas, Dim, Floats, Ints, Tick
from posswitch.diagnose.window import Rows, Where, Window, is_bad, llr, usual_of
from posswitch.journal.vitals import Column, How

_RECENT_NS = 8 * NS_PER_S
_COVERED = 12.0  # what is left of an alarm beside the open incidents is less likely than this: it is theirs
_STILL = 4.0
_LEARN_S = 30.0  # after the start nothing is raised: nobody knows yet what is usual
_FACT_STANDS_NS = NS_PER_S // 2  # shorter ones raise nothing
_LINK_STANDS_S = 4.0  # one link of several that is down so long
_WHOLE_ODDS = 5.0  # less, and what rang in a small place is nothing that everybody has
_TRIES_MAX = 20
_BINS_MAX = 4096
_SERVED, _SERVED_MIN = 0.2, 5  # a share of bad ones, among so many
_WELL_VOLUME = 0.6
_ITS_SHARE = 0.7  # of what came from a silent place: it belongs to what is silent there
_CALM_EVERY_NS = NS_PER_S // 2
_CHORES = frozenset({"sign-on", "reversal", "settlement", "upload", "upload-end"})
_LOOK_BACK_NS = 30 * NS_PER_S
_ROWS_MAX = 60_000  # the newest outcomes say enough
_NOT_FAILED = frozenset({AGAIN, SLOW})  # streams that cost nobody a payment


class _Rest:
    """The outcomes that no open incident explains, in the sense of one stream."""

    def __init__(self, rows: Rows, explained: Sequence[Where], stream: frozenset[int], usual: Floats) -> None:
        free = np.ones(len(rows), bool)
        for where in explained:
            free &= ~rows.within(where)
        self._some = np.flatnonzero(free)
        self._rows = rows
        self._at_ns = rows.at_ns[self._some]
        self._bad = is_bad(rows, stream)[self._some]
        self._usual = usual[self._some]
        self._columns: dict[Dim, Ints] = {}

    def __repr__(self) -> str:
        return f"<{len(self._some)} outcomes that nothing explains>"

    def stands(self, where: Where, since_ns: int) -> float:
        """How sure it is that something is wrong in a place since then: the log likelihood ratio."""
        inside = self._at_ns >= since_ns
        for dim, value in where:
            if dim not in self._columns:
                self._columns[dim] = self._rows.columns[dim][self._some]
            inside &= self._columns[dim] == value
        came = int(np.count_nonzero(inside))
        if not came:
            return 0.0
        return llr(int(np.count_nonzero(inside & self._bad)), came, float(self._usual[inside].mean()))


class Centre:
    """One for each node."""

    def __init__(
        self, atlas: Atlas, last_number: int = 0, spent: Callable[[], float] = time.perf_counter
    ) -> None:
        """`spent` measures how long an answer took, for the record; it decides nothing."""
        self._atlas = atlas
        self._spent = spent
        self._cube = Cube()
        self._baseline = Baseline(self._cube.parent)
        self._detectors = Detectors(self._baseline, self._cube)
        self._latencies = Latencies()
        self._window = Window()
        self._board = FactBoard()
        self._again = Again()
        self._investigator = Investigator(
            atlas, self._window, self._cube, self._baseline, self._latencies, self._board
        )
        self.book = Book(last_number)
        self._began_ns = 0
        self._facts: list[Fact] = []
        self._bins: dict[int, set[int]] = {}  # by bank
        self._known_bins: set[int] = set()
        self._asked: dict[tuple[int, int], int] = {}  # alarms that were looked into, and when
        self._tries: dict[tuple[int, int], int] = {}  # how often in vain
        self._calmed_ns = 0

    def __repr__(self) -> str:
        return f"<centre {self.book!r}, {self._window!r}>"

    def act(self, at_ns: int, actor: Actor, ended: Sequence[Incident]) -> list[Incident]:
        """What is done about what is open, and undone about what is over; incidents that this has changed."""
        cases = list(self.book.cases.values())
        if not cases and not ended:
            return []
        rates = self._baseline.rate(len(self._cube.slices))
        whole = max(float(rates[0]), 1e-9)
        shares = {
            self._atlas.label(Dim.BANK, value): float(rates[place]) / whole
            for value, place in self._cube.values(Dim.BANK).items()
        }
        well = {case.incident.number: self._served(at_ns, case) for case in cases}
        return actor.look(at_ns, cases, ended, self._facts, shares, well)

    def _served(self, at_ns: int, case: Case) -> bool:
        """Whether cards of its bank are served now, by whomever."""
        bank = self._atlas.value(Dim.BANK, case.bank) if case.bank else 0
        rows = self._window.since(at_ns - _RECENT_NS)
        mine = rows.only(np.isin(rows.columns[Dim.BIN], list(self._bins.get(bank, ()))))
        if len(mine) < _SERVED_MIN:
            return False
        bad = is_bad(mine, case.streams)
        return float(bad.mean()) <= _SERVED

    def _learn_bins(self, columns: Ints) -> None:
        """Which BINs are whose; where one goes elsewhere later, it still is."""
        for key in np.unique(columns[Dim.BIN].astype(np.int64) << 32 | columns[Dim.BANK]).tolist():
            bin_, bank = key >> 32, key & 0xFFFF_FFFF
            if bin_ and bank and bin_ not in self._known_bins and len(self._known_bins) < _BINS_MAX:
                self._known_bins.add(bin_)
                self._bins.setdefault(bank, set()).add(bin_)
                self._investigator.homes[bin_] = bank

    @property
    def incidents(self) -> list[Incident]:
        """Those that are open."""
        return [case.incident for case in self.book.cases.values()]

    def look(self, tick: Tick) -> list[Incident]:
        """Takes one tick in; the incidents that have changed."""
        began = self._spent()
        self._began_ns = self._began_ns or tick.at_ns
        columns, sorts = self._atlas.columns(tick.outcomes), self._atlas.sorts(tick.outcomes)
        slow = self._latencies.slow(columns, tick.outcomes)
        again, stale = self._again.look(tick.at_ns, columns, sorts, tick.outcomes)
        marks = Marks(slow, tick.outcomes[:, Column.HOW] == How.BANK, again, stale)
        facts = self._facts = self._board.look(tick.at_ns, tick.gauges)
        self._learn_bins(columns)
        counts = self._cube.count(tick.at_ns, columns, sorts, marks)
        if self._cube.reborn:
            self._detectors.forget(self._cube.reborn)
            self._baseline.begin(self._cube.reborn)
        young = tick.at_ns - self._began_ns < int(_LEARN_S * NS_PER_S)
        if young:
            self._detectors.learn(tick.seconds, counts)
            alarms = []
        else:
            alarms = self._detectors.look(tick.at_ns, tick.seconds, counts)
        self._window.take(tick, columns, sorts, slow, again)
        self._latencies.learn(columns, tick.outcomes, self._suspected_banks())
        return [] if young else self._judge(tick, alarms, facts, began)

    def _suspected_banks(self) -> set[int]:
        suspected = self._detectors.suspected(len(self._cube.slices))
        return {value for value, place in self._cube.values(Dim.BANK).items() if suspected[place]}

    def _judge(
        self, tick: Tick, alarms: Sequence[Alarm], facts: Sequence[Fact], began: float
    ) -> list[Incident]:
        at_ns = tick.at_ns
        changed: dict[int, Case] = {}
        shares = self._baseline.share(len(self._cube.slices))
        alarms = [alarm for alarm in alarms if alarm.change is Change.BAD or self._is_told_by_volume(alarm)]
        raised = self._new(at_ns, alarms, shares)
        loud = [fact for fact in facts if self._is_loud(at_ns, fact) and not self.book.covers(fact)]
        due = [case for case in self.book.cases.values() if case.due(at_ns) and not case.calm_ns]
        if raised or loud or due:
            known = self._known_facts() - {(fact.name, fact.place) for fact in loud} if loud else frozenset()
            again = [fact for fact in facts if due and self._is_told(fact)]
            findings = self._investigator.look(at_ns, alarms if due else raised, [*loud, *again], known)
            answer_ms = (self._spent() - began) * 1000
            wanted = self._wanted(findings, loud, fresh=bool(raised))
            if wanted:
                self._tries.clear()
            for case in self.book.enter(at_ns, wanted, answer_ms, fresh=bool(raised or loud)):
                changed[case.incident.number] = case
            for case in self.book.merge(at_ns):
                changed[case.incident.number] = case
        for case in due:
            case.looks += 1
            case.looked_ns = at_ns
        self._count(tick, changed)
        self._find_calm(at_ns, facts, shares, changed)
        return [case.incident for case in changed.values()]

    def _is_loud(self, at_ns: int, fact: Fact) -> bool:
        """Whether it raises something by itself: one link of several may be closed for a moment."""
        if fact.name not in LOUD or at_ns - fact.since_ns < _FACT_STANDS_NS:
            return False
        bank, _, index = fact.place[1].partition("/")
        past = self._board.past
        passes = fact.name == "link-down" and past.get(f"bank.{bank}.links_able") > 0
        return not passes or not past.most(f"link.{bank}.{index}.up", _LINK_STANDS_S)

    def _is_told_by_volume(self, alarm: Alarm) -> bool:
        """Whether so many or so few of them say anything: shops have full days, chores waves."""
        where = self._cube.slices[alarm.place]
        chores = [dim is Dim.KIND and self._atlas.label(dim, value) in _CHORES for dim, value in where]
        return chores == [True] if alarm.change is Change.MUCH else not any(chores)

    def _new(self, at_ns: int, alarms: Sequence[Alarm], shares: Floats) -> list[Alarm]:
        """Those that nobody has looked into within the last second, and that no open incident explains."""
        again_ns = at_ns - NS_PER_S
        self._asked = {key: asked for key, asked in self._asked.items() if asked > again_ns}
        fresh = [alarm for alarm in alarms if (alarm.place, alarm.stream) not in self._asked]
        self._asked.update({(alarm.place, alarm.stream): at_ns for alarm in fresh})
        new = self._uncovered(at_ns, fresh, shares)
        for alarm in new:
            key = alarm.place, alarm.stream
            self._tries[key] = tries = self._tries.get(key, 0) + 1
            if tries > _TRIES_MAX:  # nobody finds what it is about: perhaps it has become usual
                del self._tries[key]
                self._detectors.forget([alarm.place])
        return new

    def _wanted(self, findings: Sequence[Finding], loud: Sequence[Fact], *, fresh: bool) -> list[Finding]:
        """Findings about what was raised now, or what is open already."""
        new = {(fact.name, fact.place) for fact in loud}
        return [
            one for one in findings
            if (fresh or one.alarms or (one.facts & new) or self._is_open(one))
            and (one.streams or one.kind or one.facts or one.place)  # more of something is nothing by itself
            and (one.where or one.place or one.facts or not one.streams or one.odds >= _WHOLE_ODDS)
        ]  # fmt: skip

    def _known_facts(self) -> frozenset[tuple[str, tuple[str, str]]]:
        """What the node said loudly and is an incident already: it says nothing of another."""
        return frozenset(
            (name, place)
            for case in self.book.cases.values()
            for name, place in case.facts
            if place == NODE and name in LOUD
        )

    def _is_told(self, fact: Fact) -> bool:
        """Whether it is loud and an incident's own."""
        key = (fact.name, fact.place)
        return fact.name in LOUD and any(key in case.facts for case in self.book.cases.values())

    def _is_open(self, finding: Finding) -> bool:
        return any(finding.facts & case.facts or finding.place == case.incident.place
                   for case in self.book.cases.values())  # fmt: skip

    def _uncovered(self, at_ns: int, alarms: Sequence[Alarm], shares: Floats) -> list[Alarm]:
        """Those that would have been raised without the outcomes of open incidents, too."""
        cases = list(self.book.cases.values())
        if not cases:
            return list(alarms)
        rest: dict[int, _Rest] = {}  # by stream
        found = []
        for alarm in alarms:
            where = self._cube.slices[alarm.place]
            if alarm.change is Change.MUCH:
                found += [alarm] if not any(case.explains and not case.where for case in cases) else []
                continue
            if alarm.change is not Change.BAD:
                if not self._is_missing_there(where, cases):
                    found.append(alarm)
                continue
            stream = frozenset((alarm.stream,))
            its = [case for case in cases if alarm.stream in case.streams and case.explains]
            if any(set(case.where) <= set(where) for case in its) or self._lies_in(where, its):
                continue
            if alarm.stream not in rest:
                rows = self._window.since(at_ns - _LOOK_BACK_NS, _ROWS_MAX)
                usual = usual_of(rows, shares, self._cube, stream)
                rest[alarm.stream] = _Rest(rows, [case.where for case in its], stream, usual)
            if rest[alarm.stream].stands(where, alarm.since_ns) >= _COVERED:
                found.append(alarm)
        return found

    def _lies_in(self, where: Where, cases: Sequence[Case]) -> bool:
        """Whether a terminal or merchant belongs to the place of an open incident, by what came from it."""
        if not where or where[0][0] not in (Dim.MERCHANT, Dim.TERMINAL) or not cases:
            return False
        rows = self._window.since(0, _ROWS_MAX)
        mine = rows.only(rows.within(where))
        for case in cases:
            known = mine.columns[case.where[0][0]] > 0  # one about the whole centre explains it anyway
            came = int(np.count_nonzero(known))
            if came and int(np.count_nonzero(mine.within(case.where) & known)) >= _ITS_SHARE * came:
                return True
        return False

    def _is_missing_there(self, where: Where, cases: Sequence[Case]) -> bool:
        """Whether what a place lacks is lacking in that of an open incident."""
        if not where or any(set(case.where) & set(where) for case in cases):
            return True
        if any(case.explains and not case.where for case in cases):
            return True  # nobody misses a part where the whole is ill
        silent = [case for case in cases if not case.streams]
        if silent and where[0][0] in (Dim.MERCHANT, Dim.TERMINAL):
            return True  # too small for a cause of its own beside them
        rows = self._window.since(0, _ROWS_MAX)
        inside = rows.within(where)
        came = int(np.count_nonzero(inside))
        return any(
            int(np.count_nonzero(inside & rows.within(case.where))) >= _ITS_SHARE * came for case in silent
        )

    def _count(self, tick: Tick, changed: dict[int, Case]) -> None:
        """How many payments each incident has cost until now."""
        if not self.book.cases or not len(tick.outcomes):
            return
        rows = self._window.since(tick.at_ns)
        free = np.ones(len(rows), bool)
        for case in self.book.cases.values():
            if not case.placed:
                continue
            mine = free & rows.within(case.where) & is_bad(rows, case.streams - _NOT_FAILED)
            count = int(mine.sum())
            free &= ~mine
            if count:
                case.incident = replace(case.incident, affected=case.incident.affected + count)
                if case.incident.number in changed:
                    changed[case.incident.number] = case

    def _find_calm(self, at_ns: int, facts: Sequence[Fact], shares: Floats, changed: dict[int, Case]) -> None:
        """Which incidents are over."""
        if not self.book.cases or 0 <= at_ns - self._calmed_ns < _CALM_EVERY_NS:
            return
        self._calmed_ns = at_ns
        standing = {(fact.name, fact.place) for fact in facts if fact.name in LOUD - LASTING}
        rows = self._window.since(at_ns - _RECENT_NS)
        rates = self._baseline.rate(len(self._cube.slices))
        for case in list(self.book.cases.values()):
            well, busy = self._is_well(case, rows, shares, rates, standing)
            if self.book.calm(case, at_ns, well=well, busy=busy):
                changed[case.incident.number] = case
                if not case.incident.open:
                    self._forget(case)

    def _is_well(
        self,
        case: Case,
        rows: Rows,
        shares: Floats,
        rates: Floats,
        standing: set[tuple[str, tuple[str, str]]],
    ) -> tuple[bool, bool]:
        """Whether nothing is wrong in its place any more, and whether there was traffic to show that."""
        if case.facts & standing:
            return False, True
        inside = rows.within(case.where)
        came = int(np.count_nonzero(inside))
        place = self._cube.find(case.where)
        expected = float(rates[place]) * _RECENT_NS / NS_PER_S if place >= 0 else 0.0
        if not case.streams:
            return came >= _WELL_VOLUME * expected, came >= 3
        if not came:
            return True, False
        bad = int(np.count_nonzero(inside & is_bad(rows, case.streams)))
        usual = usual_of(rows, shares, self._cube, case.streams)
        return llr(bad, came, float(usual[inside].mean())) < _STILL, came >= 5

    def _forget(self, case: Case) -> None:
        """What it had raised is lowered."""
        alone = not self.book.cases  # then whatever stands is its echo
        places = [
            index
            for index, one in enumerate(self._cube.slices)
            if alone or set(one) & set(case.where) or not one or not case.where
        ]
        self._detectors.forget(places)
