"""A street whose payments are looked up while their line is told, and held against books and slips."""

import asyncio
from functools import cached_property
from pathlib import Path
from typing import Self

from edge_till import POS
from edge_town import TIMERS, until
from msgspec.structs import replace
from scenario_deal import Deal
from scenario_lines import Say, Step, Told
from scenario_story import Story
from scenario_street import Ear, Street
from why_label import Label, Labelled
from why_rules import wording_faults
from why_world import texts_of

from posswitch.base.codes import APPROVALS
from posswitch.office.why_evidence import Evidence, Money, Safe
from posswitch.office.why_find import Asked, Found, find
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import Config, load_config
from posswitch.sim.city import build_city
from posswitch.sim.peers.customer import Purchase

_TERMINALS = 480
_TIMERS = replace(TIMERS, centre=2.5, terminal=5.0, flight_max=5.0)  # many lines at once, on a busy machine
_SOON_S = 20.0
_ACKNOWLEDGED = Say("00", {}, frozenset())
_STAND_AT_BANK = {
    Money.STANDS: True,
    Money.UNDONE_LATER: True,
    Money.NONE: False,
    Money.UNDONE: False,
}


class ToldStreet(Street):
    """The centre may stand in for the bank of the lines' cards."""

    @classmethod
    async def told(cls, folder: Path) -> Self:
        return await cls(build_city(folder, 7, _TERMINALS, _TIMERS, stands_in=True), 0).opened()

    @cached_property
    def config(self) -> Config:
        return load_config(self.city.config, serve=False)


class ToldStory(Story):
    """One line; before its end its payments are asked after by what is on their slips."""

    def __init__(self, street: ToldStreet, home: int = 0) -> None:
        """`home`: whose cards pay. A bank that is silent too often gets nothing more: several share it."""
        super().__init__(street)
        self.home, self.bank = home, street.banks[home]
        self.taken_back: set[int] = set()  # deals that their terminal has taken back

    async def looked_at(self, labelled: Labelled) -> list[str]:
        """Everything that is said wrongly of the line's payments."""
        found = []
        try:
            for step in labelled.line.steps:
                async with asyncio.timeout(60):
                    await self._play(step)
            for label in labelled.labels:
                deal = self.deals[label.kind][label.place]
                found += [f"{labelled.line.text}: {fault}" for fault in await self._faults(deal, label)]
        finally:
            if not self.bank.is_open:
                await self._join()
            for ear in self.ears.values():
                for bank in self.street.banks:
                    bank.release(ear.till.id)
                await ear.hung_up()
        return found

    async def _reverse(self, step: Step) -> None:
        await super()._reverse(step)
        if step.told and step.told.code == "00":
            self.taken_back.add(id(self.deal(step.ref)))

    def _purchase(self, step: Step, original: Deal | None) -> Purchase:
        self.street.home = self.home
        return super()._purchase(step, original)

    async def _tell(self, ear: Ear, deal: Deal, told: Told) -> None:
        payload = await self._soon(ear.told(*deal.key))
        ear.keep(*deal.key, payload)
        if deal.asked is None and told.code == "00":  # the centre gave the code of a stand-in itself
            deal.auth = str(POS.unpack(payload).fields.get(38, ""))
        await super()._tell(ear, deal, told)

    async def _bank_hears(self, step: Step) -> None:
        deal = self.deal(step.ref)
        if deal.kind.advice or step.words[0][:3] != "022":
            await super()._bank_hears(step)
            return
        deal.asked = await self.bank_of(deal).asked(step.words[0], deal.till.id)  # told of a stand-in
        self._say(self.bank_of(deal), deal, deal.asked, (*step.bank, _ACKNOWLEDGED)[0])

    async def _faults(self, deal: Deal, label: Label) -> list[str]:
        config, clock = self.street.config, SystemClock()
        slip = Asked(terminal=deal.till.id, stan=str(deal.stan), batch=deal.batch)

        def found() -> Found:
            return find(config, clock, slip)

        def as_labelled() -> bool:
            payments = found().payments
            return len(payments) == 1 and payments[0].outcome is label.outcome

        try:
            await until(as_labelled, _SOON_S)
        except TimeoutError:
            return [f"{label}: {[one.outcome.value for one in found().payments]}"]
        evidence = found().payments[0]
        said = (evidence.decided, evidence.retry)
        faults = [] if said == (label.decided, label.retry) else [f"{label}: {said}"]
        faults += self._against_books(deal, evidence)
        return faults + wording_faults(evidence, texts_of(evidence))

    def _against_books(self, deal: Deal, evidence: Evidence) -> list[str]:
        """The bank's book and the terminal's slip."""
        bank, faults = self.bank_of(deal), []
        posted = evidence.rrn in bank.posted
        slip = deal.answer.get(39) in APPROVALS and id(deal) not in self.taken_back
        if evidence.safe is Safe.SETTLED and evidence.kind != "balance":
            if posted != slip:
                faults.append(f"said to be settled: bank {posted}, slip {slip}")
            if posted != _STAND_AT_BANK[evidence.money]:
                faults.append(f"{evidence.money}, and at the bank {posted}")
        if deal.answer and deal.answer[39] not in {told.code for told in evidence.told}:
            faults.append(f"the slip says {deal.answer[39]}, told {[told.code for told in evidence.told]}")
        if deal.asked is not None:
            texts = texts_of(evidence)["bank"][1]
            numbers = [str(deal.asked[field]) for field in (7, 11, 32, 33, 37, 41, 42)]
            faults += [f"the bank knows it by {number}: {texts}" for number in numbers if number not in texts]
            if str(deal.asked[2]) in "".join(map("".join, texts_of(evidence).values())):
                faults.append("its card number is shown")
        by_lane = deal.kind.advice or evidence.kind == "stood-in"
        if not by_lane and evidence.bank.asked != (deal.asked is not None):
            faults.append(f"said to have asked the bank: {evidence.bank.asked}")
        return faults
