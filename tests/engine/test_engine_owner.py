"""What needs a person: how it comes about, what the owner's word does, what a restored journal hands over."""

import pytest
from world import BANK, KEY, NODE, World

from posswitch.base.bounds import RESTORED_DOUBT_NS, RESTORED_SKIP
from posswitch.base.errors import JournalDamaged
from posswitch.base.moment import NS_PER_S
from posswitch.engine.events import DayTurned, Verdict
from posswitch.engine.lifecycle import ADVISING, APPROVED, DECLINED, NEEDS_OWNER, REVERSED, REVERSING
from posswitch.engine.state import pack_state
from posswitch.journal.sqlite import Journal
from posswitch.journal.verify import verify
from posswitch.scheme.numbers import RRN_SERIALS


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.close()


def used(world):
    """What the counters hold in all."""
    return sum(world.refold.counters.values())


@pytest.fixture
def expired(world):
    """A sale whose reversal no bank has ever answered."""
    world.sale()
    world.timer()
    world.send_lane()
    world.expire()
    assert (world.row().state, used(world)) == (NEEDS_OWNER, 0)
    return world


def test_what_stands_uses_the_limit_again(expired):
    expired.rule("stands")
    assert (expired.row().state, expired.row().code, used(expired)) == (APPROVED, "00", 10_000)


def test_what_is_reversed_moves_nothing_more(expired):
    expired.rule("reversed")
    assert (expired.row().state, expired.row().code, used(expired)) == (REVERSED, "98", 0)
    assert not expired.state.lanes[BANK]


def test_told_again_it_goes_back_into_its_lane_and_ends_there(expired):
    expired.rule("again")
    assert expired.row().state == REVERSING
    assert expired.send_lane() == [(expired.payment, False)]
    expired.restart()
    expired.reversed()
    assert expired.row().state == REVERSED


def test_a_word_that_comes_too_late_is_noted_and_moves_nothing(expired):
    expired.reversed()
    assert expired.row().state == REVERSED
    expired.rule("stands")
    expired.rule("again")
    assert (expired.row().state, expired.state.registry) == (REVERSED, 2)


def test_a_word_about_no_payment_moves_nothing(world):
    world.rule("stands", 77)
    assert world.state.registry == 1


@pytest.fixture
def refused(world):
    """A refund that its bank refuses although it may not."""
    world.sale()
    world.answer("00")
    world.build("refund", amount_minor=4_000)
    world.acknowledged("51")
    assert (world.row().state, used(world)) == (NEEDS_OWNER, 14_000)
    return world


def test_an_advice_that_stands_keeps_what_it_took(refused):
    refused.rule("stands")
    assert (refused.row().state, used(refused)) == (APPROVED, 14_000)


def test_an_advice_that_is_withdrawn_gives_it_back(refused):
    refused.rule("reversed")
    assert (refused.row().state, used(refused)) == (REVERSED, 10_000)


def test_an_advice_is_told_again_as_it_was(refused):
    asked = refused.advices[refused.payment]
    refused.rule("again")
    flight = refused.state.flights[refused.payment]
    assert (flight.state, flight.stan, flight.f7, flight.rrn) == (ADVISING, asked.stan, asked.f7, asked.rrn)
    assert flight.original is not None
    assert refused.send_lane() == [(refused.payment, False)]
    refused.restart()
    refused.acknowledged()
    assert (refused.row().state, used(refused)) == (APPROVED, 14_000)


# A restored journal


@pytest.fixture
def restored(world):
    """A journal that was restored with a sale, a reversal and an advice under way, and a sale approved."""
    world.sale()
    world.answer("00")
    world.build("refund", amount_minor=4_000)
    world.sale("card 2")
    world.timer()
    world.sale("card 3")
    assert world.restore(RESTORED_SKIP) == 3
    return world


def test_nothing_open_is_told_to_a_bank_by_itself(restored):
    assert not restored.state.flights
    assert restored.send_lane() == []
    restored.restart()
    assert not restored.state.flights
    assert restored.journal.owners() == 3
    assert used(restored) == 14_000  # the approved sale, and what its refund takes: an advice keeps it


def test_numbers_go_on_far_behind_those_that_were_lost(restored):
    last, stan = restored.payment, restored.state.stans[BANK]
    restored.sale("card 4")
    assert restored.payment > last + RESTORED_SKIP
    assert restored.asked[restored.payment].stan == stan + 1 > 400_000
    restored.answer("00")
    restored.build("refund", amount_minor=1_000)
    assert restored.row().state == ADVISING  # found by its reference number
    restored.restart()
    assert verify(restored.folder, KEY, NODE) == []


def test_a_reversal_of_what_was_lost_gets_an_owner(restored):
    lost = restored.request("card 5")
    restored.reversal(lost)
    assert (restored.told[-1], restored.row().state) == ("00", NEEDS_OWNER)
    restored.reversal(lost)
    assert restored.told[-1] == "00"
    restored.rule("again")  # nobody here knows what to tell whom
    assert restored.row().state == NEEDS_OWNER
    restored.rule("reversed")
    assert restored.row().state == REVERSED
    restored.wait(RESTORED_DOUBT_NS / NS_PER_S)
    restored.reversal(restored.request("card 6"))
    assert (restored.told[-1], restored.row().state) == ("25", REVERSED)


def test_a_late_approval_of_what_was_handed_over_is_evidence(restored):
    restored.answer("00")
    assert restored.row().state == NEEDS_OWNER


@pytest.mark.parametrize("skip", [0, 1, RRN_SERIALS - 10])
def test_any_gap_is_followed_by_everybody(world, skip):
    world.sale()
    world.restore(skip)
    for _ in range(12):
        world.sale()
        world.answer("00")
        world.build("refund", amount_minor=1_000)
        assert world.row().state == ADVISING
        world.acknowledged()
    before = pack_state(world.state)
    world.journal.close()
    world.journal = Journal(world.folder, KEY)
    assert pack_state(world.journal.recover(NODE)) == before
    assert verify(world.folder, KEY, NODE) == []


def test_a_gap_that_no_record_explains_is_damage(world):
    world.sale()
    world.journal.begin()
    world.journal.append(world.at_ns, DayTurned("20260616"), Verdict(), skip=9)
    world.journal.commit()
    assert verify(world.folder, KEY, NODE) == ["record 3: is missing"]
    world.journal.close()
    world.journal = Journal(world.folder, KEY)
    with pytest.raises(JournalDamaged, match="record 3"):
        world.journal.recover(NODE)


def test_a_declared_repeat_of_what_may_be_lost_is_never_sent_on(restored):
    lost = restored.request("card 5", declared=True)
    seq = restored.state.seq
    (decision,) = restored.submit(lost)
    assert (restored.told[-1], decision.verdict.cause, restored.state.seq) == ("98", "", seq + 1)
    assert restored.journal.row_by_key(lost.key) is None
    restored.reversal(lost)
    assert restored.row().state == NEEDS_OWNER


def test_a_declared_repeat_is_never_a_duplicate(world):
    asked = world.sale()
    world.answer("00")
    world.wait(10_000)
    world.repeat(asked)
    world.repeat(asked, declared=True)
    world.repeat(asked, declared=True, amount_minor=1)
    assert world.told == ["00", "94", "00", "30"]


def test_an_inquiry_that_was_open_moved_no_money_and_is_closed(world):
    world.sale(kind="balance", amount_minor=0)
    assert world.restore() == 0
    assert (world.row().state, world.row().cause) == (DECLINED, "inquiry-unanswered")
    world.rule("again")
    assert world.row().state == DECLINED
