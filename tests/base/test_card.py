"""Card numbers are checked by Luhn and masked wherever they could be shown."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.card import Pan, Track2, luhn_digit, luhn_ok, mask_pan, scrub

DIGITS = st.text("0123456789", min_size=12, max_size=18)


@pytest.mark.parametrize(
    ("digits", "good"),
    [
        ("79927398713", True),  # the worked example of most textbooks
        ("79927398710", False),
        ("4111111111111111", True),
        ("0", True),
        ("", False),
        ("41111111111111a1", False),
        ("４１１１", False),
    ],
)
def test_luhn(digits, good):
    assert luhn_ok(digits) is good


@given(DIGITS)
def test_exactly_one_check_digit_fits(digits):
    assert [check for check in "0123456789" if luhn_ok(digits + check)] == [luhn_digit(digits)]


@given(DIGITS, st.data())
def test_luhn_sees_every_single_wrong_digit(digits, data):
    pan = digits + luhn_digit(digits)
    at = data.draw(st.integers(0, len(pan) - 1))
    wrong = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != pan[at]]))
    assert not luhn_ok(pan[:at] + wrong + pan[at + 1 :])


@given(DIGITS)
def test_a_mask_keeps_first_six_and_last_four(digits):
    pan = digits + luhn_digit(digits)
    assert re.fullmatch(rf"{pan[:6]}\*{{{len(pan) - 10}}}{pan[-4:]}", mask_pan(pan))


def test_what_is_too_short_for_a_mask_is_all_stars():
    assert mask_pan("123456789012") == "*" * 12


@given(DIGITS, st.text("abc :=D^", min_size=1), st.text("abc :=D^", min_size=1))
def test_scrub_leaves_no_card_number(digits, before, after):
    pan = digits + luhn_digit(digits)
    assert scrub(before + pan + after) == before + mask_pan(pan) + after


def test_scrub_leaves_other_numbers():
    assert scrub("RRN 4111111111111112, trace 000123") == "RRN 4111111111111112, trace 000123"


def test_a_pan_shows_itself_masked_and_compares_as_digits():
    pan = Pan("6228480402564890018")
    assert repr(pan) == "Pan(622848*********0018)"
    assert "6228480402564890018" not in repr({"pan": pan})
    assert pan == "6228480402564890018"
    assert pan[:6] == "622848"


@pytest.mark.parametrize(
    ("track", "pan", "expiry"),
    [
        ("6228480402564890018=30122010000012300000", "6228480402564890018", "3012"),
        ("6228480402564890018D3012", "6228480402564890018", "3012"),
        ("6228480402564890018=30", "6228480402564890018", ""),
        ("6228480402564890018", "6228480402564890018", ""),
        ("", "", ""),
    ],
)
def test_a_track_is_read_and_shows_nothing(track, pan, expiry):
    read = Track2(track)
    assert (read.pan, read.expiry) == (pan, expiry)
    assert repr(read) == "Track2(…)"
