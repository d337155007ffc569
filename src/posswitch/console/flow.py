"""What goes through the centre, from its vitals: payments a second, waits, codes, links; the last minute."""

from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

from posswitch.base.codes import APPROVALS
from posswitch.base.moment import NS_PER_S
from posswitch.journal.vitals import WIDTH, Column, Gauges, How, Period

TRAIL_S = 60  # of history that is drawn
LATELY_S = 5  # what a figure is about
_GAUGES_KEPT_NS = 3 * NS_PER_S
_WAITS_MAX = 4_000  # of a second, for percentiles; more are not looked at
_RESTART_GAP_NS = NS_PER_S // 2  # between two periods, when a node began anew
_TOLD = frozenset({How.BANK, How.HERE, How.EDGE, How.TIMER, How.COUNTED})
_UNANSWERED = frozenset({How.TIMER, How.OVERDUE})


class Second(NamedTuple):
    """Of one second: payments by bank, what waited, codes as terminals were told them."""

    total: int
    approved: int
    by_bank: Counter[str]
    unanswered: Counter[str]
    codes: Counter[str]
    waits_us: list[int]
    bank_us: dict[str, list[int]]
    terminals: frozenset[int]


class Restart(NamedTuple):
    """A node that began anew: since when, and how long nobody spoke."""

    at_ns: int
    away_ns: int


def _empty() -> Second:
    return Second(0, 0, Counter(), Counter(), Counter(), [], {}, frozenset())


class Flow:
    """Takes periods as they come; says how it has been."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, Second]] = deque(maxlen=TRAIL_S + 2)
        self._gauges: deque[tuple[int, Gauges]] = deque()
        self.last_ns = 0
        self.restart: Restart | None = None

    def __repr__(self) -> str:
        return f"<flow of {len(self._seconds)} s, {self.per_s():.0f} a second>"

    @property
    def gauges(self) -> Gauges:
        """The newest; empty before the first."""
        return self._gauges[-1][1] if self._gauges else {}

    def take(self, periods: Sequence[Period], names: Sequence[str]) -> None:
        """What a node has said since the last call."""
        for period in periods:
            self._note_restart(period)
            self._count(period, names)
            self._gauges.append((period.at_ns, period.gauges))
            self.last_ns = period.at_ns
        while len(self._gauges) > 1 and self._gauges[0][0] < self.last_ns - _GAUGES_KEPT_NS:
            self._gauges.popleft()

    def _note_restart(self, period: Period) -> None:
        began_s = self.gauges.get("began_s")
        if began_s is not None and period.gauges.get("began_s") != began_s:
            self.restart = Restart(period.at_ns, max(period.at_ns - self.last_ns, _RESTART_GAP_NS))
            self._gauges.clear()  # counts began at 0 again

    def _count(self, period: Period, names: Sequence[str]) -> None:
        second = period.at_ns // NS_PER_S
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append((second, _empty()))
        self._seconds[-1] = (second, _counted(self._seconds[-1][1], period, names))

    # How it has been

    def _lately(self, seconds: int = LATELY_S) -> list[Second]:
        """Whole seconds before the one that is still going on."""
        now = self.last_ns // NS_PER_S
        return [one for at, one in self._seconds if now - seconds <= at < now]

    def per_s(self, bank: str | None = None) -> float:
        """Payments a second; in seconds without a word there were none."""
        count = sum(one.total if bank is None else one.by_bank[bank] for one in self._lately())
        since = self._seconds[0][0] if self._seconds else 0
        return count / max(min(self.last_ns // NS_PER_S - since, LATELY_S), 1)

    def approved_share(self) -> float | None:
        """Of what terminals were told; None when nothing was."""
        lately = self._lately()
        total = sum(one.total for one in lately)
        return sum(one.approved for one in lately) / total if total else None

    def unanswered(self, bank: str, seconds: int = 10) -> int:
        """Payments that a bank did not answer in time, or keeps waiting."""
        return sum(one.unanswered[bank] for one in self._lately(seconds))

    def wait_ms(self, share: float) -> float | None:
        """So long this share of terminals waited at most."""
        return _percentile([wait for one in self._lately() for wait in one.waits_us], share)

    def bank_ms(self, bank: str, share: float) -> float | None:
        """So long this share of a bank's answers took at most."""
        return _percentile([wait for one in self._lately() for wait in one.bank_us.get(bank, ())], share)

    def codes(self) -> Counter[str]:
        """DE39s of the last minute."""
        return sum((one.codes for _, one in self._seconds), Counter())

    def terminals(self) -> int:
        """How many terminals were answered lately."""
        return len(frozenset().union(*(one.terminals for one in self._lately(10))))

    def trail(self, bank: str | None = None) -> tuple[int, ...]:
        """Payments of each second of the last minute, the oldest first; a second without a word is 0."""
        now = self.last_ns // NS_PER_S
        counts = {at: one.total if bank is None else one.by_bank[bank] for at, one in self._seconds}
        return tuple(counts.get(at, 0) for at in range(now - TRAIL_S, now))

    def rise_per_s(self, name: str) -> float:
        """How fast a count rises now."""
        if len(self._gauges) < 2:
            return 0.0
        (since_ns, before), (at_ns, now) = self._gauges[0], self._gauges[-1]
        return max(now.get(name, 0.0) - before.get(name, 0.0), 0.0) * NS_PER_S / max(at_ns - since_ns, 1)


def _percentile(waits_us: list[int], share: float) -> float | None:
    if not waits_us:
        return None
    waits_us.sort()
    return waits_us[min(int(len(waits_us) * share), len(waits_us) - 1)] / 1000


def _counted(so_far: Second, period: Period, names: Sequence[str]) -> Second:
    """A second with one period more."""
    rows = period.outcomes
    codes, banks = so_far.codes, so_far.by_bank
    total, approved = so_far.total, so_far.approved
    told_by_bank: dict[str, list[int]] = so_far.bank_us
    for at in range(0, len(rows), WIDTH):
        how, bank = rows[at + Column.HOW], _name(names, rows[at + Column.BANK])
        if how in _UNANSWERED and bank:
            so_far.unanswered[bank] += 1
        if how not in _TOLD:
            continue
        code = _name(names, rows[at + Column.CODE])
        total += 1
        approved += code in APPROVALS
        codes[code] += 1
        if bank:
            banks[bank] += 1
        if len(so_far.waits_us) < _WAITS_MAX:
            so_far.waits_us.append(rows[at + Column.WAIT_US])
            if how == How.BANK and bank:
                told_by_bank.setdefault(bank, []).append(rows[at + Column.BANK_US])
    terminals = so_far.terminals.union(rows[Column.TERMINAL :: WIDTH])
    return so_far._replace(total=total, approved=approved, terminals=terminals)


def _name(names: Sequence[str], number: int) -> str:
    return names[number] if 0 <= number < len(names) else ""
