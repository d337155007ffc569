"""One segment file: an authenticated head, then chunks, each compressed and sealed, all of bounded size.

Bytes: magic 8 · head length 2 · head · stamp 28 · then for each chunk its length 4 · nonce 12 · ciphertext ·
tag 16. The stamp is AES-GCM over nothing but the head; each chunk is bound to it, to its place, and to
whether it is the last: a chunk that was cut, moved or brought from elsewhere does not open.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from posswitch.base.errors import ArchiveError

MAGIC = b"POSWSEG1"
CHUNK_BYTES_MAX = 1 << 20  # before compression
CHUNKS_MAX = 4096
_HEAD_BYTES_MAX = 1024
_NONCE_BYTES, _TAG_BYTES = 12, 16
_STAMP_BYTES = _NONCE_BYTES + _TAG_BYTES
_BOX_BYTES_MAX = CHUNK_BYTES_MAX + 1024 + _STAMP_BYTES  # what cannot be compressed grows by a little
_LEVEL = 1  # of zlib: the next ones cost twice as much for a twentieth less

JOURNAL, OFFICE = "journal", "office"


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What a segment holds: of the journal its records `first` to `last` and the chain's link around them."""

    kind: str
    node: str
    first: int
    last: int
    previous: int  # the record before the first (a restored journal leaves numbers out); of the office: acts
    before: bytes  # link of the record before the first
    after: bytes  # link of the last record
    first_ns: int
    last_ns: int
    made_ns: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Head).decode


class Sealer:
    """Writes and opens segments under one key; `entropy(n)` gives n unpredictable bytes."""

    def __init__(self, key: bytes, entropy: Callable[[int], bytes]) -> None:
        self._cipher = AESGCM(key)
        self._entropy = entropy

    def __repr__(self) -> str:
        return "<sealer>"

    def sealed(self, head: Head, packed: Sequence[bytes]) -> Iterator[bytes]:
        """The bytes of a segment; `packed` are the chunks as `pack_chunk` makes them."""
        assert 0 < len(packed) <= CHUNKS_MAX
        start = MAGIC + _sized(_encode(head), 2)
        stamp = self._seal(b"", start)
        yield start + stamp
        for index, chunk in enumerate(packed):
            yield _sized(self._seal(chunk, _bound(stamp, index, index + 1 == len(packed))), 4)

    def opened(self, file: BinaryIO, name: str) -> tuple[Head, Iterator[bytes]]:
        """The head of a segment and its chunks, unpacked; ArchiveError at the first that was changed."""
        start = file.read(len(MAGIC) + 2)
        size = int.from_bytes(start[-2:], "big")
        if len(start) != len(MAGIC) + 2 or not start.startswith(MAGIC) or size > _HEAD_BYTES_MAX:
            raise ArchiveError(f"{name}: is not a segment of a backup; bring back its copy")
        start += file.read(size)
        stamp = file.read(_STAMP_BYTES)
        if self._open(stamp, start) is None:
            raise ArchiveError(
                f"{name}: its head was changed, or it was made under another secret; bring back its copy"
            )
        try:
            head = _decode(start[len(MAGIC) + 2 :])
        except msgspec.DecodeError:
            raise ArchiveError(f"{name}: is of another release; upgrade this program") from None
        return head, self._chunks(file, name, stamp)

    def _chunks(self, file: BinaryIO, name: str, stamp: bytes) -> Iterator[bytes]:
        size = file.read(4)
        for index in range(CHUNKS_MAX):
            box_bytes = int.from_bytes(size, "big")
            box = file.read(box_bytes) if box_bytes <= _BOX_BYTES_MAX else b""
            size = file.read(4)
            packed = self._open(box, _bound(stamp, index, not size))
            chunk = None if packed is None else _unpacked(packed)
            if chunk is None:
                raise ArchiveError(f"{name}: is damaged in chunk {index + 1}; bring back its copy")
            yield chunk
            if not size:
                return
        raise ArchiveError(f"{name}: has more than {CHUNKS_MAX} chunks; bring back its copy")

    def _seal(self, data: bytes, bound: bytes) -> bytes:
        nonce = self._entropy(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, bound)

    def _open(self, box: bytes, bound: bytes) -> bytes | None:
        if len(box) < _STAMP_BYTES:
            return None
        try:
            return self._cipher.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], bound)
        except InvalidTag:
            return None


def pack_chunk(data: bytes) -> bytes:
    """A chunk, at most CHUNK_BYTES_MAX, compressed."""
    assert len(data) <= CHUNK_BYTES_MAX
    return zlib.compress(data, _LEVEL)


def _unpacked(packed: bytes) -> bytes | None:
    """A chunk as it was, never more than CHUNK_BYTES_MAX bytes of memory; None when it is not one."""
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(packed, CHUNK_BYTES_MAX)
        if not inflate.eof:  # it may have stopped just before its end
            data += inflate.decompress(inflate.unconsumed_tail, 1)
    except zlib.error:
        return None
    return data if inflate.eof and not inflate.unused_data and len(data) <= CHUNK_BYTES_MAX else None


def _bound(stamp: bytes, index: int, last: bool) -> bytes:
    return stamp + index.to_bytes(4, "big") + bytes((last,))


def _sized(data: bytes, width: int) -> bytes:
    return len(data).to_bytes(width, "big") + data
