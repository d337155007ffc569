"""The world's network: connections between lives, each in order; who dies is reset, or silent."""

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posswitch.sim.world.loop import WorldLoop

_LATENCY_S = 0.0004
_LATENCY_STEP_S, _LATENCY_STEPS = 0.0001, 7  # connections differ: what leaves first may arrive last
_PORTS_FROM = 40_000


class _Sockname:
    """What stands in for a listening socket."""

    def __init__(self, host: str, port: int) -> None:
        self._at = host, port

    def getsockname(self) -> tuple[str, int]:
        """Where it listens."""
        return self._at


class Server:
    """A listening address of one life; connections wait until it serves."""

    def __init__(self, net: "Net", factory: Callable[[], Any], host: str, port: int) -> None:
        self._net = net
        self._factory = factory
        self._context = copy_context()
        self._at = host, port
        self._serving = False
        self._waiting: list[Pipe] = []
        self.sockets = [_Sockname(host, port)]
        self.life = net.loop.life()

    async def start_serving(self) -> None:
        """Takes what waits and what comes."""
        self._serving = True
        for near in self._waiting:
            self._accept(near)
        self._waiting.clear()

    def close(self) -> None:
        """No new connections."""
        if self._net.listening.get(self._at) is self:
            del self._net.listening[self._at]

    def arrived(self, near: "Pipe") -> None:
        """A connection was opened."""
        if self._serving:
            self._accept(near)
        else:
            self._waiting.append(near)

    def _accept(self, near: "Pipe") -> None:
        near.other = far = Pipe(self._net, self._factory, self._context, self.life, near.latency_s)
        far.other = near
        self._net.loop.call_soon(far.made, context=self._context)


class Pipe(asyncio.Transport):
    """One end of a connection."""

    def __init__(
        self, net: "Net", factory: Callable[[], Any], context: Context, life: str, latency_s: float
    ) -> None:
        super().__init__()
        self.latency_s = latency_s
        self.life = life
        self.other: Pipe | None = None
        self._net = net
        self._factory = factory
        self._protocol: Any = None
        self._context = context
        self._closing = False
        self._lost = False
        self._paused = False
        self._held: list[bytes | None] = []  # arrived while paused, or before the protocol; None = the end
        net.pipes[self] = None

    def made(self) -> None:
        """The protocol takes the connection."""
        self._protocol = self._factory()
        self._protocol.connection_made(self)
        self._hand_on()

    def arrived(self, data: bytes | None) -> None:
        """Bytes, or the end, have come over."""
        if self._lost:
            return
        self._held.append(data)
        self._hand_on()

    def _hand_on(self) -> None:
        while self._held and self._protocol is not None and not self._paused and not self._lost:
            data = self._held.pop(0)
            if data is None:
                self._lose(None)
            else:
                self._protocol.data_received(data)

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = self._closing = True
            self._net.pipes.pop(self, None)
            if self._protocol is not None:
                self._protocol.connection_lost(error)

    def _over(self, data: bytes | None) -> None:
        """Sends over what the other end will see one latency later."""
        other, loop = self.other, self._net.loop
        if other is None or self._lost:
            return
        if not loop.lives(other.life):
            if self._net.up(other):  # the machine is there, the process is not: it says so
                loop.call_later(2 * self.latency_s, self._lose, ConnectionResetError(), context=self._context)
            return
        loop.call_later(self.latency_s, other.arrived, data, context=other._context)

    # asyncio.Transport

    def write(self, data: Any) -> None:
        """See asyncio."""
        if not self._closing:
            self._net.loop_step()
            self._over(bytes(data))

    def close(self) -> None:
        """See asyncio."""
        if not self._closing:
            self._closing = True
            self._over(None)
            self._net.loop.call_soon(self._lose, None, context=self._context)

    abort = close

    def is_closing(self) -> bool:
        """See asyncio."""
        return self._closing

    def pause_reading(self) -> None:
        """See asyncio."""
        self._paused = True

    def resume_reading(self) -> None:
        """See asyncio."""
        self._paused = False
        self._net.loop.call_soon(self._hand_on, context=self._context)

    def get_write_buffer_size(self) -> int:
        """The net takes everything at once."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `get_write_buffer_size`."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """There is no socket behind it."""
        return default


class Net:
    """All connections; `silent` holds the lives whose machine is off."""

    def __init__(self, loop: "WorldLoop") -> None:
        self.loop = loop
        self.listening: dict[tuple[str, int], Server] = {}
        self.pipes: dict[Pipe, None] = {}
        self.loop_step: Callable[[], None] = lambda: None  # the world's: a place to die at
        self._machine_off: dict[str, None] = {}
        self._opened = 0
        self._ports = _PORTS_FROM

    def listen(self, factory: Callable[[], Any], host: str, port: int) -> Server:
        """Takes an address for the life that asks; OSError when it is taken."""
        if not port:
            self._ports += 1
            port = self._ports
        there = self.listening.get((host, port))
        if there is not None and self.loop.lives(there.life):
            raise OSError(98, "Address already in use")
        server = self.listening[host, port] = Server(self, factory, host, port)
        return server

    async def connect(self, factory: Callable[[], Any], host: str, port: int) -> tuple[Pipe, Any]:
        """A new connection; ConnectionRefusedError when nobody listens."""
        self._opened += 1
        latency_s = _LATENCY_S + self._opened % _LATENCY_STEPS * _LATENCY_STEP_S
        near = Pipe(self, factory, copy_context(), self.loop.life(), latency_s)
        await asyncio.sleep(2 * latency_s)
        server = self.listening.get((host, port))
        if server is None or not self.loop.lives(server.life):
            self.pipes.pop(near, None)
            raise ConnectionRefusedError(111, "Connection refused")
        server.arrived(near)
        near.made()
        return near, near._protocol

    def reset(self, life: str, *, silent: bool) -> None:
        """A life has ended: its other ends are told so, or (power cut) hear nothing until they speak."""
        if silent:
            self._machine_off[life] = None
        for pipe in list(self.pipes):
            if pipe.life != life:
                continue
            self.pipes.pop(pipe)
            other = pipe.other
            if other is not None and not silent:
                self.loop.call_later(
                    pipe.latency_s, other._lose, ConnectionResetError(), context=other._context
                )

    def power_on(self) -> None:
        """Every machine runs again: who speaks to a dead process is told so."""
        self._machine_off.clear()

    def up(self, pipe: Pipe) -> bool:
        """Whether the machine behind an end of a connection runs."""
        return pipe.life not in self._machine_off
