"""Lanes: ordered per card, a bounded window, growing pauses; nothing lost, nothing sent twice at once."""

from itertools import pairwise
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from posswitch.base.bounds import LANE_BURST, LANE_PER_SECOND_MAX, LANE_SENDING_MAX, Timers
from posswitch.base.moment import NS_PER_S
from posswitch.engine import lanes
from posswitch.engine.lanes import Lane, pause_ns

TIMERS = Timers()
CENTRE_NS = int(TIMERS.centre * NS_PER_S)
LONGEST_NS = int(TIMERS.reversal_max * 1.125 * NS_PER_S)
CARD, OTHER_CARD = b"card 1", b"card 2"


def lane_of(*payments: int, card: bytes = CARD, deferred: bool = False) -> Lane:
    lane = Lane()
    for payment in payments:
        lane.add(payment, card, deferred)
    return lane


def test_a_new_reversal_is_sent_once_and_then_waits():
    lane = lane_of(1)
    assert lane.has_new()
    assert lane.send(0, TIMERS) == [(1, False)]
    assert not lane.has_new()
    assert lane.send(0, TIMERS) == []
    assert lane.next_tick_ns() == pause_ns(1, 1, TIMERS)


def test_an_unanswered_reversal_is_repeated_when_its_pause_ends():
    lane = lane_of(1)
    lane.send(0, TIMERS)
    due_ns = pause_ns(1, 1, TIMERS)
    assert lane.send(due_ns - 1, TIMERS) == []
    assert lane.send(due_ns, TIMERS) == [(1, True)]


@pytest.mark.parametrize("payment", [1, 2, 77, 10**9])
def test_pauses_grow_and_are_bounded(payment):
    pauses = [pause_ns(payment, tries, TIMERS) for tries in range(1, 40)]
    for tries, pause in enumerate(pauses, 1):
        plain_ns = min(TIMERS.reversal * 2 ** (tries - 1), TIMERS.reversal_max) * NS_PER_S
        assert 0.875 * plain_ns <= pause <= 1.125 * plain_ns
    assert pauses[0] < pauses[1]


def test_pauses_of_many_payments_are_spread():
    pauses = sorted(pause_ns(payment, 1, TIMERS) for payment in range(1, 1001))
    assert len(set(pauses)) > 500
    assert max(later - earlier for earlier, later in pairwise(pauses)) < NS_PER_S


def test_one_card_has_one_reversal_under_way_and_keeps_the_order():
    lane = lane_of(5, 3, 9)
    for payment in (5, 3, 9):
        assert lane.send(0, TIMERS) == [(payment, False)]
        lane.remove(payment, CARD)
    assert (len(lane), lane.next_tick_ns() is not None) == (0, True)
    assert lane.send(10 * LONGEST_NS, TIMERS) == []


def test_one_card_does_not_hold_up_another():
    lane = lane_of(1, 2)
    lane.add(3, OTHER_CARD, False)
    assert lane.send(0, TIMERS) == [(1, False), (3, False)]


def test_the_middle_of_a_card_can_end():
    lane = lane_of(1, 2, 3)
    lane.remove(2, CARD)
    assert lane.send(0, TIMERS) == [(1, False)]
    lane.remove(1, CARD)
    assert lane.send(0, TIMERS) == [(3, False)]


def test_the_window_is_bounded_and_slides():
    lane = Lane()
    for payment in range(LANE_SENDING_MAX + 3):
        lane.add(payment, b"%d" % payment, False)
    assert [payment for payment, _ in lane.send(0, TIMERS)] == list(range(LANE_SENDING_MAX))
    assert not lane.has_new()
    lane.remove(0, b"0")
    assert lane.has_new()
    assert lane.send(0, TIMERS) == [(LANE_SENDING_MAX, False)]


def test_a_backlog_leaves_at_a_steady_rate():
    lane, ended = Lane(), []
    for payment in range(2000):
        lane.add(payment, b"%d" % payment, False)
    for tick_ns in range(0, NS_PER_S, NS_PER_S // 50):
        while sent := lane.send(tick_ns, TIMERS):  # a bank that answers at once
            for payment, _ in sent:
                lane.remove(payment, b"%d" % payment)
                ended.append(payment)
    assert ended == list(range(len(ended)))
    assert LANE_PER_SECOND_MAX <= len(ended) <= LANE_PER_SECOND_MAX + LANE_BURST


def test_a_silent_bank_does_not_keep_the_rest_from_being_sent():
    lane = Lane()
    for payment in range(2 * LANE_SENDING_MAX):
        lane.add(payment, b"%d" % payment, False)
    sent = {payment for payment, _ in lane.send(0, TIMERS)}
    sent |= {payment for payment, _ in lane.send(LONGEST_NS, TIMERS)}
    assert len(sent) == 2 * LANE_SENDING_MAX


def test_a_deferred_reversal_waits_for_its_release():
    lane = lane_of(1, deferred=True)
    assert lane.send(0, TIMERS) == []
    lane.release(1)
    assert lane.has_new()
    assert lane.send(1, TIMERS) == [(1, False)]


def test_a_deferred_reversal_goes_when_the_centre_would_have_given_up():
    lane = lane_of(1, deferred=True)
    lane.send(0, TIMERS)
    assert lane.next_tick_ns() == CENTRE_NS
    assert lane.send(CENTRE_NS - 1, TIMERS) == []
    assert lane.send(CENTRE_NS, TIMERS) == [(1, False)]


def test_a_release_before_the_lane_has_looked_counts():
    lane = lane_of(1, deferred=True)
    lane.release(1)
    assert lane.send(0, TIMERS) == [(1, False)]


def test_releasing_twice_or_what_waits_for_nothing_sends_nothing_more():
    lane = lane_of(1, deferred=True)
    lane.send(0, TIMERS)
    lane.release(1)
    lane.release(1)
    lane.release(2)
    assert lane.send(0, TIMERS) == [(1, False)]
    lane.release(1)
    assert lane.send(0, TIMERS) == []


def test_a_wait_that_was_given_up_does_not_bring_a_repeat():
    lane = lane_of(1, deferred=True)
    lane.send(0, TIMERS)
    lane.release(1)
    lane.send(0, TIMERS)
    assert lane.send(pause_ns(1, 1, TIMERS), TIMERS) == [(1, True)]
    assert lane.send(CENTRE_NS, TIMERS) == []


def test_the_end_of_a_later_one_does_not_prolong_the_wait_of_the_first():
    lane = lane_of(1, 2, deferred=True)
    lane.send(0, TIMERS)
    lane.remove(2, CARD)
    assert lane.send(1, TIMERS) == []
    assert lane.send(CENTRE_NS, TIMERS) == [(1, False)]


def test_a_reversal_that_comes_back_is_sent_once():
    lane = lane_of(1)
    lane.remove(1, CARD)
    lane.add(1, CARD, False)
    assert lane.send(0, TIMERS) == [(1, False)]


def test_a_lane_says_how_it_stands():
    lane = lane_of(1, 2)
    lane.send(0, TIMERS)
    assert repr(lane) == "<lane waiting 2 under way 1>"


class LaneAgainstModel(RuleBasedStateMachine):
    """A lane with a window of three beside a model that keeps one plain list a card."""

    waiting = Bundle("waiting")

    def __init__(self) -> None:
        super().__init__()
        self.window = mock.patch.object(lanes, "LANE_SENDING_MAX", 3)
        self.window.start()
        self.pace = mock.patch.object(lanes, "_SPACING_NS", 0)  # has a test of its own
        self.pace.start()
        self.lane = Lane()
        self.cards: dict[bytes, list[int]] = {}
        self.card: dict[int, bytes] = {}
        self.deferred_until: dict[int, int] = {}
        self.quiet_until: dict[int, int] = {}
        self.tries: dict[int, int] = {}
        self.tick_ns = 0

    def teardown(self) -> None:
        try:
            self.drain()
        finally:
            self.window.stop()
            self.pace.stop()

    def drain(self) -> None:
        """A bank that takes every reversal at once empties the lane."""
        turns = 4 * len(self.card) + 4
        while self.card and turns:
            turns -= 1
            for payment in self.sent():
                self.end(payment)
            self.tick_ns += LONGEST_NS
        assert (list(self.card), len(self.lane)) == ([], 0)

    @rule(target=waiting, cards=st.lists(st.integers(0, 4), min_size=1, max_size=4), deferred=st.booleans())
    def add(self, cards, deferred):
        added = []
        for number in cards:
            payment = len(self.tries) + 1
            card = self.card[payment] = b"%d" % number
            self.cards.setdefault(card, []).append(payment)
            self.tries[payment] = 0
            if deferred:
                self.deferred_until[payment] = CENTRE_NS * 10**6  # counts from when the lane looks
            self.lane.add(payment, card, deferred)
            added.append(payment)
        return multiple(*added)

    @rule(payment=consumes(waiting))
    def remove(self, payment):
        if payment in self.card:
            self.end(payment)

    def end(self, payment: int) -> None:
        card = self.card.pop(payment)
        self.lane.remove(payment, card)
        self.cards[card].remove(payment)
        self.quiet_until.pop(payment, None)
        self.deferred_until.pop(payment, None)

    @rule(payment=waiting)
    def release(self, payment):
        self.deferred_until.pop(payment, None)
        self.lane.release(payment)

    @rule(seconds=st.sampled_from([0, 1, 18, 31, 70]))
    def wait(self, seconds):
        self.tick_ns += seconds * NS_PER_S

    @rule()
    def send(self):
        self.sent()

    def sent(self) -> list[int]:
        """What the lane sends now, each judged by the model."""
        self.look()
        out = self.lane.send(self.tick_ns, TIMERS)
        for payment, repeat in out:
            assert self.cards[self.card[payment]][0] == payment, "overtakes another of its card"
            assert self.deferred_until.get(payment, 0) <= self.tick_ns, "its original may still be answered"
            assert self.quiet_until.get(payment, 0) <= self.tick_ns, "is under way"
            assert repeat == (self.tries[payment] > 0)
            self.tries[payment] += 1
            self.quiet_until[payment] = self.tick_ns + pause_ns(payment, self.tries[payment], TIMERS)
        assert self.under_way() <= 3, "the window is three"
        self.nothing_held_back()
        return [payment for payment, _ in out]

    def look(self) -> None:
        """The first of each card begins its deferral when the lane first looks at it."""
        for queue in self.cards.values():
            if queue and self.deferred_until.get(queue[0], 0) > self.tick_ns + CENTRE_NS:
                self.deferred_until[queue[0]] = self.tick_ns + CENTRE_NS

    def nothing_held_back(self) -> None:
        """While the window has room, every card's first that may go is under way."""
        if self.under_way() < 3:
            for queue in self.cards.values():
                for payment in queue[:1]:
                    may_go = self.deferred_until.get(payment, 0) <= self.tick_ns
                    assert not may_go or self.quiet_until.get(payment, -1) > self.tick_ns

    def under_way(self) -> int:
        return sum(until > self.tick_ns for until in self.quiet_until.values())

    @invariant()
    def counts_what_waits(self):
        assert len(self.lane) == len(self.card)

    @precondition(lambda self: self.quiet_until)
    @invariant()
    def something_wakes_it(self):
        assert self.lane.has_new() or self.lane.next_tick_ns() is not None


TestLaneAgainstModel = LaneAgainstModel.TestCase
TestLaneAgainstModel.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
