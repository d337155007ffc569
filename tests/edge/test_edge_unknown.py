"""A bank's word is missing, late, damaged or doubled: 98, a reversal until acknowledged, no money lost."""

import pytest
from edge_till import POS
from edge_town import until

from posswitch.codec import load_dialect
from posswitch.sim.peers import cups

CUPS = load_dialect("cups")
SAME_IN_EVERY_TRY = (2, 3, 4, 7, 11, 12, 13, 32, 33, 37, 41, 42, 49, 90)


async def given_up(switch, till, bought, bank=0):
    """A sale whose bank stays silent; returns what was asked and the terminal's 98."""
    asked = await switch.forwarded(till, bought, bank)
    answer = await till.answer()
    assert (answer.mti, answer.fields[39]) == ("0210", "98")
    return asked, answer


@pytest.fixture
def holding(switch):
    """The first bank acknowledges no reversal by itself."""
    switch.banks[0].acks = ""
    yield switch.banks[0]
    switch.banks[0].acks = "00"


def original_of(asked):
    """Field 90 as the standard writes it: MTI, STAN, F7, and the two institutions of eleven digits."""
    return f"0200{asked[11]}{asked[7]}{str(asked[32]).zfill(11)}{str(asked[33]).zfill(11)}"


async def test_a_silent_bank_gets_a_reversal_that_names_the_sale(switch):
    till, bought = await switch.till(), switch.bought()
    asked, answer = await given_up(switch, till, bought)
    assert answer.fields[37] == asked[37]
    assert 38 not in answer.fields
    reversal = await switch.banks[0].asked("0420", till.id)
    assert reversal[90] == original_of(asked)
    kept = (2, 3, 4, 12, 13, 14, 18, 22, 25, 32, 33, 37, 41, 42, 43, 49)
    assert {field: reversal[field] for field in kept} == {field: asked[field] for field in kept}
    assert {26, 35, 52, 53}.isdisjoint(reversal.message.fields), "no secrets in a reversal"
    assert (reversal[7], reversal[11]) != (asked[7], asked[11])
    await until(lambda: switch.came_to(till.id, "reversed"))
    assert [verdict.cause for verdict in switch.verdicts(till.id)] == [
        "accepted",
        "timed-out",
        "bank-reversed",
    ]


async def test_a_reversal_is_repeated_with_the_same_numbers_until_it_is_acknowledged(switch, holding):
    till = await switch.till()
    await given_up(switch, till, switch.bought())
    first = await holding.asked("0420", till.id)
    tries = [await holding.asked("0421", till.id) for _ in range(3)]
    for again in tries:
        assert {f: again[f] for f in SAME_IN_EVERY_TRY} == {f: first[f] for f in SAME_IN_EVERY_TRY}
    assert holding.waiting("0420", till.id) == 0, "only the first try is a 0420"
    holding.answer(tries[-1])
    await until(lambda: switch.came_to(till.id, "reversed"))


@pytest.mark.parametrize("spoiled", ["96", "no answer code", "amount", "mac"])
async def test_a_reversal_is_not_done_by_any_other_word(switch, holding, spoiled):
    till = await switch.till()
    await given_up(switch, till, switch.bought())
    first = await holding.asked("0420", till.id)
    good = holding.made(first)
    holding.say(
        first,
        {
            "96": lambda: holding.made(first, "96"),
            "no answer code": lambda: holding.made(first, "00", {39: None}),
            "amount": lambda: holding.made(first, "00", {4: "000000000001"}),
            "mac": lambda: good[:-1] + (b"0" if good[-1:] != b"0" else b"1"),
        }[spoiled](),
    )
    again = await holding.asked("0421", till.id)
    assert switch.verdicts(till.id)[-1].state != "reversed"
    holding.answer(again)
    await until(lambda: switch.came_to(till.id, "reversed"))


async def test_original_unknown_ends_a_reversal_only_after_the_longest_flight(switch, holding):
    till = await switch.till()
    await given_up(switch, till, switch.bought())
    holding.answer(await holding.asked("0420", till.id), "25")
    await holding.asked("0421", till.id)
    assert switch.verdicts(till.id)[-1].state == "reversing"
    holding.acks = "25"
    await until(lambda: switch.came_to(till.id, "reversed"))
    opened, closed = (
        next(
            record.at_ns
            for record in switch.records()
            if (record.verdict.payment, record.verdict.cause) == key
        )
        for key in ((switch.verdicts(till.id)[0].payment, cause) for cause in ("accepted", "bank-knows-none"))
    )
    assert closed - opened >= switch.city.timers.flight_max * 1e9


async def test_an_approval_after_original_unknown_is_reversed_after_all(switch, holding):
    till = await switch.till()
    asked, _ = await given_up(switch, till, switch.bought())
    holding.acks = "25"
    await until(lambda: switch.came_to(till.id, "reversed"))
    holding.acks = "00"
    while holding.waiting("0420", till.id):
        await holding.asked("0420", till.id)
    holding.answer(asked)
    reversal = await holding.asked("0420", till.id)
    assert reversal[90] == original_of(asked)
    await until(lambda: switch.came_to(till.id, "reversed"))
    assert "approved-after-all" in [verdict.cause for verdict in switch.verdicts(till.id)]
    await till.hears_nothing_else()


@pytest.mark.parametrize("code", ["00", "51"])
async def test_a_late_answer_never_reaches_the_terminal_and_the_reversal_stands(switch, holding, code):
    till = await switch.till()
    asked, _ = await given_up(switch, till, switch.bought())
    await holding.asked("0420", till.id)
    holding.answer(asked, code)
    await switch.noted(till, "late approval" if code == "00" else "late decline")
    await till.hears_nothing_else()
    holding.answer(await holding.asked("0421", till.id))
    await until(lambda: switch.came_to(till.id, "reversed"))
    assert {"approved", "declined"}.isdisjoint(verdict.state for verdict in switch.verdicts(till.id))


async def test_a_late_approval_after_the_acknowledged_reversal_is_only_noted(switch):
    till = await switch.till()
    asked, _ = await given_up(switch, till, switch.bought())
    await switch.banks[0].asked("0420", till.id)
    await until(lambda: switch.came_to(till.id, "reversed"))
    switch.banks[0].answer(asked)
    await switch.noted(till, "answer 00 to a closed payment")
    await till.hears_nothing_else()
    assert switch.banks[0].waiting("0420", till.id) == 0


async def test_a_bank_that_does_not_know_either_is_taken_for_no_answer(switch):
    till = await switch.till()
    asked = await switch.forwarded(till, switch.bought())
    switch.banks[0].answer(asked, "68")
    assert (await till.answer()).fields[39] == "98"
    assert (await switch.banks[0].asked("0420", till.id))[90] == original_of(asked)


WRONG_FIELDS = {2: "6290010000000211", 4: "000000000001", 37: "999911111111", 41: "10000063", 42: "8" * 15}


@pytest.mark.parametrize("field", WRONG_FIELDS)
async def test_an_answer_that_differs_from_its_request_is_no_answer(switch, field):
    till, bought = await switch.till(), switch.bought()
    asked = await switch.forwarded(till, bought)
    switch.banks[0].answer(asked, "00", {field: WRONG_FIELDS[field]})
    await switch.noted(till, f"answer differs in field {field}")
    await till.hears_nothing_else()
    switch.banks[0].answer(asked)  # the right one still counts
    assert (await till.answer()).fields[39] == "00"


async def test_after_a_wrong_answer_alone_the_timer_decides(switch):
    till = await switch.till()
    asked = await switch.forwarded(till, switch.bought())
    switch.banks[0].answer(asked, "00", {4: "000000000001"})
    assert (await till.answer()).fields[39] == "98"
    await switch.banks[0].asked("0420", till.id)


async def test_an_answer_with_a_wrong_mac_is_evidence_and_the_timer_decides(switch):
    till, bank = await switch.till(), switch.banks[0]
    asked = await switch.forwarded(till, switch.bought())
    good = bank.made(asked)
    bank.say(asked, good[:-1] + (b"0" if good[-1:] != b"0" else b"1"))
    await switch.noted(till, "answer's MAC is wrong")
    assert (await till.answer()).fields[39] == "98"
    await bank.asked("0420", till.id)


async def test_an_answer_without_a_mac_is_evidence(switch):
    till, bank = await switch.till(), switch.banks[0]
    asked = await switch.forwarded(till, switch.bought())
    message = cups.answer(asked.message, bank.plan.id, "00", "A1B2C3", str(asked[13]))
    bank.say(asked, cups.packed(CUPS, message, "00010000", bank.plan.id))
    await switch.noted(till, "answer's MAC is wrong")
    bank.answer(asked)
    assert (await till.answer()).fields[39] == "00"


async def test_an_approval_of_another_bank_is_no_answer(switch):
    till, other = await switch.till(), switch.banks[1]
    asked = await switch.forwarded(till, switch.bought())
    elsewhere = await switch.forwarded(await switch.till(), switch.bought(1), 1)
    forged = cups.answer(asked.message, other.plan.id, "00", "A1B2C3", str(asked[13]))
    cups.sign(forged, other.plan.zak)
    other.say(elsewhere, cups.packed(CUPS, forged, "00010000", other.plan.id))
    await switch.counted("answer-unmatched")
    other.answer(elsewhere)
    switch.banks[0].answer(asked, "51")
    assert (await till.answer()).fields[39] == "51"


GARBAGE = {
    "noise": lambda good: bytes(range(1, 200)),
    "one byte": lambda good: b"\x2e",
    "a broken bitmap": lambda good: good[:50] + b"\xff" * 16 + good[66:],
    "cut in the middle": lambda good: good[: len(good) // 2],
    "a tail": lambda good: good + b"0000",
    "no digits in the amount": lambda good: good[:46] + good[46:].replace(b"000000", b"00A000"),
}


@pytest.mark.parametrize("how", GARBAGE)
async def test_what_cannot_be_read_is_ignored_and_the_line_goes_on(switch, how):
    till, bank = await switch.till(), switch.banks[2]
    asked = await switch.forwarded(till, switch.bought(2), 2)
    before = switch.gauges().get("count.undecodable-answer", 0)
    bank.say(asked, GARBAGE[how](bank.made(asked)))
    await switch.counted("undecodable-answer", before + 1)
    bank.answer(asked)
    assert (await till.answer()).fields[39] == "00"


async def test_an_approval_of_what_the_network_sent_back_is_taken_back(switch):
    till, bank = await switch.till(), switch.banks[2]
    asked = await switch.forwarded(till, switch.bought(2), 2)
    bank.say(asked, asked.payload[:41] + b"00042" + asked.payload[46:])
    assert (await till.answer()).fields[39] == "96"
    bank.answer(asked)
    assert (await bank.asked("0420", till.id))[90]
    await till.hears_nothing_else()


async def test_a_second_answer_changes_nothing(switch):
    till, bank = await switch.till(), switch.banks[0]
    asked = await switch.forwarded(till, switch.bought())
    bank.answer(asked)
    bank.answer(asked)
    assert (await till.answer()).fields[39] == "00"
    await switch.noted(till, "answer 00 to a closed payment")
    await till.hears_nothing_else()
    assert [verdict.state for verdict in switch.verdicts(till.id)] == ["forwarded", "approved", ""]
    assert bank.waiting("0420", till.id) == 0


async def test_an_approval_after_a_decline_is_reversed(switch):
    till, bank = await switch.till(), switch.banks[0]
    asked = await switch.forwarded(till, switch.bought())
    bank.answer(asked, "51")
    bank.answer(asked, "00")
    assert (await till.answer()).fields[39] == "51"
    assert (await bank.asked("0420", till.id))[90] == original_of(asked)
    await until(lambda: switch.came_to(till.id, "reversed"))
    await till.hears_nothing_else()


async def test_an_answer_after_the_approval_that_declines_changes_nothing(switch):
    till, bank = await switch.till(), switch.banks[0]
    asked = await switch.forwarded(till, switch.bought())
    bank.answer(asked)
    assert (await till.answer()).fields[39] == "00"
    bank.answer(asked, "51")
    await switch.noted(till, "answer 51 to a closed payment")
    again = await till.answered(till.sale_again())
    assert again.fields[39] == "00"


async def test_a_terminal_that_hung_up_has_its_approval_taken_back(switch):
    till, bank = await switch.till(), switch.banks[0]
    asked = await switch.forwarded(till, switch.bought())
    await till.cable.pulled()
    await until(lambda: switch.gauges()["connections"] == len(switch.open_cables()))
    bank.answer(asked)
    assert (await bank.asked("0420", till.id))[90] == original_of(asked)
    await until(lambda: switch.came_to(till.id, "reversed"))
    assert "undelivered" in [verdict.cause for verdict in switch.verdicts(till.id)]
    again = await (await switch.redialled(till)).answered(till.sale_again())
    assert again.fields[39] == "98"


async def test_a_terminal_that_hung_up_before_a_decline_owes_nobody_anything(switch):
    till, bank = await switch.till(), switch.banks[0]
    asked = await switch.forwarded(till, switch.bought())
    await till.cable.pulled()
    await until(lambda: switch.gauges()["connections"] == len(switch.open_cables()))
    bank.answer(asked, "51")
    await until(lambda: switch.verdicts(till.id)[-1].state == "declined")
    assert POS.unpack(await (await switch.redialled(till)).ask(till.echo())).mti == "0830"
    assert bank.waiting("0420", till.id) == 0
