"""DUKPT: one key a transaction, the rules of counters, and what a counter tells of its terminal."""

import pydukpt
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import TDES, xor
from posswitch.crypto.dukpt import (
    AES_DUKPT,
    TDES_DUKPT,
    KeyType,
    KeyUse,
    Purpose,
    Scheme,
    Verdict,
    aes_derivation_key,
    aes_initial_key,
    aes_working_key,
    judge_counter,
    tdes_initial_key,
    tdes_transaction_key,
    tdes_working_key,
)

BDK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
KSN = bytes.fromhex("FFFF9876543210E00001")
AES_BDK = bytes.fromhex("FEDCBA9876543210F1F1F1F1F1F1F1F1")
IKID = bytes.fromhex("1234567890123456")
SMALL = [Scheme("small", 4, 10, 3), Scheme("small", 4, 9, 9), Scheme("small", 4, 8, 1)]


def used(scheme):
    return [n for n in range(1, scheme.counter_max + 1) if n.bit_count() <= scheme.ones_max]


@pytest.mark.parametrize("scheme", SMALL)
def test_counters_go_up_over_those_that_are_used_and_no_others(scheme):
    walked, counter = [], 0
    while True:
        try:
            counter = scheme.next_counter(counter)
        except CryptoError:
            break
        walked.append(counter)
    assert walked == used(scheme)


@pytest.mark.parametrize("scheme", SMALL)
def test_used_counters_are_counted(scheme):
    for counter in range(scheme.counter_max + 1):
        assert scheme.used_up_to(counter) == sum(n <= counter for n in used(scheme))


def test_a_terminal_has_as_many_transactions_as_the_standards_say():
    assert TDES_DUKPT.used_up_to(TDES_DUKPT.counter_max) == 1_048_575
    assert AES_DUKPT.used_up_to(AES_DUKPT.counter_max) == 2_448_023_842


@pytest.mark.parametrize(("scheme", "last"), [(TDES_DUKPT, 0x1FF800), (AES_DUKPT, 0xFFFF0000)])
def test_a_used_up_terminal_is_named(scheme, last):
    with pytest.raises(CryptoError, match="load a new initial key"):
        scheme.next_counter(last)


@pytest.mark.parametrize(
    ("scheme", "counter"),
    [(TDES_DUKPT, 0), (TDES_DUKPT, 0x7FF), (AES_DUKPT, 0), (AES_DUKPT, 0x1FFFF), (AES_DUKPT, 0xFFFFFFFF)],
)
def test_a_counter_that_no_terminal_uses_derives_nothing(scheme, counter):
    device = int.from_bytes(KSN if scheme is TDES_DUKPT else IKID + bytes(4), "big") & ~scheme.counter_max
    ksn = (device | counter).to_bytes(scheme.ksn_bytes, "big")
    with pytest.raises(CryptoError, match="not one that terminals use"):
        tdes_transaction_key(BDK, ksn) if scheme is TDES_DUKPT else aes_derivation_key(AES_BDK, ksn)


@pytest.mark.parametrize(
    ("scheme", "old", "new", "jump_max", "verdict"),
    [
        (TDES_DUKPT, 0, 1, 1, Verdict.OK),
        (TDES_DUKPT, 1, 2, 1, Verdict.OK),
        (TDES_DUKPT, 5, 5, 1000, Verdict.REPEATED),
        (TDES_DUKPT, 5, 4, 1000, Verdict.BACK),
        (TDES_DUKPT, 5, 1005, 1000, Verdict.OK),
        (TDES_DUKPT, 5, 1006, 1000, Verdict.JUMPED),
        (TDES_DUKPT, 0x0FFC00, 0x100000, 1, Verdict.OK),  # neighbours: nothing between them is used
        (TDES_DUKPT, 0x0FFC00, 0x100001, 1, Verdict.JUMPED),
        (AES_DUKPT, 0x7FFF8000, 0x80000000, 1, Verdict.OK),
        (AES_DUKPT, 0xFFFF0000, 1, 1, Verdict.BACK),
    ],
)
def test_what_a_counter_says(scheme, old, new, jump_max, verdict):
    assert judge_counter(scheme, old, new, jump_max) is verdict


@given(st.sampled_from((TDES_DUKPT, AES_DUKPT)), st.integers(0, (1 << 21) - 1), st.integers(1, 50))
def test_a_terminal_that_counts_is_ok_until_it_jumps(scheme, start, steps):
    old = new = start if start.bit_count() <= scheme.ones_max else 0
    try:
        for _ in range(steps):
            new = scheme.next_counter(new)
    except CryptoError:
        return  # used up
    assert judge_counter(scheme, old, new, steps) is Verdict.OK
    assert judge_counter(scheme, old, new, steps - 1) is Verdict.JUMPED
    assert judge_counter(scheme, new, old, steps) is Verdict.BACK


def test_a_terminal_may_have_been_out_of_sight_for_a_thousand_transactions():
    assert judge_counter(TDES_DUKPT, 1, 1001) is Verdict.OK
    assert judge_counter(TDES_DUKPT, 1, 1002) is Verdict.JUMPED


def by_the_book(bdk, ksn):
    """X9.24-1 annex A once more, with numbers instead of bytes."""
    device, counter = int.from_bytes(ksn, "big") >> 21 << 21, int.from_bytes(ksn, "big") & 0x1FFFFF
    mask = int("C0C0C0C000000000" * 2, 16)
    base = (device >> 16).to_bytes(8, "big")
    other = (int.from_bytes(bdk, "big") ^ mask).to_bytes(16, "big")
    key = int.from_bytes(TDES.encrypt(bdk, base) + TDES.encrypt(other, base), "big")
    for place in range(20, -1, -1):
        if counter & 1 << place:
            device |= 1 << place
            halves = []
            for half in (key ^ mask, key):
                left, right = half >> 64, half & (1 << 64) - 1
                mixed = ((device & (1 << 64) - 1) ^ right).to_bytes(8, "big")
                halves.append(int.from_bytes(TDES.encrypt(left.to_bytes(8, "big"), mixed), "big") ^ right)
            key = halves[0] << 64 | halves[1]
    return key.to_bytes(16, "big")


@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.integers(0, TDES_DUKPT.counter_max),
)
def test_a_transaction_key_is_its_definition(bdk, device, counter):
    ksn = ((int.from_bytes(device + bytes(2), "big") >> 21 << 21) | counter).to_bytes(10, "big")
    if 1 <= counter.bit_count() <= 10:
        key = tdes_transaction_key(tdes_initial_key(bdk, ksn), ksn)
        assert key == by_the_book(bdk, ksn)
    else:
        with pytest.raises(CryptoError):
            tdes_transaction_key(tdes_initial_key(bdk, ksn), ksn)


@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.integers(0, TDES_DUKPT.counter_max - 1),
)
def test_tdes_keys_agree_with_pydukpt(bdk, device, counter):
    """Whatever a base key, a terminal and its counter are; DES is not OpenSSL's there, either."""
    before = pydukpt.ksn_with_counter(device + bytes(2), counter)
    try:
        ksn = pydukpt.next_ksn(before)
    except pydukpt.KSNExhaustedError:
        with pytest.raises(CryptoError, match="used all its keys"):
            TDES_DUKPT.next_counter(counter)
        return
    assert TDES_DUKPT.counter(ksn) == TDES_DUKPT.next_counter(counter)
    initial = tdes_initial_key(bdk, ksn)
    assert initial == pydukpt.derive_ipek(bdk, ksn)
    key = tdes_transaction_key(initial, ksn)
    assert key == pydukpt.derive_key(initial, ksn)
    assert [tdes_working_key(key, purpose) for purpose in Purpose] == [
        of_theirs(key)
        for of_theirs in (
            pydukpt.pin_key,
            pydukpt.mac_request_key,
            pydukpt.mac_response_key,
            pydukpt.data_request_key,
        )
    ]


def derived_by_the_book(key, usage, kind, bits, left, right):
    """X9.24-3: version 01, block, usage, algorithm, bits, and 8 bytes that depend on the key's place."""
    found = b""
    for block in range(-(-bits // 128)):
        number = 1 << 120 | block + 1 << 112 | usage << 96 | kind << 80 | bits << 64 | left << 32 | right
        encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        found += encryptor.update(number.to_bytes(16, "big"))
    return found[: bits // 8]


@given(
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=8, max_size=8),
    st.integers(0, (1 << 32) - 1),
    st.sampled_from(((16, 2), (24, 3), (32, 4))),
    st.sampled_from(KeyUse),
)
def test_an_aes_working_key_is_its_definition(bdk, ikid, counter, size, use):
    length, kind = size
    while counter.bit_count() > AES_DUKPT.ones_max:
        counter &= counter - 1
    counter = counter or 1
    left, right = int.from_bytes(ikid[:4], "big"), int.from_bytes(ikid[4:], "big")
    key = derived_by_the_book(bdk[:length], 0x8001, kind, length * 8, left, right)
    assert aes_initial_key(bdk[:length], ikid) == key
    for place in range(31, -1, -1):
        if counter >> place & 1:
            so_far = counter >> place << place
            key = derived_by_the_book(key, 0x8000, kind, length * 8, right, so_far)
    expected = derived_by_the_book(key, int(use, 16), kind, length * 8, right, counter)
    ksn = ikid + counter.to_bytes(4, "big")
    derivation = aes_derivation_key(aes_initial_key(bdk[:length], ikid), ksn)
    assert derivation == key
    assert aes_working_key(derivation, ksn, use) == expected


def test_neither_purposes_nor_transactions_share_a_key():
    initial = tdes_initial_key(BDK, KSN)
    keys, counter = [initial], 0
    for _ in range(200):
        counter = TDES_DUKPT.next_counter(counter)
        ksn = ((int.from_bytes(KSN, "big") >> 21 << 21) | counter).to_bytes(10, "big")
        keys += [tdes_working_key(tdes_transaction_key(initial, ksn), purpose) for purpose in Purpose]
    assert len(set(keys)) == len(keys)


def test_the_variants_are_those_of_the_standard():
    """PIN: bytes 8 and 16; MAC request 7 and 15, response 5 and 13; data 6 and 14, under itself."""
    for purpose, place in ((Purpose.PIN, 8), (Purpose.MAC_REQUEST, 7), (Purpose.MAC_RESPONSE, 5)):
        mask = bytes(0xFF * (n in (place, place + 8)) for n in range(1, 17))
        assert tdes_working_key(BDK, purpose) == xor(BDK, mask)
    variant = xor(BDK, bytes(0xFF * (n in (6, 14)) for n in range(1, 17)))
    assert tdes_working_key(BDK, Purpose.DATA) == TDES.encrypt(variant, variant)


@pytest.mark.parametrize(("type_", "length"), list(zip(KeyType, (16, 24, 16, 24, 32), strict=True)), ids=str)
def test_a_derived_key_has_its_length(type_, length):
    ksn = IKID + bytes((0, 0, 0, 1))
    derivation = aes_derivation_key(aes_initial_key(AES_BDK * 2, IKID), ksn)
    keys = [aes_working_key(derivation, ksn, use, type_) for use in KeyUse]
    assert {len(key) for key in keys} == {length}
    assert len(set(keys)) == len(KeyUse)


REFUSED = {
    "base key of 8": lambda: tdes_initial_key(BDK[:8], KSN),
    "KSN of 8": lambda: tdes_initial_key(BDK, KSN[:8]),
    "transaction KSN of 9": lambda: tdes_transaction_key(BDK, KSN[:9]),
    "initial key of 8": lambda: tdes_transaction_key(BDK[:8], KSN),
    "transaction key of 8": lambda: tdes_working_key(BDK[:8], Purpose.PIN),
    "AES base key of 8": lambda: aes_initial_key(BDK[:8], IKID),
    "IKID of 7": lambda: aes_initial_key(BDK, IKID[:7]),
    "AES initial key of 17": lambda: aes_derivation_key(BDK + b"1", IKID + b"\0\0\0\1"),
    "AES KSN of 11": lambda: aes_derivation_key(BDK, IKID + b"\0\0\1"),
    "AES working KSN of 13": lambda: aes_working_key(BDK, IKID + b"\0\0\0\0\1", KeyUse.PIN),
    "AES-256 from AES-128": lambda: aes_working_key(BDK, IKID + b"\0\0\0\1", KeyUse.PIN, KeyType.AES_256),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_unusable_input_is_a_crypto_error_in_one_line(call):
    with pytest.raises(CryptoError, match=r"^[^\n]+$"):
        call()
