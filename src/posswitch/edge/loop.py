"""The event loop: uvloop where it is installed, else asyncio's own."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_fast(main: Coroutine[Any, Any, Result]) -> Result:
    """Runs `main` to its end on the fastest loop there is."""
    try:
        import uvloop  # noqa: PLC0415 - an extra: faster, not needed
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
