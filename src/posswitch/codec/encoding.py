"""How the value of a field is written: digits, tracks, text and binary, each in its encodings."""

from binascii import Error as NotHex
from binascii import unhexlify
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from posswitch.base.errors import CodecError
from posswitch.codec.message import Value

_DIGITS = b"0123456789"
_PRINTABLE = bytes(range(0x20, 0x7F))
_HEX = b"0123456789ABCDEFabcdef"


class Encoding(NamedTuple):
    """Both directions of one way to write a value; errors carry the offset inside the value."""

    width: Callable[[int], int]  # bytes that so many units take
    read: Callable[[bytes, int], Value]  # the bytes of so many units; CodecError
    write: Callable[[Value], bytes]  # CodecError
    counts_bytes: bool = False  # a length counts the written bytes, else the value's own characters
    read_run: Callable[[bytes, int], str] | None = None  # several adjacent values in one go
    units_step: int = 1  # values of a run start at multiples of this


def _one(units: int) -> int:
    return units


def _half(units: int) -> int:
    return (units + 1) // 2


def _double(units: int) -> int:
    return units * 2


def _digits_of(value: Value) -> bytes:
    if isinstance(value, str) and value.isascii():
        data = value.encode()
        if data.isdigit() or not data:
            return data
    raise CodecError("only digits may be here")


def _text_of(value: Value) -> str:
    if isinstance(value, str):
        return value
    raise CodecError("text is needed, bytes were given")


def _first_not(allowed: bytes, chunk: bytes) -> int:
    """Index of the first byte that is not allowed."""
    return next(index for index, byte in enumerate(chunk) if byte not in allowed)


def _read_digits(chunk: bytes, units: int) -> str:
    if chunk.isdigit() or not chunk:
        return chunk.decode()
    raise CodecError("not a digit", None, _first_not(_DIGITS, chunk))


def _read_track(chunk: bytes, units: int) -> str:
    if not chunk.replace(b"=", b"D").isalnum() and chunk.translate(None, _PRINTABLE):  # the usual is quick
        raise CodecError("not a track character", None, _first_not(_PRINTABLE, chunk))
    return chunk.decode()


def _write_track(value: Value) -> bytes:
    if isinstance(value, str) and value.isascii():
        data = value.encode()
        if not data.translate(None, _PRINTABLE):
            return data
    raise CodecError("only printable ASCII may be here")


# side of the filler of an odd count -> its place among the nibbles, and the rest
_PADS = {"left": (0, slice(1, None)), "right": (-1, slice(None, -1))}


def _nibbles(pad: str) -> Callable[[bytes, int], str]:
    """Reads packed nibbles without the filler, which must be 0 or F."""
    filler, rest = _PADS[pad]

    def read(chunk: bytes, units: int) -> str:
        text = chunk.hex()
        if not units & 1:
            return text
        if text[filler] in "0f":
            return text[rest]
        raise CodecError("the filler is neither 0 nor F", None, 0 if pad == "left" else len(chunk) - 1)

    return read


def _packed(digits: bytes, pad: str) -> bytes:
    if len(digits) & 1:
        digits = b"0" + digits if pad == "left" else digits + b"0"
    return unhexlify(digits)


def _digit_bcd(pad: str) -> Encoding:
    """Class n, two digits a byte; an odd count is filled with 0 on the side `pad`."""
    nibbles = _nibbles(pad)

    def read(chunk: bytes, units: int) -> str:
        text = nibbles(chunk, units)
        if text.encode().isdigit() or not text:
            return text
        before = 1 if units & 1 and pad == "left" else 0
        raise CodecError("not a digit", None, (_first_not(_DIGITS, text.encode()) + before) // 2)

    def write(value: Value) -> bytes:
        return _packed(_digits_of(value), pad)

    return Encoding(_half, read, write, read_run=read, units_step=2)


def _track_bcd(pad: str) -> Encoding:
    """Class z, two nibbles a byte; `=` is written as D and read as D."""
    nibbles = _nibbles(pad)

    def read(chunk: bytes, units: int) -> str:
        return nibbles(chunk, units).upper()

    def write(value: Value) -> bytes:
        try:
            return _packed(_text_of(value).replace("=", "D").encode(), pad)
        except ValueError:
            raise CodecError("only digits and = or A to F may be here") from None

    return Encoding(_half, read, write)


def _signed(sign: Encoding, amount: Encoding) -> Encoding:
    """Class x+n: one character, then digits."""

    def width(units: int) -> int:
        return 1 + amount.width(units - 1) if units else 0  # an empty one has no sign either

    def read(chunk: bytes, units: int) -> str:
        if not units:
            return ""
        head = sign.read(chunk[:1], 1)
        try:
            tail = amount.read(chunk[1:], units - 1)
        except CodecError as bad:
            raise CodecError(bad.reason, None, 1 + (bad.offset or 0)) from None
        return _text_of(head) + _text_of(tail)

    def write(value: Value) -> bytes:
        text = _text_of(value)
        return sign.write(text[:1]) + amount.write(text[1:])

    return Encoding(width, read, write)


def _read_ascii(chunk: bytes, units: int) -> str:
    return chunk.decode("ascii")  # a character of several bytes could straddle two fields


def _text(codec: str) -> Encoding:
    """Text in a codec that contains ASCII and writes back what it reads; what it cannot read stays bytes."""

    def read(chunk: bytes, units: int) -> Value:
        if chunk.isascii():
            return chunk.decode()
        try:
            return chunk.decode(codec)
        except UnicodeError:
            return chunk

    def write(value: Value) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            return value.encode() if _text_of(value).isascii() else value.encode(codec)
        except UnicodeError:
            raise CodecError(f"a character that {codec} cannot write") from None

    return Encoding(_one, read, write, counts_bytes=True, read_run=_read_ascii)


def _swapped(inner: Encoding, codec: str) -> Encoding:
    """Characters in EBCDIC: its code pages are permutations of Latin-1, so any inner encoding is kept."""
    to_latin = bytes(range(256)).decode(codec).encode("latin-1")
    from_latin = bytes(range(256)).decode("latin-1").encode(codec)

    def read(chunk: bytes, units: int) -> Value:
        return inner.read(chunk.translate(to_latin), units)

    def write(value: Value) -> bytes:
        return inner.write(value).translate(from_latin)

    return inner._replace(read=read, write=write, read_run=None)


def _raw_read(chunk: bytes, units: int) -> bytes:
    return chunk


def _raw_write(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise CodecError("bytes are needed, text was given")
    return value


def _hex_read(chunk: bytes, units: int) -> bytes:
    try:
        return unhexlify(chunk)
    except NotHex:
        raise CodecError("not a hexadecimal digit", None, _first_not(_HEX, chunk)) from None


def _hex_write(value: Value) -> bytes:
    return _raw_write(value).hex().upper().encode()


_CHARACTER_DIGITS = Encoding(_one, _read_digits, _digits_of, read_run=_read_digits)
_CHARACTER_TRACK = Encoding(_one, _read_track, _write_track)
_CODE_PAGES = {"ebcdic": "cp037", "cp037": "cp037", "cp500": "cp500"}
TEXTS: dict[str, Encoding] = {name: _text(name) for name in ("ascii", "latin-1", "gb18030", "gbk", "utf-8")}
TEXTS |= {name: _swapped(TEXTS["latin-1"], page) for name, page in _CODE_PAGES.items()}
BINARIES: dict[str, Encoding] = {
    "raw": Encoding(_one, _raw_read, _raw_write),
    "hex-ascii": Encoding(_double, _hex_read, _hex_write),
}


@lru_cache(maxsize=256)
def encoding(kind: str, name: str, pad: str) -> Encoding:
    """The encoding `name` of a class of ISO 8583 (n, z, x+n, b, else text)."""
    if kind == "b":
        return BINARIES[name]
    if kind == "text":
        return TEXTS[name]
    if kind == "x+n":
        return _signed(_in_page(_CHARACTER_TRACK, name), encoding("n", name, pad))
    if name == "bcd":
        return _digit_bcd(pad) if kind == "n" else _track_bcd(pad)
    return _in_page(_CHARACTER_DIGITS if kind == "n" else _CHARACTER_TRACK, name)


def _in_page(inner: Encoding, name: str) -> Encoding:
    return _swapped(inner, _CODE_PAGES[name]) if name in _CODE_PAGES else inner
