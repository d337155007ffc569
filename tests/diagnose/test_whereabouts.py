"""Where something is wrong, from outcomes to a place as people say it: simple, and no wider than it is."""

import numpy as np
import pytest

from posswitch.diagnose.centre import Centre
from posswitch.diagnose.cube import SLOW
from posswitch.diagnose.signals import Sort
from posswitch.diagnose.whereabouts import Look, banks_of
from posswitch.diagnose.window import is_bad
from posswitch.journal.vitals import Column, How

from .streams import Street

WELL_S, ILL_S = 60.0, 8.0
FAIL = int(Sort.FAIL)


class Scene:
    """A street that was well for a minute, and then so for some seconds."""

    def __init__(self, spoil, street=None, streams=(FAIL,), tps=120.0):
        self.street = street or Street()
        self.centre = Centre(self.street.atlas(), spent=lambda: 0.0)
        for tick in self.street.ticks(
            WELL_S + ILL_S, tps,
            spoil=lambda rows, second: spoil(self.street, rows) if second >= WELL_S else rows,
        ):  # fmt: skip
            self.centre.look(tick)
        self.at_ns, self.since_ns = tick.at_ns, tick.at_ns - int(ILL_S * 1e9)
        self.streams = frozenset(streams)

    def places(self):
        centre = self.centre
        rows = centre._window.since(self.since_ns, 60_000)
        shares = centre._baseline.share(len(centre._cube.slices))
        bad = is_bad(rows, self.streams)
        look = Look(self.at_ns, self.since_ns, rows, bad, self.streams, shares, ())
        found = centre._investigator._whereabouts.places(look, [])
        return [{dim.name.lower(): self.label(dim, value) for dim, value in place} for place in found]

    def label(self, dim, value):
        return self.centre._atlas.label(dim, value)


def hit(rows, code, **where):
    """Outcomes of a place get a code; values of columns by their ids."""
    mine = np.ones(len(rows), bool)
    for name, value in where.items():
        mine &= np.isin(rows[:, Column[name.upper()]], value)
    rows[mine, Column.CODE] = code
    return rows


def of(**names):
    """What spoils a place named by what stands in the street."""

    def spoil(street, rows):
        return hit(rows, street.codes["96"], **{dim: street.names.index(name) for dim, name in names.items()})

    return spoil


@pytest.mark.parametrize(
    "place",
    [
        {"bank": "B2"},
        {"bin": "6210"},
        {"kind": "balance"},
        {"bank": "B3", "kind": "sale"},
        {"bank": "B1", "entry": "021"},
        {"merchant": "M7"},
        {"terminal": "T11"},
    ],
)
def test_a_place_is_called_by_the_values_that_tell(place):
    assert Scene(of(**place), tps=300.0).places() == [place]


def test_two_places_are_two():
    def spoil(street, rows):
        return of(bank="B4")(street, of(bank="B1")(street, rows))

    assert sorted(place["bank"] for place in Scene(spoil).places()) == ["B1", "B4"]


def test_what_is_everywhere_is_the_whole_centre():
    assert Scene(lambda street, rows: hit(rows, street.codes["96"])).places() == [{}]


def test_what_fails_by_nothing_that_is_known_is_the_whole_centre():
    def spoil(street, rows):
        rows[street.chance.random(len(rows)) < 0.4, Column.CODE] = street.codes["96"]
        return rows

    assert Scene(spoil).places() == [{}]


def test_what_is_usual_has_no_place():
    assert Scene(lambda street, rows: rows).places() == []


def test_a_customer_who_tries_and_tries_does_not_outweigh_a_bank_with_few_payments():
    def spoil(street, rows):
        mine = street.rows(1)
        for name, value in (("BANK", street.bank("B1")), ("CARD", 77), ("CODE", street.codes["96"])):
            mine[:, Column[name]] = value
        mine[:, Column.TERMINAL], mine[:, Column.MERCHANT] = street.terminals[5], street.shops[5]
        return np.vstack((of(bank="B3", kind="balance")(street, rows), mine))

    first, *_ = Scene(spoil).places()
    assert first == {"bank": "B3", "kind": "balance"}


def test_pins_are_judged_among_those_who_could_enter_one():
    """Wrong PINs of one bank: entry 051, 021 and 071 all could, so the entry says nothing."""

    def spoil(street, rows):
        rows = rows.copy()
        rows[:, Column.ENTRY] = np.where(
            rows[:, Column.ENTRY] == street.entries[2], street.names.index("072"), rows[:, Column.ENTRY]
        )
        could = rows[:, Column.ENTRY] != street.names.index("072")
        rows[could & (rows[:, Column.BANK] == street.bank("B2")), Column.CODE] = street.codes["55"]
        return rows

    street = Street()
    street.names.append("072")
    assert Scene(spoil, street, streams=(int(Sort.PIN),)).places() == [{"bank": "B2"}]


def test_where_one_bank_is_all_there_is_its_word_is_its_own_and_ours_is_the_centres():
    def here(street, rows):
        rows = street.says("B1", "96", rows)
        rows[:, Column.HOW] = How.HERE
        return rows

    def its(street, rows):
        return street.says("B1", "96", rows)

    assert Scene(its, Street(banks=("B1",))).places() == [{"bank": "B1"}]
    assert Scene(here, Street(banks=("B1",))).places() == [{}]


def test_banks_are_counted_by_their_gauges():
    scene = Scene(lambda street, rows: rows)
    past = scene.centre._board.past
    assert banks_of(past) == (4, 0)
    said = scene.street.well()
    scene.street.links_down("B2", said)
    past.take(past.at_ns + 10**9, said)
    assert banks_of(past) == (4, 1)


def test_slow_answers_of_many_banks_are_one_slow_centre():
    def spoil(street, rows):
        rows[np.isin(rows[:, Column.BANK], (1, 2, 3)), Column.BANK_US] += 900_000
        return rows

    street = Street(banks=tuple(f"B{number}" for number in range(1, 9)))
    assert Scene(spoil, street, streams=(SLOW,)).places() == [{}]
