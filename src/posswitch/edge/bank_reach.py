"""How far a connection to a bank gets: its name, TCP, TLS; each step once, by itself, within its time."""

import errno
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from posswitch.base.errors import ConfigError
from posswitch.base.registry import Address, Bank
from posswitch.edge.own_network import standing_connections
from posswitch.edge.path_facts import Name, Tcp, Tls
from posswitch.edge.tls import NotEquipped, why_failed
from posswitch.edge.tls import Tls as Contexts
from posswitch.settings.certificates import Certificate, read_certificates, read_shown
from posswitch.settings.config import TlsPlan

NAME_SECONDS_MAX, CONNECT_SECONDS_MAX, TLS_SECONDS_MAX = 3.0, 4.5, 3.0
_LOOK_SECONDS_MAX = 1.0
_WHY = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timed-out",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EPERM: "own-firewall",
    errno.EACCES: "own-firewall",
    errno.EADDRNOTAVAIL: "no-port",
}
_INFO_BYTES = 104
_UNACKED_AT, _RESENT_AT = 24, 100  # in struct tcp_info of linux/tcp.h


class Reach(NamedTuple):
    """An address of a bank that was resolved, and how TLS is spoken there."""

    bank: Bank
    address: Address
    ip: str
    contexts: Contexts
    plan: TlsPlan | None
    now_ns: Callable[[], int]


def ms_since(began: float) -> float:
    """Milliseconds since a moment of the monotonic clock."""
    return (time.monotonic() - began) * 1000


def resolved(host: str, port: int, before: tuple[str, ...], seconds: float) -> Name:
    """What a host name leads to; the system's resolver has no time limit of its own, so it is left behind."""
    began, found, why = time.monotonic(), list[str](), ["silent"]

    def ask() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            again = getattr(error, "errno", None) == socket.EAI_AGAIN
            why[0] = "silent" if again else "unknown"
        else:
            found.extend(dict.fromkeys(str(row[4][0]) for row in rows))
            why[0] = ""

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return Name(tuple(found), before, why[0], ms_since(began))


def connect(ip: str, port: int, seconds: float) -> tuple[socket.socket | None, Tcp]:
    """A TCP connection, or why there is none."""
    standing, began = standing_connections(ip, port), time.monotonic()
    try:
        line = socket.create_connection((ip, port), seconds)
    except TimeoutError:
        return None, Tcp("timed-out", standing, ms_since(began))
    except OSError as error:
        return None, Tcp(_WHY.get(error.errno or 0, "unreachable"), standing, ms_since(began))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line, Tcp("", standing, ms_since(began))


def shake_hands(line: socket.socket, to: Reach, seconds: float) -> tuple[ssl.SSLSocket | None, Tls]:
    """A TLS handshake as the node makes it, or why it failed; with what the other side shows."""
    began, own = time.monotonic(), _own_days_left(to)
    line.settimeout(seconds)
    try:
        context = to.contexts.toward(to.bank, to.address)["ssl"]
        spoken = context.wrap_socket(line, server_hostname=to.address.host)
    except (OSError, ValueError) as error:
        line.close()
        why = "deadline" if isinstance(error, TimeoutError) else why_failed(error) or "damaged"
        took = ms_since(began)
        looks = isinstance(error, ssl.SSLError) and why not in ("not-tls", "cut")
        shown = _look(to) if looks else None
        if why == "purpose" and shown is not None and shown.from_s > to.now_ns() // 10**9:
            why = "not-yet-valid"
        return None, _told(Tls(why, own_days_left=own, ms=took), shown, to.now_ns())
    shown = read_shown(spoken.getpeercert(binary_form=True) or b"")
    listed = not to.bank.certificates or (shown is not None and shown.fingerprint in to.bank.certificates)
    suite = (spoken.cipher() or ("",))[0]
    told = Tls(
        "" if listed else "unregistered", spoken.version() or "", suite, "", None, own, ms_since(began)
    )
    if listed:
        return spoken, _told(told, shown, to.now_ns())
    spoken.close()
    return None, _told(told, shown, to.now_ns())


def _told(tls: Tls, shown: Certificate | None, now_ns: int) -> Tls:
    if shown is None:
        return tls
    known = tls.version, tls.suite, shown.subject, shown.days_left(now_ns)
    return Tls(tls.why, *known, tls.own_days_left, tls.ms)


def _look(to: Reach) -> Certificate | None:
    """The certificate that the node does not accept: looked at over a connection that carries nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent: it only says who is there
    try:
        with (
            socket.create_connection((to.ip, to.address.port), _LOOK_SECONDS_MAX) as line,
            context.wrap_socket(line, server_hostname=to.address.host) as spoken,
        ):
            return read_shown(spoken.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError):
        return None


def _own_days_left(to: Reach) -> int | None:
    if to.plan is None:
        return None
    try:
        return read_certificates(to.plan.certificate)[0].days_left(to.now_ns())
    except (ConfigError, NotEquipped, IndexError):
        return None


def sent_and_acknowledged(line: socket.socket) -> tuple[bool, int]:
    """Whether the other machine has all that was sent, and how many segments were sent again: TCP_INFO."""
    info = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    if len(info) < _INFO_BYTES:
        return True, 0
    unacked, resent = (struct.unpack_from("=I", info, at)[0] for at in (_UNACKED_AT, _RESENT_AT))
    return unacked == 0, int(resent)
