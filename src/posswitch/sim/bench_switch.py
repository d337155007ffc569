"""Measures a real node over TCP: its CPU a purchase at saturation and at steady rates, everything on."""

import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from posswitch.base.bounds import Timers
from posswitch.edge.loop import run_fast
from posswitch.edge.supervisor import Supervisor
from posswitch.settings.address import address_of
from posswitch.sim.bench_codec import yardstick_us
from posswitch.sim.city import build_city
from posswitch.sim.load import Load, open_banks

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
_TERMINALS, _CONCENTRATORS = 512, 16
_STEADY_TPS = 1000.0
_GUESS_TPS = 9000  # frames are prepared for this rate; running out of them shows as idle time


def run(quick: bool, seed: int) -> dict[str, Any]:
    """The figures; µs and ms, rates per second; medians of five windows (three when quick)."""
    with tempfile.TemporaryDirectory(prefix="posswitch-bench-") as folder:
        return run_fast(_measure(Path(folder) / "city", quick, seed))


async def _measure(folder: Path, quick: bool, seed: int) -> dict[str, Any]:
    city = build_city(folder, seed, _TERMINALS, Timers())
    servers = await open_banks(city)
    supervisor = Supervisor(city.config)
    await supervisor.start()
    pid = supervisor.node_pid
    assert pid is not None
    share_out(pid)
    load = Load(city, _CONCENTRATORS, random.Random(seed))  # noqa: S311 - shapes a load
    try:
        await load.connect(address_of(supervisor.listen))
        windows, seconds = (3, 1.0) if quick else (5, 3.0)
        full = [await _window(load, pid, None, seconds) for _ in range(windows)]
        peak = statistics.median(row["tps"] for row in full)
        steady = [await _window(load, pid, _STEADY_TPS, seconds) for _ in range(windows)]
        easy = [await _window(load, pid, 0.6 * peak, seconds) for _ in range(windows)]
    finally:
        await supervisor.stop()
        for server in servers:
            server.close()
    return {
        **_medians(full),
        "steady_1000": _medians(steady),
        "at_60_percent": _medians(easy),
        "refused": load.refused,
        "windows": windows,
        "window_s": seconds,
        "features": FEATURES,
    }


def share_out(pid: int) -> None:
    """The node on one core, load and banks on the others, where there are others."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(pid, cores[:1])
        os.sched_setaffinity(0, cores[1:])


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


def node_cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process, user and system, as the scheduler counts it."""
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(row[name] for row in rows), 2) for name in rows[0]}
