"""Field 48 of settlement and upload: what is written is read back, anything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.scheme.settlement import (
    TOTALS_DIGITS,
    Side,
    Uploaded,
    read_count,
    read_items,
    read_totals,
    write_items,
    write_totals,
)

AMOUNTS, COUNTS = st.integers(0, 10**12 - 1), st.integers(0, 999)
SIDES = st.builds(Side, AMOUNTS, COUNTS, AMOUNTS, COUNTS)
DIGITS = st.text("0123456789", min_size=1)
ITEMS = st.builds(
    Uploaded,
    st.from_regex(r"\A[0-9]{6}\Z"),
    st.from_regex(r"\A[1-9][0-9]{12,18}\Z"),
    AMOUNTS,
    st.booleans(),
)


def test_totals_as_the_terminal_writes_them():
    totals = "0000000123450020000000001000010" + "0" * 30 + "0"
    assert read_totals(totals) == (Side(12_345, 2, 100, 1), Side())
    assert write_totals(Side(12_345, 2, 100, 1), Side()) == totals
    answer = write_totals(Side(12_345, 2, 100, 1), Side(), "12")
    assert (answer[30], answer[61]) == ("1", "2")  # positions 31 and 62


@given(SIDES, SIDES)
def test_totals_come_back(domestic, foreign):
    written = write_totals(domestic, foreign)
    assert len(written) == TOTALS_DIGITS
    assert read_totals(written) == (domestic, foreign)


@given(st.lists(ITEMS, min_size=1, max_size=8))
def test_items_come_back(items):
    assert read_items(write_items(items)) == items


def test_an_item_as_the_terminal_writes_it():
    (item,) = read_items("01" + "01" + "000042" + "00004392250012345678" + "000000001000")
    assert item == Uploaded("000042", "4392250012345678", 1_000, True)
    assert "4392250012345678" not in repr(item)


@pytest.mark.parametrize(
    "f48", ["", "0", "00", "09" + "0" * 360, "01", "01" + "0" * 39, "01" + "0" * 41, "0x" + "0" * 40]
)
def test_what_is_no_upload(f48):
    assert read_items(f48) is None


@given(st.text())
def test_any_text_is_totals_items_a_count_or_nothing(text):
    for read in (read_totals, read_items, read_count):
        read(text)


@pytest.mark.parametrize(
    ("f48", "count"), [("0000", 0), ("0123", 123), ("123", None), ("12345", None), ("１２３４", None)]
)
def test_the_count_at_the_end(f48, count):
    assert read_count(f48) == count
