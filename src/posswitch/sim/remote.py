"""The remote control of a running city: a socket in its data folder, one order a line, for its owner only."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from posswitch.base.errors import PosswitchError
from posswitch.sim.levers import Levers
from posswitch.sim.orders import LINE_BYTES_MAX, Order, Unfit, read_order

SOCKET = "city.sock"  # in the node's data folder
_CALLERS_MAX = 16
_SILENT_S = 300.0  # then a caller is hung up on
_ANSWER_BYTES_MAX = 1 << 20
_ANSWER_SECONDS_MAX = 30.0
_CREDENTIALS = struct.Struct("iII")  # of the caller: process, user, group


class NoCity(PosswitchError):
    """No city runs on a folder, or it does not answer."""


class Remote:
    """The city's side."""

    def __init__(self, folder: Path, levers: Levers) -> None:
        self._folder = folder
        self._levers = levers
        self._server: asyncio.Server | None = None
        self._callers: dict[asyncio.StreamWriter, None] = {}

    def __repr__(self) -> str:
        return f"Remote({len(self._callers)} callers, {self._levers!r})"

    async def open(self) -> None:
        """Listens, for the owner of this process alone."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _short(self._folder) as folder:
            path = folder / SOCKET
            path.unlink(missing_ok=True)  # of a city that has ended: a folder has one at a time
            listener.bind(str(path))
            path.chmod(0o600)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=LINE_BYTES_MAX)

    async def close(self) -> None:
        """Hangs up on everybody."""
        self._levers.release()
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._callers):
            writer.close()
        with contextlib.suppress(OSError), _short(self._folder) as folder:  # the disk may have gone
            (folder / SOCKET).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._callers) >= _CALLERS_MAX or not _is_owner(writer):
            writer.close()
            return
        self._callers[writer] = None
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                await self._serve_owner(reader, writer)
        finally:
            del self._callers[writer]
            writer.close()

    async def _serve_owner(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One order after the other; what is too long for one ends it."""
        line: bytes | None = b""
        while line is not None:
            try:
                line = await asyncio.wait_for(reader.readuntil(b"\n"), _SILENT_S)
                said = await self._answer(line)
            except asyncio.LimitOverrunError:
                line, said = None, _refused(f"no order: longer than {LINE_BYTES_MAX} bytes")
            writer.write(msgspec.json.encode(said) + b"\n")
            await writer.drain()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            return {"ok": True, **await self._levers.obey(read_order(line))}
        except (PosswitchError, OSError) as error:
            return _refused(str(error))


def _refused(why: str) -> dict[str, Any]:
    return {"ok": False, "error": why}


def _is_owner(writer: asyncio.StreamWriter) -> bool:
    """Whether who calls is who runs the city, or root."""
    said = writer.get_extra_info("socket").getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
    )
    return _CREDENTIALS.unpack(said)[1] in (os.geteuid(), 0)


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[Path]:
    """A name of a folder that fits into a socket's address, however deep it lies."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


class Caller:
    """The other side: asks the city that runs on a data folder."""

    def __init__(self, folder: Path) -> None:
        """NoCity when none does."""
        self._folder = folder
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_ANSWER_SECONDS_MAX)
        try:
            with _short(folder) as short:
                self._socket.connect(str(short / SOCKET))
        except OSError:
            self._socket.close()
            raise NoCity(f"{folder}: no city runs there; start one with posswitch demo --calm") from None

    def __repr__(self) -> str:
        return f"Caller({self._folder})"

    def tell(self, order: Order) -> dict[str, Any]:
        """What the city answers; Unfit when it cannot, NoCity when it has gone."""
        try:
            self._socket.sendall(msgspec.json.encode(order) + b"\n")
            said = self._heard()
        except OSError:
            raise NoCity(f"{self._folder}: the city does not answer") from None
        if not said.pop("ok", False):
            raise Unfit(str(said.get("error", "the city refuses")))
        return said

    def _heard(self) -> dict[str, Any]:
        data = b""
        while not data.endswith(b"\n"):
            more = self._socket.recv(65536)
            data += more
            if not more or len(data) > _ANSWER_BYTES_MAX:
                raise OSError("cut off")
        try:
            return msgspec.json.decode(data, type=dict[str, Any])
        except msgspec.DecodeError:
            raise OSError("no answer") from None

    def close(self) -> None:
        """Hangs up."""
        self._socket.close()
