"""Likely causes of unreadable bytes: each verdict undoes one kind of damage and reads again."""

import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from posswitch.base.errors import CodecError, ConfigError
from posswitch.codec.column import read_fields, read_steps
from posswitch.codec.dialect import MTI, Dialect
from posswitch.codec.frame import PREFIXES
from posswitch.codec.message import Message
from posswitch.codec.plausible import sense
from posswitch.codec.profile import BUILT_IN, load_dialect, variant
from posswitch.codec.wording import Words, mti_words

_HEADERS = (5, 6, 11, 46, 2, 4)  # TPDU, header behind it, both, between banks; a length that is wrong
_LENGTHS_TRIED_OF = 4  # variable fields before the error
_REMAIN = re.compile(r"(\d+) bytes .*, (\d+) (?:remain|given)")
_PREFIX_WORDS = {
    "bin2": Words("2 字节二进制长度", "2-byte binary length"),
    "bin2self": Words("2 字节二进制长度（含自身）", "2-byte binary length that counts itself"),
    "ascii4": Words("4 位 ASCII 长度", "4-digit ASCII length"),
    "bcd2": Words("2 字节 BCD 长度", "2-byte BCD length"),
    "bin4": Words("4 字节二进制长度", "4-byte binary length"),
}
_EBCDIC_TO_LATIN = bytes(range(256)).decode("cp037").encode("latin-1")
_NIL, _DIGITS = bytes(1), b"0123456789ABCDEFabcdef"


class Case(NamedTuple):
    """The bytes, the dialect that refused them, and its error."""

    dialect: Dialect
    payload: bytes
    error: CodecError


class Cause(NamedTuple):
    """One likely cause, in both languages; `name` is for programs."""

    name: str
    words: Words


def reading(dialect: Dialect, payload: bytes) -> Message | None:
    """The message, when it can be read to its last byte and most of it makes sense."""
    try:
        message = dialect.unpack(payload)
    except CodecError:
        return None
    passed, failed = sense(message)
    return message if mti_words(message.mti) and failed * 4 <= passed else None


def _prefixed(case: Case) -> Words | None:
    """The length of the rest stands in front of it."""
    for name, row in PREFIXES.items():
        rest = case.payload[row.prefix_bytes :]
        if rest and row.read(case.payload[: row.prefix_bytes]) == len(rest) and reading(case.dialect, rest):
            words = _PREFIX_WORDS[name]
            return Words(f"{words.zh}仍在最前，请去掉", f"the {words.en} is still in front; remove it")
    return None


def _hex_of_hex(case: Case) -> Words | None:
    """Hexadecimal characters of hexadecimal characters."""
    if len(case.payload) % 2 or case.payload.translate(None, _DIGITS):
        return None
    if reading(case.dialect, binascii.unhexlify(case.payload)):
        return Words("被转成了两次十六进制", "written in hexadecimal twice")
    return None


def _base64(case: Case) -> Words | None:
    inner = _from_base64(case.payload)
    if inner and reading(case.dialect, inner):
        return Words("字节是 base64 文本", "the bytes are base64 text")
    return None


def _twice(case: Case) -> Words | None:
    half = case.payload[: len(case.payload) // 2]
    if half and case.payload == half + half and reading(case.dialect, half):
        return Words("同一报文粘贴了两次", "the same message was pasted twice")
    return None


def _wrapped(case: Case) -> Words | None:
    """Line ends among the bytes."""
    for end in (b"\r\n", b"\n"):
        if end in case.payload and reading(case.dialect, case.payload.replace(end, b"")):
            return Words(
                "报文被折行，夹有换行字节", "the message was wrapped: line ends stand among its bytes"
            )
    return None


def _header_missing(case: Case) -> Words | None:
    """Zeros in the place of a header, or of its TPDU, make the rest read."""
    for size in (case.dialect.header_bytes, 5, 6):
        if 0 < size <= case.dialect.header_bytes and reading(case.dialect, bytes(size) + case.payload):
            if size == 5 != case.dialect.header_bytes:
                return Words("缺少 TPDU（5 字节）", "the TPDU (5 bytes) is missing")
            return Words(f"缺少 {size} 字节报文头", f"{size} bytes of header are missing")
    if case.dialect.header_bytes == 11:  # the TPDU is there, the six bytes behind it are not
        filled = case.payload[:5] + bytes(6) + case.payload[5:]
        if reading(case.dialect, filled):
            return Words("TPDU 后缺少 6 字节报文头", "the 6-byte header behind the TPDU is missing")
    return None


def _header_surplus(case: Case) -> Words | None:
    """A header where the dialect has none, or one too many; also a length that does not fit."""
    for size in _HEADERS:
        if len(case.payload) > size and reading(case.dialect, case.payload[size:]):
            return Words(
                f"最前多出 {size} 字节报文头，此方言没有",
                f"{size} bytes of header that this dialect does not have",
            )
    return None


def _other_dialect(case: Case) -> Words | None:
    for name in BUILT_IN:
        other = load_dialect(name)
        if name != case.dialect.name and reading(other, case.payload):
            return Words(f"是另一种方言：--dialect {name}", f"it is another dialect: --dialect {name}")
    return None


def _one_bit(case: Case) -> Words | None:
    """One bit of the bitmap flipped makes the rest read to its end."""
    at, per_byte = case.dialect.bitmap_at, case.dialect.bits_a_byte
    found = [
        number
        for number in range(1, 129)
        if (flipped := _flipped(case.payload, at, number, per_byte)) and reading(case.dialect, flipped)
    ]
    if not found:
        return None
    fields = ", ".join(map(str, found[:8]))
    return Words(
        f"位图一位出错：第 {fields} 位", f"one bit of the bitmap is wrong: bit {fields.replace(', ', ' or ')}"
    )


def _flipped(payload: bytes, at: int, number: int, per_byte: int) -> bytes | None:
    """The payload with one bit of the bitmap turned, or None when it is not there."""
    place, bit = at + (number - 1) // per_byte, (number - 1) % per_byte
    if place >= len(payload):
        return None
    mask = 1 << (per_byte - 1 - bit)
    if per_byte == 8:
        turned = bytes((payload[place] ^ mask,))
    elif payload[place] in _DIGITS:
        turned = b"%X" % (int(payload[place : place + 1], 16) ^ mask)
    else:
        return None
    return payload[:place] + turned + payload[place + 1 :]


_OTHERS = ("ascii", "bcd", "binary", "ebcdic")


def _changes() -> Iterator[tuple[str, dict[str, Any], Words]]:
    """(cause, keys of the dialect file that change, what that means)."""
    for way in _OTHERS:
        said = Words(f"长度按 {way} 书写", f"lengths are written in {way}")
        yield "length-encoding", {"length_indicator": way}, said
    for way in ("ascii", "bcd", "ebcdic"):
        said = Words(f"数字域按 {way} 书写", f"numeric fields are written in {way}")
        yield "numeric-encoding", {"numeric": way}, said
        both = Words(f"数字域和长度按 {way} 书写", f"numeric fields and lengths are written in {way}")
        yield "numeric-encoding", {"numeric": way, "length_indicator": way}, both
    for side, zh in (("left", "左"), ("right", "右")):
        padded = Words(f"奇数位在{zh}侧填充", f"odd digits are padded on the {side}")
        yield "odd-pad", {"odd_LLnumeric_pad": side}, padded
        yield "odd-pad", {"odd_LLnumeric_pad": side, "odd_fixed_numeric_pad": side}, padded
        yield "odd-pad", {"odd_fixed_numeric_pad": side, "left_aligned_fixed": []}, padded
    for way in ("binary", "hex-ascii"):
        said = Words(f"位图按 {way} 书写", f"the bitmap is written as {way}")
        yield "bitmap-encoding", {"bitmap": way}, said
        yield "bitmap-encoding", {"bitmap": way, "binary_fields": {"binary": "raw"}.get(way, way)}, said
    yield "bitmap-128", {"bitmap_fixed_128": True}, Words("位图总是 128 位", "the bitmap always has 128 bits")
    for way in ("raw", "hex-ascii"):
        said = Words(f"二进制域按 {way} 书写", f"binary fields are written as {way}")
        yield "binary-encoding", {"binary_fields": way}, said
    ebcdic = dict.fromkeys(("mti", "numeric", "length_indicator", "text"), "ebcdic")
    yield "ebcdic", ebcdic, Words("文本是 EBCDIC", "the text is EBCDIC")


def _written_otherwise(kind: str) -> Callable[[Case], Words | None]:
    changes = [(keys, words) for name, keys, words in _changes() if name == kind]

    def verdict(case: Case) -> Words | None:
        for keys, words in changes:
            if all(case.dialect.settings.get(key) == value for key, value in keys.items()):
                continue
            try:
                other = variant(case.dialect, **keys)
            except ConfigError:
                continue
            if reading(other, case.payload):
                return words
        return None

    return verdict


def _ebcdic_whole(case: Case) -> Words | None:
    """Everything behind the header is EBCDIC, the characters of the bitmap too."""
    at = case.dialect.header_bytes
    payload = case.payload[:at] + case.payload[at:].translate(_EBCDIC_TO_LATIN)
    return (
        Words("整个报文是 EBCDIC", "the whole message is EBCDIC") if reading(case.dialect, payload) else None
    )


def _more_behind(case: Case) -> Words | None:
    """The message is whole and something follows: another frame, or stray bytes."""
    at = case.error.offset
    if (
        at is None
        or not case.error.reason.endswith("after the last field")
        or not reading(case.dialect, case.payload[:at])
    ):
        return None
    rest = case.payload[at:]
    for row in (None, *PREFIXES.values()):
        inner = rest if row is None else rest[row.prefix_bytes :]
        if reading(case.dialect, inner):
            return Words("两帧粘在一起", "two frames are glued together")
    return Words(
        f"报文完整，其后多出 {len(rest)} 字节", f"the message is whole; {len(rest)} stray bytes follow it"
    )


def _length_damaged(case: Case) -> Words | None:
    """Another length of one variable field makes the rest read."""
    for number, at in variable_fields(case.dialect, case.payload)[-_LENGTHS_TRIED_OF:]:
        prefixes = case.dialect.columns[number].prefixes
        size = len(prefixes[0])
        remain = len(case.payload) - at - size
        fits = [
            length
            for length, prefix in enumerate(prefixes[: 2 * remain + 2])
            if prefix != case.payload[at : at + size]
            and reading(case.dialect, case.payload[:at] + prefix + case.payload[at + size :])
        ]
        if 1 <= len(fits) <= 2:  # an odd count and its filler look alike
            zh, en = (mark.join(map(str, fits)) for mark in (" 或 ", " or "))
            return Words(f"{number} 域的长度应为 {zh}", f"the length of field {number} should be {en}")
    return None


def variable_fields(dialect: Dialect, payload: bytes) -> list[tuple[int, int]]:
    """Field and offset of the length of every variable field, up to the first that cannot be read."""
    try:
        numbers, at = dialect.announced(payload)
    except CodecError:
        return []
    found: list[tuple[int, int]] = []
    for number in numbers:
        column = dialect.columns.get(number)
        if column is None:
            break
        if column.prefixes:
            found.append((number, at))
        try:
            _, at = read_fields(read_steps([column]), payload, at)
        except CodecError:
            break
    return found


def _one_byte(case: Case) -> Words | None:
    """One byte where a digit should be, and the rest reads without it."""
    at = case.error.offset
    if at is None or at >= len(case.payload) or "not a" not in case.error.reason or case.error.field == MTI:
        return None
    for digit in (_NIL, b"0", b"\xf0"):
        if reading(case.dialect, case.payload[:at] + digit + case.payload[at + 1 :]):
            return Words("一个字节在途中损坏", "one byte was damaged on the way")
    return None


def _tail_missing(case: Case) -> Words | None:
    found = _REMAIN.search(case.error.reason)
    if case.error.reason == "no bitmap":
        return Words("末尾被截断，位图起全无", "the end is cut off, from the bitmap on")
    if not found or case.error.offset is None:
        return None
    lacking = int(found[1]) - int(found[2])
    return Words(
        f"末尾被截断，至少缺 {lacking} 字节", f"the end is cut off, at least {lacking} bytes are missing"
    )


VERDICTS: tuple[tuple[str, Callable[[Case], Words | None]], ...] = (
    ("length-prefix", _prefixed),
    ("hex-twice", _hex_of_hex),
    ("base64", _base64),
    ("pasted-twice", _twice),
    ("trailing", _more_behind),
    ("wrapped", _wrapped),
    ("header-missing", _header_missing),
    ("header-surplus", _header_surplus),
    ("dialect", _other_dialect),
    ("length-encoding", _written_otherwise("length-encoding")),
    ("numeric-encoding", _written_otherwise("numeric-encoding")),
    ("odd-pad", _written_otherwise("odd-pad")),
    ("bitmap-encoding", _written_otherwise("bitmap-encoding")),
    ("bitmap-128", _written_otherwise("bitmap-128")),
    ("binary-encoding", _written_otherwise("binary-encoding")),
    ("ebcdic", _written_otherwise("ebcdic")),
    ("ebcdic", _ebcdic_whole),
    ("one-byte", _one_byte),
    ("bitmap-bit", _one_bit),
    ("field-length", _length_damaged),
    ("truncated", _tail_missing),
)


def _from_base64(data: bytes) -> bytes | None:
    try:
        return binascii.a2b_base64(b"".join(data.split()), strict_mode=True)
    except ValueError:
        return None


def _text_base64(dialect: Dialect, text: str) -> Words | None:
    inner = _from_base64(text.encode("ascii", "replace"))
    if inner and reading(dialect, inner):
        return Words("参数是 base64，请先解码", "the argument is base64; decode it first")
    return None


def _text_itself(dialect: Dialect, text: str) -> Words | None:
    if reading(dialect, text.encode("latin-1", "replace")):
        return Words(
            "参数是报文本身，而不是其十六进制", "the argument is the message itself, not its hexadecimal"
        )
    return None


def _text_dump(dialect: Dialect, text: str) -> Words | None:
    if re.search(r"^\s*[0-9A-Fa-f]{4,8}[:\s]", text, re.MULTILINE) and len(text.splitlines()) > 1:
        return Words("像带偏移的转储，请用 @文件", "it looks like a dump with offsets; give it as @FILE")
    return None


def _text_odd(dialect: Dialect, text: str) -> Words | None:
    compact = "".join(text.split())
    if len(compact) % 2 and not compact.encode("utf-8").translate(None, _DIGITS):
        return Words("十六进制位数为奇数，缺一位", "an odd count of hexadecimal digits: one is missing")
    return None


def _text_foreign(dialect: Dialect, text: str) -> Words | None:
    marks = re.sub(r"0x|\\x|[,;:\-]", "", text)
    compact = "".join(marks.split())
    if compact != "".join(text.split()) and not compact.encode("utf-8").translate(None, _DIGITS):
        return Words(
            "夹有分隔符（0x、\\x、逗号等），请去掉",
            "separators (0x, \\x, commas …) stand between; remove them",
        )
    return None


TEXT_VERDICTS: tuple[tuple[str, Callable[[Dialect, str], Words | None]], ...] = (
    ("base64", _text_base64),
    ("raw-text", _text_itself),
    ("separators", _text_foreign),
    ("dump", _text_dump),
    ("odd-digits", _text_odd),
)
