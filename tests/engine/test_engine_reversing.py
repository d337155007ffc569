"""Outcomes that nobody knows, and how each of them ends in one certain state."""

import pytest
from world import BANK, OTHER_BANK

from posswitch.engine.effects import WakeLane
from posswitch.engine.lifecycle import APPROVED, DECLINED, FORWARDED, NEEDS_OWNER, REVERSED, REVERSING

NEXT_TICKET = 1


# No answer


def test_a_time_out_makes_the_reversal_durable_and_tells_98(world):
    world.sale()
    world.wait(30)
    world.timer()
    assert world.told == ["98"]
    assert (world.row().state, world.row().code) == (REVERSING, "98")
    assert world.used_minor() == 0
    assert world.send_lane() == [(world.payment, False)]


def test_a_time_out_after_the_answer_is_nothing(world):
    world.sale()
    world.answer("00")
    seq = world.state.seq
    world.timer()
    assert (world.told, world.state.seq, world.row().state) == (["00"], seq, APPROVED)


def test_a_reversal_has_its_own_trace_number_and_time(world):
    world.sale()
    world.wait(30)
    world.timer()
    flight = world.flight()
    assert (flight.stan, flight.f7) == (1, "0615100000")
    assert (flight.rev_stan, flight.rev_f7) == (2, "0615100030")
    assert flight.since_ns == world.at_ns  # the lane's patience counts from here


def test_the_bank_takes_the_reversal(world):
    world.sale()
    world.timer()
    world.reversed("00")
    assert (world.row().state, world.told) == (REVERSED, ["98"])
    assert world.state.flights == {}
    assert len(world.state.lanes[BANK]) == 0


@pytest.mark.parametrize("code", ["96", "05", "ZZ", "68"])
def test_a_bank_that_does_not_reverse_is_asked_again(world, code):
    world.sale()
    world.timer()
    world.send_lane()
    (decision,) = world.submit(world.answer_of(code, world.reversals[world.payment], "0430"))
    assert (decision.verdict, decision.note) == (None, "reversal-not-done")
    world.wait(100)
    assert world.send_lane() == [(world.payment, True)]


@pytest.mark.parametrize("code", ["12", "25"])
def test_original_unknown_ends_a_reversal_only_once_no_original_can_come(world, code):
    world.sale()
    world.wait(30)
    world.timer()
    world.wait(89)
    world.reversed(code)
    assert world.row().state == REVERSING
    world.wait(1)  # two minutes after the sale
    world.reversed(code)
    assert world.row().state == REVERSED


@pytest.mark.parametrize(("code", "note"), [("00", "late approval"), ("51", "late decline")])
def test_a_late_answer_is_evidence_and_reaches_no_terminal(world, code, note):
    world.sale()
    world.timer()
    (decision,) = world.submit(world.answer_of(code, world.asked[world.payment]))
    assert (decision.verdict.cause, decision.verdict.why) == ("", note)
    assert (world.told, world.row().state) == (["98"], REVERSING)


def test_a_reversal_that_cannot_be_delivered_gets_an_owner(world):
    world.sale()
    world.timer()
    world.expire()
    assert (world.row().state, world.state.flights) == (NEEDS_OWNER, {})
    seq = world.state.seq
    world.expire()
    assert world.state.seq == seq


def test_an_expiry_of_what_is_not_reversing_is_nothing(world):
    world.sale()
    world.expire()
    assert world.row().state == FORWARDED


# Answers that are none


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pan_print": b"another card"}, "field 2"),
        ({"amount_minor": 1}, "field 4"),
        ({"rrn": "616600000000"}, "field 37"),
        ({"terminal": "T0000002"}, "field 41"),
        ({"merchant": "M00000000000002"}, "field 42"),
        ({"code": ""}, "field 39"),
        ({"mti": "0430"}, "MTI"),
    ],
)
def test_an_answer_that_does_not_repeat_its_request_is_evidence_and_the_right_one_still_counts(
    world, changes, field
):
    world.sale()
    good = world.answer_of("00", world.asked[world.payment])
    (decision,) = world.submit(
        world.answer_of(**{"code": "00", "asked": world.asked[world.payment], **changes})
    )
    assert decision.verdict.why == f"answer differs in {field}"
    assert (world.told, world.row().state) == ([], FORWARDED)
    world.submit(good)
    assert (world.told, world.row().state) == (["00"], APPROVED)


def test_a_0210_does_not_answer_a_reversal(world):
    world.sale()
    world.timer()
    world.reversed("00", mti="0210")
    assert world.row().state == REVERSING


def test_an_answer_with_a_wrong_mac_is_evidence_and_the_timer_decides(world):
    world.sale()
    world.spoiled()
    assert (world.told, world.row().state) == ([], FORWARDED)
    world.timer()
    assert (world.told, world.row().state) == (["98"], REVERSING)


@pytest.mark.parametrize("changes", [{"bank": OTHER_BANK}, {"rrn": "", "stan": 77, "terminal": "T0000009"}])
def test_an_answer_to_nothing_is_counted_and_not_recorded(world, changes):
    world.sale()
    seq = world.state.seq
    (decision,) = world.submit(world.answer_of("00", world.asked[world.payment], **changes))
    assert (decision.verdict, decision.note) == (None, "answer-unmatched")
    assert (world.state.seq, world.row().state) == (seq, FORWARDED)


def test_a_spoiled_answer_to_nothing_is_counted(world):
    world.sale()
    world.answer("00")
    seq = world.state.seq
    world.spoiled()
    assert world.state.seq == seq


@pytest.mark.parametrize("code", ["09", "68", "98"])
def test_a_bank_that_does_not_know_either_leads_to_a_reversal(world, code):
    world.sale()
    world.answer(code)
    assert (world.told, world.row().state) == (["98"], REVERSING)
    assert world.send_lane() == [(world.payment, False)]


# The bank never saw it, or the terminal never heard


@pytest.mark.parametrize("code", ["91", "96", "99"])
def test_what_was_not_sent_is_a_plain_decline(world, code):
    world.sale()
    world.not_sent(code)
    assert (world.told, world.row().state, world.reversing()) == ([code], DECLINED, [])
    assert world.used_minor() == 0


def test_not_sent_after_the_time_out_changes_nothing(world):
    world.sale()
    world.timer()
    world.not_sent()
    assert (world.told, world.row().state) == (["98"], REVERSING)


def test_an_approval_of_which_nothing_reached_the_terminal_is_taken_back(world):
    world.sale()
    world.answer("00")
    world.undelivered()
    assert (world.row().state, world.row().code, world.used_minor()) == (REVERSING, "98", 0)
    assert world.send_lane() == [(world.payment, False)]
    world.reversed()
    assert world.row().state == REVERSED


def test_an_undelivered_decline_needs_nothing(world):
    world.sale()
    world.answer("51")
    seq = world.state.seq
    world.undelivered()
    assert (world.row().state, world.state.seq) == (DECLINED, seq)


def test_undelivered_twice_reverses_once(world):
    world.sale()
    world.answer("00")
    world.undelivered()
    world.undelivered()
    assert world.reversing() == [world.payment]
    assert world.used_minor() == 0


# A terminal takes a sale back


def test_a_reversal_in_flight_ends_both_waits_and_stays_behind_its_original(world):
    request = world.sale()
    world.reversal(request)
    to_reversal, to_sale = world.answers
    assert (to_reversal.ticket, to_reversal.answer.code) == (request.ticket + NEXT_TICKET, "00")
    assert (to_sale.ticket, to_sale.answer.code) == (request.ticket, "98")
    assert world.row().state == REVERSING
    assert world.send_lane() == []
    # once the original is answered, the reversal cannot overtake it
    (decision,) = world.submit(world.answer_of("00", world.asked[world.payment]))
    assert decision.effects == (WakeLane(BANK),)
    assert world.send_lane() == [(world.payment, False)]
    assert len(world.answers) == 2


def test_a_freed_reversal_does_not_wait_again_after_a_restart(world):
    request = world.sale()
    world.reversal(request)
    world.restart()
    assert world.send_lane() == []
    world.answer("51")
    world.journal.snapshot(world.state)
    world.restart()
    assert world.send_lane() == [(world.payment, False)]


def test_a_reversal_in_flight_goes_when_its_original_is_not_answered_in_time(world):
    request = world.sale()
    world.reversal(request)
    assert world.send_lane() == []
    world.wait(world.rules.timers.centre)
    assert world.send_lane() == [(world.payment, False)]


def test_a_reversal_of_an_approval(world):
    request = world.sale()
    world.answer("00")
    world.reversal(request)
    assert (world.told, world.row().state, world.used_minor()) == (["00", "00"], REVERSING, 0)
    assert world.send_lane() == [(world.payment, False)]


def test_a_reversal_without_the_card_number_is_taken(world):
    request = world.sale()
    world.answer("00")
    world.reversal(request, pan_print=b"")
    assert world.row().state == REVERSING


def _declined(world):
    world.answer("51")


def _reversing(world):
    world.timer()


def _reversed(world):
    world.timer()
    world.reversed()


def _owned(world):
    world.timer()
    world.expire()


@pytest.mark.parametrize("end", [_declined, _reversing, _reversed, _owned])
def test_a_reversal_of_what_does_not_stand_is_accepted_and_changes_nothing(world, end):
    request = world.sale()
    end(world)
    row = world.row()
    world.reversal(request)
    assert world.told[-1] == "00"
    assert world.row() == row


@pytest.mark.parametrize(
    ("changes", "code"), [({"amount_minor": 1}, "64"), ({"pan_print": b"another card"}, "30")]
)
@pytest.mark.parametrize("answered", [False, True])
def test_a_reversal_that_differs_from_its_original_changes_nothing(world, changes, code, answered):
    request = world.sale()
    if answered:
        world.answer("00")
    row = world.row()
    world.reversal(request, **changes)
    assert world.told[-1] == code
    assert world.row() == row
    assert world.reversing() == []


def test_a_reversal_that_comes_first_keeps_its_sale_out(world):
    request = world.request()
    world.reversal(request)
    assert (world.told, world.row().state) == (["25"], REVERSED)
    world.reversal(request)
    world.repeat(request)
    assert world.told == ["25", "25", "22"]
    assert (world.asked, world.state.flights, world.used_minor()) == ({}, {}, 0)


def test_a_sale_and_its_reversal_in_one_batch_end_in_reversing(world):
    request = world.request()
    world.submit(request, world.reversal_of(request))
    assert (world.row().state, world.reversing()) == (REVERSING, [world.payment])


def test_the_answer_and_the_reversal_in_one_batch_end_in_reversing(world):
    request = world.sale()
    world.submit(world.answer_of("00", world.asked[world.payment]), world.reversal_of(request))
    assert world.row().state == REVERSING
    assert world.used_minor() == 0


# Approved after all


def test_an_approval_after_not_sent_is_reversed(world):
    world.sale()
    world.not_sent()
    (decision,) = world.submit(world.answer_of("00", world.asked[world.payment]))
    assert decision.effects == (WakeLane(BANK),)
    assert (world.row().state, world.told) == (REVERSING, ["91"])
    world.reversed()
    assert (world.row().state, world.used_minor()) == (REVERSED, 0)


def test_an_approval_after_a_decline_is_reversed(world):
    world.sale()
    world.answer("51")
    world.answer("00")
    assert (world.row().state, world.told) == (REVERSING, ["51"])


def test_an_approval_after_the_bank_knew_no_original_is_reversed(world):
    world.sale()
    world.wait(120)
    world.timer()
    world.reversed("25")
    world.answer("00")
    assert (world.row().state, world.reversing()) == (REVERSING, [world.payment])


def test_an_approval_after_a_good_reversal_is_only_evidence(world):
    world.sale()
    world.timer()
    world.reversed("00")
    seq = world.state.seq
    world.answer("00")
    assert (world.row().state, world.reversing(), world.state.seq) == (REVERSED, [], seq + 1)


@pytest.mark.parametrize("code", ["00", "51"])
def test_a_second_answer_to_an_approval_is_only_evidence(world, code):
    world.sale()
    world.answer("00")
    world.answer(code)
    assert (world.row().state, world.told) == (APPROVED, ["00"])


def test_a_reopened_reversal_gets_new_numbers(world):
    world.sale()
    world.wait(120)
    world.timer()
    first = world.reversals[world.payment]
    world.reversed("25")
    world.answer("00")
    second = world.reversals[world.payment]
    assert second.stan == first.stan + 1
    world.submit(world.answer_of("00", first, "0430"))  # a late word about the first
    assert world.row().state == REVERSING
    world.reversed("00")
    assert world.row().state == REVERSED


# Restart


def test_a_restart_reverses_all_that_was_forwarded_and_leaves_the_rest(world):
    world.sale()
    approved = world.payment
    world.answer("00")
    world.sale()
    reversing = world.payment
    world.timer()
    world.sale("card 2")
    world.sale("card 3", bank=OTHER_BANK)
    open_payments = [world.payment - 1, world.payment]
    world.restart()
    assert world.reversing() == [reversing, *open_payments]
    assert [world.row(payment).state for payment in open_payments] == [REVERSING, REVERSING]
    assert world.row(approved).state == APPROVED
    assert [world.used_minor(card) for card in ("card 1", "card 2", "card 3")] == [10_000, 0, 0]
    assert [payment for payment, _ in world.send_lane(OTHER_BANK)] == open_payments[1:]


def test_a_restart_gives_each_reversal_its_own_trace_number(world):
    for card in ("card 1", "card 2", "card 3"):
        world.sale(card)
    world.restart()
    assert [flight.rev_stan for flight in world.state.flights.values()] == [4, 5, 6]


def test_a_second_restart_reverses_nothing_twice(world):
    world.sale()
    world.restart()
    reversal = world.reversals[world.payment]
    world.restart()
    assert (world.reversing(), world.reversals[world.payment]) == ([world.payment], reversal)


def test_an_answer_from_before_the_crash_is_late(world):
    world.sale()
    world.restart()
    world.answer("00")
    assert (world.told, world.row().state) == ([], REVERSING)


def test_a_clock_that_steps_back_does_not_turn_records_back(world):
    world.sale()
    at_ns = world.state.at_ns
    world.wait(-3600)
    world.answer("00")
    assert world.state.at_ns == at_ns
