"""Turning away at a glance: the same answer as to a request that is read, and nothing but new payments."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posswitch.base.moment import stamp
from posswitch.codec import load_dialect
from posswitch.codec.glance import Glance
from posswitch.edge.admit import POS
from posswitch.edge.overload import Rank, key_of, rank_of
from posswitch.edge.turnaway import TurnAway

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.fuzz import switchboard as board

NOW = stamp(board.NOW_NS)
DESK = TurnAway(board.registry, board.state.sessions)
FRAMES = [board.packed_request(message) for message in board.requests()]


def read_refusal(message):
    direct = board.admission.refusal(message, "96")
    return board.outcome(board.dresser.refusal(direct.message, direct.code, direct.keys, NOW))


@pytest.mark.parametrize("payload", FRAMES)
def test_what_is_turned_away_gets_the_answer_of_one_that_is_read(payload):
    message = POS.unpack(payload)
    turned = DESK.seen(payload, "", sales=True)
    may = message.mti in ("0100", "0200") and rank_of(message) in (Rank.PURCHASE, Rank.INQUIRY)
    signed_on = message.fields.get(41) in board.state.sessions and 64 in message.fields
    whole = all(number in message.fields for number in (3, 4, 11, 25, 41, 42, 49, 60))
    assert (turned is not None) == (may and signed_on and whole)
    if turned is not None:
        assert turned.key == key_of(message)
        assert board.outcome(DESK.refusal(turned, "96", NOW)) == read_refusal(message)


def test_some_of_them_are_turned_away():
    assert sum(DESK.seen(payload, "", sales=True) is not None for payload in FRAMES) > 10


def test_while_there_is_room_for_sales_none_is_turned_away():
    kept = [DESK.seen(payload, "", sales=False) for payload in FRAMES]
    assert {turned.fields[3][:1] for turned in kept if turned is not None} <= {b"\x31"}


def test_nobody_is_answered_in_the_name_of_another(monkeypatch):
    monkeypatch.setattr("posswitch.edge.turnaway.may_speak", lambda registry, certificate, terminal: False)
    assert all(DESK.seen(payload, "a stranger's", sales=True) is None for payload in FRAMES)


@given(st.sampled_from(FRAMES), st.data())
@settings(max_examples=400)
def test_no_damage_raises_and_what_is_cut_is_not_turned_away(payload, data):
    cut = data.draw(st.integers(0, len(payload)))
    assert DESK.seen(payload[:cut], "", sales=True) is None or cut == len(payload)
    at, byte = data.draw(st.integers(0, len(payload) - 1)), data.draw(st.integers(0, 255))
    damaged = payload[:at] + bytes([byte]) + payload[at + 1 :]
    turned = DESK.seen(damaged, "", sales=True)
    if turned is not None:
        board.outcome(DESK.refusal(turned, "96", NOW))


@pytest.mark.parametrize("name", ["pos", "cups", "iso87a", "iso87b"])
def test_a_glance_finds_what_unpacking_finds(name):
    dialect = load_dialect(name)
    for payload in FRAMES if name == "pos" else ():
        message = dialect.unpack(payload)
        found = Glance(dialect, message.fields)(payload)
        assert list(found) == list(message.fields)
        assert b"".join(found.values()) == payload[dialect.fields_at(payload) :]
    assert Glance(dialect, (11,))(b"") is None
    assert Glance(dialect, (11,))(bytes(60)) in (None, {})
