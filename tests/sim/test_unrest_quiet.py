"""Quiet weeks are lively, ring little, and would ring if something were wrong; rivals ring by their rules."""

import numpy as np
import pytest

from posswitch.diagnose.baseline import Baseline
from posswitch.diagnose.cube import SLICES_MAX, Counts
from posswitch.diagnose.detect import Change, Detectors
from posswitch.diagnose.signals import Atlas, Sort, Tick
from posswitch.journal.vitals import How
from posswitch.sim.unrest.cases import PLANS, population, town_of
from posswitch.sim.unrest.hard import FAMILIES, LIVELY, hard, ladder, lively, looked_into
from posswitch.sim.unrest.places import Spot
from posswitch.sim.unrest.quiet import SLICES, TICK_S, Rung, Slices, Week, rung
from posswitch.sim.unrest.rivals import RULES, Rivals, first_of


@pytest.fixture(scope="module")
def slices():
    return Slices(town_of(1), population(1), np.random.default_rng(1))


def test_four_hundred_slices_of_one_traffic(slices):
    assert len(slices.spots) == SLICES == len(set(slices.spots))
    assert slices.share[0] == 1.0
    banks = [place for place, spot in enumerate(slices.spots) if [dim for dim, _ in spot.at] == ["bank"]]
    assert slices.share[banks].sum() == pytest.approx(1.0, abs=1e-9)


def test_counts_have_the_shape_of_the_week_and_moods_of_their_own(slices):
    totals, fails = [], []
    for at_s, total, bad in Week(slices, 0, 5).blocks():
        if at_s >= 86_400:
            break
        totals.append(total[:, 0].sum() / len(total) / TICK_S)
        fails.append(bad[:, 0, Sort.FAIL].sum() / total[:, 0].sum())
        assert (bad <= total[:, :, None]).all()
    assert max(totals) > 15 * min(totals)
    assert np.mean(totals) == pytest.approx(950, rel=0.1)
    assert np.std(fails) > 2 * np.sqrt(np.mean(fails) / (950 * 600))


def test_a_few_hours_ring_for_single_terminals_and_little_else(slices):
    rang = rung(slices, 0, 3, hours=5.0)
    assert sum(not one.stubborn for one in rang) <= 2
    assert rung(slices, 0, 3, hours=2.0) == [one for one in rang if one.at_s < 7200]


def test_a_fault_among_them_rings(slices):
    detectors = Detectors(Baseline(np.zeros(SLICES_MAX, np.int32)))
    _, total, bad = next(Week(slices, 0, 5).blocks())
    sick = next(place for place, spot in enumerate(slices.spots) if spot == Spot((("bank", 3),)))
    seen = []
    for tick in range(280):
        if tick >= 250:
            bad[tick, sick, Sort.FAIL] = 0.5 * total[tick, sick]
        counts = Counts(bad[tick], total[tick], total[tick] * 0.95, total[tick])
        if tick < 240:
            detectors.learn(TICK_S, counts)
        else:
            alarms = detectors.look(int(1e18 + tick * 2e9), TICK_S, counts)
            seen += [tick for one in alarms if one.place == sick and one.change is Change.BAD]
    assert 250 <= seen[0] <= 260


def test_what_rang_becomes_outcomes(slices):
    spot = Spot((("region", 2), ("bank", 1)))
    one = Rung(0, 100.0, spot, int(Sort.PIN), Change.BAD, 40.0, 36.0, 9.0, stubborn=True)
    case = looked_into(7, one)
    assert case.faults == ()
    assert len(case.beside) == 1
    assert 30 < case.seconds < 200
    spread = looked_into(7, one._replace(stubborn=False))
    assert type(spread.beside[0]) is not type(case.beside[0])


def test_every_family_and_liveliness_has_its_cases():
    assert set(FAMILIES) >= {
        "few", "2-at-once", "3-at-once", "one-way", "drip", "storm-after", "brown-out", "outside",
        "96-is-a-limit", "change-and-blip", "300-merchants", "clock-and-cutover", "flapping",
        "wrong-baseline",
    }  # fmt: skip
    for number, family in enumerate(FAMILIES):
        case = hard(number, family)
        assert case.family == family
        assert case.faults == hard(number, family).faults
        assert case.faults
    assert len(hard(1, "2-at-once").faults) == 2
    assert len({fault.kind for fault in hard(1, "3-at-once").faults}) == 3
    few = hard(3, "few")
    rate = population(few.plan.seed).share(few.faults[0].spot)
    assert 3 < rate * few.faults[0].seconds * few.plan.tps < 16
    assert all(lively(1, what).faults == () for what in LIVELY)
    rung_of_ladder = ladder(2, 0.3)
    assert rung_of_ladder.faults[0].severity == 0.3


def rows(town, bank, good, bad):
    ids = town.names
    one = [ids[town.banks[bank].id], int(town.bin_ids[town.first_bin[bank]]), 0, 0, ids["sale"], ids["051"]]
    rest = [How.BANK, 1000, 900, 12, 5]
    return [[*one, ids["00"], *rest]] * good + [[*one, ids["96"], *rest]] * bad


def ticks(town, seconds, bad, bank=3, good=10):
    for second in range(seconds):
        few = rows(town, bank, good - bad, bad) + rows(town, 8, 10, 0)
        yield second, Tick(second * 10**9, 1.0, np.array(few, np.int32), {})


def test_rivals_ring_as_their_rules_say():
    town = town_of(PLANS[0].seed)
    atlas = Atlas(town.sites)
    atlas.know(town.names.list)
    rivals, bells = Rivals(atlas), []
    for second, tick in ticks(town, 400, 0):
        bells += rivals.look(tick, second)
    assert bells == []
    for second, tick in ticks(town, 120, 5):
        bells += rivals.look(tick, 400 + second)
    first = {rule: first_of(bells, rule, 400, 520) for rule in RULES}
    assert first["static-5"].at_s < first["static-20"].at_s < 400 + 30
    assert first["static-20"].place in ({"bank": town.banks[3].id}, {"bin": town.bins[town.first_bin[3]]})
    assert first["last-125"] is not None
    assert first["burn-99.9"] is not None
    assert not any(bell.place == {"bank": town.banks[8].id} for bell in bells)
