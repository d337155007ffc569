"""The keyed chain over the records, and the head file that says how far it had come."""

import fcntl
import hashlib
import hmac
import mmap
import os
from pathlib import Path
from typing import NamedTuple

from posswitch.base.errors import JournalError

GENESIS = b"\0" * 32
_SLOT_BYTES = 8 + 32 + 32


class Chain:
    """HMAC-SHA256 (RFC 2104) with the key's two blocks hashed once: a third of the price of `hmac.digest`."""

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        assert len(block) == 64, "longer keys would have to be hashed first"
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def sign(self, data: bytes) -> bytes:
        """The 32-byte MAC of `data`."""
        inner = self._inner.copy()
        inner.update(data)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def link(self, previous: bytes, seq: int, body: bytes) -> bytes:
        """The MAC over the previous link, the record's number and its bytes."""
        return self.sign(previous + seq.to_bytes(8, "big") + body)


class Head(NamedTuple):
    """The last record that was committed, and its link."""

    seq: int
    link: bytes


class HeadFile:
    """Two signed slots written in turn, so that a torn write never loses both; locked by its one writer."""

    def __init__(self, path: Path, chain: Chain) -> None:
        self._chain = chain
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise JournalError(f"{path.parent}: another node is using this journal; stop it first") from None
        self._found = os.pread(self._fd, 2 * _SLOT_BYTES, 0)
        self.blank = not any(self._found)  # new, or of a start that ended before its first head
        os.truncate(self._fd, 2 * _SLOT_BYTES)
        self._map = mmap.mmap(self._fd, 2 * _SLOT_BYTES)
        self._turn = 0

    def write(self, head: Head) -> None:
        """Notes a committed head: safe from a killed process at once, from a power cut after `sync`."""
        data = head.seq.to_bytes(8, "big") + head.link
        at = self._turn * _SLOT_BYTES
        self._map[at : at + _SLOT_BYTES] = data + self._chain.sign(data)
        self._turn = 1 - self._turn

    def read(self) -> Head:
        """The newest head that was in the file when it was opened; raises JournalError without one."""
        head, slot = _newest(self._found, self._chain)
        self._turn = 1 - slot
        return head

    def sync(self) -> None:
        """Makes the last written head durable."""
        self._map.flush()

    def close(self) -> None:
        """Syncs and closes."""
        self.sync()
        self._map.close()
        os.close(self._fd)


def read_head(path: Path, chain: Chain) -> Head:
    """The head in a file that a live node may be writing; raises JournalError when no slot fits."""
    return _newest(_bytes_of(path), chain)[0]


def never_written(path: Path) -> bool:
    """Whether a head file is missing or of a start that ended before its first head."""
    return not any(_bytes_of(path))


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _newest(data: bytes, chain: Chain) -> tuple[Head, int]:
    """The newest signed head and its slot."""
    best: tuple[Head, int] | None = None
    for index in range(2):
        slot = data[index * _SLOT_BYTES : (index + 1) * _SLOT_BYTES]
        if len(slot) == _SLOT_BYTES and hmac.compare_digest(chain.sign(slot[:40]), slot[40:]):
            head = Head(int.from_bytes(slot[:8], "big"), slot[8:40])
            best = max(best or (head, index), (head, index))
    if best is None:
        raise JournalError(
            "head file: missing, or no signature fits: the file was changed, or the secret is another one; "
            "restore it together with its journal"
        )
    return best
