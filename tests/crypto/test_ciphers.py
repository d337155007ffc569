"""The table of ciphers: what returns, what is refused, and components."""

import random

import psec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import AES, CHECK_VALUES, CIPHERS, SM4, TDES, check_value, combine, kcv, split

pytestmark = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning"  # psec's own
)
KEYED = [(cipher, length) for cipher in CIPHERS.values() for length in cipher.key_bytes]
each_key = pytest.mark.parametrize(
    ("cipher", "length"), KEYED, ids=[f"{cipher.name}-{length}" for cipher, length in KEYED]
)


@each_key
@given(st.data())
def test_what_is_encrypted_returns(cipher, length, data):
    key = data.draw(st.binary(min_size=length, max_size=length))
    iv = data.draw(st.binary(min_size=cipher.block_bytes, max_size=cipher.block_bytes))
    clear = data.draw(st.binary(max_size=8)) * cipher.block_bytes
    assert cipher.decrypt(key, cipher.encrypt(key, clear)) == clear
    assert cipher.decrypt_cbc(key, iv, cipher.encrypt_cbc(key, iv, clear)) == clear


@pytest.mark.parametrize(("cipher", "length"), KEYED[:-1])  # psec has no SM4
@given(st.data())
def test_ecb_and_cbc_agree_with_psec(cipher, length, data):
    key, iv = (data.draw(st.binary(min_size=n, max_size=n)) for n in (length, cipher.block_bytes))
    clear = data.draw(st.binary(min_size=1, max_size=8)) * cipher.block_bytes
    theirs = (psec.des.encrypt_tdes_ecb, psec.des.encrypt_tdes_cbc)
    if cipher is AES:
        theirs = (psec.aes.encrypt_aes_ecb, psec.aes.encrypt_aes_cbc)
    assert cipher.encrypt(key, clear) == theirs[0](key, clear)
    assert cipher.encrypt_cbc(key, iv, clear) == theirs[1](key, iv, clear)


@each_key
def test_cbc_of_one_block_and_no_vector_is_ecb(cipher, length):
    key, block = bytes(range(length)), bytes(range(cipher.block_bytes))
    assert cipher.encrypt_cbc(key, bytes(cipher.block_bytes), block) == cipher.encrypt(key, block)


@given(st.binary(min_size=16, max_size=16))
def test_check_values_agree_with_psec(key):
    assert kcv(key, 3) == check_value("tdes", key) == psec.des.generate_kcv(key, 3)
    assert check_value("aes-ecb", key, 16) == psec.aes.encrypt_aes_ecb(key, bytes(16))


@given(st.binary(min_size=1, max_size=32), st.integers(2, 5), st.integers())
def test_components_combine_to_their_key_and_fewer_do_not(key, count, seed):
    parts = split(key, count, random.Random(seed).randbytes)
    assert len(parts) == count
    assert combine(parts) == key
    assert all(len(part) == len(key) for part in parts)
    if any(parts[-1]) and count > 2:
        assert combine(parts[:-1]) != key


def test_a_component_alone_is_drawn_and_not_of_the_key():
    drawn = [split(key, 2, random.Random(1).randbytes)[0] for key in (bytes(16), bytes(range(16)))]
    assert drawn[0] == drawn[1] == random.Random(1).randbytes(16)


REFUSED = {
    **{
        f"{name} key of {length}": lambda cipher=cipher, length=length: cipher.encrypt(bytes(length), b"")
        for name, cipher in CIPHERS.items()
        for length in range(40)
        if length not in cipher.key_bytes
    },
    **{
        f"part of a block of {name}": lambda cipher=cipher, do=do: getattr(cipher, do)(bytes(16), bytes(9))
        for name, cipher in CIPHERS.items()
        for do in ("encrypt", "decrypt")
    },
    **{
        f"vector of 5 for {name}": lambda cipher=cipher: cipher.encrypt_cbc(bytes(16), bytes(5), b"")
        for name, cipher in CIPHERS.items()
    },
    **{
        f"{method} check value of {length}": lambda method=method, length=length: check_value(
            method, bytes(16), length
        )
        for method, row in CHECK_VALUES.items()
        for length in (-1, 0, row.bytes_max + 1)
    },
    "no such check value": lambda: check_value("rc4", bytes(16)),
    "one component": lambda: combine([bytes(16)]),
    "no component": lambda: combine([]),
    "components of two lengths": lambda: combine([bytes(16), bytes(8)]),
    "split in one": lambda: split(bytes(16), 1, bytes),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_unusable_input_is_a_crypto_error_in_one_line(call):
    with pytest.raises(CryptoError) as raised:
        call()
    assert "\n" not in str(raised.value)


def test_a_refusal_names_the_lengths():
    with pytest.raises(CryptoError, match=r"^DES key: must be 8, 16 or 24 bytes$"):
        TDES.encryptor(bytes(7))
    with pytest.raises(CryptoError, match=r"^SM4 key: must be 16 bytes$"):
        SM4.encryptor(bytes(32))


@pytest.mark.parametrize(
    ("method", "usual", "longest"), [("tdes", 3, 8), ("aes", 5, 16), ("aes-ecb", 3, 16), ("sm4", 4, 16)]
)
def test_a_check_value_has_as_many_bytes_as_asked(method, usual, longest):
    key = bytes(range(16))
    whole = check_value(method, key, longest)
    assert len(whole) == longest
    assert check_value(method, key) == whole[:usual]
    assert check_value(method, key, 1) == whole[:1]
    with pytest.raises(CryptoError, match=f"1 to {longest} bytes"):
        check_value(method, key, longest + 1)
    assert kcv(key, 1) == kcv(key, 8)[:1]
