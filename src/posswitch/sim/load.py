"""A load for measuring: terminals behind concentrators, frames made beforehand; banks that only approve.

Honest about what it is: nothing here misbehaves, and one answer in a hundred has its MAC checked. Every
request is a real 0200 with the terminal's own MAC, every answer of a bank carries a real field 128.
"""

import asyncio
import random
import time
from collections import deque
from functools import partial

import msgspec

from posswitch.base.bounds import FRAME_BYTES_MAX
from posswitch.base.card import luhn_digit
from posswitch.base.registry import Address
from posswitch.codec import Framer, Message, cups_header, framed, load_dialect
from posswitch.crypto.mab import interbank_text
from posswitch.crypto.mac import x919
from posswitch.crypto.signon import open_f62
from posswitch.scheme.interbank import mac_text
from posswitch.sim.city import ACQUIRER_PAPER, HOST, BankPlan, City
from posswitch.sim.peers.customer import VALID, Purchase, pin_of
from posswitch.sim.peers.pos import sale, sign_on, signature_fits, signed
from posswitch.sim.peers.terminal import Fitting

POS, CUPS = load_dialect("pos"), load_dialect("cups")
_CHECKED_ONE_IN = 100
_ECHOED = (2, 3, 4, 7, 11, 12, 13, 18, 25, 32, 33, 37, 41, 42, 49)


class ApprovingBank(asyncio.Protocol):
    """A bank that approves whatever it can read."""

    def __init__(self, plan: BankPlan) -> None:
        self._plan = plan
        self._framer = Framer("ascii4", FRAME_BYTES_MAX)
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Answers every message of this read with one write."""
        out = [framed("ascii4", self._answer(payload)) for payload in self._framer.feed(data) if payload]
        if out and self._transport is not None:
            self._transport.write(b"".join(out))

    def _answer(self, payload: bytes) -> bytes:
        asked = CUPS.unpack(payload)
        fields = asked.fields
        if asked.mti == "0820":
            told = {number: fields[number] for number in (7, 11, 33, 70)}
            return self._sealed(Message("0830", {**told, 39: "00"}))
        told = {number: fields[number] for number in _ECHOED if number in fields}
        told[39] = "00"
        mti = "0210" if asked.mti == "0200" else "0430"
        if mti == "0210":
            told[15], told[38], told[100] = str(fields[13]), "A00001", self._plan.id
        message = Message(mti, told)
        mac = x919(self._plan.zak, interbank_text(mac_text(message)))
        told[128] = mac[:4].hex().upper().encode("ascii")
        return self._sealed(message)

    def _sealed(self, message: Message) -> bytes:
        message.header = bytes(CUPS.header_bytes)
        payload = CUPS.pack(message)
        body = payload[CUPS.header_bytes :]
        return cups_header("00010000", self._plan.id, len(body)) + body


async def open_banks(city: City) -> list[asyncio.Server]:
    """All banks of a city on their ports; they only approve."""
    loop = asyncio.get_running_loop()
    shown = {bank.id: city.context(bank.id, serves=True) for bank in city.banks}
    return [
        await loop.create_server(partial(ApprovingBank, bank), HOST, port, ssl=shown[bank.id])
        for bank in city.banks
        for port in bank.line_ports
    ]


class Till(msgspec.Struct):
    """One terminal of the load: its keys after sign-on and the frames it has still to send."""

    fitting: Fitting
    mak: bytes = b""
    pik: bytes = b""
    batch: str = "000000"
    stan: int = 0
    frames: deque[bytes] = msgspec.field(default_factory=deque)
    sent_ns: int = 0

    def __repr__(self) -> str:
        return f"<till {self.fitting.terminal} {len(self.frames)} frames>"


class Concentrator(asyncio.Protocol):
    """One connection that carries many terminals, each with one request under way."""

    def __init__(self, load: "Load", tills: list[Till]) -> None:
        self._load = load
        self._framer = Framer("bin2", FRAME_BYTES_MAX)
        self._transport: asyncio.WriteTransport | None = None
        self._tills = {till.fitting.terminal: till for till in tills}
        self._out: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass

    def send(self, till: Till, payload: bytes) -> None:
        """Queues one request; `flush` writes."""
        till.sent_ns = time.perf_counter_ns()
        self._out.append(framed("bin2", payload))

    def flush(self) -> None:
        """Writes what is queued, in one call."""
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def data_received(self, data: bytes) -> None:
        """Takes answers; the load decides what each terminal does next."""
        for payload in self._framer.feed(data):
            message = POS.unpack(payload)
            self._load.answered(self, self._tills[str(message.fields[41])], message, payload)
        self.flush()


class Manner(msgspec.Struct, frozen=True):
    """Whether requests carry a MAC and whether customers type a PIN."""

    signs: bool = True
    pins: bool = True


class Load:
    """All terminals of a city behind a few concentrators."""

    def __init__(
        self,
        city: City,
        concentrators: int,
        entropy: random.Random,
        manner: Manner = Manner(),  # noqa: B008
    ) -> None:
        self._manner = manner
        self._city = city
        self._entropy = entropy
        self._serial = 0
        self.tills = [Till(fitting) for fitting in city.fittings]
        self._groups = [self.tills[index::concentrators] for index in range(concentrators)]
        self._lines: dict[str, Concentrator] = {}
        self._idle: deque[Till] = deque()
        self._again = False
        self._keyless = len(self.tills)
        self._signed_on = asyncio.Event()
        self.answers = 0
        self.refused = 0
        self.latencies_ns: list[int] = []

    def __repr__(self) -> str:
        return f"<load of {len(self.tills)} terminals, {self.answers} answered>"

    async def connect(self, at: Address) -> None:
        """Opens the concentrators and signs every terminal on."""
        loop = asyncio.get_running_loop()
        shown = self._city.context(ACQUIRER_PAPER, serves=False)
        for group in self._groups:
            _, line = await loop.create_connection(
                partial(Concentrator, self, group),
                at.host,
                at.port,
                ssl=shown,
            )
            for till in group:
                self._lines[till.fitting.terminal] = line
                fitting = till.fitting
                line.send(till, POS.pack(sign_on(fitting.terminal, fitting.merchant, 1, "000000")))
            line.flush()
        await self._signed_on.wait()

    def prepare(self, frames: int) -> None:
        """Makes `frames` sales, spread over the terminals: real cards, PINs and MACs."""
        ranges = self._city.ranges
        for number in range(frames):
            till = self.tills[number % len(self.tills)]
            till.stan += 1
            self._serial += 1
            row = ranges[self._serial % len(ranges)]
            pan = _pan(row.prefix, row.pan_digits, self._entropy.randrange(10_000))
            pin = pin_of(self._city.seed, pan) if self._manner.pins else ""
            purchase = Purchase(pan, VALID, pin, 100 + self._serial % 900)
            message = sale(
                till.fitting.terminal, till.fitting.merchant, till.stan, till.batch, purchase, till.pik
            )
            till.frames.append(self._packed(message, till.mak))

    def _packed(self, message: Message, mak: bytes) -> bytes:
        if self._manner.signs:
            return signed(POS, message, mak)
        message.fields[64] = bytes(8)
        return POS.pack(message)

    def answered(self, line: Concentrator, till: Till, message: Message, payload: bytes) -> None:
        """One answer: keys at sign-on, otherwise one payment done."""
        if message.mti == "0810":
            till.pik, till.mak = open_f62(till.fitting.tmk, _raw(message, 62))
            till.batch = str(message.fields[60])[2:8]
            self._keyless -= 1
            if not self._keyless:
                self._signed_on.set()
            return
        self.latencies_ns.append(time.perf_counter_ns() - till.sent_ns)
        self.answers += 1
        if message.fields[39] != "00":
            self.refused += 1
        if self._manner.signs and self.answers % _CHECKED_ONE_IN == 0:
            assert signature_fits(payload, till.mak), "the centre's MAC is wrong"
        if self._again and till.frames:
            line.send(till, till.frames.popleft())
        else:
            self._idle.append(till)

    async def saturate(self, seconds: float) -> None:
        """Every terminal sends its next sale as soon as it is answered."""
        self._again = True
        for till in self.tills:
            self._go(till)
        self._flush()
        await asyncio.sleep(seconds)
        self._again = False

    async def exhaust(self) -> None:
        """Every sale that is prepared, each as soon as its terminal is answered; then quiet."""
        wanted = self.answers + sum(len(till.frames) for till in self.tills)
        self._again = True
        for till in self.tills:
            self._go(till)
        self._flush()
        while self.answers < wanted:  # noqa: ASYNC110 - each answer would have to tell
            await asyncio.sleep(0.01)
        self._again = False

    async def steady(self, per_second: float, seconds: float) -> None:
        """Sales at a fixed rate, whatever the answers do; each turn sends what is due."""
        self._idle = deque(till for till in self.tills if till.frames)
        begin = time.perf_counter()
        sent = 0
        while (now := time.perf_counter() - begin) < seconds:
            due = int(now * per_second) - sent
            for _ in range(min(due, len(self._idle))):
                self._go(self._idle.popleft())
                sent += 1
            self._flush()
            await asyncio.sleep(0.001)

    async def settle(self) -> None:
        """Waits until nothing is under way any more."""
        before = -1
        while before != self.answers:
            before = self.answers
            await asyncio.sleep(0.3)

    def _go(self, till: Till) -> None:
        if till.frames:
            self._lines[till.fitting.terminal].send(till, till.frames.popleft())

    def _flush(self) -> None:
        for line in dict.fromkeys(self._lines.values()):
            line.flush()


def _pan(prefix: str, digits: int, serial: int) -> str:
    body = f"{prefix}{serial:0{digits - 1 - len(prefix)}d}"
    return body + luhn_digit(body)


def _raw(message: Message, field: int) -> bytes:
    value = message.fields[field]
    assert isinstance(value, bytes)
    return value
