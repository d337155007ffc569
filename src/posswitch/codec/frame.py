"""Cuts a byte stream into payloads and back, sans I/O: a length prefix, then so many bytes."""

from collections.abc import Callable
from typing import NamedTuple

from posswitch.base.errors import FrameError


class Prefix(NamedTuple):
    """One way to write the length of what follows (only `bin2self` counts the prefix itself)."""

    prefix_bytes: int
    length_max: int
    read: Callable[[bytes], int]  # negative when malformed
    write: Callable[[int], bytes]


def _read_binary(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _read_digits(data: bytes) -> int:
    return int(data) if data.isdigit() else -1


PREFIXES: dict[str, Prefix] = {
    "bin2": Prefix(2, 0xFFFF, _read_binary, lambda length: length.to_bytes(2, "big")),
    "ascii4": Prefix(4, 9999, _read_digits, lambda length: b"%04d" % length),
    "bin2self": Prefix(
        2, 0xFFFD, lambda data: _read_binary(data) - 2, lambda size: (size + 2).to_bytes(2, "big")
    ),
    "bcd2": Prefix(
        2, 9999, lambda data: _read_digits(data.hex().encode()), lambda size: bytes.fromhex(f"{size:04d}")
    ),
    "bin4": Prefix(4, 0xFFFF, _read_binary, lambda length: length.to_bytes(4, "big")),
}


class Framer:
    """Collects bytes until frames are complete; after a fault it only repeats the fault.

    A zero length (`b""`) is a keep-alive. Frames that were complete before a fault are still given:
    the fault is raised by the next call.
    """

    def __init__(self, prefix: str, frame_bytes_max: int) -> None:
        self._prefix = PREFIXES[prefix]
        self._frame_bytes_max = frame_bytes_max
        self._waiting = bytearray()
        self._fault = ""

    def __repr__(self) -> str:
        return f"Framer({self._fault or f'{self.pending_bytes} bytes waiting'})"

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that is not complete."""
        return len(self._waiting)

    @property
    def broken(self) -> bool:
        """Whether the stream cannot go on; the next `feed` raises."""
        return bool(self._fault)

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that `data` completes; FrameError on a malformed prefix or one beyond the cap."""
        if not self._fault:
            self._waiting += data
            frames = self._cut()
            if frames or not self._fault:
                return frames
        raise FrameError(self._fault)

    def _cut(self) -> list[bytes]:
        frames: list[bytes] = []
        waiting, at, size = self._waiting, 0, self._prefix.prefix_bytes
        while len(waiting) - at >= size:
            length = self._prefix.read(bytes(waiting[at : at + size]))
            if not 0 <= length <= self._frame_bytes_max:
                self._fault = (
                    "malformed length prefix"
                    if length < 0
                    else f"a frame of {length} bytes, {self._frame_bytes_max} are allowed"
                )
                at = len(waiting)
                break
            end = at + size + length
            if end > len(waiting):
                break
            frames.append(bytes(waiting[at + size : end]))
            at = end
        del waiting[:at]
        return frames


def framed(prefix: str, payload: bytes) -> bytes:
    """`payload` behind its length; FrameError when the prefix cannot write it (65,535 or 9,999 bytes)."""
    row = PREFIXES[prefix]
    if len(payload) > row.length_max:
        raise FrameError(f"{len(payload)} bytes do not fit the prefix {prefix}, {row.length_max} do")
    return row.write(len(payload)) + payload
