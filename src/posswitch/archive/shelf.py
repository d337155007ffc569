"""The folder of a backup: which files count, read without following links, written whole or not at all."""

import contextlib
import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from posswitch.archive.aside import sync_folder
from posswitch.base.errors import ArchiveError

SEGMENT_FILE_BYTES_MAX = 1 << 28
FILES_MAX = 200_000  # a listing is read whole
DISK_RESERVE_BYTES = 64 << 20  # of a disk that others may need, too, this much is left to them
_NUMBER = "{:016d}"
_SEGMENT = re.compile(r"([0-9]{16})-([0-9]{16})\.seg")
_OFFICE = re.compile(r"office-([0-9]{16})\.seg")
_LOCK = ".lock"


class Span(NamedTuple):
    """A segment by its name: the records it says to hold."""

    first: int
    last: int

    @property
    def name(self) -> str:
        """Its file, such that names sort as numbers do."""
        return f"{_NUMBER.format(self.first)}-{_NUMBER.format(self.last)}.seg"


def office_name(version: int) -> str:
    """The file of a copy of the office's books."""
    return f"office-{_NUMBER.format(version)}.seg"


class Shelf:
    """One folder; nothing outside of it is ever opened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        return f"<backup in {self.folder}>"

    def create(self) -> None:
        """Makes the folder, for its owner only."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def spans(self) -> list[Span]:
        """The segments of the journal, ascending, the longest first where several begin alike."""
        found = [Span(int(match[1]), int(match[2])) for match in self._matches(_SEGMENT)]
        return sorted(found, key=lambda span: (span.first, -span.last))

    def office_versions(self) -> list[int]:
        """The versions of the office's books that are kept, ascending."""
        return sorted(int(match[1]) for match in self._matches(_OFFICE))

    def _matches(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        return (match for name in self._names() if (match := pattern.fullmatch(name)))

    def _names(self) -> list[str]:
        """Every name that looks like a segment's; one that only nearly does is an error, not overlooked."""
        names = []
        if not self.folder.is_dir():
            raise ArchiveError(f"{self.folder}: no backup there; name its folder")
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if not entry.name.endswith(".seg"):
                    continue
                if not _SEGMENT.fullmatch(entry.name) and not _OFFICE.fullmatch(entry.name):
                    shown = entry.name.encode("utf-8", "backslashreplace").decode()[:64]
                    raise ArchiveError(f"{self.folder}: {shown!r} is no name of a segment; move it elsewhere")
                names.append(entry.name)
                if len(names) > FILES_MAX:
                    raise ArchiveError(f"{self.folder}: more than {FILES_MAX} segments; begin a new folder")
        return names

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """A segment to read; ArchiveError when it is no plain file, or has gone."""
        try:
            fd = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise ArchiveError(f"{name}: cannot be opened ({error.strerror}); bring back its copy") from None
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > SEGMENT_FILE_BYTES_MAX:
            os.close(fd)
            what = "is too long for a segment" if stat.S_ISREG(found.st_mode) else "is not a file"
            raise ArchiveError(f"{name}: {what}; bring back its copy")
        with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor
            yield file

    def has(self, name: str) -> bool:
        """Whether a segment is there, whatever it is."""
        return os.path.lexists(self.folder / name)

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return (self.folder / name).stat(follow_symlinks=False).st_size

    def write(self, name: str, parts: Iterable[bytes]) -> int:
        """A file under its name only when all of it is durable; its bytes. ArchiveError when it cannot be."""
        made = self.folder / f".{name}.tmp"
        try:
            if shutil.disk_usage(self.folder).free < DISK_RESERVE_BYTES:
                raise ArchiveError(f"{self.folder}: its disk is nearly full, nothing was written; make room")
            made.unlink(missing_ok=True)  # of a backup that was killed
            fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                with open(fd, "wb") as file:  # noqa: PTH123 - a descriptor
                    size = sum(file.write(part) for part in parts)
                    file.flush()
                    os.fsync(fd)
                made.rename(self.folder / name)
            except BaseException:
                made.unlink(missing_ok=True)
                raise
            sync_folder(self.folder)
        except OSError as error:
            raise ArchiveError(
                f"{self.folder}: cannot be written ({error.strerror}); see to its disk"
            ) from None
        return size

    def note(self, name: str, text: str) -> None:
        """A small file beside the segments, whole or not at all."""
        self.write(name, [text.encode()])

    def remove(self, names: Iterable[str]) -> None:
        """Takes segments away whose records other segments hold."""
        for name in names:
            (self.folder / name).unlink(missing_ok=True)
        sync_folder(self.folder)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Only one backup writes here; ArchiveError when another one does."""
        fd = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ArchiveError(f"{self.folder}: another backup is writing there; stop it first") from None
            yield
        finally:
            os.close(fd)
