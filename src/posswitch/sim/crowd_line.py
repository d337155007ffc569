"""One connection of a crowd to the centre: frames out, joined; answers in."""

import asyncio
from collections.abc import Callable
from typing import cast

from posswitch.base.bounds import FRAME_BYTES_MAX
from posswitch.codec import Framer, framed

PREFIX = "bin2"


class CrowdLine(asyncio.Protocol):
    """One connection: to a line that somebody redials when it is `lost`, or, without that, to one payment."""

    def __init__(self, heard: Callable[[bytes], None], lost: Callable[[], None] | None = None) -> None:
        self._heard = heard
        self._lost = lost
        self._framer = Framer(PREFIX, FRAME_BYTES_MAX)
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def put(self, payload: bytes) -> None:
        """Queues one frame; `flush` writes."""
        self._out.append(framed(PREFIX, payload))

    def write(self, payload: bytes) -> None:
        """Writes one frame now."""
        if self._transport is not None:
            self._transport.write(framed(PREFIX, payload))

    def flush(self) -> None:
        """Writes what is queued, in one call."""
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def data_received(self, data: bytes) -> None:
        """Answers."""
        for payload in self._framer.feed(data):
            self._heard(payload)
        if self._lost is None:
            self.hang_up()

    def hang_up(self) -> None:
        """Ends it from this side."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side, or nobody any more."""
        ours = self._transport is None
        self._transport = None
        if not ours and self._lost is not None:
            self._lost()
