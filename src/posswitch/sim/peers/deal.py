"""A payment as its terminal lives through it, and how it ended."""

from typing import NamedTuple

import msgspec

from posswitch.scheme.kinds import Kind
from posswitch.sim.peers.customer import Purchase
from posswitch.sim.peers.desk import Reply
from posswitch.sim.peers.drawer import Order


class Deal(msgspec.Struct):
    """A payment that the terminal has begun and not yet settled with itself."""

    order: Order
    stan: int
    batch: str
    sent_ns: int
    answered: bool = False

    @property
    def kind(self) -> Kind:
        """What kind of payment it is."""
        return self.order.kind

    @property
    def purchase(self) -> Purchase:
        """Card and amount."""
        return self.order.purchase


class Done(NamedTuple):
    """A payment that the terminal has settled with itself: what its slip says, and the answer."""

    deal: Deal
    outcome: str
    reply: Reply
