"""Cuts recorded bytes into frames, for every framing there is, and says how much of them that explains."""

from typing import NamedTuple

from posswitch.base.bounds import FRAME_BYTES_MAX
from posswitch.codec.frame import PREFIXES, Prefix

NO_FRAMING = "none"
FRAMINGS = (NO_FRAMING, *PREFIXES)
CHUNK_BYTES_MAX = 1 << 24
FRAMES_MAX = 100_000
_RESYNC_BYTES = 2048  # how far a frame is looked for when a recording begins inside one
_CHAIN = 3  # frames in a row that are no accident
_STEPS = 64  # frames and keep-alives followed from one place
_FRAME_BYTES_MIN = 12  # a shorter one does not hold a bitmap and a field


class Cut(NamedTuple):
    """The frames under one framing; `lost` bytes belong to none, `open` to an unfinished one."""

    framing: str
    frames: list[bytes]
    lost: int
    open: int
    idle: int = 0  # keep-alives


def cut(chunks: list[bytes], framing: str) -> Cut:
    """The frames of all chunks; a chunk is one frame where there is no framing. Keep-alives are left out."""
    if framing == NO_FRAMING:
        return Cut(framing, [chunk for chunk in chunks if chunk][:FRAMES_MAX], 0, 0)
    row, frames, lost, unfinished, idle = PREFIXES[framing], list[bytes](), 0, 0, 0
    for chunk in chunks:
        data = chunk[:CHUNK_BYTES_MAX]
        start = _first_frame(data, row)
        at, end = start, len(data)
        while at < end and len(frames) < FRAMES_MAX:
            length = _length(data, at, row)
            if length is None:
                break
            if at + row.prefix_bytes + length > end:
                unfinished, at = unfinished + end - at, end
                break
            idle += not length
            if length:
                frames.append(data[at + row.prefix_bytes : at + row.prefix_bytes + length])
            at += row.prefix_bytes + length
        lost += start + end - at
    return Cut(framing, frames, lost, unfinished, idle)


def _length(data: bytes, at: int, row: Prefix) -> int | None:
    """The length that stands at `at`, or None when none can."""
    prefix = data[at : at + row.prefix_bytes]
    if len(prefix) < row.prefix_bytes:
        return None
    length = row.read(prefix)
    return length if 0 <= length <= FRAME_BYTES_MAX else None


def _first_frame(data: bytes, row: Prefix) -> int:
    """Where the frames begin: at once, or where the longest chain of them does."""
    whole, to_end = _run(data, 0, row)
    if (whole and to_end) or whole >= _CHAIN:
        return 0
    best, start = (False, 0), 0
    for at in range(1, min(_RESYNC_BYTES, len(data))):
        whole, to_end = _run(data, at, row)
        if (to_end, whole) > best and (whole >= _CHAIN or to_end):
            best, start = (to_end, whole), at
    return start


def _run(data: bytes, at: int, row: Prefix) -> tuple[int, bool]:
    """How many whole frames follow each other from `at`, and whether nothing stops them before the end."""
    whole = 0
    for _ in range(_STEPS):
        if at == len(data):
            return whole, True
        length = _length(data, at, row)
        if length is None or 0 < length < _FRAME_BYTES_MIN:
            return whole, False
        at += row.prefix_bytes + length
        if at > len(data):
            return whole, whole > 0
        whole += bool(length)
    return whole, whole > 0
