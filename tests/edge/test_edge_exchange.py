"""What a bank's messages say about its zone keys, without a bank: what a restart forgets, and an A0."""

import pytest

from posswitch.base.registry import Bank, Registry
from posswitch.crypto.commands import Usage
from posswitch.edge.exchange import MISFITS, Exchange, _Offer
from posswitch.edge.mistrust import Mistrust
from posswitch.edge.zone import Zone
from posswitch.engine.events import AnswerArrived, ZoneKeyTaken
from posswitch.engine.state import State, ZoneKey
from posswitch.settings.machine import KeysTable

BANK, GIVEN = "90010000", b"given"


class Clock:
    @staticmethod
    def tick_ns():
        return 1

    @staticmethod
    def wall_ns():
        return 1


class Made:
    def __init__(self, zone):
        self.submitted = []
        registry = Registry([Bank(BANK, "甲银行", "Bank A", (), b"zpk", GIVEN, zmk=b"zmk")])
        state = State("1", zone={(BANK, "ZAK"): zone})
        keys = KeysTable(misfits=5)
        self.exchange = Exchange(
            keys, registry, state, Zone(registry, state, Clock.wall_ns, 300), Mistrust(Clock.wall_ns, 5),
            None, None, None, Clock, self.submitted.append, {}, 1.0, lambda: "000001",
        )  # fmt: skip

    def wanted(self):
        return dict(self.exchange._of(BANK).wanted)

    def hear(self, code):
        self.exchange.heard(
            AnswerArrived(BANK, "0210", 1, "0101000000", code, "", "", 100, "10000001", "8" * 15, b"", "")
        )


def test_an_offer_of_before_a_restart_is_taken_when_the_bank_uses_it():
    """Its answer was lost; the bank signs with it and will soon refuse the key before."""
    made = Made(ZoneKey(GIVEN, GIVEN, offered=(b"newer", b"new")))
    made.exchange.fitted(BANK, GIVEN)
    assert made.submitted == []
    made.exchange.fitted(BANK, b"new")
    assert made.submitted == [ZoneKeyTaken(BANK, "ZAK", b"new")]


@pytest.mark.parametrize("between", ["00", "51", "55"])
def test_a_bank_that_says_our_mac_does_not_fit_gets_a_new_key(between):
    made = Made(ZoneKey(GIVEN, GIVEN))
    for code in ["A0"] * 4 + [between] + ["A0"] * 4:
        made.hear(code)
    assert made.wanted() == {}
    made.hear("A0")
    assert made.wanted() == {Usage.ZAK: MISFITS}


@pytest.mark.parametrize(("code", "taken"), [("00", True), ("05", False), ("96", False), ("", False)])
def test_a_bank_that_refuses_a_key_does_not_have_it(code, taken):
    made = Made(ZoneKey(GIVEN, GIVEN, offered=(b"new",)))
    offer = _Offer(Usage.ZAK, b"new", (b"sent", b"kcv"), "000001")
    made.exchange._of(BANK).offer = offer
    made.exchange._judged(BANK, offer, code, b"new")
    assert made.submitted == ([ZoneKeyTaken(BANK, "ZAK", b"new")] if taken else [])
