"""Cards that were approved here before: a Bloom filter (B. H. Bloom, 1970) in two halves; the older leaves.

Two megabytes each. About one card in a hundred that was never here is taken for one that was; none the other
way round until its half has left.
"""

from struct import Struct

from posswitch.base.bounds import GUARD_FAMILIAR_MAX

_BITS = 1 << 24
_PLACES = Struct(">II")  # of the fingerprint, which is spread evenly already: 24 bits of each are a place
assert _BITS >= 20 * GUARD_FAMILIAR_MAX


class Familiar:
    """By fingerprint, at least eight bytes of it."""

    def __init__(self) -> None:
        self._now, self._before = bytearray(_BITS // 8), bytearray(_BITS // 8)
        self._count = 0

    def __repr__(self) -> str:
        return f"<{self._count} familiar cards in the newer half>"

    def add(self, print_: bytes) -> None:
        """A card was approved."""
        one, two = _PLACES.unpack_from(print_)
        now = self._now
        if now[one >> 11] >> (one >> 8 & 7) & now[two >> 11] >> (two >> 8 & 7) & 1:
            return
        now[one >> 11] |= 1 << (one >> 8 & 7)
        now[two >> 11] |= 1 << (two >> 8 & 7)
        self._count += 1
        if self._count >= GUARD_FAMILIAR_MAX:
            self._now, self._before, self._count = self._before, now, 0
            self._now[:] = bytes(len(now))

    def __contains__(self, print_: bytes) -> bool:
        if len(print_) < _PLACES.size:
            return False
        one, two = _PLACES.unpack_from(print_)
        for half in (self._now, self._before):
            if half[one >> 11] >> (one >> 8 & 7) & half[two >> 11] >> (two >> 8 & 7) & 1:
                return True
        return False
