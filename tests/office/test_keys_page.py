"""docs/keys.md: the commands of its blocks, in their order, do what the page says."""

import re
import shlex
from pathlib import Path

import pytest
from cli_runs import posswitch

PAGE = Path(__file__).parents[2] / "docs" / "keys.md"
BLOCKS = re.findall(r"^ *```sh\n(.*?)^ *```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
COMMANDS = [line.strip() for block in BLOCKS for line in block.splitlines()]


@pytest.fixture
def mine(city, monkeypatch):
    """The folder in which a reader of the page works."""
    city.rename(city.parent / "mine")
    monkeypatch.chdir(city.parent)
    return city.parent / "mine"


def test_the_page_as_it_is_read(mine, capsys):
    said = {}
    for line in COMMANDS:
        program, *words = shlex.split(line)
        assert program == ".venv/bin/posswitch"
        if "<" in words:  # standard input belongs to a process of its own: tests/cli/test_cli_card
            continue
        ended = posswitch(capsys, *words)
        assert ended.code == 0, (line, ended.err)
        said[line] = ended.out
    outs = list(said.values())
    assert len(outs) == len(COMMANDS) - 1
    assert any("stands there now" in out for out in outs)
    assert any(re.search(r"^B0\d\d\dP0TB", out, re.MULTILINE) for out in outs)
    assert "destroyed: no row may hold this key again" in outs[-1]
    assert (mine.parent / "chen.part").exists()
