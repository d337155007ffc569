"""Terminals that pay by the clock: an open loop that waits for no answer, and what became of every frame.

Frames are made beforehand, with real MACs and PIN blocks. Who gets no answer within the patience of a
terminal, or hears that nobody knows, takes the payment back with a 0400 until that is confirmed; an advice is
told until it is acknowledged. A terminal has at most one 0400 under way.
"""

import asyncio
import random
import ssl
import time
from collections import Counter, deque
from collections.abc import Coroutine, Iterator, Sequence
from functools import partial
from heapq import heappop, heappush
from typing import NamedTuple

import msgspec

from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Address
from posswitch.codec import Message, load_dialect
from posswitch.crypto.signon import WorkingKeys, open_working_keys
from posswitch.scheme.kinds import OFFLINE_SALE, SALE, Kind, text
from posswitch.sim.city import ACQUIRER_PAPER, City
from posswitch.sim.crowd_line import CrowdLine
from posswitch.sim.peers.customer import VALID, Purchase, pan_at, pin_of
from posswitch.sim.peers.pos import payment, reversal, sign_on, signature_fits, signed
from posswitch.sim.peers.terminal import APPROVED, DECLINED, NEITHER, Fitting

POS = load_dialect("pos")
_CARDS_PER_RANGE = 20_000
_CHECKED_ONE_IN = 50  # answers whose MAC is checked
BUSY = "96"
_UNKNOWN = frozenset({"98", "68"})  # the centre does not know either
_TAKEN_BACK = frozenset({"00", "12", "25"})
_TURN_S = 0.001
_SLICE = 50  # payments made before the loop has its turn
_AGAIN_NS = 2 * NS_PER_S  # between two tries of a 0400 or an advice
_REDIAL_S = 0.2
_SIGN_ON_SECONDS_MAX = 30.0


class Mix(NamedTuple):
    """Shares of payments: told afterwards (0220), taken back once approved, taken back though refused."""

    advices: float = 0.02
    taken_back: float = 0.02
    doubted: float = 0.02


class Till(msgspec.Struct, eq=False):
    """One terminal: its keys after sign-on."""

    fitting: Fitting
    keys: WorkingKeys = WorkingKeys(b"", b"")
    batch: str = "000000"
    stan: int = 0


class Payment(msgspec.Struct, eq=False):
    """One payment and what its terminal knows of it; times in ns of `tick_ns`, 0 = not yet."""

    till: Till
    stan: int
    purchase: Purchase
    bank: int
    kind: Kind
    regretted: bool
    frame: bytes
    due_ns: int = 0  # when it had to leave, which is when its terminal begins to wait
    left_ns: int = 0
    heard_ns: int = 0
    code: str = ""
    slip: str = ""

    @property
    def key(self) -> str:
        """Terminal and trace number."""
        return f"{self.till.fitting.terminal}{self.stan:06d}"


class Window(NamedTuple):
    """What was offered between two moments."""

    began_ns: int
    ended_ns: int
    payments: Sequence[Payment]


def tick_ns() -> int:
    """The crowd's clock."""
    return time.perf_counter_ns()


class Crowd:
    """Terminals of a city behind `lines` connections; with `dials` each payment has its own connection."""

    def __init__(
        self,
        city: City,
        fittings: Sequence[Fitting],
        lines: int,
        entropy: random.Random,
        mix: Mix = Mix(),  # noqa: B008 - frozen
        *,
        dials: bool = False,
    ) -> None:
        self._city = city
        self._entropy = entropy
        self._mix = mix
        self._dials = dials
        self.patience_ns = int(city.timers.terminal * NS_PER_S)
        self._tills = {fitting.terminal: Till(fitting) for fitting in fittings}
        self._groups = [list(self._tills.values())[index::lines] for index in range(lines)]
        self._lines: dict[str, CrowdLine] = {}
        self._dirty: dict[CrowdLine, None] = {}
        self._dialling: dict[asyncio.Task[None], None] = {}
        self._ready: deque[Payment] = deque()
        self._serial = self._heard = 0
        self._waiting: dict[str, Payment] = {}
        self._patience: deque[tuple[int, Payment]] = deque()
        self._taking_back: dict[str, Payment] = {}
        self._back_patience: deque[tuple[int, Payment]] = deque()
        self._owed: list[tuple[int, int, Payment]] = []  # a heap of 0400s and advices: not before, number
        self._owed_ever = 0
        self._keyless = len(self._tills)
        self._signed_on = asyncio.Event()
        self._at: Address | None = None
        self._shown: ssl.SSLContext | None = None
        self.sent: list[Payment] = []
        self.counts: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<crowd of {len(self._tills)}, {len(self._waiting)} waiting, {len(self._owed)} owed>"

    # Before

    async def connect(self, at: Address) -> None:
        """Opens every line and signs every terminal on; TimeoutError when some get no keys."""
        self._at, self._shown = at, self._city.context(ACQUIRER_PAPER, serves=False)
        for group in self._groups:
            await self._dial(group)
        async with asyncio.timeout(_SIGN_ON_SECONDS_MAX):
            await self._signed_on.wait()
        if self._dials:
            self._hang_up()

    async def _dial(self, group: list[Till]) -> None:
        assert self._at is not None
        made = partial(CrowdLine, self.heard, partial(self.lost, group))
        _, line = await asyncio.get_running_loop().create_connection(
            made, self._at.host, self._at.port, ssl=self._shown
        )
        for till in group:
            self._lines[till.fitting.terminal] = line
            if not till.batch.strip("0"):
                who = till.fitting
                line.write(POS.pack(sign_on(who.terminal, who.merchant, 1, till.batch)))

    async def prepare(self, count: int) -> None:
        """Makes payments until `count` are ready, spread over terminals and banks, while all else goes on."""
        tills = list(self._tills.values())
        banks = len(self._city.banks)
        while len(self._ready) < count:
            self._serial += 1
            till = tills[self._serial % len(tills)]
            till.stan += 1
            self._ready.append(self._made(till, self._serial % banks))
            if self._serial % _SLICE == 0:
                self._turn(tick_ns())
                await asyncio.sleep(0)

    def _made(self, till: Till, bank: int) -> Payment:
        """A payment whose amount no other has."""
        ranges = self._city.banks[bank].ranges
        pan = pan_at(ranges[self._serial % len(ranges)], self._entropy.randrange(_CARDS_PER_RANGE))
        luck = self._entropy.random()
        kind = OFFLINE_SALE if luck < self._mix.advices else SALE
        regretted = kind is SALE and luck > 1 - self._mix.taken_back
        pin = pin_of(self._city.seed, pan) if kind is SALE else ""
        purchase = Purchase(pan, VALID, pin, 100 + self._serial)
        who = till.fitting
        message = payment(kind, who.terminal, who.merchant, till.stan, till.batch, purchase, till.keys)
        return Payment(till, till.stan, purchase, bank, kind, regretted, signed(POS, message, till.keys.mac))

    # Meanwhile

    async def offer(self, tps: float, seconds: float) -> Window:
        """So many payments a second on average, at moments drawn beforehand, whatever the answers do."""
        await self.prepare(int(tps * seconds + 6 * (tps * seconds) ** 0.5) + 10)
        first, began_ns = len(self.sent), tick_ns()
        due_ns, ends_ns = began_ns, began_ns + int(seconds * NS_PER_S)
        while (now_ns := tick_ns()) < ends_ns:
            while due_ns <= now_ns:
                self._go(self._ready.popleft(), due_ns)
                due_ns += int(self._entropy.expovariate(tps) * NS_PER_S)
            self._turn(now_ns)
            await asyncio.sleep(_TURN_S)
        return Window(began_ns, ends_ns, self.sent[first:])

    async def rest(self, seconds: float) -> bool:
        """No new payment; what is open goes on. True as soon as nothing is."""
        ends_ns = tick_ns() + int(seconds * NS_PER_S)
        while (now_ns := tick_ns()) < ends_ns:
            if not (self._waiting or self._taking_back or self._owed):
                return True
            self._turn(now_ns)
            await asyncio.sleep(_TURN_S)
        return False

    async def calm(self) -> None:
        """No new payment until every one that left has its answer or has lost its patience."""
        while self._waiting:
            self._turn(tick_ns())
            await asyncio.sleep(_TURN_S)

    def _go(self, one: Payment, due_ns: int) -> None:
        one.due_ns = due_ns
        self.sent.append(one)
        self._ask(one)

    def _ask(self, one: Payment) -> None:
        one.left_ns = tick_ns()
        self._waiting[one.key] = one
        self._patience.append((max(one.due_ns, one.left_ns) + self.patience_ns, one))
        self._say(one.till, one.frame)
        if one.kind is SALE:
            one.frame = b""

    def _say(self, till: Till, frame: bytes) -> None:
        line = self._lines.get(till.fitting.terminal)
        if self._dials:
            self._begin(self._spoken(till, frame))
        elif line is not None:
            line.put(frame)
            self._dirty[line] = None
        else:
            self.counts["said to nobody"] += 1

    async def _spoken(self, till: Till, frame: bytes) -> None:
        """One payment on a connection of its own."""
        assert self._at is not None
        made = partial(CrowdLine, self.heard)
        try:
            _, line = await asyncio.get_running_loop().create_connection(
                made, self._at.host, self._at.port, ssl=self._shown
            )
        except OSError:
            self.counts["not connected"] += 1
            return
        line.write(frame)

    def _turn(self, now_ns: int) -> None:
        """Ends patience, pays what is owed, writes."""
        while self._patience and self._patience[0][0] <= now_ns:
            one = self._patience.popleft()[1]
            if self._waiting.get(one.key) is one and one.left_ns + self.patience_ns <= now_ns:
                del self._waiting[one.key]
                self._given_up(one)
        while self._back_patience and self._back_patience[0][0] <= now_ns:
            one = self._back_patience.popleft()[1]
            if self._taking_back.get(one.key) is one:
                del self._taking_back[one.key]
                self.counts["reversals unanswered"] += 1
                self._owe(one)
        while self._owed and self._owed[0][0] <= now_ns and len(self._taking_back) < len(self._tills):
            self._pay_owed(heappop(self._owed)[2], now_ns)
        for line in self._dirty:
            line.flush()
        self._dirty.clear()

    def _owe(self, one: Payment, pause_ns: int = 0) -> None:
        self._owed_ever += 1
        heappush(self._owed, (tick_ns() + pause_ns, self._owed_ever, one))

    def _given_up(self, one: Payment) -> None:
        self.counts["unanswered"] += 1
        if one.kind is SALE:
            one.slip = NEITHER
        self._owe(one)

    def _pay_owed(self, one: Payment, now_ns: int) -> None:
        if one.kind is not SALE:
            self.counts["advices again"] += 1
            self._ask(one)
            return
        who = one.till.fitting
        request = reversal(who.terminal, who.merchant, one.stan, one.till.batch, one.purchase, "98")
        self.counts["reversals"] += 1
        self._taking_back[one.key] = one
        self._back_patience.append((now_ns + self.patience_ns, one))
        self._say(one.till, signed(POS, request, one.till.keys.mac))

    # What is heard

    def heard(self, payload: bytes) -> None:
        """One frame of the centre."""
        message = POS.unpack(payload)
        terminal = text(message, 41)
        till = self._tills[terminal]
        if message.mti == "0810":
            self._take_keys(till, message)
            return
        self._heard += 1
        if self._heard % _CHECKED_ONE_IN == 0 and not signature_fits(payload, till.keys.mac):
            self.counts["MACs that do not fit"] += 1
        key, code = terminal + text(message, 11), text(message, 39)
        if message.mti == "0410":
            self._reversed(key, code)
        elif (one := self._waiting.pop(key, None)) is not None:
            self._answered(one, code)
        else:
            self.counts["answers too late"] += 1

    def _take_keys(self, till: Till, message: Message) -> None:
        keys = message.fields[62]
        assert isinstance(keys, bytes)
        till.keys = open_working_keys(till.fitting.tmk, keys)
        till.batch = str(message.fields[60])[2:8]
        self._keyless -= 1
        if not self._keyless:
            self._signed_on.set()

    def _answered(self, one: Payment, code: str) -> None:
        now_ns = tick_ns()
        if not one.code:  # an advice keeps its first answer
            one.heard_ns, one.code = now_ns, code
        one.slip = APPROVED if code == "00" else DECLINED
        if one.kind is not SALE and code != "00":
            self._owe(one, _AGAIN_NS)
        elif code in _UNKNOWN or (code == BUSY and self._entropy.random() < self._mix.doubted):
            one.slip = NEITHER
            self._owe(one)
        elif one.regretted and code == "00":
            self._owe(one)

    def _reversed(self, key: str, code: str) -> None:
        one = self._taking_back.pop(key, None)
        if one is None:
            return
        if code in _TAKEN_BACK:
            one.slip = NEITHER
            self.counts["reversals done"] += 1
        else:
            self.counts[f"reversals refused {code}"] += 1
            self._owe(one, _AGAIN_NS)

    # Lines

    def lost(self, group: list[Till]) -> None:
        """A line has ended: what is sent meanwhile is lost, and somebody dials again."""
        self.counts["lines lost"] += 1
        for till in group:
            self._lines.pop(till.fitting.terminal, None)
        self._begin(self._redial(group))

    async def _redial(self, group: list[Till]) -> None:
        while True:
            await asyncio.sleep(_REDIAL_S)
            try:
                await self._dial(group)
            except OSError:
                self.counts["not connected"] += 1
            else:
                return

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._dialling[task] = None
        task.add_done_callback(lambda done: self._dialling.pop(done, None))

    def _hang_up(self) -> None:
        for line in dict.fromkeys(self._lines.values()):
            line.hang_up()
        self._lines.clear()

    def close(self) -> None:
        """Everybody goes home."""
        for task in list(self._dialling):
            task.cancel()
        self._hang_up()

    def slips(self) -> Iterator[dict[str, object]]:
        """What the terminals have printed, as `report.joined` reads it."""
        for one in self.sent:
            yield {
                "pan": one.purchase.pan,
                "terminal": one.till.fitting.terminal,
                "amount": one.purchase.amount_minor,
                "kind": one.kind.name,
                "outcome": one.slip,
            }
