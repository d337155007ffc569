"""What is asked of an HSM, in the host commands of payShield-style HSMs: text in, text out.

A request is a code of two letters and its fields; the answer has the next letter, an error code of two
digits, and fields. Keys are text under the HSM's master key: `U` and 32 hex digits, or 16 for a single one.
"""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from posswitch.base.errors import CryptoError, HsmDown
from posswitch.crypto.ciphers import BLOCK_BYTES, xor
from posswitch.crypto.commands import (
    CheckKey,
    Command,
    ExportKey,
    Mac,
    MacFits,
    NewKey,
    OpenTrack,
    SignOnKeys,
    TranslatePin,
    Usage,
)
from posswitch.crypto.mac import MACS, folded, mac_in_words, same
from posswitch.crypto.pinblock import PIN_DIGITS_MAX, PinFormat, may_translate, pan_digits
from posswitch.crypto.signon import layout_of

DIAGNOSTICS = b"NC"
OK, WRONG = "00", "01"
LMK_CHECK_DIGITS = 16
_ERROR_DIGITS = 2
_TEXT_BYTES_MAX = 0xFFFF
# How the HSM numbers what it can make.
PIN_FORMATS = {PinFormat.ISO_0: b"01", PinFormat.ISO_1: b"05", PinFormat.ISO_3: b"47"}
_BY_BLOCKS = "cup-ecb"
MAC_ALGORITHMS = {"x9.9": b"1", "tdes-cbc": b"1", "x9.19": b"3", _BY_BLOCKS: b""}
# Nothing is wrong with what was asked: no keys, no master key, hardware, software, authorisation.
_ILL = frozenset({"12", "13", "14", "17", "40", "41", "42", "47", "68", "90"})
_KEY_TYPES = {
    Usage.TMK: b"002",
    Usage.TPK: b"002",
    Usage.TAK: b"003",
    Usage.TDK: b"00B",
    Usage.ZPK: b"001",
    Usage.ZAK: b"008",
    Usage.ZMK: b"000",
}
_HEX = frozenset(b"0123456789ABCDEF")
_SINGLE, _KEY_DIGITS = b"Z", {b"U": 32, b"T": 48}
_SCHEMES = {8: _SINGLE, 16: b"U", 24: b"T"}  # by length in bytes


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
    scheme = _SCHEMES.get(it.size_bytes or (BLOCK_BYTES if it.usage is Usage.TAK else 2 * BLOCK_BYTES))
    if scheme is None or not it.odd:
        raise CryptoError(f"{it.usage} key: not of triple DES; this HSM makes no other")
    answer = yield b"A00" + _KEY_TYPES[it.usage] + scheme
    return _key(answer.fields)[0]


def _sign_on_keys(it: SignOnKeys) -> Talk:
    """Field 62: each key under the TMK in its room, with the left half of its check value."""
    moves = (
        (b"AE" + it.tmk + it.tpk, b"02", it.tpk),
        (b"AG" + it.tmk + it.tak, b"03", it.tak),
        (b"A8" + _KEY_TYPES[Usage.TDK] + b";1" + it.tmk + it.tdk + _scheme_of(it.tdk), b"0B", it.tdk),
    )
    parts = []
    for slot, (move, code, key) in zip(layout_of(it.layout), moves, strict=False):
        answer = yield move
        moved = _clear_of_scheme(_key(answer.fields)[0])
        slot.check(moved, it.layout)
        answer = yield b"BU" + code + (b"0" if len(moved) == BLOCK_BYTES else b"1") + key
        parts.append(moved.ljust(slot.room_bytes, b"\0") + _hex(answer.fields, BLOCK_BYTES)[:4])
    return b"".join(parts)


def _check_key(it: CheckKey) -> Talk:
    size = {b"U": b"1", b"T": b"2"}.get(it.key[:1], b"0")
    answer = yield b"BU" + _KEY_TYPES[it.usage][1:] + size + it.key
    return _hex(answer.fields, 4 if len(answer.fields) >= 2 * 4 else 3)


def _export_key(it: ExportKey) -> Talk:
    if it.usage not in (Usage.ZPK, Usage.ZAK):
        raise CryptoError(f"{it.usage} key: only keys of a zone leave under its master key")
    answer = yield b"A8" + _KEY_TYPES[it.usage] + it.zmk + it.key + _scheme_of(it.key)
    moved, check = _key(answer.fields)
    return _clear_of_scheme(moved), _hex(check, 3)


def _mac(it: Mac | MacFits) -> Talk:
    name, padding, form = mac_in_words(it.how)
    if name == _BY_BLOCKS:
        return (yield from _mac_by_blocks(it))
    whole = form == "binary"
    answer = yield b"M6" + _mac_fields(it, name, padding, whole) + _sized(it.data)
    if whole:
        return _hex(answer.fields, BLOCK_BYTES)
    return _hex(answer.fields, BLOCK_BYTES // 2).hex().upper().encode()


def _mac_by_blocks(it: Mac | MacFits) -> Talk:
    """The POS ECB-MAC is no command of such an HSM: its two encryptions are MACs of one block each."""
    halves = folded(it.data)
    first = yield from _block_mac(it, halves[:BLOCK_BYTES])
    last: bytes = yield from _block_mac(it, xor(first, halves[BLOCK_BYTES:]))
    return last[:4].hex().upper().encode()


def _block_mac(it: Mac | MacFits, block: bytes) -> Talk:
    single = len(it.key) == 2 * BLOCK_BYTES
    answer = yield b"M6" + _mac_fields(it, "x9.9" if single else "x9.19", None, True) + _sized(block)
    return _hex(answer.fields, BLOCK_BYTES)


def _mac_fits(it: MacFits) -> Talk:
    name, padding, form = mac_in_words(it.how)
    if name == _BY_BLOCKS:
        made: bytes = yield from _mac_by_blocks(it)
        return same(made, it.mac)
    whole = form == "binary"
    mac = it.mac.hex().upper().encode() if whole else it.mac
    if len(it.mac) != BLOCK_BYTES or not mac.isalnum():
        return False
    answer = yield b"M8" + _mac_fields(it, name, padding, whole) + _sized(it.data) + mac
    return answer.error != WRONG and answer.fields is not None


def _mac_fields(it: Mac | MacFits, name: str, padding: int | None, whole: bool) -> bytes:
    """Mode, input, size of the MAC, algorithm, padding, key type, key."""
    algorithm = MAC_ALGORITHMS.get(name)
    made_for = it.usage in (Usage.TAK, Usage.ZAK) and _key_bytes(it.key) in MACS[name].key_bytes
    if not made_for or not algorithm:
        raise CryptoError(f"{it.usage} key: this HSM makes no {name} with it")
    return b"00%d%b%d%b%b" % (whole, algorithm, padding or 1, _KEY_TYPES[it.usage], it.key)


def _translate_pin(it: TranslatePin) -> Talk:
    from_, to = PIN_FORMATS.get(it.from_), PIN_FORMATS.get(it.to)
    if from_ is None or to is None or not may_translate(it.from_, it.to):
        raise CryptoError(f"PIN block: {it.from_} may not become {it.to}")
    if len(it.block) != BLOCK_BYTES:
        raise CryptoError("PIN block: must be 8 bytes")
    account = pan_digits(it.pan)[-13:-1].encode()
    block = it.block.hex().upper().encode()
    answer = yield b"CA%b%b%02d" % (it.tpk, it.zpk, PIN_DIGITS_MAX) + block + from_ + to + account
    return _hex(answer.fields[2:], BLOCK_BYTES)


def _open_track(it: OpenTrack) -> Talk:
    """Mode ECB, hex in and out, key type, key, length of the data in hex digits, data."""
    if len(it.block) != BLOCK_BYTES:
        raise CryptoError("track: must be one block of 8 bytes")
    data = it.block.hex().upper().encode()
    answer = yield b"M20011" + _KEY_TYPES[Usage.TDK] + it.tdk + _sized(data)
    return _hex(answer.fields[4:], BLOCK_BYTES)


_TALKS: dict[type, Callable[[Any], Talk]] = {
    NewKey: _new_key,
    SignOnKeys: _sign_on_keys,
    CheckKey: _check_key,
    ExportKey: _export_key,
    Mac: _mac,
    MacFits: _mac_fits,
    OpenTrack: _open_track,
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


def _scheme_of(key: bytes) -> bytes:
    """How a key is to be written under another one: as it is."""
    return key[:1] if key[:1] in _KEY_DIGITS else _SINGLE


def _key_bytes(key: bytes) -> int:
    return _KEY_DIGITS.get(key[:1], 2 * BLOCK_BYTES) // 2


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
