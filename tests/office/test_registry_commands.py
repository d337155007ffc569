"""The commands as an operator runs them: onboarding, list, show, history, revert, remove, check."""

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest
from cli_runs import one_line, posswitch
from office_rows import SHOP, activate, merchant, new_tmk, rows_of, terminal

from posswitch.base.card import luhn_digit, luhn_ok
from posswitch.crypto.ciphers import kcv, xor
from posswitch.crypto.commands import Usage

NEW_SHOP = "802440354999999"


def tmk_check(desk, hsm, name):
    return hsm.check_value(Usage.TMK, desk().registry.terminals[name].tmk).hex().upper()


def test_onboarding_is_one_command(registry, desk, hsm):
    words = ("--merchant", SHOP, "--model", "X990", "--firmware", "2.1", "--kinds", "sale,void")
    said = registry("onboard", "20000001", *words, "--show-components")
    assert said.code == 0, said.err
    row = desk().registry.terminals["20000001"]
    assert (row.merchant, row.model, row.firmware, row.kinds) == (SHOP, "X990", "2.1", ("sale", "void"))
    assert f"TMK check value {tmk_check(desk, hsm, '20000001')}" in said.out
    assert desk().entries[0].note == "onboard 20000001"


def test_components_make_the_key_and_only_when_asked_for(registry, desk, hsm, city):
    said = registry("onboard", "20000001", "--merchant", SHOP, "--show-components")
    assert "For a key ceremony" in said.out
    shown = re.findall(r"component \d: ([0-9A-F]{32})  check value ([0-9A-F]{8})", said.out)
    parts = [bytes.fromhex(value) for value, _ in shown]
    assert [kcv(part).hex().upper() for part in parts] == [check for _, check in shown]
    key = xor(*parts)
    assert kcv(key).hex().upper() == tmk_check(desk, hsm, "20000001")
    assert key.hex() not in said.out.lower()
    for path in city.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for secret in (*parts, key):
            assert secret not in content
            assert secret.hex().encode() not in content.lower()


def test_a_key_that_nobody_could_load_is_not_made(registry, desk):
    for both in ((), ("--show-components", "--tmk-components")):
        said = registry("onboard", "20000001", "--merchant", SHOP, *both)
        assert said.code == 2
        assert one_line(said.err)
        assert "give either --show-components" in said.err
        assert desk().version == 0


def test_components_of_another_ceremony(registry, desk, hsm, monkeypatch):
    parts = [b"0123456789abcdef", bytes(range(50, 66))]
    lines = "\n".join(part.hex() for part in parts)
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines + "\n"))
    said = registry("onboard", "20000001", "--merchant", SHOP, "--tmk-components")
    assert said.code == 0, said.err
    assert kcv(xor(*parts)).hex().upper() == tmk_check(desk, hsm, "20000001")
    for number, part in enumerate(parts, 1):
        assert f"component {number}: check value {kcv(part).hex().upper()}" in said.out
        assert part.hex() not in said.out.lower()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "component 1: must be 32 or 48 hex digits"),
        ("0123\n", "component 1: must be"),
        ("zz" * 16 + "\n", "component 1: must be"),
        ("00112233445566778899aabbccddeeff\n", "component 2: must be"),
        ("00112233445566778899aabbccddeeff\n" * 2, "weak key"),
        ("00112233445566778899aabbccddeeff\n" + "5a" * 24 + "\n", "one length"),
    ],
)
def test_components_that_make_no_key(registry, desk, monkeypatch, lines, said):
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    ended = registry("onboard", "20000001", "--merchant", SHOP, "--tmk-components")
    assert ended.code == 2
    assert said in ended.err
    assert one_line(ended.err)
    assert "99aabb" not in (ended.err + ended.out).lower()
    assert desk().version == 0


def test_a_merchant_on_the_fly(registry, desk):
    said = registry("onboard", "20000001", "--merchant", NEW_SHOP, "--show-components")
    assert said.code == 2
    assert one_line(said.err)
    assert "give --merchant-name, --city and --mcc to add it" in said.err
    words = ("--merchant-name", "新茶馆", "--city", "深圳", "--mcc", "5499", "--show-components")
    assert registry("onboard", "20000001", "--merchant", NEW_SHOP, *words).code == 0
    assert desk().registry.merchants[NEW_SHOP].name == "新茶馆"
    assert desk().version == 1
    said = registry("onboard", "20000002", "--merchant", NEW_SHOP, *words)
    assert said.code == 2
    assert "registered already; leave --merchant-name" in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("2000000", "--merchant", SHOP), 'id: is "2000000"; write 8 ASCII characters'),
        (("10000001", "--merchant", SHOP), "terminal 10000001 is registered already"),
        (("20000001", "--merchant", SHOP, "--kinds", "sale,lottery"), 'kind "lottery" is not known'),
        (("20000001", "--merchant", NEW_SHOP, "--merchant-name", "A"), "city: is missing"),
        (
            ("20000001", "--merchant", "1", "--merchant-name", "A", "--city", "B", "--mcc", "5499"),
            'id: is "1"',
        ),
        (("20000001", "--merchant", SHOP, "--model", "m" * 33), "model: is"),
        (
            (
                "20000001",
                "--merchant",
                NEW_SHOP,
                "--merchant-name",
                "茶" * 13,
                "--city",
                "B",
                "--mcc",
                "5499",
            ),
            "name: takes 26 bytes in GB 18030, field 43 has 25",
        ),
        (("20000001", "--merchant", SHOP, "--note", "a\nb"), "note: must be one line"),
        (("20000001", "--merchant", SHOP, "--by", "x" * 65), "author: must be one line"),
    ],
)
def test_onboarding_that_is_refused(registry, desk, words, said):
    ended = registry("onboard", *words, "--show-components")
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert one_line(ended.err)
    assert desk().version == 0


LIKE_A_CARD = next(f"8024403541{number:05d}" for number in range(99999) if luhn_ok(f"8024403541{number:05d}"))


def test_a_merchant_number_is_told_whole_whatever_its_digits_add_up_to(registry):
    for words in (("show", "merchant", LIKE_A_CARD), ("onboard", "20000001", "--merchant", LIKE_A_CARD)):
        said = registry(*words, *(("--show-components",) if words[0] == "onboard" else ()))
        assert f"no merchant {LIKE_A_CARD}" in said.err
    card = LIKE_A_CARD + luhn_digit(LIKE_A_CARD)
    assert card not in registry("show", "merchant", card).err


def test_list(registry):
    said = registry("list")
    assert said.out.count("\n") == 4 + 7 + 12 + 20
    assert registry("list", "terminal").out.count("\n") == 20
    assert registry("list", "shop").code == 2
    told = json.loads(registry("list", "bin", "--json").out)
    assert told["version"] == 0
    assert told["rows"][0] == {
        "table": "bin",
        "prefix": "629001",
        "pan_digits": 16,
        "bank": "90010000",
        "foreign": False,
    }


def test_no_listing_shows_a_key(registry, desk, hsm):
    row = terminal(7, new_tmk(hsm))
    activate(desk(), [row])
    for words in (
        ("list",),
        ("list", "--json"),
        ("show", "terminal", "00000007"),
        ("revert", "0", "--dry-run"),
    ):
        out = registry(*words).out
        assert row.tmk.hex() not in out
    assert f"check value {tmk_check(desk, hsm, '00000007')}" in registry("show", "terminal", "00000007").out


def test_show(registry, desk):
    activate(desk(), [merchant(100)], note="one")
    activate(desk(), [merchant(100, "Two")], note="two")
    activate(desk(), [merchant(101)], note="other")
    out = registry("show", "merchant", merchant(100).id).out
    assert "name        Two 100" in out
    assert out.count("version") == 2
    assert "other" not in out
    said = registry("show", "bin", "629001")
    assert said.code == 2
    assert "named PREFIX/LENGTH" in said.err
    assert registry("show", "bin", "629001/16").code == 0


def test_history(registry, desk):
    activate(desk(), [merchant(number) for number in range(100, 2200)], author="lin", note="many")
    activate(desk(), [], [("merchant", merchant(100).id)])
    first, second, now = registry("history").out.splitlines()
    assert first.startswith("1-2 ")
    assert first.endswith("lin  2,100 put, 0 removed  many")
    assert second.startswith("3 ")
    assert "0 put, 1 removed" in second
    assert now.startswith("version 3: 4 banks, 7 BINs, 2,111 merchants, 20 terminals")


def test_revert(registry, desk):
    activate(desk(), [merchant(100)])
    before = rows_of(desk().registry)
    activate(desk(), [merchant(100, "Two"), merchant(101)], [("terminal", "10000001")])
    said = registry("revert", 1, "--dry-run")
    assert "1 added, 1 changed, 1 removed; nothing was changed" in said.out
    assert desk().version == 2
    said = registry("revert", 1)
    assert "version 3: 1 added, 1 changed, 1 removed" in said.out
    assert rows_of(desk().registry) == before
    assert desk().entries[-1].note == "as version 1"
    assert registry("revert", 3).out == "nothing to change; version 3 stands\n"
    assert registry("revert", 9).code == 2


def test_remove(registry, desk):
    said = registry("remove", "merchant", SHOP)
    assert said.code == 1
    assert "2 terminal rows still name it" in said.err
    assert registry("remove", "bank", "90010000").code == 1
    for name in ("10000001", "10000013"):
        assert registry("remove", "terminal", name).code == 0
    assert registry("remove", "merchant", SHOP, "--note", "closed").code == 0
    assert SHOP not in desk().registry.merchants
    assert desk().version == 3
    assert registry("remove", "merchant", SHOP).code == 2


def test_check(registry, desk, hsm, config, city):
    assert registry("check").out == "ok: version 0, 4 banks, 7 BINs, 12 merchants, 20 terminals\n"
    activate(desk(), [merchant(100), terminal(7, new_tmk(hsm), merchant(100).id)])
    assert "ok: version 1" in registry("check").out
    text = (city / "posswitch.toml").read_text()
    (city / "posswitch.toml").write_text(text.replace('tmk = "', 'tmk = "00', 1))
    said = registry("check")  # a file that no node would start from is no registry either
    assert said.code == 2
    assert "terminal 10000001: tmk" in said.err


def test_check_of_damaged_books(registry, config):
    config.data.mkdir()
    (config.data / "office.db").write_bytes(b"\x17" * 4096)
    said = registry("check")
    assert said.code == 1
    assert "bring back the newest good copy" in said.out


def test_the_user_s_name(registry, desk, monkeypatch):
    monkeypatch.setenv("LOGNAME", "lin")
    registry("remove", "terminal", "10000001")
    assert desk().entries[0].author == "lin"

    def nameless():
        raise OSError

    monkeypatch.setattr("getpass.getuser", nameless)
    registry("remove", "terminal", "10000002")
    assert desk().entries[1].author == f"uid {os.getuid()}"


def test_a_card_number_in_a_note_is_masked(registry, desk):
    registry("remove", "terminal", "10000001", "--note", "card 4000000000000002")
    assert desk().entries[0].note == "card 400000******0002"


def test_with_a_configuration_file(capsys, city):
    said = posswitch(capsys, "registry", "list", "bank", "-c", str(Path(city) / "posswitch.toml"))
    assert said.code == 0
    assert posswitch(capsys, "registry", "list").code == 2
