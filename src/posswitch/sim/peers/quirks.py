"""A terminal that is out of order in one of the ways of a table, until it is well again."""

import asyncio
from collections import deque
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from posswitch.codec import Message
from posswitch.scheme.kinds import PREAUTH, REFUND, SALE, VOID, Kind
from posswitch.sim.peers import pos
from posswitch.sim.peers.deal import Deal
from posswitch.sim.peers.drawer import Haste, Order
from posswitch.sim.peers.terminal import Terminal

_AGAIN_S = 0.05  # between two rounds of what it does over and over
_STUCK_S = 0.25
_TRIES, _IMPATIENT = 3, Haste(0.02, hangs_up=True)
_OFTEN = Haste(4.0, hangs_up=True, times=4)
_STANS_KEPT = 5
_SHORT_BATCH = 2
_FOREIGN_CURRENCY = "840"
_NEEDED = 22  # a field that every payment must have


class Quirk(StrEnum):
    """What can be the matter with a terminal."""

    WELL = ""
    WRONG_MAC = "wrong-mac"  # its MAC key is another one
    WRONG_PIN = "wrong-pin"  # its PIN key is another one
    OLD_STANS = "old-stans"  # it has lost its counter
    OTHER_BATCH = "other-batch"
    NO_FIELD = "no-field"  # a new release forgets a mandatory field
    CURRENCY = "currency"  # a wrong parameter was loaded
    STUCK = "stuck"  # on a reversal that is never good enough for it
    LOSES_ORIGINALS = "loses-originals"  # its voids name payments that never were
    OVER_REFUNDS = "over-refunds"
    FORGETS = "forgets"  # payments, so that no batch balances
    RETRIES = "retries"  # its clerk does not wait, takes it back and tries again
    REPEATS = "repeats"  # it sends everything four times
    SIGNS_ON = "signs-on"  # again and again
    SETTLES = "settles"  # after every few payments, with uploads
    SILENT = "silent"  # it is switched off


class Quirky(Terminal):
    """A terminal with a quirk, and one that does what a stranger wants from it."""

    quirk = Quirk.WELL
    _stans: deque[int]
    _changed: asyncio.Event

    def take_quirk(self, quirk: Quirk) -> None:
        """From now on it is like this."""
        keys = (Quirk.WRONG_MAC, Quirk.WRONG_PIN)
        if self.quirk in keys or quirk in keys:
            self.lose_keys()
        if self.quirk is not Quirk.WELL:
            self._changed.set()
        self._changed = asyncio.Event()
        self._stans = deque((self._stan,), _STANS_KEPT)
        self.quirk = quirk

    async def follow(self, orders: Iterable[Order], pause_s: float, closing: asyncio.Event) -> None:
        """Does what it is told, one payment every `pause_s` seconds on average, until `closing`."""
        try:
            await self.sign_on()
            for order in orders:
                if closing.is_set():
                    return
                await self.pay(order)
                await asyncio.sleep(self._entropy.expovariate(1 / pause_s))
        finally:
            self.close()

    # What is different

    def _take_keys(self, answer: Message) -> bool:
        taken = super()._take_keys(answer)
        if taken and self.quirk is Quirk.WRONG_MAC:
            self._desk.mak = self._entropy.randbytes(len(self._desk.mak))
        if taken and self.quirk is Quirk.WRONG_PIN:
            wrong = self._entropy.randbytes(len(self._keys.pin))
            self._keys = msgspec.structs.replace(self._keys, pin=wrong)
        return taken

    def _next_stan(self) -> int:
        if self.quirk is Quirk.OLD_STANS:
            self._stans.rotate(1)
            return self._stans[0]
        stan = super()._next_stan()
        if self.quirk is not Quirk.WELL:
            self._stans.append(stan)
        return stan

    def request(self, deal: Deal) -> Message:
        """See Terminal."""
        message = super().request(deal)
        fields = message.fields
        if self.quirk is Quirk.OTHER_BATCH:
            f60 = str(fields[60])
            fields[60] = f"{f60[:2]}{(int(f60[2:8]) + 7) % 10**6:06d}{f60[8:]}"
        elif self.quirk is Quirk.NO_FIELD:
            fields.pop(_NEEDED, None)
        elif self.quirk is Quirk.CURRENCY and 49 in fields:
            fields[49] = _FOREIGN_CURRENCY
        elif self.quirk is Quirk.LOSES_ORIGINALS and 61 in fields:
            f61 = str(fields[61])
            fields[61] = f"{f61[:6]}{(int(f61[6:12]) + 500_000) % 10**6:06d}{f61[12:]}"
        return message

    async def pay(self, order: Order) -> str:
        """See Terminal; before it, or instead of it, what its quirk wants."""
        match self.quirk:
            case Quirk.SILENT:
                await self._changed.wait()
            case Quirk.STUCK:
                await self._insist(order)
            case Quirk.SIGNS_ON:
                await self._sign_on_again()
            case Quirk.LOSES_ORIGINALS:
                order = self._built_on_one(VOID, order, 0)
            case Quirk.OVER_REFUNDS:
                order = self._built_on_one(REFUND, order, 1)
            case Quirk.RETRIES if order.kind in (SALE, PREAUTH):
                await self._retry(order)
            case Quirk.REPEATS:
                order = order._replace(haste=_OFTEN)
            case Quirk.FORGETS | Quirk.SETTLES:
                self._left = min(self._left, _SHORT_BATCH)
        return await super().pay(order)

    async def settle(self, *, goes_on: bool = True) -> bool:
        """See Terminal; one that forgets does so now."""
        if self.quirk in (Quirk.FORGETS, Quirk.SETTLES):
            self.drawer.forget_next()
        return await super().settle(goes_on=goes_on)

    # How

    async def _insist(self, order: Order) -> None:
        """Takes back what it has never sent, whatever the answer."""
        who, stan = self._fitting, super()._next_stan()
        while self.quirk is Quirk.STUCK:
            purchase = order.purchase
            await self._desk.ask(pos.reversal(who.terminal, who.merchant, stan, self._batch, purchase, "98"))
            self.counts["reversal"] += 1
            await asyncio.sleep(_STUCK_S)

    async def _sign_on_again(self) -> None:
        while self.quirk is Quirk.SIGNS_ON:
            self._desk.hang_up()
            await self.sign_on()
            await asyncio.sleep(_AGAIN_S)

    def _built_on_one(self, kind: Kind, order: Order, more_minor: int) -> Order:
        """Such a payment instead, where there is one that it could be about."""
        original = self.drawer.take_for(kind, self._batch)
        if original is None:
            return order
        was = original.purchase
        amount_minor = was.amount_minor + more_minor
        return Order(kind, msgspec.structs.replace(was, pin="", amount_minor=amount_minor), original)

    async def _retry(self, order: Order) -> None:
        """The customer waits, the clerk does not: a few tries that are broken off and taken back."""
        for more_minor in range(1, _TRIES + 1):
            if self.quirk is not Quirk.RETRIES:
                return
            amount_minor = order.purchase.amount_minor + more_minor
            purchase = msgspec.structs.replace(order.purchase, amount_minor=amount_minor)
            await super().pay(Order(order.kind, purchase, haste=_IMPATIENT))
