"""The loop over the guards: each is told what was asked and answered, counts, and bars when it is enough.

Nothing of a card is kept but its keyed fingerprint and its last four digits. Time comes in; equal stories end
equally. A restart forgets.
"""

import contextlib
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple
from zlib import crc32

import apsw
import msgspec

from posswitch.base.bounds import GUARD_POSTS_MAX, VOUCHED_PEERS_MAX
from posswitch.base.codes import APPROVALS
from posswitch.edge.bars import Bar, Subject
from posswitch.edge.beside import Beside
from posswitch.edge.familiar import Familiar
from posswitch.edge.verdicts import (
    BAD_CONNECTION,
    CLONED,
    CONFLICT,
    FLIP,
    FLIP_NS,
    GUARDS,
    MADE_UP,
    OPEN_MAX,
    PACE,
    PAID_NS,
    STEP_BACK,
    STRANGE_TERMINAL,
    TOO_MANY_OPEN,
    TWO_PLACES,
    UNKNOWN,
    UNREADABLE,
    Guard,
    Once,
    Scope,
)
from posswitch.edge.watch import EVERY, PARTS, Tally, Watch
from posswitch.engine.events import RequestArrived, ReversalArrived
from posswitch.scheme.kinds import PAYMENT_KINDS, PREAUTH, REVERSAL, SALE
from posswitch.settings.machine import FORCE, OFF, GuardsTable

TABLE, GUARD_ROWS_MAX = "guard", 10_000
_COLUMNS = """
    guard TEXT NOT NULL,
    scope TEXT NOT NULL, -- terminal, merchant, bin, card, peer
    subject TEXT NOT NULL,
    mode TEXT NOT NULL, -- force, shadow
    first_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    until_ns INTEGER NOT NULL,
    times INTEGER NOT NULL,
    met INTEGER NOT NULL, -- what was refused, or would have been
    evidence TEXT NOT NULL -- JSON"""
_AGAIN = """mode = excluded.mode, first_ns = excluded.first_ns, last_ns = excluded.last_ns,
until_ns = excluded.until_ns, times = excluded.times, met = excluded.met, evidence = excluded.evidence"""
_ENDED = f"UPDATE {TABLE} SET until_ns = ? WHERE until_ns > ?"  # noqa: S608 - a constant

_SPENT = frozenset({SALE.name, PREAUTH.name})
_EVERYWHERE = "*"
_WORTHS_MAX = 4096  # kinds, codes and PINs that were weighed


class Worth(NamedTuple):
    """What an answer is worth: to whom in somebody's favour, to whom against; whether money was spent."""

    good: tuple[tuple[dict[Subject, Tally], int, Watch, int], ...]  # with the scope
    bad: tuple[tuple[Watch, int], ...]
    spent: bool
    strangers: bool  # whether it is against one who counts unfamiliar cards


Subjects = tuple[str, str, str, bytes]  # by scope


class Post:
    """Where a terminal was last heard, and how many of its requests wait."""

    __slots__ = ("asked", "batch", "before", "moved_ns", "open", "place", "stan")

    def __init__(self) -> None:
        self.batch = self.stan = self.asked = ""
        self.place = self.before = ""
        self.moved_ns = self.open = 0


class Guards:
    """All guards of a node; `exempt` says whether a peer may never be shut out."""

    def __init__(
        self, table: GuardsTable, wall_ns: Callable[[], int], exempt: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._wall_ns = wall_ns
        self._exempt = exempt
        modes = msgspec.structs.asdict(table)
        watches = [Watch(guard, modes[guard.name.replace("-", "_")]) for guard in GUARDS]
        self.watches = [watch for watch in watches if watch.mode != OFF]
        self._by_name = {watch.guard.name: watch for watch in self.watches}  # asked for those with one row
        self._of_peers = [watch for watch in self.watches if watch.of_peers]
        self._barring: list[tuple[dict[Subject, Bar], int, Watch]] = []  # those with bars of requests
        self._worths: dict[tuple[str, str, bool], Worth] = {}
        self._familiar = Familiar()
        self._posts: dict[str, Post] = {}
        self._pins_at: dict[str, str] = {}  # bank → where PINs were wrong since one was right
        self._paid_ns: dict[str, int] = {}  # peer → when somebody paid there
        self._refused_at: dict[str, str] = {}  # bank → where it has refused since it approved
        self.rows = Beside(TABLE, _COLUMNS, "guard, scope, subject", _AGAIN, GUARD_ROWS_MAX)
        self.counts: Counter[str] = Counter()
        self._began = False

    def __repr__(self) -> str:
        return f"<guards: {[watch for watch in self.watches if watch.tallies or watch.bars]}>"

    # What happens

    def asked(self, request: RequestArrived, bin_: str, tick_ns: int) -> str:
        """A request was admitted: the guard that bars it, or nothing."""
        post = self._posts.get(request.terminal)
        if post is None:
            post = self._new_post(request.terminal)
        if request.stan > post.asked:  # what comes again was counted
            post.open += 1
            if post.open > OPEN_MAX:
                post.open = 0
                self._count(PACE, request.terminal, TOO_MANY_OPEN, "unanswered", tick_ns)
        post.asked = request.stan
        return self._barred(request, bin_, tick_ns) if self._barring else ""

    def answered(self, request: RequestArrived, code: str, bin_: str, place: str, tick_ns: int) -> None:
        """A request got its answer, for the first time."""
        terminal = request.terminal
        post = self._posts.get(terminal)
        if post is not None:
            if post.asked == request.stan:
                post.open = 0
            elif post.open:
                post.open -= 1
            if post.place != place or post.batch != request.batch or request.stan < post.stan:
                self._out_of_line(request, post, place, tick_ns)
            post.stan = request.stan
        if request.barred:
            return
        key = request.kind, code, request.has_pin
        subjects = (terminal, request.merchant, bin_, request.pan_print)
        worth = self._worths.get(key) or self._weighed(key)
        for tallies, scope, watch, points in worth.good:
            if subjects[scope] in tallies:
                watch.favour(subjects[scope], points, _good_part(watch.guard, request))
        if worth.bad:
            self._refused(worth, subjects, request, code, tick_ns)
        if worth.spent and request.pan_print:
            self._familiar.add(request.pan_print)
            if request.bank in self._refused_at:
                del self._refused_at[request.bank]
            if request.has_pin and request.bank in self._pins_at:
                del self._pins_at[request.bank]

    def reversed(self, reversal: ReversalArrived, code: str, tick_ns: int) -> None:
        """A terminal has taken a payment back."""
        for watch, points in self._weighed((REVERSAL.name, code, False)).bad:
            self._count(watch.guard.name, reversal.terminal, points, code, tick_ns)

    def strange(self, peer: str, terminal: str, tick_ns: int) -> None:
        """A message that names no terminal of ours, or another's merchant, came from a peer."""
        self._count(UNKNOWN, peer, STRANGE_TERMINAL, "97", tick_ns, crc32(terminal.encode()) % PARTS)

    def unreadable(self, peer: str, tick_ns: int) -> None:
        """A connection was ended because nobody can read what it sends."""
        self._count(UNREADABLE, peer, BAD_CONNECTION, "connections", tick_ns)

    def paid(self, peer: str, tick_ns: int) -> None:
        """A payment whose MAC fits came from a peer: many terminals may stand behind one address."""
        if peer not in self._paid_ns and len(self._paid_ns) >= VOUCHED_PEERS_MAX:
            del self._paid_ns[next(iter(self._paid_ns))]
        self._paid_ns[peer] = tick_ns
        for watch in self._of_peers:
            if watch.tallies:
                watch.favour(peer, watch.guard.good)

    def shut(self, peer: str, tick_ns: int) -> bool:
        """Whether a peer is in quarantine."""
        return any(
            watch.bars.standing(peer, tick_ns) is not None and self._forced(watch, peer, tick_ns)
            for watch in self._of_peers
            if watch.bars
        )

    def knocked(self, peer: str, tick_ns: int) -> None:
        """A peer has asked for a connection; what would have kept or does keep it out has met it."""
        for watch in self._of_peers:
            bar = watch.bars.standing(peer, tick_ns) if watch.bars else None
            if bar is not None:
                self._met(watch, peer, bar, tick_ns)

    # What is counted

    def _weighed(self, key: tuple[str, str, bool]) -> Worth:
        """What an answer is worth to whom: asked once for each kind, DE39, and with or without a PIN."""
        worth = self._worths.get(key)
        if worth is None:
            if len(self._worths) >= _WORTHS_MAX:
                self._worths.clear()
            points = {watch: watch.guard.verdict(*key) for watch in self.watches}
            worth = self._worths[key] = Worth(
                tuple(
                    (watch.tallies, watch.scope, watch, -worth)
                    for watch, worth in points.items()
                    if worth < 0
                ),
                tuple((watch, worth) for watch, worth in points.items() if worth > 0),
                key[0] in _SPENT and key[1] in APPROVALS,
                any(watch.guard.strangers and worth > 0 for watch, worth in points.items()),
            )
        return worth

    def _refused(
        self, worth: Worth, subjects: Subjects, request: RequestArrived, code: str, tick_ns: int
    ) -> None:
        """An answer that speaks against somebody, unless an old customer or the bank explains it."""
        familiar = worth.strangers and request.pan_print in self._familiar
        sick = worth.strangers and code not in MADE_UP and _bank_is_it(self._refused_at, request)
        for watch, points in worth.bad:
            guard, subject = watch.guard, subjects[watch.scope]
            if guard.strangers and (familiar or sick):
                if familiar and guard.scope is Scope.BIN:  # refused although it was good: then it is the bank
                    watch.favour(subject, points)
            elif guard.pins and guard.scope is Scope.TERMINAL and _bank_is_it(self._pins_at, request):
                pass
            elif subject:
                self._against(watch, subject, points, request, code, tick_ns)

    def _against(
        self, watch: Watch, subject: Subject, points: int, request: RequestArrived, code: str, tick_ns: int
    ) -> None:
        tally = watch.add(subject, points, code, _part(watch.guard.once, request), tick_ns)
        if tally is not None:
            if tally.card(request.pan_print, request.last_four) and watch.guard.strangers:
                tally.points += points // 2
            if bar := watch.judged(subject, tally, tick_ns):
                self._begun(watch, subject, bar, tick_ns)

    def _count(
        self, name: str, subject: str, points: int, reason: str, tick_ns: int, part: int = EVERY
    ) -> None:
        """The same without a card, to the guard of this name, unless it is off."""
        watch = self._by_name.get(name)
        if watch is None:
            return
        tally = watch.add(subject, points, reason, part, tick_ns)
        if tally is not None and (bar := watch.judged(subject, tally, tick_ns)):
            self._begun(watch, subject, bar, tick_ns)

    def _new_post(self, terminal: str) -> Post:
        if len(self._posts) >= GUARD_POSTS_MAX:
            del self._posts[next(iter(self._posts))]
        post = self._posts[terminal] = Post()
        return post

    def _out_of_line(self, request: RequestArrived, post: Post, place: str, tick_ns: int) -> None:
        """Another place, a new batch, or a trace number of before: two that share a number pass each other.

        Answers that overtake each other are not meant, nor what happened offline.
        """
        moved = bool(post.place) and place != post.place
        places = " ".join(sorted((post.place, place))) if moved else place
        online = not request.declared and not PAYMENT_KINDS[request.kind].advice
        back = int(post.stan) - int(request.stan) if request.batch == post.batch else 0
        if online and back > OPEN_MAX:
            self._count(CLONED, request.terminal, CONFLICT if moved else STEP_BACK, places, tick_ns)
        if moved:
            if place == post.before and tick_ns - post.moved_ns < FLIP_NS:
                self._count(TWO_PLACES, request.terminal, FLIP, places, tick_ns)
            post.before, post.moved_ns = post.place, tick_ns
        post.place, post.batch = place, request.batch

    # What follows

    def _begun(self, watch: Watch, subject: Subject, bar: Bar, tick_ns: int) -> None:
        self.counts[f"guard-bars-{watch.guard.name}"] += 1
        barring = watch.bars.by_subject, watch.scope, watch
        if not watch.of_peers and not any(one is watch for *_, one in self._barring):
            self._barring.append(barring)
        self._report(watch, subject, bar, tick_ns)

    def _barred(self, request: RequestArrived, bin_: str, tick_ns: int) -> str:
        """Each guard that bars it counts that; the first in force is named."""
        subjects = (request.terminal, request.merchant, bin_, request.pan_print)
        named = ""
        for by_subject, scope, watch in self._barring:
            if subjects[scope] in by_subject:
                by = self._barred_by(watch, subjects[scope], request, tick_ns)
                named = named or by
        return named

    def _barred_by(self, watch: Watch, subject: Subject, request: RequestArrived, tick_ns: int) -> str:
        guard, bar = watch.guard, watch.bars.standing(subject, tick_ns)
        if bar is None or request.kind not in guard.kinds or (guard.pins and not request.has_pin):
            return ""
        if guard.spares and request.pan_print in self._familiar:
            return ""
        return guard.name if self._met(watch, subject, bar, tick_ns) else ""

    def _met(self, watch: Watch, subject: Subject, bar: Bar, tick_ns: int) -> bool:
        """Something barred came; whether it is to be refused."""
        bar.met += 1
        bar.last_ns = tick_ns
        forced = self._forced(watch, subject, tick_ns)
        self.counts[f"guard-{watch.guard.name}" if forced else f"guard-shadow-{watch.guard.name}"] += 1
        self._report(watch, subject, bar, tick_ns)
        return forced

    def _forced(self, watch: Watch, subject: Subject, tick_ns: int) -> bool:
        """Whether its bar is carried out: not on a peer that is allowed, or where somebody has just paid."""
        if watch.of_peers and isinstance(subject, str):
            paid_ns = self._paid_ns.get(subject)
            if self._exempt(subject) or (paid_ns is not None and tick_ns - paid_ns < PAID_NS):
                return False
        return watch.mode == FORCE

    def _report(self, watch: Watch, subject: Subject, bar: Bar, tick_ns: int) -> None:
        key = watch.key(subject)
        if self.rows.takes(key):
            forced = self._forced(watch, subject, tick_ns)
            self.rows.pending[key] = watch.row(bar, self._wall_ns() - tick_ns, forced=forced)

    def write(self, db: apsw.Connection) -> None:
        """Writes the evidence; what was barred before this start is not any more."""
        if not self._began:
            self._began = True
            now_ns = self._wall_ns()
            with contextlib.suppress(apsw.Error):  # nothing was written yet
                db.execute(_ENDED, (now_ns, now_ns))
        self.rows.write(db)

    def gauges(self, tick_ns: int) -> dict[str, float]:
        """How many bars stand, in force and in shadow, and what they have met."""
        standing = Counter({FORCE: 0})
        for watch in self.watches:
            if watch.bars:
                standing[watch.mode] += watch.bars.count(tick_ns)
        self._barring = [barring for barring in self._barring if barring[0]]
        return {
            "guards_barred": standing.pop(FORCE),
            "guards_shadow": standing.total(),
            **{f"count.{name}": count for name, count in self.counts.items()},
        }


def _part(once: Once, request: RequestArrived) -> int:
    """Which part of what counts once this belongs to."""
    match once:
        case Once.CARD:
            return _card_part(request)
        case Once.AMOUNT:
            return request.amount_minor % PARTS
    return EVERY


def _good_part(guard: Guard, request: RequestArrived) -> int:
    """One good card, shown again and again, speaks once for its place; a BIN has too many for that."""
    once = guard.once is Once.CARD and guard.scope is not Scope.BIN
    return _card_part(request) if once else EVERY


def _card_part(request: RequestArrived) -> int:
    return int.from_bytes(request.pan_print[:2]) % PARTS if request.pan_print else EVERY


def _bank_is_it(at: dict[str, str], request: RequestArrived) -> bool:
    """Whether a bank has said no at two terminals and yes at none in between: then it is not customers."""
    first = at.setdefault(request.bank, request.terminal)
    if first != request.terminal:
        at[request.bank] = _EVERYWHERE
    return first != request.terminal
