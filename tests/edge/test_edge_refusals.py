"""What the centre refuses by itself: the right DE39, nothing forwarded, a MAC when a key fits."""

import asyncio

import msgspec
import pytest
from edge_till import POS
from edge_town import until

from posswitch.codec import framed
from posswitch.sim.city import CARD_DAILY_MINOR
from posswitch.sim.peers import pos
from posswitch.sim.peers.customer import UNKNOWN_RANGE, pan_at
from posswitch.sim.peers.terminal import Fitting

REPEATED = (3, 4, 11, 25, 41, 42, 49)


async def refused(till, payload):
    """The unsigned answer to a sale that nobody could trust."""
    answer = POS.unpack(await till.ask(payload))
    assert answer.mti == "0210"
    assert 64 not in answer.fields
    return answer.fields[39]


@pytest.fixture
def nothing_forwarded(switch):
    before = [len(bank.heard) for bank in switch.banks]
    yield
    heard = [bank.heard[count:] for bank, count in zip(switch.banks, before, strict=True)]
    assert [payload for payloads in heard for payload in payloads if payload[46:50] != b"0820"] == []


pytestmark = pytest.mark.usefixtures("nothing_forwarded")


async def test_an_unknown_terminal_gets_97(switch):
    till = await switch.till()
    till.fitting = Fitting("99999999", till.fitting.merchant, till.fitting.tmk)
    till.id = "99999999"
    assert await refused(till, till.sale(switch.bought())) == "97"
    assert POS.unpack(await till.ask(till.sign_on_request())).fields[39] == "97"


async def test_a_terminal_that_has_not_signed_on_gets_77(switch):
    till = await switch.till(signed_on=False)
    till.pik = bytes(16)
    assert await refused(till, till.sale(switch.bought())) == "77"


async def test_another_batch_than_the_centres_gets_77(switch):
    till = await switch.till()
    till.batch = "000009"
    assert (await till.answered(till.sale(switch.bought()))).fields[39] == "77"


async def test_a_wrong_mac_gets_a0(switch):
    till = await switch.till()
    assert await refused(till, till.sale(switch.bought(), mak=bytes(8))) == "A0"
    payload = till.sale(switch.bought())
    assert await refused(till, payload[:-1] + bytes((payload[-1] ^ 1,))) == "A0"
    bought = switch.bought(amount_minor=123456)
    payload = till.sale(bought)
    assert await refused(till, payload.replace(bytes.fromhex("123456"), bytes.fromhex("123457"))) == "A0"


async def test_no_mac_at_all_gets_a0(switch):
    till = await switch.till()
    message = pos.sale(till.id, till.fitting.merchant, 900, till.batch, switch.bought(), till.pik)
    assert await refused(till, POS.pack(message)) == "A0"


async def test_the_key_before_the_last_sign_on_gets_a0_once_the_new_one_was_used(switch):
    till = await switch.till()
    old = till.mak
    await till.sign_on()
    stranger = msgspec.structs.replace(switch.bought(), pan=pan_at(UNKNOWN_RANGE, 1))
    assert (await till.answered(till.sale(stranger))).fields[39] == "15"
    assert await refused(till, till.sale(switch.bought(), mak=old)) == "A0"


async def test_sign_ons_beyond_a_burst_of_three_get_96_until_a_second_has_passed(switch):
    till = await switch.till(signed_on=False)
    asked = [framed("bin2", till.sign_on_request()) for _ in range(5)]
    till.cable.put_raw(b"".join(asked))  # at once: no second may pass between them on a busy machine
    codes = [POS.unpack(await till.cable.take()).fields[39] for _ in asked]
    assert sorted(codes) == ["00", "00", "00", "96", "96"]
    await asyncio.sleep(1.1)
    assert POS.unpack(await till.ask(till.sign_on_request())).fields[39] == "00"


async def test_another_merchants_number_gets_03(switch):
    till = await switch.till()
    other = next(row.id for row in switch.city.merchants if row.id != till.fitting.merchant)
    answer = await till.answered(till.sale(switch.bought(), changes={42: other}))
    assert answer.fields[39] == "03"


async def test_a_sign_on_for_another_merchant_gets_03_and_no_keys(switch):
    till = await switch.till(signed_on=False)
    other = next(row.id for row in switch.city.merchants if row.id != till.fitting.merchant)
    answer = POS.unpack(await till.ask(POS.pack(pos.sign_on(till.id, other, 1, "000000"))))
    assert answer.fields[39] == "03"
    assert 62 not in answer.fields


@pytest.mark.parametrize(
    ("left_out", "mti"),
    [
        ({2: None, 35: None}, "0200"),
        ({11: None}, "0200"),
        ({4: None}, "0200"),
        ({22: None}, "0200"),
        ({49: None}, "0200"),
    ],
)
async def test_a_missing_field_gets_30(switch, left_out, mti):
    till = await switch.till()
    answer = await till.answered(till.sale(switch.bought(), changes=left_out, mti=mti))
    assert answer.fields[39] == "30"


async def test_a_track_of_another_card_gets_30(switch):
    till = await switch.till()
    other = switch.bought().track2
    assert (await till.answered(till.sale(switch.bought(), changes={35: other}))).fields[39] == "30"


@pytest.mark.parametrize("changes", [{3: "999999"}, {25: "77"}, {60: "99000001000601"}])
async def test_a_kind_that_is_not_offered_gets_40(switch, changes):
    till = await switch.till()
    answer = await till.answered(till.sale(switch.bought(), changes=changes))
    assert answer.fields[39] == "40"
    assert answer.fields[11] == f"{till.stan:06d}"


async def refused_by_the_engine(switch, bought):
    till = await switch.till()
    answer = await till.answered(till.sale(bought))
    assert answer.fields[2] == bought.pan
    assert len(str(answer.fields[37])) == 12
    (verdict,) = switch.verdicts(till.id)
    assert (verdict.cause, verdict.code) == ("refused", answer.fields[39])
    return answer.fields[39]


async def test_a_card_of_no_bank_gets_15(switch):
    stranger = msgspec.structs.replace(switch.bought(), pan=pan_at(UNKNOWN_RANGE, 1))
    assert await refused_by_the_engine(switch, stranger) == "15"


async def test_a_wrong_check_digit_gets_14(switch):
    bought = switch.bought()
    wrong = msgspec.structs.replace(bought, pan=bought.pan[:-1] + str((int(bought.pan[-1]) + 1) % 10))
    assert await refused_by_the_engine(switch, wrong) == "14"


async def test_an_expired_card_gets_54(switch):
    old = msgspec.structs.replace(switch.bought(), expiry="1912")
    assert await refused_by_the_engine(switch, old) == "54"


async def test_an_expired_card_without_field_14_is_seen_by_its_track(switch):
    till = await switch.till()
    old = msgspec.structs.replace(switch.bought(), expiry="1912")
    assert (await till.answered(till.sale(old, changes={14: None}))).fields[39] == "54"


async def test_more_than_the_cards_limit_gets_61(switch):
    assert await refused_by_the_engine(switch, switch.bought(amount_minor=CARD_DAILY_MINOR + 1)) == "61"


async def test_an_amount_of_zero_gets_13(switch):
    till = await switch.till()
    answer = await till.answered(till.sale(switch.bought(), changes={4: "0" * 12}))
    assert answer.fields[39] == "13"


async def test_refusals_repeat_what_was_asked(switch):
    till = await switch.till()
    payload = till.sale(switch.bought(), changes={22: None})
    asked, answer = POS.unpack(payload), await till.answered(payload)
    assert {field: answer.fields[field] for field in REPEATED} == {f: asked.fields[f] for f in REPEATED}


async def test_a_refused_sale_gets_the_same_refusal_again(switch):
    till = await switch.till()
    stranger = msgspec.structs.replace(switch.bought(), pan=pan_at(UNKNOWN_RANGE, 2))
    first = await till.answered(till.sale(stranger))
    again = await till.answered(till.sale(stranger, stan=till.stan))
    assert (first.fields[39], first.fields[37]) == (again.fields[39], again.fields[37])


async def test_without_a_line_to_the_bank_91_and_with_it_again_a_sale(switch):
    till, bank = await switch.till(), switch.banks[3]
    bank.close()
    await switch.linked(6)
    assert (await till.answered(till.sale(switch.bought(3)))).fields[39] == "91"
    await bank.open()
    await switch.linked(8)
    assert bank.waiting("0200", till.id) == 0, "a refused sale must not be sent later"
    await until(lambda: not switch.gauges().get("open_payments"))
