"""Messages for human eyes: masked unless asked otherwise; what is not known to be harmless is masked."""

import re
from collections.abc import Callable
from typing import Any

from posswitch.base.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN, luhn_ok, mask_pan, scrub
from posswitch.base.errors import CodecError
from posswitch.codec.dialect import Dialect
from posswitch.codec.message import Message, Value
from posswitch.codec.tlv import pack_tlv, unpack_tlv
from posswitch.codec.wording import TAGS

# fields that are what they are, with the length the standard gives them: only within it are they shown
_HARMLESS = (
    {3: 6, 4: 12, 5: 12, 6: 12, 7: 10, 8: 8, 9: 8, 10: 8, 11: 6, 12: 6, 13: 4, 15: 4, 16: 4, 17: 4, 18: 4}
    | {19: 3, 20: 3, 21: 3, 22: 3, 23: 3, 24: 3, 25: 2, 26: 2, 27: 1, 28: 9, 29: 9, 30: 9, 31: 9, 32: 11}
    | {33: 11, 37: 12, 38: 6, 39: 2, 40: 3, 41: 8, 42: 15, 49: 3, 50: 3, 51: 3, 53: 16, 66: 1, 67: 2, 68: 3}
    | {69: 3, 70: 3, 71: 4, 72: 4, 73: 6, 90: 42, 97: 17, 99: 11, 100: 11}
    | dict.fromkeys(range(74, 82), 10)
    | dict.fromkeys(range(82, 86), 12)
    | dict.fromkeys(range(86, 90), 16)
)
_BATCH_TOTALS = re.compile(r"(?:[0-9]{30}[0-3]){2}")
_CONSTRUCTED = 0x20  # tags with this bit hold further objects
# harmless data objects that are as long as a card number, with the length the standard gives them
_CHIP_BYTES = {"4F": 16, "50": 16, "84": 16, "9F06": 16, "9F1C": 8, "9F1E": 8, "9F26": 8, "9F63": 16}
_CHIP_BYTES_SHORT = (PAN_DIGITS_MIN - 1) // 2
_DIGITS = re.compile(rf"\d(?:\W?\d){{{PAN_DIGITS_MIN - 1},}}")


def describe(message: Message, reveal: bool = False) -> dict[str, str]:
    """Field number to text, binary as upper-case hex, masked (PCI DSS 3.4.1) unless `reveal`."""
    shown: dict[str, str] = {}
    for number in sorted(message.fields):
        value = message.fields[number]
        if reveal:
            shown[str(number)] = value if isinstance(value, str) else value.hex().upper()
        else:
            mask = _MASKS.get((message.mti[1:2], number)) or _MASKS.get(("", number), _masked_free)
            shown[str(number)] = mask(value)
    return shown


def decode_json(dialect: Dialect, hex_text: str, reveal: bool) -> dict[str, Any]:
    """`{"mti", "fields"}` of one payload in hexadecimal; CodecError with the offset in bytes."""
    compact = "".join(hex_text.split())
    bad = re.search("[^0-9A-Fa-f]", compact)
    if bad or len(compact) % 2:
        raise CodecError("not hexadecimal", None, (bad.start() if bad else len(compact)) // 2)
    message = dialect.unpack(bytes.fromhex(compact))
    return {"mti": message.mti, "fields": describe(message, reveal)}


def free_text(text: str) -> str:
    """`text` with every run of digits starred that could hold a card number."""
    return _masked_free(text)


def is_harmless(number: int | None) -> bool:
    """Whether a field is what the standard says it is and never holds card data."""
    return number in _HARMLESS


def is_secret_object(tag: str, content: bytes) -> bool:
    """Whether a data object of field 55 is secret, unknown, too long, or could hold a card number."""
    known = TAGS.get(tag)
    if known is None or known.secret or len(content) > _CHIP_BYTES.get(tag, _CHIP_BYTES_SHORT):
        return True  # a damaged length would make a card number part of its neighbour
    return _masked_free(content.hex()) != content.hex()


def _starred(value: Value) -> str:
    return "*" * len(value) if isinstance(value, str) else f"*** ({len(value)} bytes)"


def _masked_account(value: Value) -> str:
    return mask_pan(value) if isinstance(value, str) else _starred(value)


def _masked_free(value: Value) -> str:
    """Free text: every run of digits (one blank or mark between) that could hold a card number is starred."""
    return _DIGITS.sub(_masked_run, value) if isinstance(value, str) else _starred(value)


def _masked_run(run: re.Match[str]) -> str:
    digits = "".join(str(int(char)) for char in run[0] if char.isdecimal())
    return "*" * len(run[0]) if _may_hold_pan(digits) else run[0]


def _may_hold_pan(digits: str) -> bool:
    """True for a Luhn-valid stretch of 13 to 19 digits, and for runs too long to tell."""
    if len(digits) > PAN_DIGITS_MAX:
        return True
    return any(
        luhn_ok(digits[start : start + size])
        for size in range(PAN_DIGITS_MIN, len(digits) + 1)
        for start in range(len(digits) - size + 1)
    )


def _masked_parts(value: Value) -> str:
    """Fields 60 and 61 as digits are batch, numbers and dates side by side: only a whole run counts."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return scrub(value)
    return _starred(value)


def _totals(value: Value) -> str:
    """Field 48 of 0500 and 0510: amount, number, amount, number, flag for domestic and for foreign cards."""
    plain = isinstance(value, str) and _BATCH_TOTALS.fullmatch(value)
    return str(value) if plain else _masked_free(value)


def _plain_within(size: int) -> Callable[[Value], str]:
    def mask(value: Value) -> str:
        return value if isinstance(value, str) and len(value) <= size else _masked_free(value)

    return mask


def _hex(value: Value) -> str:
    return value.hex().upper() if isinstance(value, bytes) and len(value) <= 8 else _masked_free(value)


def _masked_chip(value: Value) -> str:
    """Field 55 with its secret data objects starred out; starred as a whole when it is not TLV."""
    if not isinstance(value, bytes):
        return _masked_free(value)
    try:
        return "".join(_chip_object(tag, content) for tag, content in unpack_tlv(value))
    except CodecError:
        return _starred(value)


def _chip_object(tag: str, content: bytes) -> str:
    whole = pack_tlv([(tag, content)]).hex().upper()
    if tag not in TAGS:  # the tag itself may be digits of a card
        return "*" * len(whole)
    secret = int(tag[:2], 16) & _CONSTRUCTED or is_secret_object(tag, content)
    return whole[: -2 * len(content)] + "*" * (2 * len(content)) if secret and content else whole


# (class of the MTI or "", field) -> mask
_MASKS: dict[tuple[str, int], Callable[[Value], str]] = {
    **{("", number): _plain_within(size) for number, size in _HARMLESS.items()},
    **{("", number): _starred for number in (14, 34, 35, 36, 45, 52, 96, 102, 103)},
    ("", 2): _masked_account,
    **{("", number): _masked_parts for number in (60, 61)},
    **{("", number): _hex for number in (64, 128)},
    ("", 55): _masked_chip,
    ("5", 48): _totals,
    ("8", 62): _starred,  # working keys
}
