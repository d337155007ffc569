"""The part of a track that a terminal encrypts: eight bytes, up to the last byte of the packed track."""

from typing import NamedTuple

from posswitch.base.errors import CryptoError

_HIDDEN_DIGITS, _TAIL_DIGITS = 16, 2


class SplitTrack(NamedTuple):
    """A track in three parts, each whole bytes in hex; `digits` is how long the track itself is."""

    head: str
    hidden: bytes
    tail: str
    digits: int

    def __repr__(self) -> str:
        return f"SplitTrack({self.digits} digits)"

    def with_hidden(self, block: bytes) -> str:
        """The track with these eight bytes in the place of the hidden ones."""
        return f"{self.head}{block.hex().upper()}{self.tail}"[: self.digits]


def split_track(track: str) -> SplitTrack:
    """The parts of a track of hex digits (`=` is D); CryptoError when it is too short or holds others.

    An odd one is packed with a filler behind its last digit.
    """
    packed = track.replace("=", "D")
    packed += "0" * (len(packed) % 2)
    begin = len(packed) - _HIDDEN_DIGITS - _TAIL_DIGITS
    try:
        hidden = bytes.fromhex(packed[begin:-_TAIL_DIGITS]) if begin >= 0 else b""
    except ValueError:
        hidden = b""
    if len(hidden) * 2 != _HIDDEN_DIGITS:
        raise CryptoError("track: too short to hide a part of it, or not of hex digits")
    return SplitTrack(packed[:begin], hidden, packed[-_TAIL_DIGITS:], len(track))
