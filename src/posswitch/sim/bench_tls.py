"""What TLS costs a node: CPU of a handshake, and of a purchase beside one in clear text."""

import asyncio
import contextlib
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from posswitch.base.bounds import Timers
from posswitch.base.registry import Address
from posswitch.edge.loop import run_fast
from posswitch.edge.supervisor import Supervisor
from posswitch.settings.address import address_of
from posswitch.sim.authority import Authority
from posswitch.sim.bench_codec import yardstick_us
from posswitch.sim.bench_switch import node_cpu_ns, share_out
from posswitch.sim.city import ACQUIRER_PAPER, City, build_city
from posswitch.sim.load import Load, open_banks

_TERMINALS = 64
_PURCHASES_PER_S_MAX = 6_000
_SLOWLY_TPS = 300


class _Side(NamedTuple):
    """A city, its node, and one connection that all its terminals share."""

    city: City
    at: Address
    pid: int
    load: Load


def run(quick: bool = False, seed: int = 1) -> dict[str, Any]:
    """Figures of two nodes in turn, one in clear text and one where everybody speaks TLS; medians."""
    with tempfile.TemporaryDirectory(prefix="posswitch-bench-") as folder:
        return run_fast(_measure(Path(folder), quick, seed))


async def _measure(folder: Path, quick: bool, seed: int) -> dict[str, Any]:
    windows, seconds, handshakes = (3, 1.0, 100) if quick else (5, 3.0, 500)
    rows: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        rows.setdefault(name, []).append(value)

    async with _side(folder / "clear", seed, None) as clear, _side(folder / "tls", seed, Authority()) as tls:
        for _ in range(windows):
            for name, side in (("clear", clear), ("tls", tls)):
                note(f"purchase_{name}_us", await _saturated(side, seconds))
                note(f"purchase_at_{_SLOWLY_TPS}_{name}_us", await _steady(side, seconds))
                note(f"connection_{name}_us", await _connections(side, handshakes))
        refused = clear.load.refused + tls.load.refused
    figures = {name: round(statistics.median(values), 1) for name, values in sorted(rows.items())}
    return {
        **figures,
        "pyiso8583_us": yardstick_us() or 0.0,
        "refused": refused,
        "windows": windows,
        "window_s": seconds,
    }


@contextlib.asynccontextmanager
async def _side(folder: Path, seed: int, authority: Authority | None) -> AsyncIterator[_Side]:
    city = build_city(folder, seed, _TERMINALS, Timers(), tls=authority)
    servers = await open_banks(city)
    supervisor = Supervisor(city.config)
    await supervisor.start()
    assert supervisor.node_pid is not None
    share_out(supervisor.node_pid)
    load = Load(city, 1, random.Random(seed))  # noqa: S311 - shapes a load
    try:
        at = address_of(supervisor.listen)
        await load.connect(at)
        yield _Side(city, at, supervisor.node_pid, load)
    finally:
        await supervisor.stop()
        for server in servers:
            server.close()


async def _saturated(side: _Side, seconds: float) -> float:
    """CPU µs of the node a purchase, every terminal paying as fast as it is answered."""
    load = side.load
    load.prepare(int(_PURCHASES_PER_S_MAX * seconds) + len(load.tills))
    answers, spent_ns = load.answers, node_cpu_ns(side.pid)
    await load.saturate(seconds)
    done, spent_ns = load.answers - answers, node_cpu_ns(side.pid) - spent_ns
    await load.settle()
    for till in load.tills:
        till.frames.clear()
    return spent_ns / 1000 / max(done, 1)


async def _steady(side: _Side, seconds: float) -> float:
    """CPU µs of the node a purchase when they come slowly, so that nearly each has reads and writes alone."""
    load = side.load
    load.prepare(int(_SLOWLY_TPS * seconds) + len(load.tills))
    answers, spent_ns = load.answers, node_cpu_ns(side.pid)
    await load.steady(_SLOWLY_TPS, seconds)
    done, spent_ns = load.answers - answers, node_cpu_ns(side.pid) - spent_ns
    await load.settle()
    return spent_ns / 1000 / max(done, 1)


async def _connections(side: _Side, count: int) -> float:
    """CPU µs of the node a connection that is opened and ended again, its idle work taken off."""
    shown = side.city.context(ACQUIRER_PAPER, serves=False)
    begin_ns, spent_ns = time.perf_counter_ns(), node_cpu_ns(side.pid)
    for _ in range(count):
        _, writer = await asyncio.open_connection(side.at.host, side.at.port, ssl=shown)
        writer.write(b"\0\0")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    took_ns, spent_ns = time.perf_counter_ns() - begin_ns, node_cpu_ns(side.pid) - spent_ns
    idle_ns = node_cpu_ns(side.pid)
    await asyncio.sleep(0.5)
    idle_ns = node_cpu_ns(side.pid) - idle_ns
    return (spent_ns - idle_ns * took_ns / 0.5e9) / 1000 / count
