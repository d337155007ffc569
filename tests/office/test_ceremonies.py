"""Keys under dual control, as people do it: parts, proposals, a second person, and what may never happen."""

import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import apsw
import msgspec
import psec
import pytest
from cli_runs import one_line, posswitch
from hypothesis import given
from hypothesis import strategies as st
from office_rows import activate, merchant, new_tmk, terminal
from written_city import write_city

from posswitch.base.errors import OfficeError
from posswitch.base.moment import stamp
from posswitch.base.order import OFFICE, pack_change, sign_order
from posswitch.crypto.ciphers import check_value, kcv, odd_parity, tdes_encrypt, xor
from posswitch.crypto.commands import Usage
from posswitch.crypto.keyblock import Header, wrap
from posswitch.edge.orders import ORDERS_LABEL, OrderBox
from posswitch.office.acts import PROPOSALS_MAX, Ledger, Proposed, known_name, pack_act, same_name, sign_act
from posswitch.office.books import LAYOUT_VERSION
from posswitch.office.ceremony import confirm, propose
from posswitch.office.desk import Desk
from posswitch.settings.clock import SystemClock

pytestmark = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning"  # psec's own
)
BANK, OTHER, TERMINAL = "90010000", "90020000", "10000001"
ZMK = f"bank/{BANK}/zmk"
PART_1 = bytes.fromhex("138CE5B32C0E9126C291E970EA98764C")
PART_2 = bytes.fromhex("1FD3C2437F6EE6DCD9383E1A49E9674C")
WHOLE_CHECK = "9BAE3E97"
KEY = bytes.fromhex("3F419E1CB7079442AA37474C2EFBF8B8")


@pytest.fixture
def keys(capsys, city):
    """`posswitch keys WORDS --data CITY`."""
    return lambda *words: posswitch(capsys, "keys", *words, "--data", city)


@pytest.fixture
def parts(tmp_path):
    """Two parts in files of their owners, as `--part` takes them."""
    words = []
    for name, value in (("Chen", PART_1), ("Wang", PART_2)):
        path = tmp_path / name
        path.write_text(value.hex())
        path.chmod(0o600)
        words += ["--part", f"{name}={path}"]
    return words


@pytest.fixture
def with_zmk(keys, parts):
    """A bank that has a zone master key, by proposal 1 and its confirmation."""
    assert keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts).code == 0
    assert keys("confirm", 1, "--by", "Wang").code == 0


def confirmed(keys, *words):
    """A proposal by Li, confirmed by Wang: what the confirmation says."""
    said = keys(*words, "--by", "Li")
    assert said.code == 0, said.err
    number = re.search(r"proposal (\d+):", said.out)[1]
    ended = keys("confirm", number, "--by", "Wang")
    assert ended.code == 0, ended.err
    return ended


def acts(keys):
    return json.loads(keys("history", "--json").out)


# Forming


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


# Proposals


class Later(SystemClock):
    """A clock that is ahead, or behind."""

    def __init__(self, hours):
        super().__init__()
        self._ahead_ns = int(hours * 3600 * 10**9)

    def wall_ns(self):
        return super().wall_ns() + self._ahead_ns


@pytest.mark.parametrize(("hours", "counts"), [(23.9, True), (24.1, False), (-0.1, False)])
def test_a_proposal_counts_for_a_day(keys, parts, config, hours, counts):
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    later = Desk(config, Later(hours))
    assert bool(later.ledger.open(later.now_ns())) == counts
    if counts:
        assert confirm(later, 1, "Wang").version == 1
    else:
        with pytest.raises(OfficeError, match="has expired after 24 hours"):
            confirm(later, 1, "Wang")


def test_proposals_are_bounded(desk):
    def rotation():
        return Proposed("expire", "Li", desk().now_ns(), f"bank/{BANK}/zpk")

    for number in range(1, PROPOSALS_MAX + 1):
        assert propose(desk(), rotation()) == number
    with pytest.raises(OfficeError, match="20 proposals are open"):
        propose(desk(), rotation())


def test_withdrawn_confirmed_and_unknown_ones_cannot_be_confirmed(keys, parts, desk):
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    assert "1     " in keys("history", "--open").out
    assert keys("withdraw", 1, "--by", "Chen").code == 0
    assert "proposal 1 was withdrawn by Chen already" in keys("confirm", 1, "--by", "Wang").err
    assert "no proposal 2" in keys("confirm", 2, "--by", "Wang").err  # that is the withdrawal
    assert "no proposal 0" in keys("confirm", 0, "--by", "Wang").err
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    assert keys("confirm", 3, "--by", "Wang").code == 0
    assert "proposal 3 was confirmed by Wang already" in keys("confirm", 3, "--by", "Li").err
    assert desk().version == 1
    assert keys("history", "--open").out == "nothing\n"


def test_a_key_that_changed_meanwhile_is_not_replaced(keys, parts, with_zmk, desk):
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    keys("form", "ZMK", "--bank", BANK, "--by", "Li", *parts)
    assert keys("confirm", 4, "--by", "Wang").code == 0
    said = keys("confirm", 3, "--by", "Wang")
    assert said.code == 2
    assert "changed meanwhile; propose it again" in said.err


def test_a_change_beside_a_proposal_stays(keys, parts, desk):
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    activate(desk(), [merchant(100)])
    row = desk().registry.banks[BANK]
    activate(
        desk(),
        [type(row)(**{name: getattr(row, name) for name in row.__struct_fields__} | {"name_en": "New"})],
    )
    assert keys("confirm", 1, "--by", "Wang").code == 0
    row = desk().registry.banks[BANK]
    assert (row.name_en, bool(row.zmk), desk().version) == ("New", True, 3)


def test_two_at_once_confirm_once(keys, parts, desk):
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    one, other = desk(), desk()
    confirm(one, 1, "Wang")
    with pytest.raises(OfficeError, match="meanwhile"):
        confirm(other, 1, "Li")
    assert desk().version == 1
    assert len(desk().ledger.acts) == 2


# Import and export


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


# Rotation, end, destruction


def test_a_rotation_is_an_order_to_the_node(keys, with_zmk, config, vault, registry):
    confirmed(keys, "rotate", BANK, BANK)
    box = OrderBox(config.data, vault.derive(ORDERS_LABEL))
    assert [change.rekey for change in box.poll(0)] == [(), (BANK,)]
    assert f"Li + Wang  new zone keys with {BANK}  keys rotate" in registry("history").out


def test_an_end_is_set_by_two(keys, with_zmk, desk):
    confirmed(keys, "expire", ZMK)
    said = keys("list")
    assert said.code == 1
    assert f"due: {ZMK}: its end is past" in said.out
    assert desk().version == 1


def test_an_end_may_be_today_or_in_fifty_years(keys):
    now_ns = SystemClock().wall_ns()
    for day in (stamp(now_ns).day, stamp(now_ns + 49 * 366 * 86400 * 10**9).day):
        assert keys("expire", f"bank/{BANK}/zpk", "--on", day, "--by", "Li").code == 0


def test_a_destroyed_key_never_comes_back(keys, with_zmk, registry, desk, tmp_path):
    said = keys("destroy", ZMK, "--by", "Li")
    assert "irreversible" in said.out
    assert "不可恢复" in said.out
    before = desk().registry.banks[BANK]
    assert keys("confirm", 3, "--by", "Wang").code == 0
    assert desk().registry.banks[BANK].zmk == b""
    said = registry("revert", 1)
    assert said.code == 1
    assert "zmk: this key was destroyed; form a new one" in said.err
    with pytest.raises(OfficeError, match="this key was destroyed"):
        activate(desk(), [before])
    assert keys("export", "--bank", BANK, "--key", "zmk", "--by", "Li").code == 2
    assert json.loads(keys("list", "--json").out)["keys"][-1]["state"] == "destroyed"


def test_a_terminal_goes_with_its_key(keys, desk, hsm):
    activate(desk(), [terminal(7, new_tmk(hsm))])
    confirmed(keys, "destroy", "terminal/00000007/tmk")
    assert "00000007" not in desk().registry.terminals


def test_a_bank_that_cards_still_lead_to_stays(keys, registry, desk):
    said = keys("destroy", f"bank/{BANK}/zpk", "--by", "Li")
    assert said.code == 2
    assert "bin rows still name it" in said.err
    for row in list(desk().registry.rows):
        if getattr(row, "bank", "") == BANK:
            registry("remove", "bin", f"{row.prefix}/{row.pan_digits}")
    confirmed(keys, "destroy", f"bank/{BANK}/zpk")
    assert BANK not in desk().registry.banks


def test_while_payments_are_open_nothing_is_destroyed(capsys, tmp_path):
    write_city(tmp_path)
    for place, said in (
        ("terminal/10000001/tmk", "5 payments of this terminal are open"),
        ("bank/90010000/zpk", "5 payments of this bank are open"),
    ):
        ended = posswitch(capsys, "keys", "destroy", place, "--by", "Li", "--data", tmp_path)
        assert ended.code == 2
        assert said in ended.err
    ended = posswitch(capsys, "keys", "destroy", "terminal/10000002/tmk", "--by", "Li", "--data", tmp_path)
    assert ended.code == 0


# The books


def old_books(path):
    """Makes a file as it was before there were acts."""
    with apsw.Connection(str(path)) as db:
        db.execute("DROP TABLE act")
        db.pragma("user_version", LAYOUT_VERSION - 1)
    db.close()


def forced(config, statement):
    """As somebody with the file in hand."""
    with apsw.Connection(str(config.data / OFFICE)) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute(statement)
    db.close()


def test_books_of_the_layout_before_go_on(keys, parts, desk, config):
    activate(desk(), [merchant(100)])
    old_books(config.data / OFFICE)
    assert desk().version == 1
    assert keys("history").out == "nothing\n"
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    assert keys("confirm", 1, "--by", "Wang").code == 0
    assert desk().version == 2
    with apsw.Connection(str(config.data / OFFICE)) as db:
        assert db.pragma("user_version") == LAYOUT_VERSION
        for statement in ("DELETE FROM act", "UPDATE act SET body = x'00'"):
            with pytest.raises(apsw.ConstraintError, match="append-only"):
                db.execute(statement)
    db.close()


def test_a_copy_goes_on(keys, parts, with_zmk, desk, config, city, capsys, tmp_path):
    keys("expire", ZMK, "--on", "2040-01-01", "--by", "Chen")
    shutil.copytree(city, tmp_path / "copy")
    said = posswitch(capsys, "keys", "confirm", 3, "--by", "Wang", "--data", tmp_path / "copy")
    assert said.code == 0, said.err


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE act SET body = (SELECT body FROM act WHERE seq = 2) WHERE seq = 1", "act 1: its signature"),
        ("UPDATE act SET mac = x'00' WHERE seq = 2", "act 2: its signature does not fit"),
        ("DELETE FROM act WHERE seq = 1", "act 1 is missing"),
    ],
)
def test_a_changed_act_is_seen(keys, with_zmk, config, statement, said):
    with apsw.Connection(str(config.data / OFFICE)) as db:
        db.execute("DROP TRIGGER act_no_update; DROP TRIGGER act_no_delete")
        db.execute(statement)
    db.close()
    ended = keys("history")
    assert ended.code == 2
    assert said in ended.err
    assert one_line(ended.err)


def test_an_order_does_not_stand_without_its_act(keys, registry, parts, with_zmk, config, desk):
    """Else cutting off the newest acts would bring back what they destroyed."""
    confirmed(keys, "destroy", ZMK)
    forced(config, "DELETE FROM act WHERE seq > 2")
    for ended in (
        registry("revert", 1),
        registry("check"),
        keys("list"),
        keys("history"),
        keys("expire", ZMK, "--by", "Li"),
    ):
        assert ended.code in (1, 2)
        assert "act 4, which version 2 was made upon, is missing" in ended.out + ended.err
        assert (ended.out + ended.err).count("\n") == 1
    with pytest.raises(OfficeError, match="act 4"):
        desk()


def test_whatever_is_ordered_later_holds_every_act_before(keys, config, desk):
    keys("expire", f"bank/{BANK}/zpk", "--by", "Li")
    activate(desk(), [merchant(100)])
    assert (desk().entries[0].change.acts, len(desk().ledger.acts)) == (1, 1)
    forced(config, "DELETE FROM act")
    with pytest.raises(OfficeError, match="act 1, which version 1 was made upon, is missing"):
        desk()


def test_an_act_does_not_stand_without_its_order(keys, with_zmk, config, desk):
    forced(config, "DELETE FROM change; DELETE FROM orders")
    with pytest.raises(OfficeError, match="version 1, which act 2 made, is missing"):
        desk()


def test_an_act_of_another_history_does_not_hold_an_order(keys, with_zmk, config, desk, hsm, vault):
    """Signed under the same secret, as in a copy that went another way."""
    act = desk().ledger.acts[1]
    name, body = bytes(16), pack_act(act)
    mac = sign_act(vault.derive(ORDERS_LABEL), 2, name, body)
    forced(
        config,
        f"UPDATE act SET id = x'{name.hex()}', body = x'{body.hex()}', mac = x'{mac.hex()}' WHERE seq = 2",
    )
    with pytest.raises(OfficeError, match="act 2, which version 1 was made upon, is missing"):
        desk()


def test_orders_of_earlier_releases_name_no_act(keys, with_zmk, config, desk, vault):
    body = msgspec.msgpack.encode(msgspec.msgpack.decode(pack_change(desk().entries[0].change))[:5])
    mac = sign_order(vault.derive(ORDERS_LABEL), 1, bytes(16), body)
    forced(config, f"UPDATE orders SET id = zeroblob(16), body = x'{body.hex()}', mac = x'{mac.hex()}'")
    assert desk().entries[0].change.acts == 0
    assert (desk().version, len(desk().ledger.acts)) == (1, 2)


def test_check_says_that_an_act_was_changed(keys, with_zmk, config, city, capsys):
    assert "signature" not in posswitch(capsys, "check", "-c", city / "posswitch.toml").out
    forced(config, "UPDATE act SET mac = zeroblob(32) WHERE seq = 2")
    said = posswitch(capsys, "check", "-c", city / "posswitch.toml")
    (line,) = [line for line in said.out.splitlines() if "signature" in line]
    assert ": warning: node.data: " in line
    assert "act 2: its signature does not fit" in line


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


def test_who_brings_a_part_must_be_said(city):
    words = ["keys", "form", "ZMK", "--bank", BANK, "--by", "Chen", "--data", str(city)]
    ended = subprocess.run(
        [*PROGRAM, *words], input="", capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert "part 1: nobody brings it; type a name, or give --part NAME=FILE for each" in ended.stderr
    assert one_line(ended.stderr)


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


def test_the_repr_of_a_ledger_shows_nothing():
    assert repr(Ledger([])) == "<ledger of 0 acts>"


# Typed and shown

PROGRAM = [sys.executable, "-m", "posswitch"]


def test_typed_parts_through_a_pipe(city):
    lines = f"Chen\n{PART_1.hex()}\nWang\n{PART_2.hex().upper()}\n"
    words = ["keys", "form", "ZMK", "--bank", BANK, "--by", "Chen", "--data", str(city)]
    ended = subprocess.run(
        [*PROGRAM, *words], input=lines, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert f"whole ZMK: check value {WHOLE_CHECK}" in ended.stdout
    for part in (PART_1, PART_2):
        assert part.hex() not in (ended.stdout + ended.stderr).lower()


class AtTerminal:
    """The program at a terminal of its own, as a person sees it."""

    def __init__(self, *words):
        self.screen, self._read = "", 0
        pid, self.fd = pty.fork()
        if not pid:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever runs the tests may ignore it
            os.execv(PROGRAM[0], [*PROGRAM, *map(str, words)])
        self.pid = pid

    def until(self, text):
        """Returns when a text stands there that was not read before."""
        deadline = time.monotonic() + 30
        while (at := self.screen.find(text, self._read)) < 0:
            assert time.monotonic() < deadline, self.screen
            self._see()
        self._read = at + len(text)

    def _see(self):
        if select.select([self.fd], [], [], 1)[0]:
            self.screen += os.read(self.fd, 4096).decode()

    def types(self, text):
        os.write(self.fd, text.encode() + b"\n")

    def ends(self):
        deadline = time.monotonic() + 30
        with contextlib.suppress(OSError):  # nobody is at the other end any more
            while time.monotonic() < deadline:
                self._see()
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_typed_part_is_not_shown(city):
    person = AtTerminal("keys", "form", "ZMK", "--bank", BANK, "--by", "Chen", "--data", city)
    for number, (name, part) in enumerate((("Chen", PART_1), ("Wang", PART_2)), 1):
        person.until(f"who brings part {number}?")
        person.types(name)
        person.until(f"part {number}, hex (not shown):")
        person.types(part.hex())
    assert person.ends() == 0
    assert f"whole ZMK: check value {WHOLE_CHECK}" in person.screen
    assert "Wang" in person.screen  # names are echoed
    for part in (PART_1, PART_2):
        assert part.hex() not in person.screen.lower()


def test_parts_are_shown_one_after_another(city, desk):
    person = AtTerminal("keys", "components", "ZMK", "--by", "Li", "--data", city)
    for number in (1, 2):
        person.until(f"part {number} of 2: its holder alone")
        assert f"part {number} of 2 of a ZMK" not in person.screen
        person.types("")
        person.until(f"part {number} of 2 of a ZMK")
        person.until("it is not shown again")
        person.types("")
    assert person.ends() == 0
    shown = [bytes.fromhex(one) for one in re.findall(r"\b[0-9A-F]{32}\b", person.screen)]
    assert len(shown) == 2
    (drawn,) = desk().ledger.acts
    assert [kcv(one).hex().upper() for one in shown] == list(drawn.checks)
    assert kcv(xor(*shown)).hex().upper() == drawn.whole
    last = person.screen.rindex(shown[-1].hex().upper())
    assert "\x1b[3J" in person.screen[last:]  # nothing to scroll back to


def test_a_drawing_that_is_broken_off_leaves_no_trace(city, desk):
    person = AtTerminal("keys", "components", "ZMK", "--by", "Li", "--data", city)
    person.until("part 1 of 2: its holder alone")
    os.write(person.fd, b"\x03")
    assert person.ends() == 130
    assert desk().ledger.acts == []


def test_parts_of_which_nothing_could_be_kept_are_removed(keys, city, tmp_path, monkeypatch):
    def refused(*_):
        raise OfficeError("no room")

    monkeypatch.setattr(Desk, "note", refused)
    files = [tmp_path / name for name in "ab"]
    said = keys("components", "ZPK", "--by", "Li", "--to", files[0], "--to", files[1])
    assert said.code == 2
    assert not any(path.exists() for path in files)


def test_parts_that_cannot_be_written_leave_no_trace(keys, tmp_path, desk):
    (tmp_path / "b").write_text("there")
    said = keys("components", "ZPK", "--by", "Li", "--to", tmp_path / "a", "--to", tmp_path / "b")
    assert said.code == 2
    assert desk().ledger.acts == []


def test_an_interrupted_ceremony_leaves_the_terminal_as_it_was(city):
    person = AtTerminal("keys", "form", "ZMK", "--bank", BANK, "--by", "Chen", "--data", city)
    person.until("who brings part 1?")
    person.types("Chen")
    person.until("part 1, hex (not shown):")
    os.write(person.fd, b"\x03")
    assert person.ends() == 130


def test_new_parts_in_files(keys, tmp_path, desk):
    files = [tmp_path / name for name in "ab"]
    said = keys("components", "ZPK", "--by", "Li", "--to", files[0], "--to", files[1])
    assert said.code == 0, said.err
    for path in files:
        digits = path.read_text().splitlines()[1]
        assert digits not in said.out
    ended = keys(
        "form", "ZPK", "--bank", OTHER, "--by", "Li", "--part", f"Chen={files[0]}", "--part", f"Wu={files[1]}"
    )
    (whole,) = set(re.findall(r"whole ZPK: check value (\w+)", said.out + ended.out))
    assert desk().ledger.acts[0].whole == whole
    assert Path(files[0]).stat().st_mode & 0o777 == 0o600


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
