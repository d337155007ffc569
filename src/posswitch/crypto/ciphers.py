"""DES and triple DES, one block mode and one check value; the cipher itself is cryptography's."""

from collections.abc import Callable

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB

from posswitch.base.errors import CryptoError

BLOCK_BYTES = 8

# Takes whole blocks only: an open context keeps a partial block for the next call.
Blocks = Callable[[bytes], bytes]


def triple_des(key: bytes) -> TripleDES:
    """The cipher of an 8 (K,K,K), 16 (K1,K2,K1) or 24-byte key; CryptoError on another length."""
    if len(key) not in (8, 16, 24):
        raise CryptoError("DES key: must be 8, 16 or 24 bytes")
    return TripleDES((key * 3)[:24])


def ecb_encryptor(key: bytes) -> Blocks:
    """An open ECB encryption under `key`, for many calls; CryptoError on a key length."""
    return Cipher(triple_des(key), ECB()).encryptor().update  # noqa: S305 - ECB is what the POS standards use


def ecb_decryptor(key: bytes) -> Blocks:
    """An open ECB decryption under `key`, for many calls; CryptoError on a key length."""
    return Cipher(triple_des(key), ECB()).decryptor().update  # noqa: S305 - ECB is what the POS standards use


def tdes_encrypt(key: bytes, data: bytes) -> bytes:
    """ECB encryption of whole blocks (NIST SP 800-67); CryptoError when key or data have a wrong length.

    Key 133457799BBCDFF1, data 0123456789ABCDEF → 85E813540F0AB405.
    """
    return ecb_encryptor(key)(_whole_blocks(data))


def tdes_decrypt(key: bytes, data: bytes) -> bytes:
    """The inverse of `tdes_encrypt`; CryptoError when key or data have a wrong length."""
    return ecb_decryptor(key)(_whole_blocks(data))


def kcv(key: bytes, length: int = 4) -> bytes:
    """The left `length` bytes of eight encrypted zero bytes (X9.24-1); CryptoError on a wrong length.

    Key 0123456789ABCDEF, 3 bytes → D5D44F.
    """
    if not 1 <= length <= BLOCK_BYTES:
        raise CryptoError("key check value: must be 1 to 8 bytes")
    return ecb_encryptor(key)(bytes(BLOCK_BYTES))[:length]


def odd_parity(key: bytes) -> bytes:
    """`key` with the lowest bit of every byte set so that the byte has an odd number of ones (FIPS 46-3)."""
    return bytes(byte ^ 1 ^ byte.bit_count() % 2 for byte in key)


def xor(left: bytes, right: bytes) -> bytes:
    """Bitwise exclusive or, as key components are combined; CryptoError when the lengths differ."""
    if len(left) != len(right):
        raise CryptoError("xor: both sides must have one length")
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def _whole_blocks(data: bytes) -> bytes:
    if len(data) % BLOCK_BYTES:
        raise CryptoError("DES data: must be whole blocks of 8 bytes")
    return data
