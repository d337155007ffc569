"""Addresses as they are written, whether two mean the same endpoint, whether one is of this machine."""

import ipaddress
import re
import socket
from contextlib import closing

from posswitch.base.registry import CLEAR, TLS, Address

_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_-]{1,63})*\.?")
_HERE = ("localhost", "127.0.0.1", "::1")
_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def read_address(text: str) -> tuple[Address | None, str]:
    """The address in a text (`tls://host:port`, `clear://…`, or bare), or None and what is wrong with it."""
    scheme, named, place = text.rpartition("://")
    if named and scheme not in (TLS, CLEAR):
        return None, "begins neither with tls:// nor with clear://"
    host, _, port = place.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()):
        return None, "is not host:port"
    if not 0 < int(port[-6:]) < 65536 or len(port) > 5:
        return None, "is not host:port, the port is not from 1 to 65535"
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not (_ip(bare) or (_HOST.fullmatch(bare) and not re.fullmatch(r"[0-9.]+", bare))):
        return None, "is not host:port, the host is neither an IP address nor a name"
    return Address(bare, int(port), scheme), ""


def address_of(text: str) -> Address:
    """The address in a text that was found to hold one."""
    address, wrong = read_address(text)
    assert address is not None, wrong
    return address


def endpoint(address: Address) -> Address:
    """The address as every spelling of it is compared."""
    ip = _ip(address.host)
    host = str(ip) if ip else address.host.casefold().rstrip(".")
    return Address("127.0.0.1" if host == "localhost" else host, address.port)


def is_loopback(address: Address) -> bool:
    """Whether what is sent there stays on this machine."""
    ip = _ip(address.host)
    return address.host in _HERE or (ip is not None and ip.is_loopback)


def reaches(link: Address, listen: Address) -> bool:
    """Whether a link would arrive at the address where we listen."""
    link, listen = endpoint(link), endpoint(listen)
    if link.port != listen.port:
        return False
    here = link.host in (*_HERE, *_ANY) or link.host.startswith("127.")
    return link.host == listen.host or (listen.host in _ANY and here)


def unbindable(address: Address) -> str:
    """Why nobody can listen at this host of this machine, or nothing; its port is not tried."""
    try:
        kinds = socket.getaddrinfo(address.host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, where in kinds:
            with closing(socket.socket(family, kind, protocol)) as probe:
                probe.bind(where)
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or "not a host name"
    return ""


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
