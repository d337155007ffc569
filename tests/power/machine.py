"""A machine that loses power: `posswitch run` on a disk that forgets, dead at once, on again by itself.

The processes are stopped before the disk is cut: a sync that is under way in that moment can return as if it
had succeeded, and who got an answer because of it would have got it after the power was gone.
"""

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
_DIES_WITH_DISK = (True, False)  # what happens to the processes at a cut, in turn
_OUTLIVES_S = 0.3
_LOOK_S, _REST_SECONDS_MAX = 0.002, 10.0
_AT_REST = ("T", "Z", "")  # stopped, dead, gone


class Machine:
    """A switch for the demonstration whose `kill` is a power cut; `log` has the last words of each life."""

    def __init__(self, disk: Disk, config: Path, log: Path, program: Sequence[str] = POSSWITCH) -> None:
        self._disk = disk
        self._argv = ("setpriv", "--pdeathsig", "KILL", *program, "run", "-c", str(config))
        self._log = log
        self._dies_with_disk = cycle(_DIES_WITH_DISK)
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
        """The disk fails in this moment, and the processes with it, or a little later; then power is back."""
        dies_with_disk = next(self._dies_with_disk)
        processes = self._stopped()
        if dies_with_disk:  # a sync under way may seem to succeed, but nobody is told any more
            self._disk.cut()
        self._back = asyncio.create_task(self._return(processes, outlives=not dies_with_disk))

    def _stopped(self) -> list[int]:
        """Supervisor and node, which from now on do nothing but end the system call they are in."""
        assert self._supervisor is not None
        pid = self._supervisor.pid
        _send(pid, signal.SIGSTOP)
        processes = [pid, *_children(pid)]
        for process in processes[1:]:
            _send(process, signal.SIGSTOP)
        return processes

    async def _return(self, processes: list[int], outlives: bool) -> None:
        if outlives:
            await self._outlive(processes)
        await self._die()
        await asyncio.to_thread(self._disk.unmount)
        await asyncio.to_thread(self._disk.mount)
        begin = time.monotonic()
        await self.start()
        self.boot_seconds.append(round(time.monotonic() - begin, 3))

    async def _outlive(self, processes: list[int]) -> None:
        """The disk fails between two system calls, and every later one of the node gets an error."""
        async with asyncio.timeout(_REST_SECONDS_MAX):
            while not all(_state(process) in _AT_REST for process in processes):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)
        self._disk.cut()
        for process in processes:
            _send(process, signal.SIGCONT)
        await asyncio.sleep(_OUTLIVES_S)

    async def _die(self) -> None:
        """kill -9 of the supervisor and its node; stopped first, so that it makes no other meanwhile."""
        assert self._supervisor is not None
        for process in reversed(self._stopped()):
            _send(process, signal.SIGKILL)
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
    found = [int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat")]
    return [child for child in found if _stat(child)[1:2] == [str(pid)]]


def _state(pid: int) -> str:
    """`T` for a stopped process, `Z` for a dead one, none when there is no such."""
    return "".join(_stat(pid)[:1])


def _stat(pid: int) -> list[str]:
    """State, parent and more of a process; none when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
