"""Keys that come from partners and go to them, and keys of other ciphers."""

import json
import os
import re

import msgspec
import psec
import pytest
from cli_runs import one_line
from office_ceremony import BANK, KEY, PART_1, PART_2, TERMINAL, confirmed
from office_rows import activate

from posswitch.crypto.ciphers import check_value, kcv, odd_parity, tdes_encrypt, xor
from posswitch.crypto.commands import Usage
from posswitch.crypto.keyblock import Header, wrap

pytestmark = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning"  # psec's own
)


def block(usage="P0", mode="B", exportability="E"):
    return wrap(xor(PART_1, PART_2), Header("B", usage, "T", mode, exportability), KEY, os.urandom)


def test_a_key_goes_out_once_it_is_confirmed(keys, with_zmk, config, hsm):
    said = keys("export", "--bank", BANK, "--key", "zak", "--by", "Li")
    assert said.code == 0
    assert not re.search(r"B0\d\d\d", said.out)  # no block before the second person
    ended = keys("confirm", 3, "--by", "Wang")
    (text,) = re.findall(r"^B0\S+$", ended.out, re.MULTILINE)
    header, key = psec.tr31.unwrap(xor(PART_1, PART_2), text)
    assert (header.key_usage, header.exportability) == ("M3", "N")
    assert kcv(key) == hsm.check_value(Usage.ZAK, config.registry.banks[BANK].zak)
    assert "under the zone master key 9BAE3E" in ended.out


def test_a_zone_master_key_goes_out_under_the_one_before(keys, with_zmk, tmp_path, desk):
    said = keys("export", "--bank", BANK, "--key", "zmk", "--by", "Li")
    assert "no earlier zone master key" in said.err
    files = [tmp_path / "new-1", tmp_path / "new-2"]
    keys("components", "ZMK", "--by", "Li", "--to", files[0], "--to", files[1])
    confirmed(keys, "form", "ZMK", "--bank", BANK, "--part", f"Chen={files[0]}", "--part", f"Wu={files[1]}")
    ended = confirmed(keys, "export", "--bank", BANK, "--key", "zmk")
    (text,) = re.findall(r"^B0\S+$", ended.out, re.MULTILINE)
    _, key = psec.tr31.unwrap(xor(PART_1, PART_2), text)
    assert f"check value {kcv(key).hex().upper()}" in ended.out
    assert kcv(key) != kcv(xor(PART_1, PART_2))


def test_a_key_does_not_go_out_under_another_key_than_was_proposed(keys, with_zmk, tmp_path):
    keys("export", "--bank", BANK, "--key", "zak", "--by", "Li")
    files = [tmp_path / "new-1", tmp_path / "new-2"]
    keys("components", "ZMK", "--by", "Li", "--to", files[0], "--to", files[1])
    confirmed(keys, "form", "ZMK", "--bank", BANK, "--part", f"Chen={files[0]}", "--part", f"Wu={files[1]}")
    said = keys("confirm", 3, "--by", "Wang")
    assert said.code == 2
    assert "the zone master key above it changed meanwhile" in said.err
    assert "B0" not in said.out


def test_a_key_block_of_a_partner(keys, with_zmk, tmp_path, desk, hsm):
    path = tmp_path / "block"
    path.write_text(block() + "\n")
    ended = confirmed(
        keys, "import", "ZPK", "--bank", BANK, "--block", f"@{path}", "--check", kcv(KEY, 3).hex()
    )
    assert f"check value {kcv(KEY).hex().upper()} stands there now" in ended.out
    assert hsm.check_value(Usage.ZPK, desk().registry.banks[BANK].zpk) == kcv(KEY)


def test_a_block_that_does_not_fit_changes_nothing(keys, with_zmk, desk):
    for words, said in (
        (("ZPK", "--block", block("M3", "C")), "usage is M3"),
        (("ZAK", "--block", block()), "usage is P0"),
        (("ZPK", "--block", block()[:-1] + "x"), "key block"),
        (("ZPK", "--block", block(), "--check", "000000"), "another one was given"),
        (("ZPK", "--block", block(), "--check", "57"), "another one was given"),
        (("ZPK", "--block", "@gone"), "gone: No such file"),
        (("ZPK", "--cryptogram", "xyz", "--check", "000000"), "must be hex digits"),
        (("ZPK", "--cryptogram", bytes(range(16)).hex(), "--check", "000000"), "--check"),
    ):
        ended = keys("import", *words, "--bank", BANK, "--by", "Li")
        assert ended.code == 2
        assert said in ended.err
        assert one_line(ended.err)
    assert len(desk().ledger.acts) == 2


def test_what_may_not_be_exported_is_not(keys, with_zmk):
    confirmed(keys, "import", "ZPK", "--bank", BANK, "--block", block(exportability="N"))
    said = keys("export", "--bank", BANK, "--key", "zpk", "--by", "Li")
    assert said.code == 2
    assert "may not be exported (N)" in said.err
    confirmed(keys, "import", "ZPK", "--bank", BANK, "--block", block())
    assert keys("export", "--bank", BANK, "--key", "zpk", "--by", "Li").code == 0


def test_a_block_under_parts_and_a_cryptogram(keys, parts, with_zmk, desk, hsm):
    confirmed(
        keys, "import", "TMK", "--terminal", TERMINAL, "--block", block("K0"), "--under", "parts", *parts
    )
    assert hsm.check_value(Usage.TMK, desk().registry.terminals[TERMINAL].tmk) == kcv(KEY)
    other = odd_parity(KEY[::-1])
    cryptogram = tdes_encrypt(xor(PART_1, PART_2), other).hex()
    words = ("import", "ZAK", "--bank", BANK, "--cryptogram", cryptogram, "--check", kcv(other).hex())
    confirmed(keys, *words)
    assert hsm.check_value(Usage.ZAK, desk().registry.banks[BANK].zak) == kcv(other)


# Keys of other ciphers


def test_an_aes_key_is_formed_bit_for_bit(keys, desk, hsm, tmp_path):
    """A row says of which cipher its key is; the check value is that cipher's, and no parity is set."""
    row = msgspec.structs.replace(desk().registry.banks[BANK], pin_block="iso-4")
    activate(desk(), [row])
    files = [tmp_path / name for name in "ab"]
    words = ("--algorithm", "aes", "--bits", "256", "--to", files[0], "--to", files[1])
    said = keys("components", "ZPK", "--by", "Li", *words)
    assert said.code == 0, said.err
    values = [bytes.fromhex(path.read_text().splitlines()[1]) for path in files]
    whole = check_value("aes", xor(*values), 4).hex().upper()
    assert f"whole ZPK: check value {whole}" in said.out
    brought = ("--part", f"Chen={files[0]}", "--part", f"Wu={files[1]}")
    ended = confirmed(keys, "form", "ZPK", "--bank", BANK, *brought)
    assert f"check value {whole} stands there now" in ended.out
    line = next(
        one for one in json.loads(keys("list", "--json").out)["keys"] if one["place"] == f"bank/{BANK}/zpk"
    )
    assert (line["algorithm"], line["bits"], line["check"]) == ("AES", 256, whole)
    assert hsm.check_value(Usage.ZPK, desk().registry.banks[BANK].zpk).hex().upper() == whole


@pytest.mark.parametrize(("algorithm", "bits"), [("tdes", 256), ("sm4", 192), ("rot13", 128), ("aes", 0)])
def test_a_cipher_and_a_length_that_do_not_go_together(keys, algorithm, bits):
    said = keys(
        "components", "ZPK", "--by", "Li", "--algorithm", algorithm, "--bits", bits, "--to", "a", "--to", "b"
    )
    assert said.code == 2
    assert f"no key of {algorithm} has {bits} bits" in said.err


def test_an_aes_key_does_not_leave_under_triple_des(keys, with_zmk, desk):
    row = msgspec.structs.replace(desk().registry.banks[BANK], pin_block="iso-4")
    activate(desk(), [row])
    said = keys("export", "--bank", BANK, "--key", "zpk", "--by", "Li")
    assert "a key of aes does not go out under triple DES" in said.err
    said = keys("import", "ZPK", "--bank", BANK, "--block", block(), "--by", "Li")
    assert "algorithm is T, expected A" in said.err
