"""Each kind of fault changes what it says, where it says, when it says, and nothing else."""

import copy
import hashlib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from posswitch.diagnose.signals import Atlas, Dim, Sort
from posswitch.journal.vitals import Column
from posswitch.sim.unrest.blows import Hit, Onset
from posswitch.sim.unrest.cases import KINDS_ALL, KINDS_HELD, KINDS_TUNED, population, scene_of
from posswitch.sim.unrest.deck import choose
from posswitch.sim.unrest.places import Spot
from posswitch.sim.unrest.town import Plan
from posswitch.sim.unrest.world import World

ROOT = Path(__file__).parents[2]
HELD_OUT = ROOT / "src" / "posswitch" / "sim" / "unrest" / "held_out.py"
OUTSIDE = "outside"  # of what has a name
TELLING = ("bank.", "link.", "count.", "loop", "memory", "commit_mean", "connections", "began")
CHANCE = ("waiting_ms", "under_way", "lane_age_s", ".sent", ".answered")
BEGIN_S, SECONDS = 4.0, 40.0
TPS = 120.0
# What shows in gauges alone, or too seldom for a share to move in so short a time.
GAUGES_ONLY = frozenset({"sec-malformed-flood", "sec-dos-connect", "ovl-memory-leak"})
LOCAL = ("bank", "bin", "merchant", "terminal", "region", "source", "model")
# Kinds whose consequences reach beyond their place, by their nature.
SPREADS = frozenset({
    "ovl-reconnect-storm", "ovl-retry-storm", "data-terminal-unregistered", "sec-replay",
    "data-routing-wrong",
})  # fmt: skip


@pytest.fixture(scope="module")
def usual():
    world = World(Plan(1, TPS, 34.0))
    for _ in world.run(90, 1.0):
        pass
    return world


class Told:
    """What a world says in forty seconds, with or without a fault."""

    def __init__(self, usual, kind=None, shape=(), share=1.0):
        world = copy.deepcopy(usual)
        world.reseed(77)
        self.world, self.town = world, world.town
        if kind is not None:
            scene = scene_of(77, world)
            enough = TPS * 1.5 * SECONDS / 3
            self.spot = choose(shape, world.town, population(1), enough, np.random.default_rng(5))
            begin_s = world.now_s + BEGIN_S
            onset = Onset(begin_s, begin_s + SECONDS, kind.forms[0])
            world.blows += kind.blows(Hit(self.spot, share, onset), scene)
        began_s = world.now_s
        self.moments = [(world.now_s - began_s, moment) for moment in world.run(SECONDS)]

    def rows(self, after=0.0, until=1e9):
        parts = [one.tick.outcomes for at_s, one in self.moments if after < at_s <= until]
        return np.concatenate(parts) if parts else np.zeros((0, len(Column)), np.int32)

    def gauges(self):
        return self.moments[-1][1].tick.gauges

    def elsewhere(self, spot):
        """The outcomes after its beginning that are not at a place, where outcomes say that."""
        atlas = Atlas(self.town.sites)
        atlas.know(self.town.names.list)
        rows = self.rows(BEGIN_S + 1)
        columns = atlas.columns(rows)
        there, named = np.ones(len(rows), bool), rows[:, Column.TERMINAL] > 0
        for name, value in spot.place(self.town).items():
            if name in LOCAL:
                dim = Dim[name.upper()]
                there &= columns[dim] == atlas.value(dim, value)
                named &= (rows[:, Column.BANK] > 0) | (dim not in (Dim.BANK, Dim.BIN))
        return rows[named & ~there], atlas


@pytest.fixture(scope="module")
def calm(usual):
    return Told(usual)


def cases():
    return [
        pytest.param(kind, shape, id=f"{key} {' '.join(shape)}")
        for key, kind in KINDS_ALL.items()
        for shape in kind.shapes[:1]
    ]


@pytest.fixture(scope="module")
def stories(usual):
    """Each story is played once, for all tests about it."""
    played = {}

    def told(kind, shape):
        if (kind.key, shape) not in played:
            played.clear()
            played[kind.key, shape] = Told(usual, kind, shape)
        return played[kind.key, shape]

    return told


def bad_share(rows, atlas):
    sorts = atlas.sorts(rows)
    counted = sorts != Sort.NOTHING
    return float(np.mean(sorts[counted] != Sort.GOOD)) if counted.any() else 0.0


def check_elsewhere(told, calm, spot):
    rows, atlas = told.elsewhere(spot)
    same, _ = calm.elsewhere(spot)
    assert len(rows) == pytest.approx(len(same), rel=0.08)
    assert bad_share(rows, atlas) == pytest.approx(bad_share(same, atlas), abs=0.012)


def check_at_its_place(told, calm):
    """What is wrong shows: in outcomes, in gauges, or in how many come."""
    before, after = calm.gauges(), told.gauges()
    atlas = Atlas(told.town.sites)
    atlas.know(told.town.names.list)
    sorts, usually = atlas.sorts(told.rows(BEGIN_S)), atlas.sorts(calm.rows(BEGIN_S))
    signs = {
        "more is bad": bad_share(told.rows(BEGIN_S), atlas) > bad_share(calm.rows(BEGIN_S), atlas) + 0.0005,
        "fewer come": len(sorts) < 0.99 * len(usually),
        "more come": len(sorts) > 1.01 * len(usually),
        "gauges": any(
            abs(after.get(name, 0) - before.get(name, 0)) > max(0.5 * abs(before.get(name, 0)), 1.0)
            for name in after
            if name.startswith(TELLING) and not name.endswith(CHANCE)
        ),
        "repeats": (sorts == Sort.NOTHING).sum() > (usually == Sort.NOTHING).sum() + 5,
    }
    assert any(signs.values()), signs


@pytest.mark.parametrize(("kind", "shape"), cases())
def test_nothing_before_something_after_and_nothing_elsewhere(stories, calm, kind, shape):
    told = stories(kind, shape)
    for (at_s, moment), (_, other) in zip(told.moments, calm.moments, strict=False):
        if at_s > BEGIN_S - 0.25:
            break
        assert np.array_equal(moment.tick.outcomes, other.tick.outcomes)
        assert moment.tick.gauges == other.tick.gauges
    after, usually = told.rows(BEGIN_S), calm.rows(BEGIN_S)
    changed = len(after) != len(usually) or not np.array_equal(after, usually)
    names = set(told.gauges()) - set(calm.gauges())
    assert changed or names or kind.id in GAUGES_ONLY
    if kind.id in GAUGES_ONLY:
        assert told.gauges() != calm.gauges()
    check_at_its_place(told, calm)
    dims = {dim for dim, _ in told.spot.at}
    if dims & set(LOCAL) and kind.id not in SPREADS:
        check_elsewhere(told, calm, told.spot)


def test_a_fault_that_is_elsewhere_is_noticed(usual, calm):
    told = Told(usual, KINDS_TUNED["iss-all-decline"], ("bank",))
    bank = told.spot.get("bank")
    with pytest.raises(AssertionError):
        check_elsewhere(told, calm, Spot((("bank", (bank + 1) % 20),)))
    with pytest.raises(AssertionError):
        check_at_its_place(calm, calm)


def test_what_is_held_out_is_what_was_held_out():
    sealed = hashlib.sha256(HELD_OUT.read_bytes()).hexdigest()
    assert sealed in (ROOT / "docs" / "unrest.md").read_text()


def test_causes_are_those_of_the_table():
    rows = (files("posswitch.diagnose") / "data" / "kinds.tsv").read_text().splitlines()
    causes = {row.split("\t")[0]: row.split("\t")[1] for row in rows[1:]}
    for kind in KINDS_ALL.values():
        if kind.id != OUTSIDE:
            assert causes[kind.id] in {kind.cause, *kind.causes}, kind.id


def test_a_third_is_held_out_and_nothing_is_on_both_sides():
    assert len(KINDS_TUNED) + len(KINDS_HELD) >= 60
    assert 3 * len(KINDS_HELD) >= len(KINDS_TUNED) + len(KINDS_HELD)
    assert not set(KINDS_TUNED) & set(KINDS_HELD)
    assert {kind.cause for kind in KINDS_HELD.values()} >= {
        "network", "overload", "fault", "data", "security", "limit", "order", "key", "clock", "settlement",
    }  # fmt: skip


def test_places_are_named_as_people_name_them(usual):
    town = usual.town
    spot = Spot((("region", 2), ("bank", 3)))
    assert spot.place(town) == {"region": "guangdong", "bank": town.banks[3].id}
    people = population(1)
    assert people.alike({"bank": town.banks[3].id}, {"bank": town.banks[3].id}) == 1.0
    assert people.alike({}, {"node": ""}) == 1.0
    assert people.alike({"bank": town.banks[3].id}, {"bank": town.banks[4].id}) == 0.0
    assert people.alike({"bank": "nobody"}, {"bank": town.banks[4].id}) == 0.0
    alone = next(bank for bank in town.banks if bank.links == 1)
    assert people.alike({"link": f"{alone.id}/0"}, {"bank": alone.id}) == 1.0
    several = next(bank for bank in town.banks if bank.links == 2)
    assert people.alike({"link": f"{several.id}/0"}, {"bank": several.id}) < 0.6
    assert people.within({}, {"bank": town.banks[0].id}) > 3
