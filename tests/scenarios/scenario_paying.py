"""The payments of a line: terminals ask, banks answer, terminals are told; and how they are taken back."""

import asyncio
from collections import defaultdict
from itertools import count

import msgspec
from edge_bank import PATIENCE_S, Asked
from edge_till import POS
from scenario_deal import (
    Deal,
    card_of,
    changed,
    check_again,
    check_answer,
    check_asked,
    check_paid,
    check_taken_back,
    declared,
    packed,
    request_of,
)
from scenario_lines import NOT_OFFERED, Ref, Say, Step, Told
from scenario_street import BookedBank, Ear, Street

from posswitch.base.codes import APPROVALS
from posswitch.codec import Message
from posswitch.scheme.kinds import BALANCE, answer_mti
from posswitch.sim.peers import pos
from posswitch.sim.peers.customer import Purchase

FOREIGN_BANK = 3
_BALANCE = "0002156C000000765432"
_approvals = count(1)


class Paying:
    """The payments of one line, and everybody who has a part in them."""

    def __init__(self, street: Street) -> None:
        self.street = street
        self.deals: defaultdict[str, list[Deal]] = defaultdict(list)
        self.ears: dict[str, Ear] = {}
        self.fresh = False
        self.patience_s = PATIENCE_S
        self.bank: BookedBank = street.banks[street.home]

    async def _echoed(self, ear: Ear) -> None:
        """The centre has read everything that this terminal has sent."""
        ear.till.cable.put(ear.till.echo())
        await self._soon(ear.told("0830", ""))

    async def _soon(self, awaitable):
        async with asyncio.timeout(self.patience_s):
            return await awaitable

    # Who

    async def ear(self, who: str = "") -> Ear:
        if who not in self.ears:
            beside = (await self.ear()).till if who else None
            ear = self.ears[who] = await self.street.ear(who, beside)
            if not self.fresh:
                assert (await self._soon(self.street.sign_on(ear))).fields[39] == "00"
        return self.ears[who]

    def deal(self, ref: Ref | None) -> Deal:
        assert ref is not None, "which payment?"
        return self.deals[ref.kind][ref.place]

    def bank_of(self, deal: Deal) -> BookedBank:
        home = [
            bank
            for bank in self.street.banks
            for row in bank.plan.ranges
            if deal.purchase.pan.startswith(row.prefix)
        ]
        return home[0] if home else self.bank

    # Payments

    async def _pay(self, step: Step, kind) -> None:
        ear = await self.ear(step.choices.get("by", ""))
        till = ear.till
        original = self.deal(step.ref) if step.ref else None
        purchase = self._purchase(step, original)
        stan = int(step.choices.get("trace", 0)) or till.stan + ("same-trace" not in step.options)
        till.stan = max(stan, till.stan)
        request = self._management(step, ear, stan) if not kind.terminal[1] else None
        request = request or request_of(step, kind, till, stan, purchase, original)
        signs = bool(kind.terminal[1])  # network management carries no MAC
        payload = packed(request, step, till.mak, ear.old_mak) if signs else POS.pack(request)
        deal = Deal(kind, till, till.batch, stan, purchase, request, payload, original)
        self.deals[kind.name].append(deal)
        if "lost" not in step.options:
            till.cable.put(payload)
            await self._answered(ear, deal, step)

    def _management(self, step: Step, ear: Ear, stan: int) -> Message:
        mti, _, _, code = NOT_OFFERED[step.verb]
        message = pos.sign_off(ear.till.id, ear.till.fitting.merchant, stan, ear.till.batch)
        message.mti, message.fields[60] = mti, f"00{ear.till.batch}{code}"
        return message

    def _purchase(self, step: Step, original: Deal | None) -> Purchase:
        amount = step.amount_minor
        if original is not None and step.choices.get("card") != "another":
            bought = original.purchase
            amount = bought.amount_minor if amount is None else amount
        elif step.choices.get("card") == "same":
            bought = next(iter(self.deals.values()))[0].purchase
        else:
            bought = self.street.bought(self.street.home)
            amount = original.purchase.amount_minor if original is not None and amount is None else amount
        bought = card_of(step, bought, self.street.foreign_pan())
        pin = ""
        if "pin" in step.options:
            pin = self.street.bought(self.street.home).pin
        return msgspec.structs.replace(bought, pin=pin, amount_minor=amount or 0)

    async def _answered(self, ear: Ear, deal: Deal, step: Step) -> None:
        """The bank's part and the terminal's, in the order of the kind: an advice is accepted first."""
        if deal.kind.advice and step.told:
            await self._tell(ear, deal, step.told)
        if step.bank:
            await self._bank_part(ear, deal, step.bank)
        if not deal.kind.advice and step.told:
            await self._tell(ear, deal, step.told)

    async def _bank_part(self, ear: Ear, deal: Deal, says: tuple[Say, ...]) -> None:
        bank = self.bank_of(deal)
        for place, say in enumerate(says):
            if deal.asked is None or (deal.kind.advice and place):
                deal_asked = await self._heard(ear, deal, bank, deal.kind.bank, again=bool(place))
                deal.asked = deal.asked or deal_asked
            self._say(bank, deal, deal.asked, say)

    async def _heard(self, ear: Ear, deal: Deal, bank: BookedBank, mti: str, *, again: bool) -> Asked:
        """What the bank is asked; or the early word of the centre that it will not be asked."""
        asking = asyncio.create_task(bank.asked(f"{mti[:3]}1" if again else mti, deal.till.id))
        telling = asyncio.create_task(ear.told(*deal.key))
        done, _ = await asyncio.wait({asking, telling}, return_when=asyncio.FIRST_COMPLETED)
        telling.cancel()
        if telling in done:
            ear.keep(*deal.key, telling.result())
        if asking not in done:
            asking.cancel()
            code = POS.unpack(telling.result()).fields.get(39)
            raise AssertionError(f"told {code} before the bank was asked")
        asked = asking.result()
        (check_again if again else check_asked)(deal, asked)
        return asked

    def _say(self, bank: BookedBank, deal: Deal, asked: Asked, say: Say) -> None:
        if say.word in ("silent", "holds"):
            return
        if say.word == "garbage":
            bank.say(asked, bank.made(asked)[: len(asked.payload) // 2])
            return
        if say.word == "returned":
            bank.say(asked, asked.payload[:41] + b"00042" + asked.payload[46:])
            return
        changes = dict(say.changes)
        if say.word in APPROVALS and asked.message.mti in ("0100", "0200"):
            deal.auth = changes.setdefault(38, deal.auth or f"{next(_approvals):06d}") or ""
            if deal.kind is BALANCE:
                changes.setdefault(54, _BALANCE)
        if not say.options:
            bank.answer(asked, say.word, changes)
            return
        bank.book(asked, say.word)
        bank.say(asked, bank.spoiled(asked, say.word, changes, unsigned="no-mac" in say.options))

    async def _tell(self, ear: Ear, deal: Deal, told: Told) -> None:
        payload = await self._soon(ear.told(*deal.key))
        answer = self._check(payload, deal.request, ear, told, signed=64 in deal.request.fields)
        check_paid(deal, answer)
        if told.code == "00" and deal.kind is BALANCE:
            assert answer.fields[54] == _BALANCE
        if not deal.answer or answer.fields[39] in APPROVALS:
            deal.answer = dict(answer.fields)

    def _check(
        self, payload: bytes, request: Message, ear: Ear, told: Told, *, signed: bool = True
    ) -> Message:
        answer = check_answer(payload, request, ear.till, signed=signed)
        assert answer.fields[39] == told.code, f"told {answer.fields[39]}, not {told.code}"
        for number, value in told.fields.items():
            assert answer.fields.get(number) == value, f"field {number}: {answer.fields.get(number)}"
        assert ("unsigned" in told.options) <= (64 not in answer.fields)
        assert ("repeats-F42" in told.options) <= (answer.fields.get(42) == request.fields.get(42))
        return answer

    async def _repeat(self, step: Step) -> None:
        """The same bytes again (or, when they were lost, for the first time), or declared to be a repeat."""
        deal = self.deal(step.ref)
        ear = self._ear_of(deal)
        payload = deal.payload
        if "declared" in step.options:
            again = changed(declared(deal.request), step.changes)
            payload = packed(again, step, deal.till.mak, ear.old_mak)
        deal.till.cable.put(payload)
        if step.told is None:  # an echo comes back behind whatever was sent before it
            await self._echoed(ear)
        await self._answered(ear, deal, step)

    async def _told(self, step: Step) -> None:
        deal = self.deal(step.ref)
        await self._tell(self._ear_of(deal), deal, step.told)

    def _ear_of(self, deal: Deal) -> Ear:
        return next(ear for ear in self.ears.values() if ear.till is deal.till)

    async def _answer(self, step: Step) -> None:
        """The bank says now what it has kept back."""
        deal = self.deal(step.ref)
        assert deal.asked is not None
        for say in step.bank:
            self._say(self.bank_of(deal), deal, deal.asked, say)
        if step.told:
            await self._tell(self._ear_of(deal), deal, step.told)

    async def _reverse(self, step: Step) -> None:
        deal = self.deal(step.ref)
        ear, till = self._ear_of(deal), deal.till
        purchase = deal.purchase
        if step.choices.get("card") == "another":
            purchase = self.street.bought(self.street.home)
        if step.amount_minor is not None:
            purchase = msgspec.structs.replace(purchase, amount_minor=step.amount_minor)
        else:
            purchase = msgspec.structs.replace(purchase, amount_minor=deal.purchase.amount_minor)
        why = step.choices.get("why", "98")
        message = pos.reversal(
            till.id, till.fitting.merchant, deal.stan, deal.batch, purchase, why, deal.kind
        )
        changed(message, step.changes)
        message = declared(message) if "declared" in step.options else message
        till.cable.put(packed(message, step, till.mak, ear.old_mak))
        if step.told:
            stan = str(message.fields.get(11, ""))
            payload = await self._soon(ear.told("0410", stan))
            answer = self._check(payload, message, ear, step.told)
            if step.told.code == "00" and deal.asked is not None:
                assert answer.fields[37] == deal.asked[37]
        for place, say in enumerate(step.bank):
            await self._reversal_heard(deal, "0421" if place else "0420", say)

    async def _reversal_heard(self, deal: Deal, mti: str, say: Say) -> None:
        bank = self.bank_of(deal)
        asked = await bank.asked(mti, deal.till.id)
        check_taken_back(deal, asked)
        self._say(bank, deal, asked, say)

    # At the bank

    async def _bank_hears(self, step: Step) -> None:
        """A reversal or an advice that comes by itself."""
        deal, mti = self.deal(step.ref), step.words[0]
        says = step.bank or (Say("00", {}, frozenset()),)
        if mti[1] == "4":
            for place, say in enumerate(says):
                await self._reversal_heard(deal, "0421" if place else mti, say)
            return
        bank = self.bank_of(deal)
        for place, say in enumerate(says):
            asked = await bank.asked("0221" if place else mti, deal.till.id)
            (check_again if deal.asked is not None else check_asked)(deal, asked)
            deal.asked = deal.asked or asked
            self._say(bank, deal, asked, say)

    async def _bank_sends(self, step: Step) -> None:
        mti, code = step.words
        self.bank.manage(mti, code)
        heard = await self.bank.asked(answer_mti(mti), "")
        assert (heard[70], heard[39], heard[11]) == (code, step.told.code, "000077")
