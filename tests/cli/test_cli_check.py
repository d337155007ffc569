"""posswitch check: findings, summary, exit codes; the start of a node says the same."""

import json
import os
import time

import apsw
import pytest
from cli_runs import one_line, posswitch
from written_city import START_NS

from posswitch.base.moment import NS_PER_S
from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.edge.start import PID_FILE
from posswitch.journal.disk import MACHINE
from posswitch.journal.layout import HEAD
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret
from posswitch.sim.city import build_city


@pytest.fixture
def city(tmp_path):
    return build_city(tmp_path, 1, 24)


def changed(city, *pairs):
    text = city.config.read_text("utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    city.config.write_text(text, "utf-8")
    return text.splitlines()


def test_a_good_configuration_is_one_line(capsys, city):
    ended = posswitch(capsys, "check", "-c", city.config)
    assert (ended.code, ended.err) == (0, "")
    note, fine = ended.out.splitlines(keepends=True)
    assert ": note: node.secret: is a plain file" in note
    assert fine == (
        f"{city.config}: fine: 4 banks, 7 BINs, 12 merchants, 24 terminals, 2 dialects, "
        "timers 1 / 2 / 4 s (bank / centre / terminal)\n"
    )


def test_mistakes_are_lines_and_exit_1(capsys, city):
    lines = changed(city, ("[limits]", "[limitz]"), ("centre = 2.0", "centre = 0.5"), ('"5411"', '"5412"'))
    ended = posswitch(capsys, "check", "-c", city.config)
    assert ended.code == 1
    said = ended.out.splitlines()
    at = [lines.index(words) + 1 for words in ("bank = 1.0", "[limitz]", 'mcc = "5412"')]
    assert ": note: " in said[0]
    del said[0]
    assert [line.split(": ")[0] for line in said] == [f"{city.config}:{line}:1" for line in at]
    assert [line.split(": ")[1] for line in said] == ["error", "error", "warning"]
    assert ended.err == f"posswitch: {city.config}: 2 errors, 1 warning\n"
    for command in ("run", "verify"):
        started = posswitch(capsys, command, "-c", city.config)
        assert started.code == 2
        assert one_line(started.err)
        assert said[0].split(": error: ")[1] in started.err
        assert f"(1 more: posswitch check -c {city.config})" in started.err


def test_a_mistyped_key_has_no_other_mistake_in_its_train(capsys, city):
    changed(city, ("bank = 1.0", "bnak = 1.0"))  # its default would be longer than the centre's
    _note, line = posswitch(capsys, "check", "-c", city.config).out.splitlines()
    assert line.endswith("timers.bnak: no such key; did you mean bank?")


def test_warnings_alone_are_printed_and_exit_0(capsys, city):
    changed(city, ('"5411"', '"5412"'))
    ended = posswitch(capsys, "check", "-c", city.config)
    assert (ended.code, ended.err) == (0, "")
    _note, warning, summary = ended.out.splitlines()
    assert ": warning: " in warning
    assert ": fine: " in summary


def test_json(capsys, city):
    good = json.loads(posswitch(capsys, "check", "-c", city.config, "--json").out)
    assert (good["ok"], good["errors"], good["warnings"], good["notes"]) == (True, 0, 0, 1)
    assert good["summary"]["terminals"] == 24
    assert good["summary"]["timers_s"]["centre"] == 2.0
    changed(city, ("[limits]", "[limitz]"))
    ended = posswitch(capsys, "check", "-c", city.config, "--json")
    bad = json.loads(ended.out)
    assert (ended.code, ended.err) == (1, "")
    assert (bad["ok"], bad["errors"], bad["summary"]) == (False, 1, None)
    _note, finding = bad["findings"]
    assert finding.keys() == {"line", "column", "severity", "name", "what", "remedy"}


@pytest.mark.parametrize("name", ["none.toml", "."])
def test_what_cannot_be_read_is_exit_2(capsys, city, name):
    ended = posswitch(capsys, "check", "-c", city.folder / name)
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)
    assert "cannot be read" in ended.err


def test_used_wrongly_is_exit_2(capsys):
    assert posswitch(capsys, "check").code == 2


# What a start would meet in the data folder


@pytest.fixture
def started(folder, monkeypatch):
    """A city that has served, on the day after."""
    monkeypatch.setattr(time, "time_ns", lambda: START_NS + 86_400 * NS_PER_S)
    return folder / "posswitch.toml"


def reworded(config, *pairs):
    text = config.read_text("utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    config.write_text(text, "utf-8")


def refused(capsys, config):
    """The one finding about the data folder, and that a node says the same."""
    ended = posswitch(capsys, "check", "-c", config)
    assert ended.code == 1
    (line,) = [line for line in ended.out.splitlines() if ": error: " in line]
    assert ended.err == f"posswitch: {config}: 1 error, 0 warnings\n"
    place, _, finding = line.partition(": error: ")
    at = [row.startswith("data = ") for row in config.read_text("utf-8").splitlines()].index(True)
    assert place == f"{config}:{at + 1}:1"
    return finding


def test_a_journal_that_goes_on_is_fine(capsys, started):
    ended = posswitch(capsys, "check", "-c", started)
    assert (ended.code, ended.err) == (0, "")
    assert ": fine: " in ended.out


def test_a_journal_of_another_node_is_found(capsys, started):
    reworded(started, ('id = "1"', 'id = "2"'))
    said = refused(capsys, started)
    assert said.startswith("node.data: the journal is of node/acquirer/centre 1/")
    assert said.endswith("take another data folder")


def test_a_clock_behind_the_journal_is_found(capsys, started, monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: START_NS - 3600 * NS_PER_S)
    said = refused(capsys, started)
    assert said.startswith("node.data: the clock is 3")
    assert said.endswith(" s behind the journal's last record; set it first")


def test_a_bank_that_is_owed_may_not_leave(capsys, started):
    reworded(started, *[('"90010000"', '"90019999"')] * started.read_text("utf-8").count('"90010000"'))
    said = refused(capsys, started)
    assert said == "node.data: bank 90010000 still has payments open; keep it in the configuration"


def test_a_damaged_journal_is_found(capsys, started):
    db = apsw.Connection(str(started.parent / "data" / "journal.db"))
    db.execute("DELETE FROM snapshot")
    db.execute("DROP TRIGGER journal_no_update")
    db.execute("UPDATE journal SET body = x'00' WHERE seq = 3")
    db.close()
    assert refused(capsys, started).startswith("node.data: record 3")


def test_a_journal_behind_its_head_is_found(capsys, started):
    (started.parent / "data" / "journal.db").unlink()
    assert "head file" in refused(capsys, started)


def noted(capsys, config):
    """The one warning about the data folder of a switch that would start."""
    ended = posswitch(capsys, "check", "-c", config)
    assert (ended.code, ended.err) == (0, "")
    (line,) = [line for line in ended.out.splitlines() if ": warning: " in line]
    return line.partition(": warning: ")[2]


@pytest.mark.parametrize("spoilt", [b"", b"no database at all" * 40])
def test_a_destroyed_office_is_worth_a_look(capsys, started, spoilt):
    (started.parent / "data" / "office.db").write_bytes(spoilt)
    said = noted(capsys, started)
    assert said.startswith("node.data: office.db: cannot be read;")
    assert said.endswith("; run posswitch registry check")


@pytest.mark.parametrize("trace", ["office.db", "node.pid", "vitals.db"])
def test_a_journal_that_is_gone_altogether_is_worth_a_look(capsys, city, trace):
    office = "-c", city.config, "--by", "me"
    removed = posswitch(capsys, "registry", "remove", "terminal", city.fittings[0].terminal, *office)
    assert removed.code == 0, removed.err
    if trace != "office.db":
        (city.data / "office.db").rename(city.data / trace)
    said = noted(capsys, city.config)
    assert said.startswith(f"node.data: holds {trace} and no journal; bring back journal.db")


@pytest.mark.parametrize("left", [None, "4194304", "x", pytest.param(f"{os.getpid()}", id="ours")])
def test_a_running_switch_is_a_warning_that_names_its_process_only_when_it_is_sure(capsys, started, left):
    head = started.parent / "data" / HEAD
    writer = MACHINE.slots(head, head.stat().st_size)
    try:
        if left is not None:
            (started.parent / "data" / PID_FILE).write_text(left)
        ended = posswitch(capsys, "check", "-c", started)
    finally:
        writer.close()
    named = f" (process {os.getpid()})" if left == f"{os.getpid()}" else ""
    assert f": warning: node.data: a switch runs on it{named}; " in ended.out


@pytest.mark.parametrize(
    "left", ["", "x", "-1", "99999999999999999999", "4194304", pytest.param(f"{os.getpid()}", id="ours")]
)
def test_a_pid_file_that_was_left_behind_says_nothing(capsys, started, left):
    (started.parent / "data" / PID_FILE).write_text(left)
    ended = posswitch(capsys, "check", "-c", started)
    assert (ended.code, "warning" in ended.out) == (0, False)


def test_one_key_for_two_usages_is_a_warning(capsys, city):
    config = load_config(city.config)
    hsm, bank = SoftHsm(read_secret(config.secret), bytes), next(iter(config.registry.banks.values()))
    zmk = hsm.wrap(Usage.ZMK, hsm._unwrap(Usage.ZPK, bank.zpk)).hex()
    row = f'zpk = "{bank.zpk.hex()}"'
    lines = changed(city, (row, f'{row}\nzmk = "{zmk}"'))
    ended = posswitch(capsys, "check", "-c", city.config)
    number = lines.index(f'zmk = "{zmk}"') + 1
    line = f"{city.config}:{number}:1: warning: "
    assert ended.code == 0
    assert any(said.startswith(line) and "is the same key as" in said for said in ended.out.splitlines())
