"""Ordinary business passes the guards: at most one purchase in a thousand is disturbed; the measure bites."""

import pytest

from posswitch.edge.verdicts import GUARDS

from . import ordinary
from .ordinary import DISTURBED_SHARE_MAX, Town

PURCHASES = 150_000


@pytest.mark.parametrize("seed", [2, 3])
def test_ordinary_business_is_not_disturbed(seed):
    count = ordinary.ordinary(seed, PURCHASES)
    assert count.purchases == PURCHASES
    assert count.disturbed.total() <= PURCHASES * DISTURBED_SHARE_MAX


def test_the_town_is_believable():
    """Three to eight in a hundred are refused; most cards come again; the canteen is the busiest."""
    town = Town(2)
    moments = [moment for _, moment in zip(range(PURCHASES), town, strict=False)]
    refused = sum(moment.code != "00" for moment in moments) / PURCHASES
    cards = len({moment.request.pan_print for moment in moments})
    busiest = max({moment.request.terminal for moment in moments}, key=town._stans.__getitem__)
    assert 0.03 < refused < 0.12  # with wrong PINs and second tries
    assert cards < PURCHASES * 0.75
    assert busiest == "CANTEEN1"
    assert len({moment.request.terminal for moment in moments}) > 1500


@pytest.mark.slow
def test_a_million_ordinary_purchases():
    count = ordinary.ordinary(1, 1_000_000)
    assert count.disturbed.total() <= 1_000_000 * DISTURBED_SHARE_MAX


def test_a_guard_that_is_too_strict_is_seen(monkeypatch):
    strict = tuple(guard._replace(points_max=guard.points_max // 12) for guard in GUARDS)
    monkeypatch.setattr("posswitch.edge.guards.GUARDS", strict)
    count = ordinary.ordinary(2, PURCHASES)
    assert count.disturbed.total() > PURCHASES * DISTURBED_SHARE_MAX


def test_the_stream_is_the_same_for_the_same_seed():
    one, other = ([moment for _, moment in zip(range(2000), Town(4), strict=False)] for _ in range(2))
    assert one == other
