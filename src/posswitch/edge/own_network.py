"""This machine's part of the way: interfaces, routes, neighbours, as /proc and /sys tell them."""

import fcntl
import ipaddress
import socket
import struct
from pathlib import Path
from typing import NamedTuple

_PROC, _SYS = Path("/proc/net"), Path("/sys/class/net")
_SIOCGIFADDR, _SIOCGIFFLAGS = 0x8915, 0x8913
_UP, _GATEWAY, _REJECT = 0x1, 0x2, 0x200
_COMPLETE = 0x2  # of an ARP entry
_ESTABLISHED = "01"
_MTU = 1500
_TABLE_BYTES_MAX = 4 << 20

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


class Way(NamedTuple):
    """Where packets to an address leave; `gateway` is empty where the host is on the same network."""

    interface: str
    source: str
    gateway: str


class Counted(NamedTuple):
    """Counters of an interface since it came."""

    errors: int = 0
    drops: int = 0
    received: int = 0
    sent: int = 0


def way_to(host: str) -> Way | None:
    """The route to an address; None when there is none."""
    ip = ipaddress.ip_address(host)
    source = _source(ip)
    if not source:
        return None
    if ip.is_loopback or source == str(ip):
        return Way("lo", source, "")
    read = _routes4 if ip.version == 4 else _routes6
    fitting = [row for row in read() if ip in row[0]]
    if not fitting:
        return Way("", source, "")
    longest = max(row[0].prefixlen for row in fitting)
    _, _, interface, gateway, rejects = min(
        (row for row in fitting if row[0].prefixlen == longest), key=lambda row: row[1]
    )
    return None if rejects else Way(interface, source, gateway)


def _source(ip: Ip) -> str:
    """Asks the kernel, which sends nothing for a connected datagram socket."""
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(ip), 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def _lines(path: Path) -> list[str]:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            return file.read(_TABLE_BYTES_MAX).splitlines()
    except OSError:
        return []


_Row = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int, str, str, bool]


def _routes4() -> list[_Row]:
    """Network, metric, interface, gateway, whether it rejects: /proc/net/route, in host byte order."""
    rows: list[_Row] = []
    for line in _lines(_PROC / "route")[1:]:
        name, network, gateway, flags, _, _, metric, mask, *_ = line.split()
        if int(flags, 16) & _UP:
            bits = bin(int(mask, 16)).count("1")
            via = str(_ip4(gateway)) if int(flags, 16) & _GATEWAY else ""
            place = ipaddress.IPv4Network((_ip4(network), bits), strict=False)
            rows.append((place, int(metric), name, via, bool(int(flags, 16) & _REJECT)))
    return rows


def _ip4(text: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(struct.pack("=I", int(text, 16)))


def _routes6() -> list[_Row]:
    rows: list[_Row] = []
    for line in _lines(_PROC / "ipv6_route"):
        network, bits, _, _, gateway, metric, _, _, flags, name = line.split()
        if int(flags, 16) & _UP:
            via = str(_ip6(gateway)) if int(flags, 16) & _GATEWAY else ""
            place = ipaddress.IPv6Network((_ip6(network), int(bits, 16)), strict=False)
            rows.append((place, int(metric, 16), name, via, bool(int(flags, 16) & _REJECT)))
    return rows


def _ip6(text: str) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(bytes.fromhex(text))


def counters(interface: str) -> Counted:
    """Errors, drops and bytes of an interface: /proc/net/dev."""
    for line in _lines(_PROC / "dev")[2:]:
        name, _, rest = line.partition(":")
        if name.strip() == interface:
            read = list(map(int, rest.split()))
            return Counted(read[2] + read[10], read[3] + read[11], read[0], read[8])
    return Counted()


def is_up(interface: str) -> bool:
    """Whether it is switched on and has a carrier; an interface that says nothing of it is up."""
    carrier = "".join(_lines(_SYS / interface / "carrier"))  # cannot be read while it is switched off
    return bool(_flags(interface) & _UP) and carrier != "0"


def mtu(interface: str) -> int:
    """The longest packet that leaves there, bytes."""
    said = "".join(_lines(_SYS / interface / "mtu"))
    return int(said) if said.isdecimal() else _MTU


def those_down() -> tuple[str, ...]:
    """Interfaces with an IPv4 address that are down: who would want a route over them."""
    return tuple(name for _, name in socket.if_nameindex() if not is_up(name) and _has_address(name))


def _flags(interface: str) -> int:
    said = "".join(_lines(_SYS / interface / "flags"))
    return int(said, 16) if said else _UP


def _has_address(interface: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            fcntl.ioctl(asking.fileno(), _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
        except OSError:
            return False
    return True


def neighbour(host: str, interface: str) -> str:
    """Whether a machine of our own network answers to its address: "there", "missing", empty = nobody knows.

    IPv4 only: /proc has no table of IPv6 neighbours.
    """
    for line in _lines(_PROC / "arp")[1:]:
        address, _, flags, _, _, device, *_ = line.split()
        if (address, device) == (host, interface):
            return "there" if int(flags, 16) & _COMPLETE else "missing"
    return ""


def standing_connections(host: str, port: int) -> int:
    """How many connections this machine has to an address and port: those of a node that runs, above all."""
    ip = ipaddress.ip_address(host)
    wanted = {_hexed(ip)} if ip.version == 6 else {_hexed(ip), _hexed(ipaddress.ip_address(f"::ffff:{ip}"))}
    count = 0
    for table in ("tcp", "tcp6"):
        for line in _lines(_PROC / table)[1:]:
            _, _, remote, state, *_ = line.split()
            address, _, number = remote.partition(":")
            count += state == _ESTABLISHED and int(number, 16) == port and address in wanted
    return count


def _hexed(ip: Ip) -> str:
    """An address as /proc/net/tcp writes it: words of 32 bits in host byte order."""
    words = struct.unpack("=4I" if ip.version == 6 else "=I", ip.packed)
    return "".join(f"{word:08X}" for word in words)
