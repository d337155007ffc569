"""A million purchases on file, by a real node over TCP: its memory on the way, and a crash at the end.

`python -m tests.power.million [--purchases N] [--json]`; exit 1 when something was refused or the journal is
not whole.
"""

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import apsw

from posswitch.base.bounds import SNAPSHOT_EVERY, Timers
from posswitch.base.registry import Address
from posswitch.edge.loop import run_fast
from posswitch.edge.process import verify_journal
from posswitch.edge.supervisor import Supervisor
from posswitch.journal.layout import DATABASE
from posswitch.settings.config import load_config
from posswitch.sim.city import City, build_city
from posswitch.sim.load import Load, open_banks

_TERMINALS, _CONCENTRATORS = 512, 16
_PART = 20_000  # sales whose frames are made beforehand
_STEP = 1_000
_TO_FOLD = int(0.9 * SNAPSHOT_EVERY)  # records after the last snapshot: nearly all that a start ever folds
_IN_FLIGHT_S = 0.2
_CRASHES = 3
_MIB = 1 << 20


async def measured(folder: Path, purchases: int, seed: int) -> dict[str, Any]:
    """The figures: MiB, seconds, purchases a second."""
    city = build_city(folder, seed, _TERMINALS, Timers())
    servers = await open_banks(city)
    load = Load(city, _CONCENTRATORS, random.Random(seed))
    try:
        growth = await _filled(city, load, purchases)
        figures = {"growth": growth, **_on_file(city), "refused": load.refused}
        for name, cold in (("warm", False), ("cold", True)):
            waits = [await _ready(city, cold) for _ in range(_CRASHES)]
            figures[f"ready_{name}_s"], figures[f"ready_{name}_cpu_s"] = map(list, zip(*waits, strict=True))
    finally:
        for server in servers:
            server.close()
    begin = time.monotonic()
    figures["verify"] = verify_journal(load_config(city.config)) or "ok"
    return {**figures, "verify_s": round(time.monotonic() - begin, 1)}


async def _filled(city: City, load: Load, purchases: int) -> list[dict[str, float]]:
    """A node's life: its memory after each tenth; killed with sales in flight, long after a snapshot."""
    supervisor = Supervisor(city.config)
    await supervisor.start()
    try:
        await load.connect(Address(city.node.host, city.node.port))
        rows = [_memory(supervisor, 0, 0.0)]
        for number in range(1, 11):
            tps = await _sold(load, purchases // 10)
            rows.append(_memory(supervisor, number * purchases // 10, tps))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        while _on_file(city)["records_to_fold"] < _TO_FOLD:
            await _sold(load, _STEP)
        load.prepare(_PART)
        await load.saturate(_IN_FLIGHT_S)
        supervisor.kill()
    finally:
        await supervisor.stop()
    return rows


async def _sold(load: Load, purchases: int) -> float:
    """Sells so many; how many a second, without the time that making the frames takes."""
    selling_s = 0.0
    for part in range(0, purchases, _PART):
        load.prepare(min(_PART, purchases - part))
        load.latencies_ns.clear()
        begin = time.monotonic()
        await load.exhaust()
        selling_s += time.monotonic() - begin
    return round(purchases / selling_s)


def _memory(supervisor: Supervisor, purchases: int, tps: float) -> dict[str, float]:
    """What of the node is in memory: all of it, and what is its own (no file behind it)."""
    lines = Path(f"/proc/{supervisor.node_pid}/status").read_text().splitlines()
    kib = {name: int(size.split()[0]) for name, size in (line.split(":") for line in lines) if "kB" in size}
    return {
        "purchases": purchases,
        "rss_mib": round(kib["VmRSS"] / 1024, 1),
        "own_mib": round(kib["RssAnon"] / 1024, 1),
        "tps": tps,
    }


def _on_file(city: City) -> dict[str, float]:
    path = city.data / DATABASE
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    ((records, snapshot),) = db.execute(
        "SELECT (SELECT max(seq) FROM journal), (SELECT ifnull(max(seq), 0) FROM snapshot)"
    ).fetchall()
    db.close()
    return {
        "records": records,
        "records_to_fold": records - snapshot,
        "database_mib": round(path.stat().st_size / _MIB, 1),
        "wal_mib": round(path.with_name(path.name + "-wal").stat().st_size / _MIB, 1),
    }


async def _ready(city: City, cold: bool) -> tuple[float, float]:
    """Seconds from the start of a node until it listens, and of its CPU; it is killed again at once."""
    if cold:
        for path in city.data.glob(f"{DATABASE}*"):
            _forget(path)
    supervisor = Supervisor(city.config)
    begin, spent = time.monotonic(), _children_cpu_s()
    await supervisor.start()
    seconds = time.monotonic() - begin
    supervisor.kill()
    await supervisor.stop()
    return round(seconds, 2), round(_children_cpu_s() - spent, 2)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _forget(path: Path) -> None:
    """Drops a file from the page cache, as a reboot would."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.power.million", description=__doc__)
    parser.add_argument("--purchases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument("--data", type=Path, help="a new folder that is kept")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="posswitch-million-") as folder:
        figures = run_fast(measured(asked.data or Path(folder) / "city", asked.purchases, asked.seed))
    if asked.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name:<16} {value}" for name, value in figures.items()))
    return 1 if figures["refused"] or figures["verify"] != "ok" else 0


if __name__ == "__main__":
    sys.exit(main())
