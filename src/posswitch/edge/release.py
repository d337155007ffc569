"""What a turn's effects do, once they may: requests, answers, lanes, timers."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from heapq import heappush

from posswitch.base.errors import CryptoError, HsmDown, PosswitchError
from posswitch.base.moment import NS_PER_S, stamp
from posswitch.base.registry import Change
from posswitch.crypto.commands import Hsm
from posswitch.edge.connector import Links
from posswitch.edge.dress import Dresser
from posswitch.edge.health import Key
from posswitch.edge.sealed import Ticket, Tickets
from posswitch.edge.vitals import Vitals
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
from posswitch.engine.events import Event, NotSent
from posswitch.engine.lifecycle import FORWARDED, REVERSING
from posswitch.engine.reverse import UNKNOWN_OUTCOME
from posswitch.engine.rules import Rules
from posswitch.engine.state import Flight, State
from posswitch.journal.vitals import How
from posswitch.settings.clock import Clock


class Release:
    """Carries out effects; what comes of them is submitted as events."""

    def __init__(
        self,
        state: State,
        rules: Rules,
        clock: Clock,
        now_ns: Callable[[], int],
        hsm: Hsm,
        dresser: Dresser,
        tickets: Tickets,
        vitals: Vitals,
        counts: Counter[str],
        submit: Callable[[Event], None],
        flush_later: Callable[[], None],
    ) -> None:
        self._state = state
        self._rules = rules
        self._clock = clock
        self._now_ns = now_ns  # the time of records and receipts
        self._hsm = hsm
        self._dresser = dresser
        self._tickets = tickets
        self._vitals = vitals
        self.counts = counts
        self._submit = submit
        self._flush_later = flush_later
        self.links: dict[str, Links] = {}
        self.unheard: dict[int, None] = {}  # approvals told to nobody in this turn
        self.timers: list[tuple[int, int]] = []
        self.amend: Callable[[Change], None] = lambda change: None  # the node's: registry, links
        self.offer: Callable[[OfferKey], None] = lambda effect: None  # likewise: zone keys
        self.told: Callable[[SendResponse, Ticket], None] = lambda effect, ticket: None  # likewise: guards

    def __repr__(self) -> str:
        return f"<release: {len(self.timers)} timers, {len(self.links)} banks>"

    def release(self, effect: Effect) -> None:
        """Carries out one effect; its record is durable."""
        _RELEASE[type(effect)](self, effect)

    def _send_request(self, effect: SendRequest) -> None:
        flight = self._state.flights.get(effect.payment)
        if flight is None or flight.state != FORWARDED:
            self.counts["request-overtaken"] += 1
            return
        ticket = self._tickets.get(flight.ticket)
        if ticket is None:
            self._submit(NotSent(effect.payment, "96", "its secrets are past their deadline"))
            return
        self._hsm.run(
            self._dresser.request(flight, ticket),
            partial(self._forward, effect.payment, ticket),
            partial(self._undressed, effect.payment),
        )

    def _forward(self, payment: int, ticket: Ticket, payload: bytes) -> None:
        """Sends what the HSM has sealed, unless the payment has moved on meanwhile."""
        flight = self._state.flights.get(payment)
        if flight is None or flight.state != FORWARDED:
            self.counts["request-overtaken"] += 1
        elif not self.links[flight.request.bank].send(payload, (flight.stan, flight.f7)):
            self._submit(NotSent(payment, "91", "no link to the bank"))
        else:
            ticket.sent_ns = self._clock.tick_ns()
            self._flush_later()

    def overdue(self, bank: str, key: Key) -> None:
        """A bank keeps what has this STAN and F7 waiting for much longer than is usual for it."""
        payment = self._state.awaiting.get((bank, *key))
        flight = self._state.flights.get(payment) if payment is not None else None
        ticket = self._tickets.get(flight.ticket) if flight is not None else None
        if flight is None or ticket is None or flight.state != FORWARDED:
            return
        ticket.overdue = True
        now_ns = self._clock.tick_ns()
        self._vitals.payment(
            flight.request, "", How.OVERDUE, now_ns - ticket.born_ns, now_ns - ticket.sent_ns
        )

    def _undressed(self, payment: int, error: PosswitchError) -> None:
        """Nothing was sent: a PIN block that does not fit is the terminal's fault, all else is ours."""
        pin = isinstance(error, CryptoError) and not isinstance(error, HsmDown)
        why = "the PIN block cannot be translated" if pin else str(error)
        self._submit(NotSent(payment, "99" if pin else "96", why))

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
        code, now_ns = effect.answer.code, self._clock.tick_ns()
        bank_ns = now_ns - ticket.sent_ns if ticket.sent_ns else 0
        self._vitals.told(effect.request, code, _how(effect, ticket, code), now_ns - ticket.born_ns, bank_ns)
        if not effect.repeat:
            self.told(effect, ticket)
        self.counts["frames-answered"] += self._tickets.erase(effect.ticket)
        self._count_heard(effect, heard=heard)

    def _count_heard(self, effect: SendResponse, *, heard: bool) -> None:
        """An approval that nobody has heard is taken back first of all."""
        if not heard:
            self.counts["undelivered"] += 1
        if effect.payment and heard:
            self.unheard.pop(effect.payment, None)
        elif effect.payment and not effect.repeat:
            self.unheard[effect.payment] = None
            self._flush_later()

    def _set_timer(self, effect: SetTimer) -> None:
        heappush(self.timers, (self._clock.tick_ns() + int(effect.delay_s * NS_PER_S), effect.payment))

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


_OTHER_CONTENT = "94"  # under the key of another payment: no answer of that one


def _how(effect: SendResponse, ticket: Ticket, code: str) -> How:
    """Whose word an answer is; a bank that says 98 does not know either."""
    if effect.repeat and code != _OTHER_CONTENT:
        return How.REPEAT
    if not ticket.sent_ns:
        return How.HERE
    if code != UNKNOWN_OUTCOME:
        return How.BANK
    return How.COUNTED if ticket.overdue else How.TIMER


_RELEASE: dict[type, Callable[..., None]] = {
    SendRequest: Release._send_request,
    SendResponse: Release._send_response,
    SetTimer: Release._set_timer,
    WakeLane: Release._wake_lane,
    EraseTicket: Release._erase_ticket,
    Amend: Release._amend,
    TellCutover: Release._tell_cutover,
    OfferKey: Release._offer_key,
}
