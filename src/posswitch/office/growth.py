"""How fast something grows by the day, and when it is full: weekly seasons and odd days do not mislead it.

The slope is the median over all pairs of days that are whole weeks apart (P. K. Sen, 1968, per season as
R. M. Hirsch, J. R. Slack and R. A. Smith have it, 1982): a Sunday is only held against Sundays.
"""

import math
from collections.abc import Sequence
from statistics import mean, median
from typing import NamedTuple

WEEK = 7
DAYS_MIN = 2 * WEEK  # with fewer whole days nothing is said about growth


class Growth(NamedTuple):
    """Of so many days: what a usual day is now, and how much more each day is than the one before."""

    level: float
    slope: float
    days: int

    @property
    def share(self) -> float:
        """The slope as a share of a usual day."""
        return self.slope / self.level if self.level > 0 else 0.0


def growth(days: Sequence[float]) -> Growth | None:
    """What consecutive whole days say; None when they are too few."""
    count = len(days)
    if count < DAYS_MIN:
        return None
    slope = median(
        (days[later] - days[earlier]) / (later - earlier)
        for earlier in range(count)
        for later in range(earlier + WEEK, count, WEEK)
    )
    now = [day + slope * (count - 1 - number) for number, day in enumerate(days)]
    return Growth(mean(median(now[weekday::WEEK]) for weekday in range(WEEK)), slope, count)


def days_until_filled(left: float, level: float, slope: float) -> float | None:
    """When days of `level`, each one more by `slope`, have used up what is left; None: never."""
    if left <= 0:
        return 0.0
    if abs(slope) < 1e-9:
        return left / level if level > 0 else None
    under_root = level * level + 2 * slope * left
    if under_root < 0:
        return None
    days = (math.sqrt(under_root) - level) / slope
    return days if days > 0 else None


def days_until_reached(used: float, limit: float, share: float) -> float | None:
    """When what grows each day by this share of today's has grown to its limit; None: never."""
    if used >= limit:
        return 0.0
    return (limit / used - 1) / share if used > 0 and share > 0 else None


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Where a line through these points begins, and its slope, as medians; None without two different x."""
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for number, earlier in enumerate(points)
        for later in points[number + 1 :]
        if later[0] != earlier[0]
    ]
    if not slopes:
        return None
    slope = median(slopes)
    return median(y - slope * x for x, y in points), slope
