"""A market square for measuring under pressure: a node, banks with books in memory, and whoever crowds it."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from posswitch.base.bounds import Timers
from posswitch.base.registry import Address
from posswitch.edge.process import verify_journal
from posswitch.edge.supervisor import Supervisor
from posswitch.journal.vitals import read_gauges
from posswitch.settings.address import address_of
from posswitch.settings.config import load_config
from posswitch.sim.authority import Authority
from posswitch.sim.bench_side import share_out
from posswitch.sim.city import HOST, BankPlan, City, build_city
from posswitch.sim.crowd import Crowd
from posswitch.sim.peers.bank import Bank
from posswitch.sim.peers.book import Book
from posswitch.sim.peers.customer import pin_of
from posswitch.sim.peers.scrutiny import Charter
from posswitch.sim.report import OUTCOMES, joined, outcome

PATIENCE = Timers(
    bank=2.0, centre=3.0, terminal=6.0, reversal=1.0, reversal_max=4.0, flight_max=12.0,
    connect=1.0, echo=5.0, drain=5.0,
)  # fmt: skip
_LINKED_SECONDS_MAX = 20.0
_LOOK_S = 0.1
_OWED = ("open_payments", "open_reversals", "open_advices")
_QUIET_LOOKS = 3  # vitals come four times a second: what looks quiet once may be old
_KEPT = ("pan", "terminal", "amount", "payment", "kind")


class KeptBook(Book):
    """A ledger in memory: a disk would set the pace."""

    def __init__(self, path: Path) -> None:
        """Opens nothing."""
        self._path = path
        self.entries = 0
        self.rows: list[tuple[object, ...]] = []

    def append(self, entry: Mapping[str, object]) -> None:
        """Keeps what a count needs."""
        self.rows.append(tuple(entry[name] for name in _KEPT))
        self.entries += 1

    def close(self) -> None:
        """Nothing to close."""


class Square(NamedTuple):
    """Everybody, and where the node is."""

    city: City
    supervisor: Supervisor
    at: Address
    pid: int
    banks: list[Bank]
    ledgers: list[KeptBook]

    async def drained(self, seconds: float) -> bool:
        """Waits until the node owes nobody anything; False when it still does after so long."""
        quiet, ends = 0, time.monotonic() + seconds
        while quiet < _QUIET_LOOKS and time.monotonic() < ends:
            await asyncio.sleep(_LOOK_S)
            gauges = read_gauges(self.city.data)
            quiet = quiet + 1 if gauges and not any(gauges.get(name) for name in _OWED) else 0
        return quiet >= _QUIET_LOOKS

    def counted(self, crowds: Sequence[Crowd]) -> dict[str, int]:
        """Every payment under one of six outcomes, from the books of banks and terminals."""
        rows = (dict(zip(_KEPT, row, strict=True)) for ledger in self.ledgers for row in ledger.rows)
        slips = (slip for crowd in crowds for slip in crowd.slips())
        outcomes = Counter(outcome(trace) for trace in joined(rows, slips).values())
        return {name: outcomes[name] for name in OUTCOMES}

    async def closed_books(self, crowds: Sequence[Crowd], seconds: float) -> dict[str, Any]:
        """Everything that is owed is paid, the node stops: the count, and what `verify` says."""
        open_at_terminals = [not await crowd.rest(seconds) for crowd in crowds]
        for crowd in crowds:
            crowd.close()
        drained = await self.drained(seconds)
        await self.supervisor.stop()
        findings = await asyncio.to_thread(verify_journal, load_config(self.city.config))
        return {
            **self.counted(crowds),
            "drained": drained and not any(open_at_terminals),
            "verify": findings or "ok",
        }


@contextlib.asynccontextmanager
async def opened_square(
    folder: Path,
    seed: int,
    terminals: int,
    timers: Timers = PATIENCE,
    bank: type[Bank] = Bank,
    authority: Authority | None = None,
    listen: str = HOST,
) -> AsyncIterator[Square]:
    """A node on `listen` that serves all its links, on a core of its own; its banks are well."""
    city = _listening(build_city(folder, seed, terminals, timers, tls=authority), listen)
    supervisor = Supervisor(city.config)
    ledgers = [KeptBook(city.books / plan.id) for plan in city.banks]
    banks = [_bank(bank, city, plan, ledger, seed) for plan, ledger in zip(city.banks, ledgers, strict=True)]
    try:
        for plan, one in zip(city.banks, banks, strict=True):
            for port in plan.line_ports:
                await one.open(HOST, port, city.context(plan.id, serves=True))
        await supervisor.start()
        assert supervisor.node_pid is not None
        share_out(supervisor.node_pid)
        await _linked(city)
        at = address_of(supervisor.listen)._replace(host=HOST)
        yield Square(city, supervisor, at, supervisor.node_pid, banks, ledgers)
    finally:
        await supervisor.stop()
        for one in banks:
            one.close()


def _listening(city: City, host: str) -> City:
    """The same city, its node on another address of this machine."""
    text = city.config.read_text("utf-8")
    city.config.write_text(text.replace(str(city.node), str(city.node._replace(host=host)), 1), "utf-8")
    return city


def _bank(kind: type[Bank], city: City, plan: BankPlan, ledger: Book, seed: int) -> Bank:
    charter = Charter(plan.id, plan.zpk, plan.zak, lambda pan: pin_of(city.seed, pan), plan.dialect)
    entropy = random.Random(f"{seed}/{plan.id}")  # noqa: S311 - shapes a load
    bank = kind(charter, ledger, entropy, time.time_ns, city.timers)
    bank.heal()
    return bank


async def _linked(city: City) -> None:
    links = sum(len(plan.line_ports) for plan in city.banks)
    async with asyncio.timeout(_LINKED_SECONDS_MAX):
        while read_gauges(city.data).get("links_up") != links:  # noqa: ASYNC110 - vitals tell nobody
            await asyncio.sleep(_LOOK_S)
