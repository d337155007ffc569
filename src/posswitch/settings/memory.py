"""What this process knows stays in its memory: no core files, no looks from outside, no swap."""

import ctypes
import resource
from pathlib import Path

_GET_DUMPABLE, _SET_DUMPABLE = 3, 4  # of prctl(2)
_CURRENT, _FUTURE, _ON_FAULT = 1, 2, 4  # of mlockall(2)
_IPC_LOCK = 14  # of capabilities(7)
SWAPS = Path("/proc/swaps")

_libc = ctypes.CDLL(None, use_errno=True)


def keep_private(*, children: bool = False) -> None:
    """No core is written of this process; /proc/PID/mem, environ and the like are root's, and ptrace is.

    A pipe in core_pattern gets none either: whether a process may be dumped is asked before where to. With
    `children` none of what it starts can have a core file again.
    """
    hard = 0 if children else resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if _libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this process cannot be kept out of core files")


def dumpable() -> bool:
    """What the kernel says about this process."""
    return bool(_libc.prctl(_GET_DUMPABLE, 0, 0, 0, 0))


def may_lock() -> bool:
    """Whether this process may keep all of its memory out of swap."""
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
        return True
    status = Path("/proc/thread-self/status").read_text("ascii").splitlines()
    (rights,) = (line.split()[1] for line in status if line.startswith("CapEff:"))
    return bool(int(rights, 16) >> _IPC_LOCK & 1)


def lock_memory() -> bool:
    """No page of this process is ever swapped out; False where it may not say so (and nothing changes)."""
    return may_lock() and _libc.mlockall(_CURRENT | _FUTURE | _ON_FAULT) == 0


def swaps(table: Path = SWAPS) -> bool:
    """Whether this machine swaps."""
    try:
        return len(table.read_text("ascii", "replace").splitlines()) > 1
    except OSError:
        return False
