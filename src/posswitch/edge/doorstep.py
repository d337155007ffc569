"""A TLS listener: what a connection must show, and how much trouble it may be, before it is let in."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import structlog

from posswitch.base.bounds import HANDSHAKE_SECONDS_FAIR, HANDSHAKES_MAX, HANDSHAKES_PER_SECOND_MAX
from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Address, Registry
from posswitch.edge.anteroom import Anteroom
from posswitch.edge.gate import Gate
from posswitch.edge.tls import Tls, subject_of, why_failed

log = structlog.get_logger()
_FAIR_NS = int(HANDSHAKE_SECONDS_FAIR * NS_PER_S)
_NO_DESCRIPTOR_S = 0.2
_LOOK_S = 0.05  # somebody may be through before the oldest has had its time
_SPACING_S = 1 / HANDSHAKES_PER_SECOND_MAX
_BURST_S = HANDSHAKES_MAX * _SPACING_S
Knows = Callable[[asyncio.BaseTransport, str], bool]  # by its certificate's SHA-256
_SAY_AGAIN_NS = 60 * NS_PER_S  # one line a minute for each reason; the counters have them all


class Doorstep:
    """Accepts, refuses cheaply, and shakes hands; whoever gets through is a protocol that `make` made.

    That one asks `knows` with the certificate, as soon as the handshake is through.
    """

    def __init__(
        self,
        make: Callable[[Knows], asyncio.Protocol],
        gate: Gate,
        tls: Tls,
        registry: Registry,
        tick_ns: Callable[[], int],
    ) -> None:
        self._make = lambda: make(self._knows)
        self._gate = gate
        self._tls = tls
        self._registry = registry
        self._tick_ns = tick_ns
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._anteroom = Anteroom(self._said_hello, self._failed, tls.patience_s)
        self._hellos: deque[tuple[socket.socket, str]] = deque()  # whole, and no handshake begun
        self._turn_comes = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], int] = {}  # the oldest first, since when
        self._said_ns: dict[str, int] = {}
        self._whole_s = 0.0  # when the allowance of handshakes is whole again, in the loop's time

    def __repr__(self) -> str:
        return f"<doorstep, {self._anteroom!r}, {len(self._under_way)} handshakes under way>"

    def __len__(self) -> int:
        return len(self._anteroom) + len(self._hellos) + len(self._under_way)

    def bind(self, at: Address) -> Address:
        """Takes the address and says which it is; OSError when it is taken."""
        port = at.port
        kinds = socket.getaddrinfo(at.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, where in kinds:
            bound = socket.socket(family, kind, protocol)
            self._sockets.append(bound)
            bound.setblocking(False)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((where[0], port, *where[2:]))
            port = bound.getsockname()[1]
        return at._replace(port=port)

    def serve(self, backlog: int) -> None:
        """Begins to take connections."""
        for bound in self._sockets:
            bound.listen(backlog)
            self._accepting.append(asyncio.create_task(self._accept(bound), name="doorstep"))
        self._accepting.append(asyncio.create_task(self._take_turns(), name="handshakes"))

    def close(self) -> None:
        """Takes no new connection; handshakes under way end."""
        for task in (*self._accepting, *self._under_way):
            task.cancel()
        self._anteroom.close()
        while self._hellos:
            self._hellos.popleft()[0].close()
        if not self._accepting:
            self._close_sockets()

    def _close_sockets(self) -> None:
        for bound in self._sockets:
            bound.close()

    async def _accept(self, bound: socket.socket) -> None:
        """One connection in each pass of the loop; with too many hellos the others wait in the kernel."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    connection, peer = await loop.sock_accept(bound)
                except OSError:  # no descriptor left, or gone before it was taken
                    self._gate.counts["tls-accept-failed"] += 1
                    await asyncio.sleep(_NO_DESCRIPTOR_S)
                    continue
                self._greet(connection, str(peer[0]))
                await asyncio.sleep(0 if len(self._hellos) < HANDSHAKES_MAX else _SPACING_S)
        finally:
            self._close_sockets()  # here, when the loop has let go of them

    def _said_hello(self, connection: socket.socket, peer: str) -> None:
        self._hellos.append((connection, peer))
        self._turn_comes.set()

    async def _take_turns(self) -> None:
        """Handshakes in the order of their hellos, in a flood only so many a second: others pay on."""
        loop = asyncio.get_running_loop()
        while True:
            await self._turn_comes.wait()
            self._turn_comes.clear()
            while self._hellos:
                while (wait_s := self._until_room_s()) > 0:  # noqa: ASYNC110 - time passes by itself
                    await asyncio.sleep(min(wait_s, _LOOK_S))
                self._begin(*self._hellos.popleft())
                await asyncio.sleep(self._pause_s(loop.time()))

    def _pause_s(self, now_s: float) -> float:
        """How long the next one waits (the generic cell rate algorithm)."""
        self._whole_s = max(self._whole_s, now_s) + _SPACING_S
        return max(self._whole_s - now_s - _BURST_S, 0.0)

    def _greet(self, connection: socket.socket, peer: str) -> None:
        """Before a byte is read: is there room for one more connection of this peer?"""
        if self._gate.refuses(peer, self._tick_ns()):
            connection.close()
        else:
            self._anteroom.enter(connection, peer)

    def _begin(self, connection: socket.socket, peer: str) -> None:
        task = asyncio.create_task(self._shake(connection, peer), name="handshake")
        self._under_way[task] = self._tick_ns()
        task.add_done_callback(self._ended)

    def _until_room_s(self) -> float:
        """How long until one more may begin; the oldest is cut when it has had its fair time.

        Who is slow on purpose blocks nobody, and whoever has said hello waits for his turn.
        """
        if len(self._under_way) < HANDSHAKES_MAX:
            return 0.0
        oldest, since_ns = next(iter(self._under_way.items()))
        left_ns = since_ns + _FAIR_NS - self._tick_ns()
        if left_ns <= 0:
            del self._under_way[oldest]
            oldest.cancel()
            self._gate.counts["tls-crowded-out"] += 1
        return left_ns / NS_PER_S

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)

    async def _shake(self, connection: socket.socket, peer: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._make, connection, **self._tls.accepting())
        except asyncio.CancelledError:
            with suppress(OSError):
                connection.close()
            raise
        except (OSError, ValueError) as error:
            self._failed(why_failed(error) or "cut", peer)

    def _knows(self, transport: asyncio.BaseTransport, certificate: str) -> bool:
        """Whether a source holds this certificate; an authority's word alone opens nothing."""
        shown = transport.get_extra_info("peercert")
        source = self._registry.source_of(certificate)
        if source is None or self._tls.expiry.ended(shown):
            peer = (transport.get_extra_info("peername") or ("?",))[0]
            why = "unregistered" if source is None else "expired"
            self._failed(why, str(peer), subject_of(shown), certificate)
            return False
        self._tls.expiry.seen(f"source {source.id}", shown)
        self._gate.counts["tls-ok"] += 1
        return True

    def _failed(self, why: str, peer: str, subject: str = "", certificate: str = "") -> None:
        self._gate.counts[f"tls-{why}"] += 1
        now_ns = self._tick_ns()
        if now_ns >= self._said_ns.get(why, now_ns):
            self._said_ns[why] = now_ns + _SAY_AGAIN_NS
            shown = {"subject": subject, "sha256": certificate} if certificate else {}
            log.warning("tls refused", why=why, peer=peer, **shown)
