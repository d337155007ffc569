"""The ten-minute ring of a node's vitals as numbers: how loaded it was, and how it is now."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median_low
from typing import NamedTuple

import apsw

from posswitch.base.moment import NS_PER_S
from posswitch.edge.beside import read_beside
from posswitch.journal.vitals import NAMES_MAX, STALE_NS, WIDTH, Column, period_of
from posswitch.office.growth import line

ROWS_MAX = 3_000  # of a ring of ten minutes, four a second
NOW_NS = 10 * NS_PER_S  # what is called now
_WINDOW_NS = 5 * NS_PER_S
_PERIOD_NS_MAX = 2 * NS_PER_S  # a longer one is a gap: the node was away
_READ_NAMES = "SELECT id, name FROM names LIMIT ?"
_READ = "SELECT at_ns, gauges, outcomes FROM vitals ORDER BY at_ns DESC LIMIT ?"
_BANK, _CAP = "bank.", ".cap"  # the gauges of a bank
_SPREAD = 2.0  # loads that differ so much show what a payment costs beside what is always spent

Gauges = dict[str, float]


class Period(NamedTuple):
    """One row: what was said at its end, how long it was, and the payments of each bank answered in it."""

    at_ns: int
    seconds: float
    gauges: Gauges
    answered: Counter[str]

    @property
    def payments(self) -> int:
        """Those that a bank was asked or chosen for."""
        return self.answered.total()


class Load(NamedTuple):
    """What a payment costs: a share of the time at no payments, and the time that each one adds."""

    base: float
    each_s: float
    from_per_s: float  # measured between these loads
    to_per_s: float


class Ring:
    """Periods in the order of time, gaps left out."""

    def __init__(self, periods: list[Period]) -> None:
        self.periods = periods
        self._now = [one for one in periods if one.at_ns > periods[-1].at_ns - NOW_NS] if periods else []

    def __repr__(self) -> str:
        return f"<{len(self.periods)} periods>"

    def __bool__(self) -> bool:
        return bool(self.periods)

    @property
    def newest(self) -> Gauges:
        """What was said last."""
        return self.periods[-1].gauges if self.periods else {}

    def banks(self) -> list[str]:
        """The banks that the node speaks to."""
        return [
            name[len(_BANK) : -len(_CAP)]
            for name in self.newest
            if name.startswith(_BANK) and name.endswith(_CAP)
        ]

    def now(self, name: str) -> float:
        """A gauge as it usually is now: the median of the last seconds; 0 where nobody says it."""
        return median_low(one.gauges.get(name, 0.0) for one in self._now) if self._now else 0.0

    def most(self, name: str) -> float:
        """The highest of the whole ring."""
        return max((one.gauges.get(name, 0.0) for one in self.periods), default=0.0)

    def mean(self, name: str) -> float:
        """Over the whole ring."""
        return sum(one.gauges.get(name, 0.0) for one in self.periods) / max(len(self.periods), 1)

    def counted(self, name: str) -> float:
        """How much a count has gone up in the last seconds."""
        return self._now[-1].gauges.get(name, 0.0) - self._now[0].gauges.get(name, 0.0) if self._now else 0.0

    def share(self, what: str) -> float:
        """The share of its time that the node now spends at work, waiting for the disk, or for a core."""
        return _share(self._now, what)

    def most_share(self, what: str) -> float:
        """The highest of all windows."""
        return max((_share(window, what) for window in self.windows()), default=0.0)

    def per_s(self, bank: str | None = None) -> float:
        """Payments a second now, of one bank or all."""
        return _per_s(self._now, bank)

    def mean_per_s(self, bank: str | None = None) -> float:
        """The same over the whole ring."""
        return _per_s(self.periods, bank)

    def windows(self) -> Iterator[list[Period]]:
        """The ring in windows of a few seconds; the last one may be shorter."""
        window: list[Period] = []
        for period in self.periods:
            if window and period.at_ns - window[0].at_ns >= _WINDOW_NS:
                yield window
                window = []
            window.append(period)
        if window:
            yield window

    def load(self) -> Load | None:
        """What a payment costs of a core; None without payments.

        From windows under different loads, where there are any; else all of the time is the payments'.
        """
        points = [(_per_s(window), _share(window, "cpu")) for window in self.windows()]
        points = [point for point in points if point[0] > 0]
        if not points:
            return None
        least, most = min(points)[0], max(points)[0]
        fitted = line(points) if most >= _SPREAD * least else None
        if fitted is not None and fitted[1] > 0:
            return Load(min(max(fitted[0], 0.0), 1.0), fitted[1], least, most)
        loads, shares = (sum(values) for values in zip(*points, strict=True))
        return Load(0.0, shares / loads, least, most) if shares > 0 else None

    @property
    def stretch(self) -> float:
        """How many times longer work takes than it needs a core: others have the cores in between."""
        cpu, others = _share(self.periods, "cpu"), _share(self.periods, "others")
        return (cpu + others) / cpu if cpu > 0 else 1.0

    def disk_s(self) -> float:
        """Seconds of the disk that a payment costs in the fullest quarter of commits."""
        wrote = [one for one in self.periods if one.gauges.get("commits")]
        wrote.sort(key=lambda one: one.gauges.get("commit_events", 0.0), reverse=True)
        full = wrote[: len(wrote) // 4 + 1]
        events, payments = sum(map(_events, wrote)), sum(one.payments for one in wrote)
        full_s = sum(_spent(one)["disk"] * one.seconds for one in full)
        return full_s / sum(map(_events, full)) * events / payments if events and payments else 0.0

    def busiest_per_s(self) -> float:
        """Payments a second in the busiest window."""
        return max(map(_per_s, self.windows()), default=0.0)


def _events(period: Period) -> float:
    return period.gauges["commits"] * period.gauges.get("commit_events", 0.0)


def _spent(period: Period) -> dict[str, float]:
    """Commits are timed by the clock: where others had the core meanwhile, it was not the disk's time."""
    gauges = period.gauges
    cpu, others = gauges.get("cpu_share", 0.0), gauges.get("cpu_wait_share", 0.0)
    commits_s = gauges.get("commits", 0) * gauges.get("commit_mean_us", 0) / 1e6
    return {"cpu": cpu, "others": others, "disk": max(min(commits_s / period.seconds, 1 - cpu - others), 0.0)}


def _share(periods: list[Period], what: str) -> float:
    whole_s = sum(one.seconds for one in periods)
    return sum(_spent(one)[what] * one.seconds for one in periods) / whole_s if whole_s else 0.0


def _per_s(periods: list[Period], bank: str | None = None) -> float:
    whole_s = sum(one.seconds for one in periods)
    count = sum(one.payments if bank is None else one.answered[bank] for one in periods)
    return count / whole_s if whole_s else 0.0


def read_ring(folder: Path, now_ns: int) -> Ring:
    """The ring of a node that is running now; an empty one when none is, or nobody can read it."""
    try:
        rows = read_beside(folder, "vitals", _READ, ROWS_MAX)
        names = dict(read_beside(folder, "names", _READ_NAMES, NAMES_MAX))
    except apsw.Error:
        return Ring([])
    if not rows or rows[0][0] < now_ns - STALE_NS:
        return Ring([])
    return Ring(list(_periods(rows[::-1], names)))


def _periods(rows: list[tuple[int, bytes, bytes]], names: dict[int, str]) -> Iterator[Period]:
    before_ns = 0
    for at_ns, said, outcomes in rows:
        span_ns, before_ns = at_ns - before_ns, at_ns
        row = period_of(at_ns, said, outcomes) if 0 < span_ns <= _PERIOD_NS_MAX else None
        if row is not None:
            banks = Counter(names.get(bank, "") for bank in row.outcomes[Column.BANK :: WIDTH] if bank)
            yield Period(at_ns, span_ns / NS_PER_S, row.gauges, banks)
