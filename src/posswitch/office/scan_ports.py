"""The scan's look at ports: who listens on this machine, and what the configuration needs."""

import contextlib
import ipaddress
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from posswitch.base.registry import TLS, Address
from posswitch.office.scan_finding import Premises, Weakness, weak
from posswitch.settings.address import is_loopback
from posswitch.settings.networks import Ip

_LISTENS = "0A"  # TCP_LISTEN
_ROWS_MAX = 10_000
_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
_LOCAL = re.compile(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL")


class Listener(NamedTuple):
    """Who waits for connections: where, the socket's inode."""

    ip: Ip
    port: int
    inode: str

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if self.ip.version == 6 else f"{self.ip}:{self.port}"


def listeners(proc: Path) -> Iterator[Listener]:
    """Every listening TCP socket of this machine (of this network namespace)."""
    for name in ("tcp", "tcp6"):
        try:
            rows = (proc / "net" / name).read_text("ascii").splitlines()[1:_ROWS_MAX]
        except OSError:
            continue
        for row in rows:
            words = row.split()
            if words[3] == _LISTENS:
                host, _, port = words[1].partition(":")
                yield Listener(_ip(host), int(port, 16), words[9])


def _ip(text: str) -> Ip:
    """An address as the kernel writes it: 32-bit words in this machine's order."""
    raw = bytes.fromhex(text)
    words = [raw[at : at + 4] for at in range(0, len(raw), 4)]
    ip = ipaddress.ip_address(b"".join(word[::-1] if sys.byteorder == "little" else word for word in words))
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def ports(premises: Premises) -> Iterator[Weakness]:
    """Listeners that nothing in the configuration asks for."""
    config = premises.config
    assert config is not None
    wanted = {config.listen.port, *config.scan.ports, *config.firewall.ports}
    beside = _peers(premises)
    holders: dict[str, int] = {}
    for one in sorted(set(listeners(premises.proc)), key=str):
        if one.port in wanted or (one.ip.is_loopback and one.port in beside):
            continue
        holders = holders or _holders(premises.proc)
        pid = holders.get(one.inode, 0)
        name = "port-local" if one.ip.is_loopback else "port-unexpected"
        if pid > 1:
            yield weak(name, one, f"ps -fp {pid}", what=f"{_program(premises.proc, pid)} (process {pid})")
        else:
            named = ", ".join(map(str, [*config.scan.ports, one.port]))
            yield weak(name, one, f"ports = [{named}]", "scan", what="?")


def _peers(premises: Premises) -> set[int]:
    """The ports of banks and HSMs that are reached on this machine's loopback."""
    config = premises.config
    assert config is not None
    registry = premises.desk.registry if premises.desk is not None else config.registry
    links = [link for bank in registry.banks.values() for link in bank.links]
    links += config.hsm.links if config.hsm is not None else ()
    return {link.port for link in links if is_loopback(link)}


def _holders(proc: Path) -> dict[str, int]:
    """Which process has a socket open; the oldest of several."""
    found: dict[str, int] = {}
    for folder in sorted(proc.glob("[0-9]*/fd"), key=lambda path: -int(path.parent.name)):
        with contextlib.suppress(OSError):
            for link in folder.iterdir():
                with contextlib.suppress(OSError):
                    kind, _, inode = str(link.readlink()).partition("[")
                    if kind == "socket:":
                        found[inode.rstrip("]")] = int(folder.parent.name)
    return found


def _program(proc: Path, pid: int) -> str:
    try:
        return (proc / str(pid) / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "a program"


def addresses(premises: Premises) -> Iterator[Weakness]:
    """What the configuration itself leaves open: every address, clear text, trial settings."""
    config = premises.config
    assert config is not None
    listen = config.listen
    if listen.host in _ANY:
        line = f'listen = "{listen._replace(host=_own(premises.proc))}"'
        yield weak("port-everywhere", listen, line, "node")
    if not listen.tls and (config.production or not is_loopback(listen)):
        yield weak("clear-terminals", listen, f'listen = "{listen._replace(scheme=TLS)}"', "node")
    registry = premises.desk.registry if premises.desk is not None else config.registry
    for bank in registry.banks.values():
        if any(not link.tls and (config.production or not is_loopback(link)) for link in bank.links):
            yield weak("clear-bank", f"bank {bank.id}", _links(bank.links), "bank")
    if not config.production:
        yield weak("trial-setting", premises.path, "production = true", "node")


def _links(links: tuple[Address, ...]) -> str:
    spoken = ", ".join(f'"{link._replace(scheme=TLS)}"' for link in links)
    return f"links = [{spoken}]"


def _own(proc: Path) -> str:
    """The first address of this machine that others reach."""
    try:
        text = (proc / "net" / "fib_trie").read_text("ascii")
    except OSError:
        return "127.0.0.1"
    return next((ip for ip in _LOCAL.findall(text) if not ip.startswith("127.")), "127.0.0.1")
