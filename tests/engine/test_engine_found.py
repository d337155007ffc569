"""Faults that reviews found in the engine, each kept as the story that showed it."""

import pytest
from world import SALE, Asked, World

from posswitch.base.bounds import Timers
from posswitch.engine.events import Hold, Record, TimerFired, Verdict
from posswitch.engine.invariants import Refold
from posswitch.engine.lanes import Lane
from posswitch.engine.lifecycle import DECLINED, FORWARDED, REVERSED, REVERSING


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


def test_the_order_of_a_lane_survives_a_snapshot(world):
    world.sale()
    first = world.payment
    world.not_sent()
    world.sale()
    second = world.payment
    world.timer()
    world.answer("00", first)
    world.journal.snapshot(world.state)
    world.restart()
    assert world.send_lane() == [(second, False)]


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
