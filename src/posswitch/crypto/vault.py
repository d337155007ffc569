"""What the centre itself keeps secret: card numbers at rest, their fingerprints, keys for its own files."""

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from posswitch.base.card import Pan
from posswitch.base.errors import CryptoError
from posswitch.crypto.pinblock import pan_digits

ROOT_BYTES = 32
_NONCE_BYTES, _TAG_BYTES, _FINGERPRINT_BYTES = 12, 16, 16


class Vault:
    """Seals and opens under keys of one `root` (32 bytes); `entropy(n)` gives n unpredictable bytes.

    A box is AES-256-GCM `nonce 12 + ciphertext + tag 16`. Random nonces are good for 2**32 sealings of one
    root (NIST SP 800-38D, 8.3).
    """

    __slots__ = ("_entropy", "_fingerprint", "_outside", "_pan_key")

    def __init__(self, root: bytes, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._pan_key = AESGCM(expand(root, "inside/pan"))
        self._fingerprint = hmac.HMAC(expand(root, "inside/fingerprint"), hashes.SHA256())
        self._outside = expand(root, "outside")

    def __repr__(self) -> str:
        return "<vault>"

    def seal_pan(self, pan: str) -> tuple[bytes, bytes]:
        """The PAN encrypted for storage, and its 16-byte fingerprint."""
        digits = pan_digits(pan).encode()
        return sealed(self._pan_key, digits, None, self._entropy), self._keyed_hash(digits)

    def open_pan(self, box: bytes) -> Pan:
        """The PAN that `seal_pan` encrypted; CryptoError when the box is damaged or of another vault."""
        return Pan(opened(self._pan_key, box, None, "sealed PAN: damaged, or of another secret").decode())

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
