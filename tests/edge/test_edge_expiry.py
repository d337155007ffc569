"""The ends of certificates in gauges and in one line a day."""

import pytest
import structlog

from posswitch.base.moment import NS_PER_S
from posswitch.edge.expiry import Expiry
from posswitch.settings.certificates import Certificate

DAY_NS = 86_400 * NS_PER_S
NOON_NS = 20_000 * DAY_NS + DAY_NS // 2


@pytest.fixture
def day():
    """The clock: days that have passed."""
    return [0]


@pytest.fixture
def expiry(day):
    expiry = Expiry(lambda: NOON_NS + day[0] * DAY_NS)
    ends = (NOON_NS + 31 * DAY_NS) // NS_PER_S
    expiry.own([Certificate("CN=node", "ab" * 32, 0, ends, "", b"", "")])
    return expiry


def test_no_certificates_no_gauges(day):
    assert Expiry(lambda: 0).gauges() == {}


@pytest.mark.parametrize(
    ("days", "left", "marks"),
    [(0, 31, []), (1, 30, [30]), (17, 14, [30, 14]), (24, 7, [30, 14, 7]), (30, 1, [30, 14, 7, 1]),
     (32, -1, [30, 14, 7, 1])],
)  # fmt: skip
def test_each_mark_is_a_gauge(expiry, day, days, left, marks):
    day[0] = days
    gauges = expiry.gauges()
    assert gauges["certificate_days"] == left
    assert [mark for mark in (30, 14, 7, 1) if gauges[f"certificates_ending_{mark}d"]] == marks
    assert "peer_certificate_days" not in gauges


def test_the_nearest_end_of_others_is_a_gauge_of_its_own(expiry):
    expiry.seen("bank 90010000", {"notAfter": "Jan  1 00:00:00 2100 GMT"})
    expiry.seen("source shop", {"notAfter": "Oct  9 12:00:00 2024 GMT"})
    expiry.seen("source none", None)
    gauges = expiry.gauges()
    assert (gauges["certificate_days"], gauges["peer_certificate_days"]) == (31, 5)
    assert [gauges[f"certificates_ending_{mark}d"] for mark in (30, 14, 7, 1)] == [1, 1, 1, 0]
    expiry.seen("source shop", {"notAfter": "Jan  1 00:00:00 2100 GMT"})  # it was renewed
    assert expiry.gauges()["certificates_ending_30d"] == 0
    expiry.seen("bank 90020000", {"notAfter": "Oct  5 12:00:00 2024 GMT"})
    expiry.seen("bank 90030000", {"notAfter": "no time at all"})
    assert expiry.gauges()["peer_certificate_days"] == 1
    expiry.forget("bank 90020000")
    assert expiry.gauges()["certificates_ending_30d"] == 0


def test_one_line_a_day_while_an_end_is_near(expiry, day):
    with structlog.testing.capture_logs() as lines:
        expiry.look()
        assert lines == []
        for days, mark in ((1, 30), (20, 14), (30, 1), (40, 1)):
            day[0] = days
            for _ in range(3):
                expiry.look()
            assert [(line["within_days"], line["all"]) for line in lines] == [(mark, 1)]
            assert lines[0]["days_left"] == {f"CN=node {'ab' * 8}": 31 - days}
            lines.clear()
