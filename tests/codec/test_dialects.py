"""The four built-in dialects: worked bytes, round trips, refusals, exact faults."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posswitch.base.bounds import PLANS_MAX
from posswitch.base.errors import CodecError
from posswitch.codec import Message, load_dialect
from posswitch.codec.encoding import TEXTS, encoding

from .strategies import NAMES, messages

POS_HEADER = bytes.fromhex("6000030000603100311004")
SALE = {
    2: "6222021234567894",
    3: "000000",
    4: "000000012345",
    11: "223344",
    22: "051",
    23: "001",
    25: "00",
    35: "6222021234567894D29122011234567890",
    41: "T0000001",
    42: "102310054110001",
    49: "156",
    52: bytes.fromhex("0123456789ABCDEF"),
    60: "22000001",
    64: bytes.fromhex("FEDCBA9876543210"),
}
ANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def fault(name: str, payload: bytes) -> tuple[int | None, int | None]:
    with pytest.raises(CodecError) as caught:
        load_dialect(name).unpack(payload)
    return caught.value.field, caught.value.offset


def refused(name: str, message: Message) -> int | None:
    with pytest.raises(CodecError) as caught:
        load_dialect(name).pack(message)
    return caught.value.field


@pytest.mark.parametrize("name", NAMES)
@ANY
@given(st.data())
def test_what_is_packed_unpacks_to_the_same(name: str, data: st.DataObject) -> None:
    message = data.draw(messages(name))
    dialect = load_dialect(name)
    payload = dialect.pack(message)
    assert dialect.unpack(payload) == message
    assert dialect.pack(dialect.unpack(payload)) == payload


@pytest.mark.parametrize("name", NAMES)
@ANY
@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_a_codec_error(name: str, payload: bytes) -> None:
    try:
        load_dialect(name).unpack(payload)
    except CodecError as error:
        assert error.offset is not None
        assert 0 <= error.offset <= len(payload)


def mutate(name: str, frames: int, seed: int) -> tuple[int, int]:
    """Damage good payloads `frames` times; how many were still messages, how many were refused."""
    chance = random.Random(seed)
    dialect = load_dialect(name)
    fields = {number: value for number, value in SALE.items() if name != "cups" or number != 60}
    good = [
        dialect.pack(Message("0200", fields, bytes(dialect.header_bytes))),
        dialect.pack(Message("0800", {11: "000001", 41: "T0000001"}, bytes(dialect.header_bytes))),
    ]
    read = refused = 0
    for _ in range(frames):
        payload = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(payload))
            kind = chance.randrange(4)
            if kind == 0:
                payload[at] = chance.randrange(256)
            elif kind == 1:
                payload[at] ^= 1 << chance.randrange(8)
            elif kind == 2 and len(payload) > 1:
                del payload[at : at + chance.randint(1, 3)]
            else:
                payload[at:at] = chance.randbytes(chance.randint(1, 3))
            if not payload:
                payload = bytearray(b"0")
        try:
            dialect.unpack(bytes(payload))
            read += 1
        except CodecError as error:
            assert error.offset is not None
            assert 0 <= error.offset <= len(payload)
            refused += 1
    return read, refused


@pytest.mark.parametrize("name", NAMES)
def test_twenty_thousand_damaged_frames(name: str) -> None:
    read, refused_count = mutate(name, 5_000, seed=1)
    assert read + refused_count == 5_000
    assert read > 50
    assert refused_count > 1_000


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_million_damaged_frames(name: str) -> None:
    assert sum(mutate(name, 250_000, seed=2)) == 250_000


def test_pos_bytes_are_those_of_the_terminals() -> None:
    message = Message("0200", {11: "000029", 22: "021", 23: "001", 60: "22000001"}, POS_HEADER)
    payload = load_dialect("pos").pack(message)
    assert payload == bytes.fromhex(
        "6000030000603100311004 0200 0020060000000010 000029 0210 0001 0008 22000001"
    )


def test_pos_counts_digits_nibbles_and_bytes() -> None:
    fields = {
        2: "6222021234567894123",
        35: "62220=29",
        43: "墨" + " " * 38,
        61: "000001000002112",
        62: b"\x01\x02",
    }
    payload = load_dialect("pos").pack(Message("0200", fields, POS_HEADER))
    body = payload[11 + 2 + 8 :]
    assert body.startswith(bytes.fromhex("19 62220212345678941230 08 62220d29 c4ab"))
    assert body.endswith(bytes.fromhex("0015 0000010000021120 0002 0102"))
    assert load_dialect("pos").unpack(payload).fields[35] == "62220D29"


def test_cups_writes_the_second_bitmap_only_when_needed() -> None:
    dialect = load_dialect("cups")
    short = dialect.pack(Message("0800", {11: "000001"}, bytes(46)))
    long = dialect.pack(Message("0800", {11: "000001", 70: "301"}, bytes(46)))
    assert short[46:] == b"0800" + bytes.fromhex("0020000000000000") + b"000001"
    assert long[46:] == b"0800" + bytes.fromhex("80200000000000000400000000000000") + b"000001301"


def test_iso87b_signed_amount_is_a_character_and_packed_digits() -> None:
    dialect = load_dialect("iso87b")
    payload = dialect.pack(Message("0200", {28: "D00000100", 27: "1"}))
    assert payload == bytes.fromhex("0200 0000003000000000 01 44 00000100")
    assert dialect.unpack(payload).fields == {27: "1", 28: "D00000100"}


def test_text_that_is_not_text_stays_bytes() -> None:
    dialect = load_dialect("pos")
    message = Message("0200", {42: "1" * 13 + "银", 43: b"\xff" * 40, 63: b"\x80 "}, POS_HEADER)
    assert dialect.unpack(dialect.pack(message)) == message


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_any_two_bytes_of_text_are_written_back(name: str) -> None:
    text = encoding("text", name, "left")
    for number in range(65_536):
        chunk = number.to_bytes(2, "big")
        assert text.write(text.read(chunk, 2)) == chunk


def test_latin_1_never_stays_bytes() -> None:
    dialect = load_dialect("iso87a")
    assert dialect.unpack(dialect.pack(Message("0200", {43: b"\xff" * 40}))).fields[43] == "ÿ" * 40


@pytest.mark.parametrize(
    ("name", "hex_text", "field", "offset"),
    [
        ("iso87a", "", 0, 0),
        ("iso87a", b"08".hex(), 0, 0),
        ("iso87a", b"08A0".hex(), 1, 4),
        ("iso87a", b"08A00000000000000000".hex(), 0, 2),
        ("iso87a", b"0800000000".hex(), 1, 4),
        ("iso87a", b"080000000000000G0000".hex(), 1, 15),
        ("iso87a", b"08000020000000000000000G01".hex(), 11, 23),
        ("iso87a", b"0800002000000000000000001".hex(), 11, 20),
        ("iso87a", b"080000200000000000000000010".hex(), None, 26),
        ("iso87a", b"080040000000000000000A".hex(), 2, 20),
        ("iso87a", (b"0800400000000000000020" + b"1" * 20).hex(), 2, 20),
        ("iso87a", b"080000000000000010000123456789ABCDEX".hex(), 52, 35),
        ("iso87a", b"080080000000000000008000000000000000".hex(), 65, 36),
        ("pos", "6000", None, 2),
        ("pos", POS_HEADER.hex() + "08", 0, 11),
        ("pos", POS_HEADER.hex() + "0800" + "0020000000000000" + "0000A1", 11, 23),
        ("pos", POS_HEADER.hex() + "0800" + "0000040000000000" + "0215", 22, 22),
        ("pos", POS_HEADER.hex() + "0800" + "0000020000000000" + "1021", 23, 21),
        ("pos", POS_HEADER.hex() + "0800" + "4000000000000000" + "0462A2", 2, 23),
        ("pos", POS_HEADER.hex() + "0800" + "0220000000000000" + "000001", 7, 21),
        ("cups", "00" * 46 + b"0800".hex() + "0000000000008000" + b"301".hex(), 49, 58),
    ],
)
def test_a_fault_is_placed_exactly(name: str, hex_text: str, field: int | None, offset: int) -> None:
    if name == "cups":
        hex_text = hex_text[:-2]
    assert fault(name, bytes.fromhex(hex_text)) == (field, offset)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({4: "12345"}, 4),
        ({4: "00000001234A"}, 4),
        ({4: "٠٠٠٠٠٠٠١٢٣٤٥"}, 4),
        ({4: b"000000012345"}, 4),
        ({4: "00000001234\ud800"}, 4),
        ({43: "\ud800" * 40}, 43),
        ({3: "000000", 4: "00000001234 ", 5: "000000000000"}, 4),
        ({2: "1" * 20}, 2),
        ({35: "123\n"}, 35),
        ({41: "T000001"}, 41),
        ({41: "T000000交"}, 41),
        ({44: "x" * 26}, 44),
        ({52: "0123456789ABCDEF"}, 52),
        ({52: b"1234567"}, 52),
        ({28: "C0000010X"}, 28),
        ({28: ""}, 28),
        ({1: "x"}, 1),
        ({65: b"12345678"}, 65),
        ({129: "x"}, 129),
    ],
)
def test_a_value_that_does_not_fit_names_its_field(fields: dict[int, str | bytes], field: int) -> None:
    assert refused("iso87a", Message("0200", fields)) == field


def test_header_and_mti_must_fit() -> None:
    assert refused("pos", Message("0200", {}, b"")) is None
    assert refused("iso87a", Message("020", {})) == 0
    assert refused("iso87a", Message("02x0", {})) == 0
    assert refused("iso87b", Message("٠200", {})) == 0


def test_plans_are_bounded_and_forgetting_changes_nothing() -> None:
    dialect = load_dialect("iso87a")
    for number in range(PLANS_MAX + 10):
        mti = f"{number:04d}"
        payload = dialect.pack(Message(mti, {11: "000001"}))
        assert dialect.unpack(payload).mti == mti
    assert len(dialect._read_plans) <= PLANS_MAX
    assert len(dialect._write_plans) <= PLANS_MAX


def test_the_order_of_fields_does_not_matter() -> None:
    dialect = load_dialect("pos")
    backwards = Message("0200", dict(reversed(SALE.items())), POS_HEADER)
    assert dialect.pack(backwards) == dialect.pack(Message("0200", dict(SALE), POS_HEADER))


def test_nothing_shows_a_value() -> None:
    message = Message("0200", dict(SALE), POS_HEADER)
    shown = f"{message!r} {message.__rich_repr__()} {load_dialect('pos')!r}"
    assert "62220" not in shown
    assert "0123" not in shown.upper()
    assert repr(Message("0200", {4: "1", 2: "2"})) == "Message(0200, fields 2 4)"


def test_errors_carry_no_content() -> None:
    with pytest.raises(CodecError) as caught:
        load_dialect("pos").pack(Message("0200", {2: "6222021234567894XX"}, POS_HEADER))
    assert "6222" not in f"{caught.value} {caught.value!r} {caught.value.args}"
    assert caught.value.__suppress_context__
