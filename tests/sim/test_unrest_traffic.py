"""The town's traffic is what it says it is, and the same for the same seed."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from posswitch.sim.unrest.cases import population, town_of
from posswitch.sim.unrest.places import Spot, index_of
from posswitch.sim.unrest.town import BANKS, DECLINES, ENTRIES, FAILURES, KINDS, MERCHANTS, REGIONS, Plan
from posswitch.sim.unrest.traffic import Traffic, shape
from posswitch.sim.unrest.world import World

COUNT = 60_000


@pytest.fixture(scope="module")
def people():
    return Traffic(town_of(1), 1, 200.0).people(COUNT, 0.0, 60.0)


def share(mask):
    return float(np.mean(mask))


def test_what_is_paid_and_how(people):
    assert share(people.kind == KINDS.index("sale")) == pytest.approx(0.80, abs=0.06)
    assert 0.03 < share(people.kind == KINDS.index("balance")) < 0.09
    assert share(people.entry == ENTRIES.index("051")) == pytest.approx(0.37, abs=0.06)
    assert share(np.isin(people.entry, [ENTRIES.index("071"), ENTRIES.index("072")])) > 0.3
    assert all(people.amount[people.kind == KINDS.index("balance")] == 0)
    amounts = people.amount[people.kind == KINDS.index("sale")]
    logs = np.log(amounts)
    assert np.mean(amounts) > 1.5 * np.median(amounts)
    assert abs(np.mean((logs - logs.mean()) ** 3)) < 1.5 * logs.std() ** 3


def test_banks_and_merchants_are_of_very_different_sizes(people):
    banks = np.bincount(people.bank, minlength=BANKS)
    assert banks.argmax() == 0
    assert banks[0] > 8 * banks[BANKS - 1] > 0
    busiest = np.sort(np.bincount(people.merchant, minlength=MERCHANTS))[::-1]
    assert busiest[:40].sum() > 0.25 * COUNT
    assert len(np.unique(people.region)) == len(REGIONS)


def test_every_terminal_has_one_place_and_every_bin_one_bank(people):
    town = town_of(1)
    assert np.array_equal(people.merchant, town.terminal_merchant[people.terminal])
    assert np.array_equal(people.region, town.merchant_region[people.merchant])
    assert np.array_equal(people.bank, town.bin_bank[people.bin])
    assert len(town.sites) == len(town.terminals) == 2000
    assert 3 * BANKS <= len(town.bins) <= 6 * BANKS


def test_banks_decline_each_in_its_own_measure(people):
    names = np.array(town_of(1).names.list)[people.code]
    declined, failed = np.isin(names, list(DECLINES)), np.isin(names, list(FAILURES))
    assert 0.03 < share(declined) < 0.09
    assert 0.002 < share(failed) < 0.007
    by_bank = [share(declined[people.bank == bank]) for bank in range(6)]
    assert max(by_bank) > 1.15 * min(by_bank)
    pins = np.isin(names, ["55", "75", "38"])
    assert not (pins & ~people.pin).any()


def test_the_day_and_the_week_have_their_shape():
    hours = np.arange(0, 168, 0.25)
    levels = np.array([shape(hour) for hour in hours])
    assert levels.mean() == pytest.approx(1.0, abs=0.03)
    assert shape(27) < 0.06 < 1.5 < shape(18)
    assert shape(5 * 24 + 18) > 1.1 * shape(18)


def test_volume_varies_more_than_chance_would_have_it():
    traffic = Traffic(town_of(1), 3, 300.0)
    minutes = [
        sum(len(traffic.draw(minute * 60.0 + second, 1.0, 34.0)) for second in range(60))
        for minute in range(40)
    ]
    assert np.var(minutes) > 3 * np.mean(minutes)
    assert np.mean(minutes) == pytest.approx(60 * 300 * shape(34.0), rel=0.06)


def test_shares_of_places_are_those_of_the_traffic(people):
    town, crowd = town_of(1), population(1)
    for dim, name in (("region", "hubei"), ("source", "acq-south"), ("model", "A920/3.2"), ("entry", "072")):
        spot = Spot(((dim, index_of(town, dim, name)),))
        assert crowd.share(spot) == pytest.approx(share(spot.mask(people)), abs=0.012)
    both = Spot((("region", 2), ("bank", 0)))
    assert crowd.share(both) == pytest.approx(share(both.mask(people)), abs=0.006)


def test_cashiers_try_again_and_one_of_them_is_stubborn():
    world = World(Plan(1, 60.0, 34.0))
    failed, again = 0, 0
    for moment in world.run(240, 1.0):
        names = world.town.names.list
        cards = {}
        for row in moment.tick.outcomes.tolist():
            cards[row[11]] = cards.get(row[11], 0) + 1
            failed += names[row[6]] in ("91", "96", "98")
        again += len(world.traffic._again)
    assert failed > 20
    assert again > 0


def digest(seed):
    found = hashlib.sha256()
    for moment in World(Plan(seed, 40.0, 34.0)).run(12, 0.25):
        found.update(moment.tick.outcomes.tobytes())
        found.update(repr(sorted(moment.tick.gauges.items())).encode())
        found.update(f"{moment.tick.at_ns} {moment.tick.seconds}".encode())
    return found.hexdigest()


def test_the_same_seed_gives_the_same_ticks_and_another_does_not():
    assert digest(1) == digest(1) != digest(2)


def test_ticks_do_not_depend_on_hashes():
    program = "import test_unrest_traffic as t; print(t.digest(1))"
    paths = os.pathsep.join(map(os.path.abspath, sys.path))
    told = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": paths},
        ).stdout.strip()
        for hashes in ("1", "2")
    }  # fmt: skip
    assert told == {digest(1)}
