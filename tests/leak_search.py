"""The product's own search for secrets, over whole folders and the values of databases."""

from pathlib import Path

import apsw

from posswitch.office.leak_search import EIGHT, inflated, spellings
from posswitch.office.leak_search import Search as OneSearch

__all__ = ["EIGHT", "Search", "inflated", "leaks", "leaks_in", "spellings", "values"]


class Search(OneSearch):
    """For all of some secrets, in files."""

    def under(self, folder: Path, exempt: tuple[Path, ...] = ()) -> list[str]:
        """A line for each secret in each file under `folder`: as it is, unpacked, by values of a database."""
        found = []
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            if not any(path.is_relative_to(one) for one in exempt):
                found += [f"{path.name}: {line}" for line in self.of(path.read_bytes())]
                found += [f"{path.name}, a value: {line}" for line in self.of(values(path))]
                for unpacked in inflated(path.read_bytes()):
                    found += [f"{path.name}, unpacked: {line}" for line in self.of(unpacked)]
        return found


def values(path: Path) -> bytes:
    """Every value of a database that SQLite can read, one after the other: a page may cut one in two."""
    if not path.read_bytes()[:16].startswith(b"SQLite format 3"):
        return b""
    db = apsw.Connection(f"file:{path}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = (row for name in tables for row in db.execute(f'SELECT * FROM "{name}"'))
        return b"\n".join(_bytes_of(value) for row in rows for value in row)
    finally:
        db.close()


def _bytes_of(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def leaks(folder: Path, secrets: dict[str, str | bytes]) -> list[str]:
    """A line for each secret in each file under `folder`."""
    return Search(secrets).under(folder)


def leaks_in(data: bytes, secrets: dict[str, str | bytes]) -> list[str]:
    """A line for each secret in `data`."""
    return Search(secrets).of(data)
