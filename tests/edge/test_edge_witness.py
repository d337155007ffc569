"""What went over the lines, read by software of others: pyiso8583, psec, cryptography."""

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from edge_bank import CUPS
from edge_till import POS
from edge_town import until

iso8583 = pytest.importorskip("iso8583")
psec = pytest.importorskip("psec")

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # psec's


def fixed(count, encoding="ascii", **more):
    return {"data_enc": encoding, "len_enc": "ascii", "len_type": 0, "max_len": count, "desc": "", **more}


def variable(digits, count, encoding="ascii"):
    return {"data_enc": encoding, "len_enc": "ascii", "len_type": digits, "max_len": count, "desc": ""}


def nibbles(count, pad):
    """Packed digits; an odd count is filled at the side `pad`."""
    return fixed(count, "b", len_count="nibbles", **{pad: "0"})


def packed(length_bytes, count):
    """Packed digits behind a packed length."""
    return {
        "data_enc": "b", "len_enc": "bcd", "len_type": length_bytes, "max_len": count, "desc": "",
        "len_count": "nibbles", "right_pad": "0",
    }  # fmt: skip


# Between banks: 46 bytes of header, digits and text as characters, a binary bitmap in two halves.
CUPS_SPEC = {
    "h": fixed(46, "b"), "t": fixed(4), "p": fixed(8, "b"), "1": fixed(8, "b"),
    "2": variable(2, 19), "3": fixed(6), "4": fixed(12), "7": fixed(10), "11": fixed(6), "12": fixed(6),
    "13": fixed(4), "14": fixed(4), "15": fixed(4), "18": fixed(4), "22": fixed(3), "25": fixed(2),
    "26": fixed(2), "32": variable(2, 11), "33": variable(2, 11), "35": variable(2, 37), "37": fixed(12),
    "38": fixed(6), "39": fixed(2), "41": fixed(8), "42": fixed(15), "43": fixed(40, "gb18030"),
    "49": fixed(3), "52": fixed(8, "b"), "53": fixed(16), "70": fixed(3), "90": fixed(42),
    "100": variable(2, 11), "128": fixed(8, "b"),
}  # fmt: skip
# Terminals: TPDU 5 and header 6 bytes, packed digits, one bitmap.
POS_SPEC = {
    "h": fixed(11, "b"), "t": fixed(2, "b"), "p": fixed(8, "b"), "1": fixed(0, "b"),
    "2": packed(1, 19), "3": fixed(3, "b"), "4": fixed(6, "b"), "11": fixed(3, "b"), "12": fixed(3, "b"),
    "13": fixed(2, "b"), "14": fixed(2, "b"), "15": fixed(2, "b"), "22": nibbles(3, "right_pad"),
    "25": fixed(1, "b"), "26": fixed(1, "b"), "32": packed(1, 11), "35": packed(1, 37), "37": fixed(12),
    "38": fixed(6), "39": fixed(2), "41": fixed(8), "42": fixed(15),
    "44": {**variable(1, 25), "len_enc": "bcd"}, "49": fixed(3), "52": fixed(8, "b"), "53": fixed(8, "b"),
    "60": packed(2, 17), "62": {**variable(2, 512, "b"), "len_enc": "bcd"},
    "63": {**variable(2, 999), "len_enc": "bcd"}, "64": fixed(8, "b"),
}  # fmt: skip

SPOKEN = {
    "bank": {"0200", "0210", "0420", "0430", "0820", "0830"},
    "terminal": {"0200", "0210", "0400", "0410", "0800", "0810", "0820", "0830"},
}
SIDES = {"bank": (CUPS, CUPS_SPEC), "terminal": (POS, POS_SPEC)}


class Tape:
    """The payloads of some payments with all that is needed to check them."""

    def __init__(self, till, bank, bought):
        self.payloads = {
            "bank": bank.heard + bank.said,
            "terminal": till.cable.heard + till.cable.said,
        }
        self.till, self.bank, self.bought = till, bank, bought

    def read(self, side, *mtis):
        """What the witness makes of the payloads, with the payload."""
        spec = SIDES[side][1]
        decoded = [(iso8583.decode(payload, spec)[0], payload) for payload in self.payloads[side]]
        chosen = [(fields, payload) for fields, payload in decoded if fields["t"] in mtis]
        assert chosen, f"no {mtis} on the {side}'s side"
        return chosen


@pytest.fixture(scope="module")
def recorder(switch):
    """The town of this module and what was recorded in it."""
    return {"switch": switch}


async def tape(recorder):
    """An approval with PIN, one without, a decline, a silence with its reversal, an echo: recorded once."""
    if "tape" not in recorder:
        switch = recorder["switch"]
        till, bank = await switch.till(), switch.banks[0]
        bought = [switch.bought(), switch.bought(), switch.bought(pin=False), switch.bought()]
        for card in bought[:3]:
            await switch.approved(till, card)
        bank.answer(await switch.forwarded(till, bought[3]), "51")
        await till.answer()
        await switch.forwarded(till, switch.bought())
        assert (await till.answer()).fields[39] == "98"
        await until(lambda: switch.came_to(till.id, "reversed"))
        assert (await till.answered(till.reversal(bought[0], stan=2))).fields[39] == "00"
        await till.ask(till.echo())
        await until(lambda: switch.came_to(till.id, "reversed"))
        recorder["tape"] = Tape(till, bank, bought)
    return recorder["tape"]


def plain(message):
    return {
        n: value.hex().upper() if isinstance(value, bytes) else value for n, value in message.fields.items()
    }


def as_digits(fields):
    """The witness writes packed tracks with D, as we do, and every hex digit in upper case."""
    return {int(key): value for key, value in fields.items() if key.isdecimal() and key not in ("1",)}


@pytest.mark.parametrize("side", SIDES)
async def test_pyiso8583_reads_every_frame_as_we_do_and_writes_the_same_bytes(recorder, side):
    ours, spec = SIDES[side]
    payloads = (await tape(recorder)).payloads[side]
    seen = set()
    for payload in payloads:
        theirs, _ = iso8583.decode(payload, spec)
        message = ours.unpack(payload)
        assert theirs["t"] == message.mti
        assert as_digits(theirs) == plain(message)
        assert bytes(iso8583.encode(theirs, spec)[0]) == payload
        seen.add(message.mti)
    assert seen >= SPOKEN[side]


COVERED = ("t", "2", "3", "4", "7", "11", "18", "25", "28", "32", "33", "38", "39", "41", "42")
KEPT = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,. "


def covered_text(fields):
    values = [fields[key] for key in COVERED if key in fields] + (
        [fields["90"][:20]] if "90" in fields else []
    )
    text = "".join(char for char in " ".join(values).upper() if char in KEPT)
    return " ".join(text.split()).encode()


async def test_psec_computes_every_mac_between_centre_and_bank(recorder):
    recorded = await tape(recorder)
    zak = recorded.bank.plan.zak
    for fields, _ in recorded.read("bank", "0200", "0210", "0420", "0430"):
        mac = psec.mac.generate_retail_mac(zak[:8], zak[8:], covered_text(fields), 1)
        assert bytes.fromhex(fields["128"]) == mac[:4].hex().upper().encode()


def des(key, block):
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def xored(left, right):
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def cup_mac(key, data):
    """The ECB MAC of Chinese terminals, from its description."""
    data += bytes(-len(data) % 8)
    folded = bytes(8)
    for at in range(0, len(data), 8):
        folded = xored(folded, data[at : at + 8])
    text = folded.hex().upper().encode()
    return des(key, xored(des(key, text[:8]), text[8:])).hex().upper().encode()[:8]


async def test_cryptography_computes_every_mac_between_centre_and_terminal(recorder):
    recorded = await tape(recorder)
    for fields, payload in recorded.read("terminal", "0200", "0210", "0400", "0410"):
        assert bytes.fromhex(fields["64"]) == cup_mac(recorded.till.mak, payload[11:-8])


def opened(key16, block):
    decryptor = Cipher(TripleDES(key16 + key16[:8]), modes.ECB()).decryptor()
    return decryptor.update(block) + decryptor.finalize()


async def test_psec_opens_every_pin_block_to_the_pin_that_was_typed(recorder):
    recorded = await tape(recorder)
    pins = {card.pan: card.pin for card in recorded.bought}
    keys = {"terminal": recorded.till.pik, "bank": recorded.bank.plan.zpk}
    for side, key in keys.items():
        blocks = [fields for fields, _ in recorded.read(side, "0200") if "52" in fields]
        assert len(blocks) >= 3
        for fields in blocks:
            if fields["2"] in pins:
                clear = opened(key, bytes.fromhex(fields["52"]))
                assert psec.pinblock.decode_pinblock_iso_0(clear, fields["2"]) == pins[fields["2"]]


async def test_cryptography_opens_the_working_keys_of_the_sign_on(recorder):
    recorded = await tape(recorder)
    (fields, _), *_ = recorded.read("terminal", "0810")
    keys = bytes.fromhex(fields["62"])
    pik, mak = opened(recorded.till.fitting.tmk, keys[:16]), opened(recorded.till.fitting.tmk, keys[20:28])
    assert (pik, mak) == (recorded.till.pik, recorded.till.mak)
    decryptor = Cipher(TripleDES(pik + pik[:8]), modes.ECB()).encryptor()
    assert decryptor.update(bytes(8))[:4] == keys[16:20]
    assert des(mak, bytes(8))[:4] == keys[36:]
