"""Walks a message by the lengths of its fields alone: a cheap test of many ways to write."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from posswitch.codec.profile import Spec, specs_of
from posswitch.codec.wording import mti_words

_EBCDIC_DIGITS = bytes(range(0xF0, 0xFA))
_HEX = b"0123456789ABCDEFabcdef"
_BCD_DIGITS = b"0123456789"

# how digits are written -> whether these bytes can be digits
IS_DIGITS: dict[str, Callable[[bytes], bool]] = {
    "ascii": lambda chunk: not chunk.translate(None, _BCD_DIGITS),
    "ebcdic": lambda chunk: not chunk.translate(None, _EBCDIC_DIGITS),
    "bcd": lambda chunk: not chunk.hex().encode().strip(b"f").translate(None, _BCD_DIGITS),
}


def _ebcdic_length(data: bytes) -> int:
    if not data or data.translate(None, _EBCDIC_DIGITS):
        return -1
    return int(bytes(byte - 0xC0 for byte in data))


# how lengths are written -> bytes of a prefix of so many digits, and the length in them (-1: none)
LENGTHS: dict[str, tuple[Callable[[int], int], Callable[[bytes], int]]] = {
    "ascii": (int, lambda data: int(data) if data.isdigit() else -1),
    "bcd": (lambda size: (size + 1) // 2, lambda data: int(data.hex()) if data.hex().isdecimal() else -1),
    "ebcdic": (int, _ebcdic_length),
    "binary": (lambda size: (size + 1) // 2, lambda data: int.from_bytes(data, "big")),
}
MTI_BYTES = {"ascii": 4, "bcd": 2, "ebcdic": 4}
# tables of fields: base, and fields that known networks write differently: kind, length, most
TABLES: dict[str, tuple[str, dict[int, tuple[str, str, int]]]] = {
    "pos": ("pos", {}),
    "cups": ("cups", {}),
    "iso87": ("iso87a", {}),
    "pos-48": ("pos", {48: ("ans", "LLL", 999)}),
    "iso87-127": ("iso87a", {127: ("bin", "LLLLLL", 999999)}),
}


class Shape(NamedTuple):
    """One way to write messages, as far as it decides where fields end."""

    header: int
    mti: str
    bitmap: str
    fixed_128: bool
    table: str
    lengths: str
    numeric: str
    binary: str


@lru_cache(maxsize=8)
def specs_in(table: str) -> dict[int, Spec]:
    """The fields of a table, before they are compiled."""
    base, other = TABLES[table]
    specs = specs_of(base)
    for number, (kind, shape, most) in other.items():
        specs[number] = Spec("b" if kind == "bin" else "text", shape, most)
    return specs


def mti_at(payload: bytes, at: int, way: str) -> str:
    """The four digits at `at`, empty when they are none or mean nothing."""
    chunk = payload[at : at + MTI_BYTES[way]]
    if len(chunk) < MTI_BYTES[way] or not IS_DIGITS[way](chunk):
        return ""
    text = {"ascii": chunk.decode("latin-1"), "bcd": chunk.hex(), "ebcdic": chunk.decode("cp037")}[way]
    return text if text.isdecimal() and mti_words(text) else ""


def bitmap_at(payload: bytes, at: int, way: str, fixed_128: bool) -> tuple[list[int], int]:
    """The fields that a bitmap announces and where it ends; no fields when it is none."""
    size = 8 if way == "binary" else 16
    head = payload[at : at + size]
    if way == "hex-ascii" and head.translate(None, _HEX):
        return [], at
    wide = fixed_128 or (head[:1] >= (b"\x80" if way == "binary" else b"8"))
    raw = payload[at : at + size * (2 if wide else 1)]
    if len(raw) < size * (2 if wide else 1) or (way == "hex-ascii" and raw.translate(None, _HEX)):
        return [], at
    bits = raw if way == "binary" else bytes.fromhex(raw.decode())
    value, count = int.from_bytes(bits, "big"), len(bits) * 8
    if fixed_128 and value >> (count - 1):
        return [], at
    return [number for number in range(2, count + 1) if value >> (count - number) & 1], at + len(raw)


def reach(payload: bytes, numbers: list[int], at: int, shape: Shape) -> int:
    """How many bytes the fields reach from `at`: the whole length when they end where the payload ends."""
    specs = specs_in(shape.table)
    size_of, read = LENGTHS[shape.lengths]
    is_digits = IS_DIGITS[shape.numeric]
    for number in numbers:
        spec = specs.get(number)
        if spec is None:
            return -1
        units = spec.units_max
        if spec.shape != "fixed":
            size = size_of(len(spec.shape))
            units = read(payload[at : at + size])
            at += size
        width = _width(spec.kind, units, shape)
        if units < 0 or at + width > len(payload):
            return -1
        if spec.kind == "n" and not is_digits(payload[at : at + width]):
            return -1
        at += width
    return at


def _width(kind: str, units: int, shape: Shape) -> int:
    if kind == "b":
        return units * 2 if shape.binary == "hex-ascii" else units
    if kind == "text" or shape.numeric != "bcd":
        return units
    return 1 + units // 2 if kind == "x+n" else (units + 1) // 2


def lengths_over(payload: bytes, numbers: list[int], at: int, shape: Shape) -> Iterator[int]:
    """The variable fields that are longer than their table says."""
    size_of, read = LENGTHS[shape.lengths]
    for number in numbers:
        spec = specs_in(shape.table)[number]
        units = spec.units_max
        if spec.shape != "fixed":
            size = size_of(len(spec.shape))
            units = read(payload[at : at + size])
            at += size
        if units > spec.units_max:
            yield number
        at += _width(spec.kind, units, shape)
