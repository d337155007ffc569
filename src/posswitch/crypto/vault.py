"""What the centre itself keeps secret: card numbers at rest, their fingerprints, keys for its own files."""

from collections.abc import Callable
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from posswitch.base.card import Pan
from posswitch.base.errors import CryptoError
from posswitch.crypto.pinblock import pan_digits

ROOT_BYTES = 32
_NONCE_BYTES, _TAG_BYTES, _FINGERPRINT_BYTES = 12, 16, 16
_MONTH_BYTES, _PACKED_BYTES, _FILLER = 2, 10, "f"
_MONTHS_OPEN = 64  # keys that are kept open
_SHUT = "sealed PAN: damaged, or of another secret"


class Vault:
    """Seals and opens under keys of one `root` (32 bytes); `entropy(n)` gives n unpredictable bytes.

    Card numbers have a key for each month. A box is `month 2 + nonce 12 + ciphertext 10 + tag 16` bytes of
    AES-256-GCM, whatever the length of the card number. Random nonces are good for 2**32 sealings of one key
    (NIST SP 800-38D, 8.3).
    """

    __slots__ = ("_entropy", "_fingerprint", "_month_key", "_outside")

    def __init__(self, root: bytes, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        cards = expand(root, "inside/cards")
        first = expand(root, "inside/pan")
        self._month_key = lru_cache(maxsize=_MONTHS_OPEN)(
            lambda month: AESGCM(first if month is None else expand(cards, f"month/{month}"))
        )
        self._fingerprint = hmac.HMAC(expand(root, "inside/fingerprint"), hashes.SHA256())
        self._outside = expand(root, "outside")

    def __repr__(self) -> str:
        return "<vault>"

    def seal_pan(self, pan: str, month: int) -> tuple[bytes, bytes]:
        """The PAN encrypted under the key of a month (0 to 65535), and its 16-byte fingerprint."""
        digits = pan_digits(pan)
        packed = bytes.fromhex(digits.ljust(2 * _PACKED_BYTES, _FILLER))
        box = sealed(self._month_key(month), packed, None, self._entropy)
        return month.to_bytes(_MONTH_BYTES, "big") + box, self._keyed_hash(digits.encode())

    def open_pan(self, box: bytes) -> Pan:
        """The PAN that `seal_pan` encrypted; CryptoError when the box is damaged or of another vault."""
        if len(box) != _MONTH_BYTES + box_bytes(_PACKED_BYTES):  # before keys had months
            return Pan(opened(self._month_key(None), box, None, _SHUT).decode())
        month = int.from_bytes(box[:_MONTH_BYTES], "big")
        packed = opened(self._month_key(month), box[_MONTH_BYTES:], None, _SHUT)
        return Pan(packed.hex().rstrip(_FILLER))

    def fingerprint(self, pan: str) -> bytes:
        """16 bytes (HMAC-SHA256, cut) that are equal for equal PANs and tell nothing without the key."""
        return self._keyed_hash(pan_digits(pan).encode())

    def derive(self, label: str) -> bytes:
        """A 32-byte key for a file or a row of our own (HKDF, RFC 5869): labels give independent keys."""
        return expand(self._outside, label)

    def _keyed_hash(self, data: bytes) -> bytes:
        keyed = self._fingerprint.copy()
        keyed.update(data)
        return keyed.finalize()[:_FINGERPRINT_BYTES]


def expand(root: bytes, label: str) -> bytes:
    """The 32-byte key `label` of a root; CryptoError when the root is not 32 bytes."""
    if len(root) != ROOT_BYTES:
        raise CryptoError(f"root secret: must be {ROOT_BYTES} bytes")
    return HKDFExpand(hashes.SHA256(), 32, b"posswitch/" + label.encode()).derive(root)


def sealed(cipher: AESGCM, data: bytes, bound: bytes | None, entropy: Callable[[int], bytes]) -> bytes:
    """A box of `data`, which opens only together with `bound`."""
    nonce = entropy(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, data, bound)


def opened(cipher: AESGCM, box: bytes, bound: bytes | None, refusal: str) -> bytes:
    """What `sealed` put in; CryptoError `refusal` when the box or `bound` is another."""
    if len(box) < _NONCE_BYTES + _TAG_BYTES:
        raise CryptoError(refusal)
    try:
        return cipher.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], bound)
    except InvalidTag:
        raise CryptoError(refusal) from None


def box_bytes(data_bytes: int) -> int:
    """The length of a box of so many bytes."""
    return _NONCE_BYTES + data_bytes + _TAG_BYTES
