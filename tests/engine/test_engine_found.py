"""Faults that reviews found in the engine, each kept as the story that showed it."""

import pytest
from world import SALE, Asked, World

from posswitch.base.bounds import LANE_SENDING_MAX, Timers
from posswitch.engine.events import Hold, Record, ReturnedUnread, TimerFired, Verdict
from posswitch.engine.invariants import Refold
from posswitch.engine.lanes import Lane
from posswitch.engine.lifecycle import APPROVED, DECLINED, FORWARDED, NEEDS_OWNER, REVERSED, REVERSING


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path / "data")
    yield world
    world.close()


def second_0400(world, request):
    world.reversal(request)


def spoiled_answer(world, request):
    world.spoiled()


def wrong_answer(world, request):
    world.answer("00", amount_minor=1)


@pytest.mark.parametrize("event", [second_0400, spoiled_answer, wrong_answer])
def test_only_the_originals_answer_lets_a_deferred_reversal_go(world, event):
    request = world.sale()
    world.reversal(request)
    world.send_lane()
    event(world, request)
    assert world.send_lane() == []
    world.answer("00")
    assert world.send_lane() == [(world.payment, False)]


def test_what_was_never_sent_cannot_be_approved_after_all(world):
    world.sale(luhn_ok=False)
    request = world.row().first.event
    rrn = world.state.rrn(world.at_ns, world.payment)
    world.submit(world.answer_of("00", Asked(request, 0, "", rrn)))
    assert world.reversing() == []


def test_a_payment_that_comes_back_queues_behind_its_card():
    lane = Lane()
    lane.add(1, b"card", False)
    lane.remove(1, b"card")
    lane.add(2, b"card", False)
    lane.add(1, b"card", False)
    assert lane.send(0, Timers()) == [(2, False)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_order_of_a_lane_survives_a_snapshot(world, order):
    payments = []
    for _ in order:
        world.sale()
        world.not_sent()
        payments.append(world.payment)
    for which in order:
        world.answer("00", payments[which])
    world.journal.snapshot(world.state)
    world.restart()
    assert world.send_lane() == [(payments[order[0]], False)]


FORWARDED_5 = Record(
    1, SALE, Verdict(1, "accepted", FORWARDED, "98", stan=1, f7="1", holds=(Hold("c", "d", 5),))
)


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(1, "timed-out", REVERSING, "98", holds=(Hold("c", "d", -5),)),
        Verdict(1, "bank-declined", DECLINED, "51"),
        Verdict(1, "bank-declined", DECLINED, "51", holds=(Hold("c", "d", -4),)),
    ],
)
def test_the_refold_wants_numbers_and_holds_of_what_moves(verdict):
    refold = Refold()
    assert list(refold.check(1, FORWARDED_5)) == []
    assert list(refold.check(2, Record(1, TimerFired(1), verdict)))


def test_only_a_terminal_opens_a_payment():
    verdict = Verdict(1, "reversal-came-first", REVERSED, "22")
    assert list(Refold().check(1, Record(1, TimerFired(1), verdict)))


def test_a_key_from_long_ago_is_not_answered_with_its_approval(world):
    request = world.sale()
    world.answer("00")
    world.wait(30 * 86_400)
    world.repeat(request)
    assert (world.told[-1], world.row().state) == ("94", APPROVED)


def test_a_0400_without_a_card_does_not_reach_a_sale_of_long_ago(world):
    request = world.sale()
    world.answer("00")
    world.wait(30 * 86_400)
    world.reversal(request, pan_print=b"")
    assert (world.told[-1], world.row().state) == ("25", APPROVED)
    world.reversal(request)
    assert (world.told[-1], world.row().state) == ("00", REVERSING)


@pytest.mark.parametrize("code", ["12", "21", "22", "25"])
def test_a_bank_that_found_nothing_is_asked_again_and_an_approval_reopens(world, code):
    world.sale()
    world.wait(30)
    world.timer()
    world.reversed(code)
    assert world.row().state == REVERSING
    world.wait(121)
    world.reversed(code)
    assert world.row().state == REVERSED
    world.answer("00")
    assert world.row().state == REVERSING


def test_a_late_word_of_the_bank_relieves_the_owner(world):
    world.sale()
    world.timer()
    late = world.answer_of("00", world.reversals[world.payment], "0430")
    world.expire()
    assert world.row().state == NEEDS_OWNER
    world.submit(late)
    assert world.row().state == REVERSED


def test_what_came_back_unread_is_reversed_and_told_96(world):
    world.sale()
    world.submit(ReturnedUnread(world.payment))
    assert (world.told[-1], world.row().state, world.used_minor()) == ("96", REVERSING, 0)


def test_only_yuan_count_against_a_limit_in_yuan(world):
    world.sale(currency="392")
    assert world.told[-1] == "12"


def test_an_answer_that_does_not_end_a_reversal_frees_its_place():
    lane = Lane()
    for payment in range(1, LANE_SENDING_MAX + 2):
        lane.add(payment, b"card %d" % payment, False)
    assert len(lane.send(0, Timers())) == LANE_SENDING_MAX
    lane.answered(1)
    assert lane.send(0, Timers()) == [(LANE_SENDING_MAX + 1, False)]
    assert len(lane.send(10**12, Timers())) == LANE_SENDING_MAX


def test_a_0430_does_not_reopen_what_is_closed(world):
    world.sale()
    world.not_sent()
    (decision,) = world.submit(world.answer_of("00", world.asked[world.payment], "0430"))
    assert (decision.verdict.cause, world.row().state) == ("", DECLINED)


def test_a_bank_that_knows_nothing_is_not_believed_by_the_clock_of_another_life(world):
    """The clock was set forward between two lives: the original may have left a moment ago."""
    world.sale()
    world.timer()
    world.wait(2 * Timers().flight_max)
    world.restart()
    world.reversed("25")
    assert world.row().state == REVERSING
    world.wait(2 * Timers().flight_max)
    world.reversed("25")
    assert world.row().state == REVERSED
