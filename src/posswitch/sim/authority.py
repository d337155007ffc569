"""A little certificate authority (P-256), for cities and tests: it says whatever it is asked to."""

import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from posswitch.base.moment import NS_PER_S
from posswitch.settings.clock import SystemClock

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_PEM = serialization.Encoding.PEM
_YEAR = (-1, 365)  # days from now


class Paper(NamedTuple):
    """A certificate and its key as PEM, and the certificate's SHA-256 in hex."""

    certificate: bytes
    key: bytes
    fingerprint: str

    def __repr__(self) -> str:
        return f"Paper({self.fingerprint[:16]}…)"

    def written(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Writes `name.pem`, and `name.key` for its owner's eyes."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_bytes(self.certificate)
        key.touch(mode=0o600)
        key.write_bytes(self.key)
        return certificate, key


class Authority:
    """Signs certificates; its own stands in `certificate` (PEM)."""

    def __init__(self, name: str = "posswitch city") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        signed = _dated(self._name, self._name, self._key.public_key(), _YEAR)
        signed = signed.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        signed = signed.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
        )
        self.certificate = signed.sign(self._key, hashes.SHA256()).public_bytes(_PEM)

    def __repr__(self) -> str:
        return f"Authority({self._name.rfc4514_string()})"

    def issue(
        self,
        name: str,
        hosts: Sequence[str] = (),
        days: tuple[int, int] = _YEAR,
        key: PrivateKey | None = None,
    ) -> Paper:
        """A certificate for `name` at `hosts` (names or addresses), valid from `days` to `days` from now."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        known = x509.SubjectAlternativeName([_host(host) for host in hosts] or [x509.DNSName(name)])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        signed = _dated(_named(name), self._name, key.public_key(), days)
        constraints = x509.BasicConstraints(ca=False, path_length=None)
        for extension, critical in ((constraints, True), (known, False), (usage, False), (issuer, False)):
            signed = signed.add_extension(extension, critical)
        certificate = signed.sign(self._key, hashes.SHA256())
        private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Paper(certificate.public_bytes(_PEM), private, certificate.fingerprint(hashes.SHA256()).hex())


def context_of(
    certificate: Path | None, key: Path | None, authorities: Path, *, serves: bool
) -> ssl.SSLContext:
    """How a simulated peer speaks TLS: both sides show certificates; it believes the authorities alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if serves else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authorities)
    if certificate is not None and key is not None:
        context.load_cert_chain(certificate, key)
    return context


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _dated(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    days: tuple[int, int],
) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(SystemClock().wall_ns() // NS_PER_S, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
    )
