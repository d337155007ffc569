"""What is asked of an HSM, in the host commands of payShield-style HSMs: text in, text out.

A request is a code of two letters and its fields; the answer has the next letter, an error code of two
digits, and fields. Keys are text under the HSM's master key: `U` and 32 hex digits, or 16 for a single one.
"""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from posswitch.base.errors import CryptoError, HsmDown
from posswitch.crypto.ciphers import BLOCK_BYTES, xor
from posswitch.crypto.hsm import (
    Command,
    NewKey,
    PosMac,
    PosMacFits,
    SignOnKeys,
    TranslatePin,
    Usage,
    ZoneMac,
    ZoneMacFits,
)
from posswitch.crypto.mac import folded, same
from posswitch.crypto.pinblock import PIN_DIGITS_MAX, pan_digits

DIAGNOSTICS = b"NC"
OK, WRONG = "00", "01"
LMK_CHECK_DIGITS = 16
_ERROR_DIGITS = 2
_TEXT_BYTES_MAX = 0xFFFF
_FORMAT_0 = b"01"  # ISO 9564 format 0, in the HSM's own numbering
# Nothing is wrong with what was asked: no keys, no master key, hardware, software, authorisation.
_ILL = frozenset({"12", "13", "14", "17", "40", "41", "42", "47", "68", "90"})
_KEY_TYPES = {
    Usage.TMK: b"002",
    Usage.TPK: b"002",
    Usage.TAK: b"003",
    Usage.ZPK: b"001",
    Usage.ZAK: b"008",
    Usage.ZMK: b"000",
}
_HEX = frozenset(b"0123456789ABCDEF")
_SINGLE, _DOUBLE, _KEY_DIGITS = b"Z", b"U", {b"U": 32, b"T": 48}


class Told(NamedTuple):
    """The answer to a request: error code and fields."""

    error: str
    data: bytes

    @property
    def fields(self) -> bytes:
        """The fields; raises what the error means."""
        if self.error in _ILL:
            raise HsmDown(f"the HSM cannot work (error {self.error}); look at the HSM")
        if self.error != OK:
            raise CryptoError(f"the HSM refuses (error {self.error})")
        return self.data


Talk = Generator[bytes, Told, Any]  # yields requests, is sent the answers, returns what was asked for


def is_host_key(wrapped: bytes) -> bool:
    """Whether a wrapped key is one as such HSMs write it, of two or three lengths."""
    digits = _KEY_DIGITS.get(wrapped[:1], 0)
    return bool(digits) and len(wrapped) == 1 + digits and _HEX.issuperset(wrapped[1:])


def talk(command: Command) -> Talk:
    """The requests that a command takes, one after the other."""
    return _TALKS[type(command)](command)


def told(request: bytes, answer: bytes) -> Told | None:
    """An answer (without its message header) to this request, or None when it cannot be one."""
    code, error = answer[:2], answer[2 : 2 + _ERROR_DIGITS]
    if code != request[:1] + bytes((request[1] + 1,)) or len(error) < _ERROR_DIGITS or not error.isalnum():
        return None
    return Told(error.decode("ascii", "replace"), answer[2 + _ERROR_DIGITS :])


def _new_key(it: NewKey) -> Talk:
    scheme = _SINGLE if it.usage is Usage.TAK else _DOUBLE
    answer = yield b"A00" + _KEY_TYPES[it.usage] + scheme
    return _key(answer.fields)[0]


def _sign_on_keys(it: SignOnKeys) -> Talk:
    """Field 62: each key under the TMK, with the left half of its check value."""
    parts = []
    for request, code, key in ((b"AE", b"02", it.tpk), (b"AG", b"03", it.tak)):
        answer = yield request + it.tmk + key
        moved = _clear_of_scheme(_key(answer.fields)[0])
        answer = yield b"BU" + code + (b"0" if len(moved) == BLOCK_BYTES else b"1") + key
        parts.append(moved + bytes(2 * BLOCK_BYTES - len(moved)) + _hex(answer.fields, BLOCK_BYTES)[:4])
    return b"".join(parts)


def _pos_mac(it: PosMac | PosMacFits) -> Talk:
    """The POS ECB-MAC is no command of such an HSM: its two encryptions are MACs of one block each."""
    halves = folded(it.data)
    first = yield from _block_mac(it.tak, halves[:BLOCK_BYTES])
    last: bytes = yield from _block_mac(it.tak, xor(first, halves[BLOCK_BYTES:]))
    return last[:4].hex().upper().encode()


def _block_mac(tak: bytes, block: bytes) -> Talk:
    algorithm = b"1" if len(tak) == 2 * BLOCK_BYTES else b"3"
    answer = yield b"M6001" + algorithm + b"1003" + tak + b"%04X" % len(block) + block
    return _hex(answer.fields, BLOCK_BYTES)


def _pos_mac_fits(it: PosMacFits) -> Talk:
    made: bytes = yield from _pos_mac(it)
    return same(made, it.mac)


def _zone_mac(it: ZoneMac) -> Talk:
    answer = yield b"M60003" + b"1008" + it.zak + _sized(it.text)
    return _hex(answer.fields, BLOCK_BYTES // 2).hex().upper().encode()


def _zone_mac_fits(it: ZoneMacFits) -> Talk:
    if len(it.mac) != BLOCK_BYTES or not it.mac.isalnum():
        return False
    answer = yield b"M80003" + b"1008" + it.zak + _sized(it.text) + it.mac
    return answer.error != WRONG and answer.fields is not None


def _translate_pin(it: TranslatePin) -> Talk:
    if len(it.block) != BLOCK_BYTES:
        raise CryptoError("PIN block: must be 8 bytes")
    account = pan_digits(it.pan)[-13:-1].encode()
    block = it.block.hex().upper().encode()
    answer = yield b"CA%b%b%02d" % (it.tpk, it.zpk, PIN_DIGITS_MAX) + block + _FORMAT_0 + _FORMAT_0 + account
    return _hex(answer.fields[2:], BLOCK_BYTES)


_TALKS: dict[type, Callable[[Any], Talk]] = {
    NewKey: _new_key,
    SignOnKeys: _sign_on_keys,
    PosMac: _pos_mac,
    PosMacFits: _pos_mac_fits,
    ZoneMac: _zone_mac,
    ZoneMacFits: _zone_mac_fits,
    TranslatePin: _translate_pin,
}


def _sized(text: bytes) -> bytes:
    """A message behind its length in four hex digits."""
    if len(text) > _TEXT_BYTES_MAX:
        raise CryptoError("MAC data: too long for the HSM")
    return b"%04X" % len(text) + text


def _key(fields: bytes) -> tuple[bytes, bytes]:
    """A key as the HSM writes it, and what follows."""
    digits = _KEY_DIGITS.get(fields[:1], 0)
    end = 1 + digits if digits else 2 * BLOCK_BYTES
    key = fields[:end]
    if len(key) < end or not key.isalnum():
        raise HsmDown("the HSM's answer holds no key; look at the HSM")
    return key, fields[end:]


def _clear_of_scheme(key: bytes) -> bytes:
    """The bytes of a key that is written in hex behind its scheme."""
    return _hex(key[1:] if key[:1] in _KEY_DIGITS else key)


def _hex(fields: bytes, length: int = 0) -> bytes:
    """The first `length` bytes written in hex (0 = all)."""
    try:
        found = bytes.fromhex((fields[: 2 * length] if length else fields).decode("ascii"))
    except ValueError:
        found = b""
    if not found or (length and len(found) != length):
        raise HsmDown("the HSM's answer cannot be read; look at the HSM")
    return found
