"""Scoring is strict: a planted wrong place is counted wrong, whatever is right beside it."""

import pytest
from msgspec.structs import replace

from posswitch.diagnose.incident import Deed, Incident, Phase, Tier
from posswitch.sim.unrest.audience import Watching
from posswitch.sim.unrest.cases import Truth, population, town_of
from posswitch.sim.unrest.figures import Part, confusion, interval, times
from posswitch.sim.unrest.marks import Judge, Sighting, calibration

TOWN = town_of(1)
PEOPLE = population(1)
BANK, OTHER = TOWN.banks[2].id, TOWN.banks[3].id
TERMINAL = TOWN.terminals[5]
MERCHANT = TOWN.merchants[int(TOWN.terminal_merchant[5])]


def truth(place, kind="iss-slow", cause="bank", begin_s=20.0, seconds=60.0, **more):
    return Truth(kind, cause, (place,), 0, 0, 1.0, 10.0, begin_s=begin_s, end_s=begin_s + seconds, **more)


def incident(place, number=1, kind="iss-slow", cause="bank", **more):
    more = {"probability": 0.9, **more}
    return Incident(number, Phase.CONFIRMED, kind, cause, place, 0, 0, 0, **more)


def sighting(place, seen_s=22.0, **more):
    one = incident(place, **more)
    return Sighting(seen_s, one, one, one)


def judged(truths, *sightings):
    return Judge(TOWN, PEOPLE).judge(truths, sightings)


def test_what_is_right_is_right():
    verdict = judged([truth({"bank": BANK})], sighting({"bank": BANK}))
    (mark,) = verdict.marks
    assert (mark.place, mark.cause, mark.kind, mark.seen_s) == (True, True, True, 2.0)
    assert (verdict.incidents, verdict.false, verdict.harmful) == (1, 0, 0)


@pytest.mark.parametrize(
    "place",
    [
        {"bank": OTHER},
        {},
        {"bank": BANK, "entry": "051"},
        {"bank": "90990000"},
        {"link": f"{OTHER}/0"},
        {"node": ""},
    ],
)
def test_a_wrong_place_is_wrong(place):
    verdict = judged([truth({"bank": BANK})], sighting(place))
    assert not verdict.marks[0].place


def test_a_place_that_means_the_same_is_right():
    alone = next(bank for bank in TOWN.banks if bank.links == 1)
    assert judged([truth({"bank": alone.id})], sighting({"link": f"{alone.id}/0"})).marks[0].place
    assert judged([truth({})], sighting({"node": ""})).marks[0].place
    several = truth({"bin": "621700"})._replace(places=({"bin": "621700"}, {"bin": "621700", "entry": "012"}))
    assert judged([several], sighting({"bin": "621700", "entry": "012"})).marks[0].place


def test_what_is_somewhere_else_is_false_and_answers_nothing():
    verdict = judged([truth({"bank": BANK})], sighting({"bank": OTHER}))
    assert not verdict.marks[0].seen
    assert (verdict.incidents, verdict.false) == (0, 1)
    assert judged([], sighting({"bank": BANK})).false == 1


def test_the_first_answer_counts_whatever_comes_after_it():
    wrong = sighting({}, 21.0, number=1, kind="ovl-peak", cause="overload")
    right = sighting({"bank": BANK}, 25.0, number=2)
    verdict = judged([truth({"bank": BANK})], right, wrong)
    assert verdict.incidents == 2
    assert not verdict.marks[0].place
    assert not verdict.marks[0].cause
    assert verdict.marks[0].answered == "overload"


def test_before_a_fault_and_long_after_it_nothing_is_about_it():
    for seen_s in (5.0, 19.0, 200.0):
        verdict = judged([truth({"bank": BANK})], sighting({"bank": BANK}, seen_s))
        assert (verdict.marks[0].seen, verdict.false) == (False, 1)


def test_an_answer_is_what_it_is_when_it_has_settled():
    early, late = incident({}), incident({"bank": BANK})
    verdict = judged([truth({"bank": BANK})], Sighting(21.0, early, early, late))
    assert not verdict.marks[0].place
    assert verdict.marks[0].place_last


def test_an_incident_that_became_part_of_another_is_none():
    gone = replace(incident({"bank": BANK}, number=2), merged_into=1)
    verdict = judged([truth({"bank": BANK})], sighting({"bank": BANK}), Sighting(23.0, gone, gone, gone))
    assert verdict.incidents == 1


def test_of_two_faults_one_incident_answers_for_one():
    truths = [truth({"bank": BANK}), truth({"bank": OTHER}, begin_s=22.0)]
    both = judged(truths, sighting({"bank": OTHER}, 23.0, number=1), sighting({"bank": BANK}, 24.0, number=2))
    assert [mark.place for mark in both.marks] == [True, True]
    one = judged(truths, sighting({"bank": BANK}, 24.0))
    assert [mark.seen for mark in one.marks] == [True, False]
    wide = judged(truths, sighting({}, 24.0))
    assert sum(mark.seen for mark in wide.marks) == 1
    assert not any(mark.place for mark in wide.marks)


def test_inconclusive_is_right_only_where_nobody_can_know():
    unknown = truth({}, kind="outside", cause="", same=("", "inconclusive"), causes=("bank",))
    assert judged([unknown], sighting({}, kind="", cause="")).marks[0].cause
    assert judged([unknown], sighting({}, kind="inconclusive", cause="")).marks[0].kind
    assert judged([unknown], sighting({}, cause="bank")).marks[0].cause
    assert not judged([unknown], sighting({}, cause="network")).marks[0].cause
    assert not judged([truth({"bank": BANK})], sighting({"bank": BANK}, kind="", cause="")).marks[0].cause


def test_kinds_that_look_the_same_are_right():
    one = truth({"bank": BANK}, kind="net-half-open", cause="network", same=("net-one-way",))
    assert judged([one], sighting({"bank": BANK}, kind="net-one-way", cause="network")).marks[0].kind
    assert not judged([one], sighting({"bank": BANK}, kind="net-packet-loss", cause="network")).marks[0].kind


def acted(action, target, state="worked", tier=Tier.AUTOMATIC):
    one = replace(incident({"bank": BANK}), deeds=(Deed(action, target, tier, state, 0),))
    return Sighting(22.0, one, one, one)


@pytest.mark.parametrize(
    ("deed", "harmful"),
    [
        (acted("pause-route", BANK), 0),
        (acted("pause-route", BANK, "proposed"), 0),
        (acted("fence-link", f"{BANK}/0"), 0),
        (acted("pause-route", OTHER), 1),
        (acted("quarantine-terminal", TERMINAL), 0),
        (acted("ban-source", "acq-east"), 1),
        (acted("shed", OTHER, "failed"), 1),
        (acted("pause-route", OTHER, tier=Tier.FORBIDDEN), 0),
        (acted("notify", "everybody"), 0),
    ],
)
def test_an_action_on_more_than_is_ill_does_harm(deed, harmful):
    assert judged([truth({"bank": BANK})], deed).harmful == harmful


def test_an_action_while_all_is_well_does_harm():
    assert judged([], acted("pause-route", BANK)).harmful == 1
    assert judged([truth({"bank": BANK}, begin_s=90.0)], acted("pause-route", BANK)).harmful == 1


def test_a_suspicion_is_not_seen_until_it_is_more():
    watching = Watching()
    watching.take([replace(incident({}), phase=Phase.SUSPECT)], 3.0)
    assert watching.sightings() == []
    watching.take([incident({"bank": BANK})], 5.0)
    watching.take([incident({"bank": OTHER})], 14.0)
    watching.take([incident({})], 16.0)
    (seen,) = watching.sightings()
    assert (seen.seen_s, seen.first.place, seen.settled.place, seen.last.place) == (
        5.0, {"bank": BANK}, {"bank": OTHER}, {},
    )  # fmt: skip


def test_figures_of_shares_times_and_causes():
    verdict = judged([truth({"bank": BANK})], sighting({"bank": BANK}))
    missed = judged([truth({"bank": BANK})])
    marks = [*verdict.marks, *verdict.marks, *missed.marks]
    assert times(marks) == {"cases": 3, "seen": 0.6667, "median": 2.0, "p95": -1.0}
    assert confusion(marks) == {"bank": {"bank": 2, "not seen": 1}}
    low, high = interval([True] * 60 + [False] * 40)
    assert 0.45 < low < 0.55 < 0.65 < high < 0.75
    assert interval([True] * 9) == [1.0, 1.0]
    assert Part([]).share("place") == 0.0


def test_probabilities_are_held_against_how_often_they_are_right():
    assert calibration([(0.95, True)] * 95 + [(0.95, False)] * 5) == pytest.approx(0.0, abs=1e-9)
    assert calibration([(0.9, False)] * 10) == pytest.approx(0.9)
    assert calibration([]) == 0.0
