"""What stands inside a field: the table `parts.tsv`, and the three fields that need more than a table."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from posswitch.base.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN, mask_pan
from posswitch.base.errors import CodecError
from posswitch.codec.describe import free_text, is_secret_object
from posswitch.codec.message import Message, Value
from posswitch.codec.tlv import walk_tlv
from posswitch.codec.wording import TAGS, Words, meaning, rows

_UNKNOWN_TAG = Words("未列入的标签", "not in the table of tags")
_RECORD = (2, 6, 20, 12)  # field 48 of 0320: kind, STAN, card number, amount
_KIND_DIGITS = (11, 12, 13, 14, 17)  # field 60: its parts are optional from the end
_KCV_SHOWN = 6  # hexadecimal digits of a check value that may be shown (ANSI X9.24-1)


_HEADER_BEGINS = {"pos": 0x60, "cups": 0x2E}
_HEADER_BYTES = {5: "pos", 11: "pos", 46: "cups"}


class Part(NamedTuple):
    """One piece of a field: its label, what may be shown of it, its name and what its value means."""

    label: str
    shown: str
    name: Words
    means: Words | None = None
    depth: int = 0


class Row(NamedTuple):
    """One row of the table: `size` characters, shown as they are or as free text."""

    part: str
    size: int
    show: str
    table: str
    name: Words


def _layouts() -> dict[tuple[str, str, str], list[Row]]:
    """(family, class, field) -> rows; `+` as part means that the rows repeat."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for family, classes, field, part, size, show, table, zh, en in rows("parts.tsv"):
        row = Row(part, int(size or 0), show, table, Words(zh, en))
        for kind in classes:
            found.setdefault((family, kind, field), []).append(row)
    return found


_LAYOUTS = _layouts()


@lru_cache(maxsize=1024)
def _layout(family: str, kind: str, field: str) -> tuple[Row, ...]:
    for key in ((family, kind, field), (family, "*", field), ("*", "*", field)):
        if key in _LAYOUTS:
            return tuple(_LAYOUTS[key])
    return ()


def family_of(family: str, header: bytes) -> str:
    """Whose fields a message carries: the header says it where it is one, else the dialect's `family`."""
    by_header = _HEADER_BYTES.get(len(header), family)
    return by_header if header and header[0] == _HEADER_BEGINS.get(by_header) else family


def whole_meaning(family: str, mti: str, number: int, value: Value) -> Words | None:
    """What a field that is one code means."""
    layout = _layout(family, mti[1:2], str(number))
    if len(layout) == 1 and not layout[0].part and isinstance(value, str):
        return meaning(layout[0].table, value)
    return None


def parts_of(family: str, message: Message, number: int, reveal: bool, whole: bool) -> list[Part]:
    """The pieces of a field; without `whole` (its own mask hides something) and `reveal` only safe ones."""
    value = message.fields[number]
    special = _SPECIAL.get((family, message.mti[1:2], number)) or _SPECIAL.get(("*", "*", number))
    if special is not None:
        return special(value, reveal)
    layout = _layout(family, message.mti[1:2], str(number))
    if not isinstance(value, str) or not layout or not layout[0].part:
        return []
    if not (whole or reveal or ((family, number) == ("pos", 60) and _is_kind_of_message(value))):
        return []
    return [
        Part(
            f"{number}.{label}", chunk if reveal or row.show == "plain" else free_text(chunk), row.name, means
        )
        for label, row, chunk, means in _cut(layout, value)
    ]


def header_parts(family: str, header: bytes, reveal: bool) -> list[Part]:
    """The pieces of a header; nothing of one that does not begin as its dialect's begin, without `reveal`."""
    layout = _layout(family, "*", "header")
    if not header or not layout:
        return []
    if header[0] != _HEADER_BEGINS[family]:
        shown = header.hex().upper() if reveal else f"*** ({len(header)} bytes)"
        return [Part("head", shown, Words("不是此方言的报文头", "not a header of this dialect"))]
    found = []
    for _, row, chunk, _ in _cut(layout, header.hex().upper()):
        text = bytes.fromhex(chunk).decode("latin-1") if row.show == "text" else chunk
        if not text.isprintable():
            text = chunk
        shown = text if reveal else free_text(text)
        found.append(Part(row.part, shown, row.name, meaning(row.table, text) if row.table else None))
    return found


def _is_kind_of_message(value: str) -> bool:
    """Whether field 60 is what it should be, and not a card number that passes Luhn as one in ten does."""
    known = meaning("kind", value[:2]) and meaning("management", value[8:11])
    return bool(known) and len(value) in _KIND_DIGITS


def _cut(layout: tuple[Row, ...], value: str) -> Iterator[tuple[str, Row, str, Words | None]]:
    """Label, row, characters and meaning of each piece, as far as the value reaches."""
    rows_once = [row for row in layout if row.part != "+"]
    repeats = len(rows_once) < len(layout)
    at, group = 0, 1
    while at < len(value):
        for row in rows_once:
            chunk = value[at : at + row.size]
            if not chunk:
                return
            at += len(chunk)
            label = f"{group}.{row.part}" if repeats else row.part
            complete = len(chunk) == row.size
            yield label, row, chunk, meaning(row.table, chunk) if row.table and complete else None
        if not repeats:
            return
        group += 1


def _chip_parts(value: Value, reveal: bool) -> list[Part]:
    """Field 55, object by object; nothing when it is not TLV to its end."""
    if not isinstance(value, bytes):
        return []
    try:
        objects = list(walk_tlv(value))
    except CodecError:
        return []
    return [_chip_part(depth, tag, content, reveal) for depth, tag, content in objects]


def _chip_part(depth: int, tag: str, content: bytes, reveal: bool) -> Part:
    name = TAGS[tag].name if tag in TAGS else _UNKNOWN_TAG
    constructed = bool(int(tag[:2], 16) & 0x20)
    if constructed:
        return Part(tag, f"({len(content)} bytes)", name, None, depth)
    hidden = not reveal and is_secret_object(tag, content)
    shown = f"*** ({len(content)} bytes)" if hidden else content.hex().upper()
    means = _CHIP_MEANINGS.get(tag)
    return Part(tag, shown, name, means(content) if means and not hidden else None, depth)


_CHIP_MEANINGS: dict[str, Callable[[bytes], Words | None]] = {
    "8A": lambda content: meaning("response", content.decode("latin-1")),
    "5F2A": lambda content: meaning("currency", content.hex()[1:]),
    "9F27": lambda content: meaning("cryptogram", f"{content[0] & 0xC0:02X}") if content else None,
}

# bytes of field 62 -> its keys: name, bytes of the key, bytes of its check value (the 0810 of a sign-on)
_PIK, _MAK, _TDK = (
    Words("PIN 密钥", "PIN key"),
    Words("MAC 密钥", "MAC key"),
    Words("磁道密钥", "track key"),
)
_KEYS = {
    24: ((_PIK, 8, 4), (_MAK, 8, 4)),
    40: ((_PIK, 16, 4), (_MAK, 16, 4)),
    57: ((_PIK, 16, 3), (_MAK, 16, 3), (_TDK, 16, 3)),
    60: ((_PIK, 16, 4), (_MAK, 16, 4), (_TDK, 16, 4)),
}


def _key_parts(value: Value, reveal: bool) -> list[Part]:
    """Field 62 of a sign-on answer: each key as its length, and the beginning of its check value."""
    if not isinstance(value, bytes) or len(value) not in _KEYS:
        return []
    found, at = [], 0
    for index, (name, key_bytes, kcv_bytes) in enumerate(_KEYS[len(value)], 1):
        key, kcv = value[at : at + key_bytes], value[at + key_bytes : at + key_bytes + kcv_bytes]
        at += key_bytes + kcv_bytes
        shown = key.hex().upper() if reveal else f"*** ({key_bytes} bytes)"
        check = kcv.hex().upper() if reveal else kcv.hex().upper()[:_KCV_SHOWN]
        found.append(Part(f"62.{index}", shown, name, Words(f"校验值 {check}", f"check value {check}")))
    return found


def _record_parts(value: Value, reveal: bool) -> list[Part]:
    """Field 48 of 0320: a count, then records; nothing unless count and every card number fit."""
    size = sum(_RECORD)
    if not isinstance(value, str) or not value.isdecimal() or not value.isascii():
        return []
    if len(value) == 4:
        return [Part("48.1", value, Words("上送总笔数", "records sent in all"))]
    records = [value[at : at + size] for at in range(2, len(value), size)]
    if int(value[:2]) != len(records) or not all(map(_is_record, records)):
        return []
    found = [Part("48.1", value[:2], Words("笔数", "records"))]
    for index, record in enumerate(records, 1):
        kind, stan, padded, amount = record[:2], record[2:8], record[8:28], record[28:]
        pan = padded.lstrip("0")
        names = (
            ("1", kind, Words("卡类别", "kind of card"), meaning("card.area", kind)),
            ("2", stan, Words("流水号", "trace number"), None),
            ("3", pan if reveal else mask_pan(pan), Words("主账号", "card number"), None),
            ("4", amount, Words("金额", "amount"), None),
        )
        found += [Part(f"48.{index + 1}.{label}", text, name, means) for label, text, name, means in names]
    return found


def _is_record(record: str) -> bool:
    pan = record[8:28].lstrip("0")
    fits = len(record) == sum(_RECORD) and record[:2] in ("00", "01")
    return fits and PAN_DIGITS_MIN <= len(pan) <= PAN_DIGITS_MAX


_SPECIAL: dict[tuple[str, str, int], Callable[[Value, bool], list[Part]]] = {
    ("*", "*", 55): _chip_parts,
    ("pos", "8", 62): _key_parts,
    ("pos", "3", 48): _record_parts,
}
