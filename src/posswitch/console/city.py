"""Orders to a city: one line of JSON over its socket, one line back; only for demonstrations and drills."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from posswitch.base.errors import PosswitchError

SOCKET = "city.sock"  # in the data folder of a demonstration
_PATIENCE_S = 5.0
_ANSWER_BYTES_MAX = 1 << 20
_WORD_CHARS_MAX = 200


class CityRefused(PosswitchError):
    """The city did not do it, or is not there."""


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name of a socket that is short enough for the kernel (107 bytes), however deep its folder lies."""
    fd = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)


async def order(folder: Path, do: str, **more: object) -> dict[str, Any]:
    """What the city answers; CityRefused in one line when it refuses, is gone, or takes too long."""
    line = msgspec.json.encode(
        {"do": do, **{name: value for name, value in more.items() if value is not None}}
    )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            with reachable(folder / SOCKET) as name:
                reader, writer = await asyncio.open_unix_connection(name, limit=_ANSWER_BYTES_MAX)
            try:
                writer.write(line + b"\n")
                answer = await reader.readline()
            finally:
                writer.close()
        said = msgspec.json.decode(answer, type=dict[str, Any])
    except TimeoutError:
        raise CityRefused(f"the city does not answer within {_PATIENCE_S:.0f} s") from None
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise CityRefused(f"the city cannot be reached ({type(error).__name__})") from None
    if said.get("ok") is not True:
        raise CityRefused(str(said.get("error", "refused"))[:_WORD_CHARS_MAX])
    return said
