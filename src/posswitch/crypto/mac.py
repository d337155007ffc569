"""Message authentication: every MAC that fields 64 and 128 may carry, as one table by name."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from hmac import compare_digest
from struct import Struct
from threading import get_ident
from typing import Protocol

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

from posswitch.base.bounds import KEY_CONTEXTS_MAX
from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import (
    AES,
    BLOCK_BYTES,
    SM4,
    BlockCipher,
    Blocks,
    ecb_encryptor,
    tdes_decrypt,
    tdes_encrypt,
    triple_des,
)

_BLOCK = Struct(">Q")
_BLOCK_BITS = BLOCK_BYTES * 8
_BLOCK_MASK = (1 << _BLOCK_BITS) - 1


class Mac(Protocol):
    """A MAC of one key, its cipher kept open; for one thread."""

    def mac(self, data: bytes) -> bytes:
        """The MAC over `data`, whole."""


class CupMac:
    """The POS ECB-MAC of one 8 or 16-byte key, its cipher kept open; CryptoError on another length.

    Blocks are folded by xor before the cipher, so exchanged blocks keep their MAC: it finds damage and
    strangers, it does not replace TLS.
    """

    __slots__ = ("_encrypt",)

    def __init__(self, key: bytes) -> None:
        if len(key) not in (8, 16):
            raise CryptoError("MAC key: must be 8 or 16 bytes")
        self._encrypt = ecb_encryptor(key)

    def mac(self, data: bytes) -> bytes:
        """8 ASCII hex characters over zero-padded `data`.

        Key 2222222222222222, data 1234567890ABCDEFABCDEF1234567890 → `E267B6E2`.
        """
        halves = folded(data)
        (first,) = _BLOCK.unpack(self._encrypt(halves[:8]))
        (right,) = _BLOCK.unpack_from(halves, 8)
        return self._encrypt(_BLOCK.pack(first ^ right))[:4].hex().upper().encode()


class CbcMac:
    """CBC-MAC (X9.9, ISO 9797-1 algorithm 1) of one key, its cipher kept open; for one thread."""

    __slots__ = ("_carried", "_encrypt")

    def __init__(self, key: bytes) -> None:
        self._encrypt = Cipher(triple_des(key), CBC(bytes(BLOCK_BYTES))).encryptor().update
        self._carried = 0  # the block that the open context will mix into the next one

    def chain(self, blocks: bytes) -> int:
        """The last cipher block of whole `blocks`, zero when there are none."""
        if not blocks:
            return 0
        # Opening a context costs as much as a MAC; mixing the carried block in twice starts from a zero IV.
        first: int = _BLOCK.unpack_from(blocks)[0]
        out = self._encrypt(_BLOCK.pack(first ^ self._carried) + blocks[BLOCK_BYTES:])
        last: int = _BLOCK.unpack_from(out, len(out) - BLOCK_BYTES)[0]
        self._carried = last
        return last

    def mac(self, data: bytes) -> bytes:
        """8 bytes over zero-padded `data`."""
        return _BLOCK.pack(self.chain(pad_zeros(data)))


class WideCbcMac:
    """CBC-MAC (ISO 9797-1 algorithm 1) of a cipher with blocks of 16 bytes, kept open; for one thread."""

    __slots__ = ("_carried", "_encrypt")

    def __init__(self, cipher: BlockCipher, key: bytes) -> None:
        self._encrypt = Cipher(cipher.of(key), CBC(bytes(16))).encryptor().update
        self._carried = 0  # as in CbcMac

    def mac(self, data: bytes) -> bytes:
        """16 bytes over zero-padded `data`."""
        blocks = pad_zeros(data, 16)
        first = int.from_bytes(blocks[:16], "big") ^ self._carried
        last = self._encrypt(first.to_bytes(16, "big") + blocks[16:])[-16:]
        self._carried = int.from_bytes(last, "big")
        return last


class CipherMac:
    """CMAC (NIST SP 800-38B; with AES RFC 4493) of one key, kept open; it pads by itself."""

    __slots__ = ("_keyed",)

    def __init__(self, cipher: BlockCipher, key: bytes) -> None:
        self._keyed = CMAC(cipher.of(key))

    def mac(self, data: bytes) -> bytes:
        """One block over `data`."""
        context = self._keyed.copy()  # half of what a new one costs
        context.update(data)
        return context.finalize()


class RetailMac:
    """X9.19 (ISO 9797-1 algorithm 3) of one 16-byte key, its ciphers kept open; for one thread.

    Raises CryptoError when the key is not 16 bytes.
    """

    __slots__ = ("_encrypt_last", "_head")

    def __init__(self, key16: bytes) -> None:
        if len(key16) != 16:
            raise CryptoError("X9.19 key: must be 16 bytes")
        self._head = CbcMac(key16[:8])
        self._encrypt_last = ecb_encryptor(key16)  # encrypt K1, decrypt K2, encrypt K1 is triple DES

    def mac(self, data: bytes) -> bytes:
        """8 bytes over zero-padded `data`."""
        blocks = pad_zeros(data)
        (last,) = _BLOCK.unpack_from(blocks, len(blocks) - BLOCK_BYTES)
        return self._encrypt_last(_BLOCK.pack(last ^ self._head.chain(blocks[:-BLOCK_BYTES])))


# For keys that come again: their contexts are kept. A key of one transaction has no place here.


def cup_mac(key: bytes, data: bytes) -> bytes:
    """Field 64 over zero-padded `data`, 8 ASCII hex characters; CryptoError unless the key has 8 or 16."""
    return _cup(key).mac(data)


def x99(key: bytes, data: bytes) -> bytes:
    """X9.9 over zero-padded `data`, 8 bytes; CryptoError on a key length.

    Key 0123456789ABCDEF, `7654321 Now is the time for ` → F1D30F6849312CA4.
    """
    return _cbc(key, get_ident()).mac(data)


def x919(key: bytes, data: bytes) -> bytes:
    """X9.19 over zero-padded `data`, 8 bytes; CryptoError when the key is not 16 bytes.

    Key 0123456789ABCDEFFEDCBA9876543210, `Now is the time for all ` → A1C72E74EA3FA9B6.
    """
    return _retail(key, get_ident()).mac(data)


def folded(data: bytes) -> bytes:
    """What the POS ECB-MAC encrypts: the blocks of zero-padded `data` xored together, 16 ASCII hex digits."""
    return b"%016X" % _fold(data)


def iso9797_3(key: bytes, key2: bytes, data: bytes) -> bytes:
    """ISO 9797-1 algorithm 3 with a DES or triple DES key each, 8 bytes over zero-padded `data`.

    The chain under `key` ends with a decryption under `key2` and an encryption under `key`; with the halves
    of one 16-byte key this is `x919`. CryptoError on a key length.
    """
    return tdes_encrypt(key, tdes_decrypt(key2, CbcMac(key).mac(data)))


def pad_zeros(data: bytes, block_bytes: int = BLOCK_BYTES) -> bytes:
    """`data` filled with zeros to whole blocks, at least one (ISO 9797-1 padding method 1)."""
    if data and len(data) % block_bytes == 0:
        return data
    return data + bytes(block_bytes - len(data) % block_bytes)


def pad_bit(data: bytes, block_bytes: int = BLOCK_BYTES) -> bytes:
    """`data`, the byte 80, and zeros to whole blocks (ISO 9797-1 padding method 2).

    What is padded so is whole, method 1 leaves it alone: any MAC here takes it.
    """
    return pad_zeros(data + b"\x80", block_bytes)


def same(left: bytes, right: bytes) -> bool:
    """True when both MACs are equal, in a time that does not depend on where they differ."""
    return compare_digest(left, right)


# Stateful contexts belong to one thread, hence the thread in their key.


@lru_cache(maxsize=KEY_CONTEXTS_MAX)
def _cup(key: bytes) -> CupMac:
    return CupMac(key)


@lru_cache(maxsize=KEY_CONTEXTS_MAX)
def _cbc(key: bytes, _thread: int) -> CbcMac:
    return CbcMac(key)


@lru_cache(maxsize=KEY_CONTEXTS_MAX)
def _named(how: str, key: bytes, _thread: int) -> Blocks:
    return named_mac(how, key)


@lru_cache(maxsize=KEY_CONTEXTS_MAX)
def _retail(key: bytes, _thread: int) -> RetailMac:
    return RetailMac(key)


def _fold(data: bytes) -> int:
    """All 8-byte blocks of zero-padded `data` xored together, halving the number as often as it takes."""
    number = int.from_bytes(data, "big") << (-len(data) % BLOCK_BYTES * 8)
    span = _BLOCK_BITS << (len(data) // BLOCK_BYTES).bit_length()
    while span > _BLOCK_BITS:
        span >>= 1
        number ^= number >> span  # only the bits below `span` are looked at from here on
    return number & _BLOCK_MASK


PADDINGS: Mapping[int, Callable[[bytes, int], bytes]] = {1: pad_zeros, 2: pad_bit}

# How a field of eight bytes shows a MAC; `written` is one that is characters by its definition.
FORMS: Mapping[str, Callable[[bytes], bytes]] = {
    "hex": lambda mac: mac[:4].hex().upper().encode(),  # the left four bytes as characters
    "binary": lambda mac: mac[:8],
}


class MacKind(msgspec.Struct, frozen=True):
    """One MAC by name: what opens a key of these lengths, and what fields 64 and 128 may show of it.

    The first of `paddings` and `forms` is usual; without `paddings` the MAC pads in its own way.
    """

    opened: Callable[[bytes], Mac]
    key_bytes: tuple[int, ...]
    block_bytes: int
    mac_bytes: int
    paddings: tuple[int, ...]
    forms: tuple[str, ...]


MACS: Mapping[str, MacKind] = {
    "cup-ecb": MacKind(CupMac, (8, 16), 8, 8, (), ("written",)),
    "x9.9": MacKind(CbcMac, (8,), 8, 8, (1, 2), ("hex", "binary")),
    "x9.19": MacKind(RetailMac, (16,), 8, 8, (1, 2), ("hex", "binary")),
    "tdes-cbc": MacKind(CbcMac, (16, 24), 8, 8, (1, 2), ("hex", "binary")),
    "aes-cmac": MacKind(partial(CipherMac, AES), (16, 24, 32), 16, 16, (), ("binary", "hex")),
    "sm4-cbc": MacKind(partial(WideCbcMac, SM4), (16,), 16, 16, (1, 2), ("binary", "hex")),
    "sm4-cmac": MacKind(partial(CipherMac, SM4), (16,), 16, 16, (), ("binary", "hex")),
}


def field_mac(name: str, key: bytes, padding: int | None = None, form: str | None = None) -> Blocks:
    """What makes eight bytes for field 64 or 128 out of the text they cover; `name` is a row of MACS.

    Open for many calls of one thread. CryptoError on an unknown name, a key length, or a padding or form
    that the row does not have.
    """
    kind = MACS.get(name)
    if kind is None:
        raise CryptoError(f"MAC: no such algorithm; take one of {', '.join(MACS)}")
    if len(key) not in kind.key_bytes:
        raise CryptoError(f"{name} key: must be {' or '.join(map(str, kind.key_bytes))} bytes")
    if padding is not None and padding not in kind.paddings:
        raise CryptoError(f"{name}: takes {_choices('padding', kind.paddings)}")
    if form is not None and form not in kind.forms:
        raise CryptoError(f"{name}: takes {_choices('form', kind.forms)}")
    mac, form = kind.opened(key).mac, form or kind.forms[0]
    if form == "written":
        return mac
    shown = FORMS[form]
    if padding != 2:  # method 1 is what they all do
        return lambda data: shown(mac(data))
    return lambda data: shown(mac(pad_bit(data, kind.block_bytes)))


def mac_in_words(words: str) -> tuple[str, int | None, str | None]:
    """Name, padding and form of a MAC as a configuration has it: `x9.19`, `x9.19 pad-2 binary`.

    CryptoError when there is no such MAC.
    """
    name, *more = words.split() or [""]
    padding = form = None
    for word in more:
        if word in ("pad-1", "pad-2") and padding is None:
            padding = int(word[-1])
        elif word in FORMS and form is None:
            form = word
        else:
            raise CryptoError("MAC: write a name, then pad-1 or pad-2, hex or binary where it has them")
    kind = MACS.get(name)
    field_mac(name, bytes(kind.key_bytes[0]) if kind else b"", padding, form)
    return name, padding, form


def named_mac(how: str, key: bytes) -> Blocks:
    """What makes field 64 or 128 as a configuration has it; CryptoError on a name or a key length."""
    name, padding, form = mac_in_words(how)
    return field_mac(name, key, padding, form)


def mac_by_name(how: str, key: bytes, data: bytes) -> bytes:
    """Field 64 or 128 over `data`; as `named_mac`."""
    return _named(how, key, get_ident())(data)


def _choices(what: str, choices: tuple[object, ...]) -> str:
    return f"{what} {' or '.join(map(str, choices))}" if choices else f"no {what}: it has its own"
