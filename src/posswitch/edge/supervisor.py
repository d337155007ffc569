"""The supervisor: keeps one node running, waits longer after each early death, stops it gracefully."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from posswitch.base.errors import PosswitchError
from posswitch.base.moment import clock_text
from posswitch.edge.process import SUPERVISOR
from posswitch.edge.start import forget_pid
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.settings.handing import handed
from posswitch.settings.secret import keep_secret

_READY_SECONDS_MAX = 60.0
_STOP_MARGIN_S = 10.0  # beyond the node's own drain timer; then it is killed
_BACKOFF_S = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)
_EARLY_S = 5.0
_USED_WRONGLY = 2
_UNREADY_DEATHS_MAX = 3  # before the first readiness; afterwards it never gives up


class Supervisor:
    """Runs `command -c FILE` as a child; `DATA/node.pid` names it while it lives."""

    def __init__(self, config_path: Path, command: Sequence[str] | None = None) -> None:
        self._argv = [*(command or (sys.executable, "-m", "posswitch.cli.node")), "-c", str(config_path)]
        self._config = load_config(config_path)
        keep_secret(self._config.secret)  # a node that dies at night is started without a person
        self._stop_seconds_max = self._config.timers.drain + _STOP_MARGIN_S
        self._child: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._struck = False
        self._ready = asyncio.Event()
        self.restarts = 0
        self.listen = ""

    def __repr__(self) -> str:
        return f"<supervisor of {self.node_pid} restarts {self.restarts}>"

    @property
    def node_pid(self) -> int | None:
        """The child's process id while it lives."""
        child = self._child
        return child.pid if child is not None and child.returncode is None else None

    async def start(self) -> None:
        """Returns when the first node is ready; raises PosswitchError when it cannot be."""
        self._task = asyncio.create_task(self._watch(), name="supervisor")
        ready = asyncio.create_task(self._ready.wait())
        done, _ = await asyncio.wait(
            {ready, self._task}, timeout=_READY_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED
        )
        ready.cancel()
        if self._task in done:
            await self._task
            raise PosswitchError("the node ended before it was ready; its last words are above")
        if not done:
            await self.stop()
            raise PosswitchError(f"the node was not ready after {_READY_SECONDS_MAX:.0f} s")

    async def wait(self) -> None:
        """Returns when the supervisor has given up or was stopped."""
        if self._task is not None:
            await self._task

    def kill(self) -> None:
        """kill -9: for drills and demonstrations; such a death delays no start."""
        if self.node_pid is not None:
            self._struck = True
            os.kill(self.node_pid, signal.SIGKILL)

    async def stop(self) -> None:
        """Asks the node to drain and end, and waits for it."""
        self._stopping = True
        if self._child is not None and self.node_pid is not None:
            self._child.terminate()
            try:
                await asyncio.wait_for(self._child.wait(), self._stop_seconds_max)
            except TimeoutError:
                self._child.kill()
        if self._task is not None:
            await self._task

    async def _watch(self) -> None:
        """Starts the child again and again; a wrong configuration (exit 2) is not tried again."""
        loop = asyncio.get_running_loop()
        early = 0
        while not self._stopping:
            started = loop.time()
            with handed(self._config.secret, **{SUPERVISOR: str(os.getpid())}) as given:
                self._child = await asyncio.create_subprocess_exec(
                    *self._argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    start_new_session=True,
                    **given,
                )
            if self._stopping:  # told so while the child was being born: nobody else would tell it
                self._child.terminate()
            await self._listen_for_ready(self._child)
            code = await self._child.wait()
            forget_pid(self._config, self._child.pid)
            if self._stopping or code == 0:
                return
            hopeless = code == _USED_WRONGLY or self.restarts + 1 >= _UNREADY_DEATHS_MAX
            if hopeless and not self._ready.is_set():
                self._tell(f"the node ended ({_how(code)}) and is not started again")
                return
            self.restarts += 1
            self._tell(f"the node ended ({_how(code)}); start {self.restarts + 1}")
            early = early + 1 if loop.time() - started < _EARLY_S and not self._struck else 0
            self._struck = False
            await asyncio.sleep(_BACKOFF_S[min(early, len(_BACKOFF_S) - 1)])

    @staticmethod
    def _tell(text: str) -> None:
        """A line for whoever runs the switch; a full disk behind it must not end the supervisor."""
        with contextlib.suppress(OSError):
            at = clock_text(SystemClock().wall_ns())
            print(f"posswitch: {at}: {text}", file=sys.stderr, flush=True)  # noqa: T201

    async def _listen_for_ready(self, child: asyncio.subprocess.Process) -> None:
        """Reads the child's output to its end; the line that begins with `ready` names its address."""
        assert child.stdout is not None
        with contextlib.suppress(ValueError):  # a line beyond the reader's bound: not ours
            async for line in child.stdout:
                if line.startswith(b"ready "):
                    self.listen = line.split()[1].decode("ascii", "replace")
                    self._ready.set()


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
