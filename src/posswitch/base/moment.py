"""Time is integer nanoseconds since the epoch; messages carry Beijing time."""

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
_BEIJING = timedelta(hours=8)
_DAY_S = 86_400


class Stamp(NamedTuple):
    """One second as the fields of ISO 8583 write it."""

    f7: str  # MMDDhhmmss
    time: str  # hhmmss, field 12
    date: str  # MMDD, fields 13 and 15
    day: str  # YYYYMMDD, business dates and counters
    yymm: str  # to compare with field 14
    year_digit: str
    day_of_year: str


@lru_cache(maxsize=64)
def _stamp(second: int) -> Stamp:
    at = datetime.fromtimestamp(second, UTC) + _BEIJING
    return Stamp(
        at.strftime("%m%d%H%M%S"),
        at.strftime("%H%M%S"),
        at.strftime("%m%d"),
        at.strftime("%Y%m%d"),
        at.strftime("%y%m"),
        str(at.year % 10),
        f"{at.timetuple().tm_yday:03d}",
    )


def stamp(at_ns: int) -> Stamp:
    """The Beijing wall clock at `at_ns`, to the second."""
    return _stamp(at_ns // NS_PER_S)


@lru_cache(maxsize=4)
def _month(hour: int) -> int:
    day = _stamp(hour * 3600).day
    return int(day[:4]) * 12 + int(day[4:6]) - 1


def month_number(at_ns: int) -> int:
    """The month of the Beijing calendar at `at_ns`, counted from January of the year 0."""
    return _month(at_ns // (3600 * NS_PER_S))


def clock_text(at_ns: int, *, fine: bool = False) -> str:
    """The Beijing wall clock for people: 2026-09-21 22:13:20+08:00; `fine`: to the millisecond."""
    day, time = stamp(at_ns).day, stamp(at_ns).time
    rest = f".{at_ns % NS_PER_S // NS_PER_MS:03d}" if fine else ""
    return f"{day[:4]}-{day[4:6]}-{day[6:]} {time[:2]}:{time[2:4]}:{time[4:]}{rest}+08:00"


def of_iso(text: str) -> int:
    """Nanoseconds since the epoch of an ISO 8601 time, Beijing's where it names no zone; ValueError."""
    at = datetime.fromisoformat(text)
    at = at if at.tzinfo else at.replace(tzinfo=timezone(_BEIJING))
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def business_day(at_ns: int, cutover_s: int) -> str:
    """YYYYMMDD of the settlement network: from `cutover_s` seconds after midnight on it is the next day's."""
    return stamp(at_ns + (-cutover_s % _DAY_S) * NS_PER_S).day
