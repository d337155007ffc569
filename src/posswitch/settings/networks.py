"""Networks as they are written in a configuration: each is one, in its shortest form."""

import ipaddress
from collections.abc import Iterator

from posswitch.settings.draft import Draft
from posswitch.settings.finding import Fault, shown

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
_LISTS = ("terminals", "known", "administration")


def read_network(text: str) -> Network | None:
    """A network or a single address; None when it is neither, or has bits beyond its prefix."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def read_ip(text: str) -> Ip | None:
    """An address without a zone; None when it is none."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address):
        return None if ip.scope_id else ip.ipv4_mapped or ip
    return ip


def networks_readable(draft: Draft) -> Iterator[Fault]:
    """Every network of [firewall] is one."""
    for key in _LISTS:
        for row in draft.having("firewall", key):
            for item, text in enumerate(row.good[key]):
                if read_network(text) is None or "%" in text:
                    what = f"{shown(text)} is no network"
                    yield row.fault(key, what, "write it as 10.0.0.0/8, without bits behind the prefix", item)
