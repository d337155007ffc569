"""The window of a bank: it grows while answers take as long as usual, and shrinks when they take longer."""

import random

from posswitch.base.bounds import OPEN_PER_BANK_MAX, WINDOW_FIRST, WINDOW_MIN, Timers
from posswitch.base.moment import NS_PER_MS, NS_PER_S
from posswitch.base.registry import Address, Bank
from posswitch.edge.connector import Links
from posswitch.edge.window import Window
from posswitch.engine.routing import FULL

USUAL_NS = 20 * NS_PER_MS


def after(*spans):
    """A window after answers that took so long each, so many of them, with so many under way."""
    window, chance = Window(), random.Random(1)
    for took_ns, count, under_way in spans:
        for _ in range(count):
            window.answered(int(took_ns * chance.uniform(0.7, 1.4)), under_way)
    return window


def test_a_bank_that_is_used_gets_more_and_never_too_much():
    assert after((USUAL_NS, 2000, WINDOW_FIRST)).cap > WINDOW_FIRST
    assert after((USUAL_NS, 100_000, OPEN_PER_BANK_MAX)).cap == OPEN_PER_BANK_MAX


def test_what_is_not_used_stays():
    assert after((USUAL_NS, 5000, 10)).cap == WINDOW_FIRST


def test_a_bank_that_hangs_gets_less_at_once_and_is_never_given_up():
    slow = after((USUAL_NS, 1000, 100), (5 * NS_PER_S, 40, 4000))
    assert slow.cap < WINDOW_FIRST // 4
    assert after((USUAL_NS, 1000, 100), (5 * NS_PER_S, 5000, 4000)).cap >= WINDOW_MIN


def test_twice_as_slow_as_usual_is_no_trouble():
    """And our own busy moments look like a slow bank: below half a second nobody is blamed."""
    assert after((USUAL_NS, 1000, 100), (400 * NS_PER_MS, 60, 600)).cap >= WINDOW_FIRST


def test_it_comes_back():
    ill = ((USUAL_NS, 1000, 100), (5 * NS_PER_S, 60, 4000))
    low = after(*ill).cap
    assert after(*ill, (USUAL_NS, 3000, 4000)).cap > 4 * low


class Willing:
    """A link that takes everything."""

    class health:
        burden = 3

    def takes(self):
        return True


def test_a_bank_whose_window_is_full_gets_nothing_new():
    bank = Bank("90010000", "甲银行", "Bank A", (Address("127.0.0.1", 1),), b"", b"")
    links = Links(bank, None, Timers(), lambda: 0, {})
    links._links = [Willing()]
    assert links.burden() == 3
    for number in range(links.window.cap):
        links._healths[0].sent((number, ""), 0)
    assert links.burden() == FULL
    links.heard((0, ""))
    assert links.burden() == 3
