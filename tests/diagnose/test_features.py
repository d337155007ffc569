"""What is seen at a place, from outcomes and facts by hand; figures are always finite."""

import math

import numpy as np
import pytest

from posswitch.diagnose.facts import NODE, Fact
from posswitch.diagnose.features import Scene, features, place_name
from posswitch.diagnose.signals import Dim, Sort, Tick
from posswitch.diagnose.window import Window
from posswitch.journal.vitals import Column, How

from .streams import AT_NS, TICK_NS, TICK_S, Street


def scene(rows=None, street=None, where=(), facts=(), **changes):
    """A scene of these outcomes, one tick each 40 of them; everything that is no approval is bad."""
    street = street or Street()
    rows = street.rows(0) if rows is None else rows
    atlas, window = street.atlas(), Window()
    for number, at in enumerate(range(0, len(rows), 40)):
        part = np.ascontiguousarray(rows[at : at + 40])
        tick = Tick(AT_NS + number * TICK_NS, TICK_S, part, {})
        window.take(tick, atlas.columns(part), atlas.sorts(part), *np.zeros((2, len(part)), bool))
    all_rows = window.since(0)
    inside = all_rows.within(where)
    bad = all_rows.sorts > Sort.GOOD
    found = Scene(
        where, all_rows.only(inside), bad[inside], all_rows, bad, max(len(rows) / 160, 1.0), 0.0, 0.01,
        80.0, 0.0, facts, 0, 0, len(street.banks), 0,
    )  # fmt: skip
    return found._replace(**changes)


@pytest.mark.parametrize("count", [0, 1, 3, 400])
def test_every_figure_is_finite_and_every_truth_is_one(count):
    street = Street()
    with np.errstate(all="raise"):
        found = features(scene(street.rows(count), street), street.atlas())
    for name, feature in found.items():
        assert 0.0 <= feature.truth <= 1.0, name
        assert math.isfinite(feature.figure), name
    assert len(found) > 50


def test_features_are_the_same_whatever_there_is():
    street = Street()
    some, none = (set(features(scene(rows, street), street.atlas())) for rows in (street.rows(9), None))
    assert none < some
    assert some - none == {"answers-capped", "comes-and-goes", "began-slowly", "began-suddenly"}


def spoilt(code, how, bank="B1", count=400):
    street = Street()
    rows = street.rows(count)
    hit = rows[:, Column.BANK] == street.bank(bank)
    rows[hit, Column.CODE], rows[hit, Column.HOW] = street.codes[code], how
    return features(scene(rows, street, ((Dim.BANK, street.bank(bank)),)), street.atlas())


@pytest.mark.parametrize(
    ("code", "how", "true", "false"),
    [
        ("98", How.TIMER, "no-answer", "banks-word"),
        ("91", How.HERE, "fast-refusals", "bank-says-91"),
        ("91", How.BANK, "bank-says-91", "fast-refusals"),
        ("96", How.HERE, "here-96", "bank-says-96"),
        ("96", How.BANK, "bank-says-96", "here-96"),
        ("96", How.EDGE, "shed-96", "here-96"),
        ("A0", How.EDGE, "mac-wrong", "banks-word"),
        ("30", How.BANK, "bank-format", "no-answer"),
        ("61", How.HERE, "limit-here", "limit-bank"),
        ("61", How.BANK, "limit-bank", "limit-here"),
        ("55", How.BANK, "pin-wrong", "declines"),
        ("05", How.BANK, "declines", "pin-wrong"),
    ],
)
def test_codes_and_whose_word_they_are(code, how, true, false):
    found = spoilt(code, how)
    assert found[true].truth == 1.0
    assert found[false].truth == 0.0
    assert found["others-are-well"].truth > 0.7
    assert found["nearly-all"].truth == 1.0


def test_a_code_in_no_table_is_strange():
    street = Street()
    street.codes["ZZ"] = street.named("ZZ")
    rows = street.rows(200)
    rows[:, Column.CODE] = street.codes["ZZ"]
    assert features(scene(rows, street), street.atlas())["strange-code"].truth == 1.0
    assert spoilt("05", How.BANK)["strange-code"].truth == 0.0


def test_who_is_behind_it():
    street = Street()
    rows = street.rows(200)
    rows[:, Column.CODE] = street.codes["55"]
    rows[:, Column.TERMINAL], rows[:, Column.CARD] = street.terminals[0], 77
    found = features(scene(rows, street), street.atlas())
    assert [found[name].truth for name in ("one-terminal", "one-card", "few-cards-many-tries")] == [1.0] * 3
    rows[:, Column.CARD] = np.arange(1, 201)
    found = features(scene(rows, street), street.atlas())
    assert [found[name].truth for name in ("many-cards", "cards-per-terminal", "few-cards-many-tries")] == [
        1,
        1,
        0,
    ]


def test_facts_are_features_with_their_strongest_figure():
    facts = (Fact("disk-low", NODE, AT_NS, 1.0), Fact("link-down", ("link", "B1/0"), AT_NS, 2.0),
             Fact("link-down", ("link", "B1/1"), AT_NS, 5.0))  # fmt: skip
    found = features(scene(facts=facts), Street().atlas())
    assert (found["disk-low"].truth, found["link-down"].figure) == (1.0, 5.0)


def test_links_and_volume():
    found = features(scene(links=2, links_ill=1), Street().atlas())
    assert [found[name].truth for name in ("one-link-of-several", "all-links", "links-are-up")] == [1, 0, 0]
    found = features(scene(expected_per_s=50.0, seconds=4.0, banks_down=4), Street().atlas())
    assert (found["volume-gone"].truth, found["all-banks-down"].truth) == (1.0, 1.0)


def test_places_have_names():
    assert place_name(()) == "all"
    assert place_name(((Dim.BANK, 1), (Dim.ENTRY, 2))) == "bank+entry"


def some(code, share, entry=""):
    """A part of a bank's payments gets a code of its own word; at a way of entry."""
    street = Street()
    rows = street.rows(400)
    hit = (rows[:, Column.BANK] == street.bank("B1")) & (street.chance.random(400) < share)
    where = ((Dim.BANK, street.bank("B1")),)
    if entry:
        where = (*where, (Dim.ENTRY, street.names.index(entry)))
    for one, part in zip(code, np.array_split(np.flatnonzero(hit), len(code)), strict=True):
        if one not in street.codes:
            street.codes[one] = street.named(one)
        rows[part, Column.CODE] = street.codes[one]
    return features(scene(rows, street, where), street.atlas())


@pytest.mark.parametrize(("share", "few", "part"), [(0.08, 1.0, 1.0), (0.45, 0.0, 1.0), (1.0, 0.0, 0.0)])
def test_a_few_is_less_than_a_part(share, few, part):
    seen = some(["A0"], share)
    assert (seen["a-few"].truth > 0.5) is (few > 0.5)
    assert (seen["a-part"].truth > 0.5) is (part > 0.5)
    assert seen["mac-strange"].truth > 0.5


@pytest.mark.parametrize(("codes", "wrong"), [(["30", "90"], True), (["90"], True), (["30"], False)])
def test_dates_that_are_refused_beside_what_cannot_be_read(codes, wrong):
    assert (some(codes, 0.6)["dates-wrong"].truth > 0.5) is wrong


@pytest.mark.parametrize(("entry", "chip"), [("051", 1.0), ("071", 1.0), ("021", 0.0), ("", 0.0)])
def test_chips_are_a_way_of_entry(entry, chip):
    assert some(["98"], 0.9, entry)["chip-only"].truth == chip
