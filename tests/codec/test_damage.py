"""Each likely cause is found on messages damaged that way, and nothing secret is said."""

import base64
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posswitch.base.errors import CodecError
from posswitch.codec import BUILT_IN, PREFIXES, Dialect, Message, examine, examine_text, framed, load_dialect
from posswitch.codec.profile import variant
from posswitch.codec.verdict import TEXT_VERDICTS, VERDICTS, variable_fields

from .traffic import draw_message

SEEDS = range(12)
FAMILIES = ("pos", "cups", "iso87a", "iso87b")


def drawn(name: str, seed: int, wants: int = 0) -> tuple[Dialect, Message, bytes]:
    """A dialect, a seeded message of it that has field `wants`, and its bytes."""
    dialect, rng = load_dialect(name), random.Random(f"{name}{seed}")
    while True:
        message = draw_message(rng, BUILT_IN[name])
        message.fields = {n: v for n, v in message.fields.items() if n in dialect.columns}
        if not wants or wants in message.fields:
            return dialect, message, dialect.pack(message)


def causes(dialect: Dialect, payload: bytes) -> list[str]:
    """The names of the likely causes of bytes that `dialect` refuses."""
    with pytest.raises(CodecError) as caught:
        dialect.unpack(payload)
    return [cause.name for cause in examine(dialect, payload, caught.value).causes]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("seed", SEEDS)
class TestFound:
    @pytest.mark.parametrize("prefix", PREFIXES)
    def test_length_prefix_still_in_front(self, name, seed, prefix):
        dialect, _, payload = drawn(name, seed)
        assert causes(dialect, framed(prefix, payload))[0] == "length-prefix"

    def test_hexadecimal_twice(self, name, seed):
        dialect, _, payload = drawn(name, seed)
        assert causes(dialect, payload.hex().encode())[0] == "hex-twice"

    def test_base64(self, name, seed):
        dialect, _, payload = drawn(name, seed)
        assert causes(dialect, base64.b64encode(payload))[0] == "base64"

    def test_pasted_twice(self, name, seed):
        dialect, _, payload = drawn(name, seed)
        assert causes(dialect, payload * 2)[0] == "pasted-twice"

    @pytest.mark.parametrize("prefix", [None, "bin2", "ascii4"])
    def test_two_frames(self, name, seed, prefix):
        dialect, _, payload = drawn(name, seed)
        other = drawn(name, seed + 100)[2]
        assert causes(dialect, payload + (framed(prefix, other) if prefix else other))[0] == "trailing"

    @pytest.mark.parametrize("stray", [b"\r\n", b"\x00", b"\xff" * 5])
    def test_stray_bytes(self, name, seed, stray):
        dialect, _, payload = drawn(name, seed)
        assert "trailing" in causes(dialect, payload + stray)

    def test_cut(self, name, seed):
        dialect, _, payload = drawn(name, seed)
        cut = random.Random(seed).randrange(dialect.bitmap_at + 20, len(payload))
        assert "truncated" in causes(dialect, payload[:cut])

    def test_line_ends_inside(self, name, seed):
        dialect, _, payload = drawn(name, seed)
        width = 32
        wrapped = b"\n".join(payload[at : at + width] for at in range(0, len(payload), width))
        if b"\n" not in payload:
            assert causes(dialect, wrapped)[0] == "wrapped"

    def test_a_header_too_many(self, name, seed):
        dialect, _, payload = drawn(name, seed)
        assert causes(dialect, bytes.fromhex("6000030000") + payload)[0] == "header-surplus"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("name", "cut"), [("pos", slice(11, None)), ("cups", slice(46, None)), ("pos", slice(5, None))]
)
def test_a_missing_header(name, cut, seed):
    dialect, _, payload = drawn(name, seed)
    assert "header-missing" in causes(dialect, payload[cut])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_six_bytes_behind_the_tpdu_are_missing(seed):
    dialect, _, payload = drawn("pos", seed)
    assert "header-missing" in causes(dialect, payload[:5] + payload[11:])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("read_as", "written"), [("pos", "cups"), ("cups", "pos"), ("pos", "iso87a"), ("iso87a", "iso87b")]
)
def test_another_dialect(read_as, written, seed):
    payload = drawn(written, seed)[2]
    assert "dialect" in causes(load_dialect(read_as), payload)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("name", "changes", "cause"),
    [
        ("pos", {"length_indicator": "ascii"}, "length-encoding"),
        ("cups", {"length_indicator": "bcd"}, "length-encoding"),
        ("pos", {"numeric": "ascii"}, "numeric-encoding"),
        ("pos", {"numeric": "ascii", "length_indicator": "ascii"}, "numeric-encoding"),
        ("cups", {"numeric": "bcd"}, "numeric-encoding"),
        ("cups", {"bitmap": "hex-ascii"}, "bitmap-encoding"),
        ("iso87a", {"bitmap_fixed_128": True}, "bitmap-128"),
        ("cups", {"binary_fields": "hex-ascii"}, "binary-encoding"),
    ],
)
def test_written_otherwise(name, changes, cause, seed):
    dialect, message, _ = drawn(name, seed, wants=35)
    payload = variant(dialect, **changes).pack(message)
    if payload != dialect.pack(message):
        found = causes(dialect, payload)
        assert cause in found or (cause == "numeric-encoding" and "length-encoding" in found)


@pytest.mark.parametrize("seed", SEEDS)
def test_odd_digits_padded_on_the_other_side(seed):
    dialect, message, _ = drawn("pos", seed, wants=35)
    message.fields[35] = str(message.fields[2])[:15] + "D49121200" + "1" * (1 + seed % 3 * 2) + "23"  # odd
    assert len(str(message.fields[35])) % 2
    payload = variant(dialect, odd_LLnumeric_pad="left").pack(message)
    assert "odd-pad" in causes(dialect, payload)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["cups", "iso87a"])
def test_everything_in_ebcdic(name, seed):
    dialect, message, _ = drawn(name, seed)
    if name == "cups":
        ways = dict.fromkeys(("mti", "numeric", "length_indicator", "text"), "ebcdic")
        payload = variant(dialect, **ways).pack(message)
    else:
        payload = dialect.pack(message).decode("latin-1").encode("cp037")
    assert "ebcdic" in causes(dialect, payload)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_one_bit_of_the_bitmap(name, seed):
    dialect, message, payload = drawn(name, seed)
    present = [n for n in message.fields if n < 64]
    number = random.Random(seed).choice([n for n in present if n not in (35, 55)])
    at, per_byte = dialect.bitmap_at + (number - 1) // dialect.bits_a_byte, dialect.bits_a_byte
    bit = 1 << (per_byte - 1 - (number - 1) % per_byte)
    turned = bytes((payload[at] ^ bit,)) if per_byte == 8 else b"%X" % (int(payload[at : at + 1], 16) ^ bit)
    damaged = payload[:at] + turned + payload[at + 1 :]
    try:
        dialect.unpack(damaged)
    except CodecError as error:
        found = {cause.name: cause.words for cause in examine(dialect, damaged, error).causes}
        assert "bitmap-bit" in found, found
        assert re.search(rf"\b{number}\b", found["bitmap-bit"].en)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_length(name, seed):
    dialect, message, payload = drawn(name, seed, wants=35)
    track = str(message.fields[35])
    prefixes = dialect.columns[35].prefixes
    right, wrong = prefixes[len(track)], prefixes[37 if len(track) < 34 else 20]
    at = dict(variable_fields(dialect, payload))[35]
    damaged = payload[:at] + wrong + payload[at + len(right) :]
    with pytest.raises(CodecError) as caught:
        dialect.unpack(damaged)
    found = {cause.name: cause.words.en for cause in examine(dialect, damaged, caught.value).causes}
    assert re.search(rf"field 35 should be .*\b{len(track)}\b", found.get("field-length", "")), found


def test_one_damaged_byte_among_digits():
    dialect, _, payload = drawn("pos", 1, wants=4)
    message = dialect.unpack(payload)
    at = payload.index(bytes.fromhex(str(message.fields[4])))
    assert causes(dialect, payload[: at + 2] + b"\xfa" + payload[at + 3 :])[0] == "one-byte"


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda payload: base64.b64encode(payload).decode(), "base64"),
        (lambda payload: ", ".join(f"0x{byte:02x}" for byte in payload), "separators"),
        (lambda payload: payload.hex(":"), "separators"),
        (lambda payload: payload.hex()[:-1], "odd-digits"),
        (
            lambda payload: "\n".join(
                f"{at:04x}: {payload[at : at + 16].hex(' ')}" for at in range(0, len(payload), 16)
            ),
            "dump",
        ),
    ],
)
def test_an_argument_that_is_not_hexadecimal(make, cause):
    dialect, _, payload = drawn("pos", 3)
    found = examine_text(dialect, make(payload), CodecError("not hexadecimal", None, 0))
    assert cause in [one.name for one in found.causes]


def test_a_message_given_as_itself():
    dialect, _, payload = drawn("iso87a", 3)
    found = examine_text(dialect, payload.decode("latin-1"), CodecError("not hexadecimal", None, 0))
    assert "raw-text" in [one.name for one in found.causes]


def _refused(dialect: Dialect, payload: bytes) -> CodecError | None:
    try:
        dialect.unpack(payload)
    except CodecError as error:
        return error
    return None


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FAMILIES), st.integers(0, 50), st.data())
def test_a_report_names_the_place_and_shows_no_card(name, seed, data):
    dialect, message, payload = drawn(name, seed, wants=2)
    at = data.draw(st.integers(0, len(payload) - 1))
    damaged = (
        payload[:at]
        + data.draw(st.binary(min_size=0, max_size=3))
        + payload[at + data.draw(st.integers(0, 3)) :]
    )
    error = _refused(dialect, damaged)
    if error is None:
        return
    damage = examine(dialect, damaged, error)
    assert (damage.field, damage.offset) == (error.field, error.offset)
    text = str(damage)
    pan = str(message.fields[2])
    for size in range(5, len(pan) + 1):
        assert pan[:size] not in re.sub(r"\D", " ", damage.stands) or size <= 4
    assert len(re.findall(r"\b[0-9A-F]{2}\b", damage.stands)) <= 2
    assert "无法读取" in text
    assert "unreadable" in text


def test_bytes_of_a_secret_field_are_counted_only():
    dialect, _, payload = drawn("pos", 5, wants=52)
    damage = examine(dialect, payload, CodecError("not a digit", 2, 25))
    assert "not shown" in damage.stands
    assert damage.where.en == "field 2 (Primary account number (PAN))"


def test_what_is_longer_than_any_frame_is_not_tried():
    dialect, _, payload = drawn("pos", 1)
    assert causes(dialect, payload * 2000) == ["too-long"]


def test_every_verdict_has_a_test_here():
    here = open(__file__, encoding="utf-8").read()  # noqa: PTH123, SIM115
    names = {name for name, _ in (*VERDICTS, *TEXT_VERDICTS)}
    assert [
        name for name in sorted(names) if f'"{name}"' not in here.partition("def test_every_verdict")[0]
    ] == []
