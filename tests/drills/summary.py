"""What came of many drills: a line each, and the figures of all."""

from collections.abc import Iterator, Sequence
from statistics import median

from posswitch.sim.drills.play import Naming, Played
from posswitch.sim.drills.table import DRILLS

LEAST = 30  # anomalies that must be named


def said(naming: Naming | None) -> str:
    """A kind and its place, in a few words."""
    if naming is None:
        return "nothing"
    where = ",".join(naming.place.values()) or "centre"
    return f"{naming.kind or 'inconclusive'}@{where}"


def line_of(played: Played) -> str:
    """One drill: its mark, what it was, what was said after how long, what else was said."""
    mark = "ok" if played.correct else "--"
    at = "" if played.seconds_to_detect is None else f" after {played.seconds_to_detect} s"
    over = "never over" if played.seconds_to_resolve is None else f"over in {played.seconds_to_resolve} s"
    beside = "".join(f"; beside it {said(one)}" for one in played.beside)
    place = ",".join(played.expected.place.values()) or "centre"
    return f"{mark} {played.drill}@{place}: {said(played.diagnosed)}{at}, {over}{beside}"


def anomalies(played: Sequence[Played]) -> list[str]:
    """The kinds that were seen and named at their place, in at least one of their drills."""
    return list(dict.fromkeys(DRILLS[one.drill].kind for one in played if one.correct))


def figures(played: Sequence[Played]) -> str:
    """Of all: how many were seen, how many named, how many placed, how long it took."""
    seen = [one for one in played if one.diagnosed is not None]
    took = [one.seconds_to_detect for one in played if one.correct and one.seconds_to_detect is not None]
    usual = f"{median(took):.1f} s" if took else "-"
    return (
        f"{len(played)} drills: {len(seen)} seen, {sum(one.kind_correct for one in played)} named right, "
        f"{sum(one.place_correct for one in played)} at the right place, "
        f"{sum(one.correct for one in played)} both; "
        f"{len(anomalies(played))} anomalies; median {usual} to be named"
    )


def report(played: Sequence[Played]) -> Iterator[str]:
    """Every line, the figures last."""
    yield from map(line_of, played)
    yield figures(played)
