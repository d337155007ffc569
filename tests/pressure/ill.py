"""Banks that fall ill and get well again: every answer, also to an echo, passes the illness of the moment."""

import asyncio
import random
from collections.abc import Callable
from functools import partial

from posswitch.codec import Message
from posswitch.sim.peers import cups
from posswitch.sim.peers.bank import Bank
from posswitch.sim.peers.bank_link import BankLink

USUAL_S = 0.06  # how long the bank that falls ill takes when it is well
_SLOWER = 20  # times that
_LOST_SHARE = 0.3
_FLAP_S = 1.0
_SITE_LOST_SHARE, _SITE_LATE_S = 0.8, (0.5, 2.5)
_MONEY = frozenset({"0210", "0230", "0430"})

Say = Callable[[BankLink, Message, bytes], None]


class IllBank(Bank):
    """A bank that takes `usual_s` for an answer, until it falls ill."""

    usual_s = 0.0
    ill_port = 0  # of the site that is half dead
    illness: "Callable[[IllBank, BankLink, Message, bytes], None] | None" = None
    _flapping: asyncio.Task[None] | None = None

    def fall_ill(self, fault: str) -> None:
        """From now on; see FAULTS."""
        self.illness = FAULTS[fault]
        if fault == "flapping":
            self._flapping = asyncio.create_task(self._flap())

    def recover(self) -> None:
        """As before."""
        self.illness = None
        if self._flapping is not None:
            self._flapping.cancel()
            self._flapping = None
        self.back()

    async def _flap(self) -> None:
        while True:
            self.away()
            await asyncio.sleep(_FLAP_S)
            self.back()
            await asyncio.sleep(_FLAP_S)

    def _say(self, link: BankLink, answer: Message, kind: str, manner: str, payload: bytes) -> None:
        said = partial(super()._say, link, answer, kind, manner)
        if self.illness is not None:
            self.illness(self, link, answer, payload)
        elif self.usual_s:
            asyncio.get_running_loop().call_later(self.usual_s, said, payload)
        else:
            said(payload)

    def late(self, link: BankLink, payload: bytes, seconds: float) -> None:
        """Sends it, but not yet."""
        asyncio.get_running_loop().call_later(seconds, link.send, payload)

    def written(self, answer: Message) -> bytes:
        """An answer to the centre that it has changed its mind about, signed like any."""
        cups.sign(answer, self.charter.zak, self.charter.mac)
        return cups.packed(self._dialect, answer, str(answer.fields[33]), self.charter.id)

    @property
    def chance(self) -> random.Random:
        """Its own."""
        return self._entropy


def _silent(bank: IllBank, link: BankLink, answer: Message, payload: bytes) -> None:
    pass


def _slow(bank: IllBank, link: BankLink, answer: Message, payload: bytes) -> None:
    bank.late(link, payload, _SLOWER * USUAL_S)


def _half_dead(bank: IllBank, link: BankLink, answer: Message, payload: bytes) -> None:
    if bank.chance.random() >= _LOST_SHARE:
        bank.late(link, payload, USUAL_S)


def _healthy(bank: IllBank, link: BankLink, answer: Message, payload: bytes) -> None:
    bank.late(link, payload, USUAL_S)


def _lying(bank: IllBank, link: BankLink, answer: Message, payload: bytes) -> None:
    """Another trace number, another amount, or beside the true answer one to what nobody asked."""
    if answer.mti not in _MONEY:
        bank.late(link, payload, USUAL_S)
        return
    lie = bank.chance.choice(("stan", "amount", "unasked"))
    other = Message(answer.mti, dict(answer.fields), answer.header)
    if lie == "amount" and 4 in other.fields:
        other.fields[4] = f"{int(str(other.fields[4])) + 100:012d}"
    else:
        other.fields[11] = f"{bank.chance.randrange(1, 10**6):06d}"
    if lie == "unasked":
        other.fields[37] = f"{bank.chance.randrange(10**12):012d}"
        bank.late(link, payload, USUAL_S)
    bank.late(link, bank.written(other), USUAL_S)


def _one_site(bank: IllBank, link: BankLink, answer: Message, payload: bytes) -> None:
    """One of two sites is half dead: it takes everything and answers few, late; the other is well."""
    if link.port != bank.ill_port:
        bank.late(link, payload, USUAL_S)
    elif bank.chance.random() >= _SITE_LOST_SHARE:
        bank.late(link, payload, bank.chance.uniform(*_SITE_LATE_S))


FAULTS: dict[str, Callable[[IllBank, BankLink, Message, bytes], None]] = {
    "silent": _silent,
    "slow": _slow,
    "half-dead": _half_dead,
    "flapping": _healthy,  # while it is there
    "lying": _lying,
    "one-site": _one_site,
}
