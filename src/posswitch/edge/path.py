"""The way to a bank, walked once: all its links at the same time, none longer than 15 s."""

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec

from posswitch.base.bounds import LINKS_PER_BANK_MAX
from posswitch.base.registry import Address, Bank, Line
from posswitch.edge import own_network
from posswitch.edge.bank_echo import ECHO_SECONDS_MAX, echo, spoken_instead
from posswitch.edge.bank_reach import (
    CONNECT_SECONDS_MAX,
    NAME_SECONDS_MAX,
    TLS_SECONDS_MAX,
    Reach,
    connect,
    ms_since,
    resolved,
    shake_hands,
)
from posswitch.edge.icmp import ping
from posswitch.edge.path_facts import Facts, Interface, Route, Tls
from posswitch.edge.tls import Tls as Contexts
from posswitch.settings.config import Config

LINK_SECONDS_MAX = 13.5  # and the second in which bytes are counted
_COUNTED_S = 1.0  # after the last ping: what others send
_GATEWAY_PINGS, _HOST_PINGS, _LARGE_PINGS = 10, 20, 3
_GATEWAY_WAIT_S, _HOST_WAIT_S = 0.5, 1.0
_STALE_SECONDS_MAX = 10.0  # until the kernel has asked a neighbour again that it only remembers
_LOOK_EVERY_S = 0.2


class Asked(NamedTuple):
    """Which link is walked, and what was known of it before."""

    bank: Bank
    number: int  # 1 is the first
    before: tuple[str, ...] = ()  # addresses of its name
    was_fine: bool = False

    @property
    def address(self) -> Address:
        """Where it leads."""
        return self.bank.links[self.number - 1]

    @property
    def line(self) -> Line:
        """What is known of the line under it."""
        lines = self.bank.lines
        return lines[self.number - 1] if len(lines) >= self.number else Line()


def walk_all(links: list[Asked], config: Config, now_ns: Callable[[], int]) -> list[Facts]:
    """Every link, at the same time; raises ConfigError when our own TLS files cannot be used."""
    contexts = Contexts(config.tls if any(link.address.tls for link in links) else None, now_ns)
    with ThreadPoolExecutor(min(len(links), LINKS_PER_BANK_MAX)) as pool:
        walked = list(pool.map(lambda link: walk(link, config, contexts, now_ns), links))
    return _with_bytes(walked)


def _with_bytes(walked: list[Facts]) -> list[Facts]:
    """Bytes a second of each interface now, without those of these looks."""
    names = {facts.interface.name for facts in walked if facts.interface is not None}
    began, before = time.monotonic(), {name: own_network.counters(name) for name in sorted(names)}
    time.sleep(_COUNTED_S)
    span_ms, bytes_s = ms_since(began), dict[str, int]()
    for name, was in before.items():
        now = own_network.counters(name)
        bytes_s[name] = int(max(now.received - was.received, now.sent - was.sent) * 1000 / span_ms)
    replace = msgspec.structs.replace
    return [
        replace(one, interface=replace(one.interface, bytes_s=bytes_s[one.interface.name]))
        if one.interface is not None
        else one
        for one in walked
    ]


def walk(asked: Asked, config: Config, contexts: Contexts, now_ns: Callable[[], int]) -> Facts:
    """One link, as far as it goes."""
    began = time.monotonic()

    def left(most: float = LINK_SECONDS_MAX) -> float:
        return max(0.0, min(most, began + LINK_SECONDS_MAX - time.monotonic()))

    place = asked.address
    facts = Facts(asked.number, place, contracted_kbit=asked.line.bandwidth_kbit)
    ip = place.host
    if not _is_ip(ip):
        name = resolved(place.host, place.port, asked.before, left(NAME_SECONDS_MAX))
        facts = msgspec.structs.replace(facts, name=name)
        if not name.addresses:
            return _ended(facts, began, _own_alone())
        ip = name.addresses[0]
    way = own_network.way_to(ip)
    if way is None:
        return _ended(msgspec.structs.replace(facts, route=Route(found=False)), began, _own_alone())
    before, counted_from = own_network.counters(way.interface), time.monotonic()
    reach = Reach(asked.bank, place, ip, contexts, config.tls, now_ns)
    facts, line = _beyond(facts, reach, way, left)
    if line is not None:
        facts = _conversation(facts, line, reach, config.centre, asked.was_fine, left)
    return _ended(facts, began, _interface(way, before, counted_from))


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _ended(facts: Facts, began: float, interface: Interface) -> Facts:
    return msgspec.structs.replace(facts, interface=interface, ms=ms_since(began))


def _own_alone() -> Interface:
    """What can be said of this machine when nobody knows which interface a route would use."""
    down = own_network.those_down()
    return Interface(name=down[0] if down else "", up=not down, down=down)


def _interface(way: own_network.Way, before: own_network.Counted, began: float) -> Interface:
    name = way.interface
    after = own_network.counters(name)
    return Interface(
        name,
        way.source,
        own_network.is_up(name),
        own_network.mtu(name),
        after.errors - before.errors,
        after.drops - before.drops,
        span_ms=ms_since(began),
        down=own_network.those_down(),
    )


def _beyond(
    facts: Facts, reach: Reach, way: own_network.Way, left: Callable[..., float]
) -> tuple[Facts, socket.socket | None]:
    """Gateway, pings, TCP."""
    began = time.monotonic()
    gateway = ping(way.gateway, _GATEWAY_PINGS, 0, 0, _GATEWAY_WAIT_S, left) if _is_ip4(way.gateway) else None
    gateway_ms = ms_since(began)
    icmp = ping(reach.ip, _HOST_PINGS, _LARGE_PINGS, own_network.mtu(way.interface), _HOST_WAIT_S, left)
    line, tcp = connect(reach.ip, reach.address.port, left(CONNECT_SECONDS_MAX))
    back = len(gateway.rtts_ms) if gateway is not None else 0
    beside = way.gateway or reach.ip
    if tcp.why == "timed-out" and not back:
        _until_asked_again(beside, way.interface, began, left)
    neighbour = own_network.neighbour(beside, way.interface)
    sent = gateway.sent if gateway is not None and gateway.why != "not-allowed" else 0
    route = Route(True, way.gateway, neighbour, sent, back, gateway_ms)
    return msgspec.structs.replace(facts, route=route, icmp=icmp, tcp=tcp), line


def _is_ip4(gateway: str) -> bool:
    return bool(gateway) and ":" not in gateway  # those of IPv6 are link-local: no socket without a scope


def _until_asked_again(host: str, interface: str, began: float, left: Callable[..., float]) -> None:
    """A neighbour that is only remembered looks as if it were there, until the kernel has asked in vain."""
    while own_network.neighbour(host, interface) == "there" and left():
        if time.monotonic() - began > _STALE_SECONDS_MAX:
            return
        time.sleep(_LOOK_EVERY_S)


def _conversation(
    facts: Facts,
    line: socket.socket,
    reach: Reach,
    centre: str,
    was_fine: bool,
    left: Callable[..., float],
) -> Facts:
    """TLS where it is spoken, then echoes; other dialects only where ours was never answered."""
    spoken, tls = _secured(line, reach, left)
    if spoken is None:
        return msgspec.structs.replace(facts, tls=tls)
    standing = facts.tcp.standing if facts.tcp is not None else 0
    try:
        with spoken:
            said = echo(spoken, reach.bank, centre, reach.now_ns, left(ECHO_SECONDS_MAX))
    except ssl.SSLError:  # in TLS 1.3 the bank says so after the handshake
        assert tls is not None
        return msgspec.structs.replace(facts, tls=msgspec.structs.replace(tls, why="refused"))
    if said.why in ("silent", "closed", "unreadable") and not (standing or was_fine):
        speaks = spoken_instead(reach.bank, lambda: _opened(reach, left), centre, reach.now_ns, left)
        said = msgspec.structs.replace(said, speaks=speaks)
    return msgspec.structs.replace(facts, tls=tls, echo=said)


def _secured(
    line: socket.socket, reach: Reach, left: Callable[..., float]
) -> tuple[socket.socket | None, Tls | None]:
    return shake_hands(line, reach, left(TLS_SECONDS_MAX)) if reach.address.tls else (line, None)


def _opened(reach: Reach, left: Callable[..., float]) -> socket.socket | None:
    """Another connection over which messages can go."""
    line, _ = connect(reach.ip, reach.address.port, left(CONNECT_SECONDS_MAX))
    return None if line is None else _secured(line, reach, left)[0]
