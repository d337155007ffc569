"""A terminal signs on and sells through a real node: what the bank is asked and what the slip can say."""

import asyncio

import pytest
from edge_bank import AUTH, CENTRE
from edge_till import POS, Till

from posswitch.base.card import luhn_ok
from posswitch.codec import read_cups_header, swap_tpdu
from posswitch.sim.peers.pos import HEADER

ACQUIRER = "48020000"


async def test_sign_on_gives_keys_that_fit_their_check_values_and_differ_each_time(switch):
    till = await switch.till(signed_on=False)
    seen = set()
    for times in range(3):
        await asyncio.sleep(1.1 * bool(times))  # one sign-on a second
        answer = await till.sign_on()  # open_f62 refuses keys that do not fit their check values
        seen |= {till.pik, till.mak}
        assert till.batch == "000001"
        assert answer.fields[11] == f"{till.stan:06d}"
    assert len(seen) == 6
    other = await switch.till()
    assert {other.pik, other.mak}.isdisjoint(seen)


async def test_working_keys_come_under_the_terminal_master_key_and_no_other(switch):
    mine, other = await switch.till(signed_on=False), await switch.till(signed_on=False)
    answer = POS.unpack(await mine.ask(mine.sign_on_request()))
    with pytest.raises(Exception, match="check value"):
        other.take_keys(answer)
    mine.take_keys(answer)


async def test_echo(switch):
    till = await switch.till()
    answer = POS.unpack(await till.ask(till.echo()))
    assert (answer.mti, answer.fields[39], answer.fields[41]) == ("0830", "00", till.id)


@pytest.mark.parametrize("bank", [0, 1, 2, 3])
async def test_a_sale_is_approved_by_the_bank_of_its_card(switch, bank):
    till, bought = await switch.till(), switch.bought(bank)
    asked = await switch.forwarded(till, bought, bank)
    switch.banks[bank].answer(asked)
    answer = await till.answer()
    assert answer.mti == "0210"
    assert answer.header == swap_tpdu(HEADER)
    expected = {
        2: bought.pan, 3: "000000", 4: f"{bought.amount_minor:012d}", 11: f"{till.stan:06d}",
        25: "00", 37: asked[37], 38: AUTH, 39: "00", 41: till.id, 42: till.fitting.merchant, 49: "156",
    }  # fmt: skip
    assert {field: answer.fields[field] for field in expected} == expected
    assert str(answer.fields[44]).split() == [switch.city.banks[bank].id, ACQUIRER]


async def test_the_bank_is_asked_for_exactly_this_payment(switch):
    till, bought = await switch.till(), switch.bought(1)
    asked = await switch.forwarded(till, bought, 1)
    shop = next(row for row in switch.city.merchants if row.id == till.fitting.merchant)
    expected = {
        2: bought.pan, 3: "000000", 4: f"{bought.amount_minor:012d}", 14: bought.expiry, 18: shop.mcc,
        22: "021", 25: "00", 26: "12", 32: ACQUIRER, 33: CENTRE, 35: bought.track2.replace("D", "="),
        41: till.id, 42: shop.id, 43: f"{shop.name:<25}{shop.city:<13}CN", 49: "156",
        53: "2600000000000000",
    }  # fmt: skip
    assert {field: asked[field] for field in expected} == expected
    assert luhn_ok(str(asked[2]))
    assert asked[7] == f"{asked[13]}{asked[12]}"
    assert len(str(asked[37])) == 12
    assert str(asked[37])[4] == "1", "the node's id stands in the RRN"
    assert len(asked.message.fields[128]) == 8
    header = read_cups_header(asked.payload)
    assert (header.destination, header.source) == (switch.city.banks[1].id, CENTRE)
    assert (header.total_bytes, header.reject_code) == (len(asked.payload), "00000")
    switch.banks[1].answer(asked)
    await till.answer()


async def test_the_pin_reaches_the_bank_under_its_own_key(switch):
    till, bought = await switch.till(), switch.bought(0)
    asked = await switch.forwarded(till, bought)
    bank = switch.banks[0]
    assert bank.typed_pin(asked) == bought.pin
    assert asked[52] != POS.unpack(till.cable.said[-1]).fields[52]
    bank.answer(asked)
    await till.answer()


async def test_a_card_without_a_pin_goes_without_pin_fields(switch):
    till, bought = await switch.till(), switch.bought(pin=False)
    asked = await switch.forwarded(till, bought)
    assert asked[22] == "022"
    assert {26, 52, 53}.isdisjoint(asked.message.fields)
    switch.banks[0].answer(asked)
    assert (await till.answer()).fields[39] == "00"


async def test_rrn_and_stan_at_the_bank_are_never_given_twice(switch):
    till = await switch.till()
    seen = []
    for _ in range(5):
        asked = await switch.forwarded(till, switch.bought(2), 2)
        seen.append((asked[37], asked[11]))
        switch.banks[2].answer(asked)
        await till.answer()
    assert len({rrn for rrn, _ in seen}) == len({stan for _, stan in seen}) == 5


@pytest.mark.parametrize(
    ("said", "told"), [("51", "51"), ("55", "55"), ("A0", "96"), ("77", "96"), ("ZZ", "ZZ")]
)
async def test_a_decline_reaches_the_terminal_and_what_concerns_only_the_line_does_not(switch, said, told):
    till, bought = await switch.till(), switch.bought()
    switch.banks[0].answer(await switch.forwarded(till, bought), said)
    answer = await till.answer()
    assert answer.fields[39] == told
    assert 38 not in answer.fields


async def test_many_terminals_share_one_connection_and_each_gets_its_own_answer(switch):
    cable = await switch.cable()
    tills = [await switch.till(cable) for _ in range(6)]
    asked = {}
    for number, till in enumerate(tills):
        asked[till.id] = await switch.forwarded(till, switch.bought(number % 4), number % 4)
    for number, till in reversed(list(enumerate(tills))):  # the last one asked is answered first
        switch.banks[number % 4].answer(asked[till.id], "00" if number % 2 else "51")
    for _ in tills:
        payload = await cable.take()
        till = next(till for till in tills if till.id == POS.unpack(payload).fields[41])
        answer = till.trusted(payload)
        assert answer.fields[39] == ("00" if tills.index(till) % 2 else "51")
        assert answer.fields[37] == asked.pop(till.id)[37]
    assert not asked


async def test_many_requests_in_one_write_are_all_answered(switch):
    till = await switch.till()
    switch_cable = till.cable
    frames = [till.echo() for _ in range(50)]
    switch_cable.put_raw(b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames))
    for _ in frames:
        assert POS.unpack(await switch_cable.take()).fields[39] == "00"


async def test_short_connections(switch):
    till = await switch.till()
    for _ in range(3):
        await till.cable.pulled()
        await switch.redialled(till)
        await switch.approved(till, switch.bought())
    assert till.stan == 4


async def test_terminals_pay_at_the_same_time(switch):
    tills = [await switch.till() for _ in range(4)]

    async def pay(till: Till) -> str:
        return str((await switch.approved(till, switch.bought(3), 3)).fields[37])

    assert len(set(await asyncio.gather(*(pay(till) for till in tills)))) == 4
