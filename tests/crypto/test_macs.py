"""Every MAC of the table by name, against other people's code and against the definitions written out."""

import psec
import pytest
from Crypto.Cipher import AES as OtherAes
from Crypto.Hash import CMAC as OtherCmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import AES, SM4, TDES
from posswitch.crypto.mac import (
    MACS,
    CipherMac,
    CupMac,
    RetailMac,
    WideCbcMac,
    field_mac,
    iso9797_3,
    pad_bit,
    pad_zeros,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning"  # psec's own
)
datas = st.binary(max_size=300)
keys16 = st.binary(min_size=16, max_size=16)
KEYED = [(name, length) for name, kind in MACS.items() for length in kind.key_bytes]
each_key = pytest.mark.parametrize(
    ("name", "length"), KEYED, ids=[f"{name}-{length}" for name, length in KEYED]
)


@given(datas, st.sampled_from((8, 16)))
def test_padding_agrees_with_psec(data, block_bytes):
    assert pad_zeros(data, block_bytes) == psec.mac.pad_iso_1(data, block_bytes)
    assert pad_bit(data, block_bytes) == psec.mac.pad_iso_2(data, block_bytes)


@given(st.binary(min_size=24, max_size=24), datas, st.sampled_from((1, 2)), st.sampled_from((8, 16, 24)))
def test_cbc_macs_agree_with_psec(key, data, padding, length):
    name = "x9.9" if length == 8 else "tdes-cbc"
    expected = psec.mac.generate_cbc_mac(key[:length], data, padding)
    assert field_mac(name, key[:length], padding, "binary")(data) == expected


@given(keys16, datas, st.sampled_from((1, 2)))
def test_the_retail_mac_agrees_with_psec(key, data, padding):
    expected = psec.mac.generate_retail_mac(key[:8], key[8:], data, padding)
    assert field_mac("x9.19", key, padding, "binary")(data) == expected


@given(keys16, keys16, datas, st.sampled_from((1, 2)))
def test_algorithm_3_of_two_double_length_keys_agrees_with_psec(key, key2, data, padding):
    padded = pad_bit(data) if padding == 2 else data
    assert iso9797_3(key, key2, padded) == psec.mac.generate_retail_mac(key, key2, data, padding)


@given(keys16, datas, st.sampled_from((1, 2)))
def test_the_sm4_cbc_mac_is_its_definition(key, data, padding):
    encryptor = Cipher(algorithms.SM4(key), modes.CBC(bytes(16))).encryptor()
    blocks = pad_bit(data, 16) if padding == 2 else pad_zeros(data, 16)
    assert field_mac("sm4-cbc", key, padding)(data) == encryptor.update(blocks)[-16:][:8]


def subkey(cipher, key, data):
    """The last block mixed with a subkey, NIST SP 800-38B by the book."""
    bits = cipher.block_bytes * 8
    constant = {64: 0x1B, 128: 0x87}[bits]
    number = int.from_bytes(cipher.encrypt(key, bytes(cipher.block_bytes)), "big")
    whole = bool(data) and len(data) % cipher.block_bytes == 0
    for _ in range(1 if whole else 2):
        number = (number << 1 & (1 << bits) - 1) ^ (constant if number >> bits - 1 else 0)
    blocks = data if whole else pad_bit(data, cipher.block_bytes)
    last = int.from_bytes(blocks[-cipher.block_bytes :], "big") ^ number
    return blocks[: -cipher.block_bytes] + last.to_bytes(cipher.block_bytes, "big")


@given(st.sampled_from((AES, SM4, TDES)), keys16, datas)
def test_cmac_is_its_definition(cipher, key, data):
    zero = bytes(cipher.block_bytes)
    expected = cipher.encrypt_cbc(key, zero, subkey(cipher, key, data))[-cipher.block_bytes :]
    assert cipher.cmac(key, data) == CipherMac(cipher, key).mac(data) == expected


@given(st.sampled_from(AES.key_bytes), st.binary(min_size=32, max_size=32), datas)
def test_cmac_agrees_with_pycryptodome(length, key, data):
    """Its AES is its own, too."""
    theirs = OtherCmac.new(key[:length], data, OtherAes)
    assert CipherMac(AES, key[:length]).mac(data) == theirs.digest()


@given(keys16, st.lists(datas, min_size=2, max_size=12))
def test_open_contexts_forget_earlier_messages(key, messages):
    for fresh in (
        lambda: WideCbcMac(SM4, key),
        lambda: CipherMac(AES, key),
        lambda: CipherMac(SM4, key),
    ):
        open_ = fresh()
        for data in messages * 2:
            assert open_.mac(data) == fresh().mac(data)


@each_key
@given(st.data())
def test_a_row_says_what_it_makes(name, length, data):
    kind, key = MACS[name], data.draw(st.binary(min_size=length, max_size=length))
    text = data.draw(datas)
    assert len(kind.opened(key).mac(text)) == kind.mac_bytes
    for form in kind.forms:
        for padding in (*kind.paddings, None):
            shown = field_mac(name, key, padding, form)(text)
            assert len(shown) == 8
            assert form == "binary" or set(shown) <= set(b"0123456789ABCDEF")
    assert field_mac(name, key)(text) == field_mac(name, key, next(iter(kind.paddings), None), kind.forms[0])(
        text
    )


@given(keys16, datas)
def test_the_usual_forms_are_those_of_fields_64_and_128(key, data):
    assert field_mac("cup-ecb", key)(data) == CupMac(key).mac(data)
    assert field_mac("x9.19", key)(data) == RetailMac(key).mac(data)[:4].hex().upper().encode()


def test_names_give_different_macs():
    macs = {name: field_mac(name, bytes(range(kind.key_bytes[-1])))(b"text") for name, kind in MACS.items()}
    assert len(set(macs.values())) == len(MACS)


REFUSED = {
    "no such MAC": lambda: field_mac("md5", bytes(16)),
    **{
        f"{name} key of {length}": lambda name=name, length=length: field_mac(name, bytes(length))
        for name, kind in MACS.items()
        for length in (0, 7, 8, 15, 16, 17, 24, 32, 33)
        if length not in kind.key_bytes
    },
    "padding of a CMAC": lambda: field_mac("aes-cmac", bytes(16), 1),
    "padding 3": lambda: field_mac("x9.9", bytes(8), 3),
    "binary CUP MAC": lambda: field_mac("cup-ecb", bytes(8), None, "binary"),
    "no such form": lambda: field_mac("x9.19", bytes(16), 1, "base64"),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_what_a_link_cannot_have_is_refused_in_one_line(call):
    with pytest.raises(CryptoError, match=r"^[^\n]*(must be|take one of|takes)[^\n]*$"):
        call()
