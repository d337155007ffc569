"""docs/why.md: its commands run, its table has every outcome, its figures are those of the program."""

import json
import re
import shlex
from pathlib import Path

import pytest
from cli_runs import posswitch
from written_city import write_city

from posswitch.journal.receipts import MOST
from posswitch.journal.vitals import KEPT_NS
from posswitch.office.why_cashier import EN_MAX, ZH_MAX
from posswitch.office.why_evidence import Outcome
from posswitch.office.why_find import CARD_DAYS

PAGE = (Path(__file__).parents[2] / "docs" / "why.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line)[1:] for block in BLOCKS for line in block.splitlines()]


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """The folder in which a reader of the page works."""
    folder = tmp_path_factory.mktemp("reader")
    write_city(folder / "mine")
    return folder


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_finds_the_payment(reader, monkeypatch, capsys, words):
    monkeypatch.chdir(reader)
    ended = posswitch(capsys, *words)
    assert (ended.code, ended.err) == (1 if "--code" in words else 0, "")  # of five the slip says the same
    if "--json" in words:
        assert [one["payment"] for one in json.loads(ended.out)["payments"]] == [7]
    else:
        assert "付款 7  RRN 701510000007" in ended.out


def test_the_page_shows_every_way_to_ask():
    assert len(COMMANDS) >= 5


def test_the_table_has_every_outcome():
    assert set(re.findall(r"^\| `([\w-]+)` \|", PAGE, re.MULTILINE)) == set(Outcome)


def test_the_figures_are_those_of_the_program():
    for said in (
        f"at most {ZH_MAX} Chinese characters or {EN_MAX} Latin",
        f"at most {MOST}, the newest first",
        f"the last {CARD_DAYS} days",
    ):
        assert said in PAGE
    assert KEPT_NS == 600 * 10**9, "ten minutes"
