"""The sealed secret: opened by its passphrase or its two shares, and by nothing else, at a bounded cost."""

import hashlib
import os
import re
import time

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from posswitch.base.errors import CryptoError
from posswitch.crypto.keyfile import (
    COST,
    COST_MAX,
    COST_MIN,
    PASSPHRASE,
    PASSPHRASE_CHARS_MIN,
    SHARES,
    Cost,
    Share,
    is_sealed,
    read_seal,
    read_share,
    sealed_by_passphrase,
    sealed_by_shares,
)

ROOT = bytes(range(32))
WORDS = "herons wade slowly past"
TEXT = sealed_by_passphrase(ROOT, WORDS, os.urandom, COST_MIN)
SHARED, ONE, TWO = sealed_by_shares(ROOT, os.urandom)


def test_a_passphrase_opens_what_it_sealed():
    seal = read_seal(TEXT)
    assert (seal.by, seal.cost, is_sealed(TEXT)) == (PASSPHRASE, COST_MIN, True)
    assert seal.opened_by_passphrase(WORDS) == ROOT


def test_two_shares_open_what_they_sealed_in_either_order():
    seal = read_seal(SHARED)
    assert (seal.by, seal.cost, is_sealed(SHARED)) == (SHARES, None, True)
    assert seal.opened_by_shares(ONE, TWO) == seal.opened_by_shares(TWO, ONE) == ROOT


def test_the_format_is_the_one_that_is_documented():
    """Opened by hand: scrypt of the standard library, the lines before the box as what it is bound to."""
    lines = TEXT.splitlines(keepends=True)
    salt, box = (bytes.fromhex(line.split()[1]) for line in lines[2:])
    key = hashlib.scrypt(WORDS.encode(), salt=salt, n=1 << 14, r=8, p=1, maxmem=64 << 20, dklen=32)
    assert lines[:2] == ["posswitch secret 1\n", "passphrase scrypt 14 8 1\n"]
    assert AESGCM(key).decrypt(box[:12], box[12:], "".join(lines[:3]).encode()) == ROOT


def test_every_seal_is_another_one_and_shows_nothing_of_the_root():
    texts = [sealed_by_passphrase(ROOT, WORDS, os.urandom, COST_MIN) for _ in range(2)]
    assert texts[0].splitlines()[2:] != texts[1].splitlines()[2:]
    assert all(ROOT.hex() not in text and WORDS not in text for text in (*texts, SHARED))
    assert ROOT.hex() not in repr((ONE, TWO, read_seal(TEXT), read_seal(SHARED)))
    assert ONE.part.hex() not in repr((ONE, TWO)).lower()


@pytest.mark.parametrize("other", [WORDS + " ", WORDS[:-1], WORDS.title(), "", "x" * 512])
def test_another_passphrase_is_refused_in_the_same_words(other):
    with pytest.raises(CryptoError) as raised:
        read_seal(TEXT).opened_by_passphrase(other)
    assert str(raised.value) == "does not open: another passphrase, or the file was changed"


def test_the_same_passphrase_from_another_keyboard_is_the_same():
    composed, apart = "caf\u00e9 und Stra\u00dfe \ufb01n", "cafe\u0301 und Stra\u00dfe fin"
    text = sealed_by_passphrase(ROOT, composed, os.urandom, COST_MIN)
    assert read_seal(text).opened_by_passphrase(apart) == ROOT


@pytest.mark.parametrize("short", ["", "x" * (PASSPHRASE_CHARS_MIN - 1), "x" * 513])
def test_a_passphrase_that_is_too_short_or_endless_is_not_taken(short):
    with pytest.raises(CryptoError, match="16 to 512 characters") as raised:
        sealed_by_passphrase(ROOT, short, os.urandom, COST_MIN)
    assert "xx" not in str(raised.value)


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, len(SHARED.strip()) - 1), new=st.characters(codec="ascii"))
def test_a_changed_character_is_seen(at, new):
    changed = SHARED[:at] + new + SHARED[at + 1 :]
    if changed.split() == SHARED.split():
        return
    with pytest.raises(CryptoError):
        read_seal(changed).opened_by_shares(ONE, TWO)


@pytest.mark.parametrize("cost", [Cost(15, 8, 1), Cost(14, 8, 2)])
def test_changed_costs_are_seen(cost):
    changed = TEXT.replace("scrypt 14 8 1", f"scrypt {cost.log2_n} {cost.r} {cost.p}")
    with pytest.raises(CryptoError, match="does not open"):
        read_seal(changed).opened_by_passphrase(WORDS)


@pytest.mark.parametrize(
    "cost", ["13 8 1", "19 8 1", "99 8 1", "14 7 1", "14 99 1", "14 8 0", "14 8 5", "0 0 0"]
)
def test_a_hostile_file_eats_neither_time_nor_memory(cost):
    began = time.monotonic()
    with pytest.raises(CryptoError, match="asks for a cost beyond"):
        read_seal(TEXT.replace("scrypt 14 8 1", f"scrypt {cost}"))
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "damaged",
    [TEXT[:40], TEXT + "more\n", TEXT.replace("box ", "box"), TEXT.replace("salt", "sand"), TEXT.upper(),
     TEXT.replace("14 8 1", "14 8"), TEXT.replace("14 8 1", "0x14 8 1"), "posswitch secret", TEXT * 2],
)  # fmt: skip
def test_what_is_not_of_the_form_is_refused_without_being_shown(damaged):
    with pytest.raises(CryptoError) as raised:
        read_seal(damaged)
    assert not re.search("[0-9a-f]{8}", str(raised.value))


def test_what_it_costs_is_bounded_and_the_usual_cost_is_dear():
    assert COST_MIN <= COST <= COST_MAX
    assert (COST.mib, COST_MAX.mib) == (128, 256)


# Shares


@given(number=st.sampled_from([1, 2]), part=st.binary(min_size=32, max_size=32))
def test_a_share_is_read_as_it_was_written(number, part):
    share = Share(number, part)
    assert read_share(str(share)) == share
    assert read_share(str(share).lower().replace(" ", "").replace("/", "-")) == share


@settings(max_examples=200)
@given(at=st.integers(0, 72), new=st.sampled_from("0123456789ABCDEF"))
def test_a_typing_error_is_noticed_in_the_share_alone(at, new):
    digits = re.sub("[^0-9A-F]", "", str(ONE))
    typed = digits[:at] + new + digits[at + 1 :]
    if typed == digits:
        return
    with pytest.raises(CryptoError) as raised:
        read_share(typed)
    assert digits[4:12] not in str(raised.value)


@given(at=st.integers(1, 63))
def test_digits_that_changed_places_are_noticed(at):
    digits = re.sub("[^0-9A-F]", "", str(TWO))
    typed = digits[:at] + digits[at + 1] + digits[at] + digits[at + 2 :]
    if typed != digits:
        with pytest.raises(CryptoError, match="typing error"):
            read_share(typed)


@pytest.mark.parametrize("wrong", ["", "1", "3" + "0" * 72, "1" + "0" * 71, "1" + "0" * 73, "1" + "g" * 72])
def test_what_is_no_share_is_refused(wrong):
    with pytest.raises(CryptoError, match="is no share"):
        read_share(wrong)


def test_one_share_alone_or_one_of_another_secret_opens_nothing():
    seal, (_, strange, _) = read_seal(SHARED), sealed_by_shares(ROOT, os.urandom)
    with pytest.raises(CryptoError, match="one share twice"):
        seal.opened_by_shares(ONE, ONE)
    with pytest.raises(CryptoError, match="shares of another secret"):
        seal.opened_by_shares(strange, TWO)
    with pytest.raises(CryptoError, match="shares of another secret"):
        seal.opened_by_shares(ONE, Share(2, bytes(32)))


def test_one_share_fits_every_key():
    """Whatever the key is, some second share leads to it: the first alone says nothing about it."""
    key = bytes(a ^ b for a, b in zip(ONE.part, TWO.part, strict=True))
    for wanted in (key, bytes(32), os.urandom(32)):
        other = bytes(a ^ b for a, b in zip(ONE.part, wanted, strict=True))
        assert bytes(a ^ b for a, b in zip(ONE.part, other, strict=True)) == wanted
    assert len({sealed_by_shares(ROOT, os.urandom)[1].part for _ in range(50)}) == 50
