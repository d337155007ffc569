"""Drills on the machine under the centre: its process, its cores, its disk, its HSM, its door."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from posswitch.base.errors import PosswitchError
from posswitch.edge.headroom import mark_bytes
from posswitch.edge.start import serving_pid
from posswitch.sim.drills.drill import Drill, Ground, Sign
from posswitch.sim.drills.on_lines import told
from posswitch.sim.drills.scene import Scene
from posswitch.sim.orders import Come, Hsm, Kill, Leave
from posswitch.sim.peers.hsm_box import Mood
from posswitch.sim.peers.strangers import Stranger
from posswitch.sim.quota import held_to, may_hold
from posswitch.sim.remote import Caller

_CRASHES, _BETWEEN_S = 4, 1.5
_HALT_S, _HALT_EVERY_S = 0.9, 3.0
_SMALL_SHARE, _PERIOD_US = 0.02, 50_000  # of a core: too little for what comes
_RUSH_TPS, _RUSH_TERMINALS = 250.0, 32
_FSYNC_US = 60_000  # what each fsync takes longer
_ATTACK_S = 600
_BAD_FRAMES_PER_S, _FORGED_PER_S = 400.0, 40.0
_LEFT_SHARE = 0.6  # of the mark below which a disk counts as full
_TRACER = "strace"


def needs_root() -> str:
    """Why it cannot be played here, if so."""
    return "" if os.geteuid() == 0 else "it needs root"


def _needs_quota() -> str:
    return "" if may_hold() else "it needs a control group for the node, which needs root"


def _needs_tracer() -> str:
    missing = "" if shutil.which(_TRACER) else f"it needs {_TRACER}, which is not installed"
    return needs_root() or missing


def _killed(scene: Scene) -> None:
    scene.tell(Kill())


def _crash_loop(scene: Scene) -> None:
    """It dies again as soon as it serves."""

    def strike(caller: Caller, ending: threading.Event) -> None:
        for _ in range(_CRASHES):
            pid = serving_pid(scene.config)
            while pid is None and not ending.wait(0.02):
                pid = serving_pid(scene.config)
            if ending.is_set() or pid is None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            ending.wait(_BETWEEN_S)

    scene.meanwhile(strike)


def _halting(scene: Scene) -> None:
    """Its process stands still again and again, as where memory is swapped or a machine is shared."""

    def halt(caller: Caller, ending: threading.Event) -> None:
        while not ending.wait(_HALT_EVERY_S):
            _stand_still(scene.node_pid(), ending, _HALT_S)

    scene.meanwhile(halt)


def _stand_still(pid: int, ending: threading.Event, seconds: float) -> None:
    """Stops a process for a while; it goes on whatever happens."""
    try:
        os.kill(pid, signal.SIGSTOP)
        ending.wait(seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _overloaded(scene: Scene) -> None:
    """A machine that is too small, and more customers than ever."""
    scene.undo_with(Leave())
    scene.enter(held_to(scene.node_pid(), _SMALL_SHARE, _PERIOD_US))
    scene.tell(Come(Stranger.SHOPS, _RUSH_TPS, _RUSH_TERMINALS))


def _slow_fsync(scene: Scene) -> None:
    """Every fsync of the node takes longer, as on a disk that is busy with something else."""
    words = (
        _TRACER, "-f", "-qq", "-o", os.devnull, "-p", str(scene.node_pid()),
        "-e", "trace=fsync,fdatasync", "-e", f"inject=fsync,fdatasync:delay_exit={_FSYNC_US}",
    )  # fmt: skip
    scene.enter(_beside(words))


def _full_disk(scene: Scene) -> None:
    filler = scene.data / "filler"
    scene.at_the_end(lambda: filler.unlink(missing_ok=True))
    found = os.statvfs(scene.data)
    free_bytes, whole_bytes = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    size = free_bytes - int(mark_bytes(whole_bytes) * _LEFT_SHARE)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(size, 1))


def _attacked(kind: str, *more: str) -> Callable[[Scene], None]:
    """A flood from processes of their own."""

    def begin(scene: Scene) -> None:
        words = (
            sys.executable, "-m", "posswitch.sim.attackers", kind, str(scene.config.listen.port),
            str(_ATTACK_S), "--terminal", scene.terminal, "--seed", str(scene.seed), *more,
        )  # fmt: skip
        scene.enter(_beside(words))

    return begin


@contextlib.contextmanager
def _beside(words: tuple[str, ...]) -> Iterator[None]:
    """A process that ends with the drill."""
    try:
        process = subprocess.Popen(  # noqa: S603 - words of this room
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError as error:
        raise PosswitchError(f"{Path(words[0]).name}: cannot be started ({error.strerror})") from None
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _hsm(mood: Mood = Mood.WELL, *, away: bool = False) -> Callable[[Scene], None]:
    return told(lambda scene: Hsm(mood, away), undo=(lambda scene: Hsm(),))


DRILLS = (
    Drill(
        "sys-centre-process-crash", (), _killed, (Sign("node-restarted"),), seconds_max=25.0,
    ),
    Drill(
        "sys-centre-process-crash+loop", (), _crash_loop, (Sign("node-restarted"),),
        seconds_max=40.0,
    ),
    Drill(
        "sys-gray-failure", (), _halting, (Sign("node-lags"),), seconds_max=40.0,
    ),
    Drill(
        "ovl-peak", (), _overloaded, (Sign("queue-stands"),), alike=("ovl-cpu-taken",),
        seconds_max=40.0, warm_s=35.0, needs=_needs_quota,
    ),
    Drill(
        "sys-io-fsync-slow", (), _slow_fsync, (Sign("fsync-slow"),), alike=("sys-db-slow",),
        seconds_max=40.0, needs=_needs_tracer,
    ),
    Drill(
        "sys-disk-full", (), _full_disk, (Sign("disk-low"),), ground=Ground.SMALL_DISK,
        needs=needs_root,
    ),
    Drill(
        "sys-hsm-down", (), _hsm(away=True), (Sign("hsm-down"),), ground=Ground.HSM,
    ),
    Drill(
        "sys-hsm-slow", (), _hsm(Mood.SLOW), (Sign(rises="hsm_under_way", by=8.0),), ground=Ground.HSM,
        seconds_max=30.0,
    ),
    Drill(
        "sec-lmk-lost", (), _hsm(Mood.ILL), (Sign(rises="count.hsm-down", by=20.0),), ground=Ground.HSM,
        alike=("sys-hsm-down",),
    ),
    Drill(
        "sec-malformed-flood", (),
        _attacked("bad-frames", "--per-second", str(_BAD_FRAMES_PER_S)),
        (Sign("frames-unreadable"),), seconds_max=30.0, lingers=True,
    ),
    Drill(
        "sec-dos-connect", (), _attacked("idle"), (Sign("gate-crowded"),), seconds_max=40.0,
    ),
    Drill(
        "sec-unknown-terminal", (),
        _attacked("forged-frames", "--per-second", str(_FORGED_PER_S)),
        (Sign(codes=("97",), share=0.05),), seconds_max=40.0, lingers=True,
    ),
)  # fmt: skip
