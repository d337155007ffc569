"""The caps that every byte passes before anything looks at it: connections, time per frame, silence."""

from collections import Counter
from typing import Protocol

from posswitch.base.bounds import (
    CONNECTIONS_MAX,
    FIRST_BYTE_SECONDS_MAX,
    FRAME_SECONDS_MAX,
    IDLE_SECONDS_MAX,
)
from posswitch.base.moment import NS_PER_S

_FIRST_BYTE_NS = int(FIRST_BYTE_SECONDS_MAX * NS_PER_S)
_FRAME_NS = int(FRAME_SECONDS_MAX * NS_PER_S)
_IDLE_NS = int(IDLE_SECONDS_MAX * NS_PER_S)


class Guarded(Protocol):
    """A connection as the gate sees it."""

    opened_ns: int
    heard_ns: int  # last byte, 0 before the first
    frame_ns: int  # first byte of an incomplete frame, 0 without one

    def cut(self) -> None:
        """Ends the connection at once."""


class Gate:
    """Knows every terminal connection; closes those that overstay. `counts` says how many, and why."""

    def __init__(self, connections_max: int = CONNECTIONS_MAX) -> None:
        self._connections_max = connections_max
        self._connections: dict[Guarded, None] = {}
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def full(self) -> bool:
        """Whether there is no room for one more connection."""
        return len(self._connections) >= self._connections_max

    def enter(self, connection: Guarded) -> bool:
        """Whether there is room for one more connection."""
        if self.full:
            self.counts["gate-full"] += 1
            return False
        self._connections[connection] = None
        return True

    def leave(self, connection: Guarded) -> None:
        """The connection is gone."""
        self._connections.pop(connection, None)

    def sweep(self, tick_ns: int) -> None:
        """Cuts connections that said nothing, stay in the middle of a frame, or have been silent too long."""
        for connection in list(self._connections):
            why = _overstays(connection, tick_ns)
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
