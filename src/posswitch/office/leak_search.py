"""Finds secrets in anything a program leaves, however they were written down: many secrets, one walk.

Text is looked for as it is, in hex, in base64; digits also packed two in a byte, beginning at either nibble.
Eight bytes of each spelling are looked up among all eights of the data; what is there is compared as a whole.
"""

import base64
import contextlib
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping

EIGHT = 8
_PIECE_BYTES = 1 << 22


def spellings(secret: str | bytes) -> dict[str, bytes]:
    """How a secret may stand in a file; digits (with D or = between) also as BCD."""
    raw = secret.encode() if isinstance(secret, str) else secret
    found = {"raw": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode(), "reversed": raw[::-1]}
    found |= _base64(raw)
    if isinstance(secret, str) and re.fullmatch("[0-9A-F]+(=[0-9]+)?", secret):
        digits = secret.replace("=", "D")
        packed = bytes.fromhex(digits[: len(digits) // 2 * 2])
        found["BCD"] = packed
        found |= {f"BCD in {how}": spelt for how, spelt in _base64(packed).items()}
        if "D" in digits:
            found |= {f"text with {one}": digits.replace("D", one).encode() for one in "D=d"}
    return found


def _base64(raw: bytes) -> dict[str, bytes]:
    """Base64 in both alphabets at each of the three alignments: what the neighbours cannot change."""
    found = {}
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + raw + bytes(2))
        whole = text[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
        found[f"base64 at {shift}"] = whole
        found[f"base64url at {shift}"] = whole.translate(bytes.maketrans(b"+/", b"-_"))
    return found


class Search:
    """For all of some secrets, by name.

    Shorter than eight bytes nothing can be told from chance: a PIN is looked for in its block.
    """

    def __init__(self, secrets: Mapping[str, str | bytes]) -> None:
        self._plain: dict[int, list[tuple[bytes, str]]] = defaultdict(list)
        self._odd: dict[int, list[tuple[bytes, str]]] = defaultdict(list)  # from the second nibble on
        for name, secret in secrets.items():
            for how, spelt in spellings(secret).items():
                assert len(spelt) >= EIGHT, f"{name} as {how} is too short to be told from chance"
                self._plain[_eight_of(spelt)].append((spelt, f"{name} as {how}"))
                if how == "BCD":
                    self._odd[_eight_of(spelt)].append((spelt, f"{name} as BCD"))

    def __repr__(self) -> str:
        return f"<search for {sum(map(len, self._plain.values()))} spellings>"

    def of(self, data: bytes) -> list[str]:
        """A line for each secret in `data`, with how it is spelt there."""
        found = set(_among(data, self._plain))
        if self._odd:
            found |= set(_among(bytes.fromhex(f"0{data.hex()}0"), self._odd))
        return sorted(found)


def _eight_of(spelt: bytes) -> int:
    """The eight bytes by which a spelling is noticed: as different from each other as they may be."""
    eights = [spelt[at : at + EIGHT] for at in (len(spelt) - EIGHT, (len(spelt) - EIGHT) // 2, 0)]
    return int.from_bytes(max(eights, key=lambda eight: len(set(eight))), "little")


def _among(data: bytes, wanted: dict[int, list[tuple[bytes, str]]]) -> Iterator[str]:
    """The names of those spellings that stand in `data`."""
    seen: set[int] = set()
    for begin in range(0, len(data), _PIECE_BYTES):
        piece = memoryview(data)[begin : begin + _PIECE_BYTES + EIGHT]
        for shift in range(EIGHT):
            whole = len(piece[shift:]) // EIGHT * EIGHT
            seen |= wanted.keys() & set(_little(piece[shift : shift + whole]))
    for eight in seen:
        yield from (name for spelt, name in wanted[eight] if spelt in data)


def _little(piece: memoryview) -> list[int]:
    return piece.cast("Q").tolist()


def inflated(data: bytes) -> Iterator[bytes]:
    """Whatever begins like zlib in some bytes and can be unpacked, unpacked."""
    for head in (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"):
        at = data.find(head)
        while at >= 0:
            with contextlib.suppress(zlib.error):  # two bytes that look like it
                yield zlib.decompressobj().decompress(memoryview(data)[at:])
            at = data.find(head, at + 1)
