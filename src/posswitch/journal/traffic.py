"""The records of the last days, in order, read beside a running node without keeping it from anything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from posswitch.engine.events import Record
from posswitch.journal.cards import first_since
from posswitch.journal.disk import MACHINE, Disk
from posswitch.journal.recovery import decode_record
from posswitch.journal.story import view

RECORDS_MAX = 5_000_000  # read at once; of more the newest
_PORTION = 5_000  # records of a read transaction: the log behind it can begin anew
_RECORDS = "SELECT seq, body FROM journal WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?"
_LAST = "SELECT coalesce(max(seq), 0) FROM journal"


class Span(NamedTuple):
    """Records `first` to `last` of a journal; `cut` when there are more than are read at once."""

    first: int
    last: int
    cut: bool


def span_since(folder: Path, since_ns: int, most: int = RECORDS_MAX, disk: Disk = MACHINE) -> Span:
    """The records since a time, the newest `most` of them; JournalError without a journal."""
    with view(folder, disk) as db:
        first, last = first_since(db, since_ns), _last(db)
    return Span(max(first, last - most + 1, 1), last, last - first >= most)


def span_after(folder: Path, seq: int, disk: Disk = MACHINE) -> Span:
    """The records after a number."""
    with view(folder, disk) as db:
        return Span(seq + 1, _last(db), False)


def records_of(folder: Path, span: Span, disk: Disk = MACHINE) -> Iterator[tuple[int, Record]]:
    """Each record of a span with its number; JournalError when the journal cannot be read."""
    at = span.first
    while at <= span.last:
        with view(folder, disk) as db:
            rows: list[Any] = db.execute(_RECORDS, (at, span.last, _PORTION)).fetchall()
        if not rows:
            return
        for seq, body in rows:
            yield seq, decode_record(seq, body)
        at = rows[-1][0] + 1


def counters_of(
    folder: Path, names: list[tuple[str, str]], disk: Disk = MACHINE
) -> dict[tuple[str, str], int]:
    """What counters hold, by key and window, all at one moment; what there is none of holds nothing."""
    sql = "SELECT coalesce(sum(used_minor), 0) FROM counter WHERE key = ? AND window = ?"
    with view(folder, disk) as db:
        return {name: int((db.execute(sql, name).fetchone() or (0,))[0]) for name in names}


def _last(db: apsw.Connection) -> int:
    return int((db.execute(_LAST).fetchone() or (0,))[0])
