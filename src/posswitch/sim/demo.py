"""The demonstration: a city pays, banks and lines misbehave, the node is killed, the books are counted."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from posswitch.base.errors import ConfigError
from posswitch.edge.node import verify_journal
from posswitch.edge.supervisor import Supervisor
from posswitch.edge.vitals import read_gauges
from posswitch.journal.batches import read_batches
from posswitch.settings.config import load_config
from posswitch.sim.city import LINKS_PER_BANK, MIXED_DIALECTS, City, build_city
from posswitch.sim.peers.book import read_book
from posswitch.sim.report import APPROVED, DECLINED, count, explained
from posswitch.sim.streets import Streets

DRAIN_SECONDS_MAX = 60.0
_TERMINALS_MIN, _TERMINALS_PER_TPS = 60, 0.8
_LOOK_S = 0.005  # how often the killer looks for payments in flight
_CHOOSY_SECONDS, _KILL_SECONDS_MAX = 3.0, 20.0
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
    live: bool = True  # one line a second while it runs


async def run_demo(
    options: DemoOptions,
    node_command: Sequence[str] | None = None,
    out: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Runs the city and returns the report; ConfigError when the folder is in use.

    The outcomes in the report come from the banks' ledgers and the terminals' slips alone.
    """
    city = _built(options)
    streets = Streets(city)
    supervisor = Supervisor(city.config, node_command)
    show = _Show(city, streets, supervisor, out if options.live else _hush)
    with _interrupts() as interrupted:
        try:
            await streets.open()
            await supervisor.start()
            show.say(
                f"{len(streets.terminals)} terminals, the centre on {city.node}, all files in {city.folder}"
            )
            streets.trade(options.tps)
            show.open()
            await _trade(options, streets, supervisor, show, interrupted)
            show.say("no new sales; lines and banks healed; draining")
            streets.shut_shops()
            streets.heal()
            drained = await _drained(city, streets)
            if streets.broken is not None:
                raise streets.broken
        finally:
            show.close()
            try:
                await supervisor.stop()
            finally:
                await streets.close()
    findings = verify_journal(load_config(city.config))
    return {
        **count(city.books),
        "batches": explained(read_book(city.books / "batches.jsonl"), read_batches(city.data)),
        "line_faults": streets.line_faults(),
        "in_flight_at_kill": show.in_flight_at_kill,
        "kills": len(show.in_flight_at_kill),
        "verify": findings or "ok",
        "drained": drained,
        "seconds": options.seconds,
        "seed": options.seed,
        "data": str(options.data),
    }


def _hush(text: str) -> None:
    """Where the live lines go that nobody wants."""


def _built(options: DemoOptions) -> City:
    folder = options.data
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: is not empty; give a new or an empty folder")
    terminals = options.terminals or max(_TERMINALS_MIN, round(options.tps * _TERMINALS_PER_TPS))
    return build_city(folder, options.seed, terminals, node_port=options.port, dialects=MIXED_DIALECTS)


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


async def _trade(
    options: DemoOptions, streets: Streets, supervisor: Supervisor, show: "_Show", interrupted: asyncio.Event
) -> None:
    """The trading hours, the kills spread evenly over them."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    for number in range(1, options.kills + 1):
        at = begin + (options.seconds or 60.0 * (options.kills + 1)) * number / (options.kills + 1)
        if await _waited(interrupted, at - loop.time()):
            return
        await _kill(streets, supervisor, show)
    await _waited(interrupted, None if options.seconds is None else begin + options.seconds - loop.time())


async def _kill(streets: Streets, supervisor: Supervisor, show: "_Show") -> None:
    """kill -9 while payments are in flight, one of them already posted by its bank unless that is rare."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    while loop.time() < begin + _KILL_SECONDS_MAX:
        sales = streets.in_flight()
        choosy = loop.time() < begin + _CHOOSY_SECONDS
        if sales and supervisor.node_pid and (streets.at_a_bank(sales) or not choosy):
            supervisor.kill()
            show.in_flight_at_kill.append(len(sales))
            show.say(f"kill -9, {len(sales)} sales in flight")
            return
        await asyncio.sleep(_LOOK_S)


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
        self, city: City, streets: Streets, supervisor: Supervisor, out: Callable[[str], None]
    ) -> None:
        self._city = city
        self._streets = streets
        self._supervisor = supervisor
        self._out = out
        self._sold = 0
        self._watch: asyncio.Task[None] | None = None
        self.in_flight_at_kill: list[int] = []

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
            f" · kills {len(self.in_flight_at_kill)}"
        )

    def _state(self) -> str:
        if self._supervisor.node_pid is None:
            return "异常：交换中心停止，正在重启 / abnormal: the centre is down, restarting"
        gauges = read_gauges(self._city.data)
        links = LINKS_PER_BANK * len(self._city.banks)
        up = int(gauges.get("links_up", 0))
        if not gauges:
            return "异常：交换中心没有报告 / abnormal: the centre does not report"
        if up < links:
            return f"异常：{links - up} 条银行线路断开 / abnormal: {links - up} of {links} bank links down"
        return "交换中心正常 / normal"
