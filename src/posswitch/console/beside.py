"""The screen as a companion of a switch or a city: started, started again, its link passed on."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from posswitch.edge.process import SUPERVISOR

PROGRAM = (sys.executable, "-m", "posswitch")
_PAUSES_S = (1.0, 5.0, 15.0, 60.0)
_EARLY_S = 60.0  # a life shorter than this makes the next pause longer
_USED_WRONGLY = 2  # would end like that again
_STOP_S_MAX = 5.0
_LINE_CHARS_MAX = 400


class Screen:
    """`posswitch console` beside this process; its troubles are never the node's.

    It is given no secret. Each line that it prints, the link first, goes to `out`.
    """

    def __init__(self, config: Path, out: Callable[[str], None], port: int = 0) -> None:
        self._argv = (*PROGRAM, "console", "-c", str(config), "--port", str(port), "--no-browser")
        self._out = out
        self._child: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self.deaths = 0

    def __repr__(self) -> str:
        return f"<screen, deaths {self.deaths}>"

    def start(self) -> None:
        """Begins; returns at once."""
        self._task = asyncio.create_task(self._watch(), name="the screen")

    async def stop(self) -> None:
        """Asks it to end, and kills it when it does not."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        child = self._child
        if child is None or child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            await asyncio.wait_for(child.wait(), _STOP_S_MAX)
        except TimeoutError:
            child.kill()
            await child.wait()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        early = 0
        while True:
            started = loop.time()
            try:
                code = await self._live()
            except OSError:  # no process, no memory: the next try may have them
                code = 1
            if code in (0, _USED_WRONGLY):
                return
            self.deaths += 1
            early = early + 1 if loop.time() - started < _EARLY_S else 0
            await asyncio.sleep(_PAUSES_S[min(early, len(_PAUSES_S) - 1)])

    async def _live(self) -> int:
        """One life; its last words go to standard error, as they are."""
        self._child = child = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, SUPERVISOR: str(os.getpid())},
        )
        assert child.stdout is not None
        with contextlib.suppress(ValueError):  # a line beyond the reader's bound: not ours
            async for line in child.stdout:
                self._out(line.decode("utf-8", "replace").rstrip()[:_LINE_CHARS_MAX])
        return await child.wait()
