"""DUKPT: a key for each transaction out of one key for many terminals, triple DES and AES; its counters."""

from collections.abc import Mapping
from enum import StrEnum
from math import comb

import msgspec

from posswitch.base.bounds import DUKPT_JUMP_MAX
from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import AES, TDES, xor


class Scheme(msgspec.Struct, frozen=True):
    """How a key serial number (KSN) ends in a counter; counters with more ones are left out by terminals.

    A terminal can go on from any counter with `ones_max` keys in memory, hence the rule.
    """

    name: str
    ksn_bytes: int
    counter_bits: int
    ones_max: int

    def counter(self, ksn: bytes) -> int:
        """The counter of a KSN; CryptoError when the KSN has another length, or no terminal counts so."""
        if len(ksn) != self.ksn_bytes:
            raise CryptoError(f"{self.name} key serial number: must be {self.ksn_bytes} bytes")
        counter = int.from_bytes(ksn, "big") & self.counter_max
        if not 1 <= counter.bit_count() <= self.ones_max:
            raise CryptoError(f"{self.name} key serial number: its counter is not one that terminals use")
        return counter

    @property
    def counter_max(self) -> int:
        """All counter bits set."""
        return (1 << self.counter_bits) - 1

    def next_counter(self, counter: int) -> int:
        """The counter after `counter` (0 before the first); CryptoError when the terminal is used up."""
        following = counter + 1
        while following.bit_count() > self.ones_max:
            following += following & -following
        if following > self.counter_max:
            raise CryptoError(f"{self.name}: the terminal has used all its keys; load a new initial key")
        return following

    def used_up_to(self, counter: int) -> int:
        """How many counters from 1 to `counter` terminals use."""
        ones, count = 0, 0
        for bit in reversed(range(self.counter_bits)):
            if counter >> bit & 1:  # what is smaller has a zero here, and any of the bits below
                count += sum(comb(bit, more) for more in range(self.ones_max - ones + 1))
                ones += 1
        return count - 1 + (ones <= self.ones_max)  # without zero, with `counter` itself


TDES_DUKPT = Scheme("TDES DUKPT", 10, 21, 10)  # X9.24-1
AES_DUKPT = Scheme("AES DUKPT", 12, 32, 16)  # X9.24-3


class Verdict(StrEnum):
    """What a counter says of its terminal, after the one before it."""

    OK = "ok"
    REPEATED = "repeated"  # a recording is played again, or a copy of the terminal works
    BACK = "back"  # the same, or its memory was restored
    JUMPED = "jumped"  # another terminal, or this one was reset or tried out


def judge_counter(scheme: Scheme, old: int, new: int, jump_max: int = DUKPT_JUMP_MAX) -> Verdict:
    """Whether `new` may follow `old` (0 before the first): later, and by at most `jump_max` transactions.

    Counters that terminals leave out are no transactions: with triple DES 0FFC00 and 100000 are neighbours.
    """
    if new == old:
        return Verdict.REPEATED
    if new < old:
        return Verdict.BACK
    if new - old <= jump_max:  # most of the time; what is left out can only make it less
        return Verdict.OK
    return Verdict.JUMPED if scheme.used_up_to(new) - scheme.used_up_to(old) > jump_max else Verdict.OK


# Triple DES (X9.24-1)

_HALVES_MASK = bytes.fromhex("C0C0C0C000000000") * 2


class Purpose(StrEnum):
    """What a key of a triple DES transaction is for."""

    PIN = "PIN"
    MAC_REQUEST = "MAC request"
    MAC_RESPONSE = "MAC response"
    DATA = "data"


_VARIANTS: Mapping[Purpose, bytes] = {
    Purpose.PIN: bytes.fromhex("00000000000000FF") * 2,
    Purpose.MAC_REQUEST: bytes.fromhex("000000000000FF00") * 2,
    Purpose.MAC_RESPONSE: bytes.fromhex("00000000FF000000") * 2,
    Purpose.DATA: bytes.fromhex("0000000000FF0000") * 2,
}


def tdes_initial_key(bdk: bytes, ksn: bytes) -> bytes:
    """The initial key (IPEK, 16 bytes) of the terminal that a KSN names; CryptoError on a wrong length.

    BDK 0123456789ABCDEFFEDCBA9876543210, KSN FFFF9876543210E00000 → 6AC292FAA1315B4D858AB3A3D7D5933A.
    """
    if len(bdk) != 16 or len(ksn) != TDES_DUKPT.ksn_bytes:
        raise CryptoError("TDES DUKPT: needs a base key of 16 and a key serial number of 10 bytes")
    device = (int.from_bytes(ksn, "big") & ~TDES_DUKPT.counter_max).to_bytes(10, "big")[:8]
    return TDES.encrypt(bdk, device) + TDES.encrypt(xor(bdk, _HALVES_MASK), device)


def tdes_transaction_key(initial_key: bytes, ksn: bytes) -> bytes:
    """The 16-byte key of a transaction, before variants; CryptoError on a length or a counter never used.

    Initial key 6AC292FAA1315B4D858AB3A3D7D5933A, KSN FFFF9876543210E00001 → 042666B49184CFA368DE9628D0397BC9.
    """
    if len(initial_key) != 16:
        raise CryptoError("TDES DUKPT initial key: must be 16 bytes")
    counter = TDES_DUKPT.counter(ksn)
    register = int.from_bytes(ksn, "big") & ~TDES_DUKPT.counter_max
    key = initial_key
    for bit in _ones(counter, TDES_DUKPT):
        register |= bit
        data = register.to_bytes(10, "big")[2:]
        key = _one_way(xor(key, _HALVES_MASK), data) + _one_way(key, data)
    return key


def tdes_working_key(transaction_key: bytes, purpose: Purpose) -> bytes:
    """The 16-byte key for one purpose; the one for data is encrypted with itself (X9.24-1:2009)."""
    if len(transaction_key) != 16:
        raise CryptoError("TDES DUKPT transaction key: must be 16 bytes")
    key = xor(transaction_key, _VARIANTS[purpose])
    return TDES.encrypt(key, key) if purpose is Purpose.DATA else key


def _one_way(key: bytes, data: bytes) -> bytes:
    """The non-reversible key generation: one half of a key."""
    left, right = key[:8], key[8:]
    return xor(TDES.encrypt(left, xor(right, data)), right)


def _ones(counter: int, scheme: Scheme) -> list[int]:
    """The set bits of a counter as numbers, the highest first."""
    bits = (1 << place for place in reversed(range(scheme.counter_bits)))
    return [bit for bit in bits if counter & bit]


# AES (X9.24-3)


class KeyUse(StrEnum):
    """What an AES DUKPT key is for, as derivation data writes it (X9.24-3)."""

    KEY_ENCRYPTION = "0002"
    PIN = "1000"
    MAC_GENERATION = "2000"
    MAC_VERIFICATION = "2001"
    MAC_BOTH = "2002"
    DATA_ENCRYPTION = "3000"
    DATA_DECRYPTION = "3001"
    DATA_BOTH = "3002"
    DERIVATION = "8000"
    INITIAL = "8001"


class KeyType(StrEnum):
    """The kind of a derived key."""

    TDES_2 = "2TDEA"
    TDES_3 = "3TDEA"
    AES_128 = "AES-128"
    AES_192 = "AES-192"
    AES_256 = "AES-256"


_KEY_TYPES: Mapping[KeyType, tuple[int, int]] = {  # as derivation data writes it; bytes
    KeyType.TDES_2: (0, 16),
    KeyType.TDES_3: (1, 24),
    KeyType.AES_128: (2, 16),
    KeyType.AES_192: (3, 24),
    KeyType.AES_256: (4, 32),
}
_OWN_TYPE = {16: KeyType.AES_128, 24: KeyType.AES_192, 32: KeyType.AES_256}


def aes_initial_key(bdk: bytes, ikid: bytes) -> bytes:
    """The initial key of a terminal, as long as the base key; CryptoError on a wrong length.

    BDK FEDCBA9876543210F1F1F1F1F1F1F1F1, IKID 1234567890123456 → 1273671EA26AC29AFA4D1084127652A1.
    """
    if len(ikid) != 8:
        raise CryptoError("AES DUKPT initial key id: must be 8 bytes")
    return _derived(bdk, KeyUse.INITIAL, _own_type(bdk), ikid)


def aes_derivation_key(initial_key: bytes, ksn: bytes) -> bytes:
    """What a transaction's working keys come from; CryptoError on a length or a counter never used.

    Initial key 1273671EA26AC29AFA4D1084127652A1, KSN 123456789012345600000001 →
    4F21B565BAD9835E112B6465635EAE44.
    """
    type_ = _own_type(initial_key)
    key, register = initial_key, 0
    for bit in _ones(AES_DUKPT.counter(ksn), AES_DUKPT):
        register |= bit
        key = _derived(key, KeyUse.DERIVATION, type_, ksn[4:8] + register.to_bytes(4, "big"))
    return key


def aes_working_key(derivation_key: bytes, ksn: bytes, use: KeyUse, type_: KeyType | None = None) -> bytes:
    """A transaction's key for one use, of the derivation key's own type or another that is not stronger.

    CryptoError on a length, a counter never used, or a key stronger than what it would come from.
    """
    own = _own_type(derivation_key)
    type_ = own if type_ is None else type_
    if type_.startswith("AES") and type_ > own:
        raise CryptoError(f"AES DUKPT: no {type_} key comes from {own}")
    AES_DUKPT.counter(ksn)
    return _derived(derivation_key, use, type_, ksn[4:])


def _own_type(key: bytes) -> KeyType:
    type_ = _OWN_TYPE.get(len(key))
    if type_ is None:
        raise CryptoError("AES DUKPT key: must be 16, 24 or 32 bytes")
    return type_


def _derived(key: bytes, use: KeyUse, type_: KeyType, context: bytes) -> bytes:
    """Blocks of derivation data encrypted, as many as the key needs; `context` is 8 bytes."""
    code, length = _KEY_TYPES[type_]
    rest = bytes.fromhex(use) + code.to_bytes(2, "big") + (length * 8).to_bytes(2, "big") + context
    blocks = b"".join(bytes((1, count)) + rest for count in range(1, length // 16 + (length % 16 > 0) + 1))
    return AES.encrypt(key, blocks)[:length]
