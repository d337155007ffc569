"""Field 62 in every layout: what is packed opens, what is damaged does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import kcv, tdes_encrypt
from posswitch.crypto.signon import (
    DOUBLE,
    DOUBLE_AND_TRACK,
    LAYOUTS,
    SINGLE,
    WorkingKeys,
    field_bytes,
    open_f62,
    open_working_keys,
    pack_f62,
    pack_working_keys,
)

keys8, keys16 = st.binary(min_size=8, max_size=8), st.binary(min_size=16, max_size=16)
# A 16-byte key whose second half encrypts to zeros would be taken for one of 8: once in 2**64.
ROWS = [
    (SINGLE, 8, 8, 0, 24),
    (DOUBLE, 16, 8, 0, 40),
    (DOUBLE, 16, 16, 0, 40),
    (DOUBLE_AND_TRACK, 16, 8, 16, 60),
    (DOUBLE_AND_TRACK, 16, 16, 16, 60),
]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-mac{row[2]}")
TMK = bytes(range(16))


def keys_of(row, drawn):
    return WorkingKeys(drawn[: row[1]], drawn[16 : 16 + row[2]], drawn[32 : 32 + row[3]])


@each_row
@given(tmk=keys16, drawn=st.binary(min_size=48, max_size=48))
def test_packed_keys_open(row, tmk, drawn):
    keys = keys_of(row, drawn)
    f62 = pack_working_keys(row[0], tmk, keys)
    assert len(f62) == row[4] == field_bytes(row[0])
    assert open_working_keys(tmk, f62) == keys


@each_row
@given(drawn=st.binary(min_size=48, max_size=48), at=st.integers(0, 59), change=st.integers(1, 255))
def test_a_damaged_field_does_not_open(row, drawn, at, change):
    f62 = bytearray(pack_working_keys(row[0], TMK, keys_of(row, drawn)))
    f62[at % len(f62)] ^= change
    with pytest.raises(CryptoError, match="check value"):
        open_working_keys(TMK, bytes(f62))


def test_a_layout_is_written_byte_by_byte():
    pin, mac, track = bytes(range(16)), bytes(range(16, 24)), bytes(range(32, 48))
    f62 = pack_working_keys(DOUBLE_AND_TRACK, TMK, WorkingKeys(pin, mac, track))
    assert f62 == (
        tdes_encrypt(TMK, pin)
        + kcv(pin)
        + tdes_encrypt(TMK, mac)
        + bytes(8)
        + kcv(mac)
        + tdes_encrypt(TMK, track)
        + kcv(track)
    )
    assert pack_working_keys(SINGLE, TMK, WorkingKeys(pin[:8], mac)) == (
        tdes_encrypt(TMK, pin[:8]) + kcv(pin[:8]) + tdes_encrypt(TMK, mac) + kcv(mac)
    )


@given(keys16, keys16, keys8)
def test_the_usual_form_is_the_layout_of_003(tmk, pin, mac):
    assert pack_f62(tmk, pin, mac) == pack_working_keys("003", tmk, WorkingKeys(pin, mac))


@given(keys16, keys16, keys16)
def test_a_mac_key_of_16_opens_as_what_it_is(tmk, pin, mac):
    assert open_f62(tmk, pack_working_keys(DOUBLE, tmk, WorkingKeys(pin, mac))) == (pin, mac)


def test_keys_show_their_lengths_alone():
    keys = WorkingKeys(b"\xab" * 16, b"\xcd" * 8)
    assert repr(keys) == "WorkingKeys(pin 16, mac 8, track 0 bytes)"


REFUSED = {
    "nothing asked": lambda: pack_working_keys("002", TMK, WorkingKeys(TMK, TMK)),
    "length of nothing asked": lambda: field_bytes(""),
    "single asked, double given": lambda: pack_working_keys(SINGLE, TMK, WorkingKeys(TMK, TMK)),
    "double asked, single given": lambda: pack_working_keys(DOUBLE, TMK, WorkingKeys(TMK[:8], TMK[:8])),
    "no track key": lambda: pack_working_keys(DOUBLE_AND_TRACK, TMK, WorkingKeys(TMK, TMK)),
    "MAC key of 16 in the usual form": lambda: pack_f62(TMK, TMK, TMK),
    "60 bytes in the usual form": lambda: open_f62(TMK, bytes(60)),
    "TMK of 5": lambda: pack_f62(TMK[:5], TMK, TMK[:8]),
    **{
        f"{length} bytes": lambda length=length: open_working_keys(TMK, bytes(length))
        for length in range(90)
        if length not in (24, 40, 60)
    },
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_what_is_no_layout_is_refused_in_one_line(call):
    with pytest.raises(CryptoError, match=r"^[^\n]+$"):
        call()


def test_layouts_differ_in_length_so_that_the_length_tells_them():
    assert len({field_bytes(asked) for asked in LAYOUTS}) == len(LAYOUTS)
