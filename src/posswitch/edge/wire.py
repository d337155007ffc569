"""One TCP connection, either side: frames in, joined writes out, deadlines the gate can read."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import cast

from posswitch.base.bounds import FRAME_BYTES_MAX, PAYLOADS_PER_PASS_MAX
from posswitch.base.errors import FrameError
from posswitch.codec import Framer, framed


class Wire(asyncio.Protocol):
    """A framed connection; `dirty` collects the wires that have something to write at the end of a turn."""

    def __init__(
        self, prefix: str, unsent_bytes_max: int, tick_ns: Callable[[], int], dirty: "dict[Wire, None]"
    ) -> None:
        self._prefix = prefix
        self._unsent_bytes_max = unsent_bytes_max
        self._tick_ns = tick_ns
        self._dirty = dirty
        self._framer = Framer(prefix, FRAME_BYTES_MAX)
        self._transport: asyncio.Transport | None = None
        self._in: deque[bytes] = deque()
        self._out: list[bytes] = []
        self._paused = self._held = False
        self.lost: Exception | None = None
        self.opened_ns = tick_ns()
        self.heard_ns = 0
        self.frame_ns = 0

    @property
    def alive(self) -> bool:
        """Whether a byte handed over now has a transport to go to."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, payload: bytes) -> bool:
        """Queues a payload for this turn's single write; False when nobody is there any more."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._out.append(framed(self._prefix, payload))
        self._dirty[self] = None
        return True

    def flush(self) -> None:
        """Writes what the turn queued, in one call."""
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def cut(self) -> None:
        """Ends the connection at once."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def close(self) -> None:
        """Ends the connection after what was written."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    # What a side makes of it

    def opened(self) -> None:
        """The connection stands."""

    def received(self, payload: bytes) -> None:
        """One complete payload arrived."""

    def closed(self) -> None:
        """The connection is gone."""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sets TCP_NODELAY and takes the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from asyncio's
        self._transport.set_write_buffer_limits(high=self._unsent_bytes_max)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.opened()

    def data_received(self, data: bytes) -> None:
        """Feeds the framer; a malformed frame ends the connection, after the whole ones before it."""
        now = self._tick_ns()
        self.heard_ns = now
        try:
            payloads = self._framer.feed(data)
        except FrameError:
            self.cut()
            return
        if not self._framer.pending_bytes:
            self.frame_ns = 0
        elif payloads or not self.frame_ns:
            self.frame_ns = now
        waiting = bool(self._in)
        self._in.extend(payloads)
        if not waiting:
            self._take()

    def _take(self) -> None:
        """Hands on so many payloads; the rest waits for the next pass, nothing more is read until then."""
        for _ in range(min(len(self._in), PAYLOADS_PER_PASS_MAX)):
            if self._transport is None:  # cut by what came before
                self._in.clear()
                return
            self.received(self._in.popleft())
        if self._transport is None or self._transport.is_closing():
            return
        if self._in:
            self._pause(True)
            asyncio.get_running_loop().call_soon(self._take)
        elif self._framer.broken:
            self.cut()
        elif not self._held:
            self._pause(False)

    def hold(self, seconds: float) -> None:
        """Reads nothing more for so long; what was read is still handed on."""
        if not self._held:
            self._held = True
            self._pause(True)
            asyncio.get_running_loop().call_later(seconds, self._let_go)

    def _let_go(self) -> None:
        self._held = False
        if not self._in:
            self._pause(False)

    def _pause(self, wanted: bool) -> None:
        if self._transport is not None and wanted != self._paused:
            self._paused = wanted
            (self._transport.pause_reading if wanted else self._transport.resume_reading)()

    def pause_writing(self) -> None:
        """The other side does not read: it is gone."""
        self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets what could not be written."""
        self._transport = None
        self.lost = exc
        self._in.clear()
        self._out.clear()
        self.closed()
