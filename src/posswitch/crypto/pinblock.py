"""PIN blocks of ISO 9564-1 format 0, clear; only the HSM and simulated terminals and banks hold one."""

from posswitch.base.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN
from posswitch.base.errors import CryptoError

PIN_DIGITS_MIN, PIN_DIGITS_MAX = 4, 12
_FILLER = "f" * 16
# format nibble and length → where the PIN ends among the 16 hex digits
_PIN_END = {f"0{digits:x}": 2 + digits for digits in range(PIN_DIGITS_MIN, PIN_DIGITS_MAX + 1)}


def encode_iso0(pin: str, pan: str) -> bytes:
    """The 8-byte clear block; CryptoError when the PIN is not 4 to 12 digits or the PAN not 13 to 19.

    PIN 1234, PAN 4012345678909 → 041274EDCBA9876F.
    """
    if not (PIN_DIGITS_MIN <= len(pin) <= PIN_DIGITS_MAX and pin.isascii() and pin.isdigit()):
        raise CryptoError("PIN: must be 4 to 12 digits")
    field = f"0{len(pin):x}{pin}{_FILLER}"[:16]
    return (int(field, 16) ^ _pan_field(pan)).to_bytes(8, "big")


def decode_iso0(block: bytes, pan: str) -> str:
    """The PIN of a clear block, the inverse of `encode_iso0`.

    CryptoError when it is not format 0 with this PAN; which check failed stays unsaid: it helps guessing.
    """
    if len(block) != 8:
        raise CryptoError("PIN block: must be 8 bytes")
    field = f"{int.from_bytes(block, 'big') ^ _pan_field(pan):016x}"
    end = _PIN_END.get(field[:2], 0)
    pin = field[2:end]
    if not pin.isdigit() or field[end:] != _FILLER[end:]:
        raise CryptoError("PIN block: not format 0 with this key and PAN")
    return pin


def pan_digits(pan: str) -> str:
    """`pan` itself, or CryptoError when it is not 13 to 19 ASCII digits."""
    if not (PAN_DIGITS_MIN <= len(pan) <= PAN_DIGITS_MAX and pan.isascii() and pan.isdigit()):
        raise CryptoError(f"PAN: must be {PAN_DIGITS_MIN} to {PAN_DIGITS_MAX} digits")
    return pan


def _pan_field(pan: str) -> int:
    """The twelve digits left of the check digit."""
    return int(pan_digits(pan)[-13:-1], 16)
