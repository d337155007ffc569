"""From alarms and facts to findings: where, what kind, how sure; some milliseconds after they were raised."""

from collections.abc import Sequence
from typing import NamedTuple

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.baseline import Baseline
from posswitch.diagnose.cube import Cube
from posswitch.diagnose.detect import Alarm, Change
from posswitch.diagnose.facts import NODE, Fact, FactBoard, Place
from posswitch.diagnose.features import SPOKEN_FOR, Scene, features, place_name
from posswitch.diagnose.latency import Latencies
from posswitch.diagnose.signals import Atlas, Dim, Mask
from posswitch.diagnose.suspects import SEEMS_SLOW, Named, named
from posswitch.diagnose.whereabouts import ROWS_MAX, Look, Whereabouts, banks_of, links_of
from posswitch.diagnose.window import Rows, Where, Window, is_bad, llr, usual_of

_LOOK_BACK_NS = 30 * NS_PER_S
_BEFORE_NS = NS_PER_S  # the change may have begun a moment before it was seen
_OVERLOAD = "overload"

# Facts that open an incident by themselves, and those that only say more about one.
LOUD = frozenset({
    "link-down", "link-flaps", "link-silent", "link-fenced", "bank-unreachable", "lane-old",
    "bank-unreadable", "bank-mac-bad", "bank-unmatched", "bank-differs", "bank-answers-again",
    "bank-tls-not-yet", "lane-deep", "lane-stale", "node-slow", "clock-off",
    "bank-tls-expired", "bank-tls-unknown", "node-restarted", "node-restarts", "sheds", "fsync-slow",
    "disk-low", "memory-grows", "descriptors-near", "hsm-down", "hsm-busy", "hsm-refuses", "hsm-fails",
    "gate-crowded", "gate-bad-frames", "frames-unreadable", "handshakes-fail",
    "misfit-banks", "key-exchange-failed", "bank-full",
})  # fmt: skip


# What lingers after the trouble itself is over keeps no incident open.
LASTING = frozenset({
    "link-flaps", "lane-deep", "lane-old", "lane-stale", "bank-unmatched", "bank-answers-again",
    "node-restarts", "memory-grows", "clock-off",
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
    share: float = 0.0  # of what is bad anywhere
    odds: float = 0.0  # how sure it is that something is wrong there: log likelihood ratio
    home: int = 0  # the bank of its BIN

    @property
    def kind(self) -> str:
        """The likeliest kind; empty: inconclusive."""
        return self.named.first.kind

    @property
    def lies_in(self) -> frozenset[tuple[Dim, int]]:
        """The values of its place, and the bank of its BIN."""
        return frozenset((*self.where, (Dim.BANK, self.home)) if self.home else self.where)


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
        self.homes: dict[int, int] = {}  # of a BIN: the bank that it was sent to first
        self._whereabouts = Whereabouts(atlas, window, cube, baseline, board.past)
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
        look = Look(at_ns, since_ns, rows, bad, streams, shares, tuple(facts))
        findings = [self._finding(look, where, alarms) for where in self._whereabouts.places(look, alarms)]
        findings += [
            self._finding(look, where, alarms, streams=frozenset())
            for where in self._whereabouts.silences(alarms)
            if not any(_inside(where, one.where) for one in findings)
        ]
        banks, down = banks_of(self._past)
        if 1 < banks <= down and loud:
            findings = [self._of_all_banks(look, loud, alarms)]
        if any(alarm.change is Change.MUCH for alarm in alarms):
            more = self._finding(look, (), alarms, streams=frozenset())
            if more.kind not in {one.kind for one in findings}:
                findings.append(more)
        findings = self._crowded(look, findings, alarms)
        for fact in loud:
            if not any((fact.name, fact.place) in one.facts for one in findings):
                findings.append(self._of_fact(look, fact, alarms))
        return findings

    def _back_to(self, at_ns: int, since_ns: int) -> tuple[int, Rows]:
        """What came since then, or a little before, as far back as anything is looked at."""
        since_ns = max(since_ns - _BEFORE_NS, at_ns - _LOOK_BACK_NS)
        rows = self._window.since(since_ns, ROWS_MAX)
        return (int(rows.at_ns[0]) if len(rows) == ROWS_MAX else since_ns), rows

    # What

    def _of_all_banks(self, look: Look, loud: Sequence[Fact], alarms: Sequence[Alarm]) -> Finding:
        """No bank can be reached: that is one cause."""
        finding = self._finding(look, (), alarms, everywhere=True)
        lines = frozenset((fact.name, fact.place) for fact in loud if fact.place != NODE)
        return finding._replace(facts=finding.facts | lines)

    def _crowded(self, look: Look, findings: list[Finding], alarms: Sequence[Alarm]) -> list[Finding]:
        """While the centre has more to do than it can, what banks seem to have is its own."""
        if not any(one.strained and one.where and one.kind in SEEMS_SLOW for one in findings):
            return findings
        whole = self._finding(look, (), alarms)
        if whole.named.first.cause != _OVERLOAD:
            return findings
        return [whole, *(one for one in findings if one.kind not in SEEMS_SLOW)]

    def _of_fact(self, look: Look, fact: Fact, alarms: Sequence[Alarm]) -> Finding:
        """A finding at the place of a fact."""
        bank = bank_of(fact.place)
        value = self._atlas.value(Dim.BANK, bank) if bank else 0
        where: Where = ((Dim.BANK, value),) if value else ()
        return self._finding(look, where, alarms, bank=bank)

    def _finding(
        self,
        look: Look,
        where: Where,
        alarms: Sequence[Alarm],
        bank: str = "",
        streams: frozenset[int] | None = None,
        *,
        everywhere: bool = False,
    ) -> Finding:
        inside = look.rows.within(where)
        bank = bank or next((self._atlas.label(dim, value) for dim, value in where if dim is Dim.BANK), "")
        facts = tuple(
            fact
            for fact in look.facts
            if everywhere or fact.place == NODE or (bank and bank_of(fact.place) == bank)
        )
        links = links_of(self._past, bank)
        ill = {fact.place[1] for fact in facts if fact.place[0] == "link" and fact.name in LINK_TROUBLE}
        total_bad = float(look.bad.sum())
        mine = float((look.bad & inside).sum())
        value = next((value for dim, value in where if dim is Dim.BANK), 0)
        scene = Scene(
            where, look.rows.only(inside), look.bad[inside], look.rows, look.bad,
            max((look.at_ns - look.since_ns) / NS_PER_S, 0.25), self._rate(where), 0.0,
            self._latencies.half_ms(value), 1.0 - mine / total_bad if total_bad else 0.0,
            facts, links, len(ill), *banks_of(self._past), look.streams,
            self._latencies.own_ms, self.homes,
        )  # fmt: skip
        seen = features(scene, self._atlas)
        place = self._named_place(where, bank, ill, links)
        kind_of_place = "link" if "link" in place else place_name(where)
        judged = named(kind_of_place, seen)
        return Finding(
            place, where, judged, look.since_ns, int(mine),
            _facts_of(facts, judged, bank),
            len(alarms), _streams_of(look, inside) if streams is None else streams,
            any(fact.name in _STRAIN for fact in look.facts),
            mine / total_bad if total_bad else 0.0, self._odds(look, inside),
            next((self.homes.get(value, 0) for dim, value in where if dim is Dim.BIN), 0),
        )  # fmt: skip

    def _odds(self, look: Look, inside: Mask) -> float:
        rows = look.rows.only(inside)
        if not look.streams or not len(rows):
            return 0.0
        usual = usual_of(rows, look.shares, self._cube, look.streams)
        return llr(float(look.bad[inside].sum()), len(rows), float(usual.mean()))

    def _rate(self, where: Where) -> float:
        found = self._cube.find(where)
        return float(self._baseline.rate(len(self._cube.slices))[found]) if found >= 0 else 0.0

    def _named_place(self, where: Where, bank: str, ill: set[str], links: int) -> dict[str, str]:
        """The place as people call it; a link, where only some of a bank's links have trouble."""
        if len(where) <= 1 and bank and len(ill) == 1 and links > 1:
            return {"link": next(iter(ill))}
        if not where and bank:
            return {"bank": bank}
        return {place_name(((dim, value),)): self._atlas.label(dim, value) for dim, value in where}


_STRAIN = frozenset({"queue-stands", "sheds", "cpu-full", "node-lags"})


def _streams_of(look: Look, inside: Mask) -> frozenset[int]:
    """In which senses outcomes of a place are bad."""
    mine = look.rows.only(inside & look.bad)
    return frozenset(stream for stream in look.streams if is_bad(mine, frozenset((stream,))).any())


LINK_TROUBLE = frozenset({
    "link-down", "link-refused", "link-silent", "link-fenced", "link-flaps", "link-lossy", "link-lost",
    "link-alone",
})  # fmt: skip


def bank_of(place: Place) -> str:
    """The bank of a place; empty for the node."""
    scope, name = place
    return name.partition("/")[0] if scope in ("bank", "link") else ""


def _facts_of(facts: Sequence[Fact], judged: Named, bank: str) -> frozenset[tuple[str, Place]]:
    """Those of its bank; of the node those that speak for what it is."""
    seen = {one.name for one in judged.supports} if judged.first.kind else set[str]()
    said = seen.union(*(SPOKEN_FOR.get(name, ()) for name in seen))
    return frozenset(
        (fact.name, fact.place) for fact in facts if (fact.name in said if fact.place == NODE else bool(bank))
    )


def _inside(inner: Where, outer: Where) -> bool:
    return set(outer) <= set(inner)
