"""What a node says about itself: collects gauges and raw outcomes, writes them four times a second."""

import contextlib
from array import array
from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec

from posswitch.edge.drift import DriftLog
from posswitch.edge.footprint import Footprint
from posswitch.engine.effects import Asked
from posswitch.engine.events import (
    BatchTotaled,
    ItemsUploaded,
    RequestArrived,
    ReversalArrived,
    TerminalSignedOff,
    TerminalSignedOn,
    UploadEnded,
)
from posswitch.journal.vitals import (
    KEPT_NS,
    LAYOUT,
    NAMES_MAX,
    OTHER,
    OUTCOMES_MAX,
    TABLES,
    VITALS,
    WIDTH,
    How,
)
from posswitch.scheme.kinds import REVERSAL, SETTLEMENT, SIGN_OFF, SIGN_ON, UPLOAD, UPLOAD_END

_CARD_MASK = 0x7FFF_FFFF
_US_MAX = 0x7FFF_FFFF
_FORGET = "DELETE FROM vitals WHERE at_ns < ? OR at_ns > ?"  # what is to come: the clock has gone back
_KINDS = {
    ReversalArrived: REVERSAL.name,
    TerminalSignedOn: SIGN_ON.name,
    TerminalSignedOff: SIGN_OFF.name,
    BatchTotaled: SETTLEMENT.name,
    ItemsUploaded: UPLOAD.name,
    UploadEnded: UPLOAD_END.name,
}


class Vitals:
    """Collects in memory, writes one row each period; `synchronous=OFF`, never backed up."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db, self._ids = _opened(folder / VITALS)
        self._named: list[tuple[int, str]] = []  # not written yet
        self._outcomes = array("i")
        self.drift = DriftLog()
        self.beside: list[Callable[[apsw.Connection], None]] = [self.drift.write]  # written with each period
        self._dropped = 0
        self._footprint = Footprint(folder)

    def __repr__(self) -> str:
        return f"<vitals: {len(self._outcomes) // WIDTH} outcomes, {len(self._ids)} names>"

    def payment(self, request: RequestArrived, code: str, how: How, wait_ns: int, bank_ns: int) -> None:
        """Notes what a terminal was told of a payment, or that its bank keeps it waiting."""
        if len(self._outcomes) >= OUTCOMES_MAX * WIDTH:
            self._dropped += 1
            return
        name = self._ids.get
        self._outcomes.extend(
            (
                name(request.bank) or self._name(request.bank),
                name(request.bin) or self._name(request.bin),
                name(request.merchant) or self._name(request.merchant),
                name(request.terminal) or self._name(request.terminal),
                name(request.kind) or self._name(request.kind),
                name(request.entry) or self._name(request.entry),
                name(code) or self._name(code),
                how,
                min(wait_ns // 1000, _US_MAX),
                min(bank_ns // 1000, _US_MAX),
                request.amount_minor.bit_length(),
                int.from_bytes(request.pan_print[:4], "big") & _CARD_MASK,
            )
        )

    def other(self, terminal: str, merchant: str, kind: str, code: str, how: How, wait_ns: int = 0) -> None:
        """Notes what a terminal was told of anything else."""
        if len(self._outcomes) >= OUTCOMES_MAX * WIDTH:
            self._dropped += 1
            return
        places = (self._name(merchant), self._name(terminal), self._name(kind))
        wait_us = min(wait_ns // 1000, _US_MAX)
        self._outcomes.extend((OTHER, OTHER, *places, OTHER, self._name(code), how, wait_us, 0, 0, 0))

    def told(self, request: Asked, code: str, how: How, wait_ns: int, bank_ns: int) -> None:
        """Notes one answer to whatever was asked."""
        if isinstance(request, RequestArrived):
            self.payment(request, code, how, wait_ns, bank_ns)
        else:
            merchant = getattr(request, "merchant", "")
            self.other(request.terminal, merchant, _KINDS[type(request)], code, how, wait_ns)

    def _name(self, name: str) -> int:
        """Its id; a new name gets the next one, as long as there is room."""
        found = self._ids.get(name)
        if found is None:
            if len(self._ids) >= NAMES_MAX:
                return OTHER
            found = self._ids[name] = len(self._ids)
            self._named.append((found, name))
        return found

    def write(self, at_ns: int, gauges: dict[str, float]) -> None:
        """Writes the period; a busy or full disk loses it, payments go on."""
        gauges |= self._footprint.gauges()
        gauges["outcomes_dropped"] = self._dropped
        outcomes, self._outcomes = self._outcomes, array("i")
        try:
            with self._db:
                self._db.execute(
                    "INSERT OR REPLACE INTO vitals VALUES(?, ?, ?)",
                    (at_ns, msgspec.msgpack.encode(gauges), outcomes.tobytes()),
                )
                self._db.execute(_FORGET, (at_ns - KEPT_NS, at_ns))
                if self._named:
                    self._db.executemany("INSERT OR REPLACE INTO names VALUES(?, ?)", self._named)
            self._named.clear()
        except apsw.Error:
            self._dropped += len(outcomes) // WIDTH
        for write in self.beside:
            write(self._db)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()


def _opened(path: Path) -> tuple[apsw.Connection, dict[str, int]]:
    """The ring and its names; a damaged one is thrown away, where no file can be made it is in memory."""
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


def _laid_out(name: Path | str) -> tuple[apsw.Connection, dict[str, int]]:
    """Opens or makes the file; apsw.Error when it is damaged, or laid out by another release."""
    db = apsw.Connection(str(name))
    try:
        db.set_busy_timeout(50)
        for pragma in ("journal_mode=WAL", "synchronous=OFF"):
            db.execute(f"PRAGMA {pragma}")
        if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'vitals'").fetchone():
            if db.pragma("user_version") != LAYOUT:
                raise apsw.SchemaChangeError("the vitals of another release")
        else:
            db.pragma("user_version", LAYOUT)
            if isinstance(name, Path):  # so that readers know this file from another in its place
                db.pragma("application_id", name.stat().st_mtime_ns & 0x7FFF_FFFF)
        db.execute(TABLES)
        ids = {"": OTHER}
        for number, called in db.execute("SELECT id, name FROM names ORDER BY id"):
            if number != len(ids):
                raise apsw.CorruptError("names are missing")
            ids[called] = number
    except apsw.Error:
        db.close()
        raise
    return db, ids
