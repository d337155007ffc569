"""One connection from the centre to a bank."""

import asyncio
from collections.abc import Callable
from typing import cast

from posswitch.base.bounds import FRAME_BYTES_MAX, FRAME_SECONDS_MAX, UNSENT_BYTES_MAX_BANK
from posswitch.base.errors import FrameError
from posswitch.codec import Framer, framed

CLOSED = "closed"
PREFIX = "ascii4"  # what `cups` is framed with


def _nothing(link: "BankLink", what: str) -> None:
    pass


class BankLink(asyncio.Protocol):
    """Hands every payload to `arrived`; stands in `links` while it is connected."""

    def __init__(
        self,
        arrived: Callable[["BankLink", bytes], None],
        links: "dict[BankLink, None]",
        prefix: str = PREFIX,
        happened: "Callable[[BankLink, str], None]" = _nothing,
    ) -> None:
        self._prefix = prefix
        self._arrived = arrived
        self._links = links
        self._happened = happened
        self._framer = Framer(prefix, FRAME_BYTES_MAX)
        self._transport: asyncio.Transport | None = None
        self._partial_since = 0.0
        self._ended = asyncio.Event()

    def __repr__(self) -> str:
        return f"BankLink({self._framer!r})"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one, but does not inherit
        self._links[self] = None
        peer = transport.get_extra_info("peername") or ("?", 0)
        self._happened(self, f"open, {peer[0]}:{peer[1]} is there")

    def connection_lost(self, exc: Exception | None) -> None:
        self._links.pop(self, None)
        self._ended.set()
        self._happened(self, CLOSED)

    @property
    def port(self) -> int:
        """The port of the bank that it leads to, 0 when it has ended."""
        at = self._transport.get_extra_info("sockname") if self._transport is not None else None
        return int(at[1]) if at else 0

    async def ended(self) -> None:
        """Returns when the connection has ended."""
        await self._ended.wait()

    def data_received(self, data: bytes) -> None:
        try:
            payloads = self._framer.feed(data)
        except FrameError as error:
            self._happened(self, f"cannot be cut into frames any more ({error}), hung up")
            self.hang_up()
            return
        for payload in payloads:
            if payload:  # an empty frame only keeps the line alive
                self._arrived(self, payload)
        self._watch_partial(progressed=bool(payloads))

    def _watch_partial(self, *, progressed: bool) -> None:
        """A frame that never ends has a damaged length: only a new connection helps."""
        now = asyncio.get_running_loop().time()
        if progressed or not self._framer.pending_bytes or not self._partial_since:
            self._partial_since = now if self._framer.pending_bytes else 0.0
        elif now - self._partial_since > FRAME_SECONDS_MAX:
            self._happened(self, f"a frame does not end ({self._framer!r}), hung up")
            self.hang_up()

    def send(self, payload: bytes) -> None:
        """Sends a frame; on a link that is gone it is lost."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(framed(self._prefix, payload))
        if self._transport.get_write_buffer_size() > UNSENT_BYTES_MAX_BANK:
            self._happened(self, "the other side does not read, hung up")
            self.hang_up()

    def hang_up(self) -> None:
        """Ends the connection at once."""
        if self._transport is not None:
            self._transport.abort()
