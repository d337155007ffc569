"""Amounts are shown with their currency's decimals; stamps are Beijing time to the second."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.amount import AMOUNT_MINOR_MAX, amount_text
from posswitch.base.moment import NS_PER_S, clock_text, month_number, of_iso, stamp


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (12345, "156", "CNY 123.45"),
        (5, "156", "CNY 0.05"),
        (0, "344", "HKD 0.00"),
        (-12345, "156", "CNY -123.45"),
        (-5, "840", "USD -0.05"),
        (12345, "392", "JPY 12345"),
        (12345, "999", "999 12345 minor"),
        (AMOUNT_MINOR_MAX, "156", "CNY 9999999999.99"),
    ],
)
def test_amounts(minor, currency, text):
    assert amount_text(minor, currency) == text


@given(st.integers(-AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX))
def test_no_minor_unit_is_lost(minor):
    assert int(amount_text(minor).removeprefix("CNY ").replace(".", "")) == minor


def test_a_stamp_has_every_form_of_its_second():
    new_year = 1_798_732_800 * NS_PER_S  # 2026-12-31 16:00:00 UTC, midnight in Beijing
    at = stamp(new_year)
    assert at.f7 == "0101000000"
    assert (at.time, at.date, at.day, at.yymm) == ("000000", "0101", "20270101", "2701")
    assert (at.year_digit, at.day_of_year) == ("7", "001")
    assert stamp(new_year - 1).f7 == "1231235959"


@given(st.integers(0, 4_000_000_000 * NS_PER_S))
def test_stamps_are_beijing_time(at_ns):
    beijing = datetime.fromtimestamp(at_ns // NS_PER_S, timezone(timedelta(hours=8)))
    at = stamp(at_ns)
    assert at.f7 == at.date + at.time == beijing.strftime("%m%d%H%M%S")
    assert clock_text(at_ns) == beijing.isoformat(" ")
    assert clock_text(at_ns + 7_000_000 - at_ns % NS_PER_S, fine=True) == beijing.replace(
        microsecond=7000
    ).isoformat(" ", "milliseconds")
    assert at.day == beijing.strftime("%Y%m%d")
    assert int(at.day_of_year) == beijing.timetuple().tm_yday


@pytest.mark.parametrize(
    "text",
    [
        "2026-09-21T14:03:05+08:00",
        "2026-09-21T06:03:05Z",
        "2026-09-21 14:03:05",
        "2026-09-21T14:03:05",
        "20260921T140305+0800",
    ],
)
def test_a_moment_in_words(text):
    assert of_iso(text) == 1_789_970_585 * NS_PER_S
    assert clock_text(of_iso(text)) == "2026-09-21 14:03:05+08:00"


def test_a_moment_finer_than_a_second():
    assert of_iso("2026-09-21T14:03:05.000001+08:00") == 1_789_970_585 * NS_PER_S + 1000


@pytest.mark.parametrize("text", ["", "yesterday", "14:03", "2026-13-01T00:00:00"])
def test_what_is_no_moment(text):
    with pytest.raises(ValueError):
        of_iso(text)


@given(st.integers(0, 4_000_000_000))
def test_moments_go_there_and_back(second):
    assert of_iso(clock_text(second * NS_PER_S)) == second * NS_PER_S


def test_months_are_those_of_beijing():
    new_year_ns = 1_767_196_800 * NS_PER_S  # 2026-01-01 00:00 in Beijing
    assert month_number(new_year_ns) == 2026 * 12
    assert month_number(new_year_ns - 1) == 2026 * 12 - 1
    assert month_number(new_year_ns + 31 * 86_400 * NS_PER_S) == 2026 * 12 + 1
