"""The checkers bite: every hand-made record that no honest journal contains is found."""

import pytest
from msgspec.structs import replace
from world import BANK, MORNING_NS, OTHER_BANK, SALE, World

from posswitch.engine.events import (
    AnswerArrived,
    DayTurned,
    Hold,
    NodeRestarted,
    Record,
    ReversalArrived,
    Reversing,
    TimerFired,
    Verdict,
)
from posswitch.engine.invariants import Refold
from posswitch.engine.lifecycle import APPROVED, DECLINED, FORWARDED, REVERSED, REVERSING

F7 = "0615100000"
HOLD = Hold("card:1", "20260615", 100)
BACK = Hold("card:1", "20260615", -100)
ANSWER = AnswerArrived(BANK, "0210", 1, F7, "00", "", "", 0, "", "", b"", "")
TAKEN_BACK = ReversalArrived(2, "key 2", "T", "M", "000001", "000001", 1, b"", "98", "")

ACCEPTED = Verdict(1, "accepted", FORWARDED, "98", stan=1, f7=F7, holds=(HOLD,))
TIMED_OUT = Verdict(1, "timed-out", REVERSING, "98", holds=(BACK,), reversing=(Reversing(1, 2, F7),))
HONEST = ((SALE, ACCEPTED), (TimerFired(1), TIMED_OUT))


def found(*told, limit_minor=None) -> list[str]:
    """What the refold finds in the last of these records; the others must be fine."""
    refold = Refold({"card:": limit_minor} if limit_minor is not None else None)
    *before, last = [Record(MORNING_NS, event, verdict) for event, verdict in told]
    for seq, record in enumerate(before, 1):
        assert list(refold.check(seq, record)) == []
    return list(refold.check(len(told), last))


def sale(key: str, bank: str = BANK):
    return replace(SALE, key=key, bank=bank)


def accepted(payment: int, stan: int, *holds: Hold) -> Verdict:
    return Verdict(payment, "accepted", FORWARDED, "98", stan=stan, f7=F7, holds=holds)


def test_an_honest_life_is_fine():
    assert found(*HONEST, (ANSWER, Verdict(1, "bank-reversed", REVERSED, "98"))) == []
    assert found((TAKEN_BACK, Verdict(1, "reversal-came-first", REVERSED, "22"))) == []
    assert found((DayTurned("20260616"), Verdict())) == []
    assert found((sale("a"), accepted(1, 1)), (sale("b", OTHER_BANK), accepted(2, 1))) == []


ILLEGAL = {
    "opens payment 7": [(SALE, accepted(7, 1))],
    "key of payment 1 opened again": [(SALE, ACCEPTED), (SALE, accepted(2, 2))],
    "moves payment 9, which no record opened": [(TimerFired(9), Verdict(9, "bank-declined", DECLINED, "05"))],
    "goes received → approved": [(SALE, Verdict(1, "bank-approved", APPROVED, "00"))],
    "goes reversing → approved": [*HONEST, (ANSWER, Verdict(1, "bank-approved", APPROVED, "00"))],
    "goes forwarded → approved by timed-out": [
        (SALE, ACCEPTED),
        (TimerFired(1), Verdict(1, "timed-out", APPROVED)),
    ],
    "goes forwarded → forwarded": [(SALE, ACCEPTED), (ANSWER, Verdict(1, "accepted", FORWARDED))],
    "goes forwarded →  by bank-approved": [(SALE, ACCEPTED), (ANSWER, Verdict(1, "bank-approved"))],
    "STAN and F7 of payment 1 given again to 2": [(SALE, ACCEPTED), (sale("b"), accepted(2, 1))],
    "STAN and F7 of payment 1 given again to 1": [
        (SALE, ACCEPTED),
        (TimerFired(1), Verdict(1, "timed-out", REVERSING, reversing=(Reversing(1, 1, F7),))),
    ],
    "changes something without a cause": [(SALE, ACCEPTED), (ANSWER, Verdict(1, "", APPROVED))],
    "record 1: changes something without a cause": [(DayTurned("20260616"), Verdict(holds=(HOLD,)))],
    "record 2: changes something without a cause": [
        (SALE, ACCEPTED),
        (ANSWER, Verdict(1, reversing=(Reversing(1, 2, F7),))),
    ],
    "falls below zero": [
        (SALE, ACCEPTED),
        (ANSWER, Verdict(1, "bank-declined", DECLINED, "05", holds=(BACK, BACK))),
    ],
    "goes over its limit": [(SALE, ACCEPTED), (sale("b"), accepted(2, 2, HOLD))],
    "payment 1 is still forwarded": [(SALE, ACCEPTED), (NodeRestarted("20260615", "c1"), Verdict())],
}


@pytest.mark.parametrize("finding", ILLEGAL)
def test_an_illegal_record_is_found(finding):
    lines = found(*ILLEGAL[finding], limit_minor=150)
    assert [line for line in lines if finding in line], lines
    assert all(line.startswith(f"record {len(ILLEGAL[finding])}: ") for line in lines)


def test_a_restart_that_forgets_one_of_two_is_found():
    told = [(sale("a"), accepted(1, 1)), (sale("b"), accepted(2, 2))]
    verdict = Verdict(0, "restarted", REVERSING, "98", reversing=(Reversing(1, 3, F7),))
    assert found(*told, (NodeRestarted("20260615", "c1"), verdict)) == [
        "record 3: after the restart payment 2 is still forwarded"
    ]


def test_open_payments_are_counted():
    refold = Refold()
    for seq, (event, verdict) in enumerate(HONEST, 1):
        list(refold.check(seq, Record(MORNING_NS, event, verdict)))
        assert refold.open_payments() == 1
    list(refold.check(3, Record(MORNING_NS, ANSWER, Verdict(1, "bank-reversed", REVERSED, "98"))))
    assert refold.open_payments() == 0


def test_the_refold_agrees_with_a_world(tmp_path):
    world = World(tmp_path)
    world.sale()
    world.answer("00")
    assert world.refold.lives[world.payment].state == APPROVED
    assert world.refold.counters == {(f"card:{world.row().first.event.pan_print.hex()}", "20260615"): 10_000}
    world.close()
