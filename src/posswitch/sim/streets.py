"""The city come to life: banks, lines and terminals on the loopback, around whatever node listens."""

import asyncio
import random
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from posswitch.base.registry import Address
from posswitch.engine.zone import ZONE_USAGES
from posswitch.sim.authority import Authority
from posswitch.sim.city import CENTRE, HOST, LINKS_PER_BANK, BankPlan, City
from posswitch.sim.peers.book import Book
from posswitch.sim.peers.conducts import CALM, LIVELY, Conduct
from posswitch.sim.peers.customer import ODDITIES, Customers, Oddity, is_issued, pin_of
from posswitch.sim.peers.desk import PREFIX as TERMINAL_PREFIX
from posswitch.sim.peers.drawer import FORGETFUL_RATE
from posswitch.sim.peers.line import FAULTS, SEALED, Fault, Line
from posswitch.sim.peers.moody_bank import Told
from posswitch.sim.peers.scrutiny import Charter
from posswitch.sim.peers.seen import Seen
from posswitch.sim.peers.terminal import Fitting, Terminal

_KEEP_CONNECTION_RATE = 0.7
# Certificates of a bank that are not right: whether the authority is known, and from which day to which.
_STRANGE_PAPERS = {"expired": (True, (-30, -1)), "unknown": (False, (-1, 30)), "not-yet": (True, (1, 30))}


class Mood(NamedTuple):
    """How the people of a city are: its banks, its customers, how forgetful its terminals.

    `regional`: the terminals of a town share a line, else all terminals do.
    """

    conduct: Conduct = LIVELY
    oddities: Sequence[Oddity] = ODDITIES
    forgetful_rate: float = FORGETFUL_RATE
    regional: bool = False


CALM_MOOD = Mood(
    CALM,
    (
        Oddity("unknown-bin", 0.002),
        Oddity("expired", 0.004),
        Oddity("wrong-pin", 0.008),
        Oddity("big", 0.002),
    ),
    0.0,
    regional=True,
)


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
        mood: Mood = Mood(),  # noqa: B008 - frozen
    ) -> None:
        """`terminal` makes each of them; `watch` hears what each bank (its number) sees."""
        self.city = city
        self._mood = mood
        self._terminal = terminal
        self._watch = watch
        self._clock_ns = clock_ns
        self._open_book = book
        self._faults = faults
        self.banks: list[Told] = []
        self.lines: list[Line] = []
        self.bank_lines: list[Line] = []
        self.terminal_lines: list[Line] = []
        self.regions: dict[str, Line] = {}
        self.terminals: list[Terminal] = []
        self._books: list[Book] = []
        self._contexts: dict[str, ssl.SSLContext] = {}  # what a bank shows
        self._closing = asyncio.Event()
        self._trading: list[asyncio.Task[None]] = []
        self.spare: list[Terminal] = []  # terminals that nobody uses
        self._customers: list[Customers] = []

    def __repr__(self) -> str:
        return f"Streets({len(self.banks)} banks, {len(self.lines)} lines, {len(self.terminals)} terminals)"

    async def open(self) -> None:
        """Banks and lines listen; terminals are fitted."""
        for plan in self.city.banks:
            await self._open_bank(plan)
        towns = {shop.id: shop.city if self._mood.regional else "" for shop in self.city.merchants}
        ways: dict[str, Address] = {}
        for town in dict.fromkeys(towns.values()):
            line = self.line(self.city.node, TERMINAL_PREFIX)
            self.terminal_lines.append(line)
            ways[town] = await line.open(HOST)
            if town:
                self.regions[town] = line
        self._fit_terminals({shop: ways[town] for shop, town in towns.items()})

    async def _open_bank(self, plan: BankPlan) -> None:
        """A bank and its lines."""
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
            issued=partial(is_issued, ranges=plan.ranges),
        )
        bank = Told(
            charter,
            self._book(f"ledger-{plan.id}.jsonl"),
            self._entropy(plan.id),
            self._clock_ns,
            self.city.timers,
            *self._mood.conduct,
            watch=partial(self._watch, plan.id),
        )
        bank.usual = self._mood.conduct
        self.banks.append(bank)
        shown = self.city.context(plan.id, serves=True)
        if shown is not None:
            self._contexts[plan.id] = shown
        address = await bank.open(HOST, tls=shown)
        for port in plan.line_ports:
            line = self.line(address, plan.framing)
            self.bank_lines.append(line)
            await line.open(HOST, port)

    def _fit_terminals(self, ways: Mapping[str, Address]) -> None:
        """Every terminal, on its merchant's way to the centre."""
        self._batches = self._book("batches.jsonl")
        self._slips = {shop.id: self._book(f"slips-{shop.id}.jsonl") for shop in self.city.merchants}
        self._shown = {shop.id: self.city.context(shop.id, serves=False) for shop in self.city.merchants}
        for fitting in self.city.fittings:
            self.terminals.append(self.fit(fitting, ways[fitting.merchant], fitting.terminal))

    def fit(self, fitting: Fitting, way: Address, name: str) -> Terminal:
        """A terminal that reaches the centre on a way; `name` draws who comes to it."""
        entropy = self._entropy(name)
        customers = Customers(self.city.seed, self.city.ranges, entropy)
        customers.oddities = self._mood.oddities
        self._customers.append(customers)
        return self._terminal(
            fitting,
            way,
            customers,
            self._slips[fitting.merchant],
            entropy,
            self._clock_ns,
            self.city.timers.terminal,
            keeps_connection=entropy.random() < _KEEP_CONNECTION_RATE,
            batches=self._batches,
            foreign=tuple(row.prefix for row in self.city.ranges if row.foreign),
            forgetful_rate=self._mood.forgetful_rate,
            tls=self._shown[fitting.merchant],
        )

    def _entropy(self, who: str) -> random.Random:
        return random.Random(f"{self.city.seed}/{who}")  # noqa: S311 - shapes a simulation, guards nothing

    def _book(self, name: str) -> Book:
        book = self._open_book(self.city.books / name)
        self._books.append(book)
        return book

    def line(self, target: Address, prefix: str, source: str = "") -> Line:
        """A new line, whose connections come from an address; it is not open yet."""
        prefix = SEALED if self.city.node.tls else prefix
        line = Line(target, prefix, self._entropy(f"line {len(self.lines)}"), self._faults, source)
        self.lines.append(line)
        return line

    def trade(self, tps: float, terminals: int | None = None) -> None:
        """Every terminal, or so many, begins to serve customers, `tps` sales a second in all."""
        trading = self.terminals[:terminals]
        self.spare = self.terminals[len(trading) :]
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

    def lines_of(self, bank: str) -> list[Line]:
        """The lines to a bank, in the order of its links."""
        place = next(place for place, plan in enumerate(self.city.banks) if plan.id == bank)
        return self.bank_lines[place * LINKS_PER_BANK : (place + 1) * LINKS_PER_BANK]

    async def plug_in(self) -> None:
        """Every cable is whole again."""
        for line in self.lines:
            await line.plug()

    def show_certificate(self, bank: str, authority: Authority, which: str | None) -> None:
        """From the next connection on a bank shows a strange certificate, one of a table, or its own."""
        folder = self.city.papers
        name = bank if which is None else f"{bank}-{which}"
        if which is not None:
            known, days = _STRANGE_PAPERS[which]
            issuer = authority if known else Authority("somebody else")
            issuer.issue(bank, (HOST,), days).written(folder, name)
        self._contexts[bank].load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")

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

    async def keys_agreed(self, seconds: float) -> list[Told]:
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
