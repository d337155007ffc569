"""Waits for what the other end of a socket does."""

import asyncio
from collections.abc import Callable


async def until(happened: Callable[[], object], seconds: float = 20.0) -> None:
    """Returns when `happened()` is true; TimeoutError when it never becomes so."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110 - the thing waited for has no event of its own
            await asyncio.sleep(0.001)
