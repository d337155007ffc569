"""Measures a real node over TCP: its CPU a purchase at saturation and at steady rates, everything on."""

import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from posswitch.edge.loop import run_fast
from posswitch.sim.authority import Authority
from posswitch.sim.bench_codec import yardstick_us
from posswitch.sim.bench_side import node_cpu_ns, opened_side, saturated
from posswitch.sim.load import Load, Manner

FEATURES = [
    "TCP both sides, many terminals behind 16 concentrators, TCP_NODELAY",
    "pos to cups and back, every field checked",
    "terminal MAC (CUP ECB) and bank MAC (X9.19) verified and made",
    "PIN block translated",
    "PAN sealed (AES-GCM) and fingerprinted (HMAC)",
    "repeat key, card limit per day, BIN route",
    "two durable records a purchase (synchronous=FULL), HMAC chain, head file",
    "vitals",
]
_PROTECTIONS = {
    "plain": (Manner(signs=False, pins=False), False),
    "mac": (Manner(pins=False), False),
    "mac_pin": (Manner(), False),
    "tls_mac_pin": (Manner(), True),
}
_TERMINALS, _CONCENTRATORS = 512, 16
_STEADY_TPS = 1000.0
_GUESS_TPS = 9000  # frames are prepared for this rate; running out of them shows as idle time


def run(quick: bool, seed: int) -> dict[str, Any]:
    """The figures; µs and ms, rates per second; medians of five windows (three when quick)."""
    with tempfile.TemporaryDirectory(prefix="posswitch-bench-") as folder:
        return run_fast(_measure(Path(folder), quick, seed))


async def _measure(folder: Path, quick: bool, seed: int) -> dict[str, Any]:
    windows, seconds = (3, 1.0) if quick else (5, 3.0)
    async with opened_side(folder / "city", seed, _TERMINALS, _CONCENTRATORS) as side:
        load, pid = side.load, side.pid
        full = [await _window(load, pid, None, seconds) for _ in range(windows)]
        peak = statistics.median(row["tps"] for row in full)
        steady = [await _window(load, pid, _STEADY_TPS, seconds) for _ in range(windows)]
        easy = [await _window(load, pid, 0.6 * peak, seconds) for _ in range(windows)]
    beside = await side_by_side(folder, seed, windows, seconds)
    return {
        **_medians(full),
        "steady_1000": _medians(steady),
        "at_60_percent": _medians(easy),
        "side_by_side": beside,
        "refused": load.refused,
        "windows": windows,
        "window_s": seconds,
        "features": FEATURES,
    }


async def side_by_side(folder: Path, seed: int, windows: int, seconds: float) -> dict[str, float]:
    """CPU µs a purchase at saturation of nodes in turn, each with one protection more; medians."""
    rows: dict[str, list[float]] = {name: [] for name in _PROTECTIONS}
    async with contextlib.AsyncExitStack() as stack:
        sides = {
            name: await stack.enter_async_context(
                opened_side(
                    folder / name, seed, _TERMINALS, _CONCENTRATORS, Authority() if tls else None, manner,
                    None if manner.signs else (sys.executable, "-m", "posswitch.sim.unsigned_node"),
                )
            )
            for name, (manner, tls) in _PROTECTIONS.items()
        }  # fmt: skip
        for _ in range(windows):
            for name, side in sides.items():
                rows[name].append(await saturated(side, seconds))
    return {name: round(statistics.median(values), 1) for name, values in rows.items()}


async def _window(load: Load, pid: int, tps: float | None, seconds: float) -> dict[str, float]:
    """One window: at a rate, or (None) as fast as answers come."""
    load.prepare(int((tps or _GUESS_TPS) * seconds) + len(load.tills))
    load.latencies_ns.clear()
    yardstick = yardstick_us()
    answers, cpu_ns, begin = load.answers, node_cpu_ns(pid), time.perf_counter()
    await (load.saturate(seconds) if tps is None else load.steady(tps, seconds))
    elapsed = time.perf_counter() - begin
    done = load.answers - answers
    spent_ns = node_cpu_ns(pid) - cpu_ns
    latencies = sorted(load.latencies_ns)
    await load.settle()
    return {
        "cpu_us_per_purchase": spent_ns / 1000 / max(done, 1),
        "tps": done / elapsed,
        "p50_ms": latencies[len(latencies) // 2] / 1e6,
        "p99_ms": latencies[len(latencies) * 99 // 100] / 1e6,
        "node_core_share": spent_ns / 1e9 / elapsed,
        "pyiso8583_us": yardstick or 0.0,
    }


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(row[name] for row in rows), 2) for name in rows[0]}
