"""How often each key was used: rows beside the vitals, by a fingerprint of the wrapped key."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import apsw

from posswitch.edge.vitals import VITALS

ROWS_MAX = 100_000  # the longest unused make room: of terminals that have signed on since

_TABLE = """
CREATE TABLE IF NOT EXISTS key_use(
    key TEXT PRIMARY KEY,      -- the start of the wrapped key's SHA-256
    first_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    uses INTEGER NOT NULL
) WITHOUT ROWID;
"""
_PUT = """INSERT INTO key_use VALUES(?, ?, ?, ?) ON CONFLICT(key) DO UPDATE SET
last_ns = excluded.last_ns, uses = uses + excluded.uses"""
_CUT = """DELETE FROM key_use WHERE key IN
(SELECT key FROM key_use ORDER BY last_ns LIMIT max(0, (SELECT count(*) FROM key_use) - ?))"""


class KeyUses:
    """Collects counts; `write` adds them to the table."""

    def __init__(self) -> None:
        self._pending: list[tuple[str, int, int, int]] = []

    def __repr__(self) -> str:
        return f"<uses of {len(self._pending)} keys to write>"

    def collect(self, uses: Mapping[bytes, int], at_ns: int) -> None:
        """What was counted until this moment, by wrapped key; replaces what could not be written yet."""
        self._pending = [(print_of(key), at_ns, at_ns, count) for key, count in uses.items()]

    def write(self, db: apsw.Connection) -> None:
        """Writes what was collected; a busy or full disk loses it, payments go on."""
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        try:
            with db:
                db.execute(_TABLE)
                db.executemany(_PUT, pending)
                db.execute(_CUT, (ROWS_MAX,))
        except apsw.Error:
            pass


def print_of(wrapped: bytes) -> str:
    """16 hex digits that stand for a wrapped key."""
    return hashlib.sha256(wrapped).hexdigest()[:16]


def read_uses(folder: Path) -> dict[str, int]:
    """How often each key was used since the vitals began, by its print; empty when nobody knows."""
    path = folder / VITALS
    if not path.exists():
        return {}
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            db.set_busy_timeout(1000)
            return dict(db.execute("SELECT key, uses FROM key_use LIMIT ?", (ROWS_MAX,)))
        finally:
            db.close()
    except apsw.Error:  # nothing was written yet
        return {}
