"""The onlooker at the banks: what no centre may do is seen, what lines and restarts may do is not."""

import pytest

from posswitch.base.moment import NS_PER_MS, NS_PER_S
from posswitch.codec import Message
from posswitch.sim.peers.bank_link import BankLink
from posswitch.sim.peers.scrutiny import MAC_UNFIT
from posswitch.sim.peers.seen import IN, OUT, Seen
from posswitch.sim.world.onlooker import Onlooker

BANK, CARD, F7 = "90010000", "6290010000000211", "0921225952"


class Street:
    """One bank with one link; every message takes a millisecond."""

    def __init__(self, *, signed_on: bool = True) -> None:
        self.onlooker = Onlooker(2 * NS_PER_S)
        self.link = BankLink(lambda link, payload: None, {})
        self.at_ns = 0
        if signed_on:
            self.saw(IN, "0820", {11: "900001", 70: "001"})

    def saw(self, way, mti, fields, note=""):
        self.at_ns += NS_PER_MS
        message = Message(mti, {2: CARD, 4: "000000000100", 7: F7, **fields})
        self.onlooker.saw(BANK, Seen(self.at_ns, way, self.link, message, note=note))
        return self

    def asks(self, mti, stan, **more):
        return self.saw(IN, mti, {11: f"{stan:06d}"}, **more)

    def reverses(self, stan, original, mti="0420"):
        return self.saw(IN, mti, {11: f"{stan:06d}", 90: f"0200{original:06d}{F7}" + "0" * 22})

    def answers(self, mti, stan, code="00"):
        return self.saw(OUT, mti, {11: f"{stan:06d}", 39: code})

    def later(self, seconds):
        self.at_ns += int(seconds * NS_PER_S)
        return self

    def found(self, lives_ns=(), **line_faults):
        return list(self.onlooker.violations(lives_ns, line_faults))


def street():
    return Street()


FINE = {
    "a sale": street().asks("0200", 1).answers("0210", 1),
    "a reversal told again": street().reverses(2, 1).later(1).reverses(2, 1, "0421").answers("0430", 2, "25"),
    "an advice told again": street().asks("0220", 1).later(1).asks("0221", 1).answers("0230", 1),
    "the next of the same card": street().reverses(2, 1).answers("0430", 2).reverses(3, 4).answers("0430", 3),
    "a reversal after its answer": street().asks("0200", 1).answers("0210", 1).reverses(2, 1),
    "a reversal after the timer": street().asks("0200", 1).later(2).reverses(2, 1),
    "damaged on its way": street().asks("0220", 1).asks("0220", 1, note=MAC_UNFIT),
}
WRONG = {
    "2 times, unmarked": street().asks("0220", 1).later(1).asks("0220", 1),
    "0420 000002 of CNY 1.00 2 times": street().reverses(2, 1).later(1).reverses(2, 1),
    "0200 000001 of CNY 1.00 2 times": street().asks("0200", 1).later(1).asks("0200", 1),
    "before it had answered 000002 of the same card": street().reverses(2, 1).reverses(3, 4),
    "before it had answered 000005": street().asks("0220", 5).answers("0230", 5, "96").reverses(3, 4),
    "while its bank still worked on it": street().asks("0200", 1).reverses(2, 1),
    "0200 000001 of CNY 1.00 was taken back": street().reverses(2, 1).asks("0200", 1),
    "before its link had signed on": Street(signed_on=False).asks("0200", 1),
}


@pytest.mark.parametrize("story", FINE)
def test_what_a_centre_may_do_is_not_seen(story):
    assert FINE[story].found() == []


@pytest.mark.parametrize("what", WRONG)
def test_what_no_centre_may_do_is_seen(what):
    (line,) = WRONG[what].found()
    assert what in line


def test_a_restart_explains_a_second_unmarked_message_and_a_reversal_at_once():
    again = Street().asks("0220", 1).later(1).asks("0220", 1)
    assert again.found([again.at_ns - 1]) == []
    at_once = Street().asks("0200", 1).reverses(2, 1)
    assert at_once.found([at_once.at_ns - 1]) == []


def test_lines_that_double_or_delay_explain_what_they_do():
    assert WRONG["2 times, unmarked"].found(duplicate=1) == []
    assert WRONG["while its bank still worked on it"].found(delay=1) == []
