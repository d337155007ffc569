"""Copies of the office's books: whole, of one moment, while somebody may be writing in them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import apsw

from posswitch.archive.segment import CHUNK_BYTES_MAX
from posswitch.base.errors import ArchiveError
from posswitch.base.order import OFFICE

OFFICE_KEPT = 10  # copies: the newest
OFFICE_BYTES_MAX = 200 << 20  # a segment's file may be no longer than SEGMENT_FILE_BYTES_MAX
_BUSY_MS = 2000


class Standing(NamedTuple):
    """How far the books have come: their newest version, and how many acts stand beside it."""

    version: int
    acts: int


def office_standing(data: Path) -> Standing:
    """How far the books have come, nowhere when nothing was ever written in them."""
    path = data / OFFICE
    if not path.exists():
        return Standing(0, 0)
    with _opened(path) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return Standing(*(_last(db, name) if name in tables else 0 for name in ("orders", "act")))


def _last(db: apsw.Connection, table: str) -> int:
    (number,) = db.execute(f"SELECT coalesce(max(seq), 0) FROM {table}").fetchone() or (0,)  # noqa: S608
    return int(number)


def office_copy(data: Path) -> Iterator[bytes]:
    """The books as a database file, in parts."""
    with _opened(data / OFFICE) as source, contextlib.closing(apsw.Connection(":memory:")) as copy:
        if source.pragma("page_count") * source.pragma("page_size") > OFFICE_BYTES_MAX:
            raise ArchiveError(f"{data / OFFICE}: is too large for a backup; report it")
        with copy.backup("main", source, "main") as running:
            while not running.done:
                running.step()  # all of it: nobody writes in between
        image = copy.serialize("main")
    for at in range(0, len(image), CHUNK_BYTES_MAX):
        yield image[at : at + CHUNK_BYTES_MAX]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[apsw.Connection]:
    try:
        with contextlib.closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as db:
            db.set_busy_timeout(_BUSY_MS)
            yield db
    except apsw.Error:
        raise ArchiveError(f"{path}: cannot be read; run posswitch registry check") from None
