"""The software HSM: what it does, what it refuses, and that it says nothing."""

import inspect
import random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import CryptoError
from posswitch.crypto import hsm as hsm_room
from posswitch.crypto.ciphers import kcv, odd_parity, tdes_decrypt, tdes_encrypt
from posswitch.crypto.commands import Hsm, Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.crypto.mac import cup_mac, x919
from posswitch.crypto.pinblock import encode_iso0
from posswitch.crypto.signon import open_f62
from posswitch.crypto.vault import Vault

PAN, PIN = "6225000000000253", "123456"
ROOT = bytes(range(32))
CLEAR = {
    Usage.TMK: bytes.fromhex("CA5D92598DCA48CE8A4C76361A9269E9"),
    Usage.TPK: bytes.fromhex("807A23AD32B36D457AE91FDF927570EA"),
    Usage.TAK: bytes.fromhex("5BB5C72CD00B7338"),
    Usage.ZPK: bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"),
    Usage.ZAK: bytes.fromhex("E0F4543F3E2A2C5FFC7E5E5A222E3E4D"),
    Usage.TDK: bytes.fromhex("96D605EA176B7E9E1CF88AB5D64F314F"),
    Usage.ZMK: bytes.fromhex("CA5D92598DCA48CE8A4C76361A9269E9"),
}
BLOCK = tdes_encrypt(CLEAR[Usage.TPK], encode_iso0(PIN, PAN))
pans = st.text(st.sampled_from("0123456789"), min_size=13, max_size=19)
pins = st.text(st.sampled_from("0123456789"), min_size=4, max_size=12)


def new_hsm(root=ROOT, seed=1):
    return SoftHsm(root, random.Random(seed).randbytes)


def new_vault(root=ROOT, seed=1):
    return Vault(root, random.Random(seed).randbytes)


MONTH = 24_322
HSM, VAULT = new_hsm(), new_vault()
KEYS = {usage: HSM.wrap(usage, key) for usage, key in CLEAR.items()}
TMK, TPK, TAK, TDK, ZPK, ZAK, ZMK = (KEYS[usage] for usage in Usage)

# What uses a key of each usage.
USES = {
    "sign-on TMK": (Usage.TMK, lambda hsm, key: hsm.sign_on_keys("003", key, TPK, TAK)),
    "sign-on TPK": (Usage.TPK, lambda hsm, key: hsm.sign_on_keys("003", TMK, key, TAK)),
    "sign-on TAK": (Usage.TAK, lambda hsm, key: hsm.sign_on_keys("003", TMK, TPK, key)),
    "CUP MAC": (Usage.TAK, lambda hsm, key: hsm.mac(Usage.TAK, key, "cup-ecb", b"data")),
    "CUP MAC check": (
        Usage.TAK,
        lambda hsm, key: hsm.mac_fits(Usage.TAK, key, "cup-ecb", b"data", b"00000000"),
    ),
    "zone MAC": (Usage.ZAK, lambda hsm, key: hsm.mac(Usage.ZAK, key, "x9.19", b"TEXT")),
    "zone MAC check": (
        Usage.ZAK,
        lambda hsm, key: hsm.mac_fits(Usage.ZAK, key, "x9.19", b"TEXT", b"00000000"),
    ),
    "PIN in": (Usage.TPK, lambda hsm, key: hsm.translate_pin(key, ZPK, PAN, BLOCK)),
    "PIN out": (Usage.ZPK, lambda hsm, key: hsm.translate_pin(TPK, key, PAN, BLOCK)),
    **{
        f"check value {usage}": (usage, lambda hsm, key, usage=usage: hsm.check_value(usage, key))
        for usage in Usage
    },
}
each_use = pytest.mark.parametrize(("usage", "use"), USES.values(), ids=USES)


def test_it_is_an_hsm():
    for name, asked in inspect.getmembers(Hsm, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(SoftHsm, name)) == inspect.signature(asked), name


def test_it_shows_nothing_of_itself():
    assert repr(HSM) == str(HSM) == "SoftHsm(test only)"
    with pytest.raises(TypeError):
        vars(HSM)


@pytest.mark.parametrize("usage", Usage)
def test_new_keys_are_fresh_and_of_entropy(usage):
    hsm = new_hsm()
    first, second = hsm.new_key(usage), hsm.new_key(usage)
    assert hsm.check_value(usage, first) != hsm.check_value(usage, second)
    expected = random.Random(7).randbytes(8 if usage is Usage.TAK else 16)
    assert hsm.check_value(usage, new_hsm(seed=7).new_key(usage), 8) == kcv(expected, 8)


def test_new_working_keys_have_odd_parity_and_the_length_that_f62_needs():
    keys = open_f62(
        CLEAR[Usage.TMK], HSM.sign_on_keys("003", TMK, HSM.new_key(Usage.TPK), HSM.new_key(Usage.TAK))
    )
    assert [len(key) for key in keys] == [16, 8]
    assert keys == tuple(odd_parity(key) for key in keys)


def test_wrapping_twice_never_looks_the_same():
    assert HSM.wrap(Usage.ZPK, CLEAR[Usage.ZPK]) != ZPK


def test_sign_on_keys_open_at_the_terminal():
    f62 = HSM.sign_on_keys("003", TMK, TPK, TAK)
    assert open_f62(CLEAR[Usage.TMK], f62) == (CLEAR[Usage.TPK], CLEAR[Usage.TAK])
    assert f62[16:20] == HSM.check_value(Usage.TPK, TPK)
    assert f62[36:] == HSM.check_value(Usage.TAK, TAK)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_macs_are_those_of_the_clear_keys(messages):
    for data in messages:
        f64 = HSM.mac(Usage.TAK, TAK, "cup-ecb", data)
        assert f64 == cup_mac(CLEAR[Usage.TAK], data)
        assert HSM.mac_fits(Usage.TAK, TAK, "cup-ecb", data, f64)
        f128 = HSM.mac(Usage.ZAK, ZAK, "x9.19", data)
        assert f128 == x919(CLEAR[Usage.ZAK], data)[:4].hex().upper().encode()
        assert HSM.mac_fits(Usage.ZAK, ZAK, "x9.19", data, f128)


@pytest.mark.parametrize("forged", [b"", b"0000000", b"00000000", b"000000000"])
def test_a_forged_mac_is_not_ok(forged):
    assert not HSM.mac_fits(Usage.TAK, TAK, "cup-ecb", b"data", forged)
    assert not HSM.mac_fits(Usage.ZAK, ZAK, "x9.19", b"TEXT", forged)


def test_a_key_left_by_the_bounded_memory_opens_again(monkeypatch):
    monkeypatch.setattr(hsm_room, "KEY_CONTEXTS_MAX", 3)
    hsm = new_hsm()
    keys = [hsm.new_key(Usage.ZAK) for _ in range(10)]
    first = [hsm.mac(Usage.ZAK, key, "x9.19", b"TEXT") for key in keys]
    assert [hsm.mac(Usage.ZAK, key, "x9.19", b"TEXT") for key in keys] == first
    assert len(set(first)) == 10
    assert len(hsm._macs[Usage.ZAK]._contexts) == 3


@given(pins, pans)
def test_a_pin_reaches_the_bank_unchanged(pin, pan):
    block = tdes_encrypt(CLEAR[Usage.TPK], encode_iso0(pin, pan))
    translated = HSM.translate_pin(TPK, ZPK, pan, block)
    assert tdes_decrypt(CLEAR[Usage.ZPK], translated) == encode_iso0(pin, pan)


@given(st.binary(max_size=16).filter(lambda block: len(block) != 8))
def test_a_block_of_another_length_leaves_the_context_whole(block):
    with pytest.raises(CryptoError):
        HSM.translate_pin(TPK, ZPK, PAN, block)
    assert tdes_decrypt(CLEAR[Usage.ZPK], HSM.translate_pin(TPK, ZPK, PAN, BLOCK)) == encode_iso0(PIN, PAN)


def test_a_pin_is_not_translated_for_another_pan_or_under_a_wrong_key():
    with pytest.raises(CryptoError):
        HSM.translate_pin(TPK, ZPK, "6225990000000253", BLOCK)
    refused = 0
    for seed in range(200):
        key = HSM.wrap(Usage.TPK, random.Random(seed).randbytes(16))
        try:
            HSM.translate_pin(key, ZPK, PAN, BLOCK)
        except CryptoError:
            refused += 1
    assert refused >= 198


@each_use
def test_a_key_works_only_as_what_it_is(usage, use):
    use(HSM, KEYS[usage])
    for other in Usage:
        if other is not usage:
            with pytest.raises(CryptoError, match=f"^{usage} key"):
                use(HSM, KEYS[other])
            same_key_other_usage = CLEAR[usage] if len(CLEAR[other]) == len(CLEAR[usage]) else CLEAR[other]
            with pytest.raises(CryptoError):
                use(HSM, HSM.wrap(other, same_key_other_usage))


@each_use
def test_a_tampered_cut_or_foreign_key_is_refused(usage, use):
    wrapped = KEYS[usage]
    for at in range(len(wrapped)):
        bad = bytearray(wrapped)
        bad[at] ^= 1
        with pytest.raises(CryptoError):
            use(HSM, bytes(bad))
        with pytest.raises(CryptoError):
            use(HSM, wrapped[:at])
    with pytest.raises(CryptoError):
        use(new_hsm(bytes(32)), wrapped)


@given(pans)
def test_a_sealed_pan_opens(pan):
    box, fingerprint = VAULT.seal_pan(pan, MONTH)
    assert VAULT.open_pan(box) == pan
    assert len(box) == 2 + 12 + 10 + 16
    assert pan.encode() not in box
    assert fingerprint == VAULT.fingerprint(pan) == new_vault(seed=9).fingerprint(pan)
    assert len(fingerprint) == 16
    assert VAULT.seal_pan(pan, MONTH)[0] != box


@given(pans, st.integers(0, 65534))
def test_each_month_has_a_key_of_its_own_and_old_boxes_open(pan, month):
    box, fingerprint = VAULT.seal_pan(pan, month)
    later, again = VAULT.seal_pan(pan, month + 1)
    assert fingerprint == again  # a card is found whenever it was used
    assert VAULT.open_pan(box) == VAULT.open_pan(later) == pan
    with pytest.raises(CryptoError):
        VAULT.open_pan(later[:2] + box[2:])


@given(pans)
def test_a_box_of_before_there_were_months_opens(pan):
    cipher = AESGCM(HKDFExpand(SHA256(), 32, b"posswitch/inside/pan").derive(ROOT))
    nonce = bytes(range(12))
    assert VAULT.open_pan(nonce + cipher.encrypt(nonce, pan.encode(), None)) == pan


@given(pans, pans)
def test_fingerprints_tell_pans_apart(one, other):
    assert (VAULT.fingerprint(one) == VAULT.fingerprint(other)) == (one == other)
    assert VAULT.fingerprint(one) != new_vault(bytes(32)).fingerprint(one)


def test_an_opened_pan_shows_itself_masked():
    assert PAN not in repr(VAULT.open_pan(VAULT.seal_pan(PAN, MONTH)[0]))


def test_a_damaged_or_foreign_pan_box_is_refused():
    box, _ = VAULT.seal_pan(PAN, MONTH)
    for at in range(len(box)):
        bad = bytearray(box)
        bad[at] ^= 1
        for refused in (bytes(bad), box[:at]):
            with pytest.raises(CryptoError):
                VAULT.open_pan(refused)
    with pytest.raises(CryptoError):
        new_vault(bytes(32)).open_pan(box)


def test_a_key_box_is_not_a_pan_box():
    with pytest.raises(CryptoError):
        VAULT.open_pan(TMK)
    with pytest.raises(CryptoError):
        HSM.check_value(Usage.TMK, VAULT.seal_pan(PAN, MONTH)[0])


def test_derived_keys_belong_to_label_and_root():
    labels = ["journal chain", "head", "inside/lmk", "inside/pan", "outside", ""]
    keys = [VAULT.derive(label) for label in labels]
    assert len(set(keys)) == len(labels)
    assert {len(key) for key in keys} == {32}
    assert VAULT.derive("head") == new_vault(seed=2).derive("head")
    assert VAULT.derive("head") != new_vault(bytes(32)).derive("head")


REFUSED = {
    "root of 31": lambda: SoftHsm(ROOT[:31], random.Random(1).randbytes),
    **{f"{usage} of 7": lambda usage=usage: HSM.wrap(usage, CLEAR[usage][:7]) for usage in Usage},
    "TMK of 8": lambda: HSM.wrap(Usage.TMK, CLEAR[Usage.TMK][:8]),
    "triple-length TAK at sign-on": lambda: HSM.sign_on_keys(
        "003", TMK, TPK, HSM.wrap(Usage.TAK, bytes(range(24)))
    ),
    "check value of 9": lambda: HSM.check_value(Usage.TMK, TMK, 9),
    "PAN of 12": lambda: VAULT.seal_pan(PAN[:12], MONTH),
    "PAN of 20": lambda: VAULT.fingerprint(PAN + "1234"),
    "PAN with a letter": lambda: VAULT.seal_pan(PAN[:-1] + "é", MONTH),
    "PIN block under another key": lambda: HSM.translate_pin(
        HSM.wrap(Usage.TPK, CLEAR[Usage.ZPK]), ZPK, PAN, BLOCK
    ),
    "PIN block of another PAN": lambda: HSM.translate_pin(TPK, ZPK, PAN[:-4] + "9999", BLOCK),
    "PIN block for a PAN with a letter": lambda: HSM.translate_pin(TPK, ZPK, PAN + "A", BLOCK),
    "wrong usage": lambda: HSM.mac(Usage.TAK, ZAK, "cup-ecb", b""),
    "sealed PAN as key": lambda: HSM.mac(Usage.TAK, VAULT.seal_pan(PAN, MONTH)[0], "cup-ecb", b""),
    "cut PAN": lambda: VAULT.open_pan(VAULT.seal_pan(PAN, MONTH)[0][:-1]),
}
SECRETS = [PAN, PAN[6:-4], PIN, BLOCK, encode_iso0(PIN, PAN), ROOT, *CLEAR.values(), *KEYS.values()]


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_a_crypto_error_that_says_nothing(call):
    with pytest.raises(CryptoError) as caught:
        call()
    error: BaseException | None = caught.value
    while error is not None:
        said = f"{error!s} {error!r} {error.args}".upper()
        for secret in SECRETS:
            shown = secret if isinstance(secret, str) else secret.hex()
            assert shown.upper() not in said
            assert repr(secret).upper() not in said
        error = error.__cause__ or error.__context__
