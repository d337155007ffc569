"""The state as bytes: equal states give equal bytes however they came about; it shows no card."""

import msgspec
import pytest
from msgspec.structs import replace
from world import BANK, MORNING_NS, NODE, OTHER_BANK, SALE

from posswitch.engine.lifecycle import REVERSING
from posswitch.engine.state import Flight, Session, State, let_go, pack_state, take_up, unpack_state


def flight(payment: int, **changes: object) -> Flight:
    made = Flight(
        payment, replace(SALE, pan_print=b"print"), MORNING_NS, f"6166A{payment:07d}", payment, "f7", 1
    )
    return replace(made, **changes)


def state(*flights: Flight, banks: tuple[str, ...] = (BANK, OTHER_BANK)) -> State:
    made = State(NODE, 9, MORNING_NS, "20260615")
    for bank in banks:
        made.stans[bank] = 5
        made.sessions[f"T{bank[:7]}"] = Session("000001", b"tpk", b"tak")
    for one in flights:
        take_up(made, one)
    return made


def test_equal_states_are_equal_bytes():
    one = state(flight(1), flight(2))
    other = state(flight(2), flight(1), banks=(OTHER_BANK, BANK))
    assert pack_state(one) == pack_state(other)


@pytest.mark.parametrize("changes", [{"ticket": 2}, {"deferred": True}, {"state": REVERSING}, {"rrn": "x"}])
def test_other_states_are_other_bytes(changes):
    assert pack_state(state(flight(1))) != pack_state(state(flight(1, **changes)))


def test_what_is_taken_up_and_let_go_leaves_nothing():
    made = state()
    for of in (flight(1), flight(2, state=REVERSING, rev_stan=3, rev_f7="f7")):
        take_up(made, of)
        assert made.flight_of_answer(BANK, of.stan, of.f7) is of
        let_go(made, of)
    assert (made.flights, made.awaiting, made.forwarded[BANK], len(made.lanes[BANK])) == ({}, {}, 0, 0)


def test_other_bytes_are_no_state():
    with pytest.raises(msgspec.DecodeError):
        unpack_state(b"\x93")


def test_a_state_and_its_payments_show_no_card():
    shown = repr(state(flight(1), flight(2, state=REVERSING)))
    assert shown == "<node A record 9 open 2 reversing 1>"
    assert repr(flight(1)) == f"<payment 1 forwarded T0000001/000001 {BANK}>"
