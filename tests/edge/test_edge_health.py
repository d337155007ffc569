"""How a link is judged from its answers, step by step in time that the test makes."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.moment import NS_PER_MS, NS_PER_S
from posswitch.edge.health import PAUSE_NS, PROBES_AT_ONCE, Health, Standing

CENTRE_NS = 30 * NS_PER_S
LOOK_NS = NS_PER_S // 2


class Play:
    """A link with traffic: `fate(number)` is how long the answer to a request takes, None = for ever."""

    def __init__(self, patience_ns=CENTRE_NS):
        self.health = Health(patience_ns)
        self.now_ns = NS_PER_S
        self.number = 0
        self.answers = []  # when, which
        self.moves = []  # when, to what

    def run(self, seconds, tps, fate):
        step_ns, next_look_ns = int(NS_PER_S / tps), self.now_ns + LOOK_NS
        ends_ns = self.now_ns + int(seconds * NS_PER_S)
        while self.now_ns < ends_ns:
            self.now_ns += step_ns
            for due_ns, key in [answer for answer in self.answers if answer[0] <= self.now_ns]:
                self.answers.remove((due_ns, key))
                self.health.answered(key, due_ns)
            while next_look_ns <= self.now_ns:
                if moved := self.health.look(next_look_ns):
                    self.moves.append((next_look_ns, moved))
                next_look_ns += LOOK_NS
            if self.health.may_take():
                self.number += 1
                key = (self.number, "0101000000")
                self.health.sent(key, self.now_ns)
                took_ns = fate(self.number)
                if took_ns is not None:
                    self.answers.append((self.now_ns + took_ns, key))
        return self

    def first(self, standing):
        return next((at_ns for at_ns, moved in self.moves if moved is standing), None)


def quick(number):
    return 20 * NS_PER_MS


def never(number):
    return None


def half_dead(number):
    return quick(number) if number % 10 >= 3 else None


def slow(number):
    return 20 * 100 * NS_PER_MS


ILL = {"silent": never, "half dead": half_dead, "slow": slow}


@pytest.mark.parametrize("fate", ILL.values(), ids=ILL)
def test_an_ill_link_is_fenced_within_five_seconds(fate):
    play = Play().run(30, 60, quick)
    assert play.moves == []
    begin_ns = play.now_ns
    play.run(10, 60, fate)
    assert play.first(Standing.FENCED) - begin_ns <= 5 * NS_PER_S


@pytest.mark.parametrize("fate", ILL.values(), ids=ILL)
def test_it_comes_back_by_itself_and_is_not_trusted_sooner_while_it_stays_ill(fate):
    play = Play().run(30, 20, quick).run(120, 20, fate)
    probes = [at_ns for at_ns, moved in play.moves if moved is Standing.PROBE]
    pauses = [later - earlier for earlier, later in pairwise(probes)]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 8 * PAUSE_NS
    assert play.first(Standing.SERVE) is None
    begin_ns = play.now_ns
    play.run(60, 20, quick)
    assert play.health.standing is Standing.SERVE
    assert play.first(Standing.SERVE) - begin_ns < 45 * NS_PER_S


def test_probes_are_few():
    play = Play().run(10, 100, quick)
    sent = play.number
    play.run(60, 100, never)
    probed = sum(moved is Standing.PROBE for _, moved in play.moves)
    assert play.number - sent <= 6 * 100 + PROBES_AT_ONCE * (probed + 1) + 100


@given(st.integers(0, 10**6), st.sampled_from([1, 5, 50]))
def test_a_bank_that_fails_one_request_in_twenty_is_not_fenced(seed, tps):
    entropy = random.Random(seed)
    play = Play().run(120, tps, lambda _: None if entropy.random() < 0.05 and tps > 1 else quick(_))
    assert [moved for _, moved in play.moves if moved is Standing.FENCED] == []


def test_a_few_failures_without_traffic_say_nothing():
    play = Play().run(30, 0.2, never)
    assert play.moves == []


def test_who_sleeps_himself_blames_nobody():
    play = Play().run(10, 50, quick)
    for number in range(100):
        play.health.sent((10_000 + number, ""), play.now_ns)
    assert play.health.look(play.now_ns + 20 * NS_PER_S) is None
    assert play.health.standing is Standing.SERVE


def test_a_link_that_loses_its_connection_again_and_again_is_fenced():
    play = Play().run(10, 20, quick)
    for _ in range(10):
        play.run(0.6, 20, lambda _: NS_PER_S)
        play.health.lost(play.now_ns)
    play.run(1, 20, quick)
    assert Standing.FENCED in [moved for _, moved in play.moves]


def test_a_busy_link_is_the_second_choice():
    idle, busy, slower = (Play().run(5, 20, quick).health for _ in range(3))
    busy.sent((1, ""), 10 * NS_PER_S)
    slower = Play().run(5, 20, lambda _: 60 * NS_PER_MS).health
    assert idle.burden < busy.burden
    assert idle.burden < slower.burden


def test_what_is_remembered_is_bounded():
    play = Play()
    for number in range(100_000):
        play.health.sent((number, ""), play.now_ns)
    assert play.health.under_way <= 8192
    play.health.look(play.now_ns + 5 * NS_PER_S)
    play.health.look(play.now_ns + 2 * CENTRE_NS)
    assert play.health.under_way <= 8192
