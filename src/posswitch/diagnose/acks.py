"""acks.db: who looks after which incident. People write it with `posswitch incident`; diagnosis reads it."""

import contextlib
from pathlib import Path
from typing import NamedTuple

import apsw

from posswitch.diagnose.incident import Incident
from posswitch.diagnose.notify import AckKey, ack_key

ACKS = "acks.db"
KEPT_MAX = 1000  # the newest
_BUSY_MS = 2000
_TABLE = """
CREATE TABLE IF NOT EXISTS ack(number INTEGER NOT NULL, opened_ns INTEGER NOT NULL,
    opened_again INTEGER NOT NULL, by TEXT NOT NULL, at_ns INTEGER NOT NULL,
    PRIMARY KEY(number, opened_ns, opened_again)) WITHOUT ROWID;
"""
_ROOM = "DELETE FROM ack WHERE at_ns < (SELECT at_ns FROM ack ORDER BY at_ns DESC LIMIT 1 OFFSET ?)"


class Ack(NamedTuple):
    """Who, and when."""

    by: str
    at_ns: int


def acknowledge(folder: Path, incident: Incident, by: str, at_ns: int) -> None:
    """Writes who looks after an incident; who said so last stands."""
    path = folder / ACKS
    path.touch(mode=0o600)
    with contextlib.closing(apsw.Connection(str(path))) as db:
        db.set_busy_timeout(_BUSY_MS)
        with db:
            db.execute(_TABLE)
            db.execute("INSERT OR REPLACE INTO ack VALUES(?, ?, ?, ?, ?)", (*ack_key(incident), by, at_ns))
            db.execute(_ROOM, (KEPT_MAX - 1,))


def read_acks(folder: Path) -> dict[AckKey, Ack]:
    """Who looks after what; nothing where nobody ever said so. apsw.Error when the file is damaged."""
    path = folder / ACKS
    if not path.exists() or not path.stat().st_size:
        return {}
    with contextlib.closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        db.set_busy_timeout(_BUSY_MS)
        rows = db.execute("SELECT number, opened_ns, opened_again, by, at_ns FROM ack LIMIT ?", (KEPT_MAX,))
        return {(number, opened_ns, again): Ack(by, at_ns) for number, opened_ns, again, by, at_ns in rows}


class AckReader:
    """Reads the file again only when it was written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: tuple[int, int, int] | None = None
        self._acks: dict[AckKey, Ack] = {}

    def __repr__(self) -> str:
        return f"<reader of {len(self._acks)} acknowledgements>"

    def read(self) -> dict[AckKey, Ack]:
        """As they stand; as they stood while the file is being written or cannot be read."""
        with contextlib.suppress(OSError, apsw.Error):
            found = (self._folder / ACKS).stat()
            seen = found.st_ino, found.st_size, found.st_mtime_ns
            if seen != self._seen:
                self._acks, self._seen = read_acks(self._folder), seen
        return self._acks
