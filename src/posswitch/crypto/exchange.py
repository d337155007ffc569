"""Keys on their way between institutions: key blocks and cryptograms under a key that both sides hold."""

from collections.abc import Callable, Mapping
from itertools import pairwise

import msgspec

from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import BLOCK_BYTES, kcv, odd_parity, tdes_decrypt
from posswitch.crypto.keyblock import Expected, Header, unwrap, wrap

_VERSION = "B"  # zone master keys are triple DES; D would need AES ones
_KEPT = "N"  # what we send is for the receiver alone
_KC, _KC_OF_ZEROS = "KC", "00"  # the optional block with a check value, made as X9.24-1 has it
# Usage here → what a block must say for it; the first of each is what we write.
_EXPECTED: Mapping[str, Expected] = {
    "ZPK": Expected(("P0",), ("T",), ("B", "E", "N")),
    "ZAK": Expected(("M3", "M0", "M1"), ("T",), ("C", "N")),
    "ZMK": Expected(("K0", "K1"), ("T",), ("B", "D", "E", "N")),
    "TMK": Expected(("K0",), ("T",), ("B", "E", "N")),
}
_TDES, _LETTERS = "tdes", {"tdes": "T", "aes": "A"}
_CMAC_TOO = {"ZAK": ("M6",)}  # with AES
_BOUND_TO = {"x9.19": "M3", "tdes-cbc": "M0"}  # a MAC by its name → the usage of its key


def block_of(kbpk: bytes, usage: str, key: bytes, mac: str, entropy: Callable[[int], bytes]) -> str:
    """The key block, version B, in which a key goes out; `mac` is what a ZAK is for. CryptoError if none."""
    expected = _expected(usage)
    bound = _BOUND_TO.get(mac, expected.usages[0]) if usage == "ZAK" else expected.usages[0]
    header = Header(_VERSION, bound, expected.algorithms[0], expected.modes[0], _KEPT)
    return wrap(kbpk, header, key, entropy)


def key_of_block(kbpk: bytes, usage: str, algorithm: str, block: str) -> tuple[Header, bytes]:
    """The key of a block that is whole and for this usage and algorithm, and its header; CryptoError if not.

    `algorithm` is a row of CHECK_VALUES.
    """
    if algorithm not in _LETTERS:
        raise CryptoError(f"{usage} key: a key block cannot hold one of {algorithm}; carry it in components")
    expected = msgspec.structs.replace(_expected(usage), algorithms=(_LETTERS[algorithm],))
    if algorithm != _TDES:
        expected = msgspec.structs.replace(expected, usages=_CMAC_TOO.get(usage, expected.usages))
    header, key = unwrap(kbpk, block, expected)
    if header.algorithm != _LETTERS[_TDES]:
        return header, key
    said = dict(header.optional).get(_KC, "")
    if said.startswith(_KC_OF_ZEROS) and kcv(key, 3).hex().upper() != said[2:8].upper():
        raise CryptoError("key block: its check value (KC) is not the key's; ask the sender")
    return header, _strong(usage, key)


def key_of_cryptogram(zmk: bytes, usage: str, cryptogram: bytes) -> bytes:
    """The key that was encrypted under a zone master key; nothing but its check value proves it.

    It does not say what it is for, so no key comes of it that opens anything here: CryptoError for those.
    """
    _expected(usage)
    if len(cryptogram) not in (2 * BLOCK_BYTES, 3 * BLOCK_BYTES):
        raise CryptoError(f"{usage} cryptogram: must be 32 or 48 hex digits")
    return _strong(usage, tdes_decrypt(zmk, cryptogram))


def _expected(usage: str) -> Expected:
    expected = _EXPECTED.get(usage)
    if expected is None:
        raise CryptoError(f"{usage} key: does not travel between institutions")
    return expected


def _strong(usage: str, key: bytes) -> bytes:
    """The key, unless two of its parts are equal and make a shorter one of it."""
    odd = odd_parity(key)
    parts = [odd[at : at + BLOCK_BYTES] for at in range(0, len(odd), BLOCK_BYTES)]
    if any(left == right for left, right in pairwise(parts)):
        raise CryptoError(f"{usage} key: is a weak key; ask for another one")
    return key
