"""The layout of a node's vitals: gauges and raw outcomes, a ring of ten minutes that may be lost at any time.

Written by the node four times a second; read by whoever wants to know how it is, without asking it.
"""

import time
from array import array
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec

from posswitch.base.moment import NS_PER_MS, NS_PER_S

VITALS = "vitals.db"  # the file in the data folder
LAYOUT = 2  # of the tables; a file with another one is thrown away by the node
PERIOD_NS = 250 * NS_PER_MS
KEPT_NS = 600 * NS_PER_S
STALE_NS = 5 * NS_PER_S
OUTCOMES_MAX = 20_000  # of one period; more are counted, not kept
NAMES_MAX = 200_000  # more are all called OTHER
OTHER = 0
_BACK_NS = NS_PER_S  # steps of a clock that are smaller lose a few outcomes

TABLES = """
CREATE TABLE IF NOT EXISTS vitals(at_ns INTEGER PRIMARY KEY, gauges BLOB NOT NULL, outcomes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS names(id INTEGER PRIMARY KEY, name TEXT NOT NULL);
"""
_READ_NAMES = "SELECT id, name FROM names WHERE id > ? ORDER BY id"
_READ_ROWS = "SELECT at_ns, gauges, outcomes FROM vitals WHERE at_ns > ? ORDER BY at_ns LIMIT ?"

Gauges = dict[str, float]


class Column(IntEnum):
    """What is kept of one outcome, each a 32-bit integer; the first seven are ids of names."""

    BANK = 0  # empty: none was chosen
    BIN = 1
    MERCHANT = 2
    TERMINAL = 3
    KIND = 4  # of payments as `scheme.kinds`; reversal, sign-on …; an MTI where nobody read further
    ENTRY = 5  # F22
    CODE = 6  # DE39 as the terminal was told it
    HOW = 7
    WAIT_US = 8  # from arrival to answer
    BANK_US = 9  # of these, since it was sent to the bank; 0: it was not
    BAND = 10  # bits of the amount in minor units
    CARD = 11  # 31 bits of its keyed fingerprint; 0: none


WIDTH = len(Column)


class How(IntEnum):
    """Whose word an outcome is."""

    BANK = 0
    HERE = 1  # decided by this centre, the bank was not asked
    EDGE = 2  # refused before anything was recorded
    TIMER = 3  # no answer in time
    OVERDUE = 4  # no answer for much longer than is usual; its outcome is still to come
    COUNTED = 5  # no answer in time, and it was counted as overdue before
    REPEAT = 6  # the same answer once more


class Period(NamedTuple):
    """What a node said at one moment: gauges, and what was answered since the moment before."""

    at_ns: int
    gauges: Gauges
    outcomes: "array[int]"  # WIDTH integers each


class VitalsReader:
    """Follows the vitals of one node, also through the loss of the file; reads nothing but what is new."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / VITALS
        self._db: apsw.Connection | None = None
        self._mark = (0, 0)  # of the file: another one gives other numbers to names
        self._last_ns = 0
        self.names: list[str] = [""]
        self.begun = 0  # how often another file was found in its place, or that its clock had gone back

    def __repr__(self) -> str:
        return f"<reader of {self._path.name}, {len(self.names)} names>"

    def read(self, rows_max: int = 2400) -> list[Period]:
        """The periods since the last call, in order of time; none when there is no file, or it is in use."""
        try:
            self._open()
            if self._db is None:
                return []
            rows = list(self._db.execute(_READ_ROWS, (self._last_ns, rows_max)))
            for number, name in self._db.execute(_READ_NAMES, (len(self.names) - 1,)):
                self.names += [""] * (min(number, NAMES_MAX) - len(self.names)) + [name]
            if not rows and self._went_back():
                return self.read(rows_max)
        except (apsw.Error, OSError):
            self._db = None
            return []
        if rows:
            self._last_ns = rows[-1][0]
        return list(_periods(rows))

    def skip(self, at_ns: int) -> None:
        """What was said before is not read."""
        self._last_ns = at_ns

    def _went_back(self) -> bool:
        """Whether all that is there was said before what was read last: by a clock that has gone back."""
        assert self._db is not None
        newest = self._db.execute("SELECT max(at_ns) FROM vitals").fetchone()
        if newest is None or newest[0] is None or newest[0] > self._last_ns - _BACK_NS:
            return False
        self._last_ns = newest[0] - 1
        self.begun += 1
        return True

    def _open(self) -> None:
        inode = self._path.stat().st_ino if self._path.exists() else 0
        if inode == self._mark[0] and self._db is not None:
            return
        self._db = None
        if inode:
            db = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)
            db.set_busy_timeout(50)
            if db.pragma("user_version") != LAYOUT:
                return
            mark = inode, int(db.pragma("application_id"))
            if mark != self._mark:
                self.begun += self._mark != (0, 0)
                self.names, self._mark = [""], mark
            self._db = db


def _periods(rows: list[tuple[int, bytes, bytes]]) -> Iterator[Period]:
    for at_ns, said, outcomes in rows:
        period = period_of(at_ns, said, outcomes)
        if period is not None:
            yield period


def period_of(at_ns: int, said: bytes, outcomes: bytes) -> Period | None:
    """A row of the ring; None for one that nobody can read."""
    try:
        gauges = msgspec.msgpack.decode(said, type=Gauges)
        rows = array("i", outcomes)
    except (msgspec.DecodeError, ValueError, TypeError):
        return None
    return Period(at_ns, gauges, rows) if len(rows) % WIDTH == 0 else None


def read_gauges(folder: Path) -> Gauges:
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
        return msgspec.msgpack.decode(row[1], type=Gauges)
    except msgspec.DecodeError:  # of another release
        return {}
