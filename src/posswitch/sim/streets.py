"""The city come to life: banks, lines and terminals on the loopback, around whatever node listens."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from posswitch.base.registry import Address
from posswitch.engine.zone import ZONE_USAGES
from posswitch.sim.city import CENTRE, HOST, City
from posswitch.sim.peers.bank import Bank
from posswitch.sim.peers.book import Book
from posswitch.sim.peers.customer import Customers, pin_of
from posswitch.sim.peers.desk import PREFIX as TERMINAL_PREFIX
from posswitch.sim.peers.line import FAULTS, SEALED, Fault, Line
from posswitch.sim.peers.scrutiny import Charter
from posswitch.sim.peers.seen import Seen
from posswitch.sim.peers.terminal import Terminal

_KEEP_CONNECTION_RATE = 0.7


class Streets:
    """All peers of a city; `open` before the node starts, `trade` after it."""

    def __init__(
        self,
        city: City,
        clock_ns: Callable[[], int] = time.time_ns,
        book: Callable[[Path], Book] = Book,
        faults: Sequence[Fault] = FAULTS,
        terminal: type[Terminal] = Terminal,
        watch: Callable[[str, Seen], None] = lambda bank, seen: None,
    ) -> None:
        """`terminal` makes each of them; `watch` hears what each bank (its number) sees."""
        self.city = city
        self._terminal = terminal
        self._watch = watch
        self._clock_ns = clock_ns
        self._open_book = book
        self._faults = faults
        self.banks: list[Bank] = []
        self.lines: list[Line] = []
        self.bank_lines: list[Line] = []
        self.terminals: list[Terminal] = []
        self._books: list[Book] = []
        self._closing = asyncio.Event()
        self._trading: list[asyncio.Task[None]] = []
        self._customers: list[Customers] = []

    def __repr__(self) -> str:
        return f"Streets({len(self.banks)} banks, {len(self.lines)} lines, {len(self.terminals)} terminals)"

    async def open(self) -> None:
        """Banks and lines listen; terminals are fitted."""
        for plan in self.city.banks:
            charter = Charter(
                plan.id,
                plan.zpk,
                plan.zak,
                lambda pan: pin_of(self.city.seed, pan),
                plan.dialect,
                plan.framing,
                plan.mac,
                plan.pin_block,
                plan.zmk,
            )
            ledger = self._book(f"ledger-{plan.id}.jsonl")
            bank = Bank(
                charter,
                ledger,
                self._entropy(plan.id),
                self._clock_ns,
                self.city.timers,
                watch=partial(self._watch, plan.id),
            )
            self.banks.append(bank)
            address = await bank.open(HOST, tls=self.city.context(plan.id, serves=True))
            for port in plan.line_ports:
                line = self._line(address, plan.framing)
                self.bank_lines.append(line)
                await line.open(HOST, port)
        centre = await self._line(self.city.node, TERMINAL_PREFIX).open(HOST)
        batches = self._book("batches.jsonl")
        foreign = tuple(row.prefix for row in self.city.ranges if row.foreign)
        books = {shop.id: self._book(f"slips-{shop.id}.jsonl") for shop in self.city.merchants}
        shown = {shop.id: self.city.context(shop.id, serves=False) for shop in self.city.merchants}
        for fitting in self.city.fittings:
            entropy = self._entropy(fitting.terminal)
            customers = Customers(self.city.seed, self.city.ranges, entropy)
            self._customers.append(customers)
            self.terminals.append(
                self._terminal(
                    fitting,
                    centre,
                    customers,
                    books[fitting.merchant],
                    entropy,
                    self._clock_ns,
                    self.city.timers.terminal,
                    keeps_connection=entropy.random() < _KEEP_CONNECTION_RATE,
                    batches=batches,
                    foreign=foreign,
                    tls=shown[fitting.merchant],
                )
            )

    def _entropy(self, who: str) -> random.Random:
        return random.Random(f"{self.city.seed}/{who}")  # noqa: S311 - shapes a simulation, guards nothing

    def _book(self, name: str) -> Book:
        book = self._open_book(self.city.books / name)
        self._books.append(book)
        return book

    def _line(self, target: Address, prefix: str) -> Line:
        prefix = SEALED if self.city.node.tls else prefix
        line = Line(target, prefix, self._entropy(f"line {len(self.lines)}"), self._faults)
        self.lines.append(line)
        return line

    def trade(self, tps: float, terminals: int | None = None) -> None:
        """Every terminal, or so many, begins to serve customers, `tps` sales a second in all."""
        trading = self.terminals[:terminals]
        pause_s = len(trading) / tps
        self._trading = [asyncio.create_task(terminal.trade(pause_s, self._closing)) for terminal in trading]

    def reopen(self, tps: float, terminals: int) -> None:
        """Another day at the first few terminals, with customers whose cards and PINs are good."""
        for customers in self._customers:
            customers.oddities = ()
        self._closing = asyncio.Event()
        self.trade(tps, terminals)

    def shut_shops(self) -> None:
        """No new customers; what is open goes on, and every terminal settles."""
        self._closing.set()

    def heal(self) -> None:
        """Banks and lines do no more harm."""
        for bank in self.banks:
            bank.heal()
        for line in self.lines:
            line.heal()

    def ask_for_key(self, entropy: random.Random) -> None:
        """Any bank wants a new zone key."""
        entropy.choice(self.banks).ask_for_key(entropy.choice(ZONE_USAGES), CENTRE)

    def lose_key(self, entropy: random.Random) -> None:
        """Any bank has another zone key from now on."""
        entropy.choice(self.banks).lose_key(entropy.choice(ZONE_USAGES))

    async def keys_agreed(self, seconds: float) -> list[Bank]:
        """A bank that has a key nobody else has asks for another until it gets it; those that never do."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        for bank in self.banks:
            bank.doubt_keys()
        while (lacking := [bank for bank in self.banks if bank.lost]) and loop.time() < ends:
            for bank in lacking:
                for usage in bank.lost:
                    bank.ask_for_key(usage, CENTRE)
            await asyncio.sleep(1.0)
        return lacking

    @property
    def settled(self) -> bool:
        """True when every terminal has gone home with nothing open."""
        return all(task.done() for task in self._trading)

    @property
    def open_sales(self) -> int:
        """Payments that are being answered or taken back."""
        return sum(terminal.sale is not None for terminal in self.terminals)

    @property
    def broken(self) -> BaseException | None:
        """What ended a terminal before its time: a mistake of the simulation, never of the node."""
        ended = (task for task in self._trading if task.done() and not task.cancelled())
        return next((task.exception() for task in ended if task.exception()), None)

    async def close(self) -> None:
        """Sends everybody home."""
        for task in self._trading:
            task.cancel()
        await asyncio.gather(*self._trading, return_exceptions=True)
        for line in self.lines:
            line.close()
        for bank in self.banks:
            bank.close()
        for book in self._books:
            book.close()

    def in_flight(self, since_ns: int = 0) -> list[tuple[str, int]]:
        """(field 41, amount) of every payment that was sent after `since_ns` and is not answered."""
        return [sale for terminal in self.terminals if (sale := terminal.in_flight(since_ns)) is not None]

    def at_a_bank(self, sales: list[tuple[str, int]]) -> bool:
        """True when one of `sales` has been posted."""
        return any(not bank.recent().isdisjoint(sales) for bank in self.banks)

    def tally(self) -> Counter[str]:
        """What the terminals have printed so far."""
        return sum((terminal.counts for terminal in self.terminals), Counter())

    def line_faults(self) -> dict[str, int]:
        """Faults of all lines by kind."""
        return dict(sorted(sum((line.counts for line in self.lines), Counter()).items()))
