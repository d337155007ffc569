"""What work costs the node: a queue that fills and drains, ranks that are refused, commits, loop, memory.

A flow, not single turns; its bounds are those of `edge.overload`.
"""

import numpy as np

from posswitch.edge.overload import PATIENCE_NS, Rank

_SPARE = 8.0  # events a second that the node can do, per payment a second of an ordinary hour
_REFUSAL = 0.1  # of an event, to turn one away at a glance
_EVENTS = 2.0  # of a payment: it comes, it is answered
_COMMIT_US, _TURNS = 900.0, 400.0  # a second at most
_BATCH = 256
_MEMORY = 140 << 20
_PATIENCE_S = {rank: patience / 1e9 for rank, patience in PATIENCE_NS.items()}


class Knobs:
    """What ails the node this tick."""

    __slots__ = ("batches", "commit_ms", "cost", "others_cpu", "stall_ms", "taken_cpu")

    def __init__(self) -> None:
        self.cost = 1.0  # times as dear is an event
        self.commit_ms = 0.0  # longer is a commit
        self.stall_ms = 0.0  # the loop stands still for so long, now and then
        self.taken_cpu = 0.0  # share of the core that others on this machine have
        self.others_cpu = 0.0  # share that the node itself spends on something that is not a payment
        self.batches = 0.0  # settlements and uploads a second, in events


class Burden:
    """The node's own strain; one call a tick."""

    def __init__(self, tps: float) -> None:
        self.capacity = _SPARE * tps
        self.knobs = Knobs()
        self.queue = 0.0
        self.memory = float(_MEMORY)
        self.shed = self.reports_refused = 0
        self._work = self._seconds = 0.0
        self.stalled_ms = 0.0

    def __repr__(self) -> str:
        return f"<burden, queue {self.queue:.0f}, refused {self.shed}>"

    @property
    def able(self) -> float:
        """Events a second that it can do now."""
        knobs = self.knobs
        free = max(1.0 - knobs.taken_cpu - knobs.others_cpu, 0.05)
        by_cpu = self.capacity * free / knobs.cost
        commit_s = (_COMMIT_US / 1e6) + knobs.commit_ms / 1000
        by_disk = _BATCH / (commit_s + _BATCH / by_cpu)
        return min(by_cpu, by_disk) if knobs.commit_ms else by_cpu

    @property
    def wait_ms(self) -> float:
        """How long something that comes now waits before it is begun."""
        return 1000 * self.queue / self.able + self.knobs.commit_ms * 1.5

    def rung(self) -> int:
        """How many ranks are refused."""
        wait_s = self.queue / self.able
        return sum(wait_s >= patience for patience in _PATIENCE_S.values())

    def offer(self, payments: int, others: float, seconds: float) -> float:
        """So many come; the share of the payments that is taken."""
        able, wanted = self.able, payments * _EVENTS
        reports = self.knobs.batches * seconds
        spare = able * (seconds + _PATIENCE_S[Rank.REPORT]) - self.queue - others - wanted
        taken = min(reports, max(spare, 0.0))
        self.reports_refused = int((reports - taken) / _EVENTS)
        self.shed += self.reports_refused
        others = others + taken
        room = able * (seconds + _PATIENCE_S[Rank.PURCHASE]) - self.queue - others
        share = 1.0 if wanted <= room else max(room - _REFUSAL * payments, 0.0) / wanted
        self._work = others + wanted * share + _REFUSAL * payments * (1 - share)
        self._seconds = seconds
        self.queue = max(self.queue + self._work - able * seconds, 0.0)
        return share

    def gauges(self, chance: np.random.Generator, under_way: int) -> dict[str, float]:
        """As `edge.strain`, `edge.footprint` and the loop tell them."""
        knobs, seconds = self.knobs, max(self._seconds, 0.01)
        done = min(self._work, self.able * seconds)
        own = done * knobs.cost / self.capacity / seconds
        turns = max(min(done, _TURNS * seconds, seconds / (0.0005 + knobs.commit_ms / 1000)), 0.0)
        commit_us = (_COMMIT_US + knobs.commit_ms * 1000) * float(np.exp(chance.normal(0, 0.08)))
        batch = min(done / turns, _BATCH) if turns >= 1 else 0.0
        turn_ms = batch * knobs.cost / self.capacity * 1000 + commit_us / 1000
        self.stalled_ms = knobs.stall_ms if chance.random() < 0.6 else 0.0
        full = self.queue >= 1
        return {
            "queue": float(int(self.queue)),
            "rung": self.rung(),
            "wait_us": float(int(1e6 * self.queue / self.able)),
            "shed": self.shed,
            "commits": float(int(turns)),
            "commit_mean_us": commit_us if turns >= 1 else 0.0,
            "commit_worst_us": commit_us * (1.3 + float(chance.exponential(0.5))) if turns >= 1 else 0.0,
            "commit_events": batch,
            "cores": 2,
            "cpu_share": min(own + knobs.others_cpu + 0.012 * float(chance.uniform(0.7, 1.5)), 1.0),
            "cpu_wait_share": min(
                knobs.taken_cpu * 0.9 + (0.05 if full else 0.002) * float(chance.random()), 1.0
            ),
            "loop_lag_ms": 0.3
            + float(chance.exponential(0.8))
            + turn_ms * (2 if full else 1)
            + self.stalled_ms,
            "memory_bytes": float(int(self.memory + 3000 * under_way + float(chance.normal(0, 2e5)))),
            "memory_free_bytes": float(8 << 30) - self.memory,
        }
