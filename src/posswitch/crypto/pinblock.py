"""PIN blocks of ISO 9564-1 and the Chinese one without PAN, clear, and which may become which.

Only the HSM and simulated terminals and banks hold one. Which check of a block failed stays unsaid: every
answer that tells wrong blocks apart helps to guess a PIN.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec

from posswitch.base.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN
from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import Blocks, xor

PIN_DIGITS_MIN, PIN_DIGITS_MAX = 4, 12
_FILLER = "f" * 16
# format nibble and length → where the PIN ends among the 16 hex digits
_PIN_END = {f"0{digits:x}": 2 + digits for digits in range(PIN_DIGITS_MIN, PIN_DIGITS_MAX + 1)}
_DRAWN_BYTES = 16  # digits drawn of 128 bits: of any base as good as even


class PinFormat(StrEnum):
    """How a PIN lies in its block."""

    ISO_0 = "iso-0"  # also ANSI X9.8; field 53 of a Chinese terminal begins with 2
    ISO_1 = "iso-1"
    ISO_2 = "iso-2"  # of a chip card offline; on no network
    ISO_3 = "iso-3"
    ISO_4 = "iso-4"  # AES
    CUP_1 = "cup-1"  # field 53 begins with 1

    __hash__ = str.__hash__  # an enum's own is Python, and formats are looked up for each PIN


_ISO_0 = PinFormat.ISO_0


class _Layout(msgspec.Struct, frozen=True):
    nibble: str
    fill: str  # the digits that may stand behind the PIN
    holds_pan: bool = False
    tail_digits: int = 0  # of any kind, behind the fill


_HEX = "0123456789abcdef"
_LAYOUTS: Mapping[PinFormat, _Layout] = {
    PinFormat.ISO_0: _Layout("0", "f", holds_pan=True),
    PinFormat.ISO_1: _Layout("1", _HEX),
    PinFormat.ISO_2: _Layout("2", "f"),
    PinFormat.ISO_3: _Layout("3", "abcdef", holds_pan=True),
    PinFormat.ISO_4: _Layout("4", "a", tail_digits=16),  # its PAN is mixed in between two encryptions
    PinFormat.CUP_1: _Layout("0", "f"),
}

# A block that holds a PAN keeps it; nothing becomes a block that no PAN protects (ISO 9564-1, PCI PIN).
_WITH_PAN = (PinFormat.ISO_0, PinFormat.ISO_3, PinFormat.ISO_4)
TRANSLATIONS: Mapping[PinFormat, tuple[PinFormat, ...]] = {
    PinFormat.ISO_0: _WITH_PAN,
    PinFormat.ISO_1: _WITH_PAN,
    PinFormat.ISO_2: (),
    PinFormat.ISO_3: _WITH_PAN,
    PinFormat.ISO_4: _WITH_PAN,
    PinFormat.CUP_1: _WITH_PAN,
}


def may_translate(from_: PinFormat, to: PinFormat) -> bool:
    """Whether a PIN may leave the first format for the second (TRANSLATIONS)."""
    return to in TRANSLATIONS[from_]


def translate(
    from_: PinFormat, to: PinFormat, block: bytes, pan: str, entropy: Callable[[int], bytes]
) -> bytes:
    """The clear block in another format; format 0 to itself stays as it is, after all checks.

    CryptoError when the table has no such translation, or the block is not of its format and this PAN.
    """
    if to is _ISO_0 is from_:  # the payment path
        decode_iso0(block, pan)
        return block
    if not may_translate(from_, to):
        raise CryptoError(f"PIN block: {from_} may not become {to}")
    return encode(to, decode(from_, block, pan), pan, entropy)


def block_bytes(format_: PinFormat) -> int:
    """The length of a block, clear and encrypted."""
    return 16 if format_ is PinFormat.ISO_4 else 8


def encode(format_: PinFormat, pin: str, pan: str, entropy: Callable[[int], bytes]) -> bytes:
    """The clear block; format 4's is its PIN field, which `encipher` mixes with the PAN.

    CryptoError when the PIN is not 4 to 12 digits or the PAN not 13 to 19. Fill digits come of `entropy`.
    """
    layout = _LAYOUTS[format_]
    head = f"{layout.nibble}{len(_pin(pin)):x}{pin}"
    fill = _drawn(layout.fill, 16 - len(head), entropy) + _drawn(_HEX, layout.tail_digits, entropy)
    field = int(head + fill, 16)
    number = field ^ _pan_field(pan) if layout.holds_pan else field
    return number.to_bytes(block_bytes(format_), "big")


def decode(format_: PinFormat, block: bytes, pan: str) -> str:
    """The PIN of a clear block, the inverse of `encode`; CryptoError when it is not of format and PAN."""
    layout = _LAYOUTS[format_]
    if len(block) != block_bytes(format_):
        raise CryptoError(f"PIN block: must be {block_bytes(format_)} bytes")
    number = int.from_bytes(block, "big") ^ (_pan_field(pan) if layout.holds_pan else 0)
    field = f"{number:0{2 * len(block)}x}"
    end = _PIN_END.get("0" + field[1], 0)
    pin = field[2:end]
    if field[0] != layout.nibble or not pin.isdigit() or field[end:16].strip(layout.fill):
        raise CryptoError(f"PIN block: not {format_} with this key and PAN")
    return pin


def encipher(format_: PinFormat, encrypt: Blocks, block: bytes, pan: str) -> bytes:
    """The clear block under an open ECB encryption; format 4 twice, its PAN in between (ISO 9564-1).

    CryptoError on a block of another length, or a PAN that is not 13 to 19 digits where it takes one.
    """
    _whole(format_, block)
    if format_ is not PinFormat.ISO_4:
        return encrypt(block)
    return encrypt(xor(encrypt(block), _pan_field_4(pan)))


def decipher(format_: PinFormat, decrypt: Blocks, block: bytes, pan: str) -> bytes:
    """The clear block, the inverse of `encipher`; whether it is one, `decode` says."""
    _whole(format_, block)
    if format_ is not PinFormat.ISO_4:
        return decrypt(block)
    return decrypt(xor(decrypt(block), _pan_field_4(pan)))


def encode_iso0(pin: str, pan: str) -> bytes:
    """The 8-byte clear block; CryptoError when the PIN is not 4 to 12 digits or the PAN not 13 to 19.

    PIN 1234, PAN 4012345678909 → 041274EDCBA9876F.
    """
    field = f"0{len(_pin(pin)):x}{pin}{_FILLER}"[:16]
    return (int(field, 16) ^ int(pan_digits(pan)[-13:-1], 16)).to_bytes(8, "big")


def decode_iso0(block: bytes, pan: str) -> str:
    """The PIN of a clear block, the inverse of `encode_iso0`; `decode`, written out for the payment path.

    CryptoError when it is not format 0 with this PAN.
    """
    if len(block) != 8:
        raise CryptoError("PIN block: must be 8 bytes")
    field = f"{int.from_bytes(block, 'big') ^ int(pan_digits(pan)[-13:-1], 16):016x}"
    end = _PIN_END.get(field[:2], 0)
    pin = field[2:end]
    if not pin.isdigit() or field[end:] != _FILLER[end:]:
        raise CryptoError("PIN block: not iso-0 with this key and PAN")
    return pin


def pan_digits(pan: str) -> str:
    """`pan` itself, or CryptoError when it is not 13 to 19 ASCII digits."""
    if not (PAN_DIGITS_MIN <= len(pan) <= PAN_DIGITS_MAX and pan.isascii() and pan.isdigit()):
        raise CryptoError(f"PAN: must be {PAN_DIGITS_MIN} to {PAN_DIGITS_MAX} digits")
    return pan


def _pin(pin: str) -> str:
    if not (PIN_DIGITS_MIN <= len(pin) <= PIN_DIGITS_MAX and pin.isascii() and pin.isdigit()):
        raise CryptoError("PIN: must be 4 to 12 digits")
    return pin


def _whole(format_: PinFormat, block: bytes) -> None:
    """A partial block would stay in the open cipher."""
    if len(block) != block_bytes(format_):
        raise CryptoError(f"PIN block: must be {block_bytes(format_)} bytes")


def _drawn(digits: str, count: int, entropy: Callable[[int], bytes]) -> str:
    """`count` of `digits` by chance; none is drawn where there is no choice."""
    if len(digits) == 1 or not count:
        return digits * count
    number, drawn = int.from_bytes(entropy(_DRAWN_BYTES), "big"), ""
    for _ in range(count):
        number, at = divmod(number, len(digits))
        drawn += digits[at]
    return drawn


def _pan_field(pan: str) -> int:
    """The twelve digits left of the check digit."""
    return int(pan_digits(pan)[-13:-1], 16)


def _pan_field_4(pan: str) -> bytes:
    """How many digits beyond twelve, the whole PAN, zeros."""
    return bytes.fromhex(f"{len(pan_digits(pan)) - 12}{pan}".ljust(32, "0"))
