"""Where drills are played: a calm city in a process of its own, or one that runs already."""

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from posswitch.base.errors import PosswitchError
from posswitch.edge.start import serving_pid
from posswitch.settings.config import Config, load_config
from posswitch.sim.city import CONFIG_FILE
from posswitch.sim.demo import CALM_SPARE, DRAIN_SECONDS_MAX, DemoOptions
from posswitch.sim.drills.city import REPORT, written
from posswitch.sim.drills.drill import Ground
from posswitch.sim.orders import State
from posswitch.sim.remote import Caller

TPS, TERMINALS = 60.0, 60
_OPEN_SECONDS_MAX, _END_SECONDS_MAX = 60.0, DRAIN_SECONDS_MAX + 30.0
_LOOK_S = 0.1
_CITY, _LOG = "city", "city.log"
_SMALL_DISK_BYTES = 256 << 20


class Stage(NamedTuple):
    """A running city: its configuration, what it stands on, how many terminals have customers."""

    config: Config
    ground: Ground
    trading: int
    began_s: float  # of time.monotonic: when it served; 0 = long ago


class Ended(NamedTuple):
    """What a city has counted at its end; nothing of one that goes on."""

    report: dict[str, Any] | None = None

    @property
    def lost(self) -> int | None:
        """Payments that are lost, posted twice or unknown to somebody."""
        if self.report is None:
            return None
        return sum(int(self.report[name]) for name in ("lost", "duplicated", "unknown"))


class Theatre:
    """Opens a stage of its own; `ended` says afterwards what its city has counted."""

    def __init__(self, ground: Ground, seed: int, folder: Path | None = None) -> None:
        """`folder` is new or empty and is kept; without one it is a temporary one."""
        self._ground = ground
        self._seed = seed
        self._folder = folder
        self.ended = Ended()

    def __repr__(self) -> str:
        return f"<theatre, {self._ground}>"

    @contextlib.contextmanager
    def open(self) -> Iterator[Stage]:
        """The city runs, and is counted at the end; PosswitchError when it cannot begin or end."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(_told_to_end())
            folder = self._folder or Path(stack.enter_context(_temporary()))
            folder.mkdir(parents=True, exist_ok=True)
            if self._ground is Ground.SMALL_DISK:
                stack.enter_context(_small_disk(folder))
            process = stack.enter_context(_city(self._options(folder)))
            try:
                yield self._opened(process, folder)
            finally:
                self.ended = _end(process, folder)

    def _options(self, folder: Path) -> DemoOptions:
        return DemoOptions(
            data=folder / _CITY,
            seconds=None,
            tps=TPS,
            seed=self._seed,
            terminals=TERMINALS,
            tls=self._ground is Ground.TLS,
            live=False,
            calm=True,
            spare=CALM_SPARE,
            hsm=self._ground is Ground.HSM,
        )

    def _opened(self, process: "subprocess.Popen[bytes]", folder: Path) -> Stage:
        ends = time.monotonic() + _OPEN_SECONDS_MAX
        while time.monotonic() < ends and process.poll() is None:
            with contextlib.suppress(PosswitchError, OSError):
                config = load_config(folder / _CITY / CONFIG_FILE, serve=False)
                if serving_pid(config) is not None:
                    return Stage(config, self._ground, TERMINALS, time.monotonic())
            time.sleep(_LOOK_S)
        raise PosswitchError(f"the city does not begin: {_last_words(folder)}")


def standing(config: Config) -> Stage:
    """The stage of a city that runs already; NoCity when none does."""
    caller = Caller(config.data)
    said = caller.tell(State())
    caller.close()
    ground = Ground.TLS if said["tls"] else Ground.HSM if said["hsm"] else Ground.PLAIN
    return Stage(config, ground, len(config.registry.terminals) - int(said["spare"]), 0.0)


@contextlib.contextmanager
def _told_to_end() -> Iterator[None]:
    """SIGTERM ends what is open as Ctrl-C does: nothing stays mounted or running."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _temporary() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="posswitch-drill-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own, in memory; needs root."""
    words = ("mount", "-t", "tmpfs", "-o", f"size={_SMALL_DISK_BYTES},mode=0700", "posswitch", str(folder))
    _run(words)
    try:
        yield
    finally:
        with contextlib.suppress(PosswitchError):
            _run(("umount", "-l", str(folder)))


def _run(words: tuple[str, ...]) -> None:
    try:
        ended = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - of this room
    except OSError as error:
        raise PosswitchError(f"{words[0]}: {error.strerror}") from None
    if ended.returncode:
        raise PosswitchError(f"{' '.join(words)}: {ended.stderr.strip()}")


@contextlib.contextmanager
def _city(options: DemoOptions) -> Iterator["subprocess.Popen[bytes]"]:
    words = (sys.executable, "-m", "posswitch.sim.drills.city", written(options))
    with (options.data.parent / _LOG).open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - words of this room
            words, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _end(process: "subprocess.Popen[bytes]", folder: Path) -> Ended:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_END_SECONDS_MAX)
        return Ended(msgspec.json.decode((folder / _CITY / REPORT).read_bytes()))
    except (OSError, msgspec.DecodeError, subprocess.TimeoutExpired):
        return Ended()


def _last_words(folder: Path) -> str:
    try:
        lines = (folder / _LOG).read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it says nothing"
