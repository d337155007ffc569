"""A share of one core for a process: a quota of its cgroup, or busy neighbours where none may be made."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PERIOD_US = 10_000  # short: a node that has used its share waits milliseconds, not a tenth of a second
_BUSY = (sys.executable, "-S", "-c", "while True: pass")
_LEAVE_SECONDS_MAX = 5.0


class Quota(NamedTuple):
    """How much of one core a process may have, and by what."""

    share: float
    how: str


def may_hold() -> bool:
    """Whether a cgroup may be made here, so that nobody else is disturbed."""
    for kind, controller in (("cgroup", "cpu"), ("cgroup2", "")):
        try:
            group = _mounted(kind, controller) / f"posswitch-try-{os.getpid()}"
            group.mkdir()
            _removed(group)
        except OSError:
            continue
        return True
    return False


@contextlib.contextmanager
def held_to(pid: int, share: float, period_us: int = _PERIOD_US) -> Iterator[Quota]:
    """Keeps a process, which runs on one core already, to a share of it; the kernel gives 1 ms at least."""
    with contextlib.ExitStack() as stack:
        for how, group in (("cgroup v1", _group_v1), ("cgroup v2", _group_v2)):
            try:
                stack.enter_context(group(pid, share, period_us))
            except OSError:
                continue
            yield Quota(share, how)
            return
        neighbours = max(round(1 / share) - 1, 1)
        for _ in range(neighbours):
            stack.enter_context(_neighbour(pid))
        yield Quota(round(1 / (1 + neighbours), 2), f"no cgroup may be made: {neighbours} busy neighbours")


@contextlib.contextmanager
def _group_v1(pid: int, share: float, period_us: int) -> Iterator[None]:
    with _made(_mounted("cgroup", "cpu"), pid) as group:
        (group / "cpu.cfs_period_us").write_text(str(period_us))
        (group / "cpu.cfs_quota_us").write_text(str(int(share * period_us)))
        (group / "cgroup.procs").write_text(str(pid))
        yield


@contextlib.contextmanager
def _group_v2(pid: int, share: float, period_us: int) -> Iterator[None]:
    with _made(_mounted("cgroup2", ""), pid) as group:
        with contextlib.suppress(OSError):  # it may be there already
            (group.parent / "cgroup.subtree_control").write_text("+cpu")
        (group / "cpu.max").write_text(f"{int(share * period_us)} {period_us}")
        (group / "cgroup.procs").write_text(str(pid))
        yield


@contextlib.contextmanager
def _made(parent: Path, pid: int) -> Iterator[Path]:
    """A group of its own, gone afterwards; who is still in it goes back to the parent."""
    group = parent / f"posswitch-bench-{pid}"
    group.mkdir()
    try:
        yield group
    finally:
        with contextlib.suppress(OSError):
            (parent / "cgroup.procs").write_text(str(pid))
        _removed(group)


def _removed(group: Path) -> None:
    """The kernel may need a moment for those that have just ended."""
    ends = time.monotonic() + _LEAVE_SECONDS_MAX
    while True:
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > ends:
                return
            time.sleep(0.02)
        else:
            return


def _mounted(kind: str, controller: str) -> Path:
    """Our own group in the hierarchy that has the controller; OSError when there is none."""
    for row in Path("/proc/mounts").read_text().splitlines():
        _, at, found, options, *_ = row.split()
        if found == kind and (not controller or controller in options.split(",")):
            return Path(at) / _own_path(controller).lstrip("/")
    raise FileNotFoundError(f"no {kind} is mounted")


def _own_path(controller: str) -> str:
    for row in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = row.split(":", 2)
        if controller in controllers.split(","):
            return path
    raise FileNotFoundError(f"no cgroup with {controller or 'version 2'}")


@contextlib.contextmanager
def _neighbour(pid: int) -> Iterator[None]:
    """A process that is always busy on the same core."""
    busy = subprocess.Popen(_BUSY, stdin=subprocess.DEVNULL)  # noqa: S603 - a constant
    try:
        os.sched_setaffinity(busy.pid, os.sched_getaffinity(pid))
        yield
    finally:
        busy.kill()
        busy.wait()
