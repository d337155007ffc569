"""A peer's own book: one JSON line an entry, appended and flushed before the peer acts on it.

Books hold test card numbers in clear: the cards are made up, and the books prove what the node cannot
prove about itself.
"""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Book:
    """An append-only file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = io.FileIO(path, "ab")
        self.entries = 0

    def __repr__(self) -> str:
        return f"Book({self._path.name}, {self.entries} entries)"

    def append(self, entry: Mapping[str, object]) -> None:
        """Writes one entry, unbuffered."""
        self._file.write(_encode(entry) + b"\n")
        self.entries += 1

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_book(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of a book; a last line that was cut short is no entry."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield _decode(line)
