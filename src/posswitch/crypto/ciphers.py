"""Block ciphers of payments as one table: DES and triple DES, AES, SM4; check values, parity, components."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import msgspec
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

from posswitch.base.errors import CryptoError

BLOCK_BYTES = 8  # of DES
_ECB = ECB()  # noqa: S305 - what the POS standards use; one, for opening is most of what a short call costs

# Takes whole blocks only: an open context keeps a partial block for the next call.
Blocks = Callable[[bytes], bytes]


class BlockCipher(msgspec.Struct, frozen=True):
    """One row of the table: a cipher, its sizes, and the modes that payment standards use.

    Every method raises CryptoError when a key, an initial vector or data has a wrong length.
    """

    name: str
    block_bytes: int
    key_bytes: tuple[int, ...]
    primitive: Callable[[bytes], BlockCipherAlgorithm]

    def of(self, key: bytes) -> BlockCipherAlgorithm:
        """The cipher keyed."""
        if len(key) not in self.key_bytes:
            *most, last = (str(length) for length in self.key_bytes)
            raise CryptoError(f"{self.name} key: must be {', '.join(most)}{' or ' * bool(most)}{last} bytes")
        return self.primitive(key)

    def encryptor(self, key: bytes) -> Blocks:
        """An open ECB encryption under `key`, for many calls."""
        return Cipher(self.of(key), _ECB).encryptor().update

    def decryptor(self, key: bytes) -> Blocks:
        """An open ECB decryption under `key`, for many calls."""
        return Cipher(self.of(key), _ECB).decryptor().update

    def encrypt(self, key: bytes, data: bytes) -> bytes:
        """ECB encryption of whole blocks (NIST SP 800-38A, 6.1)."""
        return self.encryptor(key)(self.whole(data))

    def decrypt(self, key: bytes, data: bytes) -> bytes:
        """The inverse of `encrypt`."""
        return self.decryptor(key)(self.whole(data))

    def encrypt_cbc(self, key: bytes, iv: bytes, data: bytes) -> bytes:
        """CBC encryption of whole blocks (NIST SP 800-38A, 6.2)."""
        return self._cbc(key, iv).encryptor().update(self.whole(data))

    def decrypt_cbc(self, key: bytes, iv: bytes, data: bytes) -> bytes:
        """The inverse of `encrypt_cbc`."""
        return self._cbc(key, iv).decryptor().update(self.whole(data))

    def cmac(self, key: bytes, data: bytes) -> bytes:
        """CMAC of any data, one block (NIST SP 800-38B; with AES RFC 4493).

        AES, key 2B7E151628AED2A6ABF7158809CF4F3C, no data → BB1D6929E95937287FA37D129B756746.
        """
        context = CMAC(self.of(key))
        context.update(data)
        return context.finalize()

    def whole(self, data: bytes) -> bytes:
        """`data` itself, whole blocks."""
        if len(data) % self.block_bytes:
            raise CryptoError(f"{self.name} data: must be whole blocks of {self.block_bytes} bytes")
        return data

    def _cbc(self, key: bytes, iv: bytes) -> Cipher[CBC]:
        if len(iv) != self.block_bytes:
            raise CryptoError(f"{self.name} initial vector: must be {self.block_bytes} bytes")
        return Cipher(self.of(key), CBC(iv))


def _tripled(key: bytes) -> TripleDES:
    """K,K,K of 8 bytes, K1,K2,K1 of 16: single DES is triple DES with one key."""
    return TripleDES((key * 3)[:24])


TDES = BlockCipher("DES", BLOCK_BYTES, (8, 16, 24), _tripled)  # ANSI X3.92, NIST SP 800-67
AES = BlockCipher("AES", 16, (16, 24, 32), algorithms.AES)  # FIPS 197
SM4 = BlockCipher("SM4", 16, (16,), algorithms.SM4)  # GB/T 32907
CIPHERS: Mapping[str, BlockCipher] = {"tdes": TDES, "aes": AES, "sm4": SM4}

ecb_encryptor, ecb_decryptor = TDES.encryptor, TDES.decryptor
triple_des = TDES.of


def tdes_encrypt(key: bytes, data: bytes) -> bytes:
    """ECB encryption of whole blocks (NIST SP 800-67); CryptoError when key or data have a wrong length.

    Key 133457799BBCDFF1, data 0123456789ABCDEF → 85E813540F0AB405.
    """
    return TDES.encrypt(key, data)


def tdes_decrypt(key: bytes, data: bytes) -> bytes:
    """The inverse of `tdes_encrypt`; CryptoError when key or data have a wrong length."""
    return TDES.decrypt(key, data)


def kcv(key: bytes, length: int = 4) -> bytes:
    """The left `length` bytes of eight zero bytes encrypted by DES (X9.24-1); CryptoError on a wrong length.

    Key 0123456789ABCDEF, 3 bytes → D5D44F.
    """
    if not 1 <= length <= BLOCK_BYTES:
        raise CryptoError("key check value: must be 1 to 8 bytes")
    return TDES.encryptor(key)(bytes(BLOCK_BYTES))[:length]


class CheckValue(msgspec.Struct, frozen=True):
    """How a key is named by a few bytes: over zeros, in full, and how many bytes are usual."""

    whole: Callable[[bytes], bytes]
    usual_bytes: int
    bytes_max: int


CHECK_VALUES: Mapping[str, CheckValue] = {
    "tdes": CheckValue(lambda key: kcv(key, 8), 3, 8),  # X9.24-1
    "aes": CheckValue(lambda key: AES.cmac(key, bytes(16)), 5, 16),  # X9.24-3, X9.143
    "aes-ecb": CheckValue(lambda key: AES.encrypt(key, bytes(16)), 3, 16),  # older systems
    "sm4": CheckValue(lambda key: SM4.encrypt(key, bytes(16)), 4, 16),
}


def check_value(method: str, key: bytes, length: int | None = None) -> bytes:
    """The left bytes, as many as usual or `length`, that name a key; `method` is a row of CHECK_VALUES.

    `aes`, key 3F419E1CB7079442AA37474C2EFBF8B8 → 08793E25AB. CryptoError on an unknown method or a length.
    """
    row = CHECK_VALUES.get(method)
    if row is None:
        raise CryptoError(f"key check value: no such method; take one of {', '.join(CHECK_VALUES)}")
    length = row.usual_bytes if length is None else length
    if not 1 <= length <= row.bytes_max:
        raise CryptoError(f"key check value: must be 1 to {row.bytes_max} bytes")
    return row.whole(key)[:length]


def odd_parity(key: bytes) -> bytes:
    """`key` with the lowest bit of every byte set so that the byte has an odd number of ones (FIPS 46-3)."""
    return bytes(byte ^ 1 ^ byte.bit_count() % 2 for byte in key)


def xor(left: bytes, right: bytes) -> bytes:
    """Bitwise exclusive or, as key components are combined; CryptoError when the lengths differ."""
    if len(left) != len(right):
        raise CryptoError("xor: both sides must have one length")
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def combine(components: Sequence[bytes]) -> bytes:
    """The key of two or more components, their exclusive or; CryptoError on fewer, or when lengths differ."""
    if len(components) < 2:
        raise CryptoError("key components: needs two or more")
    return reduce(xor, components)


def split(key: bytes, count: int, entropy: Callable[[int], bytes]) -> list[bytes]:
    """`count` components of `key`, all but the last of them drawn; fewer than all tell nothing of it.

    CryptoError when there are fewer than two.
    """
    if count < 2:
        raise CryptoError("key components: needs two or more")
    drawn = [entropy(len(key)) for _ in range(count - 1)]
    return [*drawn, reduce(xor, drawn, key)]
