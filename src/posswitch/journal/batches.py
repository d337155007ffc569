"""How terminals' batches stand, read from a journal that may be in use."""

from pathlib import Path

import apsw
import msgspec

from posswitch.base.errors import JournalError
from posswitch.engine.batch import Totals
from posswitch.engine.events import Difference
from posswitch.journal.disk import MACHINE, Disk
from posswitch.journal.layout import DATABASE


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
