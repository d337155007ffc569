"""Published values, row by row (`tests/vectors/crypto.tsv`; a last 1 or 2 behind MAC data is the padding)."""

import csv
from pathlib import Path

import pytest

from posswitch.crypto import dukpt, issuer, keyblock, pinblock
from posswitch.crypto.ciphers import (
    AES,
    BLOCK_BYTES,
    SM4,
    TDES,
    check_value,
    combine,
    kcv,
    tdes_decrypt,
    tdes_encrypt,
    xor,
)
from posswitch.crypto.mac import MACS, PADDINGS, cup_mac, iso9797_3, x99, x919
from posswitch.crypto.pinblock import PinFormat, decode_iso0, encode_iso0
from posswitch.crypto.signon import open_f62, pack_f62

FILE = Path(__file__).parent.parent / "vectors" / "crypto.tsv"
ROWS = list(csv.DictReader(FILE.open(encoding="utf-8"), delimiter="\t"))
REFERENCE_ROWS = 115  # the others have ids of their own: adukpt192, adukpt256, 2tdea
unhex = bytes.fromhex
ANY_USE = keyblock.Expected(("P0", "B0", "K0"), ("T", "A"), ("E", "X", "N"))


def padded(text, block_bytes=BLOCK_BYTES):
    data, _, padding = text.rpartition(" ")
    return PADDINGS[int(padding)](unhex(data), block_bytes)


def whole_mac(name, key, text):
    return MACS[name].opened(key).mac(padded(text, MACS[name].block_bytes))


def drawing(fill, digits):
    """Entropy that makes the fill `fill` of these digits."""
    number = 0
    for digit in reversed(fill.lower()):
        number = number * len(digits) + digits.index(digit)
    return lambda size: number.to_bytes(size, "big")


def encoded(format_, pin, fill="", digits="0123456789abcdef", pan="0" * 16):
    return pinblock.encode(format_, pin, pan, drawing(fill, digits))


def iso4(key, pin, pan, fill):
    field = encoded(PinFormat.ISO_4, pin, fill, pan=pan)
    return pinblock.encipher(PinFormat.ISO_4, AES.encryptor(key), field, pan)


def sm4_rounds(key, text):
    data, rounds = text.split()
    encrypt, block = SM4.encryptor(key), unhex(data)
    for _ in range(int(rounds)):
        block = encrypt(block)
    return block


def alg3(key, text):
    key2, data, padding = text.split()
    return iso9797_3(key, unhex(key2), padded(f"{data} {padding}"))


def dukpt_key(bdk, text):
    return dukpt.tdes_transaction_key(dukpt.tdes_initial_key(bdk, unhex(text)), unhex(text))


def dukpt_mac(purpose):
    return lambda key, text: x919(dukpt.tdes_working_key(key, purpose), unhex(text))[:4]


def dukpt_pin(key, text):
    return tdes_encrypt(dukpt.tdes_working_key(key, dukpt.Purpose.PIN), encode_iso0(*text.split()))


def aes_derivation_key(bdk, text):
    ksn = unhex(text)
    return dukpt.aes_derivation_key(dukpt.aes_initial_key(bdk, ksn[:8]), ksn)


def aes_working_key(use, type_=None):
    return lambda bdk, text: dukpt.aes_working_key(aes_derivation_key(bdk, text), unhex(text), use, type_)


def aes_pin_block(bdk, text):
    ksn, pin, pan, fill = text.split()
    return iso4(aes_working_key(dukpt.KeyUse.PIN)(bdk, ksn), pin, pan, fill)


OPERATIONS = {
    "encrypt": lambda key, text: tdes_encrypt(key, unhex(text)),
    "decrypt": lambda key, text: tdes_decrypt(key, unhex(text)),
    "kcv": lambda key, _: kcv(key, 8),
    "kcv_aes": lambda key, _: check_value("aes", key, 16),
    "kcv_sm4": lambda key, _: check_value("sm4", key, 16),
    "combine": lambda _, text: combine([unhex(part) for part in text.split()]),
    "f62_pik": lambda key, text: open_f62(key, unhex(text))[0],
    "f62_mak": lambda key, text: open_f62(key, unhex(text))[1],
    "cup_mac": lambda key, text: cup_mac(key, unhex(text)),
    "x99": lambda key, text: x99(key, padded(text)),
    "x919": lambda key, text: x919(key, padded(text)),
    "iso9797_3": alg3,
    "tdes_cbc_mac": lambda key, text: whole_mac("tdes-cbc", key, text),
    "aes_cmac": lambda key, text: AES.cmac(key, unhex(text)),
    "sm4_encrypt": sm4_rounds,
    "sm4_cbc": lambda key, text: SM4.encrypt_cbc(key, *map(unhex, text.split())),
    "sm4_cmac": lambda key, text: SM4.cmac(key, unhex(text)),
    "sm4_cbc_mac": lambda key, text: whole_mac("sm4-cbc", key, text),
    "pin_iso0": lambda _, text: encode_iso0(*text.split()),
    "pin_iso0_encrypted": lambda key, text: tdes_encrypt(key, encode_iso0(*text.split())),
    "pin_iso1": lambda _, text: encoded(PinFormat.ISO_1, *text.split()),
    "pin_iso2": lambda _, text: encoded(PinFormat.ISO_2, text),
    "pin_iso3": lambda _, text: encoded(PinFormat.ISO_3, *text.split()[::2], "abcdef", text.split()[1]),
    "pin_cup1": lambda _, text: encoded(PinFormat.CUP_1, text),
    "pin_iso4": lambda key, text: iso4(key, *text.split()),
    "dukpt_ipek": lambda key, text: dukpt.tdes_initial_key(key, unhex(text)),
    "dukpt_key": dukpt_key,
    "dukpt_pin": dukpt_pin,
    "dukpt_mac_request": dukpt_mac(dukpt.Purpose.MAC_REQUEST),
    "dukpt_mac_response": dukpt_mac(dukpt.Purpose.MAC_RESPONSE),
    "aes_dukpt_ik": lambda key, text: dukpt.aes_initial_key(key, unhex(text)),
    "aes_dukpt_key": aes_derivation_key,
    "aes_dukpt_pin": aes_working_key(dukpt.KeyUse.PIN),
    "aes_dukpt_pin_2tdea": aes_working_key(dukpt.KeyUse.PIN, dukpt.KeyType.TDES_2),
    "aes_dukpt_mac": aes_working_key(dukpt.KeyUse.MAC_GENERATION),
    "aes_dukpt_data": aes_working_key(dukpt.KeyUse.DATA_ENCRYPTION),
    "aes_dukpt_pin_block": aes_pin_block,
    "key_block": lambda key, text: keyblock.unwrap(key, text, ANY_USE)[1],
    "cvv": lambda key, text: issuer.cvv(key, *text.split()),
    "pvv": lambda key, text: issuer.pvv(key, *text.split()),
    "ibm3624": lambda key, text: issuer.ibm3624_pin(key, *text.split()),
    "arqc": lambda key, text: issuer.arqc(key, unhex(text)),
    "arpc_1": lambda key, text: issuer.arpc_1(key, *map(unhex, text.split())),
    "arpc_2": lambda key, text: issuer.arpc_2(key, *map(unhex, text.split())),
    "icc_master_key": lambda key, text: issuer.icc_master_key(key, *text.split()),
    "emv_session_key": lambda key, text: issuer.emv_session_key(key, unhex(text)),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_published_value(row):
    result = OPERATIONS[row["operation"]](unhex(row["key"]), row["input"])
    shown = result if isinstance(result, str) else result.hex().upper()
    # check values are published at 3, 4, 5 and 8 bytes
    assert (shown[: len(row["expected"])] if row["operation"].startswith("kcv") else shown) == row["expected"]


def test_every_operation_has_a_row():
    assert {row["operation"] for row in ROWS} == set(OPERATIONS)


def test_every_row_is_named_once_and_says_where_it_comes_from():
    ids = [row["id"] for row in ROWS]
    assert len(set(ids)) == len(ids)
    own = [id_ for id_ in ids if id_.startswith(("adukpt192", "adukpt256")) or id_.endswith("2tdea")]
    assert len(ids) - len(own) == REFERENCE_ROWS
    assert all(row["source"] for row in ROWS)


def test_check_values_are_cut():
    assert kcv(unhex("0123456789ABCDEF"), 3) == unhex("D5D44F")
    assert len(kcv(bytes(8))) == 4
    assert check_value("tdes", unhex("0123456789ABCDEF")) == unhex("D5D44F")
    assert check_value("aes", unhex("3F419E1CB7079442AA37474C2EFBF8B8")) == unhex("08793E25AB")


def test_published_sign_on_is_packed_byte_for_byte():
    row = next(row for row in ROWS if row["operation"] == "f62_pik")
    tmk, f62 = unhex(row["key"]), unhex(row["input"])
    assert pack_f62(tmk, *open_f62(tmk, f62)) == f62


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["operation"] == "pin_iso0"], ids=lambda row: row["id"]
)
def test_published_pin_block_decodes(row):
    pin, pan = row["input"].split()
    assert decode_iso0(unhex(row["expected"]), pan) == pin


@pytest.mark.parametrize(
    ("operation", "format_"),
    [
        ("pin_iso1", PinFormat.ISO_1),
        ("pin_iso2", PinFormat.ISO_2),
        ("pin_iso3", PinFormat.ISO_3),
        ("pin_cup1", PinFormat.CUP_1),
    ],
)
def test_published_block_of_another_format_decodes(operation, format_):
    row = next(row for row in ROWS if row["operation"] == operation)
    pin, *rest = row["input"].split()
    pan = rest[0] if format_ is PinFormat.ISO_3 else "0" * 13
    assert pinblock.decode(format_, unhex(row["expected"]), pan) == pin


def test_a_double_length_key_of_two_halves_is_x919():
    key = unhex("0123456789ABCDEFFEDCBA9876543210")
    assert iso9797_3(key[:8], key[8:], b"data") == x919(key, b"data")


def test_single_des_is_triple_des_with_one_key():
    key, data = unhex("133457799BBCDFF1"), unhex("0123456789ABCDEF")
    assert {TDES.encrypt(key * times, data) for times in (1, 2, 3)} == {unhex("85E813540F0AB405")}
    assert xor(key, key) == bytes(8)
