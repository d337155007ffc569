"""The cable of a line: whole, pulled, which nobody is told, or cut, which ends connections rudely."""

import asyncio
import contextlib
import socket
import struct
from enum import StrEnum

_REBIND_S, _REBIND_TRIES = 0.01, 100  # a listener that was just closed may need a moment
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: nothing is sent but a reset


class Cable(StrEnum):
    """What a line hangs on."""

    WHOLE = "whole"
    PULLED = "pulled"
    CUT = "cut"


class Way(StrEnum):
    """Which direction suffers: from who dialled, back to it, or both."""

    BOTH = "both"
    THERE = "there"
    BACK = "back"


class DeafListener:
    """A port on which connection requests vanish, as behind a pulled cable: its queue is full for ever."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._sockets = sockets

    def __repr__(self) -> str:
        return f"DeafListener({len(self._sockets)} sockets)"

    @classmethod
    async def opened(cls, host: str, port: int) -> "DeafListener":
        """Takes the port; OSError when somebody else keeps it."""
        listener = await bound(host, port)
        listener.listen(0)
        filler = socket.socket()  # the one whom the queue has room for
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            filler.connect((host, port))
        return cls([filler, listener])

    def close(self) -> None:
        """Gives the port back."""
        for one in self._sockets:
            one.close()


async def bound(host: str, port: int) -> socket.socket:
    """A socket on a port that may not have been given back yet; OSError when it never is."""
    for _ in range(_REBIND_TRIES):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            listener.close()
            await asyncio.sleep(_REBIND_S)
        else:
            return listener
    raise OSError(f"port {port} is not given back")


def reset(transport: asyncio.BaseTransport) -> None:
    """Lets the end of a connection be a reset, not a goodbye; the transport must be aborted next."""
    found = transport.get_extra_info("socket")
    if found is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
