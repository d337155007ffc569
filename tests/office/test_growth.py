"""How fast something grows: weekly seasons, odd days, and when it is full."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.office.growth import DAYS_MIN, WEEK, days_until_filled, days_until_reached, growth, line

SEASON = [1000, 980, 990, 1010, 1300, 1900, 1700]


def test_too_few_days_say_nothing():
    assert growth([100.0] * (DAYS_MIN - 1)) is None
    assert growth([100.0] * DAYS_MIN) == (100.0, 0.0, DAYS_MIN)


@given(
    st.integers(DAYS_MIN, 56), st.integers(-20, 20), st.lists(st.integers(0, 10**6), min_size=7, max_size=7)
)
def test_any_week_that_grows_evenly_is_found_exactly(count, slope, season):
    found = growth([season[day % WEEK] + slope * day for day in range(count)])
    assert found.slope == pytest.approx(slope)
    level = sum(season) / WEEK + slope * (count - 1)
    assert found.level == pytest.approx(level, abs=1e-6)


def test_a_sale_a_flood_and_a_day_without_power_move_little():
    chance = random.Random(7)
    days = [(SEASON[day % WEEK] + 12 * day) * chance.uniform(0.97, 1.03) for day in range(56)]
    days[20], days[33], days[51] = 40_000, 0, 25_000
    found = growth(days)
    assert found.slope == pytest.approx(12, rel=0.15)
    assert found.level == pytest.approx(sum(SEASON) / WEEK + 12 * 55, rel=0.05)


def filled_by_hand(left, level, slope):
    days = 0
    while left > 0 and days < 10_000:
        days += 1
        left -= max(level + slope * days, 0)
    return days if left <= 0 else None


@pytest.mark.parametrize("slope", [-2.0, -0.4, 0.0, 0.5, 10.0])
@pytest.mark.parametrize("left", [900.0, 5_000.0, 100_000.0])
def test_the_day_it_is_full_is_the_day_that_adding_up_finds(left, slope):
    found, by_hand = days_until_filled(left, 100.0, slope), filled_by_hand(left, 100.0, slope)
    if by_hand is None:
        assert found is None
    else:
        assert found == pytest.approx(by_hand, rel=0.02, abs=1.5)


def test_what_is_full_is_full_today_and_what_shrinks_is_never():
    assert days_until_filled(0, 100, 1) == 0
    assert days_until_filled(1e9, 0, 0) is None
    assert days_until_filled(1e9, 100, -1) is None
    assert days_until_reached(50, 40, 0.01) == 0
    assert days_until_reached(50, 100, 0.01) == pytest.approx(100)
    assert days_until_reached(50, 100, 0.0) is days_until_reached(50, 100, -0.1) is None
    assert days_until_reached(0, 100, 0.01) is None


def test_a_line_through_points_bears_wild_ones():
    points = [(x, 0.02 + 0.0003 * x) for x in range(100, 2000, 50)]
    points[3], points[20] = (points[3][0], 0.9), (points[20][0], 0.0)
    begins, slope = line(points)
    assert begins == pytest.approx(0.02, abs=0.002)
    assert slope == pytest.approx(0.0003, rel=0.01)
    assert line([(1.0, 2.0), (1.0, 3.0)]) is None
