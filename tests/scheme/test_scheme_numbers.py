"""Trace numbers and reference numbers: a vector each, and round trips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.moment import NS_PER_S, stamp
from posswitch.scheme.interbank import original_data
from posswitch.scheme.numbers import (
    RRN_SERIALS,
    STAN_MAX,
    make_rrn,
    next_stan,
    payment_of_rrn,
    skipped_stan,
)

NEW_YEAR = stamp(1_767_196_800 * NS_PER_S)  # 2026-01-01 00:00:00 in Beijing
NODES = st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
PAYMENTS = st.integers(1, 5 * RRN_SERIALS)


@pytest.mark.parametrize(("stan", "following"), [(0, 1), (1, 2), (999_998, 999_999), (999_999, 1)])
def test_trace_numbers_wrap_and_skip_zero(stan, following):
    assert next_stan(stan) == following


@given(st.integers(0, STAN_MAX))
def test_a_trace_number_is_one_to_999999_and_moves(stan):
    assert 1 <= next_stan(stan) <= STAN_MAX
    assert next_stan(stan) != stan


@pytest.mark.parametrize(
    ("payment", "rrn"),
    [
        (1, "6001A0000001"),
        (35, "6001A000000Z"),
        (36, "6001A0000010"),
        (RRN_SERIALS - 1, "6001AZZZZZZZ"),
        (RRN_SERIALS, "6001A0000000"),
        (RRN_SERIALS + 1, "6001A0000001"),
    ],
)
def test_a_reference_number_by_hand(payment, rrn):
    assert make_rrn(NEW_YEAR, "A", payment) == rrn


def test_the_last_day_of_a_leap_year():
    assert make_rrn(stamp(1_861_891_199 * NS_PER_S - 1), "A", 1)[:4] == "8366"


@given(st.integers(0, 4_102_444_800), NODES, PAYMENTS, st.integers(0, RRN_SERIALS - 1))
def test_a_reference_number_leads_back_to_its_payment(second, node, payment, since):
    rrn = make_rrn(stamp(second * NS_PER_S), node, payment)
    assert (len(rrn), rrn.isascii(), rrn.isalnum()) == (12, True, True)
    assert payment_of_rrn(rrn, node, payment + since) == payment


@given(*[st.integers(1, RRN_SERIALS - 1)] * 2)
def test_reference_numbers_of_a_day_are_ordered_like_payments(one, other):
    assert (make_rrn(NEW_YEAR, "A", one) < make_rrn(NEW_YEAR, "A", other)) == (one < other)


@given(PAYMENTS)
def test_a_reference_number_of_a_payment_to_come_means_none_or_an_older_one(payment):
    found = payment_of_rrn(make_rrn(NEW_YEAR, "A", payment), "A", payment - 1)
    assert found == max(0, payment - RRN_SERIALS)


@given(st.integers(1, STAN_MAX), st.integers(0, 400_000))
def test_a_skipped_trace_number_is_far_from_those_that_followed(stan, lost):
    assert 1 <= skipped_stan(stan) <= STAN_MAX
    assert (stan + lost - 1) % STAN_MAX + 1 != skipped_stan(stan)


@pytest.mark.parametrize(
    "rrn",
    [
        "",
        "6001A000001",
        "6001A00000001",
        "6001B0000001",
        "6001A00000z1",
        "6001A000 001",
        "6001A+000001",
        "6001A0000_01",
    ],
)
def test_a_reference_number_of_another_is_no_payment(rrn):
    assert payment_of_rrn(rrn, "A", 10**12) == 0


@given(st.text(max_size=14), NODES, PAYMENTS)
def test_any_text_is_a_payment_or_none(rrn, node, last):
    assert 0 <= payment_of_rrn(rrn, node, last) <= last


def test_original_data_by_hand():
    told = original_data("0200", 17, "0615100000", "01020000", "00010000")
    assert told == "0200" + "000017" + "0615100000" + "00001020000" + "00000010000"


@given(
    st.sampled_from(["0100", "0200", "0220"]),
    st.integers(1, STAN_MAX),
    st.from_regex(r"[0-9]{10}", fullmatch=True),
    st.from_regex(r"[0-9]{8,11}", fullmatch=True),
    st.from_regex(r"[0-9]{8,11}", fullmatch=True),
)
def test_original_data_is_42_digits_and_can_be_taken_apart(mti, stan, f7, acquirer, forwarder):
    told = original_data(mti, stan, f7, acquirer, forwarder)
    assert (len(told), told.isdigit()) == (42, True)
    assert (told[:4], int(told[4:10]), told[10:20]) == (mti, stan, f7)
    assert (int(told[20:31]), int(told[31:])) == (int(acquirer), int(forwarder))
