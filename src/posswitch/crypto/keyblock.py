"""Key blocks (ASC X9.143, before it TR-31), versions A to D: a key, what it is for, and a MAC over both."""

import re
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import AES, TDES, BlockCipher, xor
from posswitch.crypto.mac import pad_zeros, same

HEADER_CHARS = 16
BLOCK_CHARS_MAX = 9999  # four digits say the length
_OPTIONAL_MAX = 99
_SHORT_CHARS_MAX = 255  # an optional block, id and length included, whose length has two digits
_HEX = re.compile(r"[0-9A-F]*")  # capitals alone: a small letter would be a changed block that opens
_PADDING_ID = "PB"
_DAMAGED = "key block: damaged, or wrapped under another key"


class Header(msgspec.Struct, frozen=True):
    """What a key block says of its key, and its optional blocks (id, data) but for padding."""

    version: str
    usage: str  # P0 PIN, M1 and M3 MAC, D0 data, K0 key wrapping, B0 DUKPT base key …
    algorithm: str  # T triple DES, D DES, A AES …
    mode: str  # E, D, B encrypt and decrypt; G, V, C make and verify; X derive; N any …
    exportability: str  # E under a trusted key, S also under others, N not at all
    key_version: str = "00"
    optional: tuple[tuple[str, str], ...] = ()
    context: str = "0"  # 1 and 2 bind to storage or exchange


class Expected(msgspec.Struct, frozen=True):
    """What a caller can use: a key for anything else does not come out of its block."""

    usages: tuple[str, ...]
    algorithms: tuple[str, ...]
    modes: tuple[str, ...]
    exportabilities: tuple[str, ...] = ("E", "N", "S")


class _Method(msgspec.Struct, frozen=True):
    """How a version binds header and key: keys for encryption and MAC, and which comes first."""

    cipher: BlockCipher
    kbpk_bytes: tuple[int, ...]
    mac_bytes: int
    keys: Callable[[bytes], tuple[bytes, bytes]]
    seal: Callable[["_Method", bytes, bytes, bytes], tuple[bytes, bytes]]
    unseal: Callable[["_Method", bytes, bytes, bytes, bytes], bytes]


# Key lengths in bytes of the algorithms that have fixed ones; the longest hides which one a block holds.
_KEY_BYTES: Mapping[str, tuple[int, ...]] = {"T": (16, 24), "D": (8,), "A": (16, 24, 32)}
_STRENGTH_BITS = {("T", 16): 80, ("T", 24): 112, ("D", 8): 56, ("A", 16): 128, ("A", 24): 192, ("A", 32): 256}
# Modes of the usages whose modes are beyond doubt; N stands for all of them.
_ENCRYPTION, _AUTHENTICATION = "EDBN", "GVCN"
_MODES: Mapping[str, str] = {
    **dict.fromkeys(("P0", "D0", "K0", "K1"), _ENCRYPTION),
    **dict.fromkeys(("M0", "M1", "M3", "M5", "M6", "C0", "V0", "V1", "V2"), _AUTHENTICATION),
    "B0": "XN",
}


def wrap(
    kbpk: bytes, header: Header, key: bytes, entropy: Callable[[int], bytes], hide_length: bool = True
) -> str:
    """The key block of `key` under a key block protection key, in the header's version.

    CryptoError when the header is not one, the key does not fit it, or is stronger than what protects it
    (ISO 11568). `hide_length` fills up to the algorithm's longest key.
    """
    method = _method(header.version, kbpk)
    _check_key(header, key)
    if header.mode not in _MODES.get(header.usage, header.mode):
        raise CryptoError(f"key block: no {header.usage} key has mode {header.mode}")
    kbpk_strength = _STRENGTH_BITS["A" if method.cipher is AES else "T", len(kbpk)]
    if _STRENGTH_BITS.get((header.algorithm, len(key)), 0) > kbpk_strength:
        raise CryptoError("key block: the key is stronger than the one that would protect it")
    longest = max(_KEY_BYTES.get(header.algorithm, (0,))) if hide_length else 0
    size = 2 + max(len(key), longest)
    size += -size % method.cipher.block_bytes
    clear = (len(key) * 8).to_bytes(2, "big") + key
    clear += entropy(size - len(clear))
    text = _header_text(header, method, len(clear))
    sealed, mac = method.seal(method, kbpk, text.encode(), clear)
    return text + (sealed + mac).hex().upper()


def unwrap(kbpk: bytes, block: str, expected: Expected) -> tuple[Header, bytes]:
    """The header and the clear key of a block that is whole and for what the caller expects.

    CryptoError otherwise: malformed and where, damaged or of another key, or for another use.
    """
    header, at = _parsed(block)
    method = _method(header.version, kbpk)
    text, rest = block[:at].encode(), block[at:]
    if not _HEX.fullmatch(rest):
        raise _malformed(at, "key and MAC must be hex digits in capitals")
    body, mac = rest[: -2 * method.mac_bytes], rest[-2 * method.mac_bytes :]
    if not body or len(body) % (2 * method.cipher.block_bytes):
        raise _malformed(at, "the encrypted key must be whole cipher blocks")
    clear = method.unseal(method, kbpk, text, bytes.fromhex(body), bytes.fromhex(mac))
    bits = int.from_bytes(clear[:2], "big")
    if not bits or bits % 8 or bits // 8 > len(clear) - 2:
        raise CryptoError(_DAMAGED)
    key = clear[2 : 2 + bits // 8]
    _check_key(header, key)
    _check_use(header, expected)
    return header, key


def read_header(block: str) -> Header:
    """What a block says of its key, before anything proves it; CryptoError when it is malformed."""
    return _parsed(block)[0]


# Two ways to bind. A and C: two variants of the key, a CBC-MAC over what is encrypted.


def _variants(kbpk: bytes) -> tuple[bytes, bytes]:
    return xor(kbpk, b"\x45" * len(kbpk)), xor(kbpk, b"\x4d" * len(kbpk))


def _variant_mac(method: _Method, key: bytes, header: bytes, sealed: bytes) -> bytes:
    blocks = pad_zeros(header + sealed)
    return method.cipher.encrypt_cbc(key, bytes(8), blocks)[-8:][: method.mac_bytes]


def _seal_by_variant(method: _Method, kbpk: bytes, header: bytes, clear: bytes) -> tuple[bytes, bytes]:
    encryption, authentication = method.keys(kbpk)
    sealed = method.cipher.encrypt_cbc(encryption, header[:8], clear)
    return sealed, _variant_mac(method, authentication, header, sealed)


def _open_by_variant(method: _Method, kbpk: bytes, header: bytes, sealed: bytes, mac: bytes) -> bytes:
    encryption, authentication = method.keys(kbpk)
    if not same(_variant_mac(method, authentication, header, sealed), mac):
        raise CryptoError(_DAMAGED)
    return method.cipher.decrypt_cbc(encryption, header[:8], sealed)


# B and D: two keys derived by CMAC, a CMAC over what is clear, which is the initial vector, too.


def _derived(cipher: BlockCipher, first_code: int, kbpk: bytes) -> tuple[bytes, bytes]:
    """`first_code` is how derivation data writes the shortest key: 2TDEA 0, 3TDEA 1, AES 2, 3, 4."""
    code = first_code + (len(kbpk) - 16) // 8
    rest = bytes((0,)) + code.to_bytes(2, "big") + (len(kbpk) * 8).to_bytes(2, "big")
    counts = range(1, -(-len(kbpk) // cipher.block_bytes) + 1)
    encryption, authentication = (
        b"".join(cipher.cmac(kbpk, bytes((count, 0, use)) + rest) for count in counts)[: len(kbpk)]
        for use in (0, 1)
    )
    return encryption, authentication


def _seal_by_derivation(method: _Method, kbpk: bytes, header: bytes, clear: bytes) -> tuple[bytes, bytes]:
    encryption, authentication = method.keys(kbpk)
    mac = method.cipher.cmac(authentication, header + clear)
    return method.cipher.encrypt_cbc(encryption, mac, clear), mac


def _open_by_derivation(method: _Method, kbpk: bytes, header: bytes, sealed: bytes, mac: bytes) -> bytes:
    encryption, authentication = method.keys(kbpk)
    clear = method.cipher.decrypt_cbc(encryption, mac, sealed)
    if not same(method.cipher.cmac(authentication, header + clear), mac):
        raise CryptoError(_DAMAGED)
    return clear


_VARIANT = _Method(TDES, (16, 24), 4, _variants, _seal_by_variant, _open_by_variant)
_METHODS: Mapping[str, _Method] = {
    "A": _VARIANT,  # out of use; read for those who still have it
    "B": _Method(TDES, (16, 24), 8, partial(_derived, TDES, 0), _seal_by_derivation, _open_by_derivation),
    "C": _VARIANT,
    "D": _Method(AES, (16, 24, 32), 16, partial(_derived, AES, 2), _seal_by_derivation, _open_by_derivation),
}


def _method(version: str, kbpk: bytes) -> _Method:
    method = _METHODS.get(version)
    if method is None:
        raise _malformed(0, "the version must be A, B, C or D")
    if len(kbpk) not in method.kbpk_bytes:
        lengths = " or ".join(map(str, method.kbpk_bytes))
        raise CryptoError(f"key block protection key: must be {lengths} bytes for version {version}")
    return method


def _check_key(header: Header, key: bytes) -> None:
    lengths = _KEY_BYTES.get(header.algorithm)
    if not key or (lengths and len(key) not in lengths):
        raise CryptoError(f"key block: the key's length is not one of algorithm {header.algorithm}")


def _check_use(header: Header, expected: Expected) -> None:
    for what, said, wanted in (
        ("usage", header.usage, expected.usages),
        ("algorithm", header.algorithm, expected.algorithms),
        ("mode of use", header.mode, expected.modes),
        ("exportability", header.exportability, expected.exportabilities),
    ):
        if said not in wanted:
            raise CryptoError(f"key block: {what} is {said}, expected {' or '.join(wanted)}")


# The header in characters.

# version, length, usage, algorithm, mode, key version, exportability, optional blocks, context, reserved
_HEADER = re.compile(
    r"([A-D])(\d{4})([A-Z0-9]{2})([A-Z0-9])([A-Z0-9])([A-Za-z0-9]{2})([ENS])(\d\d)([012])0", re.ASCII
)
_ID = re.compile(r"[A-Z0-9]{2}", re.ASCII)
_PRINTABLE = re.compile(r"[ -~]*")
_SHORT_LENGTH = re.compile(r"[0-9A-F]{2}")
_LONG_LENGTH = re.compile(r"00(?:01([0-9A-F]{2})|02([0-9A-F]{4}))")


def _parsed(block: str) -> tuple[Header, int]:
    """The header of a whole block, and where its encrypted key begins."""
    if len(block) > BLOCK_CHARS_MAX or not _PRINTABLE.fullmatch(block):
        raise CryptoError(f"key block: must be at most {BLOCK_CHARS_MAX} printable characters")
    found = _HEADER.match(block)
    if found is None:
        raise _malformed(0, "no header of a key block in version A, B, C or D")
    version, length, usage, algorithm, mode, key_version, exportability, count, context = found.groups()
    if int(length) != len(block):
        raise _malformed(1, "the length is not the block's")
    if len(block) % _METHODS[version].cipher.block_bytes:
        raise _malformed(1, "the length must be whole cipher blocks")
    optional, at = [], HEADER_CHARS
    for _ in range(int(count)):
        name, data, at = _optional_block(block, at)
        if name != _PADDING_ID:
            optional.append((name, data))
    if len(dict(optional)) != len(optional):
        raise _malformed(HEADER_CHARS, "an optional block comes twice")
    header = Header(version, usage, algorithm, mode, exportability, key_version, tuple(optional), context)
    return header, at


def _optional_block(block: str, at: int) -> tuple[str, str, int]:
    """Id and data of the optional block at `at`, and where it ends."""
    name = block[at : at + 2]
    if not _ID.fullmatch(name):
        raise _malformed(at, "an optional block must begin with its id")
    if found := _LONG_LENGTH.match(block, at + 2):
        length = int(found[1] or found[2], 16)
    elif found := _SHORT_LENGTH.match(block, at + 2):
        length = int(found[0], 16)
    if not found or at + length > len(block) or at + length < found.end():
        raise _malformed(at + 2, "the length of an optional block is not within the block")
    return name, block[found.end() : at + length], at + length


def _header_text(header: Header, method: _Method, clear_bytes: int) -> str:
    blocks = [_optional_text(name, data) for name, data in header.optional]
    if excess := sum(map(len, blocks)) % method.cipher.block_bytes:
        fill = -(excess + 4) % method.cipher.block_bytes
        blocks.append(f"{_PADDING_ID}{4 + fill:02X}{'0' * fill}")
    names = [name for name, _ in header.optional]
    if len(blocks) > _OPTIONAL_MAX or len(set(names)) != len(names) or _PADDING_ID in names:
        raise CryptoError("key block: at most 99 optional blocks, each once, padding is added by itself")
    length = HEADER_CHARS + sum(map(len, blocks)) + 2 * (clear_bytes + method.mac_bytes)
    if length > BLOCK_CHARS_MAX:
        raise CryptoError(f"key block: would be longer than {BLOCK_CHARS_MAX} characters")
    text = (
        f"{header.version}{length:04d}{header.usage}{header.algorithm}{header.mode}{header.key_version}"
        f"{header.exportability}{len(blocks):02d}{header.context}0"
    )
    if not _HEADER.fullmatch(text):
        raise CryptoError("key block: usage, algorithm, mode, version or exportability is none of X9.143")
    return text + "".join(blocks)


def _optional_text(name: str, data: str) -> str:
    if not _ID.fullmatch(name) or not _PRINTABLE.fullmatch(data):
        raise CryptoError("key block: an optional block needs an id of two characters and printable data")
    length = 4 + len(data)
    if length <= _SHORT_CHARS_MAX:
        return f"{name}{length:02X}{data}"
    return f"{name}0002{length + 6:04X}{data}"


def _malformed(at: int, what: str) -> CryptoError:
    return CryptoError(f"key block at character {at + 1}: {what}")
