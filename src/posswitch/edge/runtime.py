"""The loop: gathers events, decides and records them in one transaction, then releases what follows."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from heapq import heappop

import structlog

from posswitch.base.bounds import (
    BATCH_EVENTS_MAX,
    HSM_UNDER_WAY_MAX,
    QUEUE_EVENTS_MAX,
    SNAPSHOT_EVERY,
    TURN_SPACING_NS,
)
from posswitch.base.moment import NS_PER_S, business_day
from posswitch.crypto.commands import Hsm
from posswitch.edge.dress import Dresser
from posswitch.edge.headroom import Headroom
from posswitch.edge.health import Standing
from posswitch.edge.overload import Overload, Rank, Refusals, key_of_request
from posswitch.edge.release import Release
from posswitch.edge.sealed import Tickets
from posswitch.edge.strain import Commits, bank_gauges
from posswitch.edge.vitals import Vitals
from posswitch.edge.wire import Wire
from posswitch.engine.apply import apply
from posswitch.engine.decide import Rules, decide
from posswitch.engine.effects import (
    Answer,
    Effect,
    SendResponse,
    WakeLane,
)
from posswitch.engine.events import (
    AnswerArrived,
    AnswerSpoiled,
    DayTurned,
    DeliveryExpired,
    Event,
    RequestArrived,
    TimerFired,
    Undelivered,
    Verdict,
)
from posswitch.engine.facts import Facts
from posswitch.engine.lifecycle import ADVISING, IN_LANE, LIFE, NEEDS_OWNER, REVERSING
from posswitch.engine.owner import in_doubt
from posswitch.engine.routing import CLOSED, STOPPING
from posswitch.engine.state import State
from posswitch.journal.facts import FactReader
from posswitch.journal.sqlite import Journal
from posswitch.settings.clock import Clock

log = structlog.get_logger()

_FRAME_ENDS = ("answered", "dropped", "superseded", "expired")
_FROM_OWNER = frozenset(cause for state, cause in LIFE if state == NEEDS_OWNER)


class Runtime:
    """Owns state and journal; everything that changes them passes `submit`."""

    def __init__(
        self,
        journal: Journal,
        state: State,
        rules: Rules,
        clock: Clock,
        hsm: Hsm,
        dresser: Dresser,
        tickets: Tickets,
        vitals: Vitals,
        dirty: dict[Wire, None],
        die: Callable[[BaseException], None],
        headroom: Headroom,
        acquirer: str,
        cutover_s: int,
    ) -> None:
        self._journal = journal
        self._state = state
        self._rules = rules
        self._clock = clock
        self._hsm = hsm
        self._dresser = dresser
        self._tickets = tickets
        self._vitals = vitals
        self._dirty = dirty
        self._die = die
        self._facts = FactReader(journal, state, acquirer, rules, self._burden, lambda: not headroom.low)
        self._headroom = headroom
        self._cutover_s = cutover_s
        self._queue: deque[Event] = deque()
        self._scheduled = self._turning = False
        self._woken_ns = 0
        self.overload = Overload()
        self._commits = Commits()
        self.refusals = Refusals(int(rules.timers.flight_max * NS_PER_S))
        self._spare_ns = int((rules.timers.terminal - rules.timers.centre) * NS_PER_S)
        self._snapshot_seq = state.seq
        self.draining = False  # no new sale is forwarded; all else is decided as ever
        self.owners = journal.owners()
        self.counts: Counter[str] = Counter()
        self.release = Release(
            state, rules, clock, self._now_ns, hsm, dresser, tickets, vitals, self.counts, self.submit,
            self._flush_later,
        )  # fmt: skip
        self.links = self.release.links

    def __repr__(self) -> str:
        return f"<runtime {self._state!r} queue {len(self._queue)}>"

    @property
    def crowded(self) -> bool:
        """Whether not everything is taken now."""
        return self.overload.crowded(len(self._queue))

    def admits(self, rank: Rank) -> bool:
        """Whether a new request of this rank is taken now."""
        return self.overload.admits(rank, len(self._queue))

    def last_key(self, prefix: str) -> str:
        """The highest repeat key of the journal that begins with `prefix`, empty when there is none."""
        return self._journal.last_key(prefix)

    @property
    def in_doubt(self) -> bool:
        """Whether what the journal does not have may have been lost by a restore."""
        return in_doubt(self._state, self._now_ns())

    @property
    def flooded(self) -> bool:
        """Whether even answers of banks must be left to their timers."""
        return len(self._queue) >= 2 * QUEUE_EVENTS_MAX

    def submit(self, event: Event) -> None:
        """Queues an event for the next transaction; new requests are checked against `full` before."""
        self._queue.append(event)
        self.wake()

    def wake(self) -> None:
        """Sees to it that a turn comes, for queued events or queued writes."""
        if not self._scheduled:
            self._scheduled = True
            self._woken_ns = self._clock.tick_ns()
            asyncio.get_running_loop().call_soon(self._turn)

    def start(self, first: Event) -> None:
        """Decides the one event that recovery adds, and releases what it asks for."""
        self._queue.appendleft(first)
        self._turn()

    def finish(self) -> None:
        """Decides what still waits; nothing is submitted any more."""
        while self._queue:
            self._turn()

    # One turn: one transaction, then the effects, then one write per connection.

    def _turn(self) -> None:
        """A turn, or the end: after a failed write or any surprise nothing more may leave this process."""
        try:
            self._whole_turn()
        except Exception as error:
            self._die(error)

    def _whole_turn(self) -> None:
        self._scheduled, self._turning = False, True
        began_ns = self._clock.tick_ns()
        recorded, events = self._state.seq, min(len(self._queue), BATCH_EVENTS_MAX)
        for effect in self._transaction() if self._queue else []:
            self.release.release(effect)
        unheard = self.release.unheard
        # First of all in the next turn: no repeat may be told what is being taken back.
        for payment in unheard:
            self._queue.appendleft(Undelivered(payment))
        unheard.clear()
        self._turning = False
        for wire in self._dirty:
            wire.flush()
        self._dirty.clear()
        self.overload.turned(self._woken_ns, began_ns, self._clock.tick_ns(), events, len(self._queue))
        if self._queue:
            self.wake()
        elif self._state.seq != recorded:
            self._clock.rest(began_ns + TURN_SPACING_NS - self._clock.tick_ns())

    def _transaction(self) -> list[Effect]:
        """decide → record → apply for a batch; on return all of it is durable."""
        state, journal, queue = self._state, self._journal, self._queue
        at_ns = self._now_ns()
        effects: list[Effect] = []
        before, events = state.seq, min(len(queue), BATCH_EVENTS_MAX)
        journal.begin()
        for _ in range(events):
            event = queue.popleft()
            facts = self._facts.read(event, at_ns)
            if self._sheds and isinstance(event, RequestArrived) and self._is_late(event, facts):
                effects.append(SendResponse(event.ticket, event, Answer("96")))
                continue
            decision = decide(state, event, facts, at_ns, self._rules)
            if decision.verdict is None or decision.note:
                self._note(event, decision.note)
            if decision.verdict is not None:
                seq, record = journal.append(at_ns, event, decision.verdict)
                apply(state, seq, record)
                self._count_owners(decision.verdict)
            effects.extend(decision.effects)
        began_ns = self._clock.tick_ns()
        journal.commit()
        if state.seq != before:
            self._commits.noted(self._clock.tick_ns() - began_ns, events)
        if state.seq - self._snapshot_seq >= SNAPSHOT_EVERY:
            journal.snapshot(state)
            self._snapshot_seq = state.seq
        return effects

    def _note(self, event: Event, note: str) -> None:
        """Counted, at its bank where it came from one."""
        links = self.links.get(event.bank) if isinstance(event, AnswerArrived | AnswerSpoiled) else None
        (self.counts if links is None else links.counts)[note] += 1

    @property
    def _sheds(self) -> bool:
        return self.overload.standing or len(self.refusals) > 0

    def _is_late(self, event: RequestArrived, facts: Facts) -> bool:
        """Whether its terminal may not wait for what becomes of it any more: then it is not begun."""
        ticket, now_ns = self._tickets.get(event.ticket), self._clock.tick_ns()
        if facts.row is not None or ticket is None or (event.declared and self.in_doubt):
            return False
        key = key_of_request(event)
        late = now_ns - ticket.born_ns > self._spare_ns
        if late:
            self.counts["request-late"] += 1
            self.refusals.remember(key, now_ns)
        return late or self.refusals.has(key, now_ns)

    def _now_ns(self) -> int:
        """The time of records and receipts: that of the clock, never before the last record's."""
        return max(self._clock.wall_ns(), self._state.at_ns)

    def _count_owners(self, verdict: Verdict) -> None:
        if verdict.state == NEEDS_OWNER or (self.owners and verdict.cause in _FROM_OWNER):
            self.owners = self._journal.owners()
            log.warning("owner", payment=verdict.payment, cause=verdict.cause, owners=self.owners)

    def _flush_later(self) -> None:
        """What an HSM answers between turns leaves with the next one."""
        if not self._turning:
            self.wake()

    def _burden(self, bank: str, alone: bool) -> int:
        """How much a bank has to do, where there is a choice; less than 0 when it gets nothing new."""
        if self.draining:
            return STOPPING  # nobody stands in for a bank that is there
        links = self.links.get(bank)
        if links is None:
            return CLOSED
        return 0 if alone and links.open() else links.burden()

    # Time

    def tick(self) -> None:
        """Fires what is due: answer timers, lanes, secrets past their deadline, the business day."""
        tick_ns = self._clock.tick_ns()
        timers = self.release.timers
        while timers and timers[0][0] <= tick_ns:
            payment = heappop(timers)[1]
            if payment in self._state.flights:
                self.submit(TimerFired(payment))
        self.counts["frames-expired"] += self._tickets.sweep(tick_ns)
        self.refusals.sweep(tick_ns)
        for bank, lane in self._state.lanes.items():
            due_ns = lane.next_tick_ns()
            if lane.has_new() or (due_ns is not None and due_ns <= tick_ns):
                self.release.release(WakeLane(bank))
        today = business_day(self._clock.wall_ns(), self._cutover_s)
        if today > self._state.day:
            self.submit(DayTurned(today))
        if self._dirty:
            self.wake()

    def expire(self) -> None:
        """What was tried in its lane for long enough gets an owner, also when its bank has no link."""
        oldest_ns = self._clock.wall_ns() - int(self._rules.timers.reversal_hours * 3600 * NS_PER_S)
        for payment, flight in self._state.flights.items():
            if flight.state in IN_LANE and flight.since_ns < oldest_ns:
                self.submit(DeliveryExpired(payment))

    @property
    def frames_unaccounted(self) -> int:
        """Frames of terminals that were neither answered nor given up with a reason, and wait for nothing."""
        ended = sum(self.counts[f"frames-{end}"] for end in _FRAME_ENDS)
        return self.counts["frames-received"] - ended - len(self._tickets)

    def gauges(self) -> dict[str, float]:
        """How it stands, for the vitals."""
        flights = self._state.flights.values()
        states = Counter(flight.state for flight in flights)
        gauges: dict[str, float] = {
            "record": self._state.seq,
            "queue": len(self._queue),
            "rung": self.overload.rung(len(self._queue)),
            "wait_us": self.overload.wait_ns(len(self._queue)) // 1000,
            "refusals_kept": len(self.refusals),
            "shed": self.overload.shed.total(),
            "registry": self._state.registry,
            "open_payments": len(flights),
            "open_reversals": states[REVERSING],
            "open_advices": states[ADVISING],
            "needs_owner": self.owners,
            "disk_free_bytes": self._headroom.free_bytes,
            "disk_low": int(self._headroom.low),
            "tickets": len(self._tickets),
            "hsm_ready": int(self._hsm.ready),
            "hsm_under_way": self._hsm.under_way,
            "hsm_cap": HSM_UNDER_WAY_MAX,
            "links_up": sum(links.serving() for links in self.links.values()),
            "links": sum(len(links.bank.links) for links in self.links.values()),
            "links_fenced": sum(links.standings()[Standing.FENCED] for links in self.links.values()),
            **self._commits.gauges(),
        }
        for bank, links in self.links.items():
            gauges |= {f"links_up.{bank}": links.serving(), f"burden.{bank}": links.burden()}
        gauges.update(bank_gauges(self._state, self.links, self._clock.wall_ns()))
        for counts in (self.counts, self._hsm.counts, *(links.counts for links in self.links.values())):
            for name, count in counts.items():
                gauges[f"count.{name}"] = gauges.get(f"count.{name}", 0) + count
        return gauges
