"""What the journal knows and memory does not, read for one event."""

import msgspec

from posswitch.engine.events import Record


class Row(msgspec.Struct, frozen=True, gc=False):
    """A payment as the journal's table has it, with its first record."""

    payment: int
    state: str
    code: str
    auth: str
    cause: str  # of its last step
    first: Record


class Facts(msgspec.Struct, frozen=True, gc=False):
    """`row`: the payment the event speaks of, found by repeat key, number or RRN; `used_minor`: the card's
    holds today; `bank_ready`: a link to the bank is serving."""

    row: Row | None = None
    used_minor: int = 0
    bank_ready: bool = True


NO_FACTS = Facts()
