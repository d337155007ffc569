"""Plays a line: every word at the terminals, at the bank, on the line between them."""

import asyncio
from collections import defaultdict
from itertools import count

import msgspec
import pytest
from edge_bank import PATIENCE_S, Asked
from edge_till import POS
from edge_town import until
from scenario_deal import (
    Deal,
    card_of,
    changed,
    check_again,
    check_answer,
    check_asked,
    check_paid,
    check_taken_back,
    kind_named,
    packed,
    request_of,
)
from scenario_lines import NOT_OFFERED, Line, Ref, Say, Step, Told, minor
from scenario_street import BookedBank, Ear, Street

from posswitch.base.codes import APPROVALS
from posswitch.codec import Message
from posswitch.journal.batches import read_batches
from posswitch.scheme.kinds import BALANCE, PAYMENT_KINDS, answer_mti, text
from posswitch.scheme.settlement import Side, Uploaded, read_totals
from posswitch.sim.peers import pos
from posswitch.sim.peers.customer import Purchase

_FOREIGN_BANK = 3
_BALANCE = "0002156C000000765432"
_FAILS_SOON_S = 3.0
_approvals = count(1)


class Story:
    """One line under way."""

    def __init__(self, street: Street) -> None:
        self.street = street
        self.deals: defaultdict[str, list[Deal]] = defaultdict(list)
        self.ears: dict[str, Ear] = {}
        self.fresh = False
        self.patience_s = PATIENCE_S
        self.bank: BookedBank = street.banks[street.home]

    async def told(self, line: Line) -> None:
        """All its steps, then nothing may be left that nobody mentioned."""
        self.patience_s = _FAILS_SOON_S if line.found else PATIENCE_S
        try:
            for step in line.steps:
                try:
                    async with asyncio.timeout(3 * PATIENCE_S):
                        await self._play(step)
                except (AssertionError, TimeoutError, KeyError) as error:
                    raise AssertionError(f"{step.text}: {error or type(error).__name__}") from error
            await self._nothing_left()
        finally:
            if not self.bank.is_open:
                await self._join()
            for ear in self.ears.values():
                for bank in self.street.banks:
                    bank.release(ear.till.id)
                await ear.hung_up()

    async def _play(self, step: Step) -> None:
        if step.verb in PAYMENT_KINDS:
            await self._pay(step, PAYMENT_KINDS[step.verb])
        elif step.verb in NOT_OFFERED:
            await self._pay(step, kind_named(step.verb, NOT_OFFERED[step.verb]))
        else:
            await getattr(self, "_" + step.verb.replace("-", "_"))(step)

    async def _nothing_left(self) -> None:
        for ear in self.ears.values():
            if ear.till.cable.open:
                await self._echoed(ear)
            assert ear.unread() == [], "the terminal was told more"
            unheard = [mti for bank in self.street.banks for mti in bank.unheard(ear.till.id)]
            assert unheard == [], "a bank was asked more"

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
        """The same bytes again (or, when they were lost, for the first time)."""
        deal = self.deal(step.ref)
        ear = self._ear_of(deal)
        deal.till.cable.put(deal.payload)
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

    # The terminal's day

    async def _fresh(self, step: Step) -> None:
        """The terminal has not signed on yet."""
        self.fresh = True

    async def _sign_on(self, step: Step) -> None:
        ear = await self.ear(step.choices.get("by", ""))
        if step.changes:
            message = pos.sign_on(ear.till.id, ear.till.fitting.merchant, ear.till.stan + 1, ear.till.batch)
            await self._ask(ear, changed(message, step.changes), step.told)
            return
        answer = await self._soon(self.street.sign_on(ear))
        assert answer.fields[39] == step.told.code
        if step.told.batch:
            assert ear.till.batch == f"{step.told.batch:06d}"

    async def _ask(self, ear: Ear, message: Message, told: Told) -> Message:
        """A message without a MAC, and its answer."""
        ear.till.stan += 11 in message.fields
        ear.till.cable.put(POS.pack(message))
        payload = await self._soon(ear.told(answer_mti(message.mti), text(message, 11)))
        return self._check(payload, message, ear, told, signed=False)

    async def _sign_off(self, step: Step) -> None:
        till = (ear := await self.ear()).till
        message = pos.sign_off(till.id, till.fitting.merchant, till.stan + 1, till.batch)
        await self._ask(ear, changed(message, step.changes), step.told)

    async def _echo(self, step: Step) -> None:
        till = (ear := await self.ear()).till
        await self._ask(
            ear, changed(pos.echo(till.id, till.fitting.merchant, till.batch), step.changes), step.told
        )

    async def _settle(self, step: Step) -> None:
        till = (ear := await self.ear()).till
        sides = tuple(_side(step, foreign) for foreign in ("", "foreign-"))
        message = pos.settlement(till.id, till.fitting.merchant, till.stan + 1, till.batch, *sides)
        answer = await self._ask(ear, changed(message, step.changes), step.told)
        if step.told.code != "00":
            return
        options, f48 = step.told.options, text(answer, 48)
        assert options & {"balanced", "differs", "foreign-differs"}, "say balanced or differs"
        flags = "".join("2" if word in options else "1" for word in ("differs", "foreign-differs"))
        assert f48[30] + f48[61] == flags, f"flags {f48[30]}{f48[61]}, the centre's totals {f48}"
        if "balanced" in options:
            assert read_totals(f48) == sides

    async def _upload(self, step: Step) -> None:
        till = (ear := await self.ear()).till
        if step.ref is not None:
            deal = self.deal(step.ref)
            foreign = self.bank_of(deal) is self.street.banks[_FOREIGN_BANK]
            item = Uploaded(f"{deal.stan:06d}", deal.purchase.pan, deal.purchase.amount_minor, foreign)
        else:
            item = Uploaded(f"{int(step.choices['trace']):06d}", self.street.bought().pan, 0, foreign=False)
        if step.amount_minor is not None:
            item = item._replace(amount_minor=step.amount_minor)
        message = pos.upload(till.id, till.fitting.merchant, till.stan + 1, till.batch, [item])
        await self._ask(ear, changed(message, step.changes), step.told)

    async def _upload_end(self, step: Step) -> None:
        till = (ear := await self.ear()).till
        counted = int(step.choices.get("count", 0))
        message = pos.upload_end(till.id, till.fitting.merchant, till.stan + 1, till.batch, counted)
        await self._ask(ear, changed(message, step.changes), step.told)

    async def _differs(self, step: Step) -> None:
        """What the centre has found different between the terminal's batch and its own."""
        till = (await self.ear()).till
        view = read_batches(self.street.city.data, till.id)[-1]
        if "count" in step.choices:
            assert len(view.differences) == int(step.choices["count"]), view.differences
            return
        stan = self.deal(step.ref).stan if step.ref else int(step.choices["trace"])
        found = {row.stan: (row.ours_minor, row.theirs_minor) for row in view.differences}
        said = tuple(_amount(step.choices[who]) for who in ("ours", "theirs"))
        assert found.get(f"{stan:06d}") == said, found

    async def _stands(self, step: Step) -> None:
        """How the payment stands in the journal, soon."""
        deal = self.deal(step.ref)
        opened = _payment_of(deal)
        await until(
            lambda: (
                [
                    record.verdict.state
                    for record in self.street.records()
                    if record.verdict.state
                    and opened in (record.verdict.payment, *(row.payment for row in record.verdict.reversing))
                ][-1]
                == step.words[0]
            )
        )

    # Lines and the house

    async def _cut(self, step: Step) -> None:
        """All lines to the bank are down."""
        self.bank.close()
        await self.street.linked(self.street.lines())

    async def _join(self, _step: Step | None = None) -> None:
        await self.bank.open()
        await self.street.linked(self.street.lines())

    async def _kill(self, step: Step) -> None:
        """kill -9 of the node; the terminals dial again."""
        await self.street.killed()
        for ear in self.ears.values():
            await self._dialled(ear)

    async def _hang_up(self, step: Step) -> None:
        ear = await self.ear()
        await ear.till.cable.pulled()
        await until(lambda: self.street.gauges().get("connections") == len(self.street.open_cables()))

    async def _dial(self, step: Step) -> None:
        await self._dialled(await self.ear())

    async def _dialled(self, ear: Ear) -> None:
        await ear.till.cable.pulled()
        await self.street.redialled(ear.till)
        ear.redial()


def cases(lines: list[Line]) -> list:
    """The lines for pytest; what waits for the product must fail."""
    waits = (
        pytest.mark.xfail(raises=AssertionError, strict=True, reason=line.found) if line.found else ()
        for line in lines
    )
    return [pytest.param(line, id=line.text, marks=mark) for line, mark in zip(lines, waits, strict=True)]


def _side(step: Step, prefix: str) -> Side:
    debits, credits = (step.choices.get(prefix + name, "0/0.00").split("/") for name in ("debits", "credits"))
    return Side(minor(debits[1]), int(debits[0]), minor(credits[1]), int(credits[0]))


def _amount(word: str) -> int | None:
    return None if word == "none" else minor(word)


def _payment_of(deal: Deal) -> int:
    rrn = str(deal.answer.get(37) or (deal.asked[37] if deal.asked else ""))
    return int(rrn[5:], 36)
