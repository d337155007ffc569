"""A terminal whose clerk and customers do wrong on purpose; its own book says what was right to answer."""

import random
from collections import deque

from posswitch.codec import Message
from posswitch.scheme.kinds import (
    COMPLETION,
    COMPLETION_VOID,
    PAYMENT_KINDS,
    PREAUTH_VOID,
    REFUND,
    SALE,
    VOID,
    text,
)
from posswitch.sim.peers import pos
from posswitch.sim.peers.book import Book
from posswitch.sim.peers.customer import EXPIRED, Purchase
from posswitch.sim.peers.deal import Deal, Done
from posswitch.sim.peers.drawer import Haste, Order
from posswitch.sim.peers.pos import Receipt
from posswitch.sim.peers.terminal import APPROVED, NEITHER, Terminal
from posswitch.sim.peers.tricks import COMPLETED, FAILED, REFUNDED, TRICKS, VOIDED, Scene, Spent, Try

_TRICK_RATE, _VANISH_RATE, _SPENDER_RATE = 0.12, 0.04, 0.3
_HASTES = ((0.03, (0.0005, 0.05)), (0.3, (0.05, 0.3)))  # how many wait only so long: no bank, or no slow one
_PRESSED_TWICE = Haste(4.0, hangs_up=True, times=2)  # nervous, but honest: no harm may come of it
_TESTERS, _TESTED = 5, 14  # one terminal in so many, and how many cards are tried there
_SPREE, _SPREE_MINOR = 3, 9_000_000  # sales in a row of one card: together above what it may spend a day
_FIRST_BATCH = (3, 30)  # payments: some batches end while there is time to be sorry for what they hold
_SHORT_BATCH = 2
_REMEMBERED = 8  # receipts of each fate
VANISHED = "vanished"  # instead of field 39
_FATES = {
    VOID: VOIDED, PREAUTH_VOID: VOIDED, COMPLETION_VOID: VOIDED, REFUND: REFUNDED, COMPLETION: COMPLETED,
}  # fmt: skip


class Rogue(Terminal):
    """A terminal that cheats once it is tempted, until it is `honest` again."""

    honest = True
    tester = False  # somebody tries other people's cards there
    _older_mak = _old_mak = b""

    def tempt(self, tricks: Book, *, vanishes: bool, tries_cards: bool = False) -> None:
        """From now on it cheats; `vanishes`: it may also leave in the middle of a payment for good.

        `tries_cards`: that is done here and there, and it may be here.
        """
        self.honest = False
        self._tricks = tricks
        self._vanishes = vanishes
        self._wrongs = random.Random(self._entropy.random())  # noqa: S311 - shapes a simulation, guards nothing
        self._memory: dict[str, deque[Spent]] = {
            fate: deque(maxlen=_REMEMBERED) for fate in (VOIDED, REFUNDED, COMPLETED, FAILED)
        }
        self._left = self._wrongs.randint(*_FIRST_BATCH)
        self._spender = ""
        self._spree = _SPREE if self._wrongs.random() < _SPENDER_RATE else 0
        self.tester = tries_cards and int(self._fitting.terminal) % _TESTERS == 0
        self._untried = _TESTED if self.tester else 0

    def reform(self) -> None:
        """From now on it is honest; its next batch is short."""
        self.honest = True
        self._left = _SHORT_BATCH

    async def pay(self, order: Order) -> str:
        """See Terminal; and now and then something that must be refused."""
        if self.honest:
            return await super().pay(order._replace(haste=_PRESSED_TWICE))
        order = self._tempted(order)
        if self._vanishes and order.kind.reversible and self._wrongs.random() < _VANISH_RATE:
            return await self._vanish(order)
        outcome = await super().pay(order)
        assert self.last is not None
        self._remember(self.last)
        if self._wrongs.random() < _TRICK_RATE:
            await self._cheat(self.last)
        return outcome

    def _tempted(self, order: Order) -> Order:
        """The order, if need be of somebody who tries cards, spends too much or does not wait."""
        wrongs, purchase = self._wrongs, order.purchase
        if order.kind is SALE and self._untried:
            self._untried -= 1
            return Order(SALE, Purchase(purchase.pan, EXPIRED, "", purchase.amount_minor))
        if order.kind is SALE and self._spree:
            self._spree -= 1
            self._spender = self._spender or purchase.pan
            amount_minor = purchase.amount_minor + _SPREE_MINOR
            return Order(SALE, Purchase(self._spender, purchase.expiry, "", amount_minor))
        for rate, seconds in _HASTES:
            if order.kind.reversible and wrongs.random() < rate:
                return order._replace(haste=Haste(wrongs.uniform(*seconds), wrongs.random() < 0.5))
        return order

    async def _vanish(self, order: Order) -> str:
        deal = self.sale = self._deal(order)
        await self._desk.leave(self.request(deal))
        self._print(NEITHER, VANISHED)
        return NEITHER

    def _deal(self, order: Order) -> Deal:
        return Deal(order, self._next_stan(), self._batch, self._clock_ns())

    def _remember(self, done: Done) -> None:
        deal, answer = done.deal, done.reply.message
        original = deal.order.original
        if done.outcome == APPROVED:
            self._old_mak = self._older_mak
            if original is not None and deal.kind in _FATES:
                spent = Spent(original, deal.purchase.amount_minor)
                self._memory[_FATES[deal.kind]].append(spent)
        elif deal.kind is SALE and answer is not None and 37 in answer.fields:
            self._memory[FAILED].append(Spent(self.receipt(deal, answer)))

    def _take_keys(self, answer: Message) -> bool:
        old = self._desk.mak
        taken = super()._take_keys(answer)
        if taken:  # accepted until the new ones have paid for something
            self._older_mak, self._old_mak = old, b""
        return taken

    async def _cheat(self, last: Done) -> None:
        """One of the tricks that can be played with what is at hand; its answer goes into the book."""
        scene = self._scene(last)
        names = self._wrongs.sample(list(TRICKS), len(TRICKS))
        name, trial = next((name, trial) for name in names if (trial := TRICKS[name](scene)) is not None)
        mak = self._desk.mak
        self._desk.mak = trial.mak or mak
        reply = await self._desk.ask(trial.message)
        self._desk.mak = mak
        self._note(name, trial, reply.message, reply.code)

    def _scene(self, last: Done) -> Scene:
        return Scene(
            self._memory,
            lambda kind: self.drawer.last_for(kind, self._batch),
            lambda kind: self.drawer.first_for(kind, self._batch),
            last,
            self._deal,
            self.request,
            self._reversal,
            self._old_mak,
        )

    def _reversal(self, receipt: Receipt, amount_minor: int) -> Message:
        who, was = self._fitting, receipt.purchase
        said = Purchase(was.pan, was.expiry, "", amount_minor)
        kind = PAYMENT_KINDS[receipt.kind]
        return pos.reversal(who.terminal, who.merchant, receipt.stan, receipt.batch, said, "98", kind)

    def _note(self, name: str, trial: Try, answer: Message | None, code: str) -> None:
        self._tricks.append(
            {
                "at_ns": self._clock_ns(),
                "terminal": self._fitting.terminal,
                "trick": name,
                "code": code,
                "right": trial.right,
                "rrn": text(answer, 37) if answer is not None else "",
                "expected_rrn": trial.rrn,
            }
        )
