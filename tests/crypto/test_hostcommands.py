"""Host commands against a simulated HSM: they come to what the software comes to, and refuse the same."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import CryptoError, HsmDown
from posswitch.crypto.ciphers import odd_parity, tdes_decrypt, tdes_encrypt
from posswitch.crypto.hostcommands import talk, told
from posswitch.crypto.hsm import (
    NewKey,
    PosMac,
    PosMacFits,
    SignOnKeys,
    SoftHsm,
    TranslatePin,
    Usage,
    ZoneMac,
    ZoneMacFits,
)
from posswitch.crypto.pinblock import encode_iso0
from posswitch.crypto.signon import open_f62
from posswitch.sim.peers.hsm_box import HsmBox, Mood

PAN, PIN = "6225000000000253", "123456"
CLEAR = {
    Usage.TMK: bytes.fromhex("CA5D92598DCA48CE8A4C76361A9269E9"),
    Usage.TPK: bytes.fromhex("807A23AD32B36D457AE91FDF927570EA"),
    Usage.TAK: bytes.fromhex("5BB5C72CD00B7338"),
    Usage.ZPK: bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"),
    Usage.ZAK: bytes.fromhex("E0F4543F3E2A2C5FFC7E5E5A222E3E4D"),
}
DOUBLE_TAK = CLEAR[Usage.ZAK]
SOFT = SoftHsm(bytes(range(32)), random.Random(1).randbytes)
BOX = HsmBox(bytes(32), random.Random(2))
SOFT_KEYS = {usage: SOFT.wrap(usage, key) for usage, key in CLEAR.items()}
BOX_KEYS = {usage: BOX.wrap(usage, key) for usage, key in CLEAR.items()}
pans = st.text(st.sampled_from("0123456789"), min_size=13, max_size=19)
pins = st.text(st.sampled_from("0123456789"), min_size=4, max_size=12)


def asked(command, box=BOX):
    """What a command comes to at the box."""
    talking, reply = talk(command), None
    while True:
        try:
            request = talking.send(reply)
        except StopIteration as end:
            return end.value
        reply = told(request, box.answer(request))
        assert reply is not None


@given(st.binary(max_size=300))
def test_macs_are_those_of_the_software(data):
    mac = asked(PosMac(BOX_KEYS[Usage.TAK], data))
    assert mac == SOFT.pos_mac(SOFT_KEYS[Usage.TAK], data)
    assert asked(PosMacFits(BOX_KEYS[Usage.TAK], data, mac)) is True
    assert asked(PosMacFits(BOX_KEYS[Usage.TAK], data + b"x", mac)) is SOFT.pos_mac_fits(
        SOFT_KEYS[Usage.TAK], data + b"x", mac
    )
    double = BOX.wrap(Usage.TAK, DOUBLE_TAK)
    assert asked(PosMac(double, data)) == SOFT.pos_mac(SOFT.wrap(Usage.TAK, DOUBLE_TAK), data)
    text = data.hex().upper().encode()
    zone = asked(ZoneMac(BOX_KEYS[Usage.ZAK], text))
    assert zone == SOFT.zone_mac(SOFT_KEYS[Usage.ZAK], text)
    assert asked(ZoneMacFits(BOX_KEYS[Usage.ZAK], text, zone)) is True


@pytest.mark.parametrize("forged", [b"", b"0000000", b"00000000", b"000000000", b"\xff" * 8, b"0000 000"])
def test_a_forged_mac_does_not_fit(forged):
    assert asked(PosMacFits(BOX_KEYS[Usage.TAK], b"data", forged)) is False
    assert asked(ZoneMacFits(BOX_KEYS[Usage.ZAK], b"TEXT", forged)) is False


@given(pins, pans)
def test_a_pin_reaches_the_bank_unchanged(pin, pan):
    block = tdes_encrypt(CLEAR[Usage.TPK], encode_iso0(pin, pan))
    moved = asked(TranslatePin(BOX_KEYS[Usage.TPK], BOX_KEYS[Usage.ZPK], pan, block))
    assert tdes_decrypt(CLEAR[Usage.ZPK], moved) == encode_iso0(pin, pan)


def test_a_pin_is_not_translated_for_another_pan_or_another_length():
    block = tdes_encrypt(CLEAR[Usage.TPK], encode_iso0(PIN, PAN))
    for pan, pin_block in (
        ("6225990000000253", block),
        (PAN, block[:7]),
        (PAN, bytes(8)),
        (PAN + "A", block),
    ):
        with pytest.raises(CryptoError) as caught:
            asked(TranslatePin(BOX_KEYS[Usage.TPK], BOX_KEYS[Usage.ZPK], pan, pin_block))
        assert not isinstance(caught.value, HsmDown)


def test_a_terminal_signs_on_with_what_it_made():
    tpk, tak = asked(NewKey(Usage.TPK)), asked(NewKey(Usage.TAK))
    pik, mak = open_f62(CLEAR[Usage.TMK], asked(SignOnKeys(BOX_KEYS[Usage.TMK], tpk, tak)))
    assert (len(pik), len(mak)) == (16, 8)
    assert (pik, mak) == (odd_parity(pik), odd_parity(mak))
    assert asked(PosMac(tak, b"data")) == SOFT.pos_mac(SOFT.wrap(Usage.TAK, mak), b"data")


@pytest.mark.parametrize(
    "command",
    [
        PosMac(BOX_KEYS[Usage.ZAK], b"data"),
        ZoneMac(BOX_KEYS[Usage.ZPK], b"data"),
        TranslatePin(BOX_KEYS[Usage.ZPK], BOX_KEYS[Usage.TPK], PAN, bytes(8)),
        SignOnKeys(BOX_KEYS[Usage.ZPK], BOX_KEYS[Usage.TPK], BOX_KEYS[Usage.TAK]),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_key_works_only_as_what_it_is(command):
    with pytest.raises(CryptoError):
        asked(command)


COMMANDS = [
    NewKey(Usage.TPK),
    SignOnKeys(BOX_KEYS[Usage.TMK], BOX_KEYS[Usage.TPK], BOX_KEYS[Usage.TAK]),
    PosMac(BOX_KEYS[Usage.TAK], b"data"),
    ZoneMacFits(BOX_KEYS[Usage.ZAK], b"TEXT", b"00000000"),
    TranslatePin(
        BOX_KEYS[Usage.TPK], BOX_KEYS[Usage.ZPK], PAN, tdes_encrypt(CLEAR[Usage.TPK], encode_iso0(PIN, PAN))
    ),
]
each_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)


@each_command
def test_an_hsm_without_its_master_key_is_down_not_wrong(command):
    box = HsmBox(bytes(32), random.Random(2))
    box.mood = Mood.ILL
    with pytest.raises(HsmDown):
        asked(command, box)


@each_command
@given(junk=st.binary(max_size=60))
def test_an_answer_that_cannot_be_read_is_a_refusal(command, junk):
    talking = talk(command)
    request = next(talking)
    reply = told(request, request[:1] + bytes((request[1] + 1,)) + b"00" + junk)
    try:
        while reply is not None:
            request = talking.send(reply)
            reply = told(request, request[:1] + bytes((request[1] + 1,)) + b"00" + junk)
    except (CryptoError, StopIteration):
        pass


@given(st.binary(max_size=40))
def test_the_box_survives_any_request(request):
    answer = BOX.answer(request)
    assert 4 <= len(answer) < 200


@given(st.sampled_from([b"A0", b"AE", b"AG", b"BU", b"M6", b"M8", b"CA", b"NC"]), st.binary(max_size=120))
def test_the_box_survives_any_fields(code, fields):
    assert BOX.answer(code + fields)[2:4].isalnum()


def test_a_command_shows_nothing():
    assert repr(COMMANDS[-1]) == "<TranslatePin>"
