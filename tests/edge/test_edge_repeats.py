"""A terminal that asks again or takes back: one posting, one answer, whatever the order."""

import msgspec
from edge_till import POS, Cable
from edge_town import until


async def test_a_repeat_after_the_answer_gets_the_same_answer(switch):
    till = await switch.till()
    first = await switch.approved(till, switch.bought())
    again = await till.answered(till.sale_again())
    kept = (2, 3, 4, 11, 25, 37, 38, 39, 41, 42, 44, 49, 60)
    assert {field: again.fields[field] for field in kept} == {field: first.fields[field] for field in kept}
    assert switch.banks[0].waiting("0200", till.id) == 0
    assert switch.banks[0].waiting("0420", till.id) == 0


async def test_a_repeat_of_a_decline_gets_the_decline(switch):
    till = await switch.till()
    switch.banks[0].answer(await switch.forwarded(till, switch.bought()), "51")
    first = await till.answer()
    again = await till.answered(till.sale_again())
    assert (again.fields[39], again.fields[37]) == ("51", first.fields[37])


async def test_a_repeat_in_flight_forwards_nothing_and_moves_the_answer_to_where_it_came_from(switch):
    till, bank = await switch.till(), switch.banks[0]
    asked = await switch.forwarded(till, switch.bought())
    first = till.cable
    await switch.redialled(till)
    till.cable.put(till.sale_again())
    await switch.noted(till, "repeat moves the reply")
    bank.answer(asked)
    assert (await till.answer()).fields[39] == "00"
    till.cable = first
    await till.hears_nothing_else()
    assert bank.waiting("0200", till.id) == 0


async def test_a_repeat_on_the_same_line_is_answered_once(switch):
    till, bank = await switch.till(), switch.banks[0]
    asked = await switch.forwarded(till, switch.bought())
    till.cable.put(till.sale_again())
    await switch.noted(till, "repeat moves the reply")
    bank.answer(asked)
    assert (await till.answer()).fields[39] == "00"
    await till.hears_nothing_else()
    assert bank.waiting("0200", till.id) == 0


async def test_a_repeat_while_the_first_sender_is_gone_saves_the_payment(switch):
    till, bank = await switch.till(), switch.banks[0]
    asked = await switch.forwarded(till, switch.bought())
    await till.cable.pulled()
    await switch.redialled(till)
    till.cable.put(till.sale_again())
    await switch.noted(till, "repeat moves the reply")
    bank.answer(asked)
    assert (await till.answer()).fields[39] == "00"
    assert switch.verdicts(till.id)[-1].state == "approved"


async def test_two_hundred_repeats_in_one_write_post_once(switch):
    till, bank = await switch.till(), switch.banks[0]
    payload = till.sale(switch.bought())
    till.cable.put_raw((len(payload).to_bytes(2, "big") + payload) * 200)
    bank.answer(await bank.asked("0200", till.id))
    assert (await till.answer()).fields[39] == "00"
    await until(lambda: sum(row.why.startswith("repeat") for row in switch.verdicts(till.id)) == 199)
    assert bank.waiting("0200", till.id) == 0


async def test_the_same_number_for_another_payment_gets_94(switch):
    till = await switch.till()
    bought = switch.bought()
    await switch.approved(till, bought)
    other_amount = msgspec.structs.replace(bought, amount_minor=bought.amount_minor + 1)
    other_card = msgspec.structs.replace(switch.bought(), amount_minor=bought.amount_minor)
    for other in (other_amount, other_card):
        assert (await till.answered(till.sale(other, stan=till.stan))).fields[39] == "94"
    assert switch.banks[0].waiting("0200", till.id) == 0


async def test_in_flight_94_leaves_the_first_payment_alone(switch):
    till, bank = await switch.till(), switch.banks[0]
    bought = switch.bought()
    asked = await switch.forwarded(till, bought)
    other = msgspec.structs.replace(bought, amount_minor=bought.amount_minor + 1)
    assert (await till.answered(till.sale(other, stan=till.stan))).fields[39] == "94"
    bank.answer(asked)
    assert (await till.answer()).fields[39] == "00"


async def taken_back(till, bought, **changes):
    answer = await till.answered(till.reversal(bought, **changes))
    assert answer.mti == "0410"
    return answer.fields[39]


async def test_a_reversal_of_an_approved_sale(switch):
    till, bank, bought = await switch.till(), switch.banks[0], switch.bought()
    approved = await switch.approved(till, bought)
    answer = await till.answered(till.reversal(bought))
    assert (answer.mti, answer.fields[39], answer.fields[37]) == ("0410", "00", approved.fields[37])
    reversal = await bank.asked("0420", till.id)
    assert (reversal[2], reversal[4], reversal[37]) == (bought.pan, approved.fields[4], approved.fields[37])
    await until(lambda: switch.came_to(till.id, "reversed"))
    assert await taken_back(till, bought) == "00"
    assert (await till.answered(till.sale_again())).fields[39] == "98"
    assert bank.waiting("0420", till.id) == 0, "reversed once"


async def test_a_reversal_in_flight_waits_for_the_banks_word(switch):
    till, bank, bought = await switch.till(), switch.banks[0], switch.bought()
    asked = await switch.forwarded(till, bought)
    till.cable.put(till.reversal(bought))
    answers = [await till.answer(), await till.answer()]
    assert {(answer.mti, answer.fields[39]) for answer in answers} == {("0410", "00"), ("0210", "98")}
    assert bank.waiting("0420", till.id) == 0, "it would overtake its sale"
    bank.answer(asked)
    assert (await bank.asked("0420", till.id))[37] == asked[37]
    await till.hears_nothing_else()
    await until(lambda: switch.came_to(till.id, "reversed"))


async def test_a_reversal_in_flight_of_a_silent_bank_goes_when_the_wait_is_over(switch):
    till, bank, bought = await switch.till(), switch.banks[0], switch.bought()
    asked = await switch.forwarded(till, bought)
    till.cable.put(till.reversal(bought))
    await till.answer()
    await till.answer()
    assert (await bank.asked("0420", till.id))[37] == asked[37]
    await until(lambda: switch.came_to(till.id, "reversed"))


async def test_a_reversal_of_a_declined_sale_has_nothing_to_do(switch):
    till, bought = await switch.till(), switch.bought()
    switch.banks[0].answer(await switch.forwarded(till, bought), "51")
    await till.answer()
    assert await taken_back(till, bought) == "00"
    assert switch.banks[0].waiting("0420", till.id) == 0


async def test_a_reversal_that_comes_before_its_sale_ends_it(switch):
    till, bought = await switch.till(), switch.bought()
    assert await taken_back(till, bought, stan=77) == "25"
    assert (await till.answered(till.sale(bought, stan=77))).fields[39] == "22"
    assert await taken_back(till, bought, stan=77) == "25"
    assert switch.banks[0].waiting("0200", till.id) == 0


async def test_a_reversal_that_differs_from_its_sale_reverses_nothing(switch):
    till, bought = await switch.till(), switch.bought()
    await switch.approved(till, bought)
    other_amount = msgspec.structs.replace(bought, amount_minor=bought.amount_minor + 1)
    other_card = msgspec.structs.replace(switch.bought(), amount_minor=bought.amount_minor)
    for other, code in ((other_amount, "64"), (other_card, "30")):
        assert await taken_back(till, other) == code
    assert (await till.answered(till.sale_again())).fields[39] == "00"
    assert switch.banks[0].waiting("0420", till.id) == 0


async def test_a_reversal_of_another_terminals_sale_is_unknown(switch):
    mine, other = await switch.till(), await switch.till()
    bought = switch.bought()
    await switch.approved(mine, bought)
    assert await taken_back(other, bought, stan=mine.stan) == "25"
    assert switch.banks[0].waiting("0420", mine.id) == 0


async def test_a_reversal_needs_its_mac(switch):
    till, bought = await switch.till(), switch.bought()
    await switch.approved(till, bought)
    payload = till.reversal(bought)
    cable: Cable = till.cable
    cable.put(payload[:-1] + bytes((payload[-1] ^ 1,)))
    answer = POS.unpack(await cable.take())
    assert (answer.mti, answer.fields[39]) == ("0410", "A0")
    assert switch.verdicts(till.id)[-1].state == "approved"
