"""The checker of reasons bites: every step that rests on the wrong event is found, an honest one is not."""

import pytest
from msgspec.structs import replace
from world import BANK, MORNING_NS, OTHER_BANK, SALE

from posswitch.engine.events import (
    AnswerArrived,
    Hold,
    NodeRestarted,
    NotSent,
    Original,
    Record,
    ReversalArrived,
    Reversing,
    TimerFired,
    Verdict,
)
from posswitch.engine.grounds import Grounds
from posswitch.engine.lifecycle import APPROVED, DECLINED, FORWARDED, NEEDS_OWNER, REVERSED, REVERSING

F7, DAY, CARD = "0615100000", "20260615", b"card"
SOLD = replace(SALE, key="k1", pan_print=CARD)
HELD = Hold(f"card:{CARD.hex()}", DAY, SOLD.amount_minor)
ACCEPTED = Verdict(2, "accepted", FORWARDED, "98", stan=1, f7=F7, holds=(HELD,))
OPENED = [(NodeRestarted(DAY, "c1"), Verdict()), (SOLD, ACCEPTED)]
YES = AnswerArrived(
    BANK,
    "0210",
    1,
    F7,
    "00",
    "123456",
    "6166A0000002",
    SOLD.amount_minor,
    SOLD.terminal,
    SOLD.merchant,
    CARD,
    "",
)
APPROVES = Verdict(2, "bank-approved", APPROVED, "00", auth="123456")
TIMED_OUT = Verdict(2, "timed-out", REVERSING, "98", reversing=(Reversing(2, 2, F7),))
DONE = replace(YES, mti="0430", stan=2, auth="")
REVERSES = Verdict(2, "bank-reversed", REVERSED, "98")
BACK = ReversalArrived(
    3, "k1", SOLD.terminal, SOLD.merchant, "000001", "000001", SOLD.amount_minor, CARD, "98", ""
)
TAKES_BACK = Verdict(2, "terminal-reversed", REVERSING, "98", reversing=(Reversing(2, 3, F7),))
VOID = replace(SOLD, kind="void", key="k2")
TAKEN = Hold("taken:2", "", SOLD.amount_minor)
NAMED = Original(2, "0200", 1, F7, "", "123456")
VOIDS = Verdict(4, "accepted", FORWARDED, "98", stan=2, f7=F7, holds=(TAKEN,), original=NAMED)
PAID = [*OPENED, (YES, APPROVES)]


def found(told):
    """What is found in the last of these records; the others must be fine."""
    grounds = Grounds()
    *before, last = [Record(MORNING_NS, event, verdict) for event, verdict in told]
    for seq, record in enumerate(before, 1):
        assert list(grounds.check(seq, record)) == []
    return list(grounds.check(len(told), last))


HONEST = {
    "an approval": PAID,
    "a decline": [*OPENED, (replace(YES, code="51"), Verdict(2, "bank-declined", DECLINED, "51"))],
    "a reversal": [*OPENED, (TimerFired(2), TIMED_OUT), (DONE, REVERSES)],
    "a void": [*PAID, (VOID, VOIDS)],
    "a terminal's reversal": [*PAID, (BACK, TAKES_BACK)],
    "an owner's late answer": [
        *OPENED,
        (TimerFired(2), replace(TIMED_OUT, state=NEEDS_OWNER)),
        (replace(DONE, stan=77), REVERSES),
    ],
}
WRONG = {
    "another amount": [*OPENED, (replace(YES, amount_minor=1), APPROVES)],
    "another bank": [*OPENED, (replace(YES, bank=OTHER_BANK), APPROVES)],
    "another STAN or F7": [*OPENED, (replace(YES, stan=9), APPROVES)],
    "another terminal": [*OPENED, (replace(YES, terminal="T9"), APPROVES)],
    "another merchant": [*OPENED, (replace(YES, merchant="M9"), APPROVES)],
    "another card": [*OPENED, (replace(YES, pan_print=b"other"), APPROVES)],
    "another payment number": [*OPENED, (replace(YES, rrn="6166A0000003"), APPROVES)],
    "another code (51)": [*OPENED, (replace(YES, code="51"), APPROVES)],
    "another word to the terminal": [*OPENED, (YES, replace(APPROVES, auth="999999"))],
    "another code (96)": [*OPENED, (TimerFired(2), TIMED_OUT), (replace(DONE, code="96"), REVERSES)],
    "bank-approved rests on TimerFired": [*OPENED, (TimerFired(2), APPROVES)],
    "timed-out of payment 7 moves 2": [*OPENED, (TimerFired(7), TIMED_OUT)],
    "not-sent rests on TimerFired": [*OPENED, (TimerFired(2), Verdict(2, "not-sent", DECLINED, "91"))],
    "not-sent of payment 3 moves 2": [
        *OPENED,
        (NotSent(3, "91", ""), Verdict(2, "not-sent", DECLINED, "91")),
    ],
    "by the reversal of another": [*PAID, (replace(BACK, key="k9"), TAKES_BACK)],
    "after something was built on it": [*PAID, (VOID, VOIDS), (BACK, TAKES_BACK)],
    "does not hold what such a payment takes": [OPENED[0], (SOLD, replace(ACCEPTED, holds=()))],
    "record 2: does not hold": [
        OPENED[0],
        (SOLD, replace(ACCEPTED, holds=(replace(HELD, window="20260614"),))),
    ],
    "record 4: does not hold": [*PAID, (VOID, replace(VOIDS, holds=(replace(TAKEN, amount_minor=1),)))],
    "builds on a payment of another card": [*PAID, (replace(VOID, pan_print=b"other"), VOIDS)],
    "names its original by numbers": [*PAID, (VOID, replace(VOIDS, original=replace(NAMED, stan=5)))],
    "a refund builds on a preauth": [
        OPENED[0],
        (replace(SOLD, kind="preauth"), ACCEPTED),
        (replace(SOLD, kind="refund", key="k3"), replace(VOIDS, payment=3, cause="advice-accepted")),
    ],
    "is not what its terminal has asked": [
        OPENED[0],
        (SOLD, replace(ACCEPTED, completed=replace(SOLD, amount_minor=1))),
    ],
}


@pytest.mark.parametrize("story", HONEST)
def test_an_honest_step_is_fine(story):
    assert found(HONEST[story]) == []


@pytest.mark.parametrize("finding", WRONG)
def test_a_step_without_its_ground_is_found(finding):
    lines = found(WRONG[finding])
    assert [line for line in lines if finding in line], lines
    assert all(line.startswith(f"record {len(WRONG[finding])}: ") for line in lines)
