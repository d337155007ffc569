"""Who has just been there: requests that come once more, failures of one customer; bounded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose import again as room
from posswitch.diagnose.again import Again
from posswitch.diagnose.signals import Dim, Sort
from posswitch.journal.vitals import WIDTH, Column, How

from .streams import AT_NS


class Counter:
    """Gives one outcome after the other to a memory."""

    def __init__(self):
        self.again = Again()

    def comes(self, second, *, card=7, terminal=3, kind=1, band=2, how=How.BANK, sort=Sort.GOOD):
        """Whether the request came once more, and whether its failure is stale."""
        columns = np.zeros((len(Dim), 1), np.int32)
        columns[[Dim.TERMINAL, Dim.KIND], 0] = terminal, kind
        outcomes = np.zeros((1, WIDTH), np.int32)
        outcomes[0, [Column.CARD, Column.HOW, Column.BAND]] = card, how, band
        sorts = np.array([sort], np.int32)
        again, stale = self.again.look(AT_NS + int(second * NS_PER_S), columns, sorts, outcomes)
        return bool(again[0]), bool(stale[0])


@pytest.fixture
def counter():
    return Counter()


def test_a_request_that_comes_twice_within_seconds_comes_again(counter):
    assert counter.comes(0) == (False, False)
    assert counter.comes(4) == (True, False)


def test_long_after_it_is_another_one(counter):
    counter.comes(0)
    assert counter.comes(25) == (False, False)


@pytest.mark.parametrize("other", [{"card": 8}, {"terminal": 4}])
def test_another_card_or_another_terminal_is_another_customer(counter, other):
    counter.comes(0)
    assert counter.comes(1, **other) == (False, False)


@pytest.mark.parametrize("other", [{"kind": 2}, {"band": 3}])
def test_another_kind_or_amount_is_another_request_of_the_same_customer(counter, other):
    """A void right after its sale is no storm; a card that fails both times is still one customer's."""
    assert counter.comes(0, sort=Sort.PIN) == (False, False)
    assert counter.comes(2, sort=Sort.PIN, **other) == (False, True)


@given(st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 3, st.integers(0, 255)))
def test_whatever_numbers_they_have_two_kinds_of_one_card_are_apart(numbers):
    card, terminal, kind, band = numbers
    counter = Counter()
    request = {"card": card or 1, "terminal": terminal, "kind": kind, "band": band}
    assert counter.comes(0, **request) == (False, False)
    assert counter.comes(1, **{**request, "kind": kind ^ 1}) == (False, False)
    assert counter.comes(2, **request) == (True, False)


def test_a_till_that_sends_one_card_on_and_on_counts_twice_only(counter):
    assert [counter.comes(second / 10)[0] for second in range(8)] == [False, True, True, *[False] * 5]


def test_what_the_node_knew_as_a_repeat_comes_again_whoever_it_was(counter):
    assert counter.comes(0, card=0, how=How.REPEAT) == (True, False)
    assert counter.comes(1, how=How.REPEAT) == (True, False)
    assert counter.comes(2) == (False, False)  # the first that was asked anew


def test_what_is_overdue_has_yet_to_end_and_is_no_request(counter):
    assert counter.comes(0, how=How.OVERDUE) == (False, False)
    assert counter.comes(1) == (False, False)


def test_outcomes_without_a_card_are_nobodys(counter):
    for second in range(3):
        assert counter.comes(second, card=0, sort=Sort.FAIL) == (False, False)


@pytest.mark.parametrize("sort", room.ITS_OWN)
def test_the_second_failure_of_a_customer_is_stale_for_a_minute(counter, sort):
    assert counter.comes(0, sort=sort) == (False, False)
    assert counter.comes(50, sort=sort) == (False, True)
    assert counter.comes(50 + 130, sort=sort) == (False, False)


@pytest.mark.parametrize("sort", [Sort.GOOD, Sort.MAC, Sort.FORMAT, Sort.REGISTRY])
def test_what_a_customer_cannot_have_by_himself_is_never_stale(counter, sort):
    assert [counter.comes(30 * number, sort=sort)[1] for number in range(4)] == [False] * 4


def test_a_clock_that_goes_back_only_forgets(counter):
    counter.comes(100)
    assert counter.comes(-5000) == (True, False)  # one round is kept
    assert counter.comes(-9000) == (True, False)
    assert len(counter.again._requests) <= 2


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), max_size=40))
def test_within_the_time_it_is_seen_and_after_twice_the_time_it_is_not(steps):
    lately, last, now = room._Lately(10), {}, 100
    for later, key in steps:
        now += later * 4
        (seen,) = lately.seen(now, [key])
        age = now - last.get(key, -(10**9))
        if age < 10:
            assert seen > 0
        if age > 20:
            assert seen == 0
        last[key] = now


def test_however_many_come_so_many_are_remembered(monkeypatch):
    monkeypatch.setattr(room, "_KEPT_MAX", 100)
    lately = room._Lately(NS_PER_S)
    for tick in range(50):
        lately.seen(tick, list(range(tick * 30, tick * 30 + 30)))
        assert len(lately) <= 2 * 130
