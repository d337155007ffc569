"""A link to a bank as the node sees it: the real health, and a line under it that may be anything but well.

The line's condition is set anew each tick by what befalls it; the life of the connection follows the node's
`edge.connector`: dialled with growing pauses, signed on, echoed when idle or in doubt, cut after two misses.
"""

from collections import Counter
from heapq import heappop, heappush

from posswitch.base.bounds import Timers
from posswitch.base.moment import NS_PER_MS, NS_PER_S
from posswitch.edge.connector import pause_s
from posswitch.edge.health import Health, Key, Standing

TIMERS = Timers()
_STEADY_NS = 10 * NS_PER_S
_ECHO_MISSES_MAX = 2
_ECHO_ANSWER_NS = 8 * NS_PER_MS  # beside the line's delay: another process of the bank answers it
_SIGN_ON_NS = 60 * NS_PER_MS


class Condition:
    """What a line does to what is sent over it."""

    __slots__ = ("crosses", "cut", "deaf", "delay_ms", "dumb", "echoes", "garbles", "loss", "spoils", "tls")

    def __init__(self) -> None:
        self.cut = False  # connections end at once, new ones are refused
        self.dumb = False  # nothing that we send arrives, and nobody says so
        self.deaf = False  # nothing that they send arrives
        self.loss = 0.0  # share of payloads that are late by a retransmission or two, or never come
        self.delay_ms = 0.0
        self.echoes = True  # whether the bank answers one
        self.tls = ""  # why no new handshake succeeds
        self.garbles = self.spoils = self.crosses = 0.0  # shares of answers, see `traffic.Batch`

    @property
    def silent(self) -> bool:
        """Whether nothing comes back."""
        return self.dumb or self.deaf

    @property
    def harmful(self) -> bool:
        """Whether answers suffer."""
        return self.garbles + self.spoils + self.crosses > 0

    def harms(self, draw: float) -> str:
        """What it does to an answer, by a draw; mostly nothing."""
        if draw < self.garbles:
            return "garbled"
        if draw < self.garbles + self.spoils:
            return "spoiled"
        return "crossed" if draw < self.garbles + self.spoils + self.crosses else ""


class Line:
    """One link; times are nanoseconds of the node's monotonic clock."""

    def __init__(self, bank: str, index: int, counts: Counter[str], *, up: bool) -> None:
        self.name = f"{bank}/{index}"
        self.condition = Condition()
        self.health = Health(int(TIMERS.centre * NS_PER_S))
        self.up = up
        self.life = 0  # how many connections there were before this one
        self._counts = counts  # of its bank
        self._opened_ns = self._heard_ns = self._tested_ns = 0
        self._misses = self._tries = 0
        self._dial_ns = self._serves_ns = 0
        self._echoes: list[tuple[int, Key]] = []  # answers on their way
        self._stan = -1

    def __repr__(self) -> str:
        return f"<line {self.name} {'up' if self.up else 'down'} {self.health!r}>"

    def takes(self) -> bool:
        """Whether a request may go over it now."""
        return self.up and self.health.may_take()

    @property
    def able(self) -> bool:
        """Whether it serves and is not fenced."""
        return self.up and self.health.standing is not Standing.FENCED

    def heard(self, key: Key, now_ns: int) -> int:
        """An answer came over it; how long it took, -1 when nobody waited for it here."""
        self._heard_ns = now_ns
        return self.health.answered(key, now_ns)

    def end(self, now_ns: int, why: str = "") -> None:
        """The connection is gone; what was under way stays unanswered."""
        if not self.up:
            return
        self.health.lost(now_ns)
        self.up = False
        self.life += 1
        self._counts["link-lost"] += 1
        if why:
            self._counts[why] += 1
        if now_ns - self._opened_ns >= _STEADY_NS:
            self._tries = 0
        self._pause(now_ns)
        self._echoes.clear()
        self._misses = 0

    def beat(self, now_ns: int) -> None:
        """Its connection lives on, ends, or is dialled."""
        while self._echoes and self._echoes[0][0] <= now_ns:
            at_ns, key = heappop(self._echoes)
            self._heard_ns, self._misses = at_ns, 0
            self.health.echoed(key)
        if self.up and self.condition.cut:
            self.end(now_ns)
        elif not self.up and self._serves_ns and now_ns >= self._serves_ns:
            self.up, self._serves_ns = True, 0
            self._opened_ns = self._heard_ns = self._tested_ns = now_ns
        elif not self.up and not self._serves_ns and now_ns >= self._dial_ns:
            self._dial(now_ns)

    def sweep(self, now_ns: int) -> list[Key]:
        """Twice a second: an echo where one is in doubt or idle; what waits too long since the last time."""
        moved = self.health.look(now_ns)
        if moved:
            self._counts[f"link-{moved}"] += 1
        if self.up:
            self._test(now_ns)
        return self.health.newly_overdue

    def _test(self, now_ns: int) -> None:
        if self.health.doubtful:
            self._echo(now_ns)
        if now_ns - max(self._heard_ns, self._tested_ns) < int(TIMERS.echo * NS_PER_S):
            return
        if self._misses >= _ECHO_MISSES_MAX:
            self.end(now_ns, "link-silent")
            return
        self._misses += 1
        self.health.tally["echo_missed"] += self._misses > 1
        self._tested_ns = now_ns
        self._echo(now_ns)

    def _echo(self, now_ns: int) -> None:
        self._stan -= 1  # not one of a payment's
        key = self._stan, ""
        self.health.sent(key, now_ns, echo=True)
        if not self.condition.silent and self.condition.echoes:
            delay_ns = _ECHO_ANSWER_NS + int(self.condition.delay_ms * NS_PER_MS)
            heappush(self._echoes, (now_ns + delay_ns, key))

    def _dial(self, now_ns: int) -> None:
        condition = self.condition
        if condition.cut or condition.silent or condition.tls:
            self._counts["link-refused"] += 1
            self.health.tally["refused"] += 1
            if condition.tls:
                self._counts[f"link-tls-{condition.tls}"] += 1
            waited_ns = int(TIMERS.connect * NS_PER_S) if condition.silent else 0
            self._pause(now_ns + waited_ns)
        else:
            self._serves_ns = now_ns + _SIGN_ON_NS + int(condition.delay_ms * NS_PER_MS)

    def _pause(self, now_ns: int) -> None:
        self._dial_ns = now_ns + int(pause_s(self.name, self._tries) * NS_PER_S)
        self._tries += 1
