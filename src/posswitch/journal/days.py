"""What a journal grew by each day: its records are in the order of time, so a day is found by halving."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import apsw

from posswitch.base.bounds import RESTORED_SKIP
from posswitch.base.moment import NS_PER_S
from posswitch.journal.disk import MACHINE, Disk
from posswitch.journal.story import view

DAYS_MAX = 56  # eight weeks are looked at, the newest
_BEIJING_NS, _DAY_NS, _MINUTE_NS = 8 * 3600 * NS_PER_S, 86_400 * NS_PER_S, 60 * NS_PER_S
_SPLITS = (_DAY_NS, 3600 * NS_PER_S, _MINUTE_NS)  # how spans are cut on the way to a minute


class Day(NamedTuple):
    """One day of the Beijing calendar: its first moment, and what was recorded in it."""

    begin_ns: int
    payments: int
    records: int


class Size(NamedTuple):
    """A journal by its size. The first and the last of `days` may be parts of days."""

    records: int
    file_bytes: int  # records and the tables beside them
    days: tuple[Day, ...]
    peak_ns: int  # when the minute with the most records began; 0 without a record
    peak_payments: int  # in that minute

    @property
    def whole_days(self) -> tuple[Day, ...]:
        """Those that were recorded from beginning to end."""
        return self.days[1:-1]


def size(folder: Path, disk: Disk = MACHINE) -> Size:
    """How a journal has grown; JournalError without one."""
    with view(folder, disk) as db:
        return _size(db)


def _size(db: apsw.Connection) -> Size:
    pages, page_bytes = (db.pragma(name) for name in ("page_count", "page_size"))
    (last, end_ns) = db.execute("SELECT seq, at_ns FROM journal ORDER BY seq DESC LIMIT 1").fetchone() or (
        0,
        0,
    )
    (begin_ns,) = db.execute("SELECT at_ns FROM journal ORDER BY seq LIMIT 1").fetchone() or (0,)
    if not last:
        return Size(0, pages * page_bytes, (), 0, 0)
    final = _day(end_ns) + _DAY_NS
    first = max(_day(begin_ns), final - DAYS_MAX * _DAY_NS)
    find = _finder(db, last)
    days = tuple(
        Day(begin, _payments(db, low, high), _records(low, high))
        for begin, low, high in _spans(find, first, final, _DAY_NS)
    )
    minute, low, high = _peak(find, first, final, 0, (0, 0, 0))
    return Size(last % RESTORED_SKIP, pages * page_bytes, days, minute, _payments(db, low, high))


def _day(at_ns: int) -> int:
    """When the day of a moment began in Beijing."""
    return (at_ns + _BEIJING_NS) // _DAY_NS * _DAY_NS - _BEIJING_NS


def _finder(db: apsw.Connection, last: int) -> Callable[[int], int]:
    """A function: the first number not used before a moment; halving, a few dozen reads each."""

    def find(at_ns: int) -> int:
        low, high = 1, last + 1
        while low < high:
            middle = (low + high) // 2
            row = db.execute(
                "SELECT at_ns FROM journal WHERE seq >= ? ORDER BY seq LIMIT 1", (middle,)
            ).fetchone()
            if row is not None and row[0] < at_ns:
                low = middle + 1
            else:
                high = middle
        return low

    return find


def _spans(
    find: Callable[[int], int], begin_ns: int, end_ns: int, step_ns: int
) -> Iterator[tuple[int, int, int]]:
    low = find(begin_ns)
    for at_ns in range(begin_ns, end_ns, step_ns):
        high = find(at_ns + step_ns)
        yield at_ns, low, high
        low = high


def _records(low: int, high: int) -> int:
    """How many are between two numbers; a restored journal has left some out."""
    return (high - low) % RESTORED_SKIP


def _payments(db: apsw.Connection, low: int, high: int) -> int:
    row = db.execute(
        "SELECT count(*) FROM payment WHERE payment >= ? AND payment < ?", (low, high)
    ).fetchone()
    return 0 if row is None else int(row[0])


def _peak(
    find: Callable[[int], int], begin_ns: int, end_ns: int, depth: int, best: tuple[int, int, int]
) -> tuple[int, int, int]:
    """The minute with the most records: only what holds more than the best so far is cut further."""
    spans = list(_spans(find, begin_ns, end_ns, _SPLITS[depth]))
    for at_ns, low, high in sorted(spans, key=lambda span: -_records(span[1], span[2])):
        if _records(low, high) <= _records(best[1], best[2]):
            break
        if _SPLITS[depth] == _MINUTE_NS:
            best = at_ns, low, high
        else:
            best = _peak(find, at_ns, at_ns + _SPLITS[depth], depth + 1, best)
    return best
