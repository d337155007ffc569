"""Routes: the rule that fits, the bank that can take it, and never a move after something was sent."""

from collections import Counter

import pytest
from world import BANK, OTHER_BANK, RULES, World

from posswitch.base.moment import clock_text
from posswitch.base.policy import Pause, Route
from posswitch.base.registry import Bin, Limits, Registry, prefixes_of
from posswitch.engine.decide import Rules

BOTH = (BANK, OTHER_BANK)


@pytest.fixture
def having(tmp_path):
    worlds = []

    def opened(*rows):
        worlds.append(World(tmp_path, Rules(RULES.timers, Limits(), Registry(rows))))
        return worlds[-1]

    yield opened
    for world in worlds:
        world.close()


def sent_to(world, **changes):
    """The bank that a new sale is sent to, or what its terminal is told."""
    told = len(world.told)
    world.sale(**changes)
    if len(world.told) > told:
        return world.told[-1]
    bank = world.asked[world.payment].request.bank
    assert world.row().request.bank == bank
    return bank


RULES_AND_SALES = [
    (Route("r", (OTHER_BANK,)), {}, OTHER_BANK),
    (Route("r", (OTHER_BANK,), kinds=("preauth",)), {}, BANK),
    (Route("r", (OTHER_BANK,), kinds=("preauth",)), {"kind": "preauth"}, OTHER_BANK),
    (Route("r", (OTHER_BANK,), bins=("6290",)), {"bin": "62901"}, OTHER_BANK),
    (Route("r", (OTHER_BANK,), bins=("6290",)), {"bin": "629"}, BANK),
    (Route("r", (OTHER_BANK,), banks=(BANK,)), {}, OTHER_BANK),
    (Route("r", (BANK,), banks=(BANK,)), {"bank": OTHER_BANK}, OTHER_BANK),
    (Route("r", (OTHER_BANK,), merchants=("8024",)), {"merchant": "802440354110001"}, OTHER_BANK),
    (Route("r", (OTHER_BANK,), merchants=("8024",)), {"merchant": "902440354110001"}, BANK),
    (Route("r", (OTHER_BANK,), entries=("07",)), {"entry": "071"}, OTHER_BANK),
    (Route("r", (OTHER_BANK,), entries=("07",)), {"entry": "021"}, BANK),
    (Route("r", (OTHER_BANK,), currency="840"), {}, BANK),
    (Route("r", (OTHER_BANK,), from_minor=100), {"amount_minor": 99}, BANK),
    (Route("r", (OTHER_BANK,), from_minor=100, to_minor=200), {"amount_minor": 200}, OTHER_BANK),
    (Route("r", (OTHER_BANK,), from_minor=100, to_minor=200), {"amount_minor": 201}, BANK),
    (Route("r", (OTHER_BANK,), hours="0000-0001"), {}, BANK),
]


@pytest.mark.parametrize(("rule", "sale", "bank"), RULES_AND_SALES)
def test_a_rule_sends_what_fits_it(having, rule, sale, bank):
    assert sent_to(having(rule), **sale) == bank


def test_the_smallest_rank_counts(having):
    world = having(Route("a", (BANK,), rank=7), Route("z", (OTHER_BANK,), rank=3))
    assert sent_to(world) == OTHER_BANK


@pytest.mark.parametrize("choose", ["order", "split", "least", "cost"])
def test_who_cannot_take_it_is_passed_over_and_with_none_left_it_is_91(having, choose):
    world = having(Route("r", BOTH, choose=choose, split=(1, 1), cost=(1, 1)))
    world.serving[BANK] = False
    assert [sent_to(world) for _ in range(5)] == [OTHER_BANK] * 5
    world.serving[OTHER_BANK] = False
    assert sent_to(world) == "91"
    world.serving[BANK] = True
    assert sent_to(world) == BANK


def test_the_cheaper_is_asked_first(having):
    assert sent_to(having(Route("r", BOTH, choose="cost", cost=(30, 20)))) == OTHER_BANK


def test_shares_are_kept(having):
    world = having(Route("r", BOTH, choose="split", split=(70, 30)))
    found = Counter(sent_to(world, card=f"card {number}") for number in range(400))
    assert found[BANK] == pytest.approx(280, abs=20)


def test_who_has_less_to_do_gets_more(having):
    world = having(Route("r", BOTH, choose="least"))
    world.burdens = {BANK: 50, OTHER_BANK: 2}
    assert Counter(sent_to(world) for _ in range(40)) == {OTHER_BANK: 40}


def test_a_payment_that_was_sent_stays_where_it_is(having):
    """Its reversal and what builds on it go to its bank, whatever the rules say now."""
    world = having(Route("r", (OTHER_BANK,)))
    sale = world.sale()
    world.answer("00")
    world.rules.registry.amend(drop=[("route", "r")])
    first = world.payment
    world.build("void", first)
    assert world.asked[world.payment].request.bank == OTHER_BANK
    world.answer("51")
    world.reversal(sale)
    assert world.reversals[first].request.bank == OTHER_BANK


def test_a_paused_bank_gets_nothing_new_and_ends_what_it_has(having):
    world = having()
    world.sale()
    first = world.payment
    world.rules.registry.amend([Pause(BANK, reason="maintenance")])
    assert sent_to(world) == "91"
    assert world.verdicts()[-1].why == "the bank is paused: maintenance"
    world.answer("00", payment=first)
    assert world.told[-1] == "00"


def test_a_pause_begins_and_ends(having):
    world = having()
    begin, end = (clock_text(world.at_ns + seconds * 10**9) for seconds in (60, 120))
    world.rules.registry.amend([Pause(BANK, begin, end)])
    told = []
    for _ in range(3):
        told.append(sent_to(world))
        world.wait(60)
    assert told == [BANK, "91", BANK]


@pytest.mark.parametrize(
    ("text", "prefixes"),
    [("6229", ("6229",)), ("6229-6231", ("6229", "6230", "6231")), ("62290000-62290099", ("622900",)),
     ("08-11", ("08", "09", "10", "11")), ("0-9", tuple("0123456789"))],
)  # fmt: skip
def test_a_range_is_the_fewest_prefixes(text, prefixes):
    assert prefixes_of(text) == prefixes


@pytest.mark.parametrize(
    ("pan", "bank"),
    [("6229550000000001", "1"), ("6229559900000001", "1"), ("6229560000000001", "2"),
     ("6228000000000001", None)],
)  # fmt: skip
def test_a_card_in_a_range_is_found_and_a_longer_prefix_wins(pan, bank):
    registry = Registry([Bin("6229-6230", 16, "2"), Bin("62295500-62295599", 16, "1")])
    row = registry.bin_of(pan)
    assert (row.bank if row else None) == bank
