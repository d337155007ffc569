"""The firewall of a configuration as an nftables ruleset: its own table, of checked addresses."""

import socket
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from posswitch.base.bounds import CONNECTIONS_MAX
from posswitch.base.errors import OfficeError
from posswitch.base.registry import Address, Registry
from posswitch.office.firewall_bans import Ban
from posswitch.settings.config import Config
from posswitch.settings.networks import Ip, Network, read_ip, read_network

TABLE = "inet posswitch"
REMOVAL = f"table {TABLE}\ndelete table {TABLE}\n"  # the first line makes the second one always possible
SOURCES_MAX = 65535  # that are counted at once
_FAMILIES = ((4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr"))
_OPENS = "tcp flags & (fin | syn | rst | ack) == syn"
_NEIGHBOURS = "nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert"
_LISTS = ("terminals", "known", "administration")

Peer = tuple[Ip, int]


class Plan(NamedTuple):
    """What the ruleset is made of, everything of it checked."""

    port: int
    networks: dict[str, list[Network]]
    peers: list[Peer]
    bans: list[tuple[Ip, int]]  # and the seconds that are left


def plan_of(config: Config, registry: Registry, bans: Iterable[Ban], now_s: int) -> Plan:
    """What a configuration asks for; OfficeError for a bank or HSM whose name leads nowhere."""
    lists = {key: list(_networks(getattr(config.firewall, key))) for key in _LISTS}
    links = [link for bank in registry.banks.values() for link in bank.links]
    links += config.hsm.links if config.hsm is not None else ()
    peers = sorted({peer for link in links for peer in _peers(link)}, key=str)
    left = [(ip, ban.until_s - now_s) for ban in bans if (ip := read_ip(ban.address)) is not None]
    return Plan(config.listen.port, lists, peers, [(ip, seconds) for ip, seconds in left if seconds > 0])


def _networks(texts: Iterable[str]) -> Iterator[Network]:
    for text in texts:
        network = read_network(text)
        if network is None:
            raise OfficeError("firewall: not a network; see posswitch check")
        yield network


def _peers(link: Address) -> Iterator[Peer]:
    """A link's addresses: its own, or those of its name now."""
    if (ip := read_ip(link.host)) is not None:
        yield ip, link.port
        return
    try:
        found = socket.getaddrinfo(link.host, link.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise OfficeError(f"{link}: its name leads nowhere; write its address, or mend the names") from None
    for *_, where in found:
        if (ip := read_ip(str(where[0]))) is not None:
            yield ip, link.port


def ruleset(config: Config, plan: Plan) -> str:
    """The text for `nft -f`: it takes the place of the table that stands, in one step or not at all."""
    lines = [f"table {TABLE} {{"]
    for version, _, kind in _FAMILIES:
        lines += _sets(plan, version, kind)
    lines += _chain(
        "input", "type filter hook input priority filter - 10; policy drop;", _input(config, plan)
    )
    lines += _chain("terminals", "", _terminals(config, plan))
    lines += _chain("output", "type filter hook output priority filter - 10; policy accept;", _output(plan))
    return REMOVAL + "\n".join([*lines, "}", ""])


def _sets(plan: Plan, version: int, kind: str) -> Iterator[str]:
    for name, networks in plan.networks.items():
        members = [str(one) for one in networks if one.version == version]
        yield _set(f"{name}{version}", f"type {kind}; flags interval; auto-merge;", members)
    banned = [f"{ip} timeout {seconds}s" for ip, seconds in plan.bans if ip.version == version]
    yield _set(f"banned{version}", f"type {kind}; size {SOURCES_MAX}; flags timeout;", banned)
    peers = [f"{ip} . {port}" for ip, port in plan.peers if ip.version == version]
    yield _set(f"peers{version}", f"type {kind} . inet_service;", peers)
    yield _set(f"held{version}", f"type {kind}; size {SOURCES_MAX}; flags dynamic;")
    yield _set(f"pace{version}", f"type {kind}; size {SOURCES_MAX}; flags dynamic,timeout; timeout 1m;")


def _set(name: str, head: str, members: Iterable[str] = ()) -> str:
    inside = ", ".join(members)
    return f"\tset {name} {{ {head}" + (f" elements = {{ {inside} }}" if inside else "") + " }"


def _chain(name: str, head: str, rules: Iterable[str]) -> Iterator[str]:
    yield f"\tchain {name} {{"
    yield from (f"\t\t{line}" for line in filter(None, [head, *rules]))
    yield "\t}"


def _input(config: Config, plan: Plan) -> Iterator[str]:
    """Whatever is not named here is dropped; connections that stood before the table go on."""
    yield "iif lo accept"
    for version, family, _ in _FAMILIES:
        yield f"{family} saddr @banned{version} counter drop"
    yield "ct state invalid counter drop"
    yield "ct state established,related accept"
    yield "tcp flags & (fin | syn | rst | ack) != syn accept"  # opens nothing, may be of an old connection
    yield f"icmpv6 type {{ {_NEIGHBOURS} }} accept"
    yield "meta l4proto { icmp, ipv6-icmp } limit rate 100/second accept"
    yield "udp sport 67 udp dport 68 accept"
    yield "udp sport 547 udp dport 546 accept"
    if config.firewall.ports:
        ports = f"tcp dport {{ {', '.join(map(str, sorted(set(config.firewall.ports))))} }}"
        yield from (f"{source}{ports} accept" for source in _from(plan, "administration"))
    yield from (f"{source}tcp dport {plan.port} jump terminals" for source in _from(plan, "terminals"))
    yield "counter"


def _from(plan: Plan, name: str) -> list[str]:
    """How rules begin that hold for the networks of a list: for everybody when there are none."""
    if not plan.networks[name]:
        return [""]
    return [f"{family} saddr @{name}{version} " for version, family, _ in _FAMILIES]


def _terminals(config: Config, plan: Plan) -> Iterator[str]:
    """New connections to the switch: known sources first, all others under caps."""
    asked = config.firewall
    for version, family, _ in _FAMILIES:
        yield f"{family} saddr @known{version} accept"
    for version, family, _ in _FAMILIES:
        pace = f"limit rate over {asked.rate}/second burst {asked.burst} packets"
        yield f"update @pace{version} {{ {family} saddr {pace} }} counter drop"
        held = f"ct count over {asked.connections}"
        yield f"add @held{version} {{ {family} saddr {held} }} counter reject with tcp reset"
    yield f"limit rate over {asked.newcomers}/second burst {asked.newcomers} packets counter drop"
    yield f"ct count over {CONNECTIONS_MAX - asked.reserve} counter reject with tcp reset"
    yield "accept"


def _output(plan: Plan) -> Iterator[str]:
    """To the ports of banks and HSMs only banks and HSMs are called."""
    yield "oif lo accept"
    for version, family, _ in _FAMILIES:
        yield f"{_OPENS} {family} daddr . tcp dport @peers{version} accept"
    if plan.peers:
        ports = ", ".join(str(port) for port in sorted({port for _, port in plan.peers}))
        yield f"{_OPENS} tcp dport {{ {ports} }} counter reject with tcp reset"
