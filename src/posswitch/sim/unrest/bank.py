"""A bank as the node sees it: its links, how many it may have under way, the lane of what it is owed."""

from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from zlib import crc32

import numpy as np

from posswitch.base.moment import NS_PER_MS, NS_PER_S
from posswitch.edge.health import Key, Standing
from posswitch.edge.window import Window
from posswitch.engine.lanes import Lane
from posswitch.engine.routing import CLOSED, FULL
from posswitch.journal.vitals import Gauges
from posswitch.sim.unrest.line import TIMERS, Line
from posswitch.sim.unrest.town import Bank

_AGAIN_NS = NS_PER_S  # a payload that TCP could not deliver is tried again
_RESENT_NS = NS_PER_S // 4  # the first time-out of TCP, doubling


class Habits:
    """How a bank behaves this tick, beside what the single payments were given."""

    __slots__ = ("answers_more_ms", "lane_code", "rekeys", "silent")

    def __init__(self) -> None:
        self.silent = 0.0  # share of reversals and advices that it does not answer
        self.answers_more_ms = 0.0
        self.lane_code = "00"  # what it says to them
        self.rekeys = True  # whether it takes new keys when it is offered some


class Door:
    """All that leads to one bank."""

    def __init__(self, bank: Bank, place: int, chance: np.random.Generator) -> None:
        self.bank, self.place = bank, place
        self.counts: Counter[str] = Counter()
        self.habits = Habits()
        self._chance = chance
        self.next_rekey_ns = self.rekeys_failed = 0
        self.began(first=True)

    def __repr__(self) -> str:
        return f"<door {self.bank.id} {self.lines}>"

    def began(self, *, first: bool = False) -> None:
        """A node has begun, nothing is under way; what it owes stays. The `first` has its links already."""
        lane, owed = getattr(self, "lane", Lane()), getattr(self, "owed", {})
        conditions = [line.condition for line in getattr(self, "lines", [])]
        self.counts.clear()
        self.lines = [Line(self.bank.id, index, self.counts, up=first) for index in range(self.bank.links)]
        for line, condition in zip(self.lines, conditions, strict=False):
            line.condition = condition
        self.window = Window()
        self.lane: Lane = lane
        self.owed: dict[int, tuple[int, bytes]] = owed  # since when, whose card
        self._turn = crc32(self.bank.id.encode()) % self.bank.links
        self._answers: list[tuple[int, Key, int, Line, int]] = []

    @property
    def under_way(self) -> int:
        """Requests that it has not answered."""
        return sum(line.health.under_way for line in self.lines)

    def burden(self) -> int:
        """As `edge.connector` tells it."""
        burdens = [line.health.burden for line in self.lines if line.takes()]
        if not burdens:
            return CLOSED
        return min(burdens) if self.under_way < self.window.cap else FULL

    def pick(self) -> Line | None:
        """The link with the least to do; equals take turns."""
        lines, best = self.lines, None
        for _ in lines:
            self._turn = (self._turn + 1) % len(lines)
            line = lines[self._turn]
            if line.takes() and (best is None or line.health.burden < best.health.burden):
                best = line
        self._turn = (self._turn + 1) % len(lines)
        return best

    def delay_ns(self, line: Line) -> int:
        """What the line adds to an answer: its delay, and what TCP must send again."""
        condition = line.condition
        delay_ns = int(condition.delay_ms * NS_PER_MS)
        if condition.loss and self._chance.random() < condition.loss:
            delay_ns += _RESENT_NS << int(self._chance.geometric(0.5))
        return delay_ns

    def heard(self, line: Line, key: Key, now_ns: int) -> None:
        """An answer came, whatever it says."""
        took_ns = line.heard(key, now_ns)
        if took_ns >= 0:
            self.window.answered(took_ns, self.under_way)

    # Its lane

    def owe(self, payment: int, card: bytes, now_ns: int) -> None:
        """A reversal or an advice is owed to it."""
        if payment not in self.owed:
            self.owed[payment] = now_ns, card
            self.lane.add(payment, card, False)

    def work_lane(self, now_ns: int, number: Callable[[], int], counts: Counter[str]) -> None:
        """What is due is sent; answers end an item, or let it wait for its next turn."""
        while self._answers and self._answers[0][0] <= now_ns:
            at_ns, key, payment, line, life = heappop(self._answers)
            if line.life == life and line.condition.silent:
                heappush(self._answers, (at_ns + _AGAIN_NS, key, payment, line, life))
            elif line.life == life:
                self.heard(line, key, at_ns)
                self._answered(payment, counts)
        if not any(line.takes() for line in self.lines):
            return
        for payment, _ in self.lane.send(now_ns, TIMERS):
            self._send(payment, now_ns, (number(), ""), counts)

    def _send(self, payment: int, now_ns: int, key: Key, counts: Counter[str]) -> None:
        line = self.pick()
        counts["reversal-no-link" if line is None else "reversal-sent"] += 1
        if line is None:
            return
        line.health.sent(key, now_ns)
        if self._chance.random() >= self.habits.silent:
            spread = float(np.exp(self.bank.spread * self._chance.normal()))
            took_ns = int((self.bank.answer_ms * spread + self.habits.answers_more_ms) * NS_PER_MS)
            heappush(self._answers, (now_ns + took_ns + self.delay_ns(line), key, payment, line, line.life))

    def _answered(self, payment: int, counts: Counter[str]) -> None:
        if payment not in self.owed:
            return
        if self.habits.lane_code == "00":
            _, card = self.owed.pop(payment)
            self.lane.remove(payment, card)
        else:
            counts["reversal-not-done"] += 1
            self.lane.answered(payment)

    # What the vitals say of it

    def gauges(self, now_ns: int) -> Gauges:
        """As `edge.strain` and `edge.connector` tell it."""
        bank, here = self.bank.id, f"bank.{self.bank.id}"
        oldest_ns = next(iter(self.owed.values()))[0] if self.owed else now_ns
        gauges: Gauges = {
            f"links_up.{bank}": sum(line.up for line in self.lines),
            f"burden.{bank}": self.burden(),
            f"{here}.under_way": self.under_way,
            f"{here}.cap": self.window.cap,
            f"{here}.lane": len(self.lane),
            f"{here}.lane_age_s": (now_ns - oldest_ns) / NS_PER_S,
            f"{here}.links": len(self.lines),
            f"{here}.links_able": sum(line.able for line in self.lines),
        }
        for name, count in self.counts.items():
            gauges[f"{here}.{name}"] = count
        for index, line in enumerate(self.lines):
            prefix = f"link.{bank}.{index}"
            gauges[f"{prefix}.up"] = int(line.up)
            for name, value in line.health.gauges(now_ns).items():
                gauges[f"{prefix}.{name}"] = value
        return gauges

    def standings(self) -> Counter[Standing]:
        """How many links serve, are probed, are fenced."""
        return Counter(line.health.standing for line in self.lines)
