"""Message authentication: the Chinese POS ECB-MAC (field 64), X9.9 and X9.19 (field 128)."""

from functools import lru_cache
from hmac import compare_digest
from struct import Struct
from threading import get_ident

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC

from posswitch.base.bounds import KEY_CONTEXTS_MAX
from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import BLOCK_BYTES, ecb_encryptor, triple_des

_BLOCK = Struct(">Q")
_BLOCK_BITS = BLOCK_BYTES * 8
_BLOCK_MASK = (1 << _BLOCK_BITS) - 1


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
        return _BLOCK.pack(self.chain(_zero_padded(data)))


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
        blocks = _zero_padded(data)
        (last,) = _BLOCK.unpack_from(blocks, len(blocks) - BLOCK_BYTES)
        return self._encrypt_last(_BLOCK.pack(last ^ self._head.chain(blocks[:-BLOCK_BYTES])))


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


def _zero_padded(data: bytes) -> bytes:
    """`data` filled with zeros to whole blocks, at least one (ISO 9797-1 padding method 1)."""
    if data and len(data) % BLOCK_BYTES == 0:
        return data
    return data + bytes(BLOCK_BYTES - len(data) % BLOCK_BYTES)
