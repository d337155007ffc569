"""What a shop does in a day, and what its terminal keeps of it: receipts to build on, the open batch."""

import random
from itertools import accumulate
from typing import NamedTuple, Protocol

from posswitch.scheme.kinds import (
    BALANCE,
    COMPLETION,
    COMPLETION_NOTICE,
    COMPLETION_VOID,
    CREDIT,
    OFFLINE_SALE,
    PREAUTH,
    PREAUTH_VOID,
    REFUND,
    SALE,
    VOID,
    Kind,
)
from posswitch.scheme.settlement import Side, Uploaded
from posswitch.sim.peers.customer import Purchase
from posswitch.sim.peers.pos import Receipt

_RECEIPTS_MAX = 200  # older ones have faded
FORGETFUL_RATE = 0.04  # batches in which a terminal has lost one payment
_PART_RATE, _ABOVE_RATE = 0.5, 0.3  # refunds of a part; completions above what was authorised

# How often each kind is what a customer comes for; without a fitting receipt it becomes a sale.
MIX: tuple[tuple[Kind, float], ...] = (
    (SALE, 0.36),
    (VOID, 0.07),
    (REFUND, 0.06),
    (BALANCE, 0.05),
    (PREAUTH, 0.18),
    (PREAUTH_VOID, 0.03),
    (COMPLETION, 0.10),
    (COMPLETION_VOID, 0.08),
    (COMPLETION_NOTICE, 0.03),
    (OFFLINE_SALE, 0.04),
)


class Queue(Protocol):
    """Whoever comes to the desk."""

    def next(self) -> Purchase:
        """The next customer."""


class Haste(NamedTuple):
    """How long somebody waits, whether the line is cut then, and how often the question is sent at once."""

    seconds: float
    hangs_up: bool
    times: int = 1


class Order(NamedTuple):
    """What is to be done next: a kind, the card and amount, and the receipt that it builds on."""

    kind: Kind
    purchase: Purchase
    original: Receipt | None = None
    haste: Haste | None = None


class Drawer:
    """One terminal's receipts and open batch; each receipt is built upon once."""

    def __init__(
        self,
        customers: Queue,
        entropy: random.Random,
        foreign: tuple[str, ...] = (),
        forgetful_rate: float = FORGETFUL_RATE,
    ) -> None:
        self._forgetful_rate = forgetful_rate
        self._customers = customers
        self._entropy = entropy
        self._foreign = foreign
        self._kinds = [kind for kind, _ in MIX]
        self._weights = list(accumulate(weight for _, weight in MIX))
        self._receipts: list[Receipt] = []
        self._forgets_next = False
        self._cancelled: dict[tuple[str, int], None] = {}  # batch and STAN of what was voided
        self.batch: list[Receipt] = []

    def __repr__(self) -> str:
        return f"Drawer({len(self.batch)} in the batch, {len(self._receipts)} receipts)"

    def next(self, batch: str) -> Order:
        """What the next customer wants."""
        kind = self._entropy.choices(self._kinds, cum_weights=self._weights)[0]
        if not kind.original:
            purchase = self._customers.next()
            if kind is BALANCE:
                purchase = Purchase(purchase.pan, purchase.expiry, purchase.pin, 0)
            return Order(kind, purchase)
        original = self.take_for(kind, batch)
        if original is None:
            return Order(SALE, self._customers.next())
        return Order(kind, self._purchase(kind, original), original)

    def keep(self, receipt: Receipt, kind: Kind, original: Receipt | None) -> None:
        """An approved payment goes into the drawer and, if it counts, into the batch."""
        self._receipts.append(receipt)
        del self._receipts[:-_RECEIPTS_MAX]
        if kind.totals is None:
            return
        if kind.totals[1] > 0:
            self.batch.append(receipt)
        elif original is not None:
            self._cancelled[original.batch, original.stan] = None

    def first_for(self, kind: Kind, batch: str) -> Receipt | None:
        """The oldest receipt that such a payment may build on; it stays here."""
        fitting = self._fitting(kind, batch)
        return self._receipts[fitting[0]] if fitting else None

    def last_for(self, kind: Kind, batch: str) -> Receipt | None:
        """The last receipt that such a payment may build on; it stays here until it is `spent`."""
        fitting = self._fitting(kind, batch)
        return self._receipts[fitting[-1]] if fitting else None

    def spent(self, receipt: Receipt) -> None:
        """Nothing more is built on this receipt while there is another."""
        if receipt in self._receipts:
            self._receipts.remove(receipt)
            self._receipts.insert(0, receipt)

    def forget_next(self) -> None:
        """It will lose one at the end of this batch."""
        self._forgets_next = True

    def forget_one(self) -> Receipt | None:
        """Now and then a terminal loses a payment: which one, if any."""
        luck, self._forgets_next = self._forgets_next, False
        if len(self.batch) < 2 or not (luck or self._entropy.random() < self._forgetful_rate):
            return None
        counting = self.counting()
        if not counting:
            return None
        lost = self._entropy.choice(counting)
        self.batch.remove(lost)
        return lost

    def counting(self) -> list[Receipt]:
        """The payments of the batch that were not voided."""
        return [receipt for receipt in self.batch if (receipt.batch, receipt.stan) not in self._cancelled]

    def totals(self, kinds: dict[str, Kind]) -> tuple[Side, Side]:
        """What the batch comes to, domestic and foreign cards apart."""
        sides = {(foreign, debit): [0, 0] for foreign in (False, True) for debit in (False, True)}
        for receipt in self.counting():
            totals = kinds[receipt.kind].totals
            assert totals is not None
            side = sides[self.is_foreign(receipt), totals[0] != CREDIT]
            side[0] += receipt.purchase.amount_minor
            side[1] += 1
        domestic, foreign = (Side(*sides[foreign, True], *sides[foreign, False]) for foreign in (False, True))
        return domestic, foreign

    def items(self) -> list[Uploaded]:
        """Every payment that counts, as an upload names it."""
        return [
            Uploaded(
                f"{receipt.stan:06d}",
                receipt.purchase.pan,
                receipt.purchase.amount_minor,
                self.is_foreign(receipt),
            )
            for receipt in self.counting()
        ]

    def close(self) -> None:
        """The batch is settled."""
        self.batch.clear()
        self._cancelled.clear()

    def is_foreign(self, receipt: Receipt) -> bool:
        """Whether the card is of a range that counts as foreign."""
        return receipt.purchase.pan.startswith(self._foreign) if self._foreign else False

    def take_for(self, kind: Kind, batch: str) -> Receipt | None:
        """Takes a receipt that such a payment may build on."""
        fitting = self._fitting(kind, batch)
        return self._receipts.pop(self._entropy.choice(fitting)) if fitting else None

    def _fitting(self, kind: Kind, batch: str) -> list[int]:
        """Where the receipts are that such a payment may build on; a void's must be of this batch."""
        same_batch = kind in (VOID, COMPLETION_VOID)
        return [
            index
            for index, receipt in enumerate(self._receipts)
            if receipt.kind in kind.of and (not same_batch or receipt.batch == batch)
        ]

    def _purchase(self, kind: Kind, original: Receipt) -> Purchase:
        """The original's card, without a PIN; a part of its amount, or a little more, where that may be."""
        was = original.purchase
        amount_minor = was.amount_minor
        if kind is REFUND and amount_minor > 1 and self._entropy.random() < _PART_RATE:
            amount_minor = self._entropy.randrange(1, amount_minor)
        elif kind in (COMPLETION, COMPLETION_NOTICE) and self._entropy.random() < _ABOVE_RATE:
            amount_minor += amount_minor // 10
        return Purchase(was.pan, was.expiry, "", amount_minor)
