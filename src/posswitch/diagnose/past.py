"""What a node has said of itself lately: gauges of the last minutes, and how they have moved."""

from collections import deque

from posswitch.base.moment import NS_PER_S
from posswitch.journal.vitals import Gauges

KEPT_S = 300  # of the past, a look a second
_FINE = 48  # of the newest looks
_LINKS_MAX = 64  # of a bank, that are looked at
_JUMP_S = 30.0  # of the clock, between two things that a node says


class Past:
    """The gauges of the last minutes: the newest as they came, older ones one a second."""

    def __init__(self) -> None:
        self._fine: deque[tuple[int, Gauges]] = deque(maxlen=_FINE)
        self._coarse: deque[tuple[int, Gauges]] = deque(maxlen=KEPT_S)
        self._starts: deque[int] = deque(maxlen=64)
        self._began_s = 0.0
        self._jumped: tuple[int, float] = (0, 0.0)  # when the clock did last, by so many seconds
        self.lives = 0  # of the node, that were seen
        self.at_ns = 0
        self.now: Gauges = {}
        self._looked_up: dict[float, Gauges] = {}  # of this moment

    def __repr__(self) -> str:
        return f"<past of {len(self._coarse)} s>"

    def take(self, at_ns: int, gauges: Gauges) -> None:
        """The newest."""
        began_s = gauges.get("began_s") or self._began_s  # its last word, at an orderly end, lacks it
        gone_s = (at_ns - self.at_ns) / NS_PER_S if self.at_ns else 0.0
        if "ticks_s" in gauges and "ticks_s" in self.now:  # who only stood still has no other time
            gone_s -= gauges["ticks_s"] - self.now["ticks_s"]
        if began_s and began_s == self._began_s and abs(gone_s) >= _JUMP_S:
            self._jumped = at_ns, abs(gone_s)
        if began_s != self._began_s or at_ns < self.at_ns:
            if self._began_s != began_s and self._began_s:
                self._starts.append(at_ns)
            self._began_s = began_s
            self.lives += 1
            self._fine.clear()  # what stood in another life says nothing of this one
            self._coarse.clear()
        self._fine.append((at_ns, gauges))
        if not self._coarse or at_ns - self._coarse[-1][0] >= NS_PER_S:
            self._coarse.append((at_ns, gauges))
        self.at_ns, self.now = at_ns, gauges
        self._looked_up.clear()

    def starts(self, seconds: float) -> int:
        """How often the node began anew in the last seconds."""
        return sum(at_ns >= self.at_ns - int(seconds * NS_PER_S) for at_ns in self._starts)

    def jumped(self, seconds: float) -> float:
        """By how much the clock of a node that lived on has jumped within the last seconds."""
        at_ns, by_s = self._jumped
        return by_s if at_ns and self.at_ns - at_ns <= int(seconds * NS_PER_S) else 0.0

    @property
    def age_s(self) -> float:
        """Of this life of the node."""
        return max(self.at_ns / NS_PER_S - self._began_s, 0.0)

    def get(self, name: str) -> float:
        """A gauge now; 0 where nobody says it."""
        return self.now.get(name, 0.0)

    def links(self, bank: str) -> int:
        """How many a bank has."""
        return int(min(max(self.get(f"bank.{bank}.links"), 0.0), _LINKS_MAX))

    def ago(self, seconds: float) -> Gauges:
        """What was said so long ago, or first of all."""
        found = self._looked_up.get(seconds)
        if found is None:
            found = self._looked_up[seconds] = self._look_up(self.at_ns - int(seconds * NS_PER_S))
        return found

    def _look_up(self, at_ns: int) -> Gauges:
        for kept in (self._fine, self._coarse):
            if kept and kept[0][0] <= at_ns:
                return next(gauges for at, gauges in reversed(kept) if at <= at_ns)
        return self._coarse[0][1] if self._coarse else {}

    def rise(self, name: str, seconds: float, ago: float = 0.0) -> float:
        """How much a count has risen in so many seconds, up to now or up to a while ago."""
        now = (self.ago(ago) if ago else self.now).get(name, 0.0)
        if not now:
            return 0.0
        before = self.ago(seconds + ago).get(name, 0.0)
        return now - before if now >= before else now

    def most(self, name: str, seconds: float) -> float:
        """The highest of the last seconds."""
        since_ns = self.at_ns - int(seconds * NS_PER_S)
        return max((one.get(name, 0.0) for at, one in self._coarse if at >= since_ns), default=self.get(name))

    def least(self, name: str, seconds: float) -> float:
        """The lowest of the last seconds."""
        since_ns = self.at_ns - int(seconds * NS_PER_S)
        return min((one.get(name, 0.0) for at, one in self._coarse if at >= since_ns), default=self.get(name))

    def usual(self, name: str) -> float:
        """The median of what is more than ten seconds old; as it is now where nothing is."""
        old = sorted(one.get(name, 0.0) for at, one in self._coarse if at <= self.at_ns - 10 * NS_PER_S)
        return old[len(old) // 2] if old else self.get(name)

    def moments(self, name: str, seconds: float) -> int:
        """How often a gauge has changed in the last seconds."""
        since_ns, changes, last = self.at_ns - int(seconds * NS_PER_S), 0, None
        for at_ns, gauges in self._coarse:
            value = gauges.get(name)
            if at_ns >= since_ns and last is not None and value is not None and value != last:
                changes += 1
            last = value if value is not None else last
        return changes
