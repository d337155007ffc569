"""PIN formats against other people's code, and which may become which."""

import random
from itertools import product

import psec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import CryptoError
from posswitch.crypto import pinblock
from posswitch.crypto.ciphers import AES, TDES, xor
from posswitch.crypto.pinblock import PinFormat, decode, encode, may_translate, translate

digits = st.sampled_from("0123456789")
pins, pans = st.text(digits, min_size=4, max_size=12), st.text(digits, min_size=13, max_size=19)
formats = st.sampled_from(PinFormat)
seeds = st.integers(0, 1 << 30)
PAN = "6225000000000253"
WITH_PAN = [PinFormat.ISO_0, PinFormat.ISO_3, PinFormat.ISO_4]
ALLOWED = list(product([*WITH_PAN, PinFormat.ISO_1, PinFormat.CUP_1], WITH_PAN))
PAIRS = list(product(PinFormat, PinFormat))


def entropy(seed):
    return random.Random(seed).randbytes


@given(formats, pins, pans, seeds)
def test_what_is_encoded_decodes(format_, pin, pan, seed):
    block = encode(format_, pin, pan, entropy(seed))
    assert len(block) == pinblock.block_bytes(format_)
    assert decode(format_, block, pan) == pin


@given(pins, pans, seeds)
def test_encoded_blocks_are_read_by_psec(pin, pan, seed):
    assert encode(PinFormat.ISO_0, pin, pan, entropy(seed)) == psec.pinblock.encode_pinblock_iso_0(pin, pan)
    assert encode(PinFormat.ISO_2, pin, pan, entropy(seed)) == psec.pinblock.encode_pinblock_iso_2(pin)
    assert psec.pinblock.decode_pinblock_iso_3(encode(PinFormat.ISO_3, pin, pan, entropy(seed)), pan) == pin
    key = entropy(seed)(16)
    field = encode(PinFormat.ISO_4, pin, pan, entropy(seed))
    block = pinblock.encipher(PinFormat.ISO_4, AES.encryptor(key), field, pan)
    assert psec.pinblock.decipher_pinblock_iso_4(key, block, pan) == pin


@given(pins, pans, st.binary(min_size=16, max_size=16))
def test_blocks_of_psec_are_read(pin, pan, key):
    assert decode(PinFormat.ISO_2, psec.pinblock.encode_pinblock_iso_2(pin), pan) == pin
    assert decode(PinFormat.ISO_3, psec.pinblock.encode_pinblock_iso_3(pin, pan), pan) == pin
    block = psec.pinblock.encipher_pinblock_iso_4(key, pin, pan)
    field = pinblock.decipher(PinFormat.ISO_4, AES.decryptor(key), block, pan)
    assert decode(PinFormat.ISO_4, field, pan) == pin


def read_by_psec(format_, block, pan):
    read = {
        PinFormat.ISO_0: lambda: psec.pinblock.decode_pinblock_iso_0(block, pan),
        PinFormat.ISO_2: lambda: psec.pinblock.decode_pinblock_iso_2(block),
        PinFormat.ISO_3: lambda: psec.pinblock.decode_pinblock_iso_3(block, pan),
        PinFormat.ISO_4: lambda: psec.pinblock.decode_pin_field_iso_4(block),
    }
    try:
        return read[format_]()
    except ValueError:
        return None


def read_here(format_, block, pan):
    try:
        return decode(format_, block, pan)
    except CryptoError:
        return None


@given(st.sampled_from((PinFormat.ISO_0, PinFormat.ISO_2, PinFormat.ISO_3, PinFormat.ISO_4)), pans, st.data())
def test_a_block_is_accepted_exactly_when_psec_accepts_it(format_, pan, data):
    size = pinblock.block_bytes(format_)
    block = bytearray(data.draw(st.binary(min_size=size, max_size=size)))
    if data.draw(st.booleans()):  # a whole block with one digit changed
        block[:] = encode(format_, data.draw(pins), pan, entropy(1))
        block[data.draw(st.integers(0, 7))] ^= data.draw(st.sampled_from((0, 1, 15, 16, 240)))
    assert read_here(format_, bytes(block), pan) == read_by_psec(format_, bytes(block), pan)


@given(st.binary(min_size=8, max_size=8), pans)
def test_the_payment_paths_reader_is_the_tables(block, pan):
    start = bytes((0x04,)) + block[1:]
    for some in (block, start, encode(PinFormat.ISO_0, "123456", pan, entropy(0))):
        try:
            expected = decode(PinFormat.ISO_0, some, pan)
        except CryptoError as error:
            with pytest.raises(CryptoError, match=str(error)):
                pinblock.decode_iso0(some, pan)
        else:
            assert pinblock.decode_iso0(some, pan) == expected


def test_fill_is_drawn_where_the_format_wants_it():
    for format_ in PinFormat:
        blocks = {encode(format_, "1234", PAN, entropy(seed)) for seed in range(20)}
        drawn = format_ in (PinFormat.ISO_1, PinFormat.ISO_3, PinFormat.ISO_4)
        assert len(blocks) == (20 if drawn else 1)


def test_every_fill_digit_of_format_3_comes_up_evenly():
    counts = dict.fromkeys("abcdef", 0)
    for seed in range(600):
        field = xor(
            encode(PinFormat.ISO_3, "1234", PAN, entropy(seed)), bytes.fromhex("0000" + PAN[-13:-1])
        ).hex()
        for digit in field[6:]:
            counts[digit] += 1
    assert all(850 < count < 1150 for count in counts.values())  # 6,000 digits, 1,000 of each


@pytest.mark.parametrize(("from_", "to"), PAIRS)
def test_the_table_of_translations_is_the_rule(from_, to):
    assert may_translate(from_, to) == ((from_, to) in ALLOWED)


def test_no_translation_ends_without_the_pan():
    without = (PinFormat.ISO_1, PinFormat.ISO_2, PinFormat.CUP_1)
    assert not [pair for pair in PAIRS if may_translate(*pair) and pair[1] in without]


@given(st.sampled_from(PAIRS), pins, pans, seeds)
def test_a_pin_is_the_same_after_an_allowed_translation(pair, pin, pan, seed):
    from_, to = pair
    block = encode(from_, pin, pan, entropy(seed))
    if pair in ALLOWED:
        translated = translate(from_, to, block, pan, entropy(seed + 1))
        assert decode(to, translated, pan) == pin
        assert translated[0] >> 4 not in (1, 2)
    else:
        with pytest.raises(CryptoError, match="may not become"):
            translate(from_, to, block, pan, entropy(seed))


# PIN fields that are wrong; {0} is the format's digit, {1} one that may stand behind a PIN.
WRONG = {
    "another format": "5{0}1234" + 10 * "{1}",
    "too short": "{0}3123" + 11 * "{1}",
    "too long": "{0}D1234567890123{1}",
    "a letter in the PIN": "{0}412A4" + 10 * "{1}",
    "filler inside the PIN": "{0}61234" + 10 * "{1}",
    "wrong filler": "{0}41234" + 9 * "{1}" + "0",
}
BEHIND = {
    PinFormat.ISO_0: "F",
    PinFormat.ISO_1: "B",
    PinFormat.ISO_3: "B",
    PinFormat.ISO_4: "A",
    PinFormat.CUP_1: "F",
}


def wrong_blocks(format_):
    digit = "0" if format_ is PinFormat.CUP_1 else format_[-1]
    for what, field in WRONG.items():
        if (format_, what) != (PinFormat.ISO_1, "wrong filler"):  # anything may stand behind its PIN
            block = bytes.fromhex(field.format(digit, BEHIND[format_])[:16])
            if format_ in (PinFormat.ISO_0, PinFormat.ISO_3):
                block = xor(block, bytes.fromhex("0000" + PAN[-13:-1]))
            yield block + bytes(pinblock.block_bytes(format_) - 8), PAN
    if format_ in (PinFormat.ISO_0, PinFormat.ISO_3):
        yield encode(format_, "123456", PAN, entropy(1)), PAN[:-5] + "9" + PAN[-4:]


@pytest.mark.parametrize(("from_", "to"), ALLOWED)
def test_whatever_is_wrong_with_a_block_the_answer_is_the_same(from_, to):
    answers = []
    for block, pan in wrong_blocks(from_):
        with pytest.raises(CryptoError) as raised:
            translate(from_, to, block, pan, entropy(2))
        answers.append(str(raised.value))
    assert len(answers) >= 5
    assert set(answers) == {f"PIN block: not {from_} with this key and PAN"}


@given(pins, pans, st.binary(min_size=16, max_size=16))
def test_format_4_does_not_open_with_another_pan(pin, pan, key):
    field = encode(PinFormat.ISO_4, pin, pan, entropy(1))
    block = pinblock.encipher(PinFormat.ISO_4, AES.encryptor(key), field, pan)
    assert pinblock.decipher(PinFormat.ISO_4, AES.decryptor(key), block, pan) == field
    other = ("1" if pan[0] == "0" else "0") + pan[1:]
    assert pinblock.decipher(PinFormat.ISO_4, AES.decryptor(key), block, other) != field


@given(formats.filter(lambda format_: format_ is not PinFormat.ISO_4), pins, pans)
def test_the_other_formats_are_one_encryption(format_, pin, pan):
    key, block = bytes(range(16)), encode(format_, pin, pan, entropy(3))
    sealed = pinblock.encipher(format_, TDES.encryptor(key), block, pan)
    assert sealed == TDES.encrypt(key, block)
    assert pinblock.decipher(format_, TDES.decryptor(key), sealed, pan) == block


NO_PINS = ("", "123", "1" * 13, "12A4", "١٢٣٤")
REFUSED = {
    **{
        f"{format_} of PIN {number}": lambda format_=format_, pin=pin: encode(format_, pin, PAN, bytes)
        for format_ in PinFormat
        for number, pin in enumerate(NO_PINS)
    },
    **{
        f"{format_} of {size} bytes": lambda format_=format_, size=size: decode(format_, bytes(size), PAN)
        for format_ in PinFormat
        for size in (0, 7, 8, 9, 15, 16, 17)
        if size != pinblock.block_bytes(format_)
    },
    **{
        f"{way} {format_} of 9 bytes": lambda way=way, format_=format_: getattr(pinblock, way)(
            format_, bytes, bytes(9), PAN
        )
        for way in ("encipher", "decipher")
        for format_ in PinFormat
    },
    **{
        f"{format_} with a PAN of 12": lambda format_=format_: encode(format_, "1234", PAN[:12], bytes)
        for format_ in (PinFormat.ISO_0, PinFormat.ISO_3)
    },
    "iso-4 with a PAN of 12": lambda: pinblock.encipher(PinFormat.ISO_4, bytes, bytes(16), PAN[:12]),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_unusable_input_is_a_crypto_error_that_says_nothing(call):
    with pytest.raises(CryptoError) as raised:
        call()
    said = str(raised.value)
    assert "\n" not in said
    assert not any(secret in said for secret in (PAN, PAN[:12], "12A4", "1234"))
