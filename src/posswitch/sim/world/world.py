"""One world: a city of simulated peers around the real node, and the faults that its seed has drawn."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from posswitch.base.bounds import Timers
from posswitch.base.errors import PosswitchError
from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Address, Bank, Bin, Limits, Merchant, Registry, Terminal
from posswitch.crypto.hsm import SoftHsm, Usage
from posswitch.edge.node import Node, Ports
from posswitch.edge.vitals import Vitals
from posswitch.settings.config import Config
from posswitch.sim.city import (
    ACQUIRER,
    CARD_DAILY_MINOR,
    CENTRE,
    HOST,
    MIXED_DIALECTS,
    PORTS_NEEDED,
    SHORT_TIMERS,
    City,
    plan_city,
)
from posswitch.sim.peers.book import Book
from posswitch.sim.streets import Streets
from posswitch.sim.world.clock import WorldClock
from posswitch.sim.world.disk import Disk
from posswitch.sim.world.loop import Gone, WorldLoop

FOLDER = Path("/world")
_LOOK_S = 0.05
_HEALED_S_MAX = 90.0


class Page(Book):
    """A book in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: list[Mapping[str, Any]] = []
        self.entries = 0

    def append(self, entry: Mapping[str, object]) -> None:
        """See Book."""
        self.rows.append(entry)

    def close(self) -> None:
        """See Book."""


class Gauges(Vitals):
    """Vitals that nobody reads."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.drift = _NoDrift()  # type: ignore[assignment]

    def outcome(self, bank: str, code: str, latency_ns: int) -> None:
        """See Vitals."""
        self.counts[code] += 1

    def write(self, at_ns: int, gauges: dict[str, float]) -> None:
        """See Vitals."""

    def close(self) -> None:
        """See Vitals."""


class _NoDrift:
    def note(self, *_: object) -> None:
        pass


def config_of(city: City, hsm: SoftHsm, cutover_s: int) -> Config:
    """What a node of this city starts from."""
    rows: list[Bank | Bin | Merchant | Terminal] = []
    for bank in city.banks:
        links = tuple(Address(HOST, port) for port in bank.line_ports)
        zpk, zak = hsm.wrap(Usage.ZPK, bank.zpk), hsm.wrap(Usage.ZAK, bank.zak)
        rows.append(Bank(bank.id, bank.name_zh, bank.name_en, links, zpk, zak, bank.dialect, bank.framing))
        rows += [Bin(row.prefix, row.pan_digits, bank.id, row.foreign) for row in bank.ranges]
    rows += [Merchant(*shop) for shop in city.merchants]
    rows += [
        Terminal(row.terminal, row.merchant, hsm.wrap(Usage.TMK, row.tmk)) for row in city.fittings
    ]
    return Config(
        version="world",
        node="1",
        listen=city.node,
        data=FOLDER,
        secret=FOLDER / "secret.key",
        acquirer=ACQUIRER,
        centre=CENTRE,
        timers=city.timers,
        limits=Limits(CARD_DAILY_MINOR),
        cutover_s=cutover_s,
        registry=Registry(rows),
    )


class World:
    """Everything that one seed makes; `run` takes it from its beginning to its end."""

    def __init__(self, seed: int, requests: int) -> None:
        self.seed = seed
        self.requests = requests
        self.loop = WorldLoop()
        self.entropy = random.Random(f"world {seed}")
        self.machine_ns = 1_790_000_000 * NS_PER_S
        self.disk = Disk(f"world-{seed}", random.Random(f"disk {seed}"), self.loop.lives)
        self.books: dict[str, Page] = {}
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self.node: Node | None = None
        self.lives = 0
        self._root = self.entropy.randbytes(32)
        ports = list(range(20_000, 20_000 + PORTS_NEEDED))
        self.city = plan_city(
            FOLDER, seed, 24, SHORT_TIMERS, ports, MIXED_DIALECTS, self.entropy.randbytes
        )
        self.hsm = SoftHsm(self._root, self.entropy.randbytes)
        self.config = config_of(self.city, self.hsm, 82_800)
        self.streets = Streets(self.city, self.wall_ns, self._page)
        self._stop = asyncio.Event()
        self._healthy = False
        self._graves: list[object] = []

    def wall_ns(self) -> int:
        """The true time, which only peers have."""
        return self.machine_ns + self.loop.ns

    def _page(self, path: Path) -> Page:
        return self.books.setdefault(path.name, Page(path))

    def run(self) -> None:
        """The whole story."""
        try:
            self.loop.run(self._story())
        finally:
            self.loop.close()

    async def _story(self) -> None:
        streets, loop = self.streets, self.loop
        await streets.open()
        supervising = asyncio.create_task(self._supervise())
        await asyncio.sleep(0.2)
        streets.trade(2000)
        slips = [page for name, page in self.books.items() if name.startswith("slips")]
        while sum(len(page.rows) for page in slips) < self.requests:
            await asyncio.sleep(_LOOK_S)
        streets.shut_shops()
        streets.heal()
        ends = loop.time() + _HEALED_S_MAX
        while not (streets.settled and self._owes_nothing()):
            await asyncio.sleep(_LOOK_S)
            if loop.time() > ends:
                self.violations.append(f"not healed after {_HEALED_S_MAX:g} s: {self.node!r}")
                break
        if streets.broken is not None:
            raise streets.broken
        self._stop.set()
        await supervising
        await streets.close()

    def _owes_nothing(self) -> bool:
        node = self.node
        return node is not None and not node._state.flights

    async def _supervise(self) -> None:
        while not self._stop.is_set():
            self.lives += 1
            life = self.disk.life = f"node {self.lives}"
            served = self.loop.begin(life, self._serve)
            await served

    async def _serve(self) -> None:
        clock = WorldClock(self.loop, self.wall_ns(), self.entropy)
        hsm = SoftHsm(self._root, clock.entropy)
        self.node = Node(self.config, hsm, Ports(clock, self.disk, Gauges(), self._die))
        await self.node.serve(self._stop, lambda at: None)

    def _die(self, error: BaseException) -> None:
        self.violations.append(f"the node died of {type(error).__name__}: {error}")
        self.loop.end(self.loop.life())
        raise Gone
