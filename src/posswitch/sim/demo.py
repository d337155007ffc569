"""The demonstration: a city pays, banks and lines misbehave, the switch is struck, the books are counted."""

import asyncio
import contextlib
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from posswitch.base.errors import ConfigError
from posswitch.edge.process import verify_journal
from posswitch.edge.start import serving_pid
from posswitch.edge.supervisor import Supervisor
from posswitch.journal.batches import read_batches
from posswitch.journal.vitals import read_gauges
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import Config, load_config
from posswitch.sim.authority import Authority
from posswitch.sim.city import HOST, LINKS_PER_BANK, MIXED_DIALECTS, VARIED, City, build_city
from posswitch.sim.levers import Levers
from posswitch.sim.peers.book import read_book
from posswitch.sim.peers.hsm_box import HsmBox
from posswitch.sim.peers.quirks import Quirky
from posswitch.sim.remote import Remote
from posswitch.sim.report import APPROVED, DECLINED, count, explained
from posswitch.sim.streets import CALM_MOOD, Streets
from posswitch.sim.striker import Striker, Switch

DRAIN_SECONDS_MAX = 60.0
HSM_SLOW_S = 0.15  # what an HSM takes that is slow, a command
CALM_SPARE = 32
_TERMINALS_MIN, _TERMINALS_PER_TPS = 60, 0.8
_ENDLESS_PAUSE_S = 60.0  # between kills when nobody said how long it runs
_SETTLED_LOOKS = 3  # vitals come four times a second: what looks quiet once may be old


class DemoOptions(msgspec.Struct, frozen=True):
    """What to run: sales per second, seconds (None = until Ctrl-C), kills of the node, seed, folder."""

    data: Path
    seconds: float | None = 30.0
    tps: float = 300.0
    kills: int = 0
    seed: int = 1
    terminals: int | None = None
    port: int = 0  # where the node listens; 0 = any free port
    tls: bool = False  # everybody speaks TLS
    live: bool = True  # one line a second while it runs
    calm: bool = False  # nothing goes wrong by itself
    spare: int = 0  # terminals that nobody uses, until strangers come
    hsm: bool = False  # the centre's keys lie in an HSM behind the network
    takes_orders: bool = True  # on a socket in the data folder, which keeps its disk mounted


class Beside(Protocol):
    """A program that runs beside the switch."""

    def start(self) -> None:
        """Begins; returns at once."""

    async def stop(self) -> None:
        """Ends."""


def _supervised(city: City) -> Switch:
    return Supervisor(city.config)


def _nobody(city: City) -> Sequence[Beside]:
    return ()


async def run_demo(
    options: DemoOptions,
    switch_in: Callable[[City], Switch] = _supervised,
    out: Callable[[str], None] = print,
    beside: Callable[[City], Sequence[Beside]] = _nobody,
) -> dict[str, Any]:
    """Runs the city around the switch that `switch_in` puts into it; ConfigError when the folder is in use.

    `beside` are programs that run with it; their troubles are not the city's.
    The outcomes in the report come from the banks' ledgers and the terminals' slips alone.
    """
    site = await _built(options)
    city = site.city
    config = load_config(city.config)
    streets = _streets(options, city)
    switch, programs = switch_in(city), beside(city)
    striker = Striker(config, streets, switch, options.seed)
    levers = Levers(config, streets, striker, site.box, site.authority)
    remote = Remote(config.data, levers)
    show = _Show(config, streets, striker, out if options.live else _hush)
    with _interrupts() as interrupted:
        try:
            await streets.open()
            if options.takes_orders:
                await remote.open()
            await switch.start()
            for program in programs:
                program.start()
            show.say(
                f"{len(streets.terminals)} terminals, the centre on {city.node}, all files in {city.folder}"
            )
            streets.trade(options.tps, len(streets.terminals) - options.spare)
            if options.live:
                show.open()
            await _trade(options, striker, show, interrupted)
            show.say("no new sales; lines and banks healed; draining")
            streets.shut_shops()
            await levers.heal()
            drained = await _drained(city, streets)
            if streets.broken is not None:
                raise streets.broken
        finally:
            show.close()
            await remote.close()
            try:
                for program in programs:
                    await program.stop()
                await switch.stop()
            finally:
                await streets.close()
                if site.box is not None:
                    site.box.close()
    return {
        **_counted(city, streets, striker),
        "verify": verify_journal(config) or "ok",
        "drained": drained,
        "seconds": options.seconds,
        "seed": options.seed,
        "data": str(options.data),
    }


def _counted(city: City, streets: Streets, striker: Striker) -> dict[str, Any]:
    """What happened, by the books of all but the centre, and what was done to it."""
    return {
        **count(city.books),
        "batches": explained(read_book(city.books / "batches.jsonl"), read_batches(city.data)),
        "line_faults": streets.line_faults(),
        "in_flight_at_kill": striker.in_flight,
        "kills": len(striker.in_flight),
        "away_seconds": striker.away_seconds,
    }


def _hush(text: str) -> None:
    """Where the live lines go that nobody wants."""


class _Site(NamedTuple):
    """A city, and who signs its certificates and keeps its centre's keys, where somebody else does."""

    city: City
    authority: Authority | None
    box: HsmBox | None


async def _built(options: DemoOptions) -> _Site:
    folder = options.data
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: is not empty; give a new or an empty folder")
    terminals = options.terminals or max(_TERMINALS_MIN, round(options.tps * _TERMINALS_PER_TPS))
    authority, box, hsm_links = Authority() if options.tls else None, None, []
    if options.hsm:
        clock = SystemClock()
        entropy = random.Random(f"{options.seed}/hsm")  # noqa: S311 - of a simulated HSM
        box = HsmBox(clock.entropy(32), entropy, HSM_SLOW_S)
        hsm_links = [str(await box.open(HOST))]
    city = build_city(
        folder,
        options.seed,
        terminals + options.spare,
        node_port=options.port,
        dialects=MIXED_DIALECTS,
        box=box,
        hsm_links=hsm_links,
        tls=authority,
        mixed=True,
        stands_in=True,
        variety=VARIED,
    )
    return _Site(city, authority, box)


def _streets(options: DemoOptions, city: City) -> Streets:
    if options.calm:
        return Streets(city, faults=(), terminal=Quirky, mood=CALM_MOOD)
    return Streets(city, terminal=Quirky)


@contextlib.contextmanager
def _interrupts() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C or SIGTERM sets instead of ending the program."""
    loop = asyncio.get_running_loop()
    interrupted = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    taken = []
    for number in signals:
        with contextlib.suppress(RuntimeError, ValueError):  # only the main thread may take signals
            loop.add_signal_handler(number, interrupted.set)
            taken.append(number)
    try:
        yield interrupted
    finally:
        for number in taken:
            loop.remove_signal_handler(number)


async def _trade(options: DemoOptions, striker: Striker, show: "_Show", interrupted: asyncio.Event) -> None:
    """The trading hours and the blows in them."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    hours_s = options.seconds or _ENDLESS_PAUSE_S * (options.kills + 1)
    for at_s in striker.moments(options.kills, hours_s):
        if await _waited(interrupted, begin + at_s - loop.time()):
            return
        if not await striker.strike():
            show.say("no blow: no sale came through")
            continue
        show.say(f"struck with {striker.in_flight[-1]} sales in flight")
        if not await striker.recovered():
            show.say("the switch does not come back")
            return  # what it owes stays open, and the report says so
        show.say(f"serves again after {striker.away_seconds[-1]} s")
    await _waited(interrupted, None if options.seconds is None else begin + options.seconds - loop.time())


async def _waited(event: asyncio.Event, seconds: float | None) -> bool:
    """Waits for `event` at most so long (None = for ever); True when it has come."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(None if seconds is None else max(seconds, 0)):
            await event.wait()
    return event.is_set()


async def _drained(city: City, streets: Streets) -> bool:
    """Waits until terminals and node have nothing open; False when that takes too long."""
    quiet = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS_MAX):
            while quiet < _SETTLED_LOOKS:
                await asyncio.sleep(0.3)
                quiet = quiet + 1 if streets.settled and _owes_nothing(city) else 0
    return quiet >= _SETTLED_LOOKS


def _owes_nothing(city: City) -> bool:
    """True when the node has no payment or reversal open; without vitals the books must balance."""
    gauges = read_gauges(city.data)
    if "open_payments" in gauges:
        return not any(
            gauges.get(name) for name in ("open_payments", "open_reversals", "open_advices", "needs_owner")
        )
    counted = count(city.books)
    return not counted["lost"] and not counted["unknown"]


class _Show:
    """The live line."""

    def __init__(
        self, config: Config, streets: Streets, striker: Striker, out: Callable[[str], None]
    ) -> None:
        self._config = config
        self._streets = streets
        self._striker = striker
        self._out = out
        self._sold = 0
        self._watch: asyncio.Task[None] | None = None

    def say(self, text: str) -> None:
        """One line with the time before it."""
        self._out(f"{datetime.now(UTC).astimezone():%H:%M:%S} {text}")

    def open(self) -> None:
        """From now on one line a second."""
        self._watch = asyncio.create_task(self._lines())

    def close(self) -> None:
        """No more lines."""
        if self._watch is not None:
            self._watch.cancel()

    async def _lines(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.say(self._line())

    def _line(self) -> str:
        tally = self._streets.tally()
        sold = tally[APPROVED] + tally[DECLINED] + tally["neither"]
        tps, self._sold = sold - self._sold, sold
        return (
            f"{self._state()} · {tps} tps · approved {tally[APPROVED]} · declined {tally[DECLINED]}"
            f" · reversed {tally['neither']} · open {self._streets.open_sales}"
            f" · kills {len(self._striker.in_flight)}"
        )

    def _state(self) -> str:
        if serving_pid(self._config) is None:
            return "异常：交换中心停止，正在重启 / abnormal: the centre is down, restarting"
        gauges = read_gauges(self._config.data)
        links = LINKS_PER_BANK * len(self._streets.city.banks)
        up = int(gauges.get("links_up", 0))
        if not gauges:
            return "异常：交换中心没有报告 / abnormal: the centre does not report"
        if up < links:
            return f"异常：{links - up} 条银行线路断开 / abnormal: {links - up} of {links} bank links down"
        return "交换中心正常 / normal"
