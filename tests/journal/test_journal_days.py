"""What a journal grew by each day, found by halving: as counting every record finds it."""

import random
from collections import Counter

import apsw
import pytest

from capacity_scene import DAY_NS, MIDNIGHT_NS
from posswitch.base.errors import JournalError
from posswitch.base.moment import NS_PER_S
from posswitch.journal.days import DAYS_MAX, size
from posswitch.journal.layout import DATABASE
from posswitch.journal.quarantine import quarantine
from posswitch.journal.sqlite import Journal
from posswitch.sim.busy_days import BusyDays

KEY, NODE = bytes(32), "1"
_BEIJING_NS, _MINUTE_NS = 8 * 3600 * NS_PER_S, 60 * NS_PER_S


def written(folder, moments, seed=1):
    """A journal with purchases at these moments."""
    writer = BusyDays(folder, KEY, NODE, seed)
    for at_ns, purchases in sorted(moments):
        writer._at_ns = max(at_ns, writer._at_ns)
        writer.write(purchases, 7)
    writer.close()


def counted(folder):
    """Payments and records by day and by minute, from every row."""
    db = apsw.Connection(str(folder / DATABASE), flags=apsw.SQLITE_OPEN_READONLY)
    rows = list(db.execute("SELECT at_ns, seq IN (SELECT payment FROM payment) FROM journal"))
    db.close()
    days, payments, minutes, paid = Counter(), Counter(), Counter(), Counter()
    for at_ns, is_payment in rows:
        day, minute = (at_ns + _BEIJING_NS) // DAY_NS, at_ns // _MINUTE_NS
        days[day] += 1
        minutes[minute] += 1
        payments[day] += is_payment
        paid[minute] += is_payment
    return days, payments, minutes, paid


@pytest.mark.parametrize("seed", range(4))
def test_days_and_the_busiest_minute_are_those_that_counting_finds(tmp_path, seed):
    chance = random.Random(seed)
    moments = [(MIDNIGHT_NS + chance.randrange(6 * DAY_NS), chance.randrange(1, 60)) for _ in range(40)]
    moments.append((MIDNIGHT_NS + 3 * DAY_NS - 1, 20))  # across midnight
    written(tmp_path, moments, seed)
    days, payments, minutes, paid = counted(tmp_path)
    found = size(tmp_path)
    assert found.records == sum(days.values())
    begins = [day.begin_ns for day in found.days]
    assert begins == list(range(begins[0], begins[-1] + 1, DAY_NS))
    for day in found.days:
        number = (day.begin_ns + _BEIJING_NS) // DAY_NS
        assert (day.records, day.payments) == (days[number], payments[number])
    assert sum(day.records for day in found.days) == found.records
    assert minutes[found.peak_ns // _MINUTE_NS] == max(minutes.values())
    assert found.peak_payments == paid[found.peak_ns // _MINUTE_NS]
    assert found.file_bytes == (tmp_path / DATABASE).stat().st_size


def test_the_first_and_the_last_day_are_parts(tmp_path):
    written(tmp_path, [(MIDNIGHT_NS + number * DAY_NS, 3) for number in range(5)])
    found = size(tmp_path)
    assert [day.payments for day in found.whole_days] == [3] * (len(found.days) - 2)


def test_only_the_newest_weeks_are_looked_at(tmp_path):
    written(
        tmp_path, [(MIDNIGHT_NS, 50), *((MIDNIGHT_NS + (9 + day) * DAY_NS, 2) for day in range(DAYS_MAX))]
    )
    found = size(tmp_path)
    assert [day.payments for day in found.days] == [2] * DAYS_MAX
    assert found.peak_payments == 2


def test_the_gap_of_a_restored_journal_is_no_growth(tmp_path):
    written(tmp_path, [(MIDNIGHT_NS, 10), (MIDNIGHT_NS + DAY_NS, 10)])
    journal = Journal(tmp_path, KEY)
    quarantine(journal, journal.recover(NODE), MIDNIGHT_NS + 2 * DAY_NS)
    journal.close()
    written(tmp_path, [(MIDNIGHT_NS + 3 * DAY_NS, 5)])
    days, _, _, _ = counted(tmp_path)
    found = size(tmp_path)
    assert found.records == sum(days.values())
    assert [day.records for day in found.days] == [
        days[(day.begin_ns + _BEIJING_NS) // DAY_NS] for day in found.days
    ]


def test_a_journal_without_a_record_has_no_days(tmp_path):
    Journal(tmp_path, KEY).close()
    assert size(tmp_path)[2:] == ((), 0, 0)
    assert size(tmp_path).whole_days == ()


def test_no_journal_is_said(tmp_path):
    with pytest.raises(JournalError, match="no journal there"):
        size(tmp_path)
