"""One node under a load, to be measured beside others: its city, its process, its connections."""

import contextlib
import os
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple

from posswitch.base.bounds import Timers
from posswitch.base.registry import Address
from posswitch.edge.supervisor import Supervisor
from posswitch.settings.address import address_of
from posswitch.sim.authority import Authority
from posswitch.sim.city import City, build_city
from posswitch.sim.load import Load, Manner, open_banks

_PURCHASES_PER_S_MAX = 9_000  # frames are prepared for this rate; running out of them shows as idle time


class Side(NamedTuple):
    """A city, its node, and the connections that its terminals share."""

    city: City
    at: Address
    pid: int
    load: Load


@contextlib.asynccontextmanager
async def opened_side(
    folder: Path,
    seed: int,
    terminals: int,
    connections: int,
    authority: Authority | None = None,
    manner: Manner = Manner(),  # noqa: B008 - frozen
    command: Sequence[str] | None = None,
) -> AsyncIterator[Side]:
    """A node that serves, its terminals signed on; with an authority everybody speaks TLS."""
    city = build_city(folder, seed, terminals, Timers(), tls=authority)
    servers = await open_banks(city)
    supervisor = Supervisor(city.config, command)
    await supervisor.start()
    assert supervisor.node_pid is not None
    share_out(supervisor.node_pid)
    load = Load(city, connections, random.Random(seed), manner)  # noqa: S311 - shapes a load
    try:
        at = address_of(supervisor.listen)
        await load.connect(at)
        yield Side(city, at, supervisor.node_pid, load)
    finally:
        await supervisor.stop()
        for server in servers:
            server.close()


async def saturated(side: Side, seconds: float) -> float:
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


def share_out(pid: int) -> None:
    """The node on one core, load and banks on the others, where there are others."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(pid, cores[:1])
        os.sched_setaffinity(0, cores[1:])


def node_cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process, user and system, as the scheduler counts it."""
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())
