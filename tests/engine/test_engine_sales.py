"""A sale's way to its bank and back: refusals, answers, repeats."""

import pytest
from world import BANK, RULES, World

from posswitch.base.bounds import LANE_ITEMS_MAX, OPEN_PER_BANK_MAX
from posswitch.base.registry import Limits
from posswitch.engine.decide import Rules
from posswitch.engine.effects import SendRequest, SetTimer
from posswitch.engine.lanes import Lane
from posswitch.engine.lifecycle import APPROVED, DECLINED, FORWARDED

SECOND_STAN = 2


def test_a_sale_is_forwarded_under_a_timer_and_nobody_is_told_yet(world):
    (decision,) = world.submit(world.request())
    assert decision.effects == (SendRequest(world.payment), SetTimer(world.payment, RULES.timers.centre))
    assert world.row().state == FORWARDED
    assert world.row().code == "98"  # what a repeat is owed should it come after a crash
    assert world.told == []


def test_an_approval(world):
    request = world.sale()
    world.answer("00", auth="A1B2C3", day="0616")
    (response,) = world.answers
    assert (response.ticket, response.payment) == (request.ticket, world.payment)
    answer = response.answer
    assert (answer.code, answer.auth, answer.day) == ("00", "A1B2C3", "0616")
    assert answer.rrn == world.asked[world.payment].rrn
    assert world.row().state == APPROVED
    assert world.used_minor() == request.amount_minor
    assert world.state.flights == {}


def test_a_decline_gives_the_limit_back(world):
    world.sale()
    world.answer("51")
    assert world.told == ["51"]
    assert world.row().state == DECLINED
    assert world.used_minor() == 0
    assert world.state.flights == {}


@pytest.mark.parametrize("code", ["A0", "C1", "77"])
def test_a_code_about_the_line_to_the_bank_is_96_at_the_terminal(world, code):
    world.sale()
    world.answer(code)
    assert world.told == ["96"]
    assert world.row().state == DECLINED


def test_an_unheard_of_code_is_a_decline(world):
    world.sale()
    world.answer("ZZ")
    assert world.told == ["ZZ"]
    assert world.row().state == DECLINED


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount_minor": 0}, "13"),
        ({"pan_digits": 12}, "14"),
        ({"pan_digits": 20}, "14"),
        ({"luhn_ok": False}, "14"),
        ({"bank": ""}, "15"),
        ({"expiry": "2605"}, "54"),
        ({"amount_minor": 5_000_001}, "61"),
        ({"bank": "01990000"}, "91"),
    ],
)
def test_a_refusal_ends_here(world, changes, code):
    (decision,) = world.submit(world.request(**changes))
    assert world.told == [code]
    assert (world.row().state, world.row().code) == (DECLINED, code)
    assert len(decision.effects) == 1
    assert decision.verdict.why
    assert (world.state.flights, world.used_minor()) == ({}, 0)


@pytest.mark.parametrize(
    "changes",
    [{"expiry": "2606"}, {"expiry": ""}, {"amount_minor": 5_000_000}, {"pan_digits": 13}, {"pan_digits": 19}],
)
def test_the_last_that_is_not_refused(world, changes):
    world.sale(**changes)
    assert world.row().state == FORWARDED


def test_the_first_refusal_counts(world):
    world.serving[BANK] = False
    world.sale(amount_minor=0, luhn_ok=False)
    world.sale(luhn_ok=False, expiry="2001")
    world.sale(amount_minor=5_000_001)
    world.sale()
    assert world.told == ["13", "14", "61", "91"]


def test_what_a_card_may_spend_counts_open_and_approved_payments_of_the_day(world):
    world.sale(amount_minor=2_000_000)
    world.answer("00")
    world.sale(amount_minor=2_000_000)
    world.sale(amount_minor=1_000_001)
    world.sale("card 2", amount_minor=1_000_001)
    assert world.told == ["00", "61"]


def test_two_sales_of_one_batch_see_each_other(world):
    world.submit(world.request(amount_minor=3_000_000), world.request(amount_minor=3_000_000))
    assert world.told == ["61"]


def test_yesterdays_spending_does_not_count(world):
    world.sale(amount_minor=5_000_000)
    world.answer("00")
    world.turn_day("20260616")
    world.sale(amount_minor=5_000_000)
    assert world.row().state == FORWARDED


def test_a_hold_goes_back_to_the_day_it_was_taken_from(world):
    world.sale(amount_minor=100)
    world.turn_day("20260616")
    world.answer("51")
    assert world.used_minor(day="20260615") == 0
    assert world.used_minor(day="20260616") == 0


def test_a_limit_is_the_configurations(tmp_path):
    small = World(tmp_path, Rules(RULES.timers, Limits(card_daily_minor=99)))
    small.sale(amount_minor=99)
    small.sale("card 2", amount_minor=100)
    assert small.told == ["61"]
    small.close()


def test_a_bank_with_too_many_open_requests_gets_no_more(world):
    world.state.forwarded[BANK] = OPEN_PER_BANK_MAX - 1
    world.sale()
    assert world.told == []
    world.sale()
    assert world.told == ["91"]


def test_a_bank_that_owes_too_many_reversals_gets_no_new_sale(world):
    lane = world.state.lanes[BANK] = Lane()
    for payment in range(LANE_ITEMS_MAX):
        lane.add(10**6 + payment, b"", False)
    world.sale()
    assert world.told == ["91"]


def test_each_bank_has_its_own_trace_numbers(world):
    world.sale()
    world.sale(bank="01030000")
    assert world.flight().stan == 1
    world.sale()
    assert world.flight().stan == SECOND_STAN


def test_trace_numbers_go_on_after_a_restart(world):
    world.sale()
    world.answer("00")
    world.restart()
    world.sale()
    assert world.flight().stan == SECOND_STAN


# Repeats


def test_a_repeat_in_flight_moves_the_reply_and_forwards_nothing(world):
    request = world.sale()
    world.repeat(request)
    assert (world.told, len(world.asked), len(world.state.flights)) == ([], 1, 1)
    world.answer("00")
    (response,) = world.answers
    assert response.ticket == request.ticket + 1


@pytest.mark.parametrize(("code", "state"), [("00", APPROVED), ("51", DECLINED)])
def test_a_repeat_after_the_answer_gets_the_same_answer(world, code, state):
    request = world.sale()
    world.answer(code)
    world.repeat(request)
    first, second = world.answers
    assert (second.answer.code, second.answer.rrn, second.answer.auth) == (
        first.answer.code,
        first.answer.rrn,
        first.answer.auth,
    )
    assert second.ticket != first.ticket
    assert (world.row().state, len(world.asked)) == (state, 1)


def test_a_repeat_of_a_refusal_is_refused_again(world):
    request = world.sale(luhn_ok=False)
    world.repeat(request)
    assert world.told == ["14", "14"]
    assert world.answers[0].answer.rrn == world.answers[1].answer.rrn


def test_a_repeat_in_the_same_batch_forwards_once(world):
    request = world.request()
    world.submit(request, request)
    assert (len(world.asked), len(world.state.flights)) == (1, 1)


def test_a_repeat_across_a_restart_hears_that_the_outcome_is_unknown(world):
    request = world.sale()
    world.restart()
    world.repeat(request)
    assert world.told == ["98"]
    assert len(world.asked) == 1


@pytest.mark.parametrize(
    "changes",
    [{"amount_minor": 10_001}, {"currency": "840"}, {"pan_print": b"another card"}, {"kind": "refund"}],
)
@pytest.mark.parametrize("answered", [False, True])
def test_the_same_key_with_other_content_is_94_and_changes_nothing(world, changes, answered):
    request = world.sale()
    if answered:
        world.answer("00")
    row = world.row()
    world.repeat(request, **changes)
    assert world.told[-1] == "94"
    assert world.row() == row
    assert len(world.asked) == 1


def test_a_new_day_does_not_make_a_repeat_a_new_sale(world):
    request = world.sale()
    world.answer("00")
    world.turn_day("20260616")
    world.repeat(request)
    assert world.told == ["00", "00"]
    assert len(world.asked) == 1


# Sign-on and the day


def test_a_sign_on_is_answered_with_the_batch_and_keeps_the_keys(world):
    world.sign_on(tpk=b"first", tak=b"first")
    world.sign_on(tpk=b"second", tak=b"keys")
    assert [(response.answer.code, response.answer.batch) for response in world.answers] == [
        ("00", "000001"),
        ("00", "000001"),
    ]
    world.restart()
    (session,) = world.state.sessions.values()
    assert (session.batch, session.tpk, session.tak) == ("000001", b"second", b"keys")
    assert session.before == (b"first", b"first", b"")


def test_the_keys_before_are_kept_until_the_new_ones_have_paid(world):
    for keys in (b"first", b"second", b"third"):
        world.sign_on(tpk=keys, tak=keys)
    assert world.state.sessions["T0000001"].before == (b"first", b"first", b"")  # the second were never used
    world.sale(fresh=True)
    assert world.state.sessions["T0000001"].before is None
    world.sign_on(tpk=b"fourth", tak=b"fourth")
    assert world.state.sessions["T0000001"].before == (b"third", b"third", b"")
    world.restart()
    assert world.state.sessions["T0000001"].before == (b"third", b"third", b"")


def test_the_day_moves_forward_only(world):
    world.turn_day("20260616")
    seq = world.state.seq
    world.turn_day("20260616")
    world.turn_day("20260615")
    assert (world.state.day, world.state.seq) == ("20260616", seq)
    world.restart()  # by the clock it is still the 15th
    assert world.state.day == "20260616"


def test_a_restart_on_a_later_day_turns_it(world):
    world.wait(24 * 3600)
    world.restart()
    assert world.state.day == "20260616"


def test_without_room_nothing_new_is_begun_and_the_old_is_finished(tmp_path):
    world = World(tmp_path)
    paid = world.sale()
    world.answer("00")
    world.sale("card 2")
    open_ = world.payment
    world.room = False
    seq = world.state.seq
    refused = world.request("card 3")
    (decision,) = world.submit(refused)
    assert (world.told[-1], decision.note, world.state.seq) == ("96", "disk-low", seq)
    world.repeat(paid)
    assert world.told[-1] == "00"
    world.reversal(paid)
    assert world.told[-1] == "00"
    world.answer("51", open_)
    assert (world.told[-1], world.row(open_).state) == ("51", DECLINED)
    world.room = True
    world.submit(refused)
    assert world.row().state == FORWARDED
    world.close()


def test_a_clock_set_forward_between_two_lives_makes_no_repeat_old(tmp_path):
    world = World(tmp_path)
    paid = world.sale()
    world.answer("00")
    world.wait(3600)
    world.restart()
    world.repeat(paid)
    assert world.told == ["00", "00"]
    world.wait(RULES.timers.flight_max + 1)
    world.repeat(paid)
    assert world.told[-1] == "94"
    world.close()
