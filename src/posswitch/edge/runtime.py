"""The loop: gathers events, decides and records them in one transaction, then releases what follows."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush

import structlog

from posswitch.base.bounds import BATCH_EVENTS_MAX, QUEUE_EVENTS_MAX, SNAPSHOT_EVERY, TURN_SPACING_NS
from posswitch.base.errors import CryptoError, HsmDown, PosswitchError
from posswitch.base.moment import NS_PER_S, business_day, stamp
from posswitch.base.registry import Change
from posswitch.crypto.commands import Hsm
from posswitch.edge.connector import Links
from posswitch.edge.dress import Dresser
from posswitch.edge.headroom import Headroom
from posswitch.edge.health import Standing
from posswitch.edge.sealed import Ticket, Tickets
from posswitch.edge.vitals import Vitals
from posswitch.edge.wire import Wire
from posswitch.engine.apply import apply
from posswitch.engine.decide import Rules, decide
from posswitch.engine.effects import (
    Amend,
    Effect,
    EraseTicket,
    OfferKey,
    SendRequest,
    SendResponse,
    SetTimer,
    TellCutover,
    WakeLane,
)
from posswitch.engine.events import (
    DayTurned,
    DeliveryExpired,
    Event,
    NotSent,
    RequestArrived,
    TimerFired,
    Undelivered,
    Verdict,
)
from posswitch.engine.lifecycle import ADVISING, FORWARDED, IN_LANE, LIFE, NEEDS_OWNER, REVERSING
from posswitch.engine.routing import CLOSED
from posswitch.engine.state import Flight, State
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
        self._unheard: dict[int, None] = {}  # approvals told to nobody in this turn
        self._scheduled = self._turning = False
        self._timers: list[tuple[int, int]] = []
        self._snapshot_seq = state.seq
        self.draining = False  # no new sale is forwarded; all else is decided as ever
        self.owners = journal.owners()
        self.links: dict[str, Links] = {}
        self.amend: Callable[[Change], None] = lambda change: None  # the node's: registry, links
        self.offer: Callable[[OfferKey], None] = lambda effect: None  # likewise: zone keys
        self.counts: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<runtime {self._state!r} queue {len(self._queue)}>"

    @property
    def full(self) -> bool:
        """Whether a new request must be refused."""
        return len(self._queue) >= QUEUE_EVENTS_MAX

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
        recorded = self._state.seq
        for effect in self._transaction() if self._queue else []:
            _RELEASE[type(effect)](self, effect)
        # First of all in the next turn: no repeat may be told what is being taken back.
        for payment in self._unheard:
            self._queue.appendleft(Undelivered(payment))
        self._unheard.clear()
        self._turning = False
        for wire in self._dirty:
            wire.flush()
        self._dirty.clear()
        if self._queue:
            self.wake()
        elif self._state.seq != recorded:
            self._clock.rest(began_ns + TURN_SPACING_NS - self._clock.tick_ns())

    def _transaction(self) -> list[Effect]:
        """decide → record → apply for a batch; on return all of it is durable."""
        state, journal, queue = self._state, self._journal, self._queue
        at_ns = self._now_ns()
        effects: list[Effect] = []
        journal.begin()
        for _ in range(min(len(queue), BATCH_EVENTS_MAX)):
            event = queue.popleft()
            decision = decide(state, event, self._facts.read(event, at_ns), at_ns, self._rules)
            if decision.verdict is None:
                self.counts[decision.note] += 1
            else:
                seq, record = journal.append(at_ns, event, decision.verdict)
                apply(state, seq, record)
                self._count_owners(decision.verdict)
            effects.extend(decision.effects)
        journal.commit()
        if state.seq - self._snapshot_seq >= SNAPSHOT_EVERY:
            journal.snapshot(state)
            self._snapshot_seq = state.seq
        return effects

    def _now_ns(self) -> int:
        """The time of records and receipts: that of the clock, never before the last record's."""
        return max(self._clock.wall_ns(), self._state.at_ns)

    def _count_owners(self, verdict: Verdict) -> None:
        if verdict.state == NEEDS_OWNER or (self.owners and verdict.cause in _FROM_OWNER):
            self.owners = self._journal.owners()
            log.warning("owner", payment=verdict.payment, cause=verdict.cause, owners=self.owners)

    def _burden(self, bank: str) -> int:
        """How much a bank has to do, for choices between banks; CLOSED when it gets nothing new."""
        links = self.links.get(bank)
        return CLOSED if links is None or self.draining else links.burden()

    # Release

    def _send_request(self, effect: SendRequest) -> None:
        flight = self._state.flights.get(effect.payment)
        if flight is None or flight.state != FORWARDED:
            self.counts["request-overtaken"] += 1
            return
        ticket = self._tickets.get(flight.ticket)
        if ticket is None:
            self.submit(NotSent(effect.payment, "96", "its secrets are past their deadline"))
            return
        self._hsm.run(
            self._dresser.request(flight, ticket),
            partial(self._forward, effect.payment),
            partial(self._undressed, effect.payment),
        )

    def _forward(self, payment: int, payload: bytes) -> None:
        """Sends what the HSM has sealed, unless the payment has moved on meanwhile."""
        flight = self._state.flights.get(payment)
        if flight is None or flight.state != FORWARDED:
            self.counts["request-overtaken"] += 1
        elif not self.links[flight.request.bank].send(payload, (flight.stan, flight.f7)):
            self.submit(NotSent(payment, "91", "no link to the bank"))
        else:
            self._flush_later()

    def _flush_later(self) -> None:
        """What an HSM answers between turns leaves with the next one."""
        if not self._turning:
            self.wake()

    def _undressed(self, payment: int, error: PosswitchError) -> None:
        """Nothing was sent: a PIN block that does not fit is the terminal's fault, all else is ours."""
        pin = isinstance(error, CryptoError) and not isinstance(error, HsmDown)
        why = "the PIN block cannot be translated" if pin else str(error)
        self.submit(NotSent(payment, "99" if pin else "96", why))

    def _send_response(self, effect: SendResponse) -> None:
        ticket = self._tickets.get(effect.ticket)
        if ticket is None:
            self._count_heard(effect, heard=False)
            return
        self._hsm.run(
            self._dresser.response(effect.request, effect.answer, ticket, stamp(self._now_ns())),
            partial(self._say, effect, ticket),
            partial(self._unsaid, effect, ticket),
        )

    def _say(self, effect: SendResponse, ticket: Ticket, payload: bytes) -> None:
        """Sends an answer to its terminal, unless its ticket has expired meanwhile."""
        self._close(effect, ticket, heard=effect.ticket in self._tickets and ticket.reply.send(payload))
        self._flush_later()

    def _unsaid(self, effect: SendResponse, ticket: Ticket, _: PosswitchError) -> None:
        self.counts["response-undressed"] += 1
        self._close(effect, ticket, heard=False)

    def _close(self, effect: SendResponse, ticket: Ticket, *, heard: bool) -> None:
        bank = effect.request.bank if isinstance(effect.request, RequestArrived) else ""
        self._vitals.outcome(bank, effect.answer.code, self._clock.tick_ns() - ticket.born_ns)
        self.counts["frames-answered"] += self._tickets.erase(effect.ticket)
        self._count_heard(effect, heard=heard)

    def _count_heard(self, effect: SendResponse, *, heard: bool) -> None:
        """An approval that nobody has heard is taken back first of all."""
        if not heard:
            self.counts["undelivered"] += 1
        if effect.payment and heard:
            self._unheard.pop(effect.payment, None)
        elif effect.payment and not effect.repeat:
            self._unheard[effect.payment] = None
            self._flush_later()

    def _set_timer(self, effect: SetTimer) -> None:
        heappush(self._timers, (self._clock.tick_ns() + int(effect.delay_s * NS_PER_S), effect.payment))

    def _wake_lane(self, effect: WakeLane) -> None:
        lane = self._state.lanes.get(effect.bank)
        links = self.links.get(effect.bank)
        if lane is None:
            return
        if effect.answered:
            lane.answered(effect.answered)
        if links is None or not links.ready() or not self._hsm.ready:
            return
        for payment, repeat in lane.send(self._clock.tick_ns(), self._rules.timers):
            self._send_from_lane(links, self._state.flights[payment], repeat)

    def _erase_ticket(self, effect: EraseTicket) -> None:
        self.counts["frames-superseded"] += self._tickets.erase(effect.ticket)

    def _send_from_lane(self, links: Links, flight: Flight, repeat: bool) -> None:
        """One try; whatever goes wrong, the lane tries again."""
        what, dress = (
            ("reversal", self._dresser.reversal)
            if flight.state == REVERSING
            else ("advice", self._dresser.advice)
        )

        reversing = flight.state == REVERSING
        key = (flight.rev_stan, flight.rev_f7) if reversing else (flight.stan, flight.f7)

        def send(payload: bytes) -> None:
            if flight.payment in self._state.flights:
                self.counts[f"{what}-sent" if links.send(payload, key) else f"{what}-no-link"] += 1
                self._flush_later()

        def give_up(_: PosswitchError) -> None:
            self.counts[f"{what}-undressed"] += 1

        self._hsm.run(dress(flight, repeat), send, give_up)

    def _amend(self, effect: Amend) -> None:
        self.amend(effect.change)

    def _offer_key(self, effect: OfferKey) -> None:
        self.offer(effect)

    def _tell_cutover(self, effect: TellCutover) -> None:
        for links in self.links.values():
            links.tell_cutover()

    # Time

    def tick(self) -> None:
        """Fires what is due: answer timers, lanes, secrets past their deadline, the business day."""
        tick_ns = self._clock.tick_ns()
        while self._timers and self._timers[0][0] <= tick_ns:
            payment = heappop(self._timers)[1]
            if payment in self._state.flights:
                self.submit(TimerFired(payment))
        self.counts["frames-expired"] += self._tickets.sweep(tick_ns)
        for bank, lane in self._state.lanes.items():
            due_ns = lane.next_tick_ns()
            if lane.has_new() or (due_ns is not None and due_ns <= tick_ns):
                self._wake_lane(WakeLane(bank))
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
            "open_payments": len(flights),
            "open_reversals": states[REVERSING],
            "open_advices": states[ADVISING],
            "needs_owner": self.owners,
            "disk_free_bytes": self._headroom.free_bytes,
            "disk_low": int(self._headroom.low),
            "tickets": len(self._tickets),
            "hsm_ready": int(self._hsm.ready),
            "hsm_under_way": self._hsm.under_way,
            "links_up": sum(links.serving() for links in self.links.values()),
            "links": sum(len(links.bank.links) for links in self.links.values()),
            "links_fenced": sum(links.standings()[Standing.FENCED] for links in self.links.values()),
        }
        for bank, links in self.links.items():
            gauges |= {f"links_up.{bank}": links.serving(), f"burden.{bank}": links.burden()}
        for counts in (self.counts, self._hsm.counts, *(links.counts for links in self.links.values())):
            for name, count in counts.items():
                gauges[f"count.{name}"] = gauges.get(f"count.{name}", 0) + count
        return gauges


_RELEASE: dict[type, Callable[..., None]] = {
    SendRequest: Runtime._send_request,
    SendResponse: Runtime._send_response,
    SetTimer: Runtime._set_timer,
    WakeLane: Runtime._wake_lane,
    EraseTicket: Runtime._erase_ticket,
    Amend: Runtime._amend,
    TellCutover: Runtime._tell_cutover,
    OfferKey: Runtime._offer_key,
}
