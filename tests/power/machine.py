"""A machine that loses power: `posswitch run` on a disk that forgets, dead at once, on again by itself."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from posswitch.base.errors import PosswitchError

from .disk import Disk

POSSWITCH = (sys.executable, "-m", "posswitch")
_READY = b"posswitch: listening"
_READY_SECONDS_MAX, _STOP_SECONDS_MAX = 60.0, 30.0
_LINGER_S = (0.0, 0.3, 0.0, 0.05)  # how long processes outlive their disk, in turn


class Machine:
    """A switch for the demonstration whose `kill` is a power cut; `log` has the last words of each life."""

    def __init__(self, disk: Disk, config: Path, log: Path, program: Sequence[str] = POSSWITCH) -> None:
        self._disk = disk
        self._argv = ("setpriv", "--pdeathsig", "KILL", *program, "run", "-c", str(config))
        self._log = log
        self._linger_s = cycle(_LINGER_S)
        self._supervisor: asyncio.subprocess.Process | None = None
        self._back: asyncio.Task[None] | None = None
        self.boot_seconds: list[float] = []  # from the start of the program until it listens

    def __repr__(self) -> str:
        return f"<machine on {self._disk!r}>"

    async def start(self) -> None:
        """Starts the switch; PosswitchError when it does not listen within a minute."""
        with self._log.open("ab") as log:
            self._supervisor = await asyncio.create_subprocess_exec(
                *self._argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        assert self._supervisor.stdout is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY_SECONDS_MAX):
                if (await self._supervisor.stdout.readline()).startswith(_READY):
                    return
        await self._die()
        raise PosswitchError(f"the switch does not start again; its last words are in {self._log}")

    def kill(self) -> None:
        """The disk fails in this moment, the processes now or a little later; then power is back."""
        self._disk.cut()
        self._back = asyncio.create_task(self._die_and_return(next(self._linger_s)))

    async def _die_and_return(self, linger_s: float) -> None:
        if linger_s:
            await asyncio.sleep(linger_s)
        await self._die()
        await asyncio.to_thread(self._disk.unmount)
        await asyncio.to_thread(self._disk.mount)
        begin = time.monotonic()
        await self.start()
        self.boot_seconds.append(round(time.monotonic() - begin, 3))
        print(f"cut {len(self.boot_seconds)}: processes outlived the disk by {linger_s} s", file=sys.stderr)

    async def _die(self) -> None:
        """kill -9 of the supervisor and its node; stopped first, so that it makes no other meanwhile."""
        assert self._supervisor is not None
        pid = self._supervisor.pid
        _send(pid, signal.SIGSTOP)
        for dying in (*_children(pid), pid):
            _send(dying, signal.SIGKILL)
        await self._supervisor.wait()

    async def stop(self) -> None:
        """Lets the switch drain and end, once it is back; one that stayed away shows in `boot_seconds`."""
        if self._back is not None:
            with contextlib.suppress(PosswitchError):
                await self._back
        if self._supervisor is None or self._supervisor.returncode is not None:
            return
        self._supervisor.terminate()
        try:
            await asyncio.wait_for(self._supervisor.wait(), _STOP_SECONDS_MAX)
        except TimeoutError:
            await self._die()


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _children(pid: int) -> list[int]:
    """The processes whose parent is `pid`, as /proc tells."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found
