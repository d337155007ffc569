"""Zone keys: offered, taken, accepted beside each other, ordered by the office; the same after a snapshot."""

from posswitch.base.bounds import Timers
from posswitch.base.registry import Change, Limits
from posswitch.engine.apply import apply
from posswitch.engine.decide import decide
from posswitch.engine.effects import OfferKey
from posswitch.engine.events import Record, RegistryChanged, Verdict, ZoneKeyOffered, ZoneKeyTaken
from posswitch.engine.facts import NO_FACTS
from posswitch.engine.rules import Rules
from posswitch.engine.state import State, pack_state, unpack_state
from posswitch.engine.zone import OFFERED_MAX, accepted, in_force

BANK, GIVEN = "90010000", b"given"
RULES = Rules(Timers(), Limits())


def told(state, event, at_ns):
    """What is decided; recorded when it is to be."""
    decision = decide(state, event, NO_FACTS, at_ns, RULES)
    if decision.verdict is not None:
        apply(state, state.seq + 1, Record(at_ns, event, decision.verdict))
    return decision


def offer(state, key, at_ns=10, given=GIVEN):
    return told(state, ZoneKeyOffered(BANK, "ZAK", given, key, "by schedule"), at_ns)


def take(state, key, at_ns=20):
    return told(state, ZoneKeyTaken(BANK, "ZAK", key), at_ns)


def test_an_offer_is_sent_when_it_is_recorded_and_in_force_when_the_bank_says_so():
    state = State("1")
    decision = offer(state, b"new")
    assert decision.verdict == Verdict()
    assert decision.effects == (OfferKey(BANK, "ZAK"),)
    assert in_force(state, BANK, "ZAK", GIVEN) == GIVEN
    assert accepted(state, BANK, "ZAK", GIVEN, 0) == (GIVEN, b"new")
    take(state, b"new")
    assert in_force(state, BANK, "ZAK", GIVEN) == b"new"
    assert in_force(state, BANK, "ZPK", GIVEN) == GIVEN
    assert in_force(state, "90020000", "ZAK", GIVEN) == GIVEN


def test_the_key_before_is_accepted_for_a_while():
    state = State("1")
    offer(state, b"new")
    take(state, b"new", at_ns=20)
    assert accepted(state, BANK, "ZAK", GIVEN, 20) == (b"new", GIVEN)
    assert accepted(state, BANK, "ZAK", GIVEN, 21) == (b"new",)


def test_any_of_the_last_offers_may_have_been_taken_and_no_other_key():
    state = State("1")
    for number in range(OFFERED_MAX + 1):
        offer(state, b"%d" % number)
    assert accepted(state, BANK, "ZAK", GIVEN, 0) == (GIVEN, b"3", b"2", b"1")
    assert take(state, b"0").verdict is None
    assert take(state, b"other").verdict is None
    take(state, b"2")
    assert in_force(state, BANK, "ZAK", GIVEN) == b"2"
    assert take(state, b"2").verdict is None  # said twice


def test_a_new_key_in_the_row_begins_anew():
    state = State("1")
    offer(state, b"new")
    take(state, b"new")
    assert in_force(state, BANK, "ZAK", b"another") == b"another"
    assert accepted(state, BANK, "ZAK", b"another", 0) == (b"another",)
    offer(state, b"newer", given=b"another")
    assert accepted(state, BANK, "ZAK", b"another", 0) == (b"another", b"newer")


def test_an_order_stands_until_both_keys_are_taken():
    state = State("1")
    told(state, RegistryChanged(Change(1, rekey=(BANK,))), 5)
    assert set(state.rekey) == {(BANK, "ZAK"), (BANK, "ZPK")}
    offer(state, b"new")
    assert len(state.rekey) == 2
    take(state, b"new")
    assert set(state.rekey) == {(BANK, "ZPK")}


def test_a_snapshot_keeps_them():
    state = State("1")
    told(state, RegistryChanged(Change(1, rekey=(BANK,))), 5)
    offer(state, b"new")
    take(state, b"new")
    offer(state, b"newer")
    again = unpack_state(pack_state(state))
    assert (again.zone, again.rekey) == (state.zone, state.rekey)
    assert pack_state(again) == pack_state(state)
