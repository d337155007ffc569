"""diagnosis.db: incidents as they are known, their history, how everything is now. One writer: diagnosis."""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw
import msgspec

from posswitch.diagnose.incident import Incident, packed, unpacked

SHELF = "diagnosis.db"
LAYOUT = 1
KEPT_MAX = 10_000  # incidents; the oldest that are over make room
STEPS_MAX = 200  # of one incident; the first and the newest stay
PUT_ASIDE = "damaged"  # what a file is called that nobody can read
_DROP_STEPS = """
DELETE FROM step WHERE number = ? AND at_ns IN (SELECT at_ns FROM step WHERE number = ? ORDER BY at_ns DESC
    LIMIT -1 OFFSET ?) AND at_ns > (SELECT min(at_ns) FROM step WHERE number = ?)
"""
_BUSY_MS = 1000
_TABLES = """
CREATE TABLE IF NOT EXISTS incident(number INTEGER PRIMARY KEY, open INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS step(number INTEGER NOT NULL, at_ns INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY(number, at_ns)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS now(one INTEGER PRIMARY KEY CHECK(one = 1), at_ns INTEGER NOT NULL,
    body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS learned(name TEXT PRIMARY KEY, body BLOB NOT NULL);
"""
STALE_NS = 5_000_000_000


class Shelf:
    """The writer's side."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._db = _laid_out(folder / SHELF)
        except (apsw.CorruptError, apsw.NotADBError, apsw.SchemaChangeError):
            for name in (SHELF, f"{SHELF}-wal", f"{SHELF}-shm"):
                if (folder / name).exists():
                    (folder / name).replace(folder / f"{name}.{PUT_ASIDE}")
            self._db = _laid_out(folder / SHELF)

    def __repr__(self) -> str:
        return f"<shelf of {self.last_number()} incidents>"

    def last_number(self) -> int:
        """Of the newest incident, 0 when there was none."""
        (last,) = self._db.execute("SELECT coalesce(max(number), 0) FROM incident").fetchone() or (0,)
        return int(last)

    def keep(self, incidents: Iterable[Incident]) -> None:
        """Writes what has changed, and the step that each has taken."""
        with self._db:
            for one in incidents:
                body = packed(one).decode()
                self._db.execute(
                    "INSERT OR REPLACE INTO incident VALUES(?, ?, ?)", (one.number, one.open, body)
                )
                self._db.execute(
                    "INSERT OR REPLACE INTO step VALUES(?, ?, ?)", (one.number, one.changed_ns, body)
                )
                self._db.execute(_DROP_STEPS, (one.number, one.number, STEPS_MAX - 1, one.number))
            self._db.execute(
                "DELETE FROM incident WHERE NOT open AND number <= (SELECT max(number) FROM incident) - ?",
                (KEPT_MAX,),
            )
            if self._db.changes():
                self._db.execute("DELETE FROM step WHERE number NOT IN (SELECT number FROM incident)")

    def say(self, at_ns: int, now: dict[str, Any]) -> None:
        """How everything is at this moment."""
        body = msgspec.json.encode(now).decode()
        self._db.execute("INSERT OR REPLACE INTO now VALUES(1, ?, ?)", (at_ns, body))

    def learn(self, name: str, body: bytes) -> None:
        """Keeps what was learned, for the next start."""
        self._db.execute("INSERT OR REPLACE INTO learned VALUES(?, ?)", (name, body))

    def learned(self, name: str) -> bytes | None:
        """What was kept under a name."""
        row = self._db.execute("SELECT body FROM learned WHERE name = ?", (name,)).fetchone()
        return bytes(row[0]) if row else None

    def open_ones(self) -> list[Incident]:
        """Those that were open when diagnosis ended."""
        rows = self._db.execute("SELECT body FROM incident WHERE open ORDER BY number")
        return _readable(body for (body,) in rows)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()


def read_incidents(folder: Path, most: int = 100, *, open_only: bool = False) -> list[Incident]:
    """Incidents, the newest first; none where diagnosis never ran. apsw.Error when the file is damaged."""
    where = "WHERE open" if open_only else ""
    rows = _rows(folder, f"SELECT body FROM incident {where} ORDER BY number DESC LIMIT ?", (most,))  # noqa: S608
    return _readable(body for (body,) in rows)


def read_incident(folder: Path, number: int) -> tuple[Incident, list[Incident]] | None:
    """One incident, and how it was known at each of its steps, in order; None when there is none."""
    rows = _rows(folder, "SELECT body FROM incident WHERE number = ?", (number,))
    if not rows:
        return None
    steps = _rows(folder, "SELECT body FROM step WHERE number = ? ORDER BY at_ns", (number,))
    found = _readable([rows[0][0]])
    return (found[0], _readable(body for (body,) in steps)) if found else None


def read_now(folder: Path) -> tuple[int, dict[str, Any]] | None:
    """When diagnosis spoke last, and what it said; None where it never did."""
    rows = _rows(folder, "SELECT at_ns, body FROM now", ())
    if not rows:
        return None
    said: dict[str, Any] = msgspec.json.decode(rows[0][1])
    return int(rows[0][0]), said


def _rows(folder: Path, query: str, bindings: tuple[int, ...]) -> list[tuple[Any, ...]]:
    path = folder / SHELF
    if not path.exists():
        return []
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    with contextlib.closing(db):
        db.set_busy_timeout(_BUSY_MS)
        if db.pragma("user_version") != LAYOUT:  # of another release, or not laid out yet
            return []
        return list(db.execute(query, bindings))


def _readable(bodies: Iterable[str]) -> list[Incident]:
    """Those that this release can read."""
    found = []
    for body in bodies:
        with contextlib.suppress(msgspec.DecodeError):
            found.append(unpacked(body))
    return found


def _laid_out(path: Path) -> apsw.Connection:
    """Opens or makes the file; apsw.Error when it is damaged, or laid out by another release."""
    db = apsw.Connection(str(path))
    try:
        db.set_busy_timeout(_BUSY_MS)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
            db.execute(f"PRAGMA {pragma}")
        if db.pragma("user_version") not in (0, LAYOUT):
            raise apsw.SchemaChangeError("incidents of another release")
        db.execute(_TABLES)
        db.pragma("user_version", LAYOUT)
        if db.pragma("quick_check") != "ok":
            raise apsw.CorruptError("incidents are damaged")
    except apsw.Error:
        db.close()
        raise
    return db
