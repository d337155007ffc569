"""Keys between institutions: what goes out opens elsewhere, what comes in is for our use, or is refused."""

import os

import psec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import kcv, odd_parity, tdes_encrypt
from posswitch.crypto.commands import Usage
from posswitch.crypto.exchange import block_of, key_of_block, key_of_cryptogram
from posswitch.crypto.hsm import SoftHsm
from posswitch.crypto.keyblock import Header, wrap

pytestmark = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning"  # psec's own
)

KBPK = bytes.fromhex("DD7515F2BFC17F85CE48F3CA25CB21F6")
KEY = bytes.fromhex("3F419E1CB7079442AA37474C2EFBF8B8")


def block(usage="P0", mode="E", key=KEY, version="B", kbpk=KBPK, optional=()):
    return wrap(kbpk, Header(version, usage, "T", mode, "E", optional=optional), key, bytes)


@pytest.mark.parametrize(
    ("usage", "mac", "said"), [("ZPK", "", "P0TB"), ("ZAK", "x9.19", "M3TC"), ("ZAK", "tdes-cbc", "M0TC")]
)
def test_a_block_of_ours_opens_elsewhere(usage, mac, said):
    text = block_of(KBPK, usage, KEY, mac, os.urandom)
    header, key = psec.tr31.unwrap(KBPK, text)
    assert (text[0], text[5:9], header.exportability, key) == ("B", said, "N", KEY)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_what_goes_out_comes_in(kbpk, key):
    if odd_parity(key[:8]) == odd_parity(key[8:]):
        return
    text = block_of(kbpk, "ZPK", key, "", os.urandom)
    assert key_of_block(kbpk, "ZPK", "tdes", text)[1] == key


@pytest.mark.parametrize(
    ("usage", "text", "said"),
    [
        ("ZPK", block("M3", "C"), "usage is M3, expected P0"),
        ("ZAK", block("P0", "B"), "usage is P0, expected M3 or M0 or M1"),
        ("ZAK", block("M3", "V"), "mode of use is V"),
        ("ZMK", block("P0", "B"), "usage is P0, expected K0 or K1"),
        ("TMK", block("K1", "B"), "usage is K1, expected K0"),
        ("TAK", block("M3", "C"), "does not travel"),
        ("ZPK", block(key=KEY[:8] * 2), "weak key"),
        ("ZPK", block(optional=(("KC", "00A1B2C3"),)), "its check value"),
        ("ZPK", block()[:-1] + ("1" if block()[-1] == "0" else "0"), "damaged"),
        ("ZPK", "nothing", "no header"),
    ],
)
def test_a_block_that_is_not_for_us(usage, text, said):
    with pytest.raises(CryptoError, match=said) as refused:
        key_of_block(KBPK, usage, "tdes", text)
    assert KEY.hex().upper() not in str(refused.value).upper()


def test_a_block_with_its_check_value():
    good = kcv(KEY, 3).hex().upper()
    assert key_of_block(KBPK, "ZPK", "tdes", block(optional=(("KC", f"00{good}"),)))[1] == KEY


def test_a_cryptogram():
    assert key_of_cryptogram(KBPK, "ZPK", tdes_encrypt(KBPK, KEY)) == KEY
    with pytest.raises(CryptoError, match="32 or 48 hex digits"):
        key_of_cryptogram(KBPK, "ZPK", b"1" * 8)


@pytest.mark.parametrize("usage", [Usage.TDK, Usage.TPK, Usage.TAK])
def test_a_zone_key_does_not_come_back_as_one_that_opens_or_serves_terminals(usage):
    """A cryptogram does not say what it is for: as a track key it would open every PIN block of its zone."""
    hsm = SoftHsm(bytes(32), os.urandom)
    zmk, zpk = hsm.new_key(Usage.ZMK), hsm.new_key(Usage.ZPK)
    cryptogram, _ = hsm.export_key(zmk, Usage.ZPK, zpk)
    with pytest.raises(CryptoError, match=f"^{usage} key: does not travel"):
        hsm.import_cryptogram(zmk, usage, cryptogram)


def test_the_hsm_binds_what_comes_in_to_its_use():
    hsm = SoftHsm(bytes(32), os.urandom)
    zmk = hsm.wrap(Usage.ZMK, KBPK)
    _, wrapped = hsm.import_block(zmk, Usage.ZPK, "tdes", block())
    assert hsm.check_value(Usage.ZPK, wrapped) == kcv(KEY)
    with pytest.raises(CryptoError):
        hsm.check_value(Usage.ZAK, wrapped)
    header, again = hsm.import_under_parts([bytes(16), KBPK], Usage.ZPK, "tdes", block())
    assert (header.exportability, hsm.check_value(Usage.ZPK, again)) == ("E", kcv(KEY))
    with pytest.raises(CryptoError, match="stronger"):
        hsm.export_block(zmk, Usage.ZPK, hsm.wrap(Usage.ZPK, KEY + KBPK[:8]), "")


def test_a_block_under_an_aes_key():
    """Version D: the parts of its key are taken bit for bit, parity and all."""
    hsm, kbpk = SoftHsm(bytes(32), os.urandom), bytes(range(100, 132))
    text = block(version="D", kbpk=kbpk)
    _, wrapped = hsm.import_under_parts([bytes(32), kbpk], Usage.ZPK, "tdes", text)
    assert hsm.check_value(Usage.ZPK, wrapped) == kcv(KEY)
