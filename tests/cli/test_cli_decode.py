"""posswitch decode: in words and as JSON, masked unless asked, honest about where bytes go wrong."""

import json

import pytest
from cli_runs import one_line, posswitch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posswitch.codec import Message, cups_header, load_dialect
from posswitch.sim.peers.customer import Purchase
from posswitch.sim.peers.pos import sale, signed

PAN = "6290010000000211"
BOUGHT = Purchase(PAN, "4912", "123456", 4711)
POS, CUPS = load_dialect("pos"), load_dialect("cups")
FRAME = signed(POS, sale("10000001", "802440354110001", 7, "000001", BOUGHT, bytes(range(16))), bytes(8))
MESSAGE = POS.unpack(FRAME)


def test_text_names_every_field_in_both_languages_and_shows_no_card(capsys):
    ended = posswitch(capsys, "decode", FRAME.hex())
    assert ended.code == 0
    assert ended.out.startswith("MTI 0200  金融请求 · financial request\n")
    fields = [int(line[:3]) for line in ended.out.splitlines()[1:] if line[:3].strip()]
    assert fields == sorted(MESSAGE.fields)
    assert "主账号" in ended.out
    assert "Primary account number" in ended.out
    assert "629001******0211" in ended.out
    assert "000000004711" in ended.out


def secrets():
    """What may be shown only with --reveal."""
    return [PAN, BOUGHT.track2, MESSAGE.fields[52].hex().upper()]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_card_data_is_masked_unless_revealed(capsys, form):
    masked = posswitch(capsys, "decode", *form, FRAME.hex()).out
    assert [secret for secret in secrets() if secret in masked] == []
    shown = posswitch(capsys, "decode", *form, "--reveal", FRAME.hex()).out
    assert [secret for secret in secrets() if secret not in shown] == []


def test_json_is_mti_and_fields_with_binary_in_upper_case_hex(capsys):
    ended = posswitch(capsys, "decode", "--json", "--reveal", FRAME.hex())
    shown = {str(n): v.hex().upper() if isinstance(v, bytes) else v for n, v in MESSAGE.fields.items()}
    assert json.loads(ended.out) == {"mti": "0200", "fields": shown}
    assert ended.err == ""


def test_hex_may_be_lower_case_and_spaced(capsys):
    spaced = " ".join(FRAME.hex()[at : at + 8] for at in range(0, len(FRAME) * 2, 8))
    plain = posswitch(capsys, "decode", "--json", FRAME.hex().upper())
    assert posswitch(capsys, "decode", "--json", spaced) == plain


def test_a_frame_between_banks(capsys):
    payload = CUPS.pack(
        Message("0820", {7: "0115103000", 11: "000001", 33: "00010000", 70: "301"}, bytes(46))
    )
    payload = cups_header("90010000", "00010000", len(payload) - 46) + payload[46:]
    ended = posswitch(capsys, "decode", "--dialect", "cups", "--json", payload.hex())
    fields = {"7": "0115103000", "11": "000001", "33": "00010000", "70": "301"}
    assert json.loads(ended.out) == {"mti": "0820", "fields": fields}


DAMAGED = {
    "cut in the middle": (FRAME[:30].hex(), len(FRAME[:30])),
    "cut in the header": (FRAME[:5].hex(), 5),
    "empty": ("", 0),
    "half a byte": (FRAME.hex()[:-1], None),
    "no hex": ("zz" + FRAME.hex(), 0),
    "no hex later": (FRAME.hex()[:40] + "xy", 20),
    "a letter in the amount": (FRAME.replace(bytes.fromhex("4711"), bytes.fromhex("4f11")).hex(), None),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_damage_is_exit_2_with_error_field_and_offset(capsys, how):
    text, offset = DAMAGED[how]
    ended = posswitch(capsys, "decode", "--json", text)
    assert ended.code == 2
    said = json.loads(ended.out)
    assert set(said) == {"error", "field", "offset"}
    assert said["error"]
    assert 0 <= said["offset"] <= len(text) // 2
    if offset is not None:
        assert said["offset"] <= offset
    words = posswitch(capsys, "decode", text)
    assert words.code == 2
    assert words.out.startswith("无法读取 · unreadable: ")
    assert one_line(words.err)
    assert said["error"] in words.err


def test_the_offset_of_a_letter_among_digits_is_its_own(capsys):
    at = FRAME.index(bytes.fromhex("4711"))
    said = json.loads(posswitch(capsys, "decode", "--json", DAMAGED["a letter in the amount"][0]).out)
    assert (said["field"], said["offset"]) == (4, at)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(FRAME) - 1), st.integers(0, 255), st.integers(0, len(FRAME)))
def test_whatever_is_damaged_the_program_answers_as_promised(capsys, at, byte, cut):
    damaged = (FRAME[:at] + bytes((byte,)) + FRAME[at + 1 :])[:cut]
    ended = posswitch(capsys, "decode", "--json", damaged.hex())
    said = json.loads(ended.out)
    if ended.code:
        assert (ended.code, set(said)) == (2, {"error", "field", "offset"})
        assert 0 <= said["offset"] <= len(damaged)
    else:
        assert set(said) == {"mti", "fields"}


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (FRAME.hex(":"), "separators"),
        ("003c" + FRAME.hex(), "header"),
        (FRAME[:-20].hex(), "cut off"),
        (FRAME.hex() * 2, "twice"),
        (f"{len(FRAME):04x}" + FRAME.hex(), "2-byte binary length"),
    ],
)
def test_the_likely_cause_is_said_in_both_languages(capsys, text, cause):
    ended = posswitch(capsys, "decode", text)
    assert ended.code == 2
    assert "应为 · expected" in ended.out
    assert "可能原因 · likely cause" in ended.out
    assert cause in ended.out
    assert [secret for secret in secrets() if secret in ended.out + ended.err] == []


def test_a_dialect_file(capsys, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('base = "iso87a"\nheader_bytes = 2\n')
    payload = b"HH" + load_dialect("iso87a").pack(Message("0800", {11: "000042"}))
    ended = posswitch(capsys, "decode", "--dialect", str(file), "--json", payload.hex())
    assert json.loads(ended.out) == {"mti": "0800", "fields": {"11": "000042"}}


@pytest.mark.parametrize("content", [None, "base = 7", 'mti = "morse"', "{", '[fields]\n"1" = {length = 2}'])
def test_a_dialect_that_cannot_be_used_is_exit_2(capsys, tmp_path, content):
    file = tmp_path / "mine.toml"
    if content is not None:
        file.write_text(content)
    ended = posswitch(capsys, "decode", "--dialect", str(file), "--json", FRAME.hex())
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)
