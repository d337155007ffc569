"""Published values, row by row (`tests/vectors/crypto.tsv`; padding method 2 is written out in the input)."""

import csv
from pathlib import Path

import pytest

from posswitch.crypto.ciphers import kcv, tdes_decrypt, tdes_encrypt, xor
from posswitch.crypto.mac import cup_mac, x99, x919
from posswitch.crypto.pinblock import decode_iso0, encode_iso0
from posswitch.crypto.signon import open_f62, pack_f62

FILE = Path(__file__).parent.parent / "vectors" / "crypto.tsv"
ROWS = list(csv.DictReader(FILE.open(encoding="utf-8"), delimiter="\t"))
unhex = bytes.fromhex

OPERATIONS = {
    "encrypt": lambda key, text: tdes_encrypt(key, unhex(text)),
    "decrypt": lambda key, text: tdes_decrypt(key, unhex(text)),
    "kcv": lambda key, _: kcv(key, 8),
    "xor": lambda _, text: xor(*map(unhex, text.split())),
    "f62_pik": lambda key, text: open_f62(key, unhex(text))[0],
    "f62_mak": lambda key, text: open_f62(key, unhex(text))[1],
    "cup_mac": lambda key, text: cup_mac(key, unhex(text)),
    "x99": lambda key, text: x99(key, unhex(text)),
    "x919": lambda key, text: x919(key, unhex(text)),
    "pin_iso0": lambda _, text: encode_iso0(*text.split()),
    "pin_iso0_encrypted": lambda key, text: tdes_encrypt(key, encode_iso0(*text.split())),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_published_value(row):
    expected = unhex(row["expected"])
    result = OPERATIONS[row["operation"]](unhex(row["key"]), row["input"])
    # check values are published at 3, 4 and 8 bytes
    assert (result[: len(expected)] if row["operation"] == "kcv" else result) == expected


def test_every_operation_has_a_row():
    assert {row["operation"] for row in ROWS} == set(OPERATIONS)


def test_check_values_are_cut():
    assert kcv(unhex("0123456789ABCDEF"), 3) == unhex("D5D44F")
    assert len(kcv(bytes(8))) == 4


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
