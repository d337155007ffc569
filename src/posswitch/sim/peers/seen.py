"""What an onlooker sees of a bank."""

from collections.abc import Callable
from typing import NamedTuple

from posswitch.codec import Message
from posswitch.sim.peers.bank_link import CLOSED, BankLink

IN, OUT, LINE = "in", "out", "line"


class Seen(NamedTuple):
    """What an onlooker sees of a bank: a message in or out, or something that happened to a line.

    `message` is None where nothing could be read; `note` says what is wrong, or how the bank behaves.
    """

    at_ns: int
    way: str
    link: BankLink
    message: Message | None = None
    kind: str = ""
    note: str = ""

    @property
    def closed(self) -> bool:
        """Whether this was the end of the line."""
        return self.way == LINE and self.note == CLOSED


Watch = Callable[[Seen], None]


def nobody(seen: Seen) -> None:
    """Looks away."""
