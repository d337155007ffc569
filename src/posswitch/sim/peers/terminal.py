"""A POS terminal: signs on, takes payments of every kind, settles, and takes back what it does not know."""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from posswitch.base.errors import CryptoError
from posswitch.base.registry import Address
from posswitch.codec import Message
from posswitch.crypto.signon import WorkingKeys, open_working_keys
from posswitch.scheme.kinds import ADVICE_LATER, PAYMENT_KINDS, SALE, batch_of, text, texts
from posswitch.scheme.numbers import next_stan
from posswitch.sim.peers import pos
from posswitch.sim.peers.book import Book
from posswitch.sim.peers.customer import Purchase
from posswitch.sim.peers.deal import Deal, Done
from posswitch.sim.peers.desk import BAD_MAC, SILENCE, Desk, GaveUp, Pause, Reply, Watch
from posswitch.sim.peers.drawer import FORGETFUL_RATE, Drawer, Order, Queue

APPROVED, DECLINED, NEITHER, OPEN = "approved", "declined", "neither", "open"

_REVERSE = {"98": "98", "68": "98", "96": "96"}  # answers that leave the outcome open → field 39 of the 0400
_BUSY = "96"
_STALE_KEYS = frozenset({"A0", "77"})
_REVERSED = frozenset({"00", "12", "25"})
_ASK_AGAIN = frozenset({"96", "98", "68", SILENCE, BAD_MAC})  # an advice is told until its answer is known
_PAYMENTS_PER_BATCH = (25, 70)
_ITEMS_PER_MESSAGE = 8
_NOT_BALANCED = "2"
_TOTALS_SEEN = frozenset({"00", "95"})  # balanced or not
_BACKLOG_S = 4.0  # customers that wait longer have gone
_ECHO_RATE = 0.01


class Fitting(NamedTuple):
    """What is loaded into a terminal before it goes to its merchant."""

    terminal: str
    merchant: str
    tmk: bytes
    seals: pos.Seals = pos.Seals()
    model: str = ""
    firmware: str = ""

    def __repr__(self) -> str:
        return f"Fitting({self.terminal}, {self.merchant})"


class Terminal:
    """One terminal with its own book; it does one thing at a time."""

    def __init__(
        self,
        fitting: Fitting,
        centre: Address,
        customers: Queue,
        slips: Book,
        entropy: random.Random,
        clock_ns: Callable[[], int],
        wait_s: float,
        *,
        keeps_connection: bool,
        batches: Book | None = None,
        foreign: tuple[str, ...] = (),
        forgetful_rate: float = FORGETFUL_RATE,
        tries: int = 0,
        watch: Watch | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tries`: how often one thing is asked before GaveUp ends it, 0 = until it is answered."""
        self._tries = tries
        self._fitting = fitting
        self._slips = slips
        self._entropy = entropy
        self._clock_ns = clock_ns
        self._keeps_connection = keeps_connection
        self._keys = WorkingKeys(b"", b"")
        self._batch = "000000"
        self._stale = False
        self._stan = entropy.randrange(1, 900_000)
        self._batches = batches
        self.drawer = Drawer(customers, entropy, foreign, forgetful_rate)
        self._left = entropy.randint(*_PAYMENTS_PER_BATCH)
        self.sale: Deal | None = None
        self.last: Done | None = None
        self.counts: Counter[str] = Counter()
        self._desk = Desk(
            centre, wait_s, self.counts, keeps_connection=keeps_connection, tls=tls, how=fitting.seals.mac
        )
        if watch is not None:
            self._desk.watch = watch

    def __repr__(self) -> str:
        doing = "idle" if self.sale is None else "reversing" if self.sale.answered else "selling"
        return f"Terminal({self._fitting.terminal}, {doing}, {dict(self.counts)})"

    def in_flight(self, since_ns: int = 0) -> tuple[str, int] | None:
        """(field 41, amount) of a payment that was sent after `since_ns` and is not answered."""
        sale = self.sale
        if sale is None or sale.answered or sale.sent_ns <= since_ns:
            return None
        return self._fitting.terminal, sale.purchase.amount_minor

    async def trade(self, pause_s: float, closing: asyncio.Event) -> None:
        """Serves a customer every `pause_s` seconds on average until `closing`, then settles what is open."""
        loop = asyncio.get_running_loop()
        try:
            due = loop.time() + self._entropy.random() * pause_s
            await self.sign_on()
            while not await _passed(closing, due - loop.time()):
                await self._between_customers()
                await self.pay(self.drawer.next(self._batch))
                self._left -= 1
                if self._left <= 0:
                    await self.settle()
                due = max(due, loop.time() - _BACKLOG_S) + self._entropy.expovariate(1 / pause_s)
            await self.settle()
            await self.sign_off()
        finally:
            self.close()

    def close(self) -> None:
        """Leaves: what is not known stands on a slip as open."""
        if self.sale is not None:
            self._print(OPEN, "")
        self._desk.hang_up()

    @property
    def batch(self) -> str:
        """The batch number of the last sign-on."""
        return self._batch

    @property
    def signed_on(self) -> bool:
        """Whether it has working keys."""
        return bool(self._desk.mak)

    def hang_up(self) -> None:
        """Its line ends, whatever it waits for."""
        self._desk.hang_up()

    def lose_keys(self) -> None:
        """It must sign on before its next payment."""
        self._stale = True

    def _pause(self, what: str) -> Pause:
        return Pause(self._entropy, self._tries, what)

    async def sign_on(self) -> None:
        """Fetches working keys and the batch number, again until their check values fit."""
        pause = self._pause("sign-on")
        while True:
            stan = self._next_stan()
            who = self._fitting
            layout = who.seals.layout
            reply = await self._desk.ask(pos.sign_on(who.terminal, who.merchant, stan, self._batch, layout))
            if reply.message is not None and reply.code == "00" and self._take_keys(reply.message):
                self.counts["sign_on"] += 1
                return
            if self._tries and reply.message is not None and reply.code not in ADVICE_LATER:
                raise GaveUp(_refused(reply))  # asked again it would be answered the same
            if reply.message is not None and reply.code == _BUSY:
                self._desk.watch("a centre may limit sign-ons: asked again after a pause")
            await pause.wait()

    def _take_keys(self, answer: Message) -> bool:
        keys, batch = answer.fields.get(62), batch_of(texts(answer))
        if not isinstance(keys, bytes) or not batch:
            self._desk.watch("the answer has no keys (field 62) or no batch number (field 60)")
            return False
        try:
            self._keys = open_working_keys(self._fitting.tmk, keys)
        except CryptoError as error:
            self._desk.watch(f"{error}; is this the terminal's TMK?")
            return False
        self._desk.mak = self._keys.mac
        self._batch = batch
        return True

    async def _between_customers(self) -> None:
        if self._stale:
            self._stale = False
            await self.sign_on()
        if self._keeps_connection and self._entropy.random() < _ECHO_RATE:
            await self.echo()

    async def echo(self) -> str:
        """Asks whether anybody is there; field 39, or why there is none."""
        self.counts["echo"] += 1
        who = self._fitting
        return (await self._desk.ask(pos.echo(who.terminal, who.merchant, self._batch))).code

    async def sell(self, purchase: Purchase) -> str:
        """One sale to its end; returns `approved`, `declined` or `neither`, as the slip says."""
        return await self.pay(Order(SALE, purchase))

    async def pay(self, order: Order) -> str:
        """One payment to its end; returns `approved`, `declined` or `neither`, as the slip says."""
        deal = self.sale = Deal(order, self._next_stan(), self._batch, self._clock_ns())
        reply = await self._asked(deal)
        deal.answered = True
        latency_ms = (self._clock_ns() - deal.sent_ns) / 1e6
        why = reply.why or _REVERSE.get(reply.code, "")
        if why:
            if deal.kind.reversible:
                await self._reverse(deal, why)
            outcome = NEITHER
        else:
            outcome = APPROVED if reply.code == "00" else DECLINED
        if outcome == APPROVED and reply.message is not None:
            self.drawer.keep(self.receipt(deal, reply.message), deal.kind, deal.order.original)
        self._print(outcome, reply.code, latency_ms, reply.message)
        self.last = Done(deal, outcome, reply)
        if reply.code in _STALE_KEYS and not why:
            await self.sign_on()
        return outcome

    def request(self, deal: Deal) -> Message:
        """What is sent for a payment, under the keys of now."""
        order = deal.order
        return pos.payment(
            order.kind,
            self._fitting.terminal,
            self._fitting.merchant,
            deal.stan,
            deal.batch,
            order.purchase,
            self._keys,
            order.original,
            swiped=bool(order.kind.need_one) or bool(deal.stan % 2),
            seals=self._fitting.seals,
            entropy=self._entropy.randbytes,
        )

    async def _asked(self, deal: Deal) -> Reply:
        """Asks once; an advice is told again until the centre has said whether it takes it."""
        order = deal.order
        pause = self._pause(order.kind.name)
        while True:
            reply = await self._desk.ask(self.request(deal), order.haste)
            if not order.kind.advice or reply.code not in _ASK_AGAIN | _STALE_KEYS:
                return reply
            self.counts["advice_again"] += 1
            await self._again(reply, pause)
            deal.batch = self._batch  # a sign-on answer may be damaged; nothing is settled in between

    async def _again(self, reply: Reply, pause: Pause) -> None:
        """Before the same question: new keys where those are the reason, else a pause."""
        if reply.message is not None and reply.code in _STALE_KEYS:
            pause.spend()
            await self.sign_on()
        else:
            await pause.wait()

    async def _reverse(self, deal: Deal, why: str) -> None:
        """Repeats the 0400 until the centre confirms it: before that there is no next payment."""
        who = self._fitting
        pause = self._pause("reversal")
        while True:
            self.counts["reversal"] += 1
            request = pos.reversal(
                who.terminal, who.merchant, deal.stan, deal.batch, deal.purchase, why, deal.kind
            )
            reply = await self._desk.ask(request)
            if reply.code in _REVERSED and reply.message is not None:
                return
            await self._again(reply, pause)

    @staticmethod
    def receipt(deal: Deal, answer: Message) -> pos.Receipt:
        """What is kept of an answered payment."""
        return pos.Receipt(
            deal.kind.name,
            deal.purchase,
            deal.batch,
            deal.stan,
            text(answer, 37),
            text(answer, 38),
            text(answer, 13),
        )

    # The end of a batch

    async def settle(self, *, goes_on: bool = True) -> bool:
        """Totals, an upload when the centre has others, a new batch if it goes on; True when it balanced."""
        lost, batch = self.drawer.forget_one(), self._batch
        domestic, foreign = self.drawer.totals(PAYMENT_KINDS)
        who = self._fitting
        items = self.drawer.items()
        answer = await self._until_answered(
            lambda stan: pos.settlement(who.terminal, who.merchant, stan, batch, domestic, foreign),
            _TOTALS_SEEN,
        )
        self.counts["settlement"] += 1
        flags = text(answer, 48)[30:31] + text(answer, 48)[61:62]
        balanced = _NOT_BALANCED not in flags and text(answer, 39) == "00"
        if not balanced:
            await self._upload(batch)
        if self._batches is not None:
            self._batches.append(
                {
                    "terminal": who.terminal,
                    "batch": batch,
                    "flags": flags,
                    "payments": len(items),
                    "lost_stan": f"{lost.stan:06d}" if lost else "",
                    "lost_amount": lost.purchase.amount_minor if lost else 0,
                }
            )
        self.drawer.close()
        self._left = self._entropy.randint(*_PAYMENTS_PER_BATCH)
        if goes_on:
            await self.sign_on()
        return balanced

    async def _upload(self, batch: str) -> None:
        who, items = self._fitting, self.drawer.items()
        for at in range(0, len(items), _ITEMS_PER_MESSAGE):
            part = items[at : at + _ITEMS_PER_MESSAGE]
            self.counts["upload"] += 1
            await self._until_answered(
                lambda stan, part=part: pos.upload(who.terminal, who.merchant, stan, batch, part)  # type: ignore[misc]
            )
        await self._until_answered(
            lambda stan: pos.upload_end(who.terminal, who.merchant, stan, batch, len(items))
        )

    async def sign_off(self) -> str:
        """The shop closes; field 39, or why there is none."""
        who = self._fitting
        reply = await self._desk.ask(pos.sign_off(who.terminal, who.merchant, self._next_stan(), self._batch))
        self.counts["sign_off"] += 1
        return reply.code

    async def _until_answered(
        self, make: Callable[[int], Message], done: frozenset[str] = frozenset({"00"})
    ) -> Message:
        """Asks again, with growing pauses, until the centre says one of `done`."""
        pause = self._pause("settlement")
        while True:
            reply = await self._desk.ask(make(self._next_stan()))
            if reply.message is not None and reply.code in done:
                return reply.message
            await self._again(reply, pause)

    def _print(self, outcome: str, code: str, latency_ms: float = 0.0, answer: Message | None = None) -> None:
        sale = self.sale
        assert sale is not None
        self._slips.append(
            {
                "at_ns": self._clock_ns(),
                "sent_ns": sale.sent_ns,
                "pan": sale.purchase.pan,
                "terminal": self._fitting.terminal,
                "amount": sale.purchase.amount_minor,
                "stan": sale.stan,
                "outcome": outcome,
                "code": code,
                "latency_ms": round(latency_ms, 3),
                "dialect": "pos",
                "kind": sale.kind.name,
                "auth": text(answer, 38) if answer is not None else "",
                "rrn": text(answer, 37) if answer is not None else "",
                "of": sale.order.original.name if sale.order.original is not None else "",
                "batch": sale.batch,
            }
        )
        self.counts[outcome] += 1
        self.sale = None

    def _next_stan(self) -> int:
        self._stan = next_stan(self._stan)
        return self._stan


def _refused(reply: Reply) -> str:
    """Why a sign-on gave no keys."""
    if reply.code == "00":
        return "sign-on was granted, but its keys cannot be used"
    return f"sign-on was refused with {reply.code}"


async def _passed(event: asyncio.Event, seconds: float) -> bool:
    """Waits for `event` at most so long; True when it has come."""
    if seconds > 0 and not event.is_set():
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass
    return event.is_set()
