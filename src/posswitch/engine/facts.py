"""What the journal knows and memory does not, read for one event."""

from typing import NamedTuple

import msgspec

from posswitch.base.policy import Route
from posswitch.engine.events import Record, RequestArrived
from posswitch.engine.limits import Claim
from posswitch.engine.routing import Door

_CARD = ("pan_box", "pan_print", "pan_digits", "last_four", "luhn_ok", "foreign", "expiry", "bin", "bank")


class Row(msgspec.Struct, frozen=True, gc=False):
    """A payment as the journal's table has it, with its first record."""

    payment: int
    state: str
    code: str
    auth: str
    cause: str  # of its last step
    first: Record

    @property
    def request(self) -> RequestArrived | None:
        """What the terminal asked, with what its original added; None when its reversal came first."""
        event = self.first.verdict.completed or self.first.event
        return event if isinstance(event, RequestArrived) else None

    def carded(self, event: RequestArrived) -> RequestArrived:
        """A request that builds on this payment, with its card and bank where it came without a card."""
        first = self.request
        if event.pan_print or first is None:
            return event
        return msgspec.structs.replace(event, **{name: getattr(first, name) for name in _CARD})


class Entry(NamedTuple):
    """A payment of a batch as the journal's table has it; `original`: the payment it builds on, or 0."""

    payment: int
    original: int
    stan: str
    kind: str
    amount_minor: int
    foreign: bool
    state: str
    code: str


class Facts(msgspec.Struct, frozen=True, gc=False):
    """`row`: the payment the event speaks of, found by repeat key, number or RRN; `used`: what it claims of
    counters, what each holds, and what the one holds that it is a share of; `rule` and `doors`: the banks it
    may go to, its own where none are named; `standin`: what counters say to a stand-in. `original`: the
    payment that a request builds on; `taken_minor`: what has already been taken of it, or of `row`. `batch`:
    every payment of a batch. `room`: the disk has room for something new."""

    row: Row | None = None
    used: tuple[tuple[Claim, int, int], ...] = ()
    rule: Route | None = None
    doors: tuple[Door, ...] = ()
    standin: tuple[tuple[Claim, int, int], ...] = ()
    original: Row | None = None
    taken_minor: int = 0
    batch: tuple[Entry, ...] = ()
    room: bool = True


NO_FACTS = Facts()
