"""docs/attacks.md: its commands run, its table names every guard and its mode, its example can be read."""

import re
import shlex
import time
from pathlib import Path

import msgspec
import pytest
from cli_runs import posswitch

from posswitch.base import bounds
from posswitch.base.moment import NS_PER_S
from posswitch.cli import guards as guards_command
from posswitch.edge.verdicts import GUARDS
from posswitch.edge.vitals import Vitals
from posswitch.office.guards import _WORDS as WORDS
from posswitch.office.guards import Barred, sentence
from posswitch.settings.config import load_config
from posswitch.settings.machine import GuardsTable
from posswitch.sim.city import build_city

PAGE = (Path(__file__).parents[2] / "docs" / "attacks.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line)[1:] for block in BLOCKS for line in block.splitlines()]
DEFAULTS = msgspec.structs.asdict(GuardsTable())


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The folder in which a reader of the page works."""
    monkeypatch.chdir(tmp_path)
    return build_city(tmp_path / "mine", 1, 2)


def vitals_of(folder, age_s=0):
    """What a node that ran so long ago has left."""
    vitals = Vitals(folder)
    vitals.write(time.time_ns() - age_s * NS_PER_S, {})
    vitals.close()


def barred(guard="card-testing", **counted):
    until_ns = time.time_ns() + 60 * NS_PER_S
    return Barred(guard, "terminal", "10000001", "force", 1, 2, until_ns, 1, 9, counted, [])


def test_the_commands_run(mine, capsys):
    vitals_of(mine.data)
    assert len(COMMANDS) >= 3
    for words in COMMANDS:
        ended = posswitch(capsys, *words)
        assert (ended.code, ended.err) == (0, "")


def test_nothing_is_known_where_no_node_has_run(mine, capsys):
    ended = posswitch(capsys, "guards", "-c", str(mine.config))
    assert (ended.code, ended.out) == (2, "")
    assert "no node has run here" in ended.err


def test_nobody_is_barred_by_a_node_that_has_ended(mine, capsys, monkeypatch):
    monkeypatch.setattr(guards_command, "read_barred", lambda _: [barred(**{"14": 6})])
    vitals_of(mine.data)
    assert "barred until" in posswitch(capsys, "guards", "-c", str(mine.config)).out
    (mine.data / "vitals.db").unlink()
    vitals_of(mine.data, age_s=30)
    ended = posswitch(capsys, "guards", "-c", str(mine.config))
    assert ended.code == 1
    assert "no node is running" in ended.out
    assert "节点未运行" in ended.out
    assert "barred until" not in ended.out
    assert "拦截至" not in ended.out


@pytest.mark.parametrize(("places", "said"), [("10.0.0.2", False), ("10.0.0.2 10.0.0.3", True)])
def test_two_places_are_said_where_two_were_noted(places, said):
    row = barred("cloned-terminal", **{places: 10})
    assert ("two places" in sentence(row, "en")) is said
    assert ("两处交替" in sentence(row, "zh")) is said
    assert not re.search(r"\. [a-z]|\(time", sentence(row, "en"))


def test_the_table_names_every_guard_with_its_mode():
    said = dict(re.findall(r"^\| `(\w+)` [^|]+\| (\w+) \|", PAGE, re.MULTILINE))
    assert said == DEFAULTS


def test_every_guard_has_a_key_and_words():
    names = {guard.name for guard in GUARDS}
    assert {name.replace("-", "_") for name in names} == set(DEFAULTS)
    assert all(set(words) == names for words in WORDS.values())


def test_the_example_is_a_configuration(mine):
    (example,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    mine.config.write_text(mine.config.read_text() + "\n" + example)
    table = load_config(mine.config, serve=False).guards
    assert (table.refund_abuse, table.terminal_pace, table.two_places) == ("force", "shadow", "shadow")


def test_the_caps_are_those_of_the_program():
    assert f"| connections of one address | {bounds.CONNECTIONS_PER_PEER_MAX:,} |" in PAGE
    frames, mebibytes = bounds.FRAMES_PER_SECOND_MAX, bounds.BYTES_PER_SECOND_MAX >> 20
    assert f"| {frames:,}, {mebibytes} MiB a second |" in PAGE


@pytest.mark.parametrize("wrong", ['"on"', "true", '"FORCE"', '"forced"', '""'])
def test_another_mode_is_a_mistake_with_its_remedy(mine, capsys, wrong):
    mine.config.write_text(mine.config.read_text() + f"\n[guards]\ncard_testing = {wrong}\n")
    ended = posswitch(capsys, "check", "-c", str(mine.config))
    assert ended.code == 1
    assert 'write "off", "shadow" or "force"' in ended.out + ended.err
