"""MACs and PIN blocks against other people's code and against the definitions written out naively."""

import sys
from concurrent.futures import ThreadPoolExecutor

import psec
import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import CryptoError
from posswitch.crypto import ciphers, mac, pinblock, signon
from posswitch.crypto.mab import interbank_text

keys8, keys16 = st.binary(min_size=8, max_size=8), st.binary(min_size=16, max_size=16)
datas = st.binary(max_size=600)
digits = st.sampled_from("0123456789")
pins = st.text(digits, min_size=4, max_size=12)
pans = st.text(digits, min_size=13, max_size=19)


def des(key, mode, data):
    encryptor = Cipher(TripleDES((key * 3)[:24]), mode).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def padded(data):
    return data + bytes(-len(data) % 8) or bytes(8)


def cup_mac_by_the_book(key, data):
    blocks = padded(data)
    folded = bytes(8)
    for start in range(0, len(blocks), 8):
        folded = bytes(a ^ b for a, b in zip(folded, blocks[start : start + 8], strict=True))
    text = folded.hex().upper().encode()
    first = des(key, modes.ECB(), text[:8])
    second = des(key, modes.ECB(), bytes(a ^ b for a, b in zip(first, text[8:], strict=True)))
    return second.hex().upper().encode()[:8]


@given(st.one_of(keys8, keys16), datas)
def test_cup_mac_is_its_definition(key, data):
    assert mac.cup_mac(key, data) == cup_mac_by_the_book(key, data)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 127, 128, 129, 200, 255, 257, 1023, 1025, 4096])
def test_cup_mac_folds_every_block(size):
    key, data = bytes(range(8)), bytes(n * 7 % 251 for n in range(size))
    assert mac.cup_mac(key, data) == cup_mac_by_the_book(key, data)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # psec's own
@given(keys16, datas)
def test_x919_agrees_with_psec(key, data):
    assert mac.x919(key, data) == psec.mac.generate_retail_mac(key[:8], key[8:], data, 1)


@given(keys8, datas)
def test_x99_agrees_with_a_fresh_cbc(key, data):
    assert mac.x99(key, data) == des(key, modes.CBC(bytes(8)), padded(data))[-8:]


@given(keys16, st.lists(datas, min_size=2, max_size=20))
def test_an_open_context_forgets_earlier_messages(key, messages):
    retail, cbc, cup = mac.RetailMac(key), mac.CbcMac(key), mac.CupMac(key)
    for data in messages * 2:
        assert retail.mac(data) == mac.RetailMac(key).mac(data)
        assert cbc.mac(data) == mac.CbcMac(key).mac(data)
        assert cup.mac(data) == mac.CupMac(key).mac(data)


def test_a_context_used_ten_thousand_times_still_gives_the_published_mac():
    retail = mac.RetailMac(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
    for size in range(10_000):
        retail.mac(bytes(size % 300))
    assert retail.mac(b"Now is the time for all ") == bytes.fromhex("A1C72E74EA3FA9B6")


def test_threads_do_not_share_a_stateful_context():
    key, messages = bytes(range(16)), [bytes([n]) * (n + 1) for n in range(64)]
    expected = [mac.RetailMac(key).mac(data) for data in messages]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            rounds = list(pool.map(lambda _: [mac.x919(key, data) for data in messages], range(40)))
    finally:
        sys.setswitchinterval(interval)
    assert rounds == [expected] * 40


@given(pins, pans)
def test_pin_blocks_agree_with_psec_and_return(pin, pan):
    block = pinblock.encode_iso0(pin, pan)
    assert block == psec.pinblock.encode_pinblock_iso_0(pin, pan)
    assert pinblock.decode_iso0(block, pan) == pin


@given(
    st.one_of(st.binary(min_size=8, max_size=8), st.binary(min_size=7, max_size=7).map(b"\x04".__add__)), pans
)
def test_a_block_is_accepted_exactly_when_psec_accepts_it(block, pan):
    try:
        expected = psec.pinblock.decode_pinblock_iso_0(block, pan)
    except ValueError:
        with pytest.raises(CryptoError):
            pinblock.decode_iso0(block, pan)
    else:
        assert pinblock.decode_iso0(block, pan) == expected


CLEAR_FIELDS = {
    "another format": "141234FFFFFFFFFF",
    "too short": "03123FFFFFFFFFFF",
    "too long": "0D1234567890123F",
    "a letter in the PIN": "04123AFFFFFFFFFF",
    "wrong filler": "041234FFFFFFFFF0",
    "filler inside the PIN": "061234FFFFFFFFFF",
}


@pytest.mark.parametrize("field", CLEAR_FIELDS.values(), ids=CLEAR_FIELDS)
def test_a_wrong_block_is_refused(field):
    pan = "6225000000000253"
    block = ciphers.xor(bytes.fromhex(field), bytes.fromhex("0000" + pan[-13:-1]))
    with pytest.raises(CryptoError):
        pinblock.decode_iso0(block, pan)


@given(keys16, keys16, keys8)
def test_sign_on_keys_return(tmk, pik, mak):
    f62 = signon.pack_f62(tmk, pik, mak)
    assert len(f62) == signon.F62_BYTES
    assert signon.open_f62(tmk, f62) == (pik, mak)


@given(keys16, keys16, keys8, st.integers(0, 39), st.integers(1, 255))
def test_a_damaged_sign_on_is_refused(tmk, pik, mak, at, change):
    f62 = bytearray(signon.pack_f62(tmk, pik, mak))
    f62[at] ^= change
    with pytest.raises(CryptoError):
        signon.open_f62(tmk, bytes(f62))


@given(st.binary(max_size=32))
def test_parity_is_odd_and_changes_only_the_lowest_bit(key):
    odd = ciphers.odd_parity(key)
    assert all(byte.bit_count() % 2 == 1 for byte in odd)
    assert all(before | 1 == after | 1 for before, after in zip(key, odd, strict=True))


@given(st.binary(min_size=16, max_size=16), st.sampled_from((8, 16, 24)), st.data())
def test_ecb_returns(data, length, draw):
    key = draw.draw(st.binary(min_size=length, max_size=length))
    assert ciphers.tdes_decrypt(key, ciphers.tdes_encrypt(key, data)) == data


REFUSED = {
    "key of 7": lambda: ciphers.tdes_encrypt(bytes(7), bytes(8)),
    "no key": lambda: ciphers.kcv(b""),
    "key of 32": lambda: ciphers.tdes_decrypt(bytes(32), bytes(8)),
    "part of a block": lambda: ciphers.tdes_encrypt(bytes(8), bytes(9)),
    "part of a block back": lambda: ciphers.tdes_decrypt(bytes(8), bytes(7)),
    "check value of 0": lambda: ciphers.kcv(bytes(8), 0),
    "check value of 9": lambda: ciphers.kcv(bytes(8), 9),
    "components of two lengths": lambda: ciphers.xor(bytes(8), bytes(16)),
    "CUP key of 24": lambda: mac.CupMac(bytes(24)),
    "CUP key of 5": lambda: mac.cup_mac(bytes(5), b""),
    "X9.19 key of 8": lambda: mac.x919(bytes(8), b""),
    "X9.9 key of 3": lambda: mac.x99(bytes(3), b""),
    "short F62": lambda: signon.open_f62(bytes(16), bytes(39)),
    "16-byte MAC key in F62": lambda: signon.open_f62(bytes(16), bytes(28) + b"1" * 8 + bytes(4)),
    "PIN key of 8 in F62": lambda: signon.pack_f62(bytes(16), bytes(8), bytes(8)),
    "PIN of 3": lambda: pinblock.encode_iso0("123", "6225000000000253"),
    "PIN of 13": lambda: pinblock.encode_iso0("1" * 13, "6225000000000253"),
    "PIN in Arabic digits": lambda: pinblock.encode_iso0("١٢٣٤", "6225000000000253"),
    "PAN with a letter": lambda: pinblock.encode_iso0("1234", "622500000000025A"),
    "PAN in Arabic digits": lambda: pinblock.encode_iso0("1234", "١٢٣٤" * 4),
    "PAN with underscores": lambda: pinblock.encode_iso0("1234", "6225_0000_0000_02"),
    "PAN of 12": lambda: pinblock.decode_iso0(bytes(8), "622500000253"),
    "block of 7": lambda: pinblock.decode_iso0(bytes(7), "6225000000000253"),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_unusable_input_is_a_crypto_error(call):
    with pytest.raises(CryptoError):
        call()


def test_macs_are_compared_whole():
    assert mac.same(b"E267B6E2", b"E267B6E2")
    assert not mac.same(b"E267B6E2", b"E267B6E3")
    assert not mac.same(b"E267B6E2", b"E267B6E")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((), b""),
        (("0200", "6225000000000253", "000000"), b"0200 6225000000000253 000000"),
        ((" a  b ", "", "c-d"), b"A B CD"),
        (("1,2.3", "x\ty", "中文é"), b"1,2.3 XY"),
    ],
)
def test_interbank_text(values, text):
    assert interbank_text(values) == text


@given(st.lists(st.text(max_size=20), max_size=20))
def test_interbank_text_keeps_its_alphabet_and_is_stable(values):
    text = interbank_text(iter(values))
    assert set(text) <= set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,. ")
    assert b"  " not in text and text == text.strip()
    assert interbank_text([text.decode()]) == text
