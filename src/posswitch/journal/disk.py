"""Where a journal's two files live: the machine's disk, or one that the simulated world brings."""

import contextlib
import fcntl
import mmap
import os
import time
from pathlib import Path
from typing import Protocol

import apsw

from posswitch.base.errors import JournalError

_BUSY_MS = 2000
_CHUNK_BYTES = 1 << 20
_LOCK_TRIES, _LOCK_PAUSE_S = 5, 0.02  # who asks with `held` has the file for a moment


class Slots(Protocol):
    """A small file of fixed size, written in place by its one writer: seen at once, durable after `sync`."""

    found: bytes  # what was in it when it was opened

    def write(self, at: int, data: bytes) -> None:
        """Puts bytes at a place."""

    def sync(self) -> None:
        """Makes what was written durable."""

    def close(self) -> None:
        """Lets go of it."""


class Disk(Protocol):
    """Files by their path; apsw.Error and OSError are what can go wrong."""

    def database(self, path: Path) -> apsw.Connection:
        """The one writer's connection, made when it is missing."""

    def view(self, path: Path) -> apsw.Connection:
        """A connection that only reads, also beside the writer."""

    def slots(self, path: Path, size: int) -> Slots:
        """The writer's own small file, made when it is missing; JournalError when another writer has it."""

    def read(self, path: Path) -> bytes:
        """The bytes of a small file, none when it is missing."""

    def exists(self, path: Path) -> bool:
        """Whether there is such a file."""

    def rewrite(self, path: Path) -> bytes | mmap.mmap:
        """Writes a file's bytes over themselves and syncs; the bytes, none when it is missing."""

    def space(self, folder: Path) -> tuple[int, int]:
        """Bytes that are free for us, and all bytes, of the file system that a folder is on."""


class MachineDisk:
    """The file systems of this machine."""

    def database(self, path: Path) -> apsw.Connection:
        """See Disk."""
        db = apsw.Connection(str(path))
        db.set_busy_timeout(_BUSY_MS)
        return db

    def view(self, path: Path) -> apsw.Connection:
        """See Disk."""
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        db.set_busy_timeout(_BUSY_MS)  # another reader may be opening or closing it at this moment
        return db

    def slots(self, path: Path, size: int) -> Slots:
        """See Disk."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _MappedSlots(path, size)

    def read(self, path: Path) -> bytes:
        """See Disk."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""

    def exists(self, path: Path) -> bool:
        """See Disk."""
        return path.exists()

    def rewrite(self, path: Path) -> bytes | mmap.mmap:
        """See Disk."""
        if not path.exists() or not path.stat().st_size:
            return b""
        with path.open("r+b") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            for at in range(0, len(data), _CHUNK_BYTES):
                file.write(data[at : at + _CHUNK_BYTES])
            file.flush()
            os.fsync(file.fileno())
        return data

    def space(self, folder: Path) -> tuple[int, int]:
        """See Disk."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


MACHINE = MachineDisk()


def held(path: Path) -> bool:
    """Whether a writer has this small file now; makes no file, and hinders nobody who only asks."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
    return False


class _MappedSlots:
    """Mapped memory: what was written survives the process at once."""

    def __init__(self, path: Path, size: int) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _locked(self._fd):
            os.close(self._fd)
            raise JournalError(f"{path.parent}: another node is using this journal; stop it first")
        self.found = os.pread(self._fd, size, 0)
        os.truncate(self._fd, size)
        self._map = mmap.mmap(self._fd, size)

    def write(self, at: int, data: bytes) -> None:
        """See Slots."""
        self._map[at : at + len(data)] = data

    def sync(self) -> None:
        """See Slots."""
        self._map.flush()

    def close(self) -> None:
        """See Slots."""
        self._map.close()
        os.close(self._fd)


def _locked(fd: int) -> bool:
    """Takes the writer's lock; tried more than once, because a look at it must not fail a start."""
    for number in range(_LOCK_TRIES):
        if number:
            time.sleep(_LOCK_PAUSE_S)
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False
