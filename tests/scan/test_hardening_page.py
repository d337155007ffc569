"""docs/hardening.md: its commands do what the page says, and it names every finding."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import posswitch

from posswitch.office.firewall_kernel import nft
from posswitch.office.scan_finding import names
from posswitch.settings.machine import FirewallTable, ScanTable
from posswitch.sim.city import build_city

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "hardening.md").read_text()
BLOCKS = re.findall(r"^ *```sh\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line)[1:] for block in BLOCKS for line in block.splitlines()]


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The folder in which a reader of the page works."""
    monkeypatch.chdir(tmp_path)
    city = build_city(tmp_path / "mine", 1, 2)
    city.data.mkdir(mode=0o700, exist_ok=True)
    return city


def test_the_page_as_it_is_read(mine, capsys):
    posswitch(capsys, "scan", "-c", "mine/posswitch.toml", "--keep")
    for words in COMMANDS:
        if "--apply" in words or "--remove" in words:  # in namespaces of their own: tests/firewall
            continue
        ended = posswitch(capsys, *words)
        assert ended.code in ((0, 1) if words[0] == "scan" else (0,)), (words, ended.err)
    assert (mine.data / "bans.json").read_text() == "[]"  # banned, listed and let in again


def test_what_it_applies_can_be_applied(mine):
    applied = [words for words in COMMANDS if "--apply" in words or "--remove" in words]
    assert len(applied) == 2
    if nft() is None or subprocess.run(["unshare", "-n", "true"], check=False).returncode:
        pytest.skip("no nft, or no network namespace of one's own")
    for words in applied:
        ran = subprocess.run(
            ["unshare", "-n", sys.executable, "-m", "posswitch", *words],
            input="yes\n", text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr


def test_it_names_every_finding_and_every_key():
    said = set(re.findall(r"`([a-z-]+)`", PAGE))
    assert [name for name in names() if not {name, name.removeprefix("certificate")} & said] == []
    operating = (DOCS / "operating.md").read_text()
    for table, keys in (("[scan]", ScanTable), ("[firewall]", FirewallTable)):
        (row,) = [line for line in operating.splitlines() if line.startswith(f"| `{table}`")]
        assert {key for key in keys.__struct_fields__ if f"`{key}`" not in row} == set()
