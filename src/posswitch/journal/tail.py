"""The end of a journal after a crash: on the disk what is read, and how much of it was torn.

SQLite appends to a write-ahead log (its file format, section 4) and passes over what no commit has finished.
"""

import mmap
from pathlib import Path

from posswitch.journal.disk import Disk

_MAGIC = b"\x37\x7f\x06"
_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24


def wal_of(database: Path) -> Path:
    """The write-ahead log beside a database."""
    return database.with_name(f"{database.name}-wal")


def settle(disk: Disk, database: Path) -> int:
    """Writes the log anew, so that nothing of it is in memory only; how many frames are in it.

    What a failed sync left is read as if it were on the disk, and would be gone after the next power cut.
    """
    return _frames(disk.rewrite(wal_of(database)))


def _frames(log: bytes | mmap.mmap) -> int:
    """The frames of the log's present generation, whole or not: their salts are its header's."""
    if log[:3] != _MAGIC:
        return 0
    frame_bytes = _FRAME_HEADER_BYTES + int.from_bytes(log[8:12], "big")
    count = 0
    for at in range(_HEADER_BYTES, len(log), frame_bytes):
        if log[at + 8 : at + 16] != log[16:24]:
            break
        count += 1
    return count
