"""Certificates and keys in PEM files: what they say, whether they fit, how long they last."""

import re
import ssl
import stat
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from posswitch.base.bounds import CERTIFICATE_DAYS
from posswitch.base.errors import ConfigError
from posswitch.base.moment import NS_PER_S
from posswitch.settings.clock import SystemClock
from posswitch.settings.draft import Draft
from posswitch.settings.finding import WARNING, Fault, counted, one_line, shown
from posswitch.settings.shape import Row

USUAL_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; all of TLS 1.3 are fine
SECURITY_LEVEL = "@SECLEVEL=2"  # OpenSSL's: no RSA below 2048 bits, no SHA-1, no MD5, 112 bits at least
_CIPHER_LIST = re.compile(r"[A-Za-z0-9:+!_-]+")
_BITS_MIN = 128
_NO_SECRECY = frozenset({"kx-rsa", "kx-psk", "kx-rsa-psk"})  # as OpenSSL calls key exchanges
_NOBODY = frozenset({"auth-null", "auth-psk", "auth-srp"})
_FILE_BYTES_MAX = 1 << 20
_DAY_S = 86_400
_RSA_BITS_MIN, _CURVE_BITS_MIN = 2048, 224
_WEAK_DIGESTS = (hashes.MD5, hashes.SHA1)
_DAMAGED = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)


class Certificate(NamedTuple):
    """What a certificate says; `public` is its key (SubjectPublicKeyInfo), `weak` why it is no good."""

    subject: str
    fingerprint: str
    from_s: int
    until_s: int
    weak: str
    public: bytes
    key: str

    def days_left(self, now_ns: int) -> int:
        """Whole days until its end, negative after it."""
        return (self.until_s - now_ns // NS_PER_S) // _DAY_S

    @property
    def until(self) -> str:
        """Its last day (UTC)."""
        return datetime.fromtimestamp(self.until_s, UTC).date().isoformat()


def read_certificates(path: Path) -> list[Certificate]:
    """The certificates of a PEM file in their order; raises ConfigError when there is none to read."""
    raw = _read(path)
    try:
        return [_certificate(one) for one in x509.load_pem_x509_certificates(raw)]
    except _DAMAGED:
        remedy = "it must hold -----BEGIN CERTIFICATE----- blocks as openssl writes them"
        raise ConfigError(f"{path}: no certificates can be read in it; {remedy}") from None


def read_shown(der: bytes) -> Certificate | None:
    """A certificate as another side has shown it (DER); None when it cannot be read."""
    try:
        return _certificate(x509.load_der_x509_certificate(der))
    except _DAMAGED:
        return None


def read_public_key(path: Path) -> bytes:
    """The public half of a private key in a PEM file; raises ConfigError, never showing content."""
    raw = _read(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(f"{path}: others may read the key; run: chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(raw, None)
    except TypeError:
        remedy = "a node starts without people: write it with openssl pkey into a file of its owner alone"
        raise ConfigError(f"{path}: the key is locked with a password; {remedy}") from None
    except _DAMAGED:
        raise ConfigError(f"{path}: no key can be read in it; it must be a private key in PEM") from None
    return _spki(key.public_key())


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{path}: is not a file; name a PEM file")
        with path.open("rb") as file:
            return file.read(_FILE_BYTES_MAX)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no such name"
        raise ConfigError(f"{path}: cannot be read ({why}); name a PEM file") from None


def _certificate(one: x509.Certificate) -> Certificate:
    key = one.public_key()
    try:
        digest: hashes.HashAlgorithm | None = one.signature_hash_algorithm
        unknown = False
    except UnsupportedAlgorithm:
        digest, unknown = None, True
    weak = _weak_key(key)
    if not weak and one.subject != one.issuer:  # nobody checks what an authority says of itself
        if isinstance(digest, _WEAK_DIGESTS):
            weak = f"is signed with {digest.name.upper()}"
        elif unknown:
            weak = "is signed in a way that is not known"
    kind = f"RSA {key.key_size}" if isinstance(key, rsa.RSAPublicKey) else type(key).__name__
    return Certificate(
        one_line(one.subject.rfc4514_string())[:200] or "(no name)",
        one.fingerprint(hashes.SHA256()).hex(),
        int(one.not_valid_before_utc.timestamp()),
        int(one.not_valid_after_utc.timestamp()),
        weak,
        _spki(key),
        getattr(getattr(key, "curve", None), "name", kind),
    )


def _weak_key(key: object) -> str:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _RSA_BITS_MIN:
        return f"has an RSA key of {key.key_size} bits, less than {_RSA_BITS_MIN}"
    if isinstance(key, dsa.DSAPublicKey):
        return "has a DSA key"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size < _CURVE_BITS_MIN:
        return f"has a key on {key.curve.name}, less than {_CURVE_BITS_MIN} bits"
    return ""


def _spki(key: object) -> bytes:
    try:
        return key.public_bytes(  # type: ignore[attr-defined,no-any-return]
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except (AttributeError, ValueError):  # of a kind that OpenSSL speaks and nobody signs with
        return b""


# What is wrong with the files of [tls]


def certificate_good(draft: Draft) -> Iterator[Fault]:
    """The node's own certificate is strong, valid, and its key fits."""
    for row in draft.having("tls", "certificate", "key"):
        if not row.good["certificate"] or not row.good["key"]:
            continue
        chain = yield from _read_for(draft, row, "certificate")
        for place, one in enumerate(chain):
            yield from _worn(row, "certificate", one, "" if place == 0 else f"number {place + 1}: ")
        try:
            public = read_public_key(draft.file(row.good["key"]))
        except ConfigError as error:
            yield _said(row, "key", error)
            continue
        if chain and chain[0].public != public:
            what = f"does not fit the certificate of {shown(chain[0].subject)}"
            yield row.fault(
                "key", what, "name the key that the certificate was made for, the certificate first"
            )


def authorities_good(draft: Draft) -> Iterator[Fault]:
    """Those whose certificates are believed are strong and valid."""
    for row in draft.having("tls", "authorities"):
        if row.good["authorities"]:
            for place, one in enumerate((yield from _read_for(draft, row, "authorities"))):
                yield from _worn(row, "authorities", one, f"number {place + 1}: ")


def ciphers_strong(draft: Draft) -> Iterator[Fault]:
    """The ciphers that were chosen are known, and none is weak."""
    for row in draft.having("tls", "ciphers"):
        chosen = row.good["ciphers"]
        if chosen and (wrong := cipher_fault(chosen)):
            yield row.fault("ciphers", f"{shown(chosen)} {wrong}", f"leave it out, or write {USUAL_CIPHERS}")


def cipher_fault(chosen: str) -> str:
    """Why a list of ciphers cannot be used, or empty."""
    if not _CIPHER_LIST.fullmatch(chosen):
        return "is not a list of ciphers"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.set_ciphers(f"{SECURITY_LEVEL}:{chosen}")
    except ssl.SSLError:
        return "names no cipher that OpenSSL knows"
    for cipher in context.get_ciphers():
        name = cipher["name"]
        if not cipher["aead"] or int(cipher["strength_bits"]) < _BITS_MIN:
            return f"has {name}, which is weak"
        if cipher["kea"] in _NO_SECRECY or cipher["auth"] in _NOBODY:
            return f"has {name}, which opens the past with tomorrow's key or proves nobody"
    return ""


def _read_for(draft: Draft, row: Row, key: str) -> Generator[Fault, None, list[Certificate]]:
    try:
        return read_certificates(draft.file(row.good[key]))
    except ConfigError as error:
        yield _said(row, key, error)
        return []


def _said(row: Row, key: str, error: ConfigError) -> Fault:
    what, _, remedy = str(error).partition("; ")
    return row.fault(key, what, remedy)


def _worn(row: Row, key: str, one: Certificate, place: str) -> Iterator[Fault]:
    """What is weak keeps the switch from starting; what has ended only those who look at it."""
    name = f"{place}{shown(one.subject)}"
    if one.weak:
        yield row.fault(key, f"{name} {one.weak}", "have a new one made, with a P-256 key and SHA-256")
    now_ns = SystemClock().wall_ns()
    left = one.days_left(now_ns)
    if one.from_s > now_ns // NS_PER_S:
        what, remedy = f"{name} is not valid yet", "set the clock, or wait: until then everybody refuses it"
    elif left < 0:
        what, remedy = f"{name} ended on {one.until}", "renew it now: everybody refuses it (see docs/tls.md)"
    elif left <= CERTIFICATE_DAYS[0]:
        what, remedy = f"{name} ends in {counted(left, 'day')}, on {one.until}", "renew it (see docs/tls.md)"
    else:
        return
    yield row.fault(key, what, remedy)._replace(severity=WARNING)
