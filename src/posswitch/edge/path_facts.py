"""What was measured on the way to a bank, link by link; a step that was not tried is None."""

import msgspec

from posswitch.base.registry import Address


class Interface(msgspec.Struct, frozen=True):
    """Our own interface that the route uses: its counters over a second.

    `down`: interfaces of this machine that have an address and are down.
    """

    name: str = ""
    source: str = ""
    up: bool = True
    mtu: int = 1500
    errors: int = 0
    drops: int = 0
    bytes_s: int = 0  # the busier direction
    span_ms: float = 0
    down: tuple[str, ...] = ()


class Route(msgspec.Struct, frozen=True):
    """The way out: `neighbour` is who gets the packets first (the gateway, or the bank's host itself)."""

    found: bool = True
    gateway: str = ""
    neighbour: str = ""  # "there", "missing", or empty where nobody can tell
    sent: int = 0  # pings to the gateway
    back: int = 0
    ms: float = 0


class Name(msgspec.Struct, frozen=True):
    """A host name as it was resolved; `before` are the addresses of the last run."""

    addresses: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    why: str = ""  # "unknown", "silent"
    ms: float = 0

    @property
    def changed(self) -> bool:
        """Whether it leads elsewhere than at the last run."""
        return bool(self.before and self.addresses) and set(self.before) != set(self.addresses)


class Icmp(msgspec.Struct, frozen=True):
    """Echo requests to the host: small ones, and a few as large as the own interface lets through."""

    sent: int = 0
    rtts_ms: tuple[float, ...] = ()
    large_sent: int = 0
    large_back: int = 0
    why: str = ""  # "not-allowed", "own-firewall", "unreachable"
    ms: float = 0

    @property
    def lost(self) -> int:
        """How many did not come back."""
        return self.sent - len(self.rtts_ms)


class Tcp(msgspec.Struct, frozen=True):
    """A TCP connection; `standing` counts this machine's other connections to the same place."""

    why: str = ""  # "refused", "timed-out", "unreachable", "own-firewall", "no-port"
    standing: int = 0
    ms: float = 0


class Tls(msgspec.Struct, frozen=True):
    """A handshake; `why` is a word of `edge/tls`, or "unregistered"; what the certificate says is kept."""

    why: str = ""
    version: str = ""
    suite: str = ""
    subject: str = ""
    days_left: int | None = None
    own_days_left: int | None = None
    ms: float = 0


class Echo(msgspec.Struct, frozen=True):
    """0820 echoes over a connection of their own.

    `heard`: bytes came, whatever they were. `acknowledged`: the other machine has everything we sent.
    `speaks`: the dialect in which an echo was answered instead.
    """

    rtts_ms: tuple[float, ...] = ()
    why: str = ""  # "silent", "closed", "closed-unasked", "unreadable", "returned", "refused"
    code: str = ""  # field 39
    signed_on: bool = False
    heard: bool = False
    acknowledged: bool = True
    resent: int = 0  # TCP segments sent again
    speaks: str = ""
    ms: float = 0
    asked: int = 0  # echoes after which one was waited for in full, from the first answered one on

    @property
    def lost(self) -> int:
        """How many were never answered though others were."""
        return max(0, self.asked - len(self.rtts_ms)) if self.rtts_ms else 0


class Facts(msgspec.Struct, frozen=True):
    """Everything that was measured of one link."""

    link: int  # 1 is the first of the row
    address: Address
    name: Name | None = None
    interface: Interface | None = None
    route: Route | None = None
    icmp: Icmp | None = None
    tcp: Tcp | None = None
    tls: Tls | None = None
    echo: Echo | None = None
    contracted_kbit: int = 0
    ms: float = 0
