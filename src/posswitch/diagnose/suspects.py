"""Which kind of anomaly it is: rows of suspects.tsv against the features of a place, by weights of evidence.

A row's `for` adds as much as a feature is true, its `against` takes away; `!` marks what has to be there: as
far as it is not, as much is taken away. So what speaks against a kind is known, too, and can be said.
"""

from importlib.resources import files
from math import exp
from typing import NamedTuple

from posswitch.diagnose.features import Features
from posswitch.diagnose.incident import Evidence, Guess

CAUSES = (
    "network", "overload", "fault", "data", "security", "limit", "order", "key", "bank", "clock",
    "settlement",
)  # fmt: skip
_ELSEWHERE = 6.0  # against a kind where it does not happen
_NARROWER = 1.0  # where it happens at a part of the place only
_NOTHING = 3.0  # the score of "something that is not in the table"
_SHARPNESS = 0.9
INCONCLUSIVE = 0.35  # below it no kind is named
_RULED_OUT = 0.05
_SAID_MAX = 8
# What a bank seems to have while this centre is slow itself.
SEEMS_SLOW = frozenset({
    "", "iss-slow", "net-packet-loss", "sys-gray-failure", "ord-late-response", "ovl-thread-pool",
})  # fmt: skip


class Weight(NamedTuple):
    """One feature of a row."""

    feature: str
    weight: float
    needed: bool


class Suspect(NamedTuple):
    """One kind of anomaly as it shows."""

    kind: str
    cause: str
    places: frozenset[str]
    speaks_for: tuple[Weight, ...]
    against: tuple[Weight, ...]


class Named(NamedTuple):
    """The kinds by their probability, and the evidence about the first of them."""

    guesses: tuple[Guess, ...]  # the likeliest first; what is left to 1 is what the table does not know
    supports: tuple[Evidence, ...]
    opposes: tuple[Evidence, ...]
    ruled_out: tuple[Guess, ...]  # that looked alike

    @property
    def first(self) -> Guess:
        """The likeliest; an empty kind when it is inconclusive."""
        if self.guesses and self.guesses[0].probability >= INCONCLUSIVE:
            return self.guesses[0]
        return Guess("", "", self.guesses[0].probability if self.guesses else 0.0)


def _weights(cell: str) -> tuple[Weight, ...]:
    found = []
    for word in cell.split():
        feature, _, weight = word.removeprefix("!").partition(":")
        found.append(Weight(feature, float(weight), word.startswith("!")))
    return tuple(found)


def _read() -> tuple[Suspect, ...]:
    text = (files("posswitch.diagnose") / "data" / "suspects.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    found = tuple(
        Suspect(kind, cause, frozenset(places.split()), _weights(pro), _weights(con))
        for kind, cause, places, pro, con in rows
    )
    assert all(one.cause in CAUSES for one in found)
    assert len({one.kind for one in found}) == len(found), "a kind has one row"
    return found


SUSPECTS = _read()


def named(place: str, seen: Features) -> Named:
    """What it is, from the features of a place (`features.place_name`, or `link`)."""
    scores = {one: _score(one, place, seen) for one in SUSPECTS}
    ranked = sorted(SUSPECTS, key=lambda one: (-scores[one], one.kind))
    whole = exp(_SHARPNESS * _NOTHING) + sum(exp(_SHARPNESS * min(score, 40.0)) for score in scores.values())
    guesses = tuple(
        Guess(one.kind, one.cause, round(exp(_SHARPNESS * min(scores[one], 40.0)) / whole, 4))
        for one in ranked[:5]
    )
    best = ranked[0]
    supports = _evidence(best.speaks_for, seen, held=True)
    opposes = (*_evidence(best.against, seen, held=True), *_missing(best, seen))
    alike = tuple(
        Guess(
            one.kind,
            one.cause,
            round(exp(_SHARPNESS * min(scores[one], 40.0)) / whole, 4),
            tuple(evidence.name for evidence in _missing(one, seen)),
        )
        for one in ranked[1:]
        if _looks_alike(one, best, seen)
    )
    ruled_out = tuple(guess for guess in alike if guess.probability <= _RULED_OUT)[:_SAID_MAX]
    return Named(guesses, supports, opposes, ruled_out)


def _score(one: Suspect, place: str, seen: Features) -> float:
    score = -_distance(one, place)
    for feature, weight, needed in one.speaks_for:
        truth = seen[feature].truth if feature in seen else 0.0
        score += weight * truth
        if needed:
            score -= weight * (1.0 - truth)
    for feature, weight, _ in one.against:
        if feature in seen:
            score -= weight * seen[feature].truth
    return score


def _distance(one: Suspect, place: str) -> float:
    """What speaks against a kind by where it is; of several dimensions, one may be its own."""
    if place in one.places:
        return 0.0
    return _NARROWER if not one.places.isdisjoint(place.split("+")) else _ELSEWHERE


def _evidence(weights: tuple[Weight, ...], seen: Features, *, held: bool) -> tuple[Evidence, ...]:
    said = [
        Evidence(feature, {"figure": seen[feature].figure}, round(weight * seen[feature].truth, 2))
        for feature, weight, _ in weights
        if feature in seen and seen[feature].truth >= 0.3 and weight > 0
    ]
    return tuple(sorted(said, key=lambda one: -one.weight)[:_SAID_MAX]) if held else ()


def _missing(best: Suspect, seen: Features) -> tuple[Evidence, ...]:
    """What should be there and is not."""
    return tuple(
        Evidence(feature, {"figure": seen[feature].figure if feature in seen else 0.0}, -round(weight, 2))
        for feature, weight, needed in best.speaks_for
        if needed and (feature not in seen or seen[feature].truth < 0.3)
    )


def _looks_alike(one: Suspect, best: Suspect, seen: Features) -> bool:
    """Whether it shares something with what was found that is there: so it was considered."""
    mine = {weight.feature for weight in one.speaks_for if weight.weight > 0}
    return any(
        weight.feature in mine and weight.feature in seen and seen[weight.feature].truth >= 0.5
        for weight in best.speaks_for
    )
