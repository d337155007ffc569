"""The blind mutator: one call damages one seed a few times, from one stream of random bits."""

from collections.abc import Callable, Sequence

from .seeds import Seed

SIZE_MAX = 5000  # a little more than the longest frame
_INTERESTING = bytes.fromhex(
    "00 01 7f 80 ff 0f f0 09 10 20 2d 2e 30 39 3a 3d 40 41 44 46 5f 81 82 84 99 a0 c0 df 1f 9f"
)
_SPANS = (1, 1, 1, 2, 2, 3, 4, 8, 8, 16, 19, 32, 64, 128, 256, 1024)


def mutated(bits: Callable[[int], int], seeds: Sequence[Seed], words: Sequence[bytes]) -> bytes:
    """A seed with one to six mutations, a quarter of them where a bitmap or a length stands."""
    r = bits(64)
    data, hot = seeds[(r & 0xFFFF) * len(seeds) >> 16]
    found = bytearray(data)
    for _ in range((1, 1, 1, 2, 2, 3, 4, 6)[r >> 16 & 7]):
        r = bits(64)
        size = len(found)
        if not size:
            found.append(r & 0xFF)
            size = 1
        at = (r & 0xFFFF) * size >> 16
        if hot and not r >> 40 & 3:
            at = min(hot[(r & 0xFFFF) * len(hot) >> 16], size - 1)
        kind, value, span = r >> 17 & 15, r >> 24 & 0xFF, _SPANS[r >> 32 & 15]
        if kind < 3:
            found[at] ^= 1 << (value & 7)
        elif kind == 3:
            found[at] = _INTERESTING[value % len(_INTERESTING)]
        elif kind == 4:
            found[at] = value
        elif kind == 5:
            found[at] = found[at] + span & 0xFF
        elif kind == 6:
            found[at] = found[at] - span & 0xFF
        elif kind == 7:
            found[at] = 48 + value % 10
        elif kind == 8:
            del found[at : at + span]
        elif kind == 9:
            found[at:at] = found[at : at + span]
        elif kind == 10:
            there = (r >> 36 & 0xFFFF) * size >> 16
            found[at], found[there] = found[there], found[at]
        elif kind == 11:
            other = seeds[(r >> 36 & 0xFFFF) * len(seeds) >> 16].data
            found[at:] = other[(r >> 48) * len(other) >> 16 if value & 1 else at :]
        elif kind == 12:
            found[at:at] = bytes((value,)) * span
        elif kind == 13:
            del found[at:]
        elif kind == 14:
            found += (r >> 36).to_bytes(4, "big")[: 1 + (value & 3)]
        elif words:
            word = words[(r >> 36 & 0xFFFF) * len(words) >> 16]
            found[at : at + (len(word) if value & 1 else 0)] = word
        else:
            found[at : at + span] = bytes((value,)) * min(span, size - at)
    return bytes(found[:SIZE_MAX])
