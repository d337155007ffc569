"""A companion: a program beside the node, started again and again; its troubles are never the node's."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from posswitch.edge.process import SUPERVISOR
from posswitch.settings.handing import handed

_PAUSES_S = (1.0, 2.0, 5.0, 15.0, 60.0)
_EARLY_S = 60.0  # a life shorter than this makes the next pause longer
_STOP_SECONDS_MAX = 10.0


class Companion:
    """Runs `command` until stopped; what it prints goes where this process prints.

    It is handed the root of the file `secret`.
    """

    def __init__(self, name: str, command: Sequence[str], secret: Path) -> None:
        self._name = name
        self._secret = secret
        self._argv = tuple(command)
        self._child: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self.deaths = 0

    def __repr__(self) -> str:
        return f"<{self._name} beside the node, deaths {self.deaths}>"

    def start(self) -> None:
        """Begins; returns at once."""
        self._task = asyncio.create_task(self._watch(), name=self._name)

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
            await asyncio.wait_for(child.wait(), _STOP_SECONDS_MAX)
        except TimeoutError:
            child.kill()
            await child.wait()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        early = 0
        while True:
            started = loop.time()
            try:
                with handed(self._secret, **{SUPERVISOR: str(os.getpid())}) as given:
                    self._child = await asyncio.create_subprocess_exec(
                        *self._argv,
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=asyncio.subprocess.DEVNULL,
                        start_new_session=True,
                        **given,
                    )
                how = f"exit code {await self._child.wait()}"
            except OSError as error:  # no process, no memory: the next try may have them
                how = str(error.strerror)
            self.deaths += 1
            early = early + 1 if loop.time() - started < _EARLY_S else 0
            pause_s = _PAUSES_S[min(early, len(_PAUSES_S) - 1)]
            with contextlib.suppress(OSError):
                print(  # noqa: T201
                    f"posswitch: {self._name} ended ({how}); again in {pause_s:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
            await asyncio.sleep(pause_s)
