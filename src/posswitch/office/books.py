"""office.db: every activated change of the registry, in order, as the signed order that the node reads."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from posswitch.base.errors import OfficeError
from posswitch.base.order import (
    OFFICE,
    ORDER_ID_BYTES,
    order_fits,
    pack_change,
    read_change,
    sign_order,
    split_change,
)
from posswitch.base.registry import Change, Key, Registry, Row, Ruling, key_of
from posswitch.settings.clock import Clock

APPLICATION_ID, LAYOUT_VERSION = 0x504F534F, 1  # "POSO"
_BUSY_MS = 5000
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "trusted_schema=OFF", "recursive_triggers=ON")

_TABLES = """
CREATE TABLE orders(
    seq INTEGER PRIMARY KEY,   -- the version it makes: 1, 2, 3 … without a gap
    id BLOB NOT NULL UNIQUE,   -- 16 random bytes
    at_ns INTEGER NOT NULL,
    body BLOB NOT NULL,        -- MessagePack of the change: version, rows to put, keys to drop
    mac BLOB NOT NULL          -- HMAC over seq, id and body
) STRICT;
CREATE TABLE change(
    version INTEGER PRIMARY KEY REFERENCES orders(seq),
    first INTEGER NOT NULL,    -- of the activation it is a part of
    last INTEGER NOT NULL,
    author TEXT NOT NULL,
    note TEXT NOT NULL
) STRICT;
"""
_APPEND_ONLY = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
"""
LAYOUT = _TABLES + "".join(
    _APPEND_ONLY.format(table=table, verb=verb)
    for table in ("orders", "change")
    for verb in ("update", "delete")
)
_ENTRIES = """SELECT seq, id, body, mac, at_ns, first, last, author, note
FROM orders LEFT JOIN change ON version = seq ORDER BY seq"""

_REFUSALS: dict[type[apsw.Error], str] = {
    apsw.BusyError: "another program is writing in it; try again",
    apsw.LockedError: "another program is writing in it; try again",
    apsw.FullError: "the disk is full and nothing was changed; make room, then repeat",
    apsw.IOError: "the disk fails; look into the machine's log",
    apsw.CantOpenError: "use the account that runs the node",
    apsw.PermissionsError: "use the account that runs the node",
    apsw.ReadOnlyError: "use the account that runs the node",
}


class Entry(NamedTuple):
    """One version: what it changed, when, by whom and why; `first` to `last` were activated together."""

    change: Change
    at_ns: int
    first: int
    last: int
    author: str
    note: str


class Books:
    """The only writer of office.db; opened for each act, created by the first change."""

    def __init__(self, folder: Path, key: bytes, clock: Clock) -> None:
        self._path = folder / OFFICE
        self._key = key
        self._clock = clock

    def __repr__(self) -> str:
        return f"<books in {self._path}>"

    def entries(self) -> list[Entry]:
        """The history, oldest first; OfficeError on the first signature that does not fit."""
        if not self._path.exists():
            return []
        with self._opened(apsw.SQLITE_OPEN_READONLY) as db:
            if _blank(db):  # its first change was cut short
                return []
            self._check_layout(db)
            rows = db.execute(_ENTRIES).fetchall()
        return [self._entry(number, row) for number, row in enumerate(rows, 1)]

    def _entry(self, expected: int, row: tuple[Any, ...]) -> Entry:
        seq, order, body, mac, *columns = row
        place = f"{self._path}: version {expected}"
        if seq != expected or columns[-1] is None:
            raise OfficeError(f"{place} is missing; bring back the newest good copy")
        if not order_fits(self._key, seq, order, body, mac):
            raise OfficeError(
                f"{place}: its signature does not fit: it was changed, or the secret is another one; "
                "bring back the newest good copy"
            )
        change = read_change(body)
        if change is None:
            raise OfficeError(f"{place} is of another release; upgrade this program")
        return Entry(change, *columns)

    def activate(
        self, before: int, put: Iterable[Row], drop: Iterable[Key], author: str, note: str
    ) -> list[Change]:
        """Makes a change durable as one version or several; OfficeError when `before` is not the newest."""
        return self._keep(before, split_change(before + 1, put, drop), author, note)

    def rule(self, before: int, ruling: Ruling) -> Change:
        """Makes an owner's word durable as a version of its own; OfficeError as `activate`."""
        change = Change(before + 1, ruling=ruling)
        self._keep(before, [change], ruling.author, ruling.reason)
        return change

    def _keep(self, before: int, changes: list[Change], author: str, note: str) -> list[Change]:
        self._create()
        with self._opened(apsw.SQLITE_OPEN_READWRITE) as db:
            for pragma in _PRAGMAS:
                db.execute(f"PRAGMA {pragma}")
            db.execute("BEGIN IMMEDIATE")
            try:
                self._write(db, before, changes, author, note)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        return changes

    def _create(self) -> None:
        """Makes the file when it is not there, private to the owner of the folder: the node reads it."""
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.geteuid() == 0:
            owner = folder.stat()
            os.fchown(fd, owner.st_uid, owner.st_gid)
        os.close(fd)

    def _write(self, db: apsw.Connection, before: int, changes: list[Change], author: str, note: str) -> None:
        if _blank(db):
            db.execute(LAYOUT)
            db.pragma("application_id", APPLICATION_ID)
            db.pragma("user_version", LAYOUT_VERSION)
        self._check_layout(db)
        (newest,) = db.execute("SELECT coalesce(max(seq), 0) FROM orders").fetchone() or (0,)
        if newest != before:
            raise OfficeError(
                f"the registry went from version {before} to {newest} meanwhile; nothing was changed: "
                "look at the difference again, then repeat"
            )
        at_ns = self._clock.wall_ns()
        for change in changes:
            seq, order, body = change.version, self._clock.entropy(ORDER_ID_BYTES), pack_change(change)
            mac = sign_order(self._key, seq, order, body)
            db.execute("INSERT INTO orders VALUES(?, ?, ?, ?, ?)", (seq, order, at_ns, body, mac))
            span = (changes[0].version, changes[-1].version)
            db.execute("INSERT INTO change VALUES(?, ?, ?, ?, ?)", (seq, *span, author, note))

    @contextlib.contextmanager
    def _opened(self, flags: int) -> Iterator[apsw.Connection]:
        """A connection for one act; what SQLite refuses becomes one line."""
        try:
            with contextlib.closing(apsw.Connection(str(self._path), flags=flags)) as db:
                db.set_busy_timeout(_BUSY_MS)
                yield db
        except apsw.Error as error:
            name = type(error).__name__
            what = _REFUSALS.get(type(error), "it is damaged; bring back the newest good copy")
            raise OfficeError(
                f"{self._path}: cannot be used as the office's books ({name}): {what}"
            ) from None

    def _check_layout(self, db: apsw.Connection) -> None:
        found = db.pragma("user_version")
        if found != LAYOUT_VERSION:
            raise OfficeError(f"{self._path}: layout {found}, this program reads {LAYOUT_VERSION}")


def _blank(db: apsw.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_schema").fetchone() is None


def rebuilt(base: Iterable[Row], entries: Iterable[Entry]) -> Registry:
    """The registry after these versions: rows of the configuration, overlaid by every change."""
    newest: dict[Key, Row | None] = {}
    for entry in entries:
        newest |= dict.fromkeys(entry.change.drop)
        newest |= {key_of(row): row for row in entry.change.put}
    registry = Registry(base)
    registry.amend(
        [row for row in newest.values() if row is not None],
        [key for key, row in newest.items() if row is None],
    )
    return registry
