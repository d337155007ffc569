"""The world's disk: files in memory, as SQLite sees them, that forget what was not synced."""

import random
from collections.abc import Callable
from pathlib import Path

import apsw

_SECTOR_BYTES = 512
_SPACE_BYTES = 1 << 40
_FRAME_BYTES = 24 + 4096  # of SQLite's log: a header and a page


class Image:
    """One file: what programs read, what is on the platter, and the writes in between."""

    def __init__(self, data: bytes | bytearray = b"") -> None:
        self.data = bytearray(data)
        self.platter = bytearray(data)
        self.pending: list[tuple[int, bytes]] = []  # (offset, bytes); (size, b"") cuts the file
        self._missing_from: int | None = None  # from here on reading shows what a failed sync has lost

    def write(self, offset: int, data: bytes) -> None:
        """Seen at once, kept after a sync."""
        _put(self.data, offset, data)
        self.pending.append((offset, data))

    def cut(self, size: int) -> None:
        """Shortens the file."""
        del self.data[size:]
        self.pending.append((size, b""))
        if self._missing_from is not None and size <= self._missing_from:
            self._missing_from = None

    @property
    def is_safe(self) -> bool:
        """Whether all that counts of a log would be there after a power cut.

        SQLite fills its log up to the end of a sector, syncs, and writes the rest of the filling: it may go.
        """
        written = [(offset, len(data)) for offset, data in self.pending if data]
        filling = not written or (
            min(written)[0] % _SECTOR_BYTES == 0 and sum(size for _, size in written) < _FRAME_BYTES
        )
        return filling and self._missing_from is None

    @property
    def is_settled(self) -> bool:
        """Whether the platter holds what is read."""
        return not self.pending and self._missing_from is None

    def sync(self) -> None:
        """Everything written is on the platter."""
        for offset, data in self.pending:
            _put(self.platter, offset, data)
            if self._missing_from is not None and offset <= self._missing_from < offset + len(data):
                self._missing_from = offset + len(data) if offset + len(data) < len(self.data) else None
        self.pending.clear()

    def fail(self) -> None:
        """A sync has failed; as Linux does: what could not be written counts as written."""
        if self.pending:
            first = min(offset for offset, _ in self.pending)
            self._missing_from = first if self._missing_from is None else min(first, self._missing_from)
        self.pending.clear()

    def lose(self, entropy: random.Random) -> int:
        """The power fails: of each pending write all, a part, or nothing stays; how many suffered."""
        suffered = 0
        for offset, data in self.pending:
            fate = entropy.random()
            if fate < 0.4:
                suffered += 1
            elif fate < 0.6 and len(data) > _SECTOR_BYTES:
                suffered += 1
                kept = entropy.randrange(1, len(data) // _SECTOR_BYTES + 1) * _SECTOR_BYTES
                _put(self.platter, offset, data[:kept])
            else:
                _put(self.platter, offset, data)
        self.pending.clear()
        self.data = bytearray(self.platter)
        self._missing_from = None
        return suffered


def _put(image: bytearray, offset: int, data: bytes) -> None:
    if not data:
        del image[offset:]
        return
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(data)] = data


class Disk:
    """One machine's files; `before(what)` is called before each write and sync and may raise.

    What a life has opened is of no use to it once `lives` says that it is over.
    """

    def __init__(self, name: str, entropy: random.Random, lives: Callable[[str], bool]) -> None:
        self.name = name
        self.files: dict[str, Image] = {}
        self.before: Callable[[str], None] = lambda what: None
        self.life = ""  # whose the next files are
        self.full = False  # as far as programs are told; what was begun still fits
        self.entropy = entropy
        self.lives = lives
        self.writer: apsw.Connection | None = None  # the last one that was opened
        self._buried = False
        self._vfs = _Vfs(self)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(image.data)}" for name, image in self.files.items())
        return f"<disk {sizes}>"

    def owes(self, log: str) -> str:
        """Why a node must not speak now, or empty: what it has written, to its WAL `log`, could be lost."""
        if self.writer is not None and self.writer.in_transaction:
            return "its transaction is open"
        image = self.files.get(log)
        return "" if image is None or image.is_safe else "its record could be lost"

    def power_cut(self) -> int:
        """Loses what was not synced; how many writes suffered."""
        return sum(image.lose(self.entropy) for image in self.files.values())

    def change(self, life: str, what: str) -> None:
        """Stands before every write of a life."""
        if self._buried:
            return
        if not self.lives(life):
            raise apsw.IOError("this life is over")
        self.before(what)
        if not self.lives(life):  # it has just ended
            raise apsw.IOError("this life is over")

    def close(self) -> None:
        """Unregisters it from SQLite; what is still open may be closed in peace.

        SQLite's hold on open files is out of the garbage collector's sight: they must lead nowhere.
        """
        self._buried = True
        self.writer = None
        self.before = lambda what: None
        self.lives = lambda life: False
        self._vfs.unregister()

    # journal.disk.Disk

    def database(self, path: Path) -> apsw.Connection:
        """See journal.disk."""
        db = apsw.Connection(str(path), vfs=self.name)
        db.execute("PRAGMA locking_mode=EXCLUSIVE")  # no shared memory here
        self.writer = db
        return db

    def view(self, path: Path) -> apsw.Connection:
        """See journal.disk; only while no writer is there."""
        return self.database(path)

    def slots(self, path: Path, size: int) -> "_Slots":
        """See journal.disk."""
        image = self.files.setdefault(str(path), Image())
        if len(image.data) < size:
            image.write(len(image.data), bytes(size - len(image.data)))
        return _Slots(self, image)

    def read(self, path: Path) -> bytes:
        """See journal.disk."""
        image = self.files.get(str(path))
        return bytes(image.data) if image is not None else b""

    def exists(self, path: Path) -> bool:
        """See journal.disk."""
        return str(path) in self.files

    def rewrite(self, path: Path) -> bytes:
        """See journal.disk."""
        image = self.files.get(str(path))
        if image is None:
            return b""
        data = bytes(image.data)
        self.change(self.life, "rewrite")
        if not image.is_settled:  # else the platter has these very bytes
            image.write(0, data)
        self.sync(self.life, image)
        return data

    def sync(self, life: str, image: Image) -> None:
        """Makes a file durable, or fails and loses what it should have written."""
        try:
            self.change(life, "sync")
        except apsw.IOError:
            image.fail()
            raise
        image.sync()

    def space(self, folder: Path) -> tuple[int, int]:
        """See journal.disk."""
        return (0 if self.full else _SPACE_BYTES), _SPACE_BYTES


class _Slots:
    def __init__(self, disk: Disk, image: Image) -> None:
        self._disk = disk
        self._image = image
        self._life = disk.life
        self.found = bytes(image.data)

    def write(self, at: int, data: bytes) -> None:
        self._disk.change(self._life, "head")
        self._image.write(at, data)

    def sync(self) -> None:
        self._disk.change(self._life, "head-sync")
        self._image.sync()

    def close(self) -> None:
        pass


class _Vfs(apsw.VFS):
    """SQLite's view of it; the names are SQLite's."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk.name, "", maxpathname=256)
        self._disk = disk

    def xOpen(self, name: object, flags: list[int]) -> "_File":  # type: ignore[override]
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        flags[1] = flags[0]
        return _File(self._disk, path)

    def xAccess(self, path: str, flags: int) -> bool:
        return path in self._disk.files

    def xDelete(self, path: str, sync: bool) -> None:
        self._disk.change(self._disk.life, "delete")
        self._disk.files.pop(path, None)

    def xFullPathname(self, path: str) -> str:
        return path

    def xRandomness(self, count: int) -> bytes:
        return self._disk.entropy.randbytes(count)

    def xCurrentTimeInt64(self) -> int:
        return 0

    def xSleep(self, microseconds: int) -> int:
        return microseconds


class _File:
    def __init__(self, disk: Disk, path: str) -> None:
        self._disk = disk
        self._life = disk.life
        self._image = disk.files.setdefault(path, Image())

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._image.data[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.change(self._life, "write")
        self._image.write(offset, bytes(data))

    def xTruncate(self, size: int) -> None:
        self._disk.change(self._life, "cut")
        self._image.cut(size)

    def xSync(self, flags: int) -> None:
        self._disk.sync(self._life, self._image)

    def xFileSize(self) -> int:
        return len(self._image.data)

    def xLock(self, level: int) -> None:
        pass

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return _SECTOR_BYTES

    def xDeviceCharacteristics(self) -> int:
        return 0

    def xClose(self) -> None:
        pass
