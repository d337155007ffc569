"""Connections to a TLS listener before their hello is whole: each costs a descriptor and nothing else."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import NamedTuple

from posswitch.base.bounds import SILENT_MAX

_HELLO = 0x16  # the first byte of a handshake record (RFC 8446, 5.1)
_HEAD_BYTES = 5
_RECORD_BYTES_MAX = _HEAD_BYTES + (1 << 14) + 256
_PRESSED_S = 0.1  # before the next look when the kernel tells of less than it was asked for
_ESTABLISHED = 1  # the first byte of TCP_INFO

Through = Callable[[socket.socket, str], None]
Refused = Callable[[str, str], None]


def hang_up(connection: socket.socket) -> None:
    """Ends a connection properly: with bytes left unread the other side would see a reset."""
    with contextlib.suppress(OSError):
        connection.recv(_RECORD_BYTES_MAX)
    connection.close()


class _Guest(NamedTuple):
    """Who waits: from where, for how many bytes, until when."""

    peer: str
    wanted_bytes: int
    deadline: asyncio.TimerHandle


class Anteroom:
    """Hands a connection to `through` once its hello has come; tells `refused` why of one that it ends.

    When it is full the one that has been here longest goes: who says hello at once is never in the way.
    """

    def __init__(
        self,
        through: Through,
        refused: Refused,
        patience_s: Callable[[], float],
        guests_max: int = SILENT_MAX,
    ) -> None:
        self._through = through
        self._refused = refused
        self._patience_s = patience_s
        self._guests_max = guests_max
        self._guests: dict[socket.socket, _Guest] = {}  # the oldest first

    def __repr__(self) -> str:
        return f"<anteroom, {len(self._guests)} silent>"

    def __len__(self) -> int:
        return len(self._guests)

    def enter(self, connection: socket.socket, peer: str) -> None:
        """Waits for its hello."""
        if len(self._guests) >= self._guests_max:
            self._end(next(iter(self._guests)), "crowded-out")
        loop = asyncio.get_running_loop()
        deadline = loop.call_later(self._patience_s(), self._end, connection, "deadline")
        self._guests[connection] = _Guest(peer, _HEAD_BYTES, deadline)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, _HEAD_BYTES)
        loop.add_reader(connection, self._heard, connection)

    def close(self) -> None:
        """Ends everybody who waits."""
        for connection in list(self._guests):
            self._leave(connection)
            connection.close()

    def _heard(self, connection: socket.socket) -> None:
        """So many bytes are there, or no more will come."""
        try:
            seen = connection.recv(_RECORD_BYTES_MAX, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            self._end(connection, "cut")
            return
        if len(seen) < _HEAD_BYTES:
            self._wait_on(connection, _HEAD_BYTES)
        elif seen[0] != _HELLO:
            self._end(connection, "not-tls")
        elif len(seen) >= (whole := min(_HEAD_BYTES + int.from_bytes(seen[3:5]), _RECORD_BYTES_MAX)):
            self._let_through(connection)
        else:
            self._wait_on(connection, whole)

    def _wait_on(self, connection: socket.socket, bytes_wanted: int) -> None:
        """For the rest, unless the other side has said that it says no more."""
        if connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED:
            self._end(connection, "cut")
            return
        guest = self._guests[connection]
        if guest.wanted_bytes != bytes_wanted:
            self._guests[connection] = guest._replace(wanted_bytes=bytes_wanted)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, bytes_wanted)
            return
        loop = asyncio.get_running_loop()  # it told too early, as it may when memory is short
        loop.remove_reader(connection)
        loop.call_later(_PRESSED_S, self._look_again, connection)

    def _look_again(self, connection: socket.socket) -> None:
        if connection in self._guests:
            asyncio.get_running_loop().add_reader(connection, self._heard, connection)

    def _let_through(self, connection: socket.socket) -> None:
        peer = self._leave(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        self._through(connection, peer)

    def _end(self, connection: socket.socket, why: str) -> None:
        peer = self._leave(connection)
        hang_up(connection)
        self._refused(why, peer)

    def _leave(self, connection: socket.socket) -> str:
        guest = self._guests.pop(connection)
        guest.deadline.cancel()
        asyncio.get_running_loop().remove_reader(connection)
        return guest.peer
