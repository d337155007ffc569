"""What must hold for every input; an AssertionError names what did not."""

import re

from posswitch.base.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN, luhn_ok
from posswitch.base.errors import CodecError
from posswitch.codec import Dialect, Message, describe
from posswitch.codec.message import Value

_STARRED = (14, 34, 35, 36, 45, 52, 96, 102, 103)
# Shown as they are within the length that the standard gives them, and long enough to hold a card number.
_PLAIN_AND_LONG = frozenset((42, 53, 86, 87, 88, 89, 90, 97))
_PARTS = (60, 61)
_COUNTED = re.compile(r"\*\*\* \(\d+ bytes\)")
_DISTINCT_DIGITS_MIN = 5  # fewer are filler, which stands everywhere


def sane(error: CodecError, payload: bytes) -> None:
    """Field and offset of a reading error lie in the message."""
    assert error.field is None or 0 <= error.field <= 128, "field of an error"
    assert error.offset is not None, "an error without an offset"
    assert 0 <= error.offset <= len(payload), "offset of an error outside the payload"


def unpacked(dialect: Dialect, payload: bytes) -> Message | None:
    """The message, or None for a documented refusal; what unpacks packs and unpacks to the same."""
    try:
        message = dialect.unpack(payload)
    except CodecError as error:
        sane(error, payload)
        return None
    packed = dialect.pack(message)
    assert dialect.unpack(packed) == message, "round trip"
    return message


def masked(message: Message) -> None:
    """No secret that is in the message is in its description."""
    shown = describe(message)
    assert len(shown) == len(message.fields), "a field is not shown"
    for number in _STARRED:
        text = shown.get(str(number), "")
        assert not text.strip("*") or _COUNTED.fullmatch(text), "a secret field is shown"
    account = shown.get("2", "")
    if not _COUNTED.fullmatch(account):
        inner = account[6:-4] if len(account) >= PAN_DIGITS_MIN else account
        assert not inner.strip("*"), "a card number is shown"
    for pan in _pans(message):
        for number, text in shown.items():
            if pan in text and not _may_show(message, int(number), pan, text):
                raise AssertionError("a card number is shown in a field of free text")


def pans_hidden_in(message: Message, text: str) -> None:
    """No card number stands in a text about the message, unless the message shows it in a plain field."""
    for pan in _pans(message):
        if pan in text:
            plain = (*_PLAIN_AND_LONG, *_PARTS, 48)
            assert any(pan in str(message.fields.get(number, "")) for number in plain), (
                "a card number is shown"
            )


def _pans(message: Message) -> list[str]:
    """Card numbers of field 2 and track 2 that could be told from filler."""
    values = (message.fields.get(2), _before_separator(message.fields.get(35)))
    return [value for value in values if isinstance(value, str) and _is_pan(value)]


def _is_pan(text: str) -> bool:
    return (
        PAN_DIGITS_MIN <= len(text) <= PAN_DIGITS_MAX
        and luhn_ok(text)
        and len(frozenset(text)) >= _DISTINCT_DIGITS_MIN
    )


def _before_separator(track: Value | None) -> str | None:
    return re.split("[=D]", track, maxsplit=1)[0] if isinstance(track, str) else None


def _may_show(message: Message, number: int, pan: str, text: str) -> bool:
    if number in _PARTS and text.isascii() and text.isdecimal():
        return not re.search(rf"(?<!\d){pan}(?!\d)", text)
    return number in _PLAIN_AND_LONG or (number == 48 and message.mti[1] == "5")


_PLANTED = "6222021234567894"
_FREE = (43, 44, *range(46, 49), 54, *range(56, 60), 62, 63, *range(102, 128))
_GAPS = ("", " ", "-", "\u3000")


def planted(data: bytes) -> bool:
    """A card number put into a free field, its digits apart or not, between any text: it is not shown."""
    if len(data) < 3:
        return False
    mti, number, gap = ("0200", "0810", "0320")[data[0] % 3], _FREE[data[1] % len(_FREE)], _GAPS[data[2] % 4]
    around = data[3:].decode("gb18030", "replace")
    at = len(around) // 2
    text = f"{around[:at]}{gap.join(_PLANTED)}{around[at:]}"
    shown = describe(Message(mti, {number: text}))[str(number)]
    assert gap.join(_PLANTED) not in shown, "a planted card number is shown"
    return True
