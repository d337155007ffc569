"""How well one link to a bank answers: it serves, is probed, or is fenced.

Judged from answers, not from the socket: a request that waits too long counts against its link now, not
when its timer fires. Too long is told by what is usual for the link.
"""

import math
from collections import Counter
from enum import StrEnum

from posswitch.base.moment import NS_PER_MS, NS_PER_S

# A cumulative sum (E. S. Page, 1954): how much likelier the answers are if 35 % fail than if 15 % do.
_BAD, _GOOD = math.log(0.35 / 0.15), math.log(0.65 / 0.85)
SUSPICION_MAX = 10.0  # then the link is fenced,
BAD_IN_A_ROW_MAX = 6  # or after so many, when no good answer has come for as long as one may take
PROBES_AT_ONCE, PROBES_GOOD = 2, 8  # then it serves again
_PROBE_BAD_MAX = 2  # and it is fenced again
PAUSE_NS, PAUSE_NS_MAX = NS_PER_S, 30 * NS_PER_S  # until it is probed, doubling while it does not heal
FORGIVEN_NS = 60 * NS_PER_S  # of service, and the next pause is short again
_SLOWER, _SLOW_NS_MIN = 8, NS_PER_S  # times what is usual; at least, for we may be slow ourselves
_ASLEEP_NS = NS_PER_S  # between two looks: then it was us who waited
_USUAL_WEIGHT = 0.05  # of a new answer in what is usual
UNDER_WAY_MAX = 8192

Key = tuple[int, str]  # STAN and F7


class Standing(StrEnum):
    """What may go over a link."""

    SERVE = "serve"
    PROBE = "probe"  # a few requests
    FENCED = "fenced"  # none


_FENCES = {Standing.SERVE: 0, Standing.PROBE: 1, Standing.FENCED: 2}


class Health:
    """Of one link, over all its connections; `patience_ns` is the longest that an answer is waited for."""

    def __init__(self, patience_ns: int) -> None:
        self._slow_ns_max = patience_ns // 2
        self._patience_ns = patience_ns
        self.standing = Standing.SERVE
        self.why = ""
        self._usual_ns = 0.0
        self._under_way: dict[Key, int] = {}
        self._overdue: dict[Key, int] = {}  # counted already
        self._suspicion = 0.0
        self._bad_in_a_row = 0
        self._since_ns = self._looked_ns = self._good_ns = 0
        self._pause_ns = PAUSE_NS
        self._probes_good = self._probes_bad = 0
        self.tally: Counter[str] = Counter()  # since it began
        self.newly_overdue: list[Key] = []  # since the last look but one

    def __repr__(self) -> str:
        why = f" ({self.why})" if self.why else ""
        return (
            f"<{self.standing}{why}, {len(self._under_way)} under way, usual {self._usual_ns / 1e6:.1f} ms>"
        )

    @property
    def under_way(self) -> int:
        """Requests without an answer."""
        return len(self._under_way) + len(self._overdue)

    @property
    def burden(self) -> int:
        """What a choice between links goes by: how much waits, doubled as often as it is usually slower."""
        return (1 + self.under_way) << (int(self._usual_ns) // NS_PER_MS).bit_length()

    @property
    def slow_ns(self) -> int:
        """How long an answer may take before it counts as bad."""
        if not self._usual_ns:
            return self._slow_ns_max
        return min(max(int(_SLOWER * self._usual_ns), _SLOW_NS_MIN), self._slow_ns_max)

    def may_take(self) -> bool:
        """Whether a request may go over it now."""
        if self.standing is Standing.PROBE:
            return len(self._under_way) < PROBES_AT_ONCE  # what was overdue before says nothing new
        return self.standing is Standing.SERVE

    # What happens

    def sent(self, key: Key, tick_ns: int, *, echo: bool = False) -> None:
        """A request, or an echo, that wants an answer left over it."""
        if len(self._under_way) >= UNDER_WAY_MAX:
            del self._under_way[next(iter(self._under_way))]
        self._under_way[key] = tick_ns
        self.tally["echoes" if echo else "sent"] += 1

    @property
    def doubtful(self) -> bool:
        """Whether something waits too long, so that an echo would tell more; of a probe, payments do."""
        return bool(self._overdue) and self.standing is not Standing.PROBE

    def echoed(self, key: Key) -> None:
        """An echo was answered. That says little for payments; one that is not answered says much."""
        if self._under_way.pop(key, None) is not None or self._overdue.pop(key, None) is not None:
            self.tally["echoed"] += 1

    def answered(self, key: Key, tick_ns: int) -> int:
        """An answer to it came, whatever it says; how long it took, -1 when this link had no such request."""
        sent_ns = self._under_way.pop(key, None)
        if sent_ns is None:
            self.tally["late"] += key in self._overdue
            return tick_ns - self._overdue.pop(key, tick_ns + 1)
        self.tally["answered"] += 1
        took_ns = tick_ns - sent_ns
        good = took_ns <= self.slow_ns
        if good:
            self._good_ns = tick_ns
        self._count(good)
        if good:
            self._usual_ns += (took_ns - self._usual_ns) * (_USUAL_WEIGHT if self._usual_ns else 1.0)
        return took_ns

    def lost(self, tick_ns: int) -> None:
        """Its connection ended with something under way: one failure, however much that was."""
        self.tally["lost"] += 1
        if self._under_way:
            self._count(good=False)
        self._under_way.clear()
        self._overdue.clear()

    def look(self, tick_ns: int) -> Standing | None:
        """What waits too long counts; returns the new standing when it has changed."""
        if self._looked_ns and tick_ns - self._looked_ns > _ASLEEP_NS:
            self._under_way = dict.fromkeys(self._under_way, tick_ns)
        self._looked_ns = tick_ns
        slow_ns = self.slow_ns
        self.newly_overdue.clear()
        while self._under_way:
            key, sent_ns = next(iter(self._under_way.items()))
            if tick_ns - sent_ns <= slow_ns:
                break
            del self._under_way[key]
            self._overdue[key] = sent_ns
            self.newly_overdue.append(key)
            self.tally["overdue"] += 1
            self._count(good=False)
        while self._overdue and tick_ns - next(iter(self._overdue.values())) > self._patience_ns:
            del self._overdue[next(iter(self._overdue))]
        before = self.standing
        self._judge(tick_ns)
        return self.standing if self.standing is not before else None

    def gauges(self, tick_ns: int) -> dict[str, float]:
        """How it stands, and what it has counted; `waiting_ms`: the request that has waited longest."""
        oldest_ns = next(iter(self._overdue.values()), 0) or next(iter(self._under_way.values()), tick_ns)
        return {
            "fenced": _FENCES[self.standing],
            "under_way": self.under_way,
            "waiting_ms": (tick_ns - oldest_ns) / NS_PER_MS,
            "usual_ms": self._usual_ns / NS_PER_MS,
            **self.tally,
        }

    # What follows

    def _count(self, good: bool) -> None:
        self._suspicion = max(0.0, self._suspicion + (_GOOD if good else _BAD))
        self._bad_in_a_row = 0 if good else self._bad_in_a_row + 1
        if self.standing is Standing.PROBE:
            self._probes_good += good
            self._probes_bad += not good

    def _judge(self, tick_ns: int) -> None:
        match self.standing:
            case Standing.SERVE:
                silent = self._bad_in_a_row >= BAD_IN_A_ROW_MAX and tick_ns - self._good_ns > self.slow_ns
                if silent or self._suspicion >= SUSPICION_MAX:
                    if tick_ns - self._since_ns > FORGIVEN_NS:
                        self._pause_ns = PAUSE_NS
                    self._fence(tick_ns, "silent or slow" if silent else "often silent or slow")
            case Standing.FENCED:
                if tick_ns - self._since_ns >= self._pause_ns:
                    self._move(Standing.PROBE, tick_ns)
            case Standing.PROBE:
                if self._probes_bad >= _PROBE_BAD_MAX:
                    self._pause_ns = min(2 * self._pause_ns, PAUSE_NS_MAX)
                    self._fence(tick_ns, self.why)
                elif self._probes_good >= PROBES_GOOD:
                    self.why = ""
                    self._move(Standing.SERVE, tick_ns)

    def _fence(self, tick_ns: int, why: str) -> None:
        self.why = why
        self._move(Standing.FENCED, tick_ns)

    def _move(self, standing: Standing, tick_ns: int) -> None:
        self.standing, self._since_ns = standing, tick_ns
        self._suspicion = 0.0
        self._bad_in_a_row = self._probes_good = self._probes_bad = 0
