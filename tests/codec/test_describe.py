"""Nothing sensitive is shown unless revealed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import CodecError
from posswitch.codec import Message, decode_json, describe, load_dialect, pack_tlv

PAN = "6222021234567894"
TEXT_FIELDS = [43, 44, 46, 47, 48, 54, 56, 57, 58, 59, 60, 61, 62, 63, *range(102, 128)]


def test_card_data_is_masked() -> None:
    fields = {
        2: PAN,
        4: "000000012345",
        14: "2912",
        35: PAN + "D2912",
        36: "99" + PAN,
        45: "B" + PAN,
        52: b"\x01" * 8,
        64: b"\xab" * 8,
        96: b"\x02" * 8,
    }
    shown = describe(Message("0200", dict(fields)))
    assert shown["2"] == "622202******7894"
    assert shown["4"] == "000000012345"
    assert shown["64"] == "AB" * 8
    for number in ("14", "35", "36", "45"):
        assert set(shown[number]) == {"*"}
    assert shown["52"] == shown["96"] == "*** (8 bytes)"


def test_reveal_shows_everything() -> None:
    message = Message("0200", {2: PAN, 52: b"\xab" * 8, 43: "x"})
    assert describe(message, reveal=True) == {"2": PAN, "43": "x", "52": "AB" * 8}


@pytest.mark.parametrize("number", TEXT_FIELDS)
@pytest.mark.parametrize("text", [PAN, f"card {PAN}.", "6222 0212 3456 7894", "6222-0212-3456-7894"])
def test_a_card_number_in_free_text_is_not_shown(number: int, text: str) -> None:
    shown = describe(Message("0320", {number: text}))[str(number)]
    assert "123456" not in shown.replace(" ", "").replace("-", "")


@given(
    st.sampled_from([number for number in TEXT_FIELDS if number not in (60, 61)]),
    st.text(max_size=10),
    st.text(max_size=10),
    st.text("0123456789", max_size=12),
)
def test_a_card_number_is_found_wherever_it_hides(number: int, before: str, after: str, digits: str) -> None:
    shown = describe(Message("0200", {number: f"{before}{digits}{PAN}{digits}{after}"}))[str(number)]
    assert PAN not in shown


def test_a_card_number_in_hexadecimal_or_wide_digits_is_not_shown() -> None:
    wide = "".join(chr(ord(char) - 48 + 0xFF10) for char in PAN)
    for text in (f"5A08{PAN}", PAN.encode().hex(), wide):
        assert text not in describe(Message("0200", {63: text}))["63"]


def test_bytes_nobody_knows_are_counted_only() -> None:
    shown = describe(Message("0810", {62: bytes.fromhex(PAN) * 5, 63: b"\xff" * 3, 4: b"\x01"}))
    assert shown == {"4": "*** (1 bytes)", "62": "*** (40 bytes)", "63": "*** (3 bytes)"}


def test_keys_in_text_are_starred_and_totals_are_not() -> None:
    assert describe(Message("0810", {62: "A1B2"}))["62"] == "****"
    assert describe(Message("0500", {48: "0" * 62}))["48"] == "0" * 62
    assert PAN not in describe(Message("0500", {48: PAN}))["48"]
    assert PAN not in describe(Message("0500", {48: PAN * 3 + "0" * 14 + "9"}))["48"]
    assert set(describe(Message("0320", {48: "01" + "0" * 40}))["48"]) == {"*"}


def test_chip_data_keeps_what_is_harmless() -> None:
    data = pack_tlv(
        [("9F36", b"\x00\x34"), ("5A", bytes.fromhex(PAN)), ("57", b"\x62" * 5), ("5F24", b"\x29\x12\x31")]
    )
    shown = describe(Message("0200", {55: data}))["55"]
    assert shown == "9F360200345A08" + "*" * 16 + "5705" + "*" * 10 + "5F2403" + "*" * 6


def test_a_card_number_under_another_tag_or_in_no_tlv_is_not_shown() -> None:
    for data in (
        pack_tlv([("9F7C", bytes.fromhex(PAN))]),
        pack_tlv([("70", pack_tlv([("5A", bytes.fromhex(PAN))]))]),
        b"\x57\x7f" + bytes.fromhex(PAN),
    ):
        assert PAN not in describe(Message("0200", {55: data}))["55"]


def test_a_harmless_field_longer_than_the_standard_is_free_text() -> None:
    assert PAN not in describe(Message("0200", {41: PAN, 37: "x" * 12}))["41"]


def test_decode_json() -> None:
    text = b"0800".hex() + b"0020000000800000".hex() + b"123456".hex() + b"TERMID01".hex()
    assert decode_json(load_dialect("iso87a"), text, reveal=False) == {
        "mti": "0800",
        "fields": {"11": "123456", "41": "TERMID01"},
    }
    json.dumps(decode_json(load_dialect("iso87a"), text, reveal=True))
    with pytest.raises(CodecError) as caught:
        decode_json(load_dialect("iso87a"), "30 38 zz", reveal=False)
    assert caught.value.offset == 2
    with pytest.raises(CodecError):
        decode_json(load_dialect("iso87a"), "303", reveal=False)
