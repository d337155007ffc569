"""Strangers in a city: who comes to terminals that nobody uses, clones of terminals, frames sent again."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Coroutine, Sequence

from posswitch.base.registry import Address
from posswitch.sim.city import HOST
from posswitch.sim.orders import Clone, Come, Replay, Unfit
from posswitch.sim.peers.desk import PREFIX
from posswitch.sim.peers.line import Line
from posswitch.sim.peers.quirks import Quirky
from posswitch.sim.peers.strangers import STREAMS
from posswitch.sim.peers.wire import Wire, dial
from posswitch.sim.streets import Streets

ELSEWHERE = "127.66.6.6"  # where nobody else in the city is
_TAPPED_MAX = 5_000
_TAP_S = 0.1
_TAP_SECONDS_MAX = 10.0
_PAYMENTS = (b"\x01\x00", b"\x02\x00")  # MTIs, behind the header, of what is worth sending again
_MTI_AT = 11
_FAREWELL_S = 10.0


class Visitors:
    """All strangers of a city; they leave when they are told to."""

    def __init__(self, streets: Streets) -> None:
        self._streets = streets
        self._closing = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._side_way: Line | None = None
        self._visits = 0

    def __repr__(self) -> str:
        return f"Visitors({len(self._tasks)} here)"

    @property
    def settled(self) -> bool:
        """True when none is left."""
        return not self._tasks

    def come(self, order: Come) -> int:
        """Strangers come to spare terminals; to how many. Unfit where there are none."""
        spare = [one for one in self._streets.spare if isinstance(one, Quirky)][: order.terminals]
        if not spare:
            raise Unfit("no terminal is spare in this city; start it with --calm")
        if self._tasks:
            raise Unfit("strangers are here already; let them leave first")
        city = self._streets.city
        ranges = [row for row in city.ranges if row.prefix.startswith(order.cards or "")]
        if not ranges:
            raise Unfit(f"no bank has cards that begin with {order.cards}")
        self._visits += 1
        pause_s = len(spare) / order.tps
        for place, terminal in enumerate(spare):
            chance = self._chance(f"{order.who} {place}")
            orders = STREAMS[order.who](city.seed, ranges, chance, self._visits)
            self._begin(terminal.follow(orders, pause_s, self._closing))
        return len(spare)

    async def clone(self, order: Clone) -> None:
        """Somebody has built a terminal like this one."""
        fitting = next((one for one in self._streets.city.fittings if one.terminal == order.terminal), None)
        if fitting is None:
            raise Unfit(f"no terminal {order.terminal} is in this city")
        self._visits += 1
        clone = self._streets.fit(fitting, await self._way(), f"clone {self._visits}")
        self._begin(clone.trade(1 / order.tps, self._closing))

    async def replay(self, order: Replay) -> None:
        """Listens in until it has enough, then sends it again."""
        if self._streets.city.node.tls:
            raise Unfit("under TLS nobody can listen in")
        self._begin(self._replayed(order))

    async def _replayed(self, order: Replay) -> None:
        frames = await self._tapped(order.frames)
        wire: Wire | None = None
        try:
            for payload in frames:
                if self._closing.is_set():
                    return
                if wire is None or wire.closed:
                    with contextlib.suppress(OSError):
                        wire = await dial(await self._way(), PREFIX)
                if wire is not None:
                    wire.send(payload)
                    wire.forget()
                await asyncio.sleep(1 / order.per_second)
        finally:
            if wire is not None:
                wire.hang_up()

    async def _tapped(self, wanted: int) -> Sequence[bytes]:
        """Payments that terminals send now."""
        lines = self._streets.terminal_lines
        for line in lines:
            line.taps = deque(maxlen=_TAPPED_MAX)
        loop = asyncio.get_running_loop()
        ends, found = loop.time() + _TAP_SECONDS_MAX, list[bytes]()
        while len(found) < wanted and loop.time() < ends and not self._closing.is_set():
            await asyncio.sleep(_TAP_S)
            heard = (payload for line in lines for payload in line.taps or ())
            found = [one for one in heard if one[_MTI_AT : _MTI_AT + 2] in _PAYMENTS]
        for line in lines:
            line.taps = None
        return found[:wanted]

    def _chance(self, who: str) -> random.Random:
        seed = f"{self._streets.city.seed}/{who}/{self._visits}"
        return random.Random(seed)  # noqa: S311 - shapes a simulation, guards nothing

    async def _way(self) -> Address:
        """A line to the centre from another address."""
        if self._side_way is None:
            self._side_way = self._streets.line(self._streets.city.node, PREFIX, source=ELSEWHERE)
            await self._side_way.open(HOST)
        assert self._side_way.at is not None
        return self._side_way.at

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def leave(self) -> None:
        """Everybody ends what is under way, and goes."""
        self._closing.set()
        tasks = list(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_FAREWELL_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        self._closing = asyncio.Event()
