"""Near misses: an answer that belongs to nothing is laid beside the payment it may have meant."""

import pytest
from world import OTHER_BANK, World

from posswitch.base.bounds import NEAR_FLIGHTS_MAX
from posswitch.engine.lifecycle import FORWARDED


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.close()


def heard(world, **changes):
    """What is noted of an answer with changes to what its bank was sent last."""
    (decision,) = world.submit(world.answer_of("00", world.asked[world.payment], **changes))
    return decision


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"stan": 77}, "field 11 says 77, sent was 3"),
        ({"stan": 77, "amount_minor": 1}, "field 11 says 77, sent was 3, field 4 says 1, sent was 10000"),
        ({"stan": 77, "pan_print": b"?"}, "field 11 says 77, sent was 3, field 2"),
        ({"f7": "0101000000"}, "field 7 says 0101000000, sent was 0615100000"),
        ({"stan": 77, "rrn": ""}, "field 11 says 77, sent was 3, field 37 says , sent was 6166A0000005"),
    ],
)
def test_the_field_that_differs_is_named(world, changes, differs):
    world.sale("card 2")
    world.sale()
    world.answer("51")
    world.sale()
    verdict = heard(world, **changes).verdict
    assert verdict.payment == world.payment
    assert verdict.why == f"a near miss: 0210 00 of its bank belongs to nothing; {differs}"
    assert (verdict.cause, world.row().state) == ("", FORWARDED)


def test_what_is_far_from_everything_is_only_counted(world):
    world.sale()
    decision = heard(world, stan=77, amount_minor=1, terminal="X")
    assert (decision.verdict, decision.note) == (None, "answer-unmatched")


def test_a_closed_payment_is_met_by_its_reference_number(world):
    world.sale()
    world.answer("51")
    assert "field 11 says 77" in heard(world, stan=77).verdict.why


def test_the_reversal_under_way_is_met_by_its_own_numbers(world):
    world.sale()
    world.timer()
    asked = world.reversals[world.payment]
    (decision,) = world.submit(world.answer_of("00", asked, "0430", stan=asked.stan + 9))
    assert decision.verdict.why.endswith(f"field 11 says {asked.stan + 9}, sent was {asked.stan}")


def test_another_bank_is_never_near(world):
    world.sale()
    assert heard(world, stan=77, bank=OTHER_BANK).verdict is None


def test_only_the_newest_are_looked_at(world):
    world.sale()
    first = world.payment
    wrong = world.answer_of("00", world.asked[first], stan=777_777, rrn="616600000000")
    world.submit(*[world.request(f"card {number}") for number in range(2, NEAR_FLIGHTS_MAX + 1)])
    assert world.submit(wrong)[0].verdict.payment == first
    world.submit(world.request("one more"))
    assert world.submit(wrong)[0].verdict is None
