"""The world's disk: files in memory that forget what was not synced when the power fails, as SQLite sees them."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import apsw

_SECTOR_BYTES = 512
_OFF = OSError("the machine is off")


class Image:
    """One file: what programs read, what is on the platter, and the writes in between."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.platter = bytearray()
        self.pending: list[tuple[int, bytes]] = []  # (offset, bytes); (size, b"") cuts the file

    def write(self, offset: int, data: bytes) -> None:
        """Seen at once, kept after a sync."""
        _put(self.data, offset, data)
        self.pending.append((offset, data))

    def cut(self, size: int) -> None:
        """Shortens the file."""
        del self.data[size:]
        self.pending.append((size, b""))

    def sync(self) -> None:
        """Everything written is on the platter."""
        for offset, data in self.pending:
            _put(self.platter, offset, data)
        self.pending.clear()

    def lose(self, entropy: random.Random) -> int:
        """The power fails: of each pending write all, a part, or nothing is kept. Returns how many suffered."""
        suffered = 0
        for offset, data in self.pending:
            fate = entropy.random()
            if fate < 0.4:
                suffered += 1
            elif fate < 0.6 and len(data) > _SECTOR_BYTES:
                suffered += 1
                _put(
                    self.platter,
                    offset,
                    data[: entropy.randrange(len(data) // _SECTOR_BYTES + 1) * _SECTOR_BYTES],
                )
            else:
                _put(self.platter, offset, data)
        self.pending.clear()
        self.data = bytearray(self.platter)
        return suffered


def _put(image: bytearray, offset: int, data: bytes) -> None:
    if not data:
        del image[offset:]
        return
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(data)] = data


class Disk:
    """One machine's files; `before(what)` is called before each write and sync and may raise."""

    def __init__(self, name: str, entropy: random.Random) -> None:
        self.files: dict[str, Image] = {}
        self.before: Callable[[str], None] = lambda what: None
        self.counts: Counter[str] = Counter()
        self._entropy = entropy
        self.vfs = _Vfs(name, self)
        self.name = name

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(image.data)}" for name, image in self.files.items())
        return f"<disk {sizes}>"

    def power_cut(self) -> int:
        """Loses what was not synced."""
        return sum(image.lose(self._entropy) for image in self.files.values())

    def close(self) -> None:
        """Unregisters it from SQLite."""
        self.vfs.unregister()


class _Vfs(apsw.VFS):
    def __init__(self, name: str, disk: Disk) -> None:
        super().__init__(name, "", maxpathname=256)
        self._disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> "_File":
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        flags[1] = flags[0]
        return _File(self._disk, path)

    def xAccess(self, path: str, flags: int) -> bool:
        return path in self._disk.files

    def xDelete(self, path: str, sync: bool) -> None:
        self._disk.before("delete")
        self._disk.files.pop(path, None)

    def xFullPathname(self, path: str) -> str:
        return path

    def xRandomness(self, count: int) -> bytes:
        return self._disk._entropy.randbytes(count)

    def xCurrentTimeInt64(self) -> int:
        return 0

    def xSleep(self, microseconds: int) -> int:
        return microseconds


class _File:
    def __init__(self, disk: Disk, path: str) -> None:
        self._disk = disk
        self._image = disk.files.setdefault(path, Image())

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._image.data[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.before("write")
        self._image.write(offset, bytes(data))

    def xTruncate(self, size: int) -> None:
        self._disk.before("cut")
        self._image.cut(size)

    def xSync(self, flags: int) -> None:
        self._disk.before("sync")
        self._image.sync()

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
