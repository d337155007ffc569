"""The limit of a card and day: approvals count, what was declined or reversed does not."""

import msgspec

from posswitch.sim.city import CARD_DAILY_MINOR


async def test_the_limit_is_used_up_by_approvals_and_freed_by_declines_and_reversals(switch):
    till = await switch.till()
    card = switch.bought(amount_minor=CARD_DAILY_MINOR)
    bank = switch.banks[0]
    bank.answer(await switch.forwarded(till, card), "51")
    assert (await till.answer()).fields[39] == "51"
    await switch.approved(till, card)
    more = msgspec.structs.replace(card, amount_minor=1)
    assert (await till.answered(till.sale(more))).fields[39] == "61"
    assert (await till.answered(till.reversal(card, stan=till.stan - 1))).fields[39] == "00"
    await bank.asked("0420", till.id)
    await switch.approved(till, more)


async def test_two_sales_at_once_cannot_pass_the_limit_together(switch):
    till, other = await switch.till(), await switch.till()
    card = switch.bought(amount_minor=CARD_DAILY_MINOR // 2 + 1)
    asked = await switch.forwarded(till, card)
    assert (await other.answered(other.sale(card))).fields[39] == "61"
    switch.banks[0].answer(asked)
    assert (await till.answer()).fields[39] == "00"
