"""Limits: each cap refuses the first that does not fit, and gives back what does not stand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import BANK, OTHER_BANK, RULES, World

from posswitch.base.moment import NS_PER_S
from posswitch.base.policy import Limit, within
from posswitch.base.registry import Limits, Registry
from posswitch.engine.decide import Rules
from posswitch.engine.lifecycle import APPROVED, DECLINED, REVERSED

SHOP = "802440354110001"


@pytest.fixture
def having(tmp_path):
    worlds = []

    def opened(*limits):
        worlds.append(World(tmp_path, Rules(RULES.timers, Limits(), Registry(limits))))
        return worlds[-1]

    yield opened
    for world in worlds:
        world.close()


def paid(world, card="card 1", **changes):
    """A sale and its approval, or its refusal; the code its terminal is told."""
    told = len(world.told)
    world.sale(card, **changes)
    if len(world.told) == told:
        world.answer("00")
    return world.told[-1]


# What is limited, sales as changes of the usual one, and what each is told.
CAPS = [
    (Limit("a", single_minor=500), [{"amount_minor": 500}, {"amount_minor": 501}], ["00", "61"]),
    (Limit("a", day_minor=500), [{"amount_minor": 300}, {"amount_minor": 201}, {"amount_minor": 200}],
     ["00", "61", "00"]),
    (Limit("a", day_count=2), [{}, {}, {}, {"card": "card 2"}], ["00", "00", "65", "00"]),
    (Limit("a", month_minor=500), [{"amount_minor": 500}, {"amount_minor": 1}], ["00", "61"]),
    (Limit("a", month_count=1), [{}, {}], ["00", "65"]),
    (Limit("a", burst_count=2, burst_seconds=60), [{}, {}, {}], ["00", "00", "65"]),
    (Limit("a", of="terminal", day_count=1), [{}, {"card": "card 2"}, {"terminal": "T0000002"}],
     ["00", "65", "00"]),
    (Limit("a", of="merchant", day_count=1), [{}, {"card": "card 2"}, {"merchant": SHOP}],
     ["00", "65", "00"]),
    (Limit("a", of="bin", day_count=1), [{"bin": "6290"}, {"bin": "6290", "card": "c"}, {"bin": "6291"}],
     ["00", "65", "00"]),
    (Limit("a", of="bank", day_count=1), [{}, {"card": "c"}, {"bank": OTHER_BANK}], ["00", "65", "00"]),
    (Limit("a", of="all", day_count=1), [{}, {"card": "c", "terminal": "T0000002"}], ["00", "65"]),
    (Limit("a", of="all", day_count=1, code="05"), [{}, {}], ["00", "05"]),
    (Limit("a", only=("6290",), day_count=1), [{"bin": "62901"}, {"bin": "62901"}, {"bin": "6291"}],
     ["00", "65", "00"]),
    (Limit("a", kinds=("preauth",), single_minor=1), [{}, {"kind": "preauth"}], ["00", "61"]),
    (Limit("a", hours="0000-0001"), [{}], ["57"]),
    (Limit("a", of="terminal", hours="0000-0001"), [{}], ["58"]),
    (Limit("a", currency="840", single_minor=1), [{}], ["00"]),
    (Limit("a", day_count=1, trial=True), [{}, {}], ["00", "00"]),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "sales", "told"), CAPS)
def test_a_cap_refuses_the_first_that_does_not_fit(having, limit, sales, told):
    world = having(limit)
    assert [paid(world, **sale) for sale in sales] == told


def test_the_cashier_and_the_operator_are_told_what_is_left(having):
    world = having(Limit("shop", of="merchant", day_minor=50_000))
    paid(world, amount_minor=37_655)
    paid(world, amount_minor=20_000)
    assert world.answers[-1].answer.says == "本商户今日还可用123.45元"
    assert len(world.answers[-1].answer.says.encode("gb18030")) <= 60
    assert world.verdicts()[-1].why == "limit shop: 376.55 of 500.00 today"


@pytest.mark.parametrize(("limit", "sales", "told"), CAPS)
def test_every_refusal_says_why_within_field_63(having, limit, sales, told):
    world = having(limit)
    for sale in sales:
        paid(world, **sale)
    says = [one.answer.says for one in world.answers if one.answer.code != "00"]
    assert len(says) == len([code for code in told if code != "00"])
    assert all(0 < len(one.encode("gb18030")) <= 60 for one in says)


@pytest.mark.parametrize("ends", ["declined", "timed out", "taken back", "restart"])
def test_what_does_not_stand_is_given_back_once(having, ends):
    world = having(Limit("a", day_minor=10_000, day_count=1, burst_count=1))
    sale = world.sale(amount_minor=10_000)
    match ends:
        case "declined":
            world.answer("51")
        case "timed out":
            world.timer()
        case "taken back":
            world.answer("00")
            world.reversal(sale)
        case "restart":
            world.restart()
    assert paid(world, amount_minor=10_000) == "00"
    assert paid(world, amount_minor=1) in ("61", "65")


def test_an_inquiry_that_a_restore_closes_gives_back_what_it_held(having):
    """Else no restored journal would pass its own checks."""
    world = having(Limit("a", kinds=("balance",), day_count=1))
    world.sale(kind="balance", amount_minor=0)
    payment = world.payment
    world.restore()
    assert world.row(payment).state == DECLINED
    holds = [hold for verdict in world.verdicts() for hold in verdict.holds]
    assert sum(hold.amount_minor for hold in holds) == 0


def test_a_late_end_gives_nothing_back_a_second_time(having):
    world = having(Limit("a", day_count=1))
    world.sale()
    world.timer()
    payment = world.payment
    assert paid(world) == "00"
    world.reversed(payment=payment)
    assert world.row(payment).state == REVERSED
    assert paid(world) == "65"


def test_a_burst_passes_and_no_edge_lets_more_through(having):
    world = having(Limit("a", burst_count=3, burst_seconds=60))
    times = []
    for _ in range(300):
        world.wait(7)
        if paid(world) == "00":
            times.append(world.at_ns // NS_PER_S)
    assert len(times) > 60
    assert all(later - earlier >= 60 for earlier, later in zip(times, times[3:], strict=False))


CARDLESS = {"pan_print": b"", "pan_digits": 0, "last_four": "", "luhn_ok": False, "bank": "", "bin": ""}


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (Limit("a", kinds=("void",), day_count=1), ["00", "00", "65"]),
        (Limit("a", of="bank", only=(BANK,), kinds=("void",), day_count=1), ["00", "65", "65"]),
        (Limit("a", of="bin", only=("6290",), kinds=("void",), day_count=2), ["00", "00", "65"]),
    ],
)
def test_what_comes_without_a_card_counts_for_the_card_of_its_original(having, limit, told):
    """Not for all cards together, and not for none."""
    world, said = having(limit), []
    for card in ("card 1", "card 2", "card 1"):
        world.sale(card, bin="62901")
        world.answer("00")
        before = len(world.told)
        world.build("void", world.payment, **CARDLESS)
        if len(world.told) == before:
            world.answer("00")
        said.append(world.told[-1])
    assert said == told


def test_a_month_outlasts_its_days_and_ends(having):
    world = having(Limit("a", day_count=1, month_count=2))
    assert [paid(world), paid(world)] == ["00", "65"]
    for day, told in (("20260616", "00"), ("20260617", "65"), ("20260701", "00")):
        world.turn_day(day)
        assert paid(world) == told


def test_refunds_are_a_share_of_the_sales_of_the_day(having):
    world = having(Limit("a", of="merchant", refund_percent=50))
    paid(world, amount_minor=10_000)
    first = world.payment
    paid(world, amount_minor=10_000)
    told, second = [], world.payment
    for payment in (first, first, second):
        world.build("refund", payment, amount_minor=4_000)
        told.append(world.told[-1])
    assert told == ["00", "00", "61"]


def test_what_a_trial_would_say_is_noted_and_its_counter_stays_within(having):
    world = having(Limit("new", day_minor=100, trial=True))
    assert [paid(world, amount_minor=60), paid(world, amount_minor=60)] == ["00", "00"]
    assert world.verdicts()[-2].why == "on trial, limit new: 0.60 of 1.00 today"
    assert world.journal.used(f"limit:new:day:{world.row().request.pan_print.hex()}", "20260615") == 60


ENDS = st.sampled_from(("00", "51", "late", "open"))


@given(st.lists(st.tuples(st.integers(1, 60), ENDS, st.booleans()), max_size=40))
@settings(max_examples=60)
def test_no_mix_of_outcomes_passes_a_limit(tmp_path_factory, sales):
    """After every record what stands or is under way is within the caps, and just that is held."""
    rules = Rules(RULES.timers, Limits(), Registry([Limit("a", of="all", day_minor=100, day_count=5)]))
    world = World(tmp_path_factory.mktemp("mix"), rules)
    stands = {}
    for amount, outcome, restart in sales:
        told = len(world.told)
        world.sale(amount_minor=amount)
        if len(world.told) == told:
            stands[world.payment] = amount
            if outcome == "late":
                world.timer()
            elif outcome != "open":
                world.answer(outcome)
            if outcome in ("late", "51"):
                del stands[world.payment]
        if restart:
            world.restart()
            stands = {one: held for one, held in stands.items() if world.row(one).state == APPROVED}
        held = [world.journal.used(f"limit:a:{what}:all", "20260615") for what in ("day", "day#")]
        assert held == [sum(stands.values()), len(stands)]
        assert held[0] <= 100
        assert held[1] <= 5
    world.close()


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [("", ("0000", "2359"), ()), ("0700-2300", ("0700", "2259"), ("2300", "0659")),
     ("2200-0600", ("2200", "0000", "0559"), ("0600", "2159"))],
)  # fmt: skip
def test_hours_may_pass_midnight(hours, inside, outside):
    assert all(within(hours, f"{time}30") for time in inside)
    assert not any(within(hours, f"{time}30") for time in outside)
