"""What TLS costs a node: CPU of a handshake, and of a purchase beside one in clear text."""

import asyncio
import contextlib
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from posswitch.edge.loop import run_fast
from posswitch.sim.authority import Authority
from posswitch.sim.bench_codec import yardstick_us
from posswitch.sim.bench_side import Side, node_cpu_ns, opened_side, saturated
from posswitch.sim.city import ACQUIRER_PAPER

_TERMINALS = 64
_SLOWLY_TPS = 300


def run(quick: bool = False, seed: int = 1) -> dict[str, Any]:
    """Figures of two nodes in turn, one in clear text and one where everybody speaks TLS; medians."""
    with tempfile.TemporaryDirectory(prefix="posswitch-bench-") as folder:
        return run_fast(_measure(Path(folder), quick, seed))


async def _measure(folder: Path, quick: bool, seed: int) -> dict[str, Any]:
    windows, seconds, handshakes = (3, 1.0, 100) if quick else (5, 3.0, 500)
    rows: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        rows.setdefault(name, []).append(value)

    async with (
        opened_side(folder / "clear", seed, _TERMINALS, 1) as clear,
        opened_side(folder / "tls", seed, _TERMINALS, 1, Authority()) as tls,
    ):
        for _ in range(windows):
            for name, side in (("clear", clear), ("tls", tls)):
                note(f"purchase_{name}_us", await saturated(side, seconds))
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


async def _steady(side: Side, seconds: float) -> float:
    """CPU µs of the node a purchase when they come slowly, so that nearly each has reads and writes alone."""
    load = side.load
    load.prepare(int(_SLOWLY_TPS * seconds) + len(load.tills))
    answers, spent_ns = load.answers, node_cpu_ns(side.pid)
    await load.steady(_SLOWLY_TPS, seconds)
    done, spent_ns = load.answers - answers, node_cpu_ns(side.pid) - spent_ns
    await load.settle()
    return spent_ns / 1000 / max(done, 1)


async def _connections(side: Side, count: int) -> float:
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
