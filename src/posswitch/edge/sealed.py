"""Secrets under way: kept beside the core, in memory, until the answer or a deadline; never shown."""

from collections import deque
from typing import NamedTuple, Protocol

from posswitch.base.card import Pan, Track2
from posswitch.crypto.pinblock import PinFormat


class Reply(Protocol):
    """Where an answer goes: one connection, and whose certificate it was opened with (empty: clear text)."""

    certificate: str

    @property
    def peer(self) -> str:
        """The address at the other end."""

    def send(self, payload: bytes) -> bool:
        """Hands a payload to the transport; False when the other side is gone and nothing was written."""


class LineKeys(NamedTuple):
    """A terminal's wrapped working keys, and how its MACs and PIN blocks are made."""

    tpk: bytes
    tak: bytes
    tdk: bytes
    mac: str
    pin_block: PinFormat

    def __repr__(self) -> str:
        return f"<keys of a terminal, {self.mac}, {self.pin_block}>"


class Ticket:
    """One request that is owed an answer: where to, under which keys, and what must not be stored.

    The keys are those it was admitted with: a sign-on in between does not take them away.
    """

    __slots__ = (
        "balance", "born_ns", "header", "keys", "overdue", "pan", "pin_block", "reply", "sent_ns", "track2",
    )  # fmt: skip

    def __init__(
        self,
        reply: Reply,
        header: bytes,
        keys: LineKeys | None = None,
        pan: Pan | None = None,
        track2: Track2 | None = None,
        pin_block: bytes = b"",
    ) -> None:
        self.reply = reply
        self.header = header
        self.keys = keys
        self.pan = pan
        self.track2 = track2
        self.pin_block = pin_block
        self.born_ns = self.sent_ns = 0  # when it came, when it went to its bank
        self.overdue = False  # its bank keeps it waiting
        self.balance = ""  # field 54 of a bank's answer

    def __repr__(self) -> str:
        return "<ticket, sealed>"


class Tickets:
    """Tickets by number; each is erased with its answer, at the latest after `keep_ns`."""

    def __init__(self, keep_ns: int) -> None:
        self._keep_ns = keep_ns
        self._last = 0
        self._tickets: dict[int, Ticket] = {}
        self._ages: deque[tuple[int, int]] = deque()

    def __len__(self) -> int:
        return len(self._tickets)

    def seal(self, ticket: Ticket, tick_ns: int) -> int:
        """Takes a ticket in; returns its number."""
        self._last += 1
        ticket.born_ns = tick_ns
        self._tickets[self._last] = ticket
        self._ages.append((tick_ns + self._keep_ns, self._last))
        return self._last

    def __contains__(self, number: int) -> bool:
        return number in self._tickets

    def get(self, number: int) -> Ticket | None:
        """The ticket, while it lives."""
        return self._tickets.get(number)

    def erase(self, number: int) -> bool:
        """Forgets a ticket and what it sealed; whether it still lived."""
        return self._tickets.pop(number, None) is not None

    def sweep(self, tick_ns: int) -> int:
        """Erases what is past its deadline; how many."""
        ages, swept = self._ages, 0
        while ages and ages[0][0] <= tick_ns:
            swept += self.erase(ages.popleft()[1])
        return swept
