"""BER-TLV as EMV uses it (EMV Book 3 annex B, ISO/IEC 8825-1): tags of 1 to 4 bytes, definite lengths."""

from collections.abc import Iterator

from posswitch.base.errors import CodecError

TAG_BYTES_MAX = 4
DEPTH_MAX = 8
OBJECTS_MAX = 512
_LENGTH_BYTES_MAX = 3
_CONSTRUCTED = 0x20

Tlv = tuple[str, bytes]  # tag as upper-case hex, value


def unpack_tlv(data: bytes) -> list[Tlv]:
    """The data objects of the outermost level; zeros between them are filler; CodecError with the offset."""
    objects: list[Tlv] = []
    at = 0
    while at < len(data):
        if data[at] == 0:
            at += 1
            continue
        if len(objects) == OBJECTS_MAX:
            raise CodecError(f"more than {OBJECTS_MAX} data objects", None, at)
        tag, start, end = _object(data, at)
        objects.append((tag, data[start:end]))
        at = end
    return objects


def walk_tlv(data: bytes) -> Iterator[tuple[int, str, bytes]]:
    """Every data object with its depth from 0, outer before inner; CodecError, also if too many or deep."""
    waiting = [(0, tag, value) for tag, value in reversed(unpack_tlv(data))]
    for _ in range(OBJECTS_MAX):
        if not waiting:
            return
        depth, tag, value = waiting.pop()
        yield depth, tag, value
        if int(tag[:2], 16) & _CONSTRUCTED:
            if depth + 1 == DEPTH_MAX:
                raise CodecError(f"nested deeper than {DEPTH_MAX}")
            waiting += [(depth + 1, *inner) for inner in reversed(unpack_tlv(value))]
    if waiting:
        raise CodecError(f"more than {OBJECTS_MAX} data objects")


def pack_tlv(objects: list[Tlv]) -> bytes:
    """The data objects one after the other, lengths as short as possible; CodecError for what is no tag."""
    return b"".join(_tag_bytes(tag) + _length_bytes(len(value)) + value for tag, value in objects)


def _object(data: bytes, at: int) -> tuple[str, int, int]:
    """Tag, start and end of the value of the object at `at`."""
    start = _tag_end(data, at)
    tag = data[at:start].hex().upper()
    if start >= len(data):
        raise CodecError("no length behind a tag", None, start)
    length = data[start]
    at, start = start, start + 1
    if length >= 0x80:
        size = length - 0x80
        if not 1 <= size <= _LENGTH_BYTES_MAX or start + size > len(data):
            raise CodecError("not a definite length", None, at)
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    if start + length > len(data):
        raise CodecError(f"{length} bytes announced, {len(data) - start} remain", None, start)
    return tag, start, start + length


def _tag_end(data: bytes, at: int) -> int:
    if data[at] & 0x1F != 0x1F:
        return at + 1
    for end in range(at + 2, min(at + TAG_BYTES_MAX, len(data)) + 1):
        if data[end - 1] < 0x80:
            return end
    raise CodecError("a tag without end", None, at)


def _tag_bytes(tag: str) -> bytes:
    try:
        data = bytes.fromhex(tag)
        if data and data[0] and _tag_end(data, 0) == len(data):
            return data
    except (ValueError, CodecError):
        pass
    raise CodecError("not a tag")


def _length_bytes(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    size = (length.bit_length() + 7) // 8
    if size > _LENGTH_BYTES_MAX:
        raise CodecError("a value too long for TLV")
    return bytes((0x80 + size,)) + length.to_bytes(size, "big")
