"""One guard at work: what it has against whom, whom it bars, and the evidence as it is kept.

A subject is in mind only while it has points, so ordinary business leaves nothing behind.
"""

import msgspec

from posswitch.base.bounds import GUARD_SUBJECTS_MAX
from posswitch.base.moment import NS_PER_S
from posswitch.edge.bars import Bar, Bars, Subject
from posswitch.edge.verdicts import Guard, Scope
from posswitch.settings.machine import FORCE, SHADOW

_EXAMPLES, _REASONS = 3, 8  # in the evidence
_HALVED_MAX = 2  # times
PARTS = 4096  # of what counts once: cards, amounts, terminals
EVERY = -1  # instead of a part: it counts however often it comes


class Tally:
    """What a guard has against one subject."""

    __slots__ = ("cards", "count", "first_ns", "good", "last_ns", "points", "reasons", "seen", "tail")

    def __init__(self, tick_ns: int) -> None:
        self.first_ns = self.last_ns = tick_ns
        self.points = self.count = 0
        self.seen = self.good = 0  # a bit for each part of what counts once, against and for
        self.tail = 0  # of the last card, without its check digit
        self.reasons: dict[str, int] = {}
        self.cards: list[tuple[bytes, str]] = []

    def __repr__(self) -> str:
        return f"<{self.points} points for {self.count} events>"

    def card(self, print_: bytes, last_four: str) -> bool:
        """Notes a card as an example; whether its number is the next after the last one's, or soon after."""
        tail = int(last_four[:3] or 0)
        follows = self.count > 1 and 0 < (tail - self.tail) % 1000 < 10
        self.tail = tail
        if len(self.cards) < _EXAMPLES:
            self.cards.append((print_, last_four))
        return follows

    @property
    def evidence(self) -> str:
        """As JSON: what was counted how often, how many events that were, some of the cards."""
        cards = [f"{print_.hex()[:16]} …{last_four}" for print_, last_four in self.cards]
        found = {"counted": self.reasons, "events": self.count, "cards": cards}
        return msgspec.json.encode(found).decode()


class Watch:
    """One guard, its tallies and bars."""

    __slots__ = ("bars", "guard", "mode", "scope", "tallies")

    def __init__(self, guard: Guard, mode: str) -> None:
        self.guard, self.mode = guard, mode
        self.scope = int(guard.scope)
        self.tallies: dict[Subject, Tally] = {}
        self.bars = Bars(guard.bar_s, guard.bar_s_max)

    def __repr__(self) -> str:
        return f"<{self.guard.name}, {self.mode}, {len(self.tallies)} in doubt, {self.bars!r}>"

    @property
    def of_peers(self) -> bool:
        """Whether it bars peers at the gate, not requests."""
        return self.guard.scope is Scope.PEER

    def favour(self, subject: Subject, points: int, part: int = EVERY) -> None:
        """Takes points off, once for each part; who has none left is forgotten."""
        tally = self.tallies.get(subject)
        if tally is not None:
            if part != EVERY:
                if tally.good >> part & 1:
                    return
                tally.good |= 1 << part
            tally.points -= points
            if tally.points <= 0:
                del self.tallies[subject]

    def add(self, subject: Subject, points: int, reason: str, part: int, tick_ns: int) -> Tally | None:
        """The tally with points added; None when this part was counted already."""
        tally = self.tallies.get(subject)
        if tally is None or tick_ns - tally.last_ns > self.guard.window_s * NS_PER_S:
            self.tallies.pop(subject, None)
            if len(self.tallies) >= GUARD_SUBJECTS_MAX:
                del self.tallies[next(iter(self.tallies))]
            tally = self.tallies[subject] = Tally(tick_ns)
        tally.last_ns = tick_ns
        if part != EVERY:
            if tally.seen >> part & 1:
                return None
            tally.seen |= 1 << part
        tally.points += points
        tally.count += 1
        if reason in tally.reasons or len(tally.reasons) < _REASONS:
            tally.reasons[reason] = tally.reasons.get(reason, 0) + 1
        return tally

    def judged(self, subject: Subject, tally: Tally, tick_ns: int) -> Bar | None:
        """The bar that begins now, if it is enough and none stands (for what was under way when it began).

        Who was barred lately is on probation: half as much is enough, and a quarter from the third time on.
        """
        if tally.points < self.guard.points_max >> min(self.bars.times(subject, tick_ns), _HALVED_MAX):
            return None
        self.tallies.pop(subject, None)
        if self.bars.standing(subject, tick_ns) is not None:
            return None
        bar = self.bars.begin(subject, tick_ns)
        bar.first_ns, bar.last_ns, bar.why = tally.first_ns, tick_ns, tally.evidence
        return bar

    def key(self, subject: Subject) -> tuple[str, str, str]:
        """What names a subject in the table of evidence."""
        named = subject.hex()[:16] if isinstance(subject, bytes) else subject
        return self.guard.name, self.guard.scope.name.lower(), named

    def row(self, bar: Bar, past_ns: int, *, forced: bool) -> tuple[str, int, int, int, int, int, str]:
        """The rest of its row; `past_ns` leads from the monotonic clock to the wall's."""
        times = (past_ns + bar.first_ns, past_ns + bar.last_ns, past_ns + bar.until_ns)
        return FORCE if forced else SHADOW, *times, bar.times, bar.met, bar.why
