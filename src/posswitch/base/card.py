"""Card numbers and tracks: checked, and masked wherever they are shown."""

import re

BIN_DIGITS_MAX = 8  # of a card number that may be shown and recorded beside its last four (PCI DSS 3.4.1)
PAN_DIGITS_MIN, PAN_DIGITS_MAX = 13, 19
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
_RUN = re.compile(r"(?<!\d)\d{13,19}(?!\d)")


def luhn_ok(digits: str) -> bool:
    """True when the last digit is the Luhn check digit (ISO/IEC 7812-1 annex B) of a digit string."""
    if not digits.isascii() or not digits.isdigit():
        return False
    plain = digits.encode("ascii")
    total = sum(plain[::-2]) + sum(plain[-2::-2].translate(_DOUBLED))
    return (total - 48 * len(plain)) % 10 == 0


def is_pan(text: str) -> bool:
    """Whether it is 13 to 19 digits."""
    return PAN_DIGITS_MIN <= len(text) <= PAN_DIGITS_MAX and text.isascii() and text.isdecimal()


def luhn_digit(digits: str) -> str:
    """The check digit that completes `digits`."""
    for check in "0123456789":
        if luhn_ok(digits + check):
            return check
    raise AssertionError("one of ten digits always fits")


def mask_pan(pan: str) -> str:
    """First six and last four of a PAN, the rest stars (PCI DSS 3.4.1); too short to mask is all stars."""
    if len(pan) < PAN_DIGITS_MIN:
        return "*" * len(pan)
    return f"{pan[:6]}{'*' * (len(pan) - 10)}{pan[-4:]}"


def scrub(text: str) -> str:
    """`text` with every run of 13 to 19 digits that passes Luhn masked; for logs and errors."""
    return _RUN.sub(lambda run: mask_pan(run[0]) if luhn_ok(run[0]) else run[0], text)


class Pan(str):
    """A card number that shows itself masked in `repr`; equality and slicing are those of its digits."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Pan({mask_pan(self)})"


class Track2(str):
    """Track 2 (PAN, separator, expiry, service code, discretionary); shows nothing of itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Track2(…)"

    @property
    def pan(self) -> str:
        """The digits before the separator `=` or `D`."""
        return re.split("[=D]", self, maxsplit=1)[0]

    @property
    def expiry(self) -> str:
        """YYMM after the separator, or empty when the track is cut short."""
        parts = re.split("[=D]", self, maxsplit=1)
        return parts[1][:4] if len(parts) == 2 and len(parts[1]) >= 4 else ""
