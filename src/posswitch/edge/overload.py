"""Overload: how long work waits here, who is still admitted, and what was refused.

The delay of work that waits is measured, not the load: a burst that is gone within a moment refuses nobody
(the idea of CoDel, K. Nichols and V. Jacobson, 2012). One that is not would fill the queue before anybody has
measured that it stands: what would wait too long for any burst is refused at once. While a queue stands, each
rank of work is admitted as long as it would wait no longer than that rank may, and payments in any case until
the next turn is full: the time spent on refusing some must not make the node refuse everybody. Who is refused
is told so, and remembered: its reversal ends here, and the same request is refused again.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from enum import IntEnum

from posswitch.base.bounds import BATCH_EVENTS_MAX, QUEUE_EVENTS_MAX, REFUSED_KEPT_MAX, TERMINALS_KEPT_MAX
from posswitch.base.moment import NS_PER_MS
from posswitch.codec import Message
from posswitch.engine.events import RequestArrived
from posswitch.scheme.kinds import PAYMENT_KINDS, kind_reversed, text, texts

STANDING_NS = 20 * NS_PER_MS  # a queue that no turn of an interval finds shorter stands
INTERVAL_NS = 100 * NS_PER_MS
BURST_NS = 250 * NS_PER_MS  # that a payment may wait where no queue stands yet
CALM_INTERVALS = 10  # in a row without it, and it is gone: in a storm a lucky moment lets nobody rush in
_WEIGHT = 0.2  # of a new turn in what one event takes, and what passes between turns
_MANY = 32  # events; a turn of fewer says what a commit takes, not what they do


class Rank(IntEnum):
    """What is served first; management of the network is asked for by nobody and always served."""

    REVERSAL = 0
    COMPLETION = 1  # and advices, voids: what ends something
    PURCHASE = 2
    INQUIRY = 3
    REPORT = 4  # settlement and upload


# The ladder of brown-out: how long each rank may have to wait here before it is refused; reversals never are.
PATIENCE_NS = {
    Rank.COMPLETION: 1000 * NS_PER_MS,
    Rank.PURCHASE: 150 * NS_PER_MS,
    Rank.INQUIRY: 75 * NS_PER_MS,
    Rank.REPORT: 50 * NS_PER_MS,
}
# What is still taken, by how many ranks are refused.
RUNGS = ("all", "no reports", "no inquiries", "only what ends something", "only reversals", "nothing")


def rank_of(message: Message) -> Rank:
    """The rank of a terminal's message by MTI, F3 and F25."""
    mti = message.mti
    if mti[1] == "4":
        return Rank.REVERSAL
    if mti[1] in "35":
        return Rank.REPORT
    processing = text(message, 3)
    if processing[:2] in ("30", "31"):
        return Rank.INQUIRY
    if mti[2] == "2" or processing[:2] == "20" or (processing == "000000" and text(message, 25) == "06"):
        return Rank.COMPLETION
    return Rank.PURCHASE


class Overload:
    """Measures turns of the loop; says who is admitted."""

    def __init__(self) -> None:
        self.standing = False
        self.shed: Counter[Rank] = Counter()
        self._event_ns = 0.0  # that one event takes in a turn of many
        self._between_ns = 0.0  # that passes between two turns: others are read, and refused
        self._began_ns = self._ended_ns = 0
        self._events = self._left = 0
        self._room = [2 * QUEUE_EVENTS_MAX] + [QUEUE_EVENTS_MAX] * (len(Rank) - 1)  # see admits
        self._least_ns = 1 << 62  # waited by the oldest event of a turn of this interval
        self._interval_ns = 0
        self._calm = 0  # intervals in a row

    def __repr__(self) -> str:
        how = "standing" if self.standing else "running"
        return f"<queue {how}, {self._event_ns / 1000:.0f} us an event, refused {sum(self.shed.values())}>"

    def turned(self, woken_ns: int, began_ns: int, ended_ns: int, events: int, left: int) -> None:
        """A turn of so many events is over, and leaves so many; the first came at `woken_ns` or was left."""
        waited_ns = began_ns - (self._began_ns if self._left else woken_ns)
        if self._events and woken_ns <= self._ended_ns + NS_PER_MS:  # work was there all the time
            between_ns = began_ns - self._ended_ns
        else:
            between_ns = waited_ns = 0  # there was a moment without work
        self._between_ns += (between_ns - self._between_ns) * _WEIGHT
        if events >= _MANY:
            each_ns = (ended_ns - began_ns) / events
            self._event_ns += (each_ns - self._event_ns) * (_WEIGHT if self._event_ns else 1.0)
        self._least_ns = min(self._least_ns, waited_ns)
        if began_ns >= self._interval_ns:
            if self._least_ns > STANDING_NS:
                self.standing, self._calm = True, 0
            elif self.standing:
                self._calm += 1
                self.standing = self._calm < CALM_INTERVALS
            self._least_ns = 1 << 62
            self._interval_ns = began_ns + INTERVAL_NS
        self._began_ns, self._ended_ns, self._events, self._left = began_ns, ended_ns, events, left
        self._make_room()

    def _make_room(self) -> None:
        room = self._room
        if not self.standing:
            room[Rank.COMPLETION] = QUEUE_EVENTS_MAX
            room[Rank.PURCHASE] = room[Rank.INQUIRY] = room[Rank.REPORT] = max(
                self._ahead(BURST_NS), BATCH_EVENTS_MAX
            )
            return
        for rank in (Rank.COMPLETION, Rank.PURCHASE):
            room[rank] = max(self._ahead(PATIENCE_NS[rank]), BATCH_EVENTS_MAX)
        for rank in (Rank.INQUIRY, Rank.REPORT):
            room[rank] = self._ahead(PATIENCE_NS[rank])

    def _ahead(self, patience_ns: int) -> int:
        """The shortest queue in which an event would wait longer than that; the longest there is at most."""
        event_ns, between_ns = self._event_ns, self._between_ns
        turns = int((patience_ns - between_ns) // max(BATCH_EVENTS_MAX * event_ns + between_ns, 1.0))
        if turns < 0:
            return 0
        last = (patience_ns - (turns + 1) * between_ns) // max(event_ns, 1.0)  # of the turn after those
        return min(int(last) + 1, (turns + 1) * BATCH_EVENTS_MAX, QUEUE_EVENTS_MAX)

    def wait_ns(self, ahead: int) -> int:
        """How long an event waits that has so many before it."""
        return int(ahead * self._event_ns + (ahead // BATCH_EVENTS_MAX + 1) * self._between_ns)

    def crowded(self, ahead: int) -> bool:
        """Whether some are refused where so many wait."""
        return self.standing or ahead >= self._room[Rank.PURCHASE]

    def admits(self, rank: Rank, ahead: int) -> bool:
        """Whether work of this rank may join a queue of so many."""
        return ahead < self._room[rank]

    def refused(self, rank: Rank) -> None:
        """One was refused."""
        self.shed[rank] += 1

    def rung(self, ahead: int) -> int:
        """How far down the ladder of brown-out it is now: an index of RUNGS."""
        return sum(not self.admits(rank, ahead) for rank in Rank)


class Highest:
    """The highest trace number of a terminal's batch; `whole`: also of lives before this one."""

    __slots__ = ("batch", "stan", "whole")

    def __init__(self, batch: str, stan: str) -> None:
        self.batch, self.stan, self.whole = batch, stan, False


class Refusals:
    """Payments that were refused before anything was recorded, as long as a message of theirs may come.

    What was admitted before must not be refused when it comes again: its first answer stands. So of each
    terminal the highest trace number that was admitted is kept; for lives before this one the journal is
    asked, once for a terminal's batch.
    """

    def __init__(self, keep_ns: int) -> None:
        self._keep_ns = keep_ns
        # Not plain dicts: to find their first key those look at every one that was removed before it.
        self._kept: OrderedDict[int, int] = OrderedDict()
        self._highest: OrderedDict[str, Highest] = OrderedDict()  # by terminal

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"<{len(self)} refusals remembered>"

    def admitted(self, request: RequestArrived) -> None:
        """A request was taken; the oldest terminals make room."""
        before = self._highest.get(request.terminal)
        if before is None or before.batch != request.batch:
            self._known(request.terminal, Highest(request.batch, request.stan))
        elif before.stan < request.stan:
            before.stan = request.stan

    def _known(self, terminal: str, highest: Highest) -> Highest:
        if terminal not in self._highest and len(self._highest) >= TERMINALS_KEPT_MAX:
            self._highest.popitem(last=False)
        self._highest[terminal] = highest
        return highest

    def may_repeat(self, terminal: str, batch: str, stan: str, last: Callable[[str, str], str]) -> bool:
        """Whether it may be a repeat of what was admitted, in this life or before.

        `last` gives the highest trace number of a terminal's batch that the journal has; it is asked once.
        """
        highest = self._highest.get(terminal)
        if highest is None:
            highest = self._known(terminal, Highest(batch, ""))
        if highest.batch != batch:
            return stan <= last(terminal, batch)
        if not highest.whole:
            highest.stan = max(highest.stan, last(terminal, batch))
            highest.whole = True
        return stan <= highest.stan

    def remember(self, key: int, tick_ns: int) -> None:
        """A request for a payment was refused; the oldest make room."""
        if len(self._kept) >= REFUSED_KEPT_MAX:
            self._kept.popitem(last=False)
        self._kept[key] = tick_ns + self._keep_ns
        self._kept.move_to_end(key)

    def knows(self, message: Message, tick_ns: int) -> bool:
        """Whether a request is one of these again, or takes one of them back."""
        return bool(self._kept) and self.has(key_of(message), tick_ns)

    def has(self, key: int, tick_ns: int) -> bool:
        """Whether a payment with this key is one of these."""
        return bool(key) and self._kept.get(key, 0) > tick_ns

    def sweep(self, tick_ns: int) -> None:
        """Forgets what can have no message under way any more."""
        kept = self._kept
        while kept and next(iter(kept.values())) <= tick_ns:
            kept.popitem(last=False)


def key_of(message: Message) -> int:
    """What makes a repeat a repeat, as a number of 64 bits; 0 for what is neither paid nor taken back.

    Two payments under one number among all that are kept are less likely than one in 10**13.
    """
    mti = message.mti
    if mti[1] == "4":
        kind = kind_reversed(texts(message))
        if kind is None:
            return 0
        mti = kind.terminal[0]
    elif mti[1] not in "12" or mti[2] != "0":
        return 0
    return hash((text(message, 41), text(message, 60)[2:8], text(message, 11), mti[1]))


def key_of_request(request: RequestArrived) -> int:
    """The same of a request that was admitted."""
    class_ = PAYMENT_KINDS[request.kind].terminal[0][1]
    return hash((request.terminal, request.batch, request.stan, class_))
