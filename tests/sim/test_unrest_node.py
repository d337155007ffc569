"""The node of the proving ground says what the real one would: consequences come in their order and time."""

import copy
import itertools

import numpy as np
import pytest

from posswitch.journal.vitals import Column, How
from posswitch.sim.unrest.blows import Hit, Lines, Mute, Onset, Refuses, Says
from posswitch.sim.unrest.crowds import More
from posswitch.sim.unrest.places import LINKS_MAX, Spot
from posswitch.sim.unrest.town import Plan
from posswitch.sim.unrest.upheavals import Dies
from posswitch.sim.unrest.world import World

BANK = 7
ALL = Spot((("bank", BANK),))


@pytest.fixture(scope="module")
def usual():
    world = World(Plan(1, 100.0, 34.0))
    for _ in world.run(60, 1.0):
        pass
    return world


class Story:
    """What a world says after something has befallen it."""

    def __init__(self, world, *blows, seconds=40):
        self.world = copy.deepcopy(world)
        self.began_s = self.world.now_s
        self.world.blows += blows
        self.moments = [(self.world.now_s - self.began_s, moment) for moment in self.world.run(seconds)]

    def rows(self, after=0.0, until=1e9, **wanted):
        town, found = self.world.town, []
        for at_s, moment in self.moments:
            if after <= at_s < until:
                found += moment.tick.outcomes.tolist()
        names = town.names.list
        return [
            row for row in found
            if all(
                row[Column[name.upper()]] == (value if name == "how" else names.index(value))
                for name, value in wanted.items()
            )
        ]  # fmt: skip

    def gauge(self, name, at_s=1e9):
        return [moment.tick.gauges.get(name, 0) for when, moment in self.moments if when <= at_s][-1]


def hit(world, spot, share=1.0, after_s=5.0, seconds=100.0):
    begin_s = world.now_s + after_s
    return Hit(spot, share, Onset(begin_s, begin_s + seconds))


def test_a_silent_bank_keeps_waiting_is_fenced_and_reversed(usual):
    bank = usual.town.banks[BANK].id
    story = Story(usual, Lines(hit(usual, ALL), dumb=True, deaf=True), seconds=50)
    at = {"bank": bank}
    assert len(story.rows(until=5, how=How.OVERDUE, **at)) <= 1
    assert not story.rows(5.5, 6.4, how=How.BANK, **at)
    assert len(story.rows(5.5, 9, how=How.OVERDUE, **at)) >= 4
    here = story.rows(9, 50, code="91", how=How.HERE, **at)
    assert len(here) > 20
    assert {len(story.rows(5.5, 6.0, code="91", how=How.HERE, **at))} == {0}
    counted = story.rows(34, 50, code="98", how=How.COUNTED, **at)
    assert len(counted) >= 4
    assert story.gauge(f"bank.{bank}.lane") >= len(counted) * 0.8
    assert story.gauge(f"bank.{bank}.lane", 20) < len(counted)
    assert story.gauge(f"link.{bank}.0.up", 30) == 1  # nobody has said that it is gone
    assert sum(
        story.gauge(f"link.{bank}.{index}.fenced", 12) for index in range(usual.town.banks[BANK].links)
    )


def test_a_link_that_ends_is_known_at_once(usual):
    bank = usual.town.banks[BANK].id
    story = Story(usual, Lines(hit(usual, ALL, seconds=10.0), cut=True))
    assert story.rows(5.2, 6.0, code="91", how=How.HERE, bank=bank)
    assert not story.rows(5.2, 15, how=How.OVERDUE, bank=bank)
    assert story.gauge(f"bank.{bank}.link-lost", 8) == usual.town.banks[BANK].links
    assert story.gauge(f"link.{bank}.0.refused", 14) >= 3
    assert story.rows(25, 40, how=How.BANK, code="00", bank=bank)
    assert story.gauge(f"link.{bank}.0.up") == 1


def test_the_other_link_carries_what_one_has_carried(usual):
    several = next(place for place, bank in enumerate(usual.town.banks) if bank.links > 1)
    bank = usual.town.banks[several].id
    story = Story(usual, Lines(hit(usual, Spot((("link", several * LINKS_MAX),))), cut=True))
    assert not story.rows(6, 40, code="91", how=How.HERE, bank=bank)
    assert len(story.rows(6, 40, how=How.BANK, bank=bank)) > 20
    assert story.gauge(f"link.{bank}.0.up") == 0
    assert story.gauge(f"bank.{bank}.links_able") == usual.town.banks[several].links - 1


def test_late_answers_come_when_a_line_is_back(usual):
    bank = usual.town.banks[BANK].id
    story = Story(usual, Lines(hit(usual, ALL, seconds=8.0), deaf=True), seconds=30)
    waits = [row[Column.BANK_US] for row in story.rows(13, 30, how=How.BANK, bank=bank)]
    assert max(waits) > 2_000_000
    assert story.gauge(f"link.{bank}.0.late") + story.gauge(f"link.{bank}.1.late") > 0


def test_refusals_at_the_edge_have_no_bank_and_strangers_no_name(usual):
    world, place = usual, Spot((("model", 3),))
    story = Story(world, Refuses(hit(world, place), {"A0": 0.5, "97": 0.5}, "edge"), seconds=20)
    badly_signed, strange = story.rows(5, code="A0", how=How.EDGE), story.rows(5, code="97", how=How.EDGE)
    assert len(badly_signed) > 10 < len(strange)
    names, sites = world.town.names.list, world.town.sites
    assert not any(row[Column.BANK] or row[Column.BIN] or row[Column.ENTRY] for row in badly_signed)
    assert {names[row[Column.KIND]] for row in badly_signed} <= {"0200", "0100", "0220"}
    assert all(sites[names[row[Column.TERMINAL]]].model == "N910/3.2" for row in badly_signed[-10:])
    assert not any(row[Column.TERMINAL] for row in strange)
    assert all(row[Column.MERCHANT] for row in strange)
    assert story.gauge("misfit_terminals") > 3


def test_advices_are_answered_here_whatever_their_bank_does(usual):
    bank = usual.town.banks[0].id
    story = Story(usual, Mute(hit(usual, Spot((("bank", 0),)))), seconds=60)
    refunds = story.rows(10, kind="refund", bank=bank)
    assert len(refunds) > 3
    assert {row[Column.HOW] for row in refunds} == {How.HERE}
    assert story.gauge(f"bank.{bank}.lane") >= len(refunds)


def test_too_many_are_turned_away_without_a_row_and_come_again(usual):
    story = Story(usual, More(hit(usual, Spot(), seconds=15.0), 8.0), seconds=40)
    assert story.gauge("shed", 19) > 500
    assert story.gauge("rung", 19) >= 2
    assert story.gauge("wait_us", 19) > 75_000
    assert not story.rows(6, 19, how=How.EDGE, code="96")
    rate = len(story.rows(10, 19)) / 9
    assert rate < 0.6 * 8 * 150
    assert len(story.rows(21, 30)) / 9 > 1.3 * 150  # who was turned away is back


def test_a_node_that_dies_is_silent_forgets_and_begins_anew(usual):
    story = Story(usual, Dies(hit(usual, Spot()), 3.0), seconds=20)
    silent = [at_s for at_s, _ in story.moments]
    gap = max(later - sooner for sooner, later in itertools.pairwise(silent))
    assert 3.0 <= gap <= 3.6
    assert story.gauge("began_s") > story.gauge("began_s", 4)
    bank = usual.town.banks[0].id
    assert story.gauge(f"link.{bank}.0.sent") < story.gauge(f"link.{bank}.0.sent", 4)
    assert story.gauge("open_reversals", 8.6) > story.gauge("open_reversals", 4)


def test_a_bank_that_says_our_mac_is_wrong_is_told_as_96_and_mistrusted(usual):
    bank = usual.town.banks[BANK].id
    story = Story(usual, Says(hit(usual, ALL), {"A0": 1.0}), seconds=20)
    assert story.rows(6, how=How.BANK, code="96", bank=bank)
    assert not story.rows(6, how=How.BANK, code="A0", bank=bank)
    assert story.gauge("misfit_banks") == 1
    assert story.gauge("count.zone-key-taken") >= 1


def test_answers_with_a_wrong_mac_end_as_unknown_without_being_overdue(usual):
    bank = usual.town.banks[BANK].id
    story = Story(usual, Lines(hit(usual, ALL), spoils=1.0), seconds=50)
    assert not story.rows(6, 30, how=How.BANK, bank=bank)
    assert not story.rows(6, 30, how=How.OVERDUE, bank=bank)
    assert len(story.rows(35, 50, how=How.TIMER, code="98", bank=bank)) > 5
    assert story.gauge(f"link.{bank}.0.answered") > 0
    assert story.gauge(f"bank.{bank}.answer-spoiled") > 10


def test_rows_know_the_link_they_went_over(usual):
    links = list(usual.links())
    story = Story(usual, seconds=10)
    for _, moment in story.moments:
        over, rows = moment.over, moment.tick.outcomes
        assert len(over) == len(rows)
        asked = np.isin(rows[:, Column.HOW], [How.BANK, How.OVERDUE, How.TIMER, How.COUNTED])
        assert ((over >= 0) == asked)[rows[:, Column.HOW] != How.REPEAT].all()
        for place, row in zip(over[asked], rows[asked], strict=True):
            bank = usual.town.names.list[row[Column.BANK]]
            assert links[place].startswith(f"{bank}/")
