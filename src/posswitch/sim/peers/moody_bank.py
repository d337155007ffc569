"""A bank that does as it is told: ill manners, also for some of its cards only, keys lost and found again."""

import random
from collections.abc import Callable

from posswitch.base.moment import NS_PER_S
from posswitch.codec import Message
from posswitch.scheme.kinds import Kind, text
from posswitch.sim.peers.bank import Bank
from posswitch.sim.peers.bank_keys import with_wrong_key
from posswitch.sim.peers.conducts import BEYOND, ILLS, LIMITED, LIVELY, Conduct
from posswitch.sim.peers.manners import Manner, Mood
from posswitch.sim.peers.scrutiny import Charter

MANNERS = (*ILLS, LIMITED)


class Told(Bank):
    """A bank with a usual conduct and, while somebody wants it, another one."""

    usual: Conduct = LIVELY
    manner_name = ""
    _only = ""  # the beginning of the card numbers that the manner is for
    _usual_sales: Mood | None = None
    _per_second = 0
    _second_ns = _in_second = 0
    _true_ns: Callable[[], int] | None = None
    _kept: Charter | None = None  # with the keys that it had

    def take_manner(self, name: str, share: float = 1.0, only: str = "", per_second: int = 0) -> None:
        """One of MANNERS for a share of the requests, or (empty) its usual ones."""
        ill = ILLS.get(name, self.usual)
        self.manner_name, self._only = name, only
        self._per_second = per_second if name == LIMITED else 0
        self._usual_sales = Mood(self.usual.sales)
        if only:  # what is not a sale does not look at the card
            ill = self.usual._replace(sales=ill.sales)
        self.behave(*(ill.mixed(self.usual, share) if share < 1.0 else ill))

    def _manner(self, kind: Kind, request: Message) -> Manner:
        others = self._only and not text(request, 2).startswith(self._only)
        if others and self._usual_sales is not None and not kind.advice:
            return self._usual_sales.draw(self._entropy)
        if self._per_second and not kind.advice and self._beyond_limit():
            return BEYOND
        return super()._manner(kind, request)

    def _beyond_limit(self) -> bool:
        now_ns = self._clock_ns()
        if now_ns - self._second_ns >= NS_PER_S:
            self._second_ns, self._in_second = now_ns, 0
        self._in_second += 1
        return self._in_second > self._per_second

    def mislay_key(self, usage: str, entropy: random.Random) -> None:
        """A zone key here is another one now, and so is the key under which it could get a new one."""
        self._kept = self._kept or self.charter
        self.charter = with_wrong_key(self.charter, usage, entropy)
        if self.charter.zmk:
            self.charter = self.charter._replace(zmk=entropy.randbytes(len(self.charter.zmk)))

    def find_keys(self) -> None:
        """It has the keys again that it had."""
        if self._kept is not None:
            self.charter, self._kept = self._kept, None

    def set_clock(self, ahead_s: int) -> None:
        """Its clock is so much ahead."""
        self._true_ns = true_ns = self._true_ns or self._clock_ns
        self._clock_ns = lambda: true_ns() + ahead_s * NS_PER_S

    def heal(self) -> None:
        """See Bank; and it has its keys and the time."""
        super().heal()
        self.find_keys()
        self.set_clock(0)
        self.manner_name, self._only, self._per_second = "", "", 0
