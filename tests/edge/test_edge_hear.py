"""A bank may write in a dialect of its own: whatever stands in its fields, the node hears or drops it."""

import random

import pytest

from posswitch.base.registry import Bank, Registry
from posswitch.codec import load_dialect
from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.crypto.vault import Vault
from posswitch.edge.admit import Dropped
from posswitch.edge.hear import Hearing
from posswitch.edge.sealed import Tickets
from posswitch.edge.voice import Voices
from posswitch.edge.zone import Zone
from posswitch.engine.events import AnswerArrived, AnswerSpoiled
from posswitch.engine.state import State
from posswitch.journal.sqlite import _encode
from posswitch.sim.peers import cups

BANK, ZAK = "90010000", bytes(range(16))
LOOSE = """base = "iso87a"
[field_overrides]
2 = ["ans", "LLVAR", 30]
4 = ["ans", "LLVAR", 30]
11 = ["ans", "LLVAR", 30]
"""
ANSWER = {2: "6290010000000211", 4: "000000001000", 7: "0115103000", 11: "000007", 39: "00"}


@pytest.fixture
def heard(tmp_path):
    """What becomes of a signed answer with changes."""
    path = tmp_path / "loose.toml"
    path.write_text(LOOSE, "utf-8")
    hsm = SoftHsm(bytes(32), random.Random(1).randbytes)
    bank = Bank(BANK, "甲银行", "Bank A", (), b"", hsm.wrap(Usage.ZAK, ZAK), str(path), "bin2")
    registry = Registry([bank])
    vault = Vault(bytes(32), random.Random(2).randbytes)
    state = State("1")
    zone = Zone(registry, state, lambda: 0, 300)
    hearing = Hearing(registry, Voices(registry, "00010000"), vault, state, Tickets(1), zone)
    dialect = load_dialect(str(path))

    def heard(**changes):
        message = cups.Message(
            "0210", {**ANSWER, **{int(name[1:]): value for name, value in changes.items()}}
        )
        cups.sign(message, ZAK)
        read, unread = hearing.read(BANK, dialect.pack(message))
        assert not unread
        events = []
        hsm.run(hearing.verified(BANK, read), events.append, pytest.fail)
        (event,) = events
        if not isinstance(event, Dropped):
            assert _encode(event)  # whatever is recorded can be written down
        return event

    return heard


def test_a_usual_answer_arrives(heard):
    event = heard()
    assert isinstance(event, AnswerArrived)
    assert (event.stan, event.amount_minor, event.code) == (7, 1_000, "00")


@pytest.mark.parametrize("stan", ["", "abc", "1" * 20, "-1", "12 "])
def test_a_trace_number_that_is_none_is_dropped(heard, stan):
    assert isinstance(heard(f11=stan), Dropped)


@pytest.mark.parametrize("amount", ["", "x", "9" * 30, "1.5"])
def test_an_amount_that_is_none_is_evidence(heard, amount):
    event = heard(f4=amount)
    assert isinstance(event, AnswerSpoiled)
    assert event.why == "answer's amount cannot be read"


@pytest.mark.parametrize("pan", ["", "62900100000A0211", "6" * 30, "none"])
def test_a_card_number_that_is_none_fits_no_payment(heard, pan):
    event = heard(f2=pan)
    assert isinstance(event, AnswerArrived)
    assert event.pan_print == (b"?" if pan else b"")
