"""The HSM as the centre sees it, and one in software: the only room that sees clear keys."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import reduce
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from posswitch.base.bounds import KEY_CONTEXTS_MAX
from posswitch.base.card import Pan
from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import BLOCK_BYTES, ecb_decryptor, ecb_encryptor, kcv, odd_parity, xor
from posswitch.crypto.mac import CupMac, RetailMac, same
from posswitch.crypto.pinblock import decode_iso0, pan_digits
from posswitch.crypto.signon import pack_f62

_NONCE_BYTES, _TAG_BYTES, _FINGERPRINT_BYTES = 12, 16, 16

Context = TypeVar("Context")


class Usage(StrEnum):
    """What a key is for; a key has one purpose."""

    TMK = "TMK"  # terminal master key, protects the two below at sign-on
    TPK = "TPK"  # terminal PIN key
    TAK = "TAK"  # terminal MAC key
    ZPK = "ZPK"  # zone PIN key, shared with a bank
    ZAK = "ZAK"  # zone MAC key, shared with a bank


# Accepted lengths in bytes; a new key has the first.
_KEY_BYTES = {
    Usage.TMK: (16, 24),
    Usage.TPK: (16,),
    Usage.TAK: (8, 16),
    Usage.ZPK: (16, 24),
    Usage.ZAK: (16,),
}


class Hsm(Protocol):
    """What the centre asks of an HSM; keys stay wrapped, every refusal is a CryptoError without content."""

    def wrap(self, usage: Usage, key: bytes) -> bytes:
        """A clear key, bound to its usage, for storage."""

    def new_key(self, usage: Usage) -> bytes:
        """A fresh wrapped key with odd parity, 16 bytes (TAK 8)."""

    def new_component(self, usage: Usage) -> bytes:
        """A clear part of a key for one person to carry, odd parity; alone it tells nothing."""

    def form_key(self, usage: Usage, components: Sequence[bytes]) -> bytes:
        """The wrapped exclusive or of two or more clear components, with odd parity."""

    def check_value(self, usage: Usage, wrapped: bytes, length: int = 4) -> bytes:
        """The key's check value, `length` bytes."""

    def sign_on_keys(self, tmk: bytes, tpk: bytes, tak: bytes) -> bytes:
        """Field 62 of a sign-on answer, 40 bytes."""

    def cup_mac(self, tak: bytes, data: bytes) -> bytes:
        """Field 64 over `data`, 8 ASCII hex characters."""

    def cup_mac_ok(self, tak: bytes, data: bytes, mac: bytes) -> bool:
        """True when `mac` is field 64 over `data`."""

    def zone_mac(self, zak: bytes, text: bytes) -> bytes:
        """Field 128 over `text`: the left half of X9.19, 8 ASCII hex characters."""

    def zone_mac_ok(self, zak: bytes, text: bytes, mac: bytes) -> bool:
        """True when `mac` is field 128 over `text`."""

    def translate_pin(self, tpk: bytes, zpk: bytes, pan: str, block: bytes) -> bytes:
        """A format 0 PIN block from the terminal's key to the bank's; format and PAN cannot change."""

    def seal_pan(self, pan: str) -> tuple[bytes, bytes]:
        """The PAN encrypted for storage, and its 16-byte fingerprint."""

    def open_pan(self, box: bytes) -> Pan:
        """The PAN that `seal_pan` encrypted."""

    def fingerprint(self, pan: str) -> bytes:
        """16 bytes that are equal for equal PANs and tell nothing without the key."""

    def derive(self, label: str) -> bytes:
        """A 32-byte key for the purpose `label` outside the HSM."""


class _Opened(Generic[Context]):
    """Wrapped keys of one usage and what they open to; the oldest makes room beyond KEY_CONTEXTS_MAX."""

    __slots__ = ("_contexts", "_open", "_unwrap", "_usage")

    def __init__(
        self, usage: Usage, unwrap: Callable[[Usage, bytes], bytes], open_: Callable[[bytes], Context]
    ) -> None:
        self._usage, self._unwrap, self._open = usage, unwrap, open_
        self._contexts: dict[bytes, Context] = {}

    def __getitem__(self, wrapped: bytes) -> Context:
        found = self._contexts.get(wrapped)
        if found is None:
            found = self._open(self._unwrap(self._usage, wrapped))
            if len(self._contexts) >= KEY_CONTEXTS_MAX:
                del self._contexts[next(iter(self._contexts))]
            self._contexts[wrapped] = found
        return found


class SoftHsm:
    """An Hsm in software for tests and trials, not certified: clear keys live in this process's memory.

    `root` (32 bytes) is the one secret, `entropy(n)` gives n unpredictable bytes. For one thread: its MAC
    contexts are stateful. Keys and PANs are AES-256-GCM `nonce 12 + ciphertext + tag 16`, keys with their
    usage as associated data. Random nonces are good for 2**32 sealings of one root (NIST SP 800-38D, 8.3).
    """

    __slots__ = ("_entropy", "_fingerprint", "_lmk", "_outside", "_pan_key", "_tak", "_tpk", "_zak", "_zpk")

    def __init__(self, root: bytes, entropy: Callable[[int], bytes]) -> None:
        if len(root) != 32:
            raise CryptoError("HSM root: must be 32 bytes")
        self._entropy = entropy
        self._lmk = AESGCM(_expand(root, "inside/lmk"))
        self._pan_key = AESGCM(_expand(root, "inside/pan"))
        self._fingerprint = hmac.HMAC(_expand(root, "inside/fingerprint"), hashes.SHA256())
        self._outside = _expand(root, "outside")
        self._tpk = _Opened(Usage.TPK, self._unwrap, ecb_decryptor)
        self._zpk = _Opened(Usage.ZPK, self._unwrap, ecb_encryptor)
        self._tak = _Opened(Usage.TAK, self._unwrap, CupMac)
        self._zak = _Opened(Usage.ZAK, self._unwrap, RetailMac)

    def __repr__(self) -> str:
        return "SoftHsm(test only)"

    def wrap(self, usage: Usage, key: bytes) -> bytes:
        """See Hsm; parity is taken as it comes, banks and terminals bring keys without."""
        if len(key) not in _KEY_BYTES[usage]:
            raise CryptoError(f"{usage} key: wrong length")
        nonce = self._entropy(_NONCE_BYTES)
        return nonce + self._lmk.encrypt(nonce, key, usage.encode())

    def new_key(self, usage: Usage) -> bytes:
        """See Hsm."""
        return self.wrap(usage, odd_parity(self._entropy(_KEY_BYTES[usage][0])))

    def new_component(self, usage: Usage) -> bytes:
        """See Hsm."""
        return odd_parity(self._entropy(_KEY_BYTES[usage][0]))

    def form_key(self, usage: Usage, components: Sequence[bytes]) -> bytes:
        """See Hsm; parity bits carry no key, so the check value is that of the exclusive or itself."""
        if len(components) < 2:
            raise CryptoError(f"{usage} key: needs two components or more")
        key = odd_parity(reduce(xor, components))
        blocks = [key[at : at + BLOCK_BYTES] for at in range(0, len(key), BLOCK_BYTES)]
        if any(left == right for left, right in pairwise(blocks)):  # equal or complementary components, too
            raise CryptoError(f"{usage} key: these components make a weak key; draw new ones")
        return self.wrap(usage, key)

    def check_value(self, usage: Usage, wrapped: bytes, length: int = 4) -> bytes:
        """See Hsm."""
        return kcv(self._unwrap(usage, wrapped), length)

    def sign_on_keys(self, tmk: bytes, tpk: bytes, tak: bytes) -> bytes:
        """See Hsm."""
        opened = (self._unwrap(Usage.TMK, tmk), self._unwrap(Usage.TPK, tpk), self._unwrap(Usage.TAK, tak))
        return pack_f62(*opened)

    def cup_mac(self, tak: bytes, data: bytes) -> bytes:
        """See Hsm."""
        return self._tak[tak].mac(data)

    def cup_mac_ok(self, tak: bytes, data: bytes, mac: bytes) -> bool:
        """See Hsm."""
        return same(self._tak[tak].mac(data), mac)

    def zone_mac(self, zak: bytes, text: bytes) -> bytes:
        """See Hsm."""
        return self._zak[zak].mac(text)[:4].hex().upper().encode()

    def zone_mac_ok(self, zak: bytes, text: bytes, mac: bytes) -> bool:
        """See Hsm."""
        return same(self.zone_mac(zak, text), mac)

    def translate_pin(self, tpk: bytes, zpk: bytes, pan: str, block: bytes) -> bytes:
        """See Hsm."""
        if len(block) != 8:  # a partial block would stay in the open context
            raise CryptoError("PIN block: must be 8 bytes")
        clear = self._tpk[tpk](block)
        decode_iso0(clear, pan)  # only for its checks: format and PAN stay, so does the clear block
        return self._zpk[zpk](clear)

    def seal_pan(self, pan: str) -> tuple[bytes, bytes]:
        """See Hsm."""
        digits = pan_digits(pan).encode()
        nonce = self._entropy(_NONCE_BYTES)
        return nonce + self._pan_key.encrypt(nonce, digits, None), self._keyed_hash(digits)

    def open_pan(self, box: bytes) -> Pan:
        """See Hsm."""
        return Pan(_decrypt(self._pan_key, box, None, "sealed PAN: damaged, or of another HSM").decode())

    def fingerprint(self, pan: str) -> bytes:
        """See Hsm; HMAC-SHA256, cut."""
        return self._keyed_hash(pan_digits(pan).encode())

    def derive(self, label: str) -> bytes:
        """See Hsm; HKDF (RFC 5869), so that keys of different labels are independent."""
        return _expand(self._outside, label)

    def _unwrap(self, usage: Usage, wrapped: bytes) -> bytes:
        refusal = f"{usage} key: damaged, wrapped for another usage, or by another HSM"
        return _decrypt(self._lmk, wrapped, usage.encode(), refusal)

    def _keyed_hash(self, data: bytes) -> bytes:
        keyed = self._fingerprint.copy()
        keyed.update(data)
        return keyed.finalize()[:_FINGERPRINT_BYTES]


def _expand(key: bytes, label: str) -> bytes:
    return HKDFExpand(hashes.SHA256(), 32, b"posswitch/" + label.encode()).derive(key)


def _decrypt(cipher: AESGCM, box: bytes, bound: bytes | None, refusal: str) -> bytes:
    if len(box) < _NONCE_BYTES + _TAG_BYTES:
        raise CryptoError(refusal)
    try:
        return cipher.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], bound)
    except InvalidTag:
        raise CryptoError(refusal) from None
