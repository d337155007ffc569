"""The scan's look at TLS: what our listen address really accepts, and the certificates behind it."""

import contextlib
import shlex
import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from posswitch.base.errors import ConfigError
from posswitch.base.registry import Address
from posswitch.office.inventory import EXPIRED, EXPIRING, state_of
from posswitch.office.scan_finding import Premises, Weakness, weak
from posswitch.settings.certificates import Certificate, cipher_fault, read_certificates
from posswitch.settings.finding import one_line

_EVERYTHING = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
_OLD = (("TLS 1.0", ssl.TLSVersion.TLSv1), ("TLS 1.1", ssl.TLSVersion.TLSv1_1))
_WAIT_S = 2.0
_HANDSHAKE, _SERVER_HELLO = 22, 2  # RFC 5246, 6.2.1 and 7.4
_RECORD_HEAD, _SUITE_AFTER_SESSION = 5, 39
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - called, not bound


def handshakes(premises: Premises) -> Iterator[Weakness]:
    """Hellos of old versions and with weak suites alone: each must be refused."""
    config = premises.config
    assert config is not None
    if not config.listen.tls:
        return
    listen, again = config.listen, f"posswitch run -c {shlex.quote(str(premises.path))}"
    try:
        old = [what for what, version in _OLD if _asked(listen, _hello(version, version))]
        suites = _weak_suites()
        chosen = _asked(listen, _hello(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, list(suites.values())))
        usual = _asked(listen, _hello(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3))
    except OSError:
        yield weak("tls-unseen", listen, again)
        return
    if not (old or chosen or usual):
        yield weak("tls-not-spoken", listen, again)
    for what in old:
        yield weak("tls-old", listen, again, what=what)
    if chosen:
        yield weak("tls-weak-suite", listen, again, what=suites.get(chosen, f"{chosen:04X}"))


def _context(lowest: ssl.TLSVersion, highest: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is said to this server
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are asked for on purpose
        context.minimum_version, context.maximum_version = lowest, highest
    context.set_ciphers(_EVERYTHING)
    return context


def _weak_suites() -> dict[int, str]:
    """Suites of TLS 1.2 that this OpenSSL can offer and no configuration may."""
    offered = _context(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2).get_ciphers()
    return {int(one["id"]) & 0xFFFF: one["name"] for one in offered
            if one["protocol"] != "TLSv1.3" and cipher_fault(one["name"])}  # fmt: skip


def _hello(lowest: ssl.TLSVersion, highest: ssl.TLSVersion, suites: list[str] | None = None) -> bytes:
    """The first bytes of a client that can do no more than this."""
    context = _context(lowest, highest)
    if suites is not None:
        context.set_ciphers(f"{':'.join(suites)}:@SECLEVEL=0")
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLError):  # it wants to read, or has no such version
        context.wrap_bio(coming, going, server_hostname=None).do_handshake()
    return going.read()


def _asked(address: Address, hello: bytes) -> int:
    """The suite that a server chooses for a hello, 0 when it refuses; OSError when nobody listens."""
    where = (_ANY.get(address.host, address.host), address.port)
    with socket.create_connection(where, _WAIT_S) as line:
        try:
            line.sendall(hello)
            head = _exactly(line, _RECORD_HEAD)
            body = _exactly(line, min(int.from_bytes(head[3:5]), 1 << 14)) if head[0] == _HANDSHAKE else b""
        except OSError:
            return 0
    if body[0:1] != bytes([_SERVER_HELLO]) or len(body) < _SUITE_AFTER_SESSION:
        return 0
    at = _SUITE_AFTER_SESSION + body[_SUITE_AFTER_SESSION - 1]
    return int.from_bytes(body[at : at + 2])


def _exactly(line: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = line.recv(size - len(got))
        if not more:
            raise ConnectionResetError
        got += more
    return got


def certificates(premises: Premises) -> Iterator[Weakness]:
    """Our own certificate and those that we believe: ends, key sizes, who signed."""
    config = premises.config
    if config is None or config.tls is None:
        return
    for path, own in ((config.tls.certificate, True), (config.tls.authorities, False)):
        fix = _renewal(config.tls.key) if own else f"posswitch keys list -c {shlex.quote(str(premises.path))}"
        try:
            found = read_certificates(path)
        except ConfigError:
            yield weak("certificate-unreadable", path, fix)
            continue
        for one in found:
            yield from _worn(one, path, fix, premises.now_ns)
        if own and found and _self_signed(path):
            yield weak("certificate-self-signed", path, fix, what=found[0].subject)


def _worn(one: Certificate, path: Path, fix: str, now_ns: int) -> Iterator[Weakness]:
    state = state_of(one.days_left(now_ns))
    for name, true in (("certificate-ended", state == EXPIRED), ("certificate-ends", state == EXPIRING)):
        if true:
            yield weak(name, path, fix, what=f"{one.subject} ({one.until})")
    if one.weak:
        yield weak("certificate-weak", path, fix, what=f"{one.subject} {one.weak}")


def _renewal(key: Path) -> str:
    """Makes a new key and what an authority signs; both are put in place by hand, see docs/tls.md."""
    new, request = (shlex.quote(str(key.with_suffix(end))) for end in (".new.key", ".csr"))
    name = shlex.quote(f"/CN={one_line(socket.gethostname())}")
    kind = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    return f"openssl req -new {kind} -nodes -subj {name} -keyout {new} -out {request}"


def _self_signed(path: Path) -> bool:
    one = x509.load_pem_x509_certificates(path.read_bytes())[0]
    try:
        one.verify_directly_issued_by(one)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
