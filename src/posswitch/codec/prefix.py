"""How the length of a variable field is written: a table of every length it may have."""

from collections.abc import Callable
from functools import lru_cache

LENGTH_MAX = 9999  # a longer value would not fit any frame


def _packed(digits: int) -> int:
    return (digits + 1) // 2


# kind -> bytes that a prefix of so many digits takes, and how it is written
PREFIXES: dict[str, tuple[Callable[[int], int], Callable[[int, int], bytes]]] = {
    "ascii": (int, lambda length, size: b"%0*d" % (size, length)),
    "ebcdic": (int, lambda length, size: f"{length:0{size}d}".encode("cp037")),
    "bcd": (_packed, lambda length, size: bytes.fromhex(f"{length:0{2 * size}d}")),
    "binary": (_packed, lambda length, size: length.to_bytes(size, "big")),
}


def prefix_bytes(kind: str, digits: int) -> int:
    """Bytes of a prefix of so many digits (`LL` is 2): LL and LLL take 1 and 2 bytes in bcd and binary."""
    return PREFIXES[kind][0](digits)


@lru_cache(maxsize=256)
def prefixes(kind: str, size: int, units_max: int) -> tuple[bytes, ...]:
    """The prefix of every length from 0 to `units_max`, in `size` bytes, as far as they can be written."""
    write = PREFIXES[kind][1]
    highest = 256**size - 1 if kind == "binary" else 10 ** (size * (2 if kind == "bcd" else 1)) - 1
    return tuple(write(length, size) for length in range(min(units_max, highest, LENGTH_MAX) + 1))
