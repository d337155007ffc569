"""One world: a city of simulated peers around the real node, and the faults that its seed has drawn."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import apsw

from posswitch.base.moment import NS_PER_S
from posswitch.crypto.vault import Vault
from posswitch.edge.node import Node, Ports
from posswitch.edge.start import journal_key
from posswitch.journal.layout import DATABASE
from posswitch.sim.city import MIXED_DIALECTS, PORTS_NEEDED, SHORT_TIMERS, plan_city
from posswitch.sim.peers.manners import ACK, APPROVE, DECLINE
from posswitch.sim.peers.rogue import Rogue
from posswitch.sim.streets import Streets
from posswitch.sim.world.clock import WorldClock
from posswitch.sim.world.disk import Disk
from posswitch.sim.world.faults import draw
from posswitch.sim.world.fittings import CUTOVER_S, FOLDER, Gauges, Page, age, config_of
from posswitch.sim.world.intruder import unseen_at_start
from posswitch.sim.world.keyroom import Keyroom
from posswitch.sim.world.loop import Gone, WorldLoop
from posswitch.sim.world.net import Pipe
from posswitch.sim.world.onlooker import Onlooker

_LOOK_S = 0.05
_HEALED_S_MAX, _RAGE_S_MAX = 120.0, 120.0
_HALF_DEAD_S_MAX = 3 * SHORT_TIMERS.echo + 6.0  # what still comes late, idle, two echoes, their sweeps
_RELINKED_S = 6.0  # the longest pause before a link is dialled again, and its sign-on
_LAST_TERMINALS, _LAST_TPS, _LAST_S = 6, 40.0, 0.5  # where the last customers come, and how many
_LOG = f"{FOLDER / DATABASE}-wal"
_AGAIN_RATE = 0.2  # starts during which the node dies again
_MANNERLY = frozenset({APPROVE.name, DECLINE.name, ACK.name})
_FUSED = frozenset({"kill", "power-cut"})  # counted when they happen
_CUTOVER_NS = (1_789_920_000 + CUTOVER_S) * NS_PER_S  # of 2026-09-21 in Beijing


class World:
    """Everything that one seed makes; `run` takes it from its beginning to its end."""

    def __init__(self, seed: int, requests: int) -> None:
        self.seed = seed
        self.requests = requests
        self.loop = WorldLoop()  # type: ignore[abstract]  # what nobody here calls is left out
        self.entropy = random.Random(f"world {seed}")
        self.mix = draw(self.entropy, seed)
        self.disk = Disk(f"world-{seed}", random.Random(f"disk {seed}"), self.loop.lives)
        self.books: dict[str, Page] = {}
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self.notes: list[tuple[int, str]] = []  # true time, what happened to the node
        self.node: Node | None = None
        self._root = self.entropy.randbytes(32)
        ports = list(range(20_000, 20_000 + PORTS_NEEDED))
        self.city = plan_city(
            FOLDER,
            seed,
            self.mix.terminals,
            SHORT_TIMERS,
            ports,
            MIXED_DIALECTS,
            self.entropy.randbytes,
            mixed=True,
        )
        self.vault = Vault(self._root, self.entropy.randbytes)
        self.keyroom = Keyroom(self._root, seed, self.entropy, network=self.mix.network_hsm)
        self.begin_ns = _CUTOVER_NS - int(self.mix.seconds_to_cutover * NS_PER_S)
        self.config = config_of(self.city, self.keyroom.keeper, self.begin_ns * self.mix.policy)
        self.onlooker = Onlooker(int(SHORT_TIMERS.centre * NS_PER_S))
        self.tricks = self._page(Path("tricks"))
        saw = self.onlooker.saw
        self.streets = Streets(self.city, self.wall_ns, self._page, self.mix.lines, Rogue, saw)
        self.healthy_ns = 0  # from now on every honest payment must be approved
        self.lives_ns: list[int] = []
        self._at_send = self._tempted = False
        self._machine_off_ns = 0  # how far the machine's clock is from the true time
        self._lives = 0
        self._closing = self._raging = False
        self._graves: list[object] = []  # what dead lives left must stay: the dead clean nothing up
        self._died = self._stop = asyncio.Event()
        self._fuse, self._fuse_kind = 0, ""
        self._disk_error: type[apsw.Error] | None = None
        self._disk_error_left = 0
        self._spares_writes = False  # only a sync fails
        self._disk_failed = False  # in this life
        self.disk.before = self._step
        self.loop.net.loop_step = lambda: self._step("")

    def __repr__(self) -> str:
        return f"<world {self.seed}, life {self._lives}, {self.loop!r}>"

    def wall_ns(self) -> int:
        """The true time, which only peers have."""
        return self.begin_ns + self.loop.ns

    def _note(self, what: str) -> None:
        self.notes.append((self.wall_ns(), f"world     {what}"))

    def _page(self, path: Path) -> Page:
        return self.books.setdefault(path.name, Page(path))

    def pages(self, name: str) -> list[Mapping[str, Any]]:
        """The entries of all books of this name."""
        return [row for title, page in self.books.items() if title.startswith(name) for row in page.rows]

    @property
    def _paid(self) -> int:
        return sum(page.entries for title, page in self.books.items() if title.startswith("slips"))

    def faults(self) -> Counter[str]:
        """What went wrong in it, by kind."""
        counts = Counter(self.counts) + Counter(self.streets.line_faults())
        counts.update(
            f"bank-{row['manner']}" for row in self.pages("ledger") if row["manner"] not in _MANNERLY
        )
        return counts

    def run(self) -> None:
        """The whole story."""
        self.loop.run(self._story())

    def bury(self) -> None:
        """Lets go of everything."""
        self.disk.close()
        self.loop.close()
        self._graves.clear()
        self.node = None

    async def _story(self) -> None:
        streets, loop = self.streets, self.loop
        await streets.open()
        await self.keyroom.open()
        for terminal in streets.terminals:
            if isinstance(terminal, Rogue):
                terminal.tempt(self.tricks, vanishes=self.mix.vanishing, tries_cards=self.mix.cards_tried)
        for bank in streets.banks:
            bank.behave(self.mix.sales, self.mix.reversals, self.mix.advices)
        supervising = asyncio.create_task(self._supervise())
        raging = asyncio.create_task(self._rage())
        streets.trade(self.mix.payments_a_second)
        while self._paid < self.requests and loop.time() < _RAGE_S_MAX:  # noqa: ASYNC110 - books tell nobody
            await asyncio.sleep(_LOOK_S)
        streets.shut_shops()
        raging.cancel()
        self._heal()
        await self._settled()
        if not self.violations:
            await self._last_customers()
        self._closing = True
        self._stop.set()
        await supervising
        await streets.close()

    async def _settled(self) -> None:
        """Every terminal has gone home and no bank is owed anything."""
        streets, loop = self.streets, self.loop
        ends = loop.time() + _HEALED_S_MAX
        while not (streets.settled and self._owes_nothing()):
            await asyncio.sleep(_LOOK_S)
            if loop.time() > ends:
                open_ = [terminal for terminal in streets.terminals if terminal.sale is not None]
                self.violations.append(f"not healed after {_HEALED_S_MAX:g} s: {self.node!r} {open_[:2]}")
                break
        if streets.broken is not None:
            raise streets.broken

    async def _last_customers(self) -> None:
        """No line is half dead any more; then honest people pay in a world where all is well."""
        while any(self._half_dead(0.0)):
            await asyncio.sleep(_LOOK_S * 10)
            for since_s in self._half_dead(_HALF_DEAD_S_MAX):
                self.violations.append(
                    f"a link half dead for {self.loop.time() - since_s:.0f} s still stands"
                )
                return
        await asyncio.sleep(_RELINKED_S)
        if lacking := await self.streets.keys_agreed(_HEALED_S_MAX):
            self.violations.append(f"no new key for {lacking}")
        self.healthy_ns = self.wall_ns()
        self._note("the last customers")
        for terminal in self.streets.terminals:
            if isinstance(terminal, Rogue):
                terminal.reform()
        self.streets.reopen(_LAST_TPS, _LAST_TERMINALS)
        await asyncio.sleep(_LAST_S)
        self.streets.shut_shops()
        await self._settled()

    def _half_dead(self, longer_s: float) -> Iterator[float]:
        """Since when, of each link of the living node that has been half dead for longer."""
        for line in self.streets.bank_lines:
            for transport, since_s in line.half_dead():
                pipe = transport.other if isinstance(transport, Pipe) else None
                if pipe is not None and self.loop.lives(pipe.life) and self.loop.time() - since_s > longer_s:
                    yield since_s

    def _owes_nothing(self) -> bool:
        node = self.node
        return node is not None and self.loop.lives(self.disk.life) and not node.open_payments

    # The node's lives

    async def _supervise(self) -> None:
        while not self._closing:
            self._lives += 1
            self._look_in()
            self.lives_ns.append(self.wall_ns())
            life = self.disk.life = f"node {self._lives}"
            self._died, self._stop = asyncio.Event(), asyncio.Event()
            self._disk_failed = False
            self._note(
                f"life {self._lives} of the node begins, its clock is {self._machine_off_ns / 1e9:+.1f} s off"
            )
            served = self.loop.begin(life, self._serve)
            served.add_done_callback(lambda done: self._died.set())
            await self._died.wait()
            error = served.exception() if served.done() else None
            if error is not None and self.loop.lives(life):
                self._refused(error)
                self.loop.end(life)
                self.loop.net.reset(life, silent=False)
            self._graves.append((self.node, served))
            if not self._closing:
                await asyncio.sleep(self.entropy.uniform(0.01, 0.3))
                self.loop.net.power_on()

    def _look_in(self) -> None:
        """Between two lives, the first of which ended at a send: nobody can cut the journal's tail unseen."""
        if not self._at_send or self._tempted:
            return
        self._tempted = True
        unseen = unseen_at_start(self.disk, journal_key(self.vault), self.config.node)
        if unseen:
            self.violations.append(f"life {self._lives} would not see {unseen}")

    def _refused(self, error: BaseException | None) -> None:
        """A start that failed: only a failing disk may be the reason."""
        self.counts["refused-start"] += 1
        self._note(f"it does not start: {error}")
        if not self._disk_failed:
            self.violations.append(f"life {self._lives} did not start: {type(error).__name__}: {error}")

    async def _serve(self) -> None:
        if self._raging and self.entropy.random() < _AGAIN_RATE:
            self._light("kill" if self.entropy.random() < 0.5 else "power-cut", 40)
            self.counts["crash-at-start"] += 1
        machine_ns = self.wall_ns() + self._machine_off_ns
        clock = WorldClock(self.loop, machine_ns, self.entropy)
        hsm = self.keyroom.hsm(clock)
        if self.mix.aged and self._lives == 1:
            age(self.disk, self.vault, self.config.node, self.begin_ns)
            self.counts["numbers-wrap"] += 1
        vault, ports = Vault(self._root, clock.entropy), Ports(clock, self.disk, Gauges(), self._die)
        self.node = Node(self.config, hsm, vault, ports)
        await self.node.serve(self._stop, lambda at: None)

    def _die(self, error: BaseException) -> None:
        """The node gives up: allowed when the disk has failed."""
        if not isinstance(error, apsw.IOError | apsw.FullError):
            self.violations.append(f"the node died of {type(error).__name__}: {error}")
        self.counts["gave-up"] += 1
        self._note(f"the node gives up: {type(error).__name__}: {error}")
        self._end(silent=False)

    def _end(self, *, silent: bool) -> None:
        life = self.disk.life
        self._fuse = 0
        self.loop.end(life)
        self.loop.net.reset(life, silent=silent)
        self._died.set()
        raise Gone

    def _light(self, kind: str, steps_max: int) -> None:
        """The node will die at one of its next steps."""
        self._fuse, self._fuse_kind = self.entropy.randint(1, steps_max), kind

    def _step(self, what: str) -> None:
        """Stands before everything the node writes, on disk (`what`) or to a connection (empty)."""
        if self.loop.life() != self.disk.life:
            return
        if not what:
            owed = self.disk.owes(_LOG)
            if owed:
                self.violations.append(f"life {self._lives} speaks although {owed}")
        if self._fuse:
            self._fuse -= 1
            if not self._fuse:
                self._at_send = not what and self._fuse_kind == "kill"
                self.counts[self._fuse_kind] += 1
                lost = self.disk.power_cut() if self._fuse_kind == "power-cut" else 0
                self.counts["lost-writes"] += lost
                self._note(f"{self._fuse_kind} at {what or 'a send'}, {lost} writes lost or torn")
                self._end(silent=self._fuse_kind == "power-cut")
        if what and self._disk_error is not None and (what == "sync" or not self._spares_writes):
            error = self._disk_error
            self._disk_failed = True
            if self._disk_error_left:
                self._disk_error_left -= 1
                if not self._disk_error_left:
                    self._disk_error = None
            raise error(f"injected at {what}")

    # Faults

    async def _rage(self) -> None:
        self._raging = True
        if not self.mix.strikes:
            return
        total = sum(1 / strike.every_s for strike in self.mix.strikes)
        weights = [1 / strike.every_s for strike in self.mix.strikes]
        while True:
            await asyncio.sleep(self.entropy.expovariate(total))
            (strike,) = self.entropy.choices(self.mix.strikes, weights)
            if strike.name not in _FUSED:
                self.counts[strike.name] += 1
                self._note(strike.name)
            _STRIKES[strike.name](self)

    def _heal(self) -> None:
        self._raging = False
        self._note("everything heals")
        self._fuse = 0
        self._disk_error = None
        self._make_room()
        self.keyroom.mend()
        self.streets.heal()

    def _after(self, seconds: float, what: Callable[[], None]) -> None:
        self.loop.call_later(seconds, what)

    def _kill(self) -> None:
        self._light("kill", 200)

    def _power_cut(self) -> None:
        self._light("power-cut", 200)

    def _write_fails(self) -> None:
        self._disk_error, self._disk_error_left = apsw.IOError, 1
        self._spares_writes = self.entropy.random() < 0.5

    def _disk_broken(self) -> None:
        self._disk_error, self._disk_error_left, self._spares_writes = apsw.IOError, 0, False
        self._after(self.entropy.uniform(0.2, 3.0), self._mend_disk)

    def _disk_full(self) -> None:
        self._disk_error, self._disk_error_left, self._spares_writes = apsw.FullError, 0, False
        self._after(self.entropy.uniform(0.2, 3.0), self._mend_disk)

    def _mend_disk(self) -> None:
        self._disk_error = None

    def _disk_fills(self) -> None:
        self.disk.full = True
        self._after(self.entropy.uniform(0.5, 3.0), self._make_room)

    def _make_room(self) -> None:
        self.disk.full = False

    def _clock_step(self) -> None:
        self._machine_off_ns = int(self.entropy.uniform(-30.0, 30.0) * NS_PER_S)

    def _key_change(self) -> None:
        self.entropy.choice(self.streets.terminals).lose_keys()

    def _bank_away(self) -> None:
        bank = self.entropy.choice(self.streets.banks)
        bank.away()
        self._after(self.entropy.uniform(0.2, 5.0), bank.back)

    def _restart(self) -> None:
        self._stop.set()

    def _terminal_hangs_up(self) -> None:
        self.entropy.choice(self.streets.terminals).hang_up()

    def _hsm_fails(self) -> None:
        self._after(self.keyroom.fail(), self.keyroom.mend)


_STRIKES: dict[str, Callable[[World], None]] = {
    "kill": World._kill,
    "power-cut": World._power_cut,
    "write-fails": World._write_fails,
    "disk-broken": World._disk_broken,
    "disk-full": World._disk_full,
    "disk-fills": World._disk_fills,
    "bank-asks-key": lambda world: world.streets.ask_for_key(world.entropy),
    "bank-loses-key": lambda world: world.streets.lose_key(world.entropy),
    "clock-step": World._clock_step,
    "key-change": World._key_change,
    "bank-away": World._bank_away,
    "hsm-fails": World._hsm_fails,
    "terminal-hangs-up": World._terminal_hangs_up,
    "restart": World._restart,
}
