"""The keyed chain over the records, and the head file that says how far it had come."""

import hmac
import os
from pathlib import Path
from typing import NamedTuple

from posswitch.base.errors import JournalError

GENESIS = b"\0" * 32
_SLOT_BYTES = 8 + 32 + 32


def link(key: bytes, previous: bytes, seq: int, body: bytes) -> bytes:
    """HMAC-SHA256 over the previous link, the record's number and its bytes (32 bytes)."""
    return hmac.digest(key, previous + seq.to_bytes(8, "big") + body, "sha256")


class Head(NamedTuple):
    """The last record that was committed, and its link."""

    seq: int
    link: bytes


class HeadFile:
    """Two signed slots written in turn, so that a torn write never loses both."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._key = key
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, head: Head) -> None:
        """Notes a committed head; durable only after `sync`."""
        data = head.seq.to_bytes(8, "big") + head.link
        os.pwrite(self._fd, data + hmac.digest(self._key, data, "sha256"), (head.seq % 2) * _SLOT_BYTES)

    def read(self) -> Head:
        """The newest slot whose signature fits; Head(0, …) when nothing was ever written."""
        return _newest(os.pread(self._fd, 2 * _SLOT_BYTES, 0), self._key)

    def sync(self) -> None:
        """Makes the last written head durable."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Syncs and closes."""
        self.sync()
        os.close(self._fd)


def read_head(path: Path, key: bytes) -> Head:
    """The head in a file that a live node may be writing; raises JournalError when no slot fits."""
    return _newest(path.read_bytes(), key)


def _newest(data: bytes, key: bytes) -> Head:
    best = Head(0, GENESIS)
    slots = (data[:_SLOT_BYTES], data[_SLOT_BYTES : 2 * _SLOT_BYTES])
    written = [slot for slot in slots if len(slot) == _SLOT_BYTES and any(slot)]
    fits = False
    for slot in written:
        if hmac.compare_digest(hmac.digest(key, slot[:40], "sha256"), slot[40:]):
            fits = True
            head = Head(int.from_bytes(slot[:8], "big"), slot[8:40])
            best = max(best, head)
    if written and not fits:
        raise JournalError("head file: no signature fits; the key is another one or the file was changed")
    return best
