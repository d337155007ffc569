"""A disk that forgets: an ext4 in a file, whose unsynced writes are gone after a cut."""

import ctypes
import fcntl
import os
import struct
import subprocess
import time
from pathlib import Path
from typing import Self

_SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN: every later access fails until the file system is mounted again
_NO_LOG_FLUSH = struct.pack("I", 2)  # what is neither synced nor written back is lost
_LOOP_DEVICES = 7  # their major number
_OWN_MOUNTS = 0x00020000  # CLONE_NEWNS
_IMAGE_BYTES = 1 << 30  # a sparse file
_LEAVE_SECONDS_MAX = 10.0
_SYNCED, _UNSYNCED = "synced", "unsynced"


class CannotCut(Exception):
    """This machine does not let us cut the power of a disk; says why and what to do."""


class Disk:
    """Mounted at `folder` for this process and its children only; loop device and mount go with them."""

    def __init__(self, image: Path, folder: Path) -> None:
        self._image = image
        self.folder = folder

    def __repr__(self) -> str:
        return f"<disk {self._image.name} at {self.folder}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.folder.is_mount():
            self.unmount()

    def make(self) -> None:
        """A new, empty file system; CannotCut when this machine has no means, or its cuts forget nothing."""
        if ctypes.CDLL(None).unshare(_OWN_MOUNTS):
            raise CannotCut("mounts cannot be made: it needs root with CAP_SYS_ADMIN and loop devices")
        _run("mount", "--make-rprivate", "/")
        self.folder.mkdir(parents=True)
        with self._image.open("wb") as file:
            file.truncate(_IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        self.mount()
        self._rehearse()

    def _rehearse(self) -> None:
        """A cut must forget what was not synced, and only that; else a proof with it proves nothing."""
        synced, unsynced = self.folder / _SYNCED, self.folder / _UNSYNCED
        synced.write_text(_SYNCED)
        _sync(synced)
        unsynced.write_text(_UNSYNCED)
        self.cut()
        self.unmount()
        self.mount()
        if not synced.exists() or synced.read_text() != _SYNCED or unsynced.exists():
            raise CannotCut("a cut of the file system did not forget just what was not synced: use ext4")
        synced.unlink()

    def mount(self) -> None:
        """Power is back: what the cut left is mounted, its own journal replayed."""
        _run("mount", "-o", "loop", str(self._image), str(self.folder))

    def cut(self) -> None:
        """The power is gone, at once; CannotCut when the file system does not know how."""
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if os.major(os.fstat(handle).st_dev) != _LOOP_DEVICES:  # a cut here would end the machine itself
                raise CannotCut(f"{self.folder} is not on a loop device of its own: mount it first")
            fcntl.ioctl(handle, _SHUTDOWN, _NO_LOG_FLUSH)
        except OSError as error:
            raise CannotCut(f"the file system cannot be cut off ({error.strerror}): use ext4") from None
        finally:
            os.close(handle)

    def unmount(self) -> None:
        """Takes it off; waits a little for those that still leave it."""
        end = time.monotonic() + _LEAVE_SECONDS_MAX
        while True:
            try:
                _run("umount", str(self.folder))
            except CannotCut:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
            else:
                return


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise CannotCut(f"there is no {command[0]}: install e2fsprogs, mount and util-linux") from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines() or ["nothing"]
        raise CannotCut(
            f"{command[0]} says: {said[0]}; it needs root with CAP_SYS_ADMIN and loop devices"
        ) from None
