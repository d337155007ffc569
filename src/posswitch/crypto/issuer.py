"""What a card's issuer computes: card and PIN verification values, EMV keys and cryptograms.

A switch verifies none of these; simulated issuers do.
"""

from collections.abc import Callable
from itertools import chain

from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import TDES, odd_parity, xor
from posswitch.crypto.mac import RetailMac, pad_bit
from posswitch.crypto.pinblock import pan_digits

_HEX = "0123456789abcdef"
_FOLDED = str.maketrans("abcdef", "012345")


def cvv(cvk16: bytes, pan: str, expiry: str, service: str) -> str:
    """The card verification value, 3 digits; service code 000 gives CVV2, 999 the chip's iCVV.

    Key 0123456789ABCDEFFEDCBA9876543210, 4123456789012345, 8701, 101 → 561. CryptoError on anything that is
    not 13 to 19, 4 and 3 digits (`expiry` in the order that the issuer uses).
    """
    text = f"{pan_digits(pan)}{_digits('expiry', expiry, 4)}{_digits('service code', service, 3)}"
    data = bytes.fromhex(text.ljust(32, "0"))
    first = TDES.encrypt(_double(cvk16)[:8], data[:8])
    return _decimal(TDES.encrypt(cvk16, xor(first, data[8:])), 3)


def pvv(pvk16: bytes, pan: str, key_index: str, pin: str) -> str:
    """Visa's PIN verification value, 4 digits, of a PIN's first four.

    Key 0123456789ABCDEFFEDCBA9876543210, 1122334455667788, 3, 4524 → 4021. CryptoError on anything that
    is not digits, or on a PIN of fewer than 4.
    """
    index = _digits("key index", key_index, 1)
    text = f"{pan_digits(pan)[-12:-1]}{index}{_digits('PIN', pin[:4], 4)}"
    return _decimal(TDES.encrypt(_double(pvk16), bytes.fromhex(text)), 4)


def ibm3624_pin(pvk: bytes, validation: str, table: str, offset: str = "0000") -> str:
    """The PIN that belongs to validation data (digits of the PAN) and an offset; of zeros, the natural PIN.

    Key 0123456789ABCDEFFEDCBA9876543210, 1122334455667788, table 1234567890123456 → 4524. CryptoError
    unless validation data have 1 to 16 digits (filled with F), the table 16, the offset 4 to 16.
    """
    if not (_is_digits(validation, 1, 16) and _is_digits(table, 16, 16) and _is_digits(offset, 4, 16)):
        raise CryptoError(
            "IBM 3624: needs 1 to 16 digits of validation data, a table of 16, an offset of 4 to 16"
        )
    shown = TDES.encrypt(pvk, bytes.fromhex(validation.ljust(16, "F"))).hex()
    natural = shown.translate(str.maketrans(_HEX, table))
    return "".join(str((int(digit) + int(more)) % 10) for digit, more in zip(natural, offset, strict=False))


def icc_master_key(issuer_key16: bytes, pan: str, psn: str) -> bytes:
    """A card's own 16-byte key, option A (EMV book 2, A1.4.1), odd parity; `psn` is its sequence number.

    Key 0123456789ABCDEFFEDCBA9876543210, 12345678901234567, 01 → 73AD54688CEF2934B0979857E3C719F1.
    """
    digits = f"{pan_digits(pan)}{_digits('PAN sequence number', psn, 2)}"[-16:]
    data = bytes.fromhex(digits.rjust(16, "0"))
    return odd_parity(TDES.encrypt(_double(issuer_key16), data + xor(data, b"\xff" * 8)))


def emv_session_key(icc_key16: bytes, counter: bytes) -> bytes:
    """The common session key (EMV book 2, A1.3.1) of a 2-byte transaction counter (ATC), odd parity.

    Key 0123456789ABCDEFFEDCBA9876543210, 001C → E9FB384AF807B940FEDCEA613461B0C4.
    """
    if len(counter) != 2:
        raise CryptoError("EMV transaction counter: must be 2 bytes")
    left, right = (counter + bytes((half,)) + bytes(5) for half in (0xF0, 0x0F))
    return odd_parity(TDES.encrypt(_double(icc_key16), left + right))


def arqc(session_key16: bytes, data: bytes) -> bytes:
    """The 8-byte cryptogram of a request over the card's data (EMV book 2, 8.1.2)."""
    return RetailMac(session_key16).mac(pad_bit(data))


def arpc_1(session_key16: bytes, request: bytes, response_code: bytes) -> bytes:
    """The 8-byte answer to a cryptogram, method 1 (EMV book 2, 8.2.1): its response code is 2 bytes.

    Key AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBB, 1234567890ABCDEF, 0000 → F5E6F44147E2F1B0.
    """
    if len(request) != 8 or len(response_code) != 2:
        raise CryptoError("ARPC: needs a cryptogram of 8 and a response code of 2 bytes")
    return TDES.encrypt(_double(session_key16), xor(request, response_code.ljust(8, b"\0")))


def arpc_2(session_key16: bytes, request: bytes, status: bytes, proprietary: bytes = b"") -> bytes:
    """The 4-byte answer to a cryptogram, method 2 (EMV book 2, 8.2.2): 4 bytes of status (CSU), up to 8 more.

    Key AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBB, 1234567890ABCDEF, 00000000 → 9308BEBC.
    """
    if len(request) != 8 or len(status) != 4 or len(proprietary) > 8:
        raise CryptoError("ARPC: needs a cryptogram of 8, a status of 4, at most 8 proprietary bytes")
    return RetailMac(session_key16).mac(pad_bit(request + status + proprietary))[:4]


def _decimal(block: bytes, count: int) -> str:
    """The first digits of a block in hex; where there are too few, its letters as 0 to 5."""
    shown = block.hex()
    kinds: tuple[Callable[[str], bool], ...] = (str.isdigit, str.isalpha)
    return "".join(chain.from_iterable(filter(kind, shown) for kind in kinds))[:count].translate(_FOLDED)


def _double(key: bytes) -> bytes:
    if len(key) != 16:
        raise CryptoError("issuer key: must be 16 bytes")
    return key


def _digits(what: str, text: str, length: int) -> str:
    if not _is_digits(text, length, length):
        raise CryptoError(f"{what}: must be {length} digits")
    return text


def _is_digits(text: str, shortest: int, longest: int) -> bool:
    return shortest <= len(text) <= longest and text.isascii() and text.isdigit()
