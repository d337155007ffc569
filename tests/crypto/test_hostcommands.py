"""Host commands against a simulated HSM: they come to what the software comes to, and refuse the same."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import CryptoError, HsmDown
from posswitch.crypto.ciphers import AES, TDES, kcv, odd_parity, tdes_decrypt, tdes_encrypt
from posswitch.crypto.commands import (
    ExportKey,
    Mac,
    MacFits,
    NewKey,
    OpenTrack,
    SignOnKeys,
    TranslatePin,
    Usage,
)
from posswitch.crypto.hostcommands import PIN_FORMATS, talk, told
from posswitch.crypto.hsm import SoftHsm
from posswitch.crypto.pinblock import (
    PinFormat,
    decipher,
    decode,
    encipher,
    encode,
    encode_iso0,
    may_translate,
)
from posswitch.crypto.signon import open_f62, open_working_keys
from posswitch.sim.peers.hsm_box import HsmBox, Mood

PAN, PIN = "6225000000000253", "123456"
CLEAR = {
    Usage.TMK: bytes.fromhex("CA5D92598DCA48CE8A4C76361A9269E9"),
    Usage.TPK: bytes.fromhex("807A23AD32B36D457AE91FDF927570EA"),
    Usage.TAK: bytes.fromhex("5BB5C72CD00B7338"),
    Usage.ZPK: bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"),
    Usage.ZAK: bytes.fromhex("E0F4543F3E2A2C5FFC7E5E5A222E3E4D"),
    Usage.TDK: bytes.fromhex("96D605EA176B7E9E1CF88AB5D64F314F"),
    Usage.ZMK: bytes.fromhex("CA5D92598DCA48CE8A4C76361A9269E9"),
}
CLEAR = {usage: odd_parity(key) for usage, key in CLEAR.items()}
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
    mac = asked(Mac(Usage.TAK, BOX_KEYS[Usage.TAK], "cup-ecb", data))
    assert mac == SOFT.mac(Usage.TAK, SOFT_KEYS[Usage.TAK], "cup-ecb", data)
    assert asked(MacFits(Usage.TAK, BOX_KEYS[Usage.TAK], "cup-ecb", data, mac)) is True
    assert asked(MacFits(Usage.TAK, BOX_KEYS[Usage.TAK], "cup-ecb", data + b"x", mac)) is SOFT.mac_fits(
        Usage.TAK, SOFT_KEYS[Usage.TAK], "cup-ecb", data + b"x", mac
    )
    double = BOX.wrap(Usage.TAK, DOUBLE_TAK)
    assert asked(Mac(Usage.TAK, double, "cup-ecb", data)) == SOFT.mac(
        Usage.TAK, SOFT.wrap(Usage.TAK, DOUBLE_TAK), "cup-ecb", data
    )
    text = data.hex().upper().encode()
    zone = asked(Mac(Usage.ZAK, BOX_KEYS[Usage.ZAK], "x9.19", text))
    assert zone == SOFT.mac(Usage.ZAK, SOFT_KEYS[Usage.ZAK], "x9.19", text)
    assert asked(MacFits(Usage.ZAK, BOX_KEYS[Usage.ZAK], "x9.19", text, zone)) is True


@pytest.mark.parametrize("forged", [b"", b"0000000", b"00000000", b"000000000", b"\xff" * 8, b"0000 000"])
def test_a_forged_mac_does_not_fit(forged):
    assert asked(MacFits(Usage.TAK, BOX_KEYS[Usage.TAK], "cup-ecb", b"data", forged)) is False
    assert asked(MacFits(Usage.ZAK, BOX_KEYS[Usage.ZAK], "x9.19", b"TEXT", forged)) is False


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


KEY_OF = {"x9.9": (Usage.TAK, 8), "x9.19": (Usage.ZAK, 16), "tdes-cbc": (Usage.ZAK, 24)}


@given(
    st.sampled_from(sorted(KEY_OF)),
    st.sampled_from(["", " pad-1", " pad-2"]),
    st.sampled_from(["", " hex", " binary"]),
    st.binary(max_size=100),
    st.randoms(use_true_random=False),
)
def test_every_mac_that_such_an_hsm_can_make_is_that_of_the_software(name, padding, form, data, entropy):
    usage, size = KEY_OF[name]
    key = odd_parity(entropy.randbytes(size))
    boxed, soft, how = BOX.wrap(usage, key), SOFT.wrap(usage, key), name + padding + form
    mac = asked(Mac(usage, boxed, how, data))
    assert mac == SOFT.mac(usage, soft, how, data)
    assert asked(MacFits(usage, boxed, how, data, mac)) is True
    assert asked(MacFits(usage, boxed, how, data, bytes(8))) is False


@pytest.mark.parametrize("how", ["aes-cmac", "sm4-cbc", "sm4-cmac", "x9.9", "x9.20"])
def test_a_mac_that_its_key_or_the_hsm_cannot_make_is_refused(how):
    with pytest.raises(CryptoError) as caught:
        asked(Mac(Usage.ZAK, BOX_KEYS[Usage.ZAK], how, b"data"))
    assert not isinstance(caught.value, HsmDown)


@given(pins, pans, st.sampled_from(PinFormat), st.sampled_from(PinFormat))
def test_a_pin_leaves_in_the_format_of_its_bank_or_not_at_all(pin, pan, from_, to):
    clear = encode(from_, pin, pan, random.Random(3).randbytes)
    at_box = from_ in PIN_FORMATS and to in PIN_FORMATS and may_translate(from_, to)
    block = encipher(
        from_, (AES if from_ is PinFormat.ISO_4 else TDES).encryptor(CLEAR[Usage.TPK]), clear, pan
    )
    boxed = TranslatePin(BOX_KEYS[Usage.TPK], BOX_KEYS[Usage.ZPK], pan, block, from_, to)
    soft = TranslatePin(SOFT_KEYS[Usage.TPK], SOFT_KEYS[Usage.ZPK], pan, block, from_, to)
    for ask, command, able in ((asked, boxed, at_box), (SOFT.do, soft, may_translate(from_, to))):
        if not able:
            with pytest.raises(CryptoError):
                ask(command)
            continue
        moved = ask(command)
        opened = (AES if to is PinFormat.ISO_4 else TDES).decryptor(CLEAR[Usage.ZPK])
        assert decode(to, decipher(to, opened, moved, pan), pan) == pin


@pytest.mark.parametrize(
    ("layout", "tak_bytes", "length"), [("001", 8, 24), ("003", 16, 40), ("004", 16, 60)]
)
def test_every_layout_of_a_sign_on_opens_at_the_terminal(layout, tak_bytes, length):
    sizes = {Usage.TPK: 8 if layout == "001" else 16, Usage.TAK: tak_bytes, Usage.TDK: 16}
    clear = {usage: odd_parity(random.Random(size).randbytes(size)) for usage, size in sizes.items()}
    for hsm, ask, master in ((SOFT, SOFT.do, SOFT_KEYS), (BOX, asked, BOX_KEYS)):
        keys = [hsm.wrap(usage, key) for usage, key in clear.items()]
        field = ask(SignOnKeys(layout, master[Usage.TMK], *keys))
        opened = open_working_keys(CLEAR[Usage.TMK], field)
        assert len(field) == length
        assert (opened.pin, opened.mac) == (clear[Usage.TPK], clear[Usage.TAK])
        assert opened.track == (clear[Usage.TDK] if layout == "004" else b"")


def test_a_key_too_long_for_its_layout_is_refused():
    for ask, keys in ((SOFT.do, SOFT_KEYS), (asked, BOX_KEYS)):
        with pytest.raises(CryptoError):
            ask(SignOnKeys("001", keys[Usage.TMK], keys[Usage.TPK], keys[Usage.TAK]))
        with pytest.raises(CryptoError):
            ask(SignOnKeys("002", keys[Usage.TMK], keys[Usage.TPK], keys[Usage.TAK]))


@pytest.mark.parametrize("usage", [Usage.ZPK, Usage.ZAK])
def test_a_zone_key_reaches_its_bank(usage):
    for ask, keys in ((SOFT.do, SOFT_KEYS), (asked, BOX_KEYS)):
        moved, check = ask(ExportKey(keys[Usage.ZMK], usage, keys[usage]))
        assert tdes_decrypt(CLEAR[Usage.ZMK], moved) == CLEAR[usage]
        assert check == kcv(CLEAR[usage], 3)


@pytest.mark.parametrize("usage", [one for one in Usage if one not in (Usage.ZPK, Usage.ZAK)])
def test_no_other_key_leaves(usage):
    for ask, keys in ((SOFT.do, SOFT_KEYS), (asked, BOX_KEYS)):
        with pytest.raises(CryptoError):
            ask(ExportKey(keys[Usage.ZMK], usage, keys[usage]))


@given(st.binary(min_size=8, max_size=8))
def test_the_hidden_part_of_a_track_is_opened(block):
    hidden = tdes_encrypt(CLEAR[Usage.TDK], block)
    for ask, keys in ((SOFT.do, SOFT_KEYS), (asked, BOX_KEYS)):
        assert ask(OpenTrack(keys[Usage.TDK], hidden)) == block
        with pytest.raises(CryptoError):
            ask(OpenTrack(keys[Usage.TPK], hidden))


def test_a_terminal_signs_on_with_what_it_made():
    tpk, tak = asked(NewKey(Usage.TPK)), asked(NewKey(Usage.TAK))
    pik, mak = open_f62(CLEAR[Usage.TMK], asked(SignOnKeys("003", BOX_KEYS[Usage.TMK], tpk, tak)))
    assert (len(pik), len(mak)) == (16, 8)
    assert (pik, mak) == (odd_parity(pik), odd_parity(mak))
    assert asked(Mac(Usage.TAK, tak, "cup-ecb", b"data")) == SOFT.mac(
        Usage.TAK, SOFT.wrap(Usage.TAK, mak), "cup-ecb", b"data"
    )


@pytest.mark.parametrize(
    "command",
    [
        Mac(Usage.TAK, BOX_KEYS[Usage.ZAK], "cup-ecb", b"data"),
        Mac(Usage.ZAK, BOX_KEYS[Usage.ZPK], "x9.19", b"data"),
        TranslatePin(BOX_KEYS[Usage.ZPK], BOX_KEYS[Usage.TPK], PAN, bytes(8)),
        SignOnKeys("003", BOX_KEYS[Usage.ZPK], BOX_KEYS[Usage.TPK], BOX_KEYS[Usage.TAK]),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_key_works_only_as_what_it_is(command):
    with pytest.raises(CryptoError):
        asked(command)


COMMANDS = [
    NewKey(Usage.TPK),
    SignOnKeys("003", BOX_KEYS[Usage.TMK], BOX_KEYS[Usage.TPK], BOX_KEYS[Usage.TAK]),
    Mac(Usage.TAK, BOX_KEYS[Usage.TAK], "cup-ecb", b"data"),
    MacFits(Usage.ZAK, BOX_KEYS[Usage.ZAK], "x9.19", b"TEXT", b"00000000"),
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
