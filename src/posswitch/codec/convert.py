"""Rewrites a message in another dialect, and says of every field what did not come across whole."""

from typing import NamedTuple

from posswitch.base.errors import CodecError
from posswitch.codec.column import Column
from posswitch.codec.dialect import Dialect
from posswitch.codec.header import CUPS_HEADER_BYTES, cups_header
from posswitch.codec.message import Message, Value
from posswitch.codec.wording import Words

_FREE_TEXT = (43, 44, 63)  # may be cut short; of others a piece means something else than the whole
_MACS = (64, 128)
_PIN_BLOCK = 52
_CENTRE = "00010000"

_NO_FIELD = Words("目标方言没有此域，已舍弃", "the target has no such field; dropped")
_NO_FIT = Words("目标方言无法书写此值，已舍弃", "the target cannot write this value; dropped")
_MAC = Words("转换后 MAC 无效，须重算", "the MAC is invalid after the conversion; compute it again")
_PIN = Words("PIN 块仍在原密钥之下", "the PIN block is still under the key of the source")


class Note(NamedTuple):
    """What happened to a field on the way."""

    field: int
    words: Words

    def __str__(self) -> str:
        return f"{self.field:>3}  {self.words}"


class Converted(NamedTuple):
    """The message in the target dialect, its bytes, and what did not come across whole."""

    message: Message
    payload: bytes
    notes: list[Note]


def convert(message: Message, target: Dialect, header: bytes | None = None) -> Converted:
    """The message as `target` writes it; `header` replaces its default; CodecError for a wrong header."""
    fields: dict[int, Value] = {}
    notes: list[Note] = []
    for number, value in sorted(message.fields.items()):
        fitted, note = _fitted(number, value, target.columns.get(number))
        if fitted is not None:
            fields[number] = fitted
        if note is not None:
            notes.append(Note(number, note))
    notes += [Note(number, _MAC) for number in _MACS if number in fields]
    notes += [Note(_PIN_BLOCK, _PIN)] if _PIN_BLOCK in fields else []
    written = Message(message.mti, fields, bytes(target.header_bytes) if header is None else header)
    payload = target.pack(written)
    if header is None and target.family == "cups" and target.header_bytes == CUPS_HEADER_BYTES:
        written.header = cups_header(_CENTRE, _CENTRE, len(payload) - CUPS_HEADER_BYTES)
        payload = target.pack(written)
    return Converted(written, payload, sorted(notes, key=lambda note: note.field))


def _fitted(number: int, value: Value, column: Column | None) -> tuple[Value | None, Words | None]:
    """The value that the column can hold, and what was done to it."""
    if column is None:
        return None, _NO_FIELD
    writable = [form for form in _forms(value) if _writes(column, form)]
    if not writable:
        return None, _NO_FIT
    fitted, note = _sized(number, writable[0], column)
    if fitted is not None and not _writes(column, fitted):  # blanks do not fill digits
        return None, _NO_FIT
    return fitted, note


def _forms(value: Value) -> list[Value]:
    """The same value as other dialects hold it."""
    if isinstance(value, bytes):
        return [value, value.hex().upper()]
    forms: list[Value] = [value, value.replace("=", "D"), value.replace("D", "=")]
    try:
        forms.append(bytes.fromhex(value))
    except ValueError:
        forms.append(value.encode("utf-8"))
    return forms


def _writes(column: Column, value: Value) -> bool:
    try:
        column.encoding.write(value)
    except CodecError:
        return False
    return True


def _size(column: Column, value: Value) -> int:
    return len(column.encoding.write(value)) if column.encoding.counts_bytes else len(value)


def _sized(number: int, value: Value, column: Column) -> tuple[Value | None, Words | None]:
    size = _size(column, value)
    if column.prefixes:
        most = len(column.prefixes) - 1
        return (value, None) if size <= most else _shortened(number, value, column, most)
    if size > column.units:
        return _shortened(number, value, column, column.units)
    if size == column.units:
        return value, None
    if not isinstance(value, str):
        return None, _NO_FIT
    lacking = column.units - size
    digits = value.isdecimal() and not column.encoding.counts_bytes
    filled = "0" * lacking + value if digits else value + " " * lacking
    return filled, Words(f"由 {size} 位补足到 {column.units} 位", f"filled from {size} to {column.units}")


def _shortened(number: int, value: Value, column: Column, most: int) -> tuple[Value | None, Words | None]:
    """Free text cut to what fits; anything else is dropped."""
    size = _size(column, value)
    if number not in _FREE_TEXT or not isinstance(value, str):
        return None, Words(
            f"长 {size}，目标最多 {most}，已舍弃", f"{size} long, the target takes {most}; dropped"
        )
    text = value[:most]
    while _size(column, text) > most:
        text = text[:-1]
    padding = 0 if column.prefixes else most - _size(column, text)
    return text + " " * padding, Words(f"由 {size} 截短到 {most}", f"shortened from {size} to {most}")
