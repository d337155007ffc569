"""The root secret from the supervisor to its children: through a pipe, never in words or on a disk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from posswitch.base.errors import ConfigError
from posswitch.settings.memory import keep_private
from posswitch.settings.secret import KEPT, SECRET_BYTES, read_secret

VARIABLE = "POSSWITCH_SECRET_FD"  # the number of the descriptor, no secret itself
_BYTES_MAX = 4096  # one page, which every pipe holds: writing never waits


@contextmanager
def handed(path: Path, **more: str) -> Iterator[dict[str, Any]]:
    """What starts a child that finds the root of the secret file `path` in a pipe: arguments of `subprocess`.

    `more` goes into the child's environment. Outside of the block the pipe is the child's alone.
    """
    message = read_secret(path) + os.fsencode(path)
    if len(message) > _BYTES_MAX:
        raise ConfigError("node.secret: its name is too long; move the file")
    reader, writer = os.pipe()
    try:
        try:
            os.write(writer, message)
        finally:
            os.close(writer)
        yield {"pass_fds": (reader,), "env": {**os.environ, **more, VARIABLE: str(reader)}}
    finally:
        os.close(reader)


def take_handed() -> None:
    """Keeps the root that this process was handed, if it was; ConfigError when the pipe holds none."""
    number = os.environ.pop(VARIABLE, None)
    if number is None:
        return
    keep_private()
    try:
        with os.fdopen(int(number), "rb") as pipe:
            message = pipe.read(_BYTES_MAX + 1)
    except (OSError, ValueError):
        message = b""
    if not SECRET_BYTES < len(message) <= _BYTES_MAX:
        raise ConfigError(f"{VARIABLE}: holds no secret; start with posswitch run")
    KEPT.keep(Path(os.fsdecode(message[SECRET_BYTES:])), message[:SECRET_BYTES])
