"""Rows beside the vitals: collected in memory, written with each period, bounded, lost without harm."""

from pathlib import Path
from typing import Any

import apsw

from posswitch.journal.vitals import VITALS

PENDING_MAX = 500  # between two writes, so that a write never holds the node up
_BUSY_MS = 1000
_CUT = """DELETE FROM {name} WHERE ({keys}) IN
(SELECT {keys} FROM {name} ORDER BY last_ns LIMIT max(0, (SELECT count(*) FROM {name}) - ?))"""

Key = tuple[Any, ...]
Values = tuple[Any, ...]


class Beside:
    """One table: its columns, those of its key first and a `last_ns` among them; what a row seen again does.

    `pending` are rows by key, to be written with the next period; `lost` counts those that found no disk.
    """

    def __init__(
        self, name: str, columns: str, key: str, again: str, rows_max: int, pending_max: int = PENDING_MAX
    ) -> None:
        names = [line.split()[0] for line in columns.strip().splitlines()]
        marks = ", ".join("?" * len(names))
        self._name = name
        self._schema = f"CREATE TABLE IF NOT EXISTS {name}({columns}\n, PRIMARY KEY({key})) WITHOUT ROWID"
        self._put = (
            f"INSERT INTO {name}({', '.join(names)}) VALUES({marks}) ON CONFLICT({key}) DO UPDATE SET {again}"
        )
        self._cut = _CUT.format(name=name, keys=key)
        self._rows_max, self._pending_max = rows_max, pending_max
        self.pending: dict[Key, Values] = {}
        self.lost = 0

    def __repr__(self) -> str:
        return f"<{self._name}: {len(self.pending)} to write, {self.lost} lost>"

    def takes(self, key: Key) -> bool:
        """Whether there is room for a row with this key before the next write."""
        return key in self.pending or len(self.pending) < self._pending_max

    def write(self, db: apsw.Connection) -> None:
        """Writes what has changed; a busy or full disk loses it, payments go on."""
        if not self.pending:
            return
        pending, self.pending = self.pending, {}
        rows = [(*key, *values) for key, values in pending.items()]
        try:
            with db:
                db.execute(self._schema)
                db.executemany(self._put, rows)
                db.execute(self._cut, (self._rows_max,))
        except apsw.Error:
            self.lost += len(rows)


def read_beside(folder: Path, name: str, query: str, rows_max: int) -> list[tuple[Any, ...]]:
    """The rows of a table beside a node's vitals; none when nothing was written. apsw.Error: unreadable."""
    path = folder / VITALS
    if not path.exists():
        return []
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        db.set_busy_timeout(_BUSY_MS)
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (name,)).fetchone():
            return []
        return list(db.execute(query, (rows_max,)))
    finally:
        db.close()
