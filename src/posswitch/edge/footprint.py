"""What this process takes of its machine: CPU time, memory, descriptors, the journal's files."""

import os
import resource
import time
from pathlib import Path

from posswitch.journal.layout import DATABASE

_PAGE_BYTES = resource.getpagesize()
_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self")


class Footprint:
    """Shares are of one core since the last look; what the kernel does not tell is left out."""

    def __init__(self, folder: Path) -> None:
        self._files = {"journal_bytes": folder / DATABASE, "wal_bytes": folder / f"{DATABASE}-wal"}
        self._cores = len(os.sched_getaffinity(0))
        self._group = _memory_group()
        self._at = self._spent()

    def __repr__(self) -> str:
        return f"<footprint of process {os.getpid()}>"

    def gauges(self) -> dict[str, float]:
        """Of the period that ends now; the next one begins."""
        before, self._at = self._at, self._spent()
        at_ns, cpu_ns, waited_ns = (now - then for now, then in zip(self._at, before, strict=True))
        gauges: dict[str, float] = {
            "cores": self._cores,
            "cpu_share": cpu_ns / max(at_ns, 1),
            "cpu_wait_share": waited_ns / max(at_ns, 1),  # ready to run, and others had the cores
            "descriptors_cap": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        }
        for name, look in (
            ("memory_bytes", _resident_bytes),
            ("memory_free_bytes", lambda: _free_bytes(self._group)),
            ("descriptors", _descriptors),
            *((name, lambda path=path: path.stat().st_size) for name, path in self._files.items()),
        ):
            try:
                gauges[name] = look()
            except (OSError, ValueError, IndexError):
                continue
        return gauges

    @staticmethod
    def _spent() -> tuple[int, int, int]:
        return time.monotonic_ns(), time.process_time_ns(), _waited_ns()


def _waited_ns() -> int:
    """How long the main thread has waited for a core since it began; 0 where the kernel does not count."""
    try:
        return int((_OWN / "schedstat").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _resident_bytes() -> int:
    return int((_OWN / "statm").read_text().split()[1]) * _PAGE_BYTES


def _descriptors() -> int:
    """Newer kernels say how many entries the folder has, older ones have it read."""
    return (_OWN / "fd").stat().st_size or len(os.listdir(_OWN / "fd"))  # noqa: PTH208


def _free_bytes(group: Path | None) -> int:
    """What this process could still get: of the machine, and of its control group where that has a limit."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    free = next(int(words[1]) << 10 for words in lines if words[0] == "MemAvailable:")
    if group is None or (limit := (group / "memory.max").read_text().strip()) == "max":
        return free
    pages = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    used = int((group / "memory.current").read_text()) - int(pages.get("inactive_file", 0))
    return max(min(free, int(limit) - used), 0)


def _memory_group() -> Path | None:
    """The folder of this process's control group, where it has one with a limit of memory."""
    try:
        lines = (_OWN / "cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("0::"):
            folder = _CGROUPS / line[3:].lstrip("/")
            return folder if (folder / "memory.max").exists() else None
    return None
