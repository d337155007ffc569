"""Segments of a backup: bytes of a file, or a chunk that was sealed with the right key."""

import io

from posswitch.archive.segment import CHUNK_BYTES_MAX, JOURNAL, Head, Sealer, pack_chunk
from posswitch.base.errors import ArchiveError
from posswitch.journal.chain import GENESIS

from .seeds import Seed

_SEALER = Sealer(bytes(range(32)), bytes)
_HEAD = Head(JOURNAL, "1", 1, 2, 0, GENESIS, bytes(range(32)), 3, 4, 5)
_SEALED = b"\1"


def opened(data: bytes) -> bool:
    """The first byte says whether the rest is a file or the inside of a chunk."""
    rest = data[1:]
    file = b"".join(_SEALER.sealed(_HEAD, [rest])) if data[:1] == _SEALED else rest
    try:
        head, chunks = _SEALER.opened(io.BytesIO(file), "a.seg")
        sizes = [len(chunk) for chunk in chunks]
    except ArchiveError as error:
        assert "\n" not in str(error)
        return False
    assert head == _HEAD, "a head that was not sealed"
    assert max(sizes) <= CHUNK_BYTES_MAX, "a chunk beyond the cap"
    return True


def segments() -> list[Seed]:
    """Files of one chunk and of three, and chunks."""
    chunks = [pack_chunk(bytes(range(200)) * count) for count in (1, 2, 40)]
    files = [b"".join(_SEALER.sealed(_HEAD, packed)) for packed in (chunks[:1], chunks)]
    return [
        *(Seed(b"\0" + file, (0, 9, 10, 40, 69, 70)) for file in files),
        *(Seed(_SEALED + chunk, (0, 1, 2)) for chunk in chunks),
    ]
