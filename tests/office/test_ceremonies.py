"""Keys under dual control, as people do it: parts of two, a second person, and one key in one place."""

import re

import msgspec
import pytest
from cli_runs import one_line, posswitch
from hypothesis import given
from hypothesis import strategies as st
from office_ceremony import BANK, OTHER, PART_1, PART_2, TERMINAL, WHOLE_CHECK, ZMK, acts
from office_rows import activate

from posswitch.base.errors import OfficeError
from posswitch.crypto.ciphers import kcv, odd_parity, xor
from posswitch.crypto.commands import Usage
from posswitch.office.acts import known_name, same_name


def test_a_key_is_formed_by_two_and_confirmed_by_another(keys, parts, desk, hsm):
    said = keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    assert said.code == 0, said.err
    for name, part in (("Chen", PART_1), ("Wang", PART_2)):
        assert f"({name}): check value {kcv(part).hex().upper()}" in said.out
        assert part.hex() not in said.out.lower()
    assert f"whole ZMK: check value {WHOLE_CHECK}" in said.out
    assert desk().registry.banks[BANK].zmk == b""  # nothing has happened yet
    assert desk().version == 0
    said = keys("confirm", 1, "--by", "Wang")
    assert f"{ZMK}: check value {WHOLE_CHECK} stands there now" in said.out
    assert hsm.check_value(Usage.ZMK, desk().registry.banks[BANK].zmk).hex().upper() == WHOLE_CHECK
    (entry,) = desk().entries
    assert (entry.author, entry.note) == ("Chen + Wang", f"keys form {ZMK} {WHOLE_CHECK}")


def test_the_history_says_who_did_what_with_which_check_values(keys, with_zmk):
    proposed, word = acts(keys)
    assert (proposed["by"], proposed["act"], proposed["state"]) == ("Chen", f"form {ZMK}", "confirmed")
    assert proposed["parts"] == "Chen FA16CB8C, Wang 90625615"
    assert proposed["check value"] == WHOLE_CHECK
    assert (word["by"], word["act"], word["version"]) == ("Wang", "confirms 1", 1)
    line = keys("history").out.splitlines()[0]
    assert "Chen" in line
    assert "check value 9BAE3E" in line


def test_nothing_clear_stays_anywhere(keys, with_zmk, city):
    whole = odd_parity(xor(PART_1, PART_2))
    for path in city.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for secret in (PART_1, PART_2, whole):
            assert secret not in content
            assert secret.hex().encode() not in content.lower()


def test_a_key_for_no_row_yet_is_given_wrapped(keys, parts, desk, hsm):
    keys("form", "TMK", "--by", "Chen", *parts)
    said = keys("confirm", 1, "--by", "Wang")
    wrapped = re.search(r"wrapped TMK, for a row of the registry: ([0-9a-f]+)", said.out)[1]
    assert hsm.check_value(Usage.TMK, bytes.fromhex(wrapped)).hex().upper() == WHOLE_CHECK
    assert desk().version == 0


@pytest.mark.parametrize(
    "name", ["Chen", "CHEN", " chen ", "Ｃｈｅｎ", "C h e n", "chen.", "Chén", "Che\u0301n"]
)
def test_the_same_person_does_not_confirm(keys, parts, desk, name):
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    said = keys("confirm", 1, "--by", name)
    assert said.code == 2
    assert one_line(said.err)
    assert "another person must confirm it" in said.err
    assert desk().version == 0


@given(st.text(min_size=2, max_size=30))
def test_a_name_is_itself_however_it_is_written(text):
    try:
        name = known_name(text)
    except OfficeError:
        return
    assert same_name(name, name)
    assert same_name(name, f" {name.upper()} ") or name.upper().lower() != name.lower()
    assert not same_name(name, f"{name}x")


@pytest.mark.parametrize("name", ["", "a", " ", "12345", "x" * 31, "a\nb", "Li\u200b"])
def test_a_name_that_is_none(keys, parts, name):
    said = keys("form", "ZMK", "--by", name, *parts)
    assert said.code == 2
    assert "give the name of a person" in said.err
    assert one_line(said.err)


@pytest.mark.parametrize("name", ["\u0421hen", "Ch\u0435n", "Chen \u0391", "陈 \u0421hen"])
def test_a_name_of_mixed_scripts_is_refused(keys, parts, name):
    said = keys("form", "ZMK", "--by", name, *parts)
    assert said.code == 2
    assert re.search("mixes letters of (Cyrillic|Greek) and Latin that look alike", said.err)
    assert one_line(said.err)


@pytest.mark.parametrize("name", ["陈 Chen", "Иванов", "Müller", "Ｗａｎｇ 王", "さとう Sato"])
def test_a_name_of_one_script_beside_han_is_fine(name):
    assert known_name(name) == name


def test_parts_of_one_person_alone(keys, parts, tmp_path):
    said = keys(
        "form", "ZMK", "--by", "Li", "--part", f"Chen={tmp_path}/Chen", "--part", f"CHEN={tmp_path}/Wang"
    )
    assert said.code == 2
    assert "two people at least must bring them" in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("form", "TPK"), "no usage 'TPK' of a long-lived key; there are ZPK, ZAK, ZMK, TMK"),
        (("form", "ZMK", "--terminal", TERMINAL), "a ZMK belongs to a bank: give --bank"),
        (("form", "TMK", "--bank", BANK), "a TMK belongs to a terminal: give --terminal"),
        (("form", "ZMK", "--bank", "99999999"), "no bank 99999999 is registered"),
        (("form", "ZMK", "--bank", BANK, "--part", "gone", "--part", "a=b"), "--part: write NAME=FILE"),
        (("form", "ZMK", "--bank", BANK, "--part", "Chen=a"), "--parts: must be 2 to 9"),
        (("destroy", "bank/1"), "no place of a key"),
        (("destroy", "bank/1/tmk"), "no place of a key"),
        (("destroy", "bank/99999999/zmk"), "no bank 99999999 is registered"),
        (("destroy", ZMK), "no key stands there"),
        (("expire", ZMK), "no key stands there"),
        (("expire", f"bank/{BANK}/zpk", "--on", "soon"), "--on: 'soon' is no date"),
        (
            ("expire", f"bank/{BANK}/zpk", "--on", "9999-12-31"),
            "--on: 9999-12-31 is past or more",
        ),
        (
            ("expire", f"bank/{BANK}/zpk", "--on", "0001-01-01"),
            "--on: 0001-01-01 is past or more",
        ),
        (("expire", f"bank/{BANK}/zpk", "--on", "2020-01-01"), "--on: 2020-01-01 is past"),
        (("expire", "bank/1", "--on", "2030-01-01"), "no place of a key"),
        (("export", "--bank", BANK, "--key", "zpk"), "no zone master key to carry it"),
        (("export", "--bank", BANK, "--key", "tmk"), "no place of a key"),
        (("export", "--bank", "nobank", "--key", "zpk"), "no bank nobank is registered"),
        (("form", "ZMK", "--bank", BANK, "--part", f"1={BANK}", "--part", "Wu=a"), "--part: give the name"),
        (("rotate", BANK), f"bank {BANK} has no zone master key"),
        (("rotate", "1"), "no bank 1 is registered"),
        (("import", "ZPK", "--bank", BANK, "--block", "B"), "has no zone master key"),
        (("import", "ZPK", "--bank", BANK), "give either --block or --cryptogram"),
        (("import", "ZPK", "--bank", BANK, "--cryptogram", "00"), "give --bank and --check VALUE"),
        (("components", "ZMK"), "parts are shown at a terminal alone"),
        (("components", "ZMK", "--parts", "1", "--to", "a"), "--parts: must be 2 to 9"),
        (("components", "ZMK", "--parts", "3", "--to", "a"), "3 parts need 3 files"),
    ],
)
def test_what_is_refused_in_one_line(keys, desk, words, said):
    ended = keys(*words, "--by", "Li")
    assert ended.code == 2
    assert said in ended.err
    assert one_line(ended.err)
    assert "crypto-period" not in ended.out
    assert desk().ledger.acts == []


# One key in two places


@pytest.mark.parametrize(
    "words",
    [
        ("ZPK", "--bank", BANK),
        ("ZMK", "--bank", OTHER),
        ("TMK", "--terminal", TERMINAL),
        ("TMK",),
    ],
)
def test_a_key_that_stands_elsewhere_is_refused(keys, parts, with_zmk, desk, words):
    said = keys("form", *words, "--by", "Li", *parts)
    assert said.code == 2
    assert f"is the same key as {ZMK}; form one of its own" in said.err
    assert one_line(said.err)
    assert len(desk().ledger.acts) == 2


def test_the_key_of_a_place_may_be_formed_again(keys, parts, with_zmk):
    assert keys("form", "ZMK", "--bank", BANK, "--by", "Li", *parts).code == 0
    assert keys("form", "ZMK", "--by", "Li", *parts).code == 0


def test_a_key_that_came_to_stand_twice_is_said(registry, with_zmk, desk, hsm, city, capsys):
    """Nobody refuses an import: it is one person's."""
    zpk = hsm.wrap(Usage.ZPK, odd_parity(xor(PART_1, PART_2)))
    activate(desk(), [msgspec.structs.replace(desk().registry.banks[OTHER], zpk=zpk)])
    said = registry("check")
    assert said.code == 0
    assert re.search(rf"note: bank {OTHER}: zpk: is the same key as {ZMK}; form a key of its own", said.out)
    said = posswitch(capsys, "check", "-c", city / "posswitch.toml")
    assert f"warning: node.data: office.db: bank {OTHER} zpk: is the same key as {ZMK}" in said.out


def test_parts_of_another_usage_are_refused(keys, tmp_path, desk):
    files = [tmp_path / name for name in "ab"]
    assert keys("components", "ZPK", "--by", "Li", "--to", files[0], "--to", files[1]).code == 0
    brought = ("--part", f"Chen={files[0]}", "--part", f"Wu={files[1]}")
    said = keys("form", "ZAK", "--bank", BANK, "--by", "Li", *brought)
    assert said.code == 2
    assert f"{files[0]}: is a part of a ZPK, not of a ZAK; bring the parts of this key" in said.err
    assert one_line(said.err)
    assert len(desk().ledger.acts) == 1
