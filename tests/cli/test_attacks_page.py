"""docs/attacks.md: its commands run, its table names every guard and its mode, its example can be read."""

import re
import shlex
from pathlib import Path

import msgspec
import pytest
from cli_runs import posswitch

from posswitch.base import bounds
from posswitch.edge.verdicts import GUARDS
from posswitch.office.guards import _WORDS as WORDS
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


def test_the_commands_run(mine, capsys):
    assert len(COMMANDS) >= 3
    for words in COMMANDS:
        ended = posswitch(capsys, *words)
        assert (ended.code, ended.err) == (0, "")


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
