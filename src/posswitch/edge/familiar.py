"""Cards that were approved here before: one byte a card, at a place that its fingerprint names.

A newer card takes the place of an older one there, so nothing has to be counted or cleared. After a million
cards about one in ten is forgotten; one in a thousand that was never here is taken for one that was.
"""

from posswitch.base.bounds import GUARD_FAMILIAR_PLACES

_TAG_BITS = 10  # of 32, the rest is the place; the lowest eight are what is kept there
assert GUARD_FAMILIAR_PLACES == 1 << 32 - _TAG_BITS


class Familiar:
    """By fingerprint, which is spread evenly already."""

    def __init__(self) -> None:
        self._tags = bytearray(GUARD_FAMILIAR_PLACES)

    def __repr__(self) -> str:
        return f"<familiar cards, {len(self._tags) - self._tags.count(0):,}>"

    def add(self, print_: bytes) -> None:
        """A card was approved."""
        at = int.from_bytes(print_[:4])
        self._tags[at >> _TAG_BITS] = at & 0xFF or 1

    def __contains__(self, print_: bytes) -> bool:
        at = int.from_bytes(print_[:4])
        return bool(print_) and self._tags[at >> _TAG_BITS] == (at & 0xFF or 1)
