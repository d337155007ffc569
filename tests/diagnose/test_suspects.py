"""The table of suspects: each row is named first where it happens, for what it shows."""

import pytest

from posswitch.diagnose.facts import RULES
from posswitch.diagnose.features import Feature, features, place_name
from posswitch.diagnose.phrases import KINDS
from posswitch.diagnose.signals import Dim
from posswitch.diagnose.suspects import CAUSES, INCONCLUSIVE, SUSPECTS, _score, named

from .streams import Street
from .test_features import scene

_PLACES = {place_name(((dim, 1),)) for dim in Dim} | {"all", "link"}


def ideal(suspect):
    """Everything that speaks for it is there, nothing that speaks against it."""
    against = {weight.feature for weight in suspect.against}
    return {
        weight.feature: Feature(1.0, 1.0)
        for weight in suspect.speaks_for
        if weight.weight > 0 and weight.feature not in against
    }


@pytest.mark.parametrize("suspect", SUSPECTS, ids=lambda one: one.kind)
def test_each_kind_is_among_the_likeliest_for_what_describes_it(suspect):
    for place in sorted(suspect.places):
        guesses = named(place, ideal(suspect)).guesses
        best = [guess.kind for guess in guesses if guess.probability >= guesses[0].probability - 1e-9]
        assert suspect.kind in best, (place, guesses[:2])


def test_every_weight_is_of_a_feature_that_is_seen():
    street = Street()
    seen = set(features(scene(street.rows(40), street), street.atlas())) | set(RULES)
    asked = {weight.feature for one in SUSPECTS for weight in (*one.speaks_for, *one.against)}
    assert asked <= seen


def test_places_causes_and_kinds_are_known():
    for one in SUSPECTS:
        assert one.cause in CAUSES
        assert one.kind in KINDS, one.kind
        for place in one.places:
            assert set(place.split("+")) <= _PLACES, (one.kind, place)
            assert place == "any" or place in _PLACES or "+" in place
        assert all(weight.weight >= 0 for weight in one.against), one.kind
        needed = {weight.feature for weight in one.speaks_for if weight.needed}
        assert not needed & {weight.feature for weight in one.against}, one.kind


def test_nothing_seen_is_inconclusive_and_says_no_kind():
    found = named("bank", {})
    assert (found.first.kind, found.first.cause) == ("", "")
    assert found.first.probability < INCONCLUSIVE
    assert found.supports == found.opposes[:0]


def test_probabilities_leave_room_for_what_the_table_does_not_know():
    for one in SUSPECTS:
        guesses = named("bank", ideal(one)).guesses
        assert sum(guess.probability for guess in guesses) < 1.0
        assert [guess.probability for guess in guesses] == sorted(
            (guess.probability for guess in guesses), reverse=True
        )


def test_what_has_to_be_there_speaks_against_a_kind_where_it_is_not():
    for one in SUSPECTS:
        lacking = -sum(weight.weight for weight in one.speaks_for if weight.needed)
        for place in sorted(one.places):
            assert _score(one, place, {}) == lacking, one.kind
    cut = {name: Feature(1.0, 1.0) for name in ("fast-refusals", "bank-unreachable", "others-are-well")}
    without, with_it = (named("bank", seen).first for seen in (cut, cut | {"link-down": Feature(1.0, 1.0)}))
    assert without.kind != with_it.kind == "net-issuer-link-down"


def test_what_is_elsewhere_than_it_happens_is_less_likely():
    silent = ideal(next(one for one in SUSPECTS if one.kind == "iss-silent"))
    at_bank, at_terminal = (
        {guess.kind: guess.probability for guess in named(place, silent).guesses}
        for place in ("bank", "terminal")
    )
    assert at_bank["iss-silent"] > at_terminal.get("iss-silent", 0.0)


def test_what_was_looked_for_and_is_missing_is_told():
    found = named("bank", {"no-answer": Feature(1.0, 0.9), "echo-works": Feature(1.0, 3.0)})
    assert found.first.kind == "iss-silent"
    assert {one.name for one in found.supports} == {"no-answer", "echo-works"}
    lacks = {guess.kind: guess.lacks for guess in found.ruled_out}
    assert lacks["net-half-open"] == ("link-silent",)
    assert all(guess.probability <= 0.05 for guess in found.ruled_out)
