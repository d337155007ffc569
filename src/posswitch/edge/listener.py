"""The front door: connections of terminals, short or long, one or many terminals behind each."""

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from typing import Protocol

from posswitch.base.bounds import (
    ACCEPTS_MAX,
    BAD_FRAMES_MAX,
    BYTES_PER_SECOND_MAX,
    FRAMES_PER_SECOND_MAX,
    UNSENT_BYTES_MAX_TERMINAL,
)
from posswitch.base.errors import ConfigError
from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Address, Registry
from posswitch.edge.doorstep import Doorstep
from posswitch.edge.gate import NO_PEER, Gate
from posswitch.edge.sealed import Reply
from posswitch.edge.tls import Tls, certificate_of
from posswitch.edge.wire import Wire


class Front(Protocol):
    """Who takes what terminals send; False says that the payload was not a message."""

    def from_terminal(self, payload: bytes, reply: Reply) -> bool:
        """Takes one payload."""


class TerminalWire(Wire):
    """One terminal connection; `certificate` is the SHA-256 of what its other side has shown, in hex."""

    def __init__(
        self,
        front: Front,
        gate: Gate,
        tick_ns: Callable[[], int],
        dirty: dict[Wire, None],
        known: Callable[[asyncio.BaseTransport, str], bool] | None = None,
    ) -> None:
        super().__init__("bin2", UNSENT_BYTES_MAX_TERMINAL, tick_ns, dirty)
        self._front = front
        self._gate = gate
        self._known = known  # None in clear text
        self._bad = 0
        self._frames = 0  # since the last read
        self._whole_ns = 0  # when its allowance is whole again
        self._capped = True
        self._stranger = known is None  # a registered certificate speaks for its holder
        self.certificate = ""
        self.peer = NO_PEER  # the address at the other end, without its port

    def opened(self) -> None:
        """Passes the gate or is cut; with TLS only who is known."""
        assert self._transport is not None
        at = self._transport.get_extra_info("peername")
        if at:
            self.peer = str(at[0])
        if self._known is not None:
            self.certificate = certificate_of(self._transport)
            if not self._known(self._transport, self.certificate):
                self.cut()
                return
            self._gate.allowed.vouch(self.peer)
        self._capped = not self._gate.allowed(self.peer)
        if not self._gate.enter(self):
            self.cut()
        elif not self._stranger:
            self._gate.trust(self)

    def data_received(self, data: bytes) -> None:
        """See Wire; who sends more than a second's allowance at once is read more slowly."""
        super().data_received(data)
        if self._capped:
            frames, self._frames = self._frames, 0
            cost_ns = max(
                len(data) * NS_PER_S // BYTES_PER_SECOND_MAX, frames * NS_PER_S // FRAMES_PER_SECOND_MAX
            )
            now_ns = self._tick_ns()
            self._whole_ns = max(self._whole_ns, now_ns) + cost_ns
            over_ns = self._whole_ns - now_ns - NS_PER_S
            if over_ns > 0:
                self._gate.counts["gate-slowed"] += 1
                self.hold(over_ns / NS_PER_S)

    def received(self, payload: bytes) -> None:
        """Hands the payload on; a keep-alive is ignored, too many in a row that nobody can read end it."""
        self._frames += 1
        if not payload:
            return
        if self._front.from_terminal(payload, self):
            self._bad = 0
            if self._stranger:
                self._stranger = False
                self._gate.trust(self)
            return
        self._bad += 1
        if self._bad >= BAD_FRAMES_MAX:
            self._gate.unreadable(self, self._tick_ns())

    def closed(self) -> None:
        """Leaves the gate; what TLS could not decipher is counted."""
        if isinstance(self.lost, ssl.SSLError):
            self._gate.counts["tls-damaged"] += 1
        self._gate.leave(self)


class Listener:
    """The listening socket, in clear text or behind a doorstep of TLS."""

    def __init__(
        self,
        front: Front,
        gate: Gate,
        tick_ns: Callable[[], int],
        dirty: dict[Wire, None],
        tls: Tls | None = None,
        registry: Registry | None = None,
    ) -> None:
        self._make = partial(TerminalWire, front, gate, tick_ns, dirty)
        self._server: asyncio.Server | None = None
        self._doorstep: Doorstep | None = None
        if tls is not None and registry is not None:
            self._doorstep = Doorstep(self._make, gate, tls, registry, tick_ns)

    async def open(self, at: Address) -> Address:
        """Takes the port and says which it is (0 becomes a real one); ConfigError when it is taken."""
        loop = asyncio.get_running_loop()
        try:
            if at.tls:
                assert self._doorstep is not None, "a node has one"
                return self._doorstep.bind(at)
            self._doorstep = None
            self._server = await loop.create_server(
                self._make, at.host, at.port, backlog=ACCEPTS_MAX, start_serving=False
            )
        except OSError as error:
            raise ConfigError(f"node.listen: cannot listen on {at} ({error.strerror})") from None
        host, port = self._server.sockets[0].getsockname()[:2]
        return at._replace(host=host, port=port)

    async def serve(self) -> None:
        """Begins to take connections."""
        if self._doorstep is not None:
            self._doorstep.serve(ACCEPTS_MAX)
        else:
            assert self._server is not None
            await self._server.start_serving()

    def close(self) -> None:
        """Takes no new connection; the open ones stay."""
        if self._doorstep is not None:
            self._doorstep.close()
        if self._server is not None:
            self._server.close()
