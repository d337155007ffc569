"""TLS as the node speaks it: its certificate, whom it believes, and why a handshake failed."""

import hashlib
import ssl
from asyncio import BaseTransport
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from posswitch.base.bounds import CLOSING_SECONDS_MAX, HANDSHAKE_SECONDS_MAX
from posswitch.base.errors import ConfigError
from posswitch.base.registry import Address, Bank
from posswitch.edge.expiry import Expiry
from posswitch.settings.certificates import (
    SECURITY_LEVEL,
    USUAL_CIPHERS,
    read_certificates,
    read_public_key,
)
from posswitch.settings.config import TlsPlan
from posswitch.settings.finding import one_line

log = structlog.get_logger()

# What OpenSSL says of a handshake, by the beginning of its reason; the first row that fits.
_REASONS = (
    ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "no-certificate"),
    ("UNSUPPORTED_PROTOCOL", "version"),
    ("VERSION_TOO_LOW", "version"),
    ("INAPPROPRIATE_FALLBACK", "version"),
    ("TLSV1_ALERT_PROTOCOL_VERSION", "version"),
    ("NO_S", "cipher"),  # no shared cipher, no suitable group, key share, signature algorithm
    ("SSLV3_ALERT_HANDSHAKE_FAILURE", "cipher"),
    ("TLSV1_ALERT_INSUFFICIENT_SECURITY", "cipher"),
    ("WRONG_VERSION_NUMBER", "not-tls"),
    ("HTTP", "not-tls"),
    ("UNEXPECTED_MESSAGE", "not-tls"),
    ("PACKET_LENGTH_TOO_LONG", "not-tls"),
    ("EE_KEY_TOO_SMALL", "weak"),
    ("CA_", "weak"),
    ("TLSV1_ALERT", "refused"),  # the other side's word about us
    ("TLSV13_ALERT", "refused"),
    ("SSLV3_ALERT", "refused"),
    ("UNEXPECTED_EOF", "cut"),
)
# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_VERDICTS = (
    ("not-yet-valid", (9,)),
    ("expired", (10,)),
    ("unknown-authority", (2, 18, 19, 20, 21, 24, 27, 28)),
    ("name", (62, 64)),
    ("weak", (66, 67, 68)),
    ("purpose", (26,)),
)
_VERDICT_OF = {code: why for why, codes in _VERDICTS for code in codes}


def why_failed(error: Exception) -> str:
    """Why a handshake failed, in one word; empty when it was not the handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERDICT_OF.get(getattr(error, "verify_code", 0), "untrusted")
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or ""  # asyncio raises some of its own
        return next((why for begins, why in _REASONS if reason.startswith(begins)), "damaged")
    if isinstance(error, NotEquipped):
        return "not-set-up"
    if isinstance(error, ConnectionAbortedError):  # asyncio's word for a handshake that takes too long
        return "deadline"
    return "cut" if isinstance(error, ConnectionResetError | BrokenPipeError) else ""


class NotEquipped(ConnectionRefusedError):
    """A TLS address, and a node without `[tls]`."""


def certificate_of(transport: BaseTransport | None) -> str:
    """The SHA-256 of the other side's certificate in hex, empty in clear text."""
    spoken = transport.get_extra_info("ssl_object") if transport is not None else None
    shown = spoken.getpeercert(binary_form=True) if spoken is not None else None
    return hashlib.sha256(shown).hexdigest() if shown else ""


def subject_of(certificate: Mapping[str, Any] | None) -> str:
    """Whom a certificate is for, as ssl describes it; bounded, in one line."""
    names = (certificate or {}).get("subject", ())
    return one_line(", ".join(f"{name}={value}" for group in names for name, value in group))[:200]


class Tls:
    """The contexts of both sides, made anew when their files change; without a plan there is no TLS."""

    def __init__(self, plan: TlsPlan | None, wall_ns: Callable[[], int]) -> None:
        """Raises ConfigError when the files cannot be used."""
        self._plan = plan
        self.expiry = Expiry(wall_ns)
        self._seen: object = None
        self.server: ssl.SSLContext | None = None
        self._named: ssl.SSLContext | None = None
        self._pinned: ssl.SSLContext | None = None
        if plan is not None:
            self._seen = _traces(plan)
            self._load(plan)

    def __repr__(self) -> str:
        return f"<tls {self.expiry!r}>" if self._plan is not None else "<no tls>"

    def _load(self, plan: TlsPlan) -> None:
        own, believed = read_certificates(plan.certificate), read_certificates(plan.authorities)
        if own[0].public != read_public_key(plan.key):
            raise ConfigError(f"{plan.key}: does not fit {plan.certificate}; name the key it was made for")
        try:
            server, named, pinned = (_context(plan, role) for role in ("server", "named", "pinned"))
        except (OSError, ValueError) as error:  # SSLError is one
            why = getattr(error, "reason", None) or type(error).__name__
            raise ConfigError(f"tls: the files cannot be used ({why}); see posswitch check") from None
        self.server, self._named, self._pinned = server, named, pinned
        self.expiry.own([*own, *believed])

    def refresh(self) -> None:
        """Takes renewed files, also while the node runs; files that cannot be used change nothing."""
        if self._plan is None:
            return
        self.expiry.look()
        traces = _traces(self._plan)
        if traces == self._seen:
            return
        self._seen = traces
        try:
            self._load(self._plan)
        except ConfigError as error:
            log.warning("certificates", problem=str(error), goes_on="with the old ones")
        else:
            log.info("certificates", taken="anew")

    def toward(self, bank: Bank, address: Address) -> dict[str, Any]:
        """How to connect to an address of a bank, for asyncio; NotEquipped when it cannot be done."""
        if not address.tls:
            return {}
        context = self._pinned if bank.certificates else self._named
        if context is None:
            raise NotEquipped
        return {"ssl": context, **_PATIENCE}

    def accepting(self) -> dict[str, Any]:
        """How to take a connection, for asyncio."""
        return {"ssl": self.server, **_PATIENCE}

    def patience_s(self) -> float:
        """How long a hello, and then the rest of a handshake, may take."""
        return _PATIENCE["ssl_handshake_timeout"]


_PATIENCE = {"ssl_handshake_timeout": HANDSHAKE_SECONDS_MAX, "ssl_shutdown_timeout": CLOSING_SECONDS_MAX}


def _context(plan: TlsPlan, role: str) -> ssl.SSLContext:
    """TLS 1.2 or 1.3, certificates on both sides, no tickets: what was proven before does not count.

    TLS 1.2 can still take up a session of this context by its id (ssl offers no switch): see Expiry.ended.
    """
    serves = role == "server"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if serves else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = role == "named"
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_SINGLE_ECDH_USE
    if serves:
        context.num_tickets = 0
    context.set_ciphers(f"{SECURITY_LEVEL}:{plan.ciphers or USUAL_CIPHERS}")
    context.load_cert_chain(plan.certificate, plan.key, password=_nobody_types)
    context.load_verify_locations(plan.authorities)
    return context


def _nobody_types() -> str:
    """Instead of a prompt at the terminal that a node may have been started from."""
    return ""


def _traces(plan: TlsPlan) -> object:
    """What changes when one of the files does."""
    return [_trace(path) for path in (plan.certificate, plan.key, plan.authorities)]


def _trace(path: Path) -> object:
    try:
        stat = path.stat()
    except OSError as error:
        return error.errno
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
