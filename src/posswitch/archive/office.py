"""Copies of the office's books: whole, of one moment, while somebody may be writing in them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import apsw

from posswitch.archive.segment import CHUNK_BYTES_MAX
from posswitch.base.errors import ArchiveError
from posswitch.base.order import OFFICE

OFFICE_KEPT = 10  # copies: the newest
OFFICE_BYTES_MAX = 200 << 20  # a segment's file may be no longer than SEGMENT_FILE_BYTES_MAX
_BUSY_MS = 2000


def office_version(data: Path) -> int:
    """The newest version in the books, 0 when nothing was ever ordered."""
    path = data / OFFICE
    if not path.exists():
        return 0
    with _opened(path) as db:
        if db.execute("SELECT 1 FROM sqlite_schema").fetchone() is None:  # its first change was cut short
            return 0
        (version,) = db.execute("SELECT coalesce(max(seq), 0) FROM orders").fetchone() or (0,)
        return int(version)


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
    except apsw.Error as error:
        raise ArchiveError(
            f"{path}: cannot be read ({type(error).__name__}); run posswitch registry check"
        ) from None
