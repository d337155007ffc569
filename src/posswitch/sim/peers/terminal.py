"""A POS terminal: signs on, sells, and takes back every sale whose outcome it does not know."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from posswitch.base.errors import CodecError, CryptoError
from posswitch.base.registry import Address
from posswitch.codec import Dialect, Message, load_dialect, swap_tpdu
from posswitch.codec.header import TPDU_BYTES
from posswitch.crypto.signon import open_f62
from posswitch.scheme.kinds import answer_mti, batch_of, text, texts
from posswitch.scheme.numbers import next_stan
from posswitch.sim.peers import pos
from posswitch.sim.peers.book import Book
from posswitch.sim.peers.customer import Customers, Purchase
from posswitch.sim.peers.wire import Wire, dial

PREFIX = "bin2"
APPROVED, DECLINED, NEITHER, OPEN = "approved", "declined", "neither", "open"
SILENCE, BAD_MAC = "98", "A0"  # field 39 of a reversal: no answer, an answer that proves nothing

_REVERSE = {"98": "98", "68": "98", "96": "96"}  # answers that leave the outcome open → field 39 of the 0400
_UNSIGNED = frozenset({"A0", "97", "77", "03"})  # refusals before a key is known to fit carry no MAC
_STALE_KEYS = frozenset({"A0", "77"})
_REVERSED = frozenset({"00", "12", "25"})
_PAUSE_S, _PAUSE_MAX_S, _PAUSE_GROWTH = 0.3, 2.0, 1.5
_BACKLOG_S = 4.0  # customers that wait longer have gone
_ECHO_RATE = 0.01


class Fitting(NamedTuple):
    """What is loaded into a terminal before it goes to its merchant."""

    terminal: str
    merchant: str
    tmk: bytes

    def __repr__(self) -> str:
        return f"Fitting({self.terminal}, {self.merchant})"


class Sale(msgspec.Struct):
    """A sale that the terminal has begun and not yet settled with itself."""

    purchase: Purchase
    stan: int
    batch: str
    sent_ns: int
    answered: bool = False


class Reply(NamedTuple):
    """An answer that may be used, or the reason why there is none."""

    message: Message | None
    why: str = ""

    @property
    def code(self) -> str:
        """Field 39, or the reason."""
        return text(self.message, 39) if self.message is not None else self.why


class Terminal:
    """One terminal with its own book; it does one thing at a time."""

    def __init__(
        self,
        fitting: Fitting,
        centre: Address,
        customers: Customers,
        slips: Book,
        entropy: random.Random,
        clock_ns: Callable[[], int],
        wait_s: float,
        *,
        keeps_connection: bool,
    ) -> None:
        self._fitting = fitting
        self._centre = centre
        self._customers = customers
        self._slips = slips
        self._entropy = entropy
        self._clock_ns = clock_ns
        self._wait_s = wait_s
        self._keeps_connection = keeps_connection
        self._dialect: Dialect = load_dialect("pos")
        self._wire: Wire | None = None
        self._pik = self._mak = b""
        self._batch = "000000"
        self._stan = entropy.randrange(1, 900_000)
        self.sale: Sale | None = None
        self.counts: Counter[str] = Counter()

    def __repr__(self) -> str:
        doing = "idle" if self.sale is None else "reversing" if self.sale.answered else "selling"
        return f"Terminal({self._fitting.terminal}, {doing}, {dict(self.counts)})"

    @property
    def in_flight(self) -> tuple[str, int] | None:
        """(field 41, amount) of a sale that was sent and is not answered."""
        sale = self.sale
        if sale is None or sale.answered:
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
                await self.sell(self._customers.next())
                due = max(due, loop.time() - _BACKLOG_S) + self._entropy.expovariate(1 / pause_s)
        finally:
            if self.sale is not None:
                self._print(OPEN, "")
            self._hang_up()

    async def sign_on(self) -> None:
        """Fetches working keys and the batch number, again until their check values fit."""
        pause = _Pause(self._entropy)
        while True:
            stan = self._next_stan()
            who = self._fitting
            reply = await self._ask(pos.sign_on(who.terminal, who.merchant, stan, self._batch))
            if reply.message is not None and reply.code == "00" and self._take_keys(reply.message):
                self.counts["sign_on"] += 1
                return
            await pause.wait()

    def _take_keys(self, answer: Message) -> bool:
        keys, batch = answer.fields.get(62), batch_of(texts(answer))
        if not isinstance(keys, bytes) or not batch:
            return False
        try:
            self._pik, self._mak = open_f62(self._fitting.tmk, keys)
        except CryptoError:
            return False
        self._batch = batch
        return True

    async def _between_customers(self) -> None:
        if self._keeps_connection and self._entropy.random() < _ECHO_RATE:
            self.counts["echo"] += 1
            who = self._fitting
            await self._ask(pos.echo(who.terminal, who.merchant, self._batch))

    async def sell(self, purchase: Purchase) -> str:
        """One sale to its end; returns `approved`, `declined` or `neither`, as the slip says."""
        who = self._fitting
        sale = self.sale = Sale(purchase, self._next_stan(), self._batch, self._clock_ns())
        request = pos.sale(who.terminal, who.merchant, sale.stan, sale.batch, purchase, self._pik)
        reply = await self._ask(request)
        sale.answered = True
        latency_ms = (self._clock_ns() - sale.sent_ns) / 1e6
        why = reply.why or _REVERSE.get(reply.code, "")
        if why:
            await self._reverse(sale, why)
            outcome = NEITHER
        else:
            outcome = APPROVED if reply.code == "00" else DECLINED
        self._print(outcome, reply.code, latency_ms, reply.message)
        if reply.code in _STALE_KEYS and not why:
            await self.sign_on()
        return outcome

    async def _reverse(self, sale: Sale, why: str) -> None:
        """Repeats the 0400 until the centre confirms it: before that there is no next sale."""
        who = self._fitting
        pause = _Pause(self._entropy)
        while True:
            self.counts["reversal"] += 1
            reply = await self._ask(
                pos.reversal(who.terminal, who.merchant, sale.stan, sale.batch, sale.purchase, why)
            )
            if reply.code in _REVERSED and reply.message is not None:
                return
            if reply.code in _STALE_KEYS and reply.message is not None:
                await self.sign_on()
            else:
                await pause.wait()

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
                "kind": "sale",
                "auth": text(answer, 38) if answer is not None else "",
                "rrn": text(answer, 37) if answer is not None else "",
            }
        )
        self.counts[outcome] += 1
        self.sale = None

    async def _ask(self, request: Message) -> Reply:
        """Sends one request and waits for the answer that belongs to it."""
        signed = request.mti in ("0200", "0400")
        payload = pos.signed(self._dialect, request, self._mak) if signed else self._dialect.pack(request)
        try:
            async with asyncio.timeout(self._wait_s):
                wire = await self._connected()
                wire.send(payload)
                while (answer := await wire.receive()) is not None:
                    reply = self._read(answer, request, signed)
                    if reply is not None:
                        return reply
        except (TimeoutError, OSError):
            self._hang_up()  # what comes now comes too late
        finally:
            if not self._keeps_connection:
                self._hang_up()
        return Reply(None, SILENCE)

    def _read(self, payload: bytes, request: Message, signed: bool) -> Reply | None:
        """What an arriving payload means to this request; None when it means nothing."""
        try:
            answer = self._dialect.unpack(payload)
        except CodecError:
            self.counts["unreadable"] += 1
            return None
        if not _belongs(answer, request):
            self.counts["stray"] += 1
            return None
        if not signed:
            return Reply(answer)
        if 64 not in answer.fields:
            return Reply(answer) if text(answer, 39) in _UNSIGNED else None
        if not pos.signature_fits(payload, self._mak):
            self.counts["bad_mac"] += 1
            return Reply(None, BAD_MAC)
        return Reply(answer)

    async def _connected(self) -> Wire:
        if self._wire is None or self._wire.closed:
            self._wire = await dial(self._centre, PREFIX)
        return self._wire

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._wire.hang_up()
            self._wire = None

    def _next_stan(self) -> int:
        self._stan = next_stan(self._stan)
        return self._stan


def _belongs(answer: Message, request: Message) -> bool:
    """The key is MTI, TPDU, F41, F42, F11 and the batch; F4 must agree where it is given."""
    sent: Mapping[int, object] = request.fields
    got = answer.fields
    return (
        answer.mti == answer_mti(request.mti)
        and answer.header[:TPDU_BYTES] == swap_tpdu(request.header)[:TPDU_BYTES]
        and all(got.get(field) == sent.get(field) for field in (11, 41, 42))
        and got.get(4, sent.get(4)) == sent.get(4)
        and (request.mti == "0800" or batch_of(texts(answer)) == batch_of(texts(request)))
    )


class _Pause:
    """Growing pauses with jitter."""

    def __init__(self, entropy: random.Random) -> None:
        self._entropy = entropy
        self._seconds = _PAUSE_S

    async def wait(self) -> None:
        await asyncio.sleep(self._seconds * (0.5 + self._entropy.random()))
        self._seconds = min(self._seconds * _PAUSE_GROWTH, _PAUSE_MAX_S)


async def _passed(event: asyncio.Event, seconds: float) -> bool:
    """Waits for `event` at most so long; True when it has come."""
    if seconds > 0 and not event.is_set():
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass
    return event.is_set()
