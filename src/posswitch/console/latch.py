"""Who may use the data folder may come in: a socket in it that gives a new link to a screen that runs."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from posswitch.console.city import reachable

SOCKET = "console.sock"
_PATIENCE_S = 3.0
_LINK_BYTES_MAX = 512


def link_of_running(folder: Path) -> str | None:
    """A new link to the screen that already runs on a data folder; None when none does."""
    try:
        with reachable(folder / SOCKET) as name, socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_PATIENCE_S)
            client.connect(name)
            said = client.recv(_LINK_BYTES_MAX)
    except OSError:
        return None
    return said.decode("ascii", "replace").strip() or None


@contextlib.asynccontextmanager
async def latched(folder: Path, new_link: Callable[[], str]) -> AsyncIterator[None]:
    """Everybody who connects, and so may enter the folder, is told a new link."""

    async def give(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(f"{new_link()}\n".encode())
            await writer.drain()
        writer.close()

    path = folder / SOCKET
    path.unlink(missing_ok=True)  # of one that died: a living one would have answered
    with reachable(path) as name:
        mask = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(give, name, limit=_LINK_BYTES_MAX, backlog=4)
        finally:
            os.umask(mask)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)
