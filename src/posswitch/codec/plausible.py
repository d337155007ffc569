"""Whether a message that could be read makes sense: one small check a field, counted."""

import re
from collections.abc import Callable
from typing import NamedTuple

from posswitch.base.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN, luhn_ok
from posswitch.base.errors import CodecError
from posswitch.codec.message import Message, Value
from posswitch.codec.tlv import unpack_tlv
from posswitch.codec.wording import meaning, mti_words

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_TRACK2 = re.compile(r"\d{12,19}[=D]\d{4}[\dDF=]*")
_CURRENCY = re.compile(r"\d{3}|[A-Z]{3}")


class Sense(NamedTuple):
    """How many checks a message passed and failed."""

    passed: int
    failed: int


def sense(message: Message) -> Sense:
    """The checks of a message: its MTI, and every field that has one."""
    results = [mti_words(message.mti) is not None]
    for number, value in message.fields.items():
        check = _CHECKS.get(number)
        if check is not None:
            results.append(check(value))
        elif isinstance(value, str):
            results.append(value.isprintable())
    if 2 in message.fields and 35 in message.fields:
        results.append(str(message.fields[35]).startswith(str(message.fields[2])))
    return Sense(sum(results), len(results) - sum(results))


def passed_of(messages: list[Message], numbers: tuple[int, ...]) -> tuple[int, int]:
    """How many values of some fields pass their check, and how many there are."""
    results = [
        _CHECKS[number](message.fields[number])
        for message in messages
        for number in numbers
        if number in message.fields
    ]
    return sum(results), len(results)


def is_date(text: str) -> bool:
    """`MMDD` of some year."""
    month, day = text[:2], text[2:4]
    return text.isdecimal() and 1 <= int(month) <= len(_DAYS) and 1 <= int(day) <= _DAYS[int(month) - 1]


def is_time(text: str) -> bool:
    """`hhmmss`."""
    return text.isdecimal() and text[:2] < "24" and text[2:4] < "60" and text[4:6] < "60"


def _text(check: Callable[[str], bool]) -> Callable[[Value], bool]:
    return lambda value: isinstance(value, str) and check(value)


def _is_pan(text: str) -> bool:
    return PAN_DIGITS_MIN <= len(text) <= PAN_DIGITS_MAX and luhn_ok(text)


def _is_amount(text: str) -> bool:
    return text.isdecimal() and text[:3] == "000"


def _is_expiry(text: str) -> bool:
    return text.isdecimal() and 1 <= int(text[2:]) <= 12


def _in(table: str, size: int) -> Callable[[str], bool]:
    return lambda text: meaning(table, text[:size]) is not None


def _is_name(text: str) -> bool:
    return text.isascii() and text.isprintable() and text.strip(" ").isascii()


def _is_alphanumeric(text: str) -> bool:
    return text.isascii() and text.replace(" ", "").replace("-", "").isalnum()


def _is_institution(text: str) -> bool:
    return text.isdecimal() and len(text) >= 5


def _is_secret_block(value: Value) -> bool:
    """Eight bytes of cipher text are hardly ever all printable."""
    return isinstance(value, bytes) and not (value.isascii() and value.decode().isalnum())


def _is_chip(value: Value) -> bool:
    if not isinstance(value, bytes):
        return isinstance(value, str) and value.isprintable()
    try:
        return bool(unpack_tlv(value))
    except CodecError:
        return False


_CHECKS: dict[int, Callable[[Value], bool]] = {
    2: _text(_is_pan),
    3: _text(_in("process", 2)),
    4: _text(_is_amount),
    7: _text(lambda text: is_date(text[:4]) and is_time(text[4:])),
    12: _text(is_time),
    13: _text(is_date),
    14: _text(_is_expiry),
    15: _text(is_date),
    22: _text(_in("entry", 2)),
    25: _text(_in("condition", 2)),
    32: _text(_is_institution),
    33: _text(_is_institution),
    35: _text(lambda text: _TRACK2.fullmatch(text) is not None),
    37: _text(_is_alphanumeric),
    38: _text(_is_alphanumeric),
    39: _text(_in("response", 2)),
    41: _text(_is_name),
    42: _text(_is_name),
    49: _text(lambda text: _CURRENCY.fullmatch(text) is not None),
    52: _is_secret_block,
    55: _is_chip,
    70: _text(_in("network", 3)),
    90: _text(lambda text: text.isdecimal() and mti_words(text[:4]) is not None),
    100: _text(_is_institution),
}
