"""A town for one test module: scripted banks, tills as needed, and a real node under its supervisor."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import apsw
import msgspec
from edge_bank import PATIENCE_S, Asked, ScriptedBank
from edge_till import Cable, Till

from posswitch.base.bounds import Timers
from posswitch.codec import Message
from posswitch.edge.process import verify_journal
from posswitch.edge.supervisor import Supervisor
from posswitch.engine.events import Record, Verdict
from posswitch.journal.recovery import decode_record
from posswitch.settings.config import load_config
from posswitch.sim.authority import Authority
from posswitch.sim.city import City, build_city
from posswitch.sim.peers.customer import VALID, Purchase, pan_at, pin_of

TIMERS = Timers(
    bank=0.7, centre=1.5, terminal=3.0, reversal=0.2, reversal_max=0.4, flight_max=3.0,
    connect=1.0, echo=5.0, drain=5.0,
)  # fmt: skip
_LOOK_S = 0.01


async def until(happened: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Returns when `happened()` is true; TimeoutError when it never becomes so."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110 - the thing waited for has no event of its own
            await asyncio.sleep(_LOOK_S)


class Town:
    """Everything around one node."""

    bank_type = ScriptedBank
    authority: Authority

    def __init__(self, city: City) -> None:
        self.city = city
        self.banks = [self.bank_type(plan) for plan in city.banks]
        self.supervisor = Supervisor(city.config)
        self._fitted = 0
        self._sold = 0
        self._cables: list[Cable] = []

    @classmethod
    async def open(cls, folder: Path) -> "Town":
        return await cls(build_city(folder, 7, 64, TIMERS)).opened()

    @classmethod
    async def open_with_tls(cls, folder: Path) -> "Town":
        authority = Authority()
        town = cls(build_city(folder, 7, 64, TIMERS, tls=authority))
        town.authority = authority
        return await town.opened()

    async def opened(self) -> Self:
        """Banks listen, the node serves all their links."""
        for bank in self.banks:
            bank.tls = self.city.context(bank.plan.id, serves=True)
            await bank.open()
        await self.supervisor.start()
        await self.linked()
        return self

    async def started_again(self) -> None:
        """After an orderly stop: a new supervisor, a new node."""
        at_ns = time.time_ns()
        self.supervisor = Supervisor(self.city.config)
        await self.supervisor.start()
        await self.linked(since_ns=at_ns)

    async def close(self) -> None:
        """Stops the node; the journal must be whole and no bank may have met a wrong MAC."""
        for cable in self._cables:
            await cable.pulled()
        await self.supervisor.stop()
        for bank in self.banks:
            bank.close()
        assert [fault for bank in self.banks for fault in bank.faults] == []
        assert self.findings() == []

    # The people of the town

    async def till(self, cable: Cable | None = None, *, signed_on: bool = True) -> Till:
        """A terminal that no other test uses."""
        fitting = self.city.fittings[self._fitted]
        till = Till(fitting, cable or await self.cable(fitting.merchant))
        self._fitted += 1
        if signed_on:
            await till.sign_on()
        return till

    async def cable(self, merchant: str = "") -> Cable:
        """A new connection to the node; in a city of TLS with the certificate of a merchant."""
        shown = self.city.context(merchant or self.city.merchants[0].id, serves=False)
        cable = await Cable.dial(self.city.node, shown)
        self._cables.append(cable)
        return cable

    @property
    def next_merchant(self) -> int:
        """The number of the shop at which the next till stands."""
        return self._fitted % len(self.city.merchants)

    def open_cables(self) -> list[Cable]:
        """The connections that nobody has ended here."""
        return [cable for cable in self._cables if cable.open]

    async def redialled(self, till: Till) -> Till:
        """The same terminal on a new connection, as soon as somebody listens."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    till.cable = await self.cable()
                except OSError:
                    await asyncio.sleep(_LOOK_S)
                else:
                    return till

    def bought(self, bank: int = 0, amount_minor: int = 0, *, pin: bool = True) -> Purchase:
        """A customer with a card of her own and an amount of its own."""
        self._sold += 1
        ranges = self.city.banks[bank].ranges
        pan = pan_at(ranges[self._sold % len(ranges)], self._sold)
        typed = pin_of(self.city.seed, pan) if pin else ""
        return Purchase(pan, VALID, typed, amount_minor or 1000 + self._sold)

    async def forwarded(self, till: Till, bought: Purchase, bank: int = 0) -> Asked:
        """Sends a sale and returns what its bank was asked."""
        till.cable.put(till.sale(bought))
        return await self.banks[bank].asked("0200", till.id)

    async def approved(self, till: Till, bought: Purchase, bank: int = 0) -> Message:
        """A sale from the till to its bank and back."""
        self.banks[bank].answer(await self.forwarded(till, bought, bank))
        answer = await till.answer()
        assert answer.fields[39] == "00"
        return answer

    # What the node says about itself

    def gauges(self, since_ns: int = 0) -> dict[str, float]:
        """The newest gauges, none older than `since_ns`."""
        try:
            db = apsw.Connection(str(self.city.data / "vitals.db"), flags=apsw.SQLITE_OPEN_READONLY)
            row = db.execute(
                "SELECT gauges FROM vitals WHERE at_ns > ? ORDER BY at_ns DESC LIMIT 1", (since_ns,)
            ).fetchone()
            db.close()
        except apsw.Error:
            return {}
        return msgspec.msgpack.decode(row[0]) if row else {}

    async def counted(self, name: str, times: int = 1) -> None:
        """Returns when the node has counted something so often."""
        await until(lambda: self.gauges().get(f"count.{name}", 0) >= times)

    async def linked(self, links: int = 8, since_ns: int = 0) -> None:
        """Returns when so many links to banks serve."""
        await until(lambda: self.gauges(since_ns).get("links_up") == links)

    def records(self) -> list[Record]:
        """The journal."""
        db = apsw.Connection(str(self.city.data / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
        rows = list(db.execute("SELECT seq, body FROM journal ORDER BY seq"))
        db.close()
        return [decode_record(seq, body) for seq, body in rows]

    def verdicts(self, terminal: str) -> list[Verdict]:
        """What was decided about the payments of a terminal."""
        records = self.records()
        opened = {
            record.verdict.payment
            for record in records
            if getattr(record.event, "terminal", "") == terminal and record.verdict.payment
        }
        return [
            record.verdict
            for record in records
            if record.verdict.payment in opened
            or any(step.payment in opened for step in record.verdict.reversing)
        ]

    def came_to(self, terminal: str, state: str) -> bool:
        """Whether a payment of a terminal has come to this state; what is noted afterwards moves nothing."""
        return any(verdict.state == state for verdict in self.verdicts(terminal))

    async def noted(self, till: Till, why: str) -> None:
        """Returns when the journal holds this remark beside a payment of the till."""
        await until(lambda: any(verdict.why == why for verdict in self.verdicts(till.id)))

    def findings(self) -> list[str]:
        """What `verify` finds."""
        return verify_journal(load_config(self.city.config))
