"""A client's end of a TCP connection that carries whole frames."""

import asyncio
import ssl
from collections import deque
from typing import cast

from posswitch.base.bounds import FRAME_BYTES_MAX
from posswitch.base.errors import FrameError
from posswitch.base.registry import Address
from posswitch.codec import Framer, framed

_WAITING_MAX = 1024  # frames that nobody has taken yet


class Wire(asyncio.Protocol):
    """One connection; a stream that cannot be cut into frames any more is closed."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._framer = Framer(prefix, FRAME_BYTES_MAX)
        self._inbox: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self.closed = False
        self.fault = ""  # why no more frames can be cut, if so

    def __repr__(self) -> str:
        return f"Wire({'closed' if self.closed else 'open'}, {len(self._inbox)} frames waiting)"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one, but does not inherit

    def data_received(self, data: bytes) -> None:
        try:
            self._inbox.extend(self._framer.feed(data))
        except FrameError as error:
            self.fault = f"the answer cannot be cut into frames: {error}"
            self.hang_up()
        if len(self._inbox) > _WAITING_MAX:
            self.fault = "answers came that nobody asked for, too many to keep"
            self._inbox.clear()
            self.hang_up()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def send(self, payload: bytes) -> None:
        """Sends one frame; into a closed connection it is lost, as on a real line."""
        if self._transport is not None and not self.closed:
            self._transport.write(framed(self._prefix, payload))

    def forget(self) -> None:
        """Nobody wants what has arrived."""
        self._inbox.clear()

    async def receive(self) -> bytes | None:
        """The next payload, or None when the connection has ended."""
        while not self._inbox and not self.closed:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._inbox.popleft() if self._inbox else None

    def hang_up(self) -> None:
        """Ends the connection at once."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()


async def dial(address: Address, prefix: str, tls: ssl.SSLContext | None = None) -> Wire:
    """A new connection, with `tls` over TLS; OSError when nobody answers, or the handshake fails."""
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_connection(lambda: Wire(prefix), address.host, address.port, ssl=tls)
    return wire
