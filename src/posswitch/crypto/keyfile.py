"""The sealed form of the root secret: a short text that a passphrase, or two shares together, open.

Four lines: version, how it opens, salt, box. The key comes from the passphrase by scrypt (RFC 7914), or
from the exclusive or of two random shares by HKDF (RFC 5869); the box is AES-256-GCM over it, bound to the
lines before.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from posswitch.base.errors import CryptoError
from posswitch.crypto.vault import ROOT_BYTES, box_bytes, opened, sealed

VERSION = 1
PASSPHRASE, SHARES = "passphrase", "shares"
PASSPHRASE_CHARS_MIN, PASSPHRASE_CHARS_MAX = 16, 512
PASSPHRASE_DIFFERENT_MIN = 5  # characters
_SALT_BYTES, _CHECK_BYTES = 16, 4
_NAME = "posswitch secret"
_LINES = re.compile(
    r"(posswitch secret 1\n"
    r"(?:passphrase scrypt ([0-9]{1,2}) ([0-9]{1,2}) ([0-9]{1,2})|shares 2)\n"
    rf"salt ([0-9a-f]{{{2 * _SALT_BYTES}}})\n)"
    rf"box ([0-9a-f]{{{2 * box_bytes(ROOT_BYTES)}}})"
)
_REFUSED = {
    PASSPHRASE: "does not open: another passphrase, or the file was changed",
    SHARES: "does not open: shares of another secret, or the file was changed",
}

Entropy = Callable[[int], bytes]


class Cost(NamedTuple):
    """What scrypt costs: 2**log2_n rounds over blocks of 128 * r bytes, p times one after the other."""

    log2_n: int
    r: int
    p: int

    def __str__(self) -> str:
        return f"scrypt with N = 2^{self.log2_n}, r = {self.r}, p = {self.p}: {self.mib} MiB"

    @property
    def mib(self) -> int:
        """The memory it takes."""
        return (128 * self.r << self.log2_n) >> 20


COST = Cost(17, 8, 1)  # 128 MiB and about half a second, for the owner and for whoever guesses
COST_MIN, COST_MAX = Cost(14, 8, 1), Cost(18, 8, 4)  # of a file that is read: neither weak nor endless


class Share(NamedTuple):
    """One of the two parts of a key, each for one person: alone it is 32 random bytes."""

    number: int  # 1 or 2
    part: bytes

    def __repr__(self) -> str:
        return f"<share {self.number}>"

    def __str__(self) -> str:
        """As a person writes it down: number, 16 groups of hex digits, check value."""
        digits = self.part.hex().upper()
        groups = " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))
        return f"{self.number}: {groups} / {self.check}"

    @property
    def check(self) -> str:
        """Eight hex digits that show a typing error, of this share alone."""
        named = b"posswitch/share/%d/" % self.number
        return hashlib.sha256(named + self.part).digest()[:_CHECK_BYTES].hex().upper()


class Seal(NamedTuple):
    """A sealed secret as it was read."""

    bound: bytes  # the lines before the box
    cost: Cost | None  # of a passphrase
    salt: bytes
    box: bytes

    def __repr__(self) -> str:
        return f"<secret sealed with {self.by}>"

    @property
    def by(self) -> str:
        """What opens it: PASSPHRASE or SHARES."""
        return SHARES if self.cost is None else PASSPHRASE

    def opened_by_passphrase(self, passphrase: str) -> bytes:
        """The root; CryptoError when it is another passphrase."""
        assert self.cost is not None
        return self._opened(_scrypted(passphrase, self.salt, self.cost))

    def opened_by_shares(self, one: Share, other: Share) -> bytes:
        """The root; CryptoError when they are of another secret, or the same one twice."""
        if {one.number, other.number} != {1, 2}:
            raise CryptoError("is one share twice; two people give share 1 and share 2")
        return self._opened(_combined(one, other, self.salt))

    def _opened(self, key: bytes) -> bytes:
        return opened(AESGCM(key), self.box, self.bound, _REFUSED[self.by])


def is_sealed(text: str) -> bool:
    """Whether a secret file is of the sealed form, of this or another version."""
    return text.startswith(_NAME)


def read_seal(text: str) -> Seal:
    """What a sealed file says; CryptoError when it is damaged, of another version, or costs too much."""
    found = _LINES.fullmatch(text.strip())
    if found is None:
        this = text.partition("\n")[0].strip() == f"{_NAME} {VERSION}"
        raise CryptoError("is damaged; bring back its copy" if this else "is of another release; upgrade")
    bound, *costs, salt, box = found.groups()
    cost = None
    if all(costs):
        cost = Cost(*map(int, costs))
        if not all(low <= one <= high for low, one, high in zip(COST_MIN, cost, COST_MAX, strict=True)):
            raise CryptoError(f"asks for a cost beyond {COST_MIN} to {COST_MAX}; bring back its copy")
    return Seal(bound.encode(), cost, bytes.fromhex(salt), bytes.fromhex(box))


def sealed_by_passphrase(root: bytes, passphrase: str, entropy: Entropy, cost: Cost = COST) -> str:
    """The text of a secret file that a passphrase opens; CryptoError when that is too short or too simple."""
    if not PASSPHRASE_CHARS_MIN <= len(_normal(passphrase)) <= PASSPHRASE_CHARS_MAX:
        few, many = PASSPHRASE_CHARS_MIN, PASSPHRASE_CHARS_MAX
        raise CryptoError(f"must have {few} to {many} characters; take six words")
    if len(set(_normal(passphrase))) < PASSPHRASE_DIFFERENT_MIN:
        raise CryptoError(f"must have {PASSPHRASE_DIFFERENT_MIN} different characters; take six words")
    salt = entropy(_SALT_BYTES)
    how = f"{PASSPHRASE} scrypt {cost.log2_n} {cost.r} {cost.p}"
    return _text(root, how, salt, _scrypted(passphrase, salt, cost), entropy)


def sealed_by_shares(root: bytes, entropy: Entropy) -> tuple[str, Share, Share]:
    """The text of a secret file that two new shares open together, and the shares."""
    one, other = Share(1, entropy(ROOT_BYTES)), Share(2, entropy(ROOT_BYTES))
    salt = entropy(_SALT_BYTES)
    return _text(root, f"{SHARES} 2", salt, _combined(one, other, salt), entropy), one, other


def read_share(text: str) -> Share:
    """A share as a person typed it: blanks and signs between the digits do not count; CryptoError."""
    digits = re.sub(r"[\s:/.-]", "", text)
    if not re.fullmatch(rf"[12][0-9A-Fa-f]{{{2 * (ROOT_BYTES + _CHECK_BYTES)}}}", digits):
        raise CryptoError("is no share: it has a number, 64 hex digits, and 8 more that check them")
    share = Share(int(digits[0]), bytes.fromhex(digits[1 : 1 + 2 * ROOT_BYTES]))
    if share.check != digits[1 + 2 * ROOT_BYTES :].upper():
        raise CryptoError("does not fit its check digits; look for a typing error")
    return share


def _text(root: bytes, how: str, salt: bytes, key: bytes, entropy: Entropy) -> str:
    assert len(root) == ROOT_BYTES
    bound = f"{_NAME} {VERSION}\n{how}\nsalt {salt.hex()}\n"
    return f"{bound}box {sealed(AESGCM(key), root, bound.encode(), entropy).hex()}\n"


def _normal(passphrase: str) -> str:
    """The same bytes from every keyboard."""
    return unicodedata.normalize("NFKC", passphrase)


def _scrypted(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    kdf = Scrypt(salt=salt, length=32, n=1 << cost.log2_n, r=cost.r, p=cost.p)
    return kdf.derive(_normal(passphrase).encode("utf-8", "surrogatepass"))


def _combined(one: Share, other: Share, salt: bytes) -> bytes:
    both = bytes(a ^ b for a, b in zip(one.part, other.part, strict=True))
    return HKDF(hashes.SHA256(), 32, salt, b"posswitch/secret/shares").derive(both)
