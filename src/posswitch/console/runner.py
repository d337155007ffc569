"""Runs a command of this program for a button: bounded in time, output and number."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

from posswitch.base.card import scrub
from posswitch.base.errors import PosswitchError

PROGRAM = (sys.executable, "-m", "posswitch")
RUNS_MAX = 3  # at once, of all pages
SECONDS_MAX = 180.0
OUTPUT_CHARS_MAX = 60_000
_TELL_S = 0.25
_CHUNK_BYTES = 8192
_END_S = 3.0  # from asking to end to killing


class TooMany(PosswitchError):
    """Enough is running."""


class Run:
    """One command: its output so far, how it ended (None: it goes on), how long it took."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self.output = ""
        self.cut = False
        self.code: int | None = None
        self.why = ""  # "timeout", "stopped", or empty
        self.seconds = 0.0
        self._began = time.monotonic()
        self._child: asyncio.subprocess.Process | None = None

    def __repr__(self) -> str:
        how = "runs" if self.code is None else f"exit {self.code}"
        return f"<{' '.join(self.words[:2])}: {how}, {len(self.output)} characters>"

    @property
    def going(self) -> bool:
        """Whether it goes on."""
        return self.code is None

    def stop(self) -> None:
        """Ends it."""
        if self.going:
            self.why = self.why or "stopped"
            self._signal(signal.SIGTERM)

    async def follow(self, told: Callable[["Run"], None]) -> None:
        """Runs it to its end; `told` hears of new output a few times a second, and of the end."""
        try:
            self._child = child = await asyncio.create_subprocess_exec(
                *PROGRAM,
                *self.words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "COLUMNS": "100", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"},
            )
        except OSError as error:
            self.output, self.code = str(error.strerror), 2
            told(self)
            return
        if self.why:
            self.stop()  # it was stopped before there was anything to stop
        reading = asyncio.create_task(self._read(child, told))
        try:
            async with asyncio.timeout(SECONDS_MAX):
                await asyncio.shield(reading)
        except TimeoutError:
            self.why = "timeout"
        finally:
            await self._ended(child, reading)
            self.seconds = time.monotonic() - self._began
            self.code = child.returncode
            told(self)

    async def _read(self, child: asyncio.subprocess.Process, told: Callable[["Run"], None]) -> None:
        assert child.stdout is not None
        raw, last = b"", 0.0
        while chunk := await child.stdout.read(_CHUNK_BYTES):
            raw = (raw + chunk)[: OUTPUT_CHARS_MAX + 4]
            self.cut = self.cut or len(raw) > OUTPUT_CHARS_MAX
            if time.monotonic() - last >= _TELL_S:
                last = time.monotonic()
                self._say(raw)
                told(self)
        self._say(raw)

    def _say(self, raw: bytes) -> None:
        """Masked: whatever a command prints."""
        self.output = scrub(raw.decode("utf-8", "replace"))[:OUTPUT_CHARS_MAX]
        self.seconds = time.monotonic() - self._began

    async def _ended(self, child: asyncio.subprocess.Process, reading: "asyncio.Task[None]") -> None:
        """Nothing of it is left, whatever it started."""
        if child.returncode is None and self.why:
            self._signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await child.wait()
        if self.why:
            self._signal(signal.SIGKILL)
        await child.wait()
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading

    def _signal(self, number: int) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, number)


class Runner:
    """All runs of this process."""

    def __init__(self) -> None:
        self._runs: dict[Run, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        return f"<{len(self._runs)} runs>"

    def start(self, words: Sequence[str], told: Callable[[Run], None]) -> Run:
        """Begins a run; TooMany when enough is running."""
        if len(self._runs) >= RUNS_MAX:
            raise TooMany(f"{RUNS_MAX} commands are running; wait for one, or stop it")
        run = Run(words)
        task = asyncio.create_task(run.follow(told), name=f"posswitch {words[0]}")
        self._runs[run] = task
        task.add_done_callback(lambda _: self._runs.pop(run, None))
        return run

    async def close(self) -> None:
        """Ends everything."""
        for run in list(self._runs):
            run.stop()
        await asyncio.gather(*self._runs.values(), return_exceptions=True)
