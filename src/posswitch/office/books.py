"""office.db: every change of the registry as the signed order that the node reads, and what people did."""

import contextlib
import hmac
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec

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
from posswitch.crypto.vault import Vault
from posswitch.edge.orders import ORDERS_LABEL
from posswitch.office.acts import Act, Confirmed, pack_act, read_act, sign_act
from posswitch.settings.clock import Clock
from posswitch.settings.config import Config
from posswitch.settings.secret import read_secret

APPLICATION_ID, LAYOUT_VERSION = 0x504F534F, 2  # "POSO"
_BEFORE_ACTS = 1  # the layout that had none
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
_ACTS = """
CREATE TABLE act(
    seq INTEGER PRIMARY KEY,   -- 1, 2, 3 … without a gap
    id BLOB NOT NULL UNIQUE,   -- 16 random bytes
    body BLOB NOT NULL,        -- MessagePack of the act: who, when, what
    mac BLOB NOT NULL          -- HMAC over seq, id and body
) STRICT;
"""
_APPEND_ONLY = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
"""


def _guarded(tables: str, *names: str) -> str:
    """Tables that can only be added to."""
    triggers = (_APPEND_ONLY.format(table=name, verb=verb) for name in names for verb in ("update", "delete"))
    return tables + "".join(triggers)


_ACT_LAYOUT = _guarded(_ACTS, "act")
LAYOUT = _guarded(_TABLES, "orders", "change") + _ACT_LAYOUT
_ENTRIES = """SELECT seq, id, body, mac, at_ns, first, last, author, note
FROM orders LEFT JOIN change ON version = seq ORDER BY seq"""
_SIGNED = "SELECT seq, id, body, mac FROM act ORDER BY seq"

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


class History(NamedTuple):
    """The books at one moment, oldest first."""

    entries: list[Entry]
    acts: list[Act]


class Signed(NamedTuple):
    """An act to be written, and how many there were when it was decided."""

    before: int
    act: Act


def books_of(config: Config, clock: Clock) -> "Books":
    """The books of a node, as its configuration names them."""
    return Books(config.data, Vault(read_secret(config.secret), clock.entropy).derive(ORDERS_LABEL), clock)


class Books:
    """The only writer of office.db; opened for each act, created by the first change."""

    def __init__(self, folder: Path, key: bytes, clock: Clock) -> None:
        self._path = folder / OFFICE
        self._key = key
        self._clock = clock

    def __repr__(self) -> str:
        return f"<books in {self._path}>"

    def history(self) -> History:
        """Versions and acts; OfficeError on the first that was changed, or that stands alone."""
        if not self._path.exists():
            return History([], [])
        with self._opened(apsw.SQLITE_OPEN_READONLY) as db:
            db.execute("BEGIN")  # both of one moment
            if _blank(db):  # its first change was cut short
                return History([], [])
            layout = self._check_layout(db)
            rows = db.execute(_ENTRIES).fetchall()
            signed: list[Any] = [] if layout == _BEFORE_ACTS else db.execute(_SIGNED).fetchall()
        history = History(
            [self._entry(number, row) for number, row in enumerate(rows, 1)],
            [self._act(number, row) for number, row in enumerate(signed, 1)],
        )
        self._check_bonds(history, [mac for *_, mac in signed])
        return history

    def _check_bonds(self, history: History, marks: list[bytes]) -> None:
        """No order without the acts that it was made upon, no act without its order."""
        orders = [entry.change for entry in history.entries]
        for change in orders:
            if change.acts and change.mark not in marks[change.acts - 1 : change.acts]:
                what = f"act {change.acts}, which version {change.version} was made upon,"
                raise OfficeError(f"{self._path}: {what} is missing; bring back the newest good copy")
        for number, act in enumerate(history.acts, 1):
            version = act.version if isinstance(act, Confirmed) else 0
            # orders of earlier releases name no act
            if version and all(change.acts not in (0, number) for change in orders[version - 1 : version]):
                what = f"version {version}, which act {number} made,"
                raise OfficeError(f"{self._path}: {what} is missing; bring back the newest good copy")

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

    def _act(self, expected: int, row: tuple[Any, ...]) -> Act:
        seq, act, body, mac = row
        place = f"{self._path}: act {expected}"
        if seq != expected:
            raise OfficeError(f"{place} is missing; bring back the newest good copy")
        if not hmac.compare_digest(sign_act(self._key, seq, act, body), mac):
            raise OfficeError(
                f"{place}: its signature does not fit: it was changed, or the secret is another one; "
                "bring back the newest good copy"
            )
        found = read_act(body)
        if found is None:
            raise OfficeError(f"{place} is of another release; upgrade this program")
        return found

    def activate(
        self,
        before: int,
        put: Iterable[Row],
        drop: Iterable[Key],
        author: str,
        note: str,
        act: Signed | None = None,
    ) -> list[Change]:
        """Makes a change durable as one version or several, with the act that it comes of, if any.

        OfficeError when `before` is not the newest version, or others have acted meanwhile.
        """
        return self._keep(before, split_change(before + 1, put, drop), author, note, act)

    def exchange(
        self, before: int, banks: tuple[str, ...], author: str, reason: str, act: Signed | None = None
    ) -> Change:
        """Orders the node to exchange new zone keys with these banks; OfficeError as `activate`."""
        change = Change(before + 1, rekey=banks)
        return self._keep(before, [change], author, reason, act)[0]

    def note(self, act: Signed) -> None:
        """Makes an act durable that changes no row; OfficeError when others have acted meanwhile."""
        self._keep(None, [], "", "", act)

    def rule(self, before: int, ruling: Ruling) -> Change:
        """Makes an owner's word durable as a version of its own; OfficeError as `activate`."""
        change = Change(before + 1, ruling=ruling)
        return self._keep(before, [change], ruling.author, ruling.reason)[0]

    def _keep(
        self, before: int | None, changes: list[Change], author: str, note: str, act: Signed | None = None
    ) -> list[Change]:
        self._create()
        with self._opened(apsw.SQLITE_OPEN_READWRITE) as db:
            for pragma in _PRAGMAS:
                db.execute(f"PRAGMA {pragma}")
            db.execute("BEGIN IMMEDIATE")
            try:
                self._lay_out(db)
                if act is not None:
                    self._sign(db, act)
                if before is not None:
                    changes = self._write(db, before, changes, author, note)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        return changes

    def _create(self) -> None:
        """Makes the file when it is not there, private to the owner of the folder: the node reads it."""
        folder = self._path.parent
        if self._path.is_dir():
            return  # said when it is opened
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.geteuid() == 0:
            owner = folder.stat()
            os.fchown(fd, owner.st_uid, owner.st_gid)
        os.close(fd)

    def _lay_out(self, db: apsw.Connection) -> None:
        """A new file gets its tables, one of the layout before gets what it lacks."""
        if _blank(db):
            db.execute(LAYOUT)
            db.pragma("application_id", APPLICATION_ID)
        elif self._check_layout(db) == _BEFORE_ACTS:
            db.execute(_ACT_LAYOUT)
        db.pragma("user_version", LAYOUT_VERSION)

    def _sign(self, db: apsw.Connection, act: Signed) -> None:
        (newest,) = db.execute("SELECT coalesce(max(seq), 0) FROM act").fetchone() or (0,)
        if newest != act.before:
            raise OfficeError("somebody else acted meanwhile; nothing was changed: look again, then repeat")
        seq, name, body = newest + 1, self._clock.entropy(ORDER_ID_BYTES), pack_act(act.act)
        db.execute(
            "INSERT INTO act VALUES(?, ?, ?, ?)", (seq, name, body, sign_act(self._key, seq, name, body))
        )

    def _write(
        self, db: apsw.Connection, before: int, changes: list[Change], author: str, note: str
    ) -> list[Change]:
        """Signs orders, each bound to the newest act."""
        (newest,) = db.execute("SELECT coalesce(max(seq), 0) FROM orders").fetchone() or (0,)
        if newest != before:
            raise OfficeError(
                f"the registry went from version {before} to {newest} meanwhile; nothing was changed: "
                "look at the difference again, then repeat"
            )
        at_ns = self._clock.wall_ns()
        acts, mark = db.execute("SELECT seq, mac FROM act ORDER BY seq DESC LIMIT 1").fetchone() or (0, b"")
        changes = [msgspec.structs.replace(change, acts=acts, mark=mark) for change in changes]
        for change in changes:
            seq, order, body = change.version, self._clock.entropy(ORDER_ID_BYTES), pack_change(change)
            mac = sign_order(self._key, seq, order, body)
            db.execute("INSERT INTO orders VALUES(?, ?, ?, ?, ?)", (seq, order, at_ns, body, mac))
            span = (changes[0].version, changes[-1].version)
            db.execute("INSERT INTO change VALUES(?, ?, ?, ?, ?)", (seq, *span, author, note))
        return changes

    @contextlib.contextmanager
    def _opened(self, flags: int) -> Iterator[apsw.Connection]:
        """A connection for one act; what SQLite refuses becomes one line."""
        if self._path.is_dir():
            raise OfficeError(f"{self._path}: is a folder; bring back the newest good copy of the file")
        try:
            with contextlib.closing(apsw.Connection(str(self._path), flags=flags)) as db:
                db.set_busy_timeout(_BUSY_MS)
                yield db
        except apsw.Error as error:
            what = _REFUSALS.get(type(error), "it is damaged; bring back the newest good copy")
            raise OfficeError(f"{self._path}: cannot be used as the office's books: {what}") from None

    def _check_layout(self, db: apsw.Connection) -> int:
        found = db.pragma("user_version")
        if found not in (_BEFORE_ACTS, LAYOUT_VERSION):
            raise OfficeError(f"{self._path}: layout {found}, this program reads {LAYOUT_VERSION}")
        return int(found)


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
