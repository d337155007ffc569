"""How terminals' batches stand, read from a journal that may be in use."""

from pathlib import Path

import apsw
import msgspec

from posswitch.base.errors import JournalError
from posswitch.engine.batch import Totals
from posswitch.engine.events import BatchTotaled, Difference
from posswitch.journal.disk import MACHINE, Disk
from posswitch.journal.layout import DATABASE
from posswitch.journal.recovery import decode_record

_TOTALED = (
    """SELECT seq, body FROM journal WHERE seq > ? AND instr(body, ?) AND instr(body, ?) ORDER BY seq"""
)


class BatchView(msgspec.Struct, frozen=True):
    """One batch that a terminal has settled: its phase, both sides' totals, every difference."""

    terminal: str
    batch: str
    phase: str
    totals: Totals
    differences: tuple[Difference, ...]

    @property
    def balanced(self) -> bool:
        """Whether the totals agreed."""
        return self.totals.flags == "11"


def read_batches(folder: Path, terminal: str = "", disk: Disk = MACHINE) -> list[BatchView]:
    """Every settled batch, or those of one terminal; JournalError when there is no journal."""
    path = folder / DATABASE
    if not disk.exists(path):
        raise JournalError(f"{path}: no journal there; give the folder of a switch")
    where, bindings = ("WHERE terminal = ?", (terminal,)) if terminal else ("", ())
    try:
        db = disk.view(path)
        with db:
            rows = list(db.execute(f"SELECT * FROM batch {where} ORDER BY terminal, batch", bindings))  # noqa: S608
            differences: dict[tuple[str, str], list[Difference]] = {}
            for name, batch, *rest in db.execute(f"SELECT * FROM difference {where}", bindings):  # noqa: S608
                differences.setdefault((name, batch), []).append(Difference(*rest))
    except apsw.Error as error:
        raise JournalError(f"{path}: cannot be read ({type(error).__name__})") from None
    decode = msgspec.msgpack.Decoder(Totals).decode
    return [
        BatchView(name, batch, phase, decode(body), tuple(differences.get((name, batch), ())))
        for name, batch, phase, body in rows
    ]


def settlement_of(db: apsw.Connection, terminal: str, batch: str, since: int) -> tuple[BatchView, int] | None:
    """How a terminal's batch stands, and when it was first totaled after a record (0: no record says so);
    None while it trades."""
    row = db.execute(
        "SELECT phase, body FROM batch WHERE terminal = ? AND batch = ?", (terminal, batch)
    ).fetchone()
    if row is None:
        return None
    differences = db.execute(
        "SELECT stan, ours_minor, theirs_minor, ours_state FROM difference WHERE terminal = ? AND batch = ?",
        (terminal, batch),
    )
    totals = msgspec.msgpack.decode(row[1], type=Totals)
    view = BatchView(terminal, batch, row[0], totals, tuple(Difference(*one) for one in differences))
    return view, _totaled_ns(db, terminal, batch, since)


def _totaled_ns(db: apsw.Connection, terminal: str, batch: str, since: int) -> int:
    named = BatchTotaled.__name__.encode(), terminal.encode()
    for seq, body in db.execute(_TOTALED, (since, *named)):
        record = decode_record(seq, body)
        event = record.event
        if isinstance(event, BatchTotaled) and (event.terminal, event.batch) == (terminal, batch):
            return record.at_ns
    return 0
