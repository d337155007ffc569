"""Plays a line: its payments, the day of its terminals, what happens to lines and house."""

import asyncio

import pytest
from edge_bank import PATIENCE_S
from edge_till import POS
from edge_town import until
from scenario_deal import Deal, changed, kind_named
from scenario_lines import NOT_OFFERED, Line, Step, Told, minor
from scenario_paying import FOREIGN_BANK, Paying
from scenario_street import Ear

from posswitch.codec import Message
from posswitch.journal.batches import read_batches
from posswitch.scheme.kinds import PAYMENT_KINDS, answer_mti, text
from posswitch.scheme.settlement import Side, Uploaded, read_totals
from posswitch.sim.peers import pos

_FAILS_SOON_S = 3.0


class Story(Paying):
    """One line under way."""

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
        assert options & {"balanced", "differs", "foreign-differs", "unable"}, "say balanced or differs"
        flags = "".join("2" if word in options else "1" for word in ("differs", "foreign-differs"))
        flags = "33" if "unable" in options else flags
        assert f48[30] + f48[61] == flags, f"flags {f48[30]}{f48[61]}, the centre's totals {f48}"
        if "balanced" in options:
            assert read_totals(f48) == sides

    async def _upload(self, step: Step) -> None:
        till = (ear := await self.ear()).till
        if step.ref is not None:
            deal = self.deal(step.ref)
            foreign = self.bank_of(deal) is self.street.banks[FOREIGN_BANK]
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
