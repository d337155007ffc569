"""The caps that every byte passes before anything looks at it: connections, peers, time for a frame."""

from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from posswitch.base.bounds import (
    CONNECTIONS_MAX,
    CONNECTIONS_PER_PEER_MAX,
    FIRST_BYTE_SECONDS_MAX,
    FRAME_SECONDS_MAX,
    IDLE_SECONDS_MAX,
    VOUCHED_PEERS_MAX,
)
from posswitch.base.moment import NS_PER_S
from posswitch.settings.networks import read_ip, read_network

_FIRST_BYTE_NS = int(FIRST_BYTE_SECONDS_MAX * NS_PER_S)
_FRAME_NS = int(FRAME_SECONDS_MAX * NS_PER_S)
_IDLE_NS = int(IDLE_SECONDS_MAX * NS_PER_S)


NO_PEER = "?"  # whoever has no address: there is nobody to count


class Guarded(Protocol):
    """A connection as the gate sees it."""

    peer: str  # the address at the other end
    opened_ns: int
    heard_ns: int  # last byte, 0 before the first
    frame_ns: int  # first byte of an incomplete frame, 0 without one

    def cut(self) -> None:
        """Ends the connection at once."""


class PeerGuards(Protocol):
    """Who counts what peers do, and says which of them are shut out."""

    def unreadable(self, peer: str, tick_ns: int) -> None:
        """A connection was ended because nobody can read what it sends."""

    def knocked(self, peer: str, tick_ns: int) -> None:
        """A peer asks for a connection."""

    def shut(self, peer: str, tick_ns: int) -> bool:
        """Whether a peer is in quarantine."""


class Allowed:
    """Peers without caps of their own: [firewall] known, and who showed a registered certificate."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = [network for text in networks if (network := read_network(text)) is not None]
        self._vouched: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"<allowed: {len(self._networks)} networks, {len(self._vouched)} peers>"

    def __bool__(self) -> bool:
        return bool(self._networks or self._vouched)

    def __call__(self, peer: str) -> bool:
        """Whether a peer is one of them."""
        if peer in self._vouched:
            return True
        ip = read_ip(peer) if self._networks else None
        return ip is not None and any(ip in network for network in self._networks)

    def vouch(self, peer: str) -> None:
        """A registered certificate was shown from there."""
        self._vouched.pop(peer, None)
        if len(self._vouched) >= VOUCHED_PEERS_MAX:
            del self._vouched[next(iter(self._vouched))]
        self._vouched[peer] = None


class Gate:
    """Knows every terminal connection; closes those that overstay. `counts` says how many, and why.

    `reserve` connections are kept for allowed peers, as soon as there are any.
    """

    def __init__(
        self,
        connections_max: int = CONNECTIONS_MAX,
        peer_max: int = CONNECTIONS_PER_PEER_MAX,
        allowed: Allowed | None = None,
        guards: PeerGuards | None = None,
        reserve: int = 0,
    ) -> None:
        self._connections_max = connections_max
        self._peer_max = peer_max
        self._reserve = reserve
        self.allowed = allowed if allowed is not None else Allowed()
        self._guards = guards
        self._connections: dict[Guarded, str] = {}
        self._of_peers: Counter[str] = Counter()
        self._strangers: dict[Guarded, None] = {}  # nobody could read a frame of them yet; the oldest first
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def cap(self) -> int:
        """How many connections it lets in."""
        return self._connections_max

    @property
    def full(self) -> bool:
        """Whether there is no room for one more connection, and no stranger who would make some."""
        return len(self._connections) >= self._connections_max and not self._strangers

    def refuses(self, peer: str, tick_ns: int) -> bool:
        """Whether a peer gets no (further) connection now; counted with the reason."""
        if self._guards is not None:
            self._guards.knocked(peer, tick_ns)
        why = "gate-full" if self.full else "" if self.allowed(peer) else self._against(peer, tick_ns)
        if why:
            self.counts[why] += 1
        return bool(why)

    def _against(self, peer: str, tick_ns: int) -> str:
        if self._shut(peer, tick_ns):
            return "gate-quarantined"
        if peer != NO_PEER and self._of_peers[peer] >= self._peer_max:
            return "gate-peer-full"
        left = self._connections_max - len(self._connections)
        return "gate-reserved" if self.allowed and left <= self._reserve else ""

    def _shut(self, peer: str, tick_ns: int) -> bool:
        return peer != NO_PEER and self._guards is not None and self._guards.shut(peer, tick_ns)

    def enter(self, connection: Guarded) -> bool:
        """Whether there is room for one more connection; who never said anything readable makes room."""
        if self.refuses(connection.peer, connection.opened_ns):
            return False
        if len(self._connections) >= self._connections_max:
            self._crowd_out()
        self._connections[connection] = connection.peer
        self._of_peers[connection.peer] += 1
        self._strangers[connection] = None
        return True

    def trust(self, connection: Guarded) -> None:
        """It has sent a frame that could be read: it makes room for nobody any more."""
        self._strangers.pop(connection, None)

    def _crowd_out(self) -> None:
        """Ends the stranger who has been here longest: idle connections must not lock honest ones out."""
        stranger = next(iter(self._strangers))
        self.leave(stranger)
        self.counts["gate-crowded-out"] += 1
        stranger.cut()

    def leave(self, connection: Guarded) -> None:
        """The connection is gone."""
        peer = self._connections.pop(connection, None)
        self._strangers.pop(connection, None)
        if peer is not None:
            self._of_peers[peer] -= 1
            if not self._of_peers[peer]:
                del self._of_peers[peer]

    def unreadable(self, connection: Guarded, tick_ns: int) -> None:
        """Ends a connection that nobody can read; a peer that has many of them is shut out for a while."""
        self.counts["gate-bad-frames"] += 1
        connection.cut()
        if self._guards is not None:
            self._guards.unreadable(connection.peer, tick_ns)

    def sweep(self, tick_ns: int) -> None:
        """Cuts who said nothing, stays in the middle of a frame, is silent too long, or is shut out."""
        for connection, peer in list(self._connections.items()):
            why = _overstays(connection, tick_ns)
            if not why and self._shut(peer, tick_ns) and not self.allowed(peer):
                why = "gate-quarantined"
            if why:
                self.counts[why] += 1
                connection.cut()

    def cut_all(self) -> None:
        """Ends every connection."""
        for connection in list(self._connections):
            connection.cut()


def _overstays(connection: Guarded, tick_ns: int) -> str:
    if not connection.heard_ns:
        return "gate-no-first-byte" if tick_ns - connection.opened_ns > _FIRST_BYTE_NS else ""
    if connection.frame_ns and tick_ns - connection.frame_ns > _FRAME_NS:
        return "gate-slow-frame"
    return "gate-idle" if tick_ns - connection.heard_ns > _IDLE_NS else ""
