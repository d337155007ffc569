"""The banks as the office has changed them: asked of another process, for reading them takes the secret."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import msgspec

from posswitch.base.registry import Bank, Line, Registry
from posswitch.console.runner import PROGRAM
from posswitch.settings.address import address_of
from posswitch.settings.rows import read_line

_SECONDS_MAX = 30.0
_BYTES_MAX = 16 << 20


async def registry_now(path: Path, before: Registry) -> Registry | None:
    """`before` with the banks of now; None when they cannot be had, for example without the secret."""
    try:
        child = await asyncio.create_subprocess_exec(
            *PROGRAM, "registry", "list", "bank", "-c", str(path), "--json",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    except OSError:
        return None
    assert child.stdout is not None
    said = b""
    try:
        async with asyncio.timeout(_SECONDS_MAX):
            while len(said) <= _BYTES_MAX and (more := await child.stdout.read(1 << 16)):
                said += more
            await child.wait()
    except TimeoutError:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
                await child.wait()
    return amended(before, said)


def amended(before: Registry, said: bytes) -> Registry | None:
    """`before` with no banks but those that `registry list bank --json` has printed; None if unreadable."""
    try:
        rows = msgspec.json.decode(said, type=dict[str, Any])["rows"]
        banks = [_bank(row) for row in rows if row["table"] == "bank"]
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None
    return Registry([*(row for row in before.rows if not isinstance(row, Bank)), *banks])


def _bank(row: dict[str, Any]) -> Bank:
    """What people call it and whom they call; its keys are not ours to know."""
    return Bank(
        str(row["id"]),
        str(row["name_zh"]),
        str(row["name_en"]),
        tuple(map(address_of, row["links"])),
        b"",
        b"",
        contact=str(row["contact"]),
        phone=str(row["phone"]),
        lines=tuple(read_line(line) or Line() for line in row["lines"]),
    )
