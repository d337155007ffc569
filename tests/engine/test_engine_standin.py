"""Stand-in: approved here while the bank is away, told to it afterwards, and taken back like any sale."""

import pytest
from world import BANK, OTHER_BANK, RULES, World

from posswitch.base.policy import Pause, StandIn
from posswitch.base.registry import Limits, Registry
from posswitch.engine import routing
from posswitch.engine.decide import Rules
from posswitch.engine.lifecycle import ADVISING, APPROVED, DECLINED, NEEDS_OWNER, REVERSED, REVERSING
from posswitch.engine.routing import FULL, STOPPING

ROW = StandIn(BANK, 10_000, 15_000, 40_000)


@pytest.fixture
def world(tmp_path):
    opened = World(tmp_path, Rules(RULES.timers, Limits(), Registry([ROW])))
    opened.serving[BANK] = False
    yield opened
    opened.close()


def stood(world, **changes):
    """What a sale is told while the bank is away."""
    world.sale(**{"has_pin": False, **changes})
    return world.told[-1]


def held(world):
    """What the bank's day holds, and the card's of it."""
    request = world.request()
    return [
        world.journal.used(key, world.state.day)
        for key in (f"standin:{BANK}", f"standin:{BANK}:{request.pan_print.hex()}")
    ]


def test_a_sale_is_approved_and_told_to_the_bank_when_it_is_back(world):
    assert stood(world, amount_minor=9_000) == "00"
    answer = world.answers[-1]
    assert len(answer.answer.auth) == 6
    assert answer.payment == world.payment, "an approval that nobody hears is taken back"
    assert (world.row().state, world.row().auth) == (ADVISING, answer.answer.auth)
    assert world.verdicts()[-1].why == "stand-in: no link to the bank"
    assert held(world) == [9_000, 9_000]
    assert world.used_minor() == 9_000
    asked = world.advices[world.payment].request
    assert (asked.kind, asked.auth) == ("stood-in", answer.answer.auth)
    world.acknowledged()
    assert (world.row().state, world.row().auth) == (APPROVED, answer.answer.auth)
    assert held(world) == [9_000, 9_000]


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_minor": 10_001},
        {"has_pin": True},
        {"kind": "preauth"},
        {"kind": "balance"},
        {"declared": True},
    ],
)
def test_what_the_bank_has_not_allowed_is_91(world, changes):
    assert stood(world, **changes) == "91"


def test_nothing_is_approved_here_that_the_bank_can_be_asked(world):
    world.serving[BANK] = True
    world.sale(has_pin=False)
    assert world.told == []
    world.rules.registry.amend([Pause(BANK)])
    assert stood(world, card="card 2") == "91", "something is still under way there"
    world.answer("51", payment=min(world.asked))
    assert stood(world, card="card 3") == "00"


@pytest.mark.parametrize("burden", [FULL, STOPPING])
@pytest.mark.parametrize("paused", [False, True])
def test_nobody_stands_in_for_a_bank_that_is_busy_or_that_we_do_not_ask(world, burden, paused):
    world.serving[BANK] = True
    world.burdens[BANK] = burden
    if paused:  # another bank
        world.rules.registry.amend([Pause(OTHER_BANK)])
    assert stood(world) == "91"
    assert world.state.lane(BANK).oldest == 0


def test_a_bank_that_owes_too_many_answers_is_not_stood_in_for(world, monkeypatch):
    """Else its lane would grow for as long as it is away."""
    monkeypatch.setattr(routing, "LANE_ITEMS_MAX", 2)
    told = [stood(world, card=f"card {number}", amount_minor=1) for number in range(4)]
    assert told == ["00", "00", "91", "91"]


def test_the_day_of_a_card_and_of_the_bank_end_it(world):
    assert [stood(world, amount_minor=8_000), stood(world, amount_minor=8_000)] == ["00", "91"]
    told = [stood(world, card=f"card {number}", amount_minor=9_000) for number in range(2, 7)]
    assert told == ["00", "00", "00", "91", "91"]


def test_a_card_with_something_unsettled_at_the_bank_is_not_stood_in_for(world):
    world.serving[BANK] = True
    world.sale()
    world.timer()
    world.serving[BANK] = False
    assert stood(world) == "91"
    assert stood(world, card="card 2") == "00"


def test_a_repeat_is_told_the_same(world):
    sale = world.request(has_pin=False)
    world.submit(sale)
    first = world.answers[-1].answer
    world.repeat(sale)
    assert world.answers[-1].answer == first
    assert world.answers[-1].payment == world.payment, "who hears the repeat has heard the approval"
    assert len(world.advices) == 1


@pytest.mark.parametrize("acknowledged", [False, True])
@pytest.mark.parametrize("how", ["terminal", "unheard"])
def test_it_is_taken_back(world, how, acknowledged):
    sale = world.request(has_pin=False)
    world.submit(sale)
    if acknowledged:
        world.acknowledged()
    if how == "terminal":
        world.reversal(sale)
        assert world.told[-1] == "00"
    else:
        world.undelivered()
    assert (world.row().state, world.row().code) == (REVERSING, "98")
    assert (held(world), world.used_minor()) == ([0, 0], 0)
    world.reversed()
    assert world.row().state == REVERSED
    assert (held(world), world.used_minor()) == ([0, 0], 0)


def test_a_bank_that_has_never_heard_of_it_ends_its_reversal_only_when_nothing_can_be_under_way(world):
    sale = world.request(has_pin=False)
    world.submit(sale)
    world.wait(10 * RULES.timers.flight_max)  # its advice may just have left
    world.reversal(sale)
    world.reversed("25")
    assert world.row().state == REVERSING
    world.wait(RULES.timers.flight_max)
    world.reversed("25")
    assert world.row().state == REVERSED
    world.submit(world.answer_of("00", world.advices[world.payment]))
    assert world.row().state == REVERSING, "posted after all"


def test_an_acknowledgement_that_comes_while_it_is_taken_back_changes_nothing(world):
    sale = world.request(has_pin=False)
    world.submit(sale)
    world.reversal(sale)
    world.acknowledged()
    assert world.row().state == REVERSING
    assert not world.flight().deferred


@pytest.mark.parametrize(("says", "state", "holds"), [("stands", APPROVED, 10_000), ("reversed", REVERSED, 0),
                                                      ("again", ADVISING, 10_000)])  # fmt: skip
def test_a_bank_that_refuses_it_needs_an_owner_whose_word_counts(world, says, state, holds):
    assert stood(world, amount_minor=10_000) == "00"
    world.acknowledged("51")
    assert (world.row().state, world.row().code, held(world)[0]) == (NEEDS_OWNER, "00", 0)
    world.rule(says)
    assert (world.row().state, held(world)[0], world.used_minor()) == (state, holds, holds)
    if says == "again":
        world.acknowledged()
        assert (world.row().state, held(world)[0]) == (APPROVED, holds)


@pytest.mark.parametrize("why", ["refused", "expired", "restored"])
def test_its_terminal_takes_back_what_waits_for_its_owner(world, why):
    """It was told 00 for its reversal: no later word of bank or owner may make the sale stand."""
    sale = world.request(has_pin=False)
    world.submit(sale)
    payment = world.payment
    match why:
        case "refused":
            world.acknowledged("51")
        case "expired":
            world.expire()
        case "restored":
            world.restore()
    assert (world.row(payment).state, world.row(payment).code) == (NEEDS_OWNER, "00")
    world.reversal(sale)
    assert world.told[-1] == "00"
    assert (world.row(payment).state, world.row(payment).code) == (REVERSING, "98")
    world.acknowledged(payment=payment)
    world.rule("stands", payment)
    assert world.row(payment).state == REVERSING
    world.reversed(payment=payment)
    assert (world.row(payment).state, held(world), world.used_minor()) == (REVERSED, [0, 0], 0)


def test_what_was_refunded_is_not_taken_back_while_it_waits_for_its_owner(world):
    sale = world.request(has_pin=False)
    world.submit(sale)
    payment = world.payment
    world.build("refund", payment, amount_minor=100)
    assert world.told[-1] == "00"
    world.acknowledged("51", payment)
    world.reversal(sale)
    assert (world.told[-1], world.row(payment).state) == ("12", NEEDS_OWNER)


@pytest.mark.parametrize("how", ["stands", "again", "late"])
def test_what_holds_again_after_its_owner_may_be_over_a_limit(tmp_path, how):
    """The terminal was told long ago: the checkers find nothing wrong in that."""
    world = World(tmp_path, Rules(RULES.timers, Limits(card_daily_minor=10_000), Registry([ROW])))
    world.serving[BANK] = False
    assert stood(world, amount_minor=10_000) == "00"
    payment = world.payment
    world.acknowledged("51")
    world.serving[BANK] = True
    world.sale(amount_minor=10_000)
    world.answer("00")
    if how == "late":
        world.acknowledged(payment=payment)
    else:
        world.rule(how, payment)
    assert world.used_minor() == 20_000
    world.close()


def test_the_owner_of_one_that_was_being_taken_back_takes_it_back_again(world):
    sale = world.request(has_pin=False)
    world.submit(sale)
    world.reversal(sale)
    world.expire()
    assert (world.row().state, world.row().code) == (NEEDS_OWNER, "98")
    world.acknowledged()
    assert world.row().state == NEEDS_OWNER, "its terminal was told otherwise"
    world.rule("again")
    assert world.row().state == REVERSING


def test_a_void_waits_until_the_bank_knows_and_a_refund_does_not(world):
    assert stood(world, amount_minor=10_000) == "00"
    first = world.payment
    world.serving[BANK] = True
    world.build("void", first)
    assert world.told[-1] == "12"
    world.build("refund", first, amount_minor=100)
    assert world.told[-1] == "00"
    world.acknowledged(payment=first)
    assert stood(world, amount_minor=1, card="card 9") in ("00", "91")
    assert world.row(first).state == APPROVED


def test_a_restart_and_a_restore_keep_it(world):
    assert stood(world) == "00"
    world.restart()
    assert world.row().state == ADVISING
    payment = world.payment
    world.restore()
    assert (world.row(payment).state, held(world)[0]) == (NEEDS_OWNER, 0)
    assert world.row(payment).state != DECLINED
