"""A lane: the reversals and advices one bank owes an answer to, ordered per card, sent with growing pauses.

What is in a lane is durable (payments that are reversing or advising); when it is sent again is not, and
needs not be.
"""

from collections import deque
from heapq import heappop, heappush

from posswitch.base.bounds import LANE_BURST, LANE_PER_SECOND_MAX, LANE_SENDING_MAX, Timers
from posswitch.base.moment import NS_PER_S

_SPACING_NS = NS_PER_S // LANE_PER_SECOND_MAX
_IDLE, _READY, _WAITING, _SENDING, _GONE = "idle", "ready", "waiting", "sending", "gone"


def pause_ns(payment: int, tries: int, timers: Timers) -> int:
    """The wait after the `tries`-th sending: doubling to a maximum, spread by a quarter."""
    base = min(timers.reversal * 2 ** min(tries - 1, 16), timers.reversal_max)
    spread = (payment * 2_654_435_761 + tries * 40_503) % 1024 / 1024
    return int(base * (0.875 + spread / 4) * NS_PER_S)


class _Item:
    """One reversal's stay in the lane; a payment that comes back is another item."""

    __slots__ = ("deferred", "due_ns", "payment", "place", "tries")

    def __init__(self, payment: int, deferred: bool) -> None:
        self.payment = payment
        self.deferred = deferred
        self.place = _IDLE
        self.due_ns = 0
        self.tries = 0


class Lane:
    """The window over one bank's open reversals: at most LANE_SENDING_MAX under way, at a bounded rate."""

    def __init__(self) -> None:
        self._items: dict[int, _Item] = {}
        self._cards: dict[bytes, deque[_Item]] = {}
        self._fresh: deque[_Item] = deque()
        self._ready: deque[_Item] = deque()
        self._later: list[tuple[int, int, _Item]] = []
        self._pushed = 0
        self._sending = 0
        self._free_ns = -(1 << 62)  # when the next may go: a steady rate after a short burst

    def __len__(self) -> int:
        return len(self._items)

    @property
    def oldest(self) -> int:
        """The payment that is longest in it; 0 without one."""
        return next(iter(self._items), 0)

    def __repr__(self) -> str:
        return f"<lane waiting {len(self)} under way {self._sending}>"

    def has(self, card: bytes) -> bool:
        """Whether something of a card waits or is under way here."""
        return card in self._cards

    def add(self, payment: int, card: bytes, deferred: bool) -> None:
        """A payment entered reversing; `deferred` while its original may still be answered."""
        item = self._items[payment] = _Item(payment, deferred)
        queue = self._cards.setdefault(card, deque())
        queue.append(item)
        if queue[0] is item:
            self._fresh.append(item)

    def release(self, payment: int) -> None:
        """The original of a deferred reversal was answered: the reversal may go."""
        item = self._items.get(payment)
        if item is None or not item.deferred:
            return
        item.deferred = False
        if item.place == _WAITING:
            item.place = _IDLE
            self._fresh.append(item)

    def answered(self, payment: int) -> None:
        """A try got an answer that does not end the reversal: it waits out its pause beside the others."""
        item = self._items.get(payment)
        if item is not None and item.place == _SENDING:
            item.place = _WAITING
            self._sending -= 1

    def remove(self, payment: int, card: bytes) -> None:
        """A reversal ended; the next one of the same card may go."""
        item = self._items.pop(payment)
        if item.place == _SENDING:
            self._sending -= 1
        item.place = _GONE
        queue = self._cards[card]
        was_first = queue[0] is item
        queue.remove(item)
        if not queue:
            del self._cards[card]
        elif was_first:
            self._fresh.append(queue[0])

    def send(self, tick_ns: int, timers: Timers) -> list[tuple[int, bool]]:
        """The reversals to send now, as (payment, is a repeat)."""
        self._gather(tick_ns, int(timers.centre * NS_PER_S))
        out: list[tuple[int, bool]] = []
        self._free_ns = max(self._free_ns, tick_ns - LANE_BURST * _SPACING_NS)
        while self._ready and self._sending < LANE_SENDING_MAX and self._free_ns <= tick_ns:
            item = self._ready.popleft()
            if item.place != _READY:
                continue
            self._free_ns += _SPACING_NS
            item.tries += 1
            self._sending += 1
            self._wait(item, _SENDING, tick_ns + pause_ns(item.payment, item.tries, timers))
            out.append((item.payment, item.tries > 1))
        return out

    def has_new(self) -> bool:
        """Whether `send` has something that waits for no time."""
        return bool(self._fresh) or (bool(self._ready) and self._sending < LANE_SENDING_MAX)

    def next_tick_ns(self) -> int | None:
        """When `send` has something to do again, or None while nothing waits for time."""
        return self._later[0][0] if self._later else None

    def _gather(self, tick_ns: int, deferral_ns: int) -> None:
        """Moves what is new and what is due into the ready queue."""
        while self._fresh:
            item = self._fresh.popleft()
            if item.place != _IDLE:
                continue
            if item.deferred:
                self._wait(item, _WAITING, tick_ns + deferral_ns)
            else:
                self._make_ready(item)
        while self._later and self._later[0][0] <= tick_ns:
            due_ns, _, item = heappop(self._later)
            if item.due_ns != due_ns or item.place not in (_WAITING, _SENDING):
                continue
            if item.place == _SENDING:
                self._sending -= 1
            item.deferred = False
            self._make_ready(item)

    def _make_ready(self, item: _Item) -> None:
        item.place = _READY
        self._ready.append(item)

    def _wait(self, item: _Item, place: str, due_ns: int) -> None:
        item.place, item.due_ns = place, due_ns
        self._pushed += 1
        heappush(self._later, (due_ns, self._pushed, item))
