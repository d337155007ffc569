"""What a node says about itself: gauges and raw outcomes, a ten-minute ring that may be lost at any time."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec

from posswitch.base.moment import NS_PER_MS, NS_PER_S
from posswitch.edge.beside import VITALS
from posswitch.edge.drift import DriftLog
from posswitch.edge.footprint import Footprint

PERIOD_NS = 250 * NS_PER_MS
_KEPT_NS = 600 * NS_PER_S
STALE_NS = 5 * NS_PER_S
_OUTCOMES_MAX = 20_000  # per period; more are counted, not kept

_TABLES = """
CREATE TABLE IF NOT EXISTS vitals(at_ns INTEGER PRIMARY KEY, gauges BLOB NOT NULL, outcomes BLOB NOT NULL);
"""


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """One answered request: its bank ("" when none was asked), DE39 and time from arrival to answer."""

    bank: str
    code: str
    latency_us: int


class Vitals:
    """Collects in memory, writes one row each period; `synchronous=OFF`, never backed up."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = _opened(folder / VITALS)
        self._outcomes: list[Outcome] = []
        self.drift = DriftLog()
        self.beside: list[Callable[[apsw.Connection], None]] = [self.drift.write]  # written with each period
        self._dropped = 0
        self._footprint = Footprint(folder)

    def outcome(self, bank: str, code: str, latency_ns: int) -> None:
        """Notes one answer."""
        if len(self._outcomes) < _OUTCOMES_MAX:
            self._outcomes.append(Outcome(bank, code, latency_ns // 1000))
        else:
            self._dropped += 1

    def write(self, at_ns: int, gauges: dict[str, float]) -> None:
        """Writes the period; a busy or full disk loses it, payments go on."""
        gauges |= self._footprint.gauges()
        gauges["outcomes_dropped"] = self._dropped
        outcomes, self._outcomes = self._outcomes, []
        pack = msgspec.msgpack.encode
        try:
            with self._db:
                self._db.execute(
                    "INSERT OR REPLACE INTO vitals VALUES(?, ?, ?)", (at_ns, pack(gauges), pack(outcomes))
                )
                self._db.execute("DELETE FROM vitals WHERE at_ns < ?", (at_ns - _KEPT_NS,))
        except apsw.Error:
            self._dropped += len(outcomes)
        for write in self.beside:
            write(self._db)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()


def _opened(path: Path) -> apsw.Connection:
    """The ring; a damaged one is thrown away, and where no file can be made it is kept in memory."""
    try:
        return _laid_out(path)
    except apsw.Error:
        with contextlib.suppress(OSError):
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)
    try:
        return _laid_out(path)
    except apsw.Error:
        return _laid_out(":memory:")


def _laid_out(name: Path | str) -> apsw.Connection:
    db = apsw.Connection(str(name))
    db.set_busy_timeout(50)
    for pragma in ("journal_mode=WAL", "synchronous=OFF"):
        db.execute(f"PRAGMA {pragma}")
    db.execute(_TABLES)
    return db


def read_gauges(folder: Path) -> dict[str, float]:
    """The newest gauges of a node, empty when there are none or they are older than five seconds."""
    path = folder / VITALS
    if not path.exists():
        return {}
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        row = db.execute("SELECT at_ns, gauges FROM vitals ORDER BY at_ns DESC LIMIT 1").fetchone()
        db.close()
    except apsw.Error:
        return {}
    if row is None or row[0] < time.time_ns() - STALE_NS:
        return {}
    try:
        return msgspec.msgpack.decode(row[1], type=dict[str, float])
    except msgspec.DecodeError:  # of another release
        return {}
