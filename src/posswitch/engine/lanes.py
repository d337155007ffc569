"""A lane: the reversals one bank owes an answer to, ordered per card, sent with growing pauses.

What is in a lane is durable (payments in state reversing); when it is sent again is not, and needs not be.
"""

from collections import deque
from heapq import heappop, heappush

from posswitch.base.bounds import LANE_SENDING_MAX, Timers
from posswitch.base.moment import NS_PER_S


def pause_ns(payment: int, tries: int, timers: Timers) -> int:
    """The wait after the `tries`-th sending: doubling to a maximum, spread by a quarter."""
    base = min(timers.reversal * 2 ** min(tries - 1, 16), timers.reversal_max)
    spread = (payment * 2_654_435_761 + tries * 40_503) % 1024 / 1024
    return int(base * (0.875 + spread / 4) * NS_PER_S)


class Lane:
    """The window over one bank's open reversals; at most LANE_SENDING_MAX are under way at once."""

    def __init__(self) -> None:
        self._cards: dict[bytes, deque[int]] = {}
        self._tries: dict[int, int] = {}
        self._deferred: dict[int, None] = {}
        self._fresh: deque[int] = deque()
        self._ready: deque[int] = deque()
        self._due: dict[int, int] = {}
        self._later: list[tuple[int, int]] = []
        self._sending: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._tries)

    def __repr__(self) -> str:
        return f"<lane waiting {len(self)} under way {len(self._sending)}>"

    def add(self, payment: int, card: bytes, deferred: bool) -> None:
        """A payment entered reversing; `deferred` while its original may still be answered."""
        queue = self._cards.setdefault(card, deque())
        queue.append(payment)
        self._tries[payment] = 0
        if deferred:
            self._deferred[payment] = None
        if queue[0] == payment:
            self._fresh.append(payment)

    def release(self, payment: int) -> None:
        """The original of a deferred reversal was answered or given up: the reversal may go."""
        if payment in self._deferred:
            del self._deferred[payment]
            if self._due.pop(payment, None) is not None:
                self._fresh.append(payment)

    def remove(self, payment: int, card: bytes) -> None:
        """A reversal ended; the next one of the same card may go."""
        del self._tries[payment]
        self._deferred.pop(payment, None)
        self._due.pop(payment, None)
        self._sending.pop(payment, None)
        queue = self._cards[card]
        was_first = queue[0] == payment
        queue.remove(payment)
        if not queue:
            del self._cards[card]
        elif was_first:
            self._fresh.append(queue[0])

    def send(self, tick_ns: int, timers: Timers) -> list[tuple[int, bool]]:
        """The reversals to send now, as (payment, is a repeat)."""
        self._gather(tick_ns, int(timers.centre * NS_PER_S))
        out: list[tuple[int, bool]] = []
        while self._ready and len(self._sending) < LANE_SENDING_MAX:
            payment = self._ready.popleft()
            if payment not in self._tries or payment in self._sending:
                continue
            self._tries[payment] += 1
            tries = self._tries[payment]
            self._sending[payment] = None
            self._wait(payment, tick_ns + pause_ns(payment, tries, timers))
            out.append((payment, tries > 1))
        return out

    def _gather(self, tick_ns: int, deferral_ns: int) -> None:
        """Moves what is new and what is due into the ready queue."""
        while self._fresh:
            payment = self._fresh.popleft()
            if payment in self._deferred:
                self._wait(payment, tick_ns + deferral_ns)
            elif payment in self._tries:
                self._ready.append(payment)
        while self._later and self._later[0][0] <= tick_ns:
            due, payment = heappop(self._later)
            if self._due.get(payment) == due:
                del self._due[payment]
                self._deferred.pop(payment, None)
                self._sending.pop(payment, None)
                self._ready.append(payment)

    def has_new(self) -> bool:
        """Whether `send` has something that waits for no time."""
        return bool(self._fresh) or (bool(self._ready) and len(self._sending) < LANE_SENDING_MAX)

    def next_tick_ns(self) -> int | None:
        """When `send` has something to do again, or None while nothing waits for time."""
        return self._later[0][0] if self._later else None

    def _wait(self, payment: int, due_ns: int) -> None:
        self._due[payment] = due_ns
        heappush(self._later, (due_ns, payment))
