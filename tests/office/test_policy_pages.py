"""docs/limits.md and docs/routing.md: their rows are taken, and their commands do what the pages say."""

import os
import re
import shlex
import sys
from pathlib import Path

import msgspec
import pytest
from cli_runs import posswitch

from posswitch.base.moment import clock_text
from posswitch.base.policy import CHOICES, SCOPES, Limit, Route
from posswitch.settings.clock import SystemClock

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from traffic import CARDS, Traffic, build

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page, language):
    text = (DOCS / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The folder in which a reader works: a switch that has been running, and the files of the pages."""
    folder = tmp_path / "mine"
    folder.mkdir()
    build(folder)
    world = Traffic(folder)
    while world.state.seq < 2:  # the pages ask for payment 3
        world.sign_on()
    for number, outcome in enumerate(("00", "61", "00", "65", "51")):
        world.pay(number % 2, 150_000 if number == 2 else 1_000, outcome)
    world.close()
    for page in ("limits.md", "routing.md"):
        for rows in blocks(page, "toml"):
            (tmp_path / rows.splitlines()[0].removeprefix("# ")).write_text(rows)
    (tmp_path / "card.txt").write_text(f"{CARDS[0]}\n")
    monkeypatch.chdir(tmp_path)
    return folder


def said_by(page, capsys):
    """What every command of a page says, in their order."""
    said = []
    for line in "".join(blocks(page, "sh")).splitlines():
        program, *words = shlex.split(line)
        assert program == ".venv/bin/posswitch"
        kept = os.dup(0)
        if "<" in words:
            at = words.index("<")
            opened = os.open(words[at + 1], os.O_RDONLY)
            os.dup2(opened, 0)
            os.close(opened)
            words = words[:at]
        try:
            ended = posswitch(capsys, *words)
        finally:
            os.dup2(kept, 0)
            os.close(kept)
        assert (ended.code, ended.err) == (0, ""), (line, ended.err, ended.out)
        said.append(ended.out)
    assert not any(pan in out for out in said for pan in CARDS)
    return said


def test_limits_as_they_are_read(mine, capsys):
    listed, card, of_payment, trial, imported, opened, *_, shown = said_by("limits.md", capsys)
    assert listed.startswith("card-day\n")
    assert "下一笔最高" in card
    assert "the next payment may be" in of_payment
    by_night = clock_text(SystemClock().wall_ns())[11:16] < "09:00"  # those of an hour ago are out of hours
    refused = r"would be refused that are not: (\d+) payments"
    assert by_night or re.search(refused, trial)[1] == "0"
    assert "version 1: 3 added" in imported
    assert "you answered 61 (1 times), 65 (1 times)" in opened
    assert "request 1: closed" in shown


def test_routes_as_they_are_read(mine, capsys):
    way, typed, trial, without, imported, paused, resumed = said_by("routing.md", capsys)
    assert "goes to 90010000" in way
    assert "preauth CNY 20.00" in typed
    assert "90010000 → 90020000: " in trial
    assert " 0 move" in without
    assert "version 1: 2 added" in imported
    assert "bank 90010000: nothing under way" in paused
    assert "0 added, 0 changed, 1 removed" in resumed


@pytest.mark.parametrize(("page", "row"), [("limits.md", Limit), ("routing.md", Route)])
def test_every_column_is_on_its_page(page, row):
    text = (DOCS / page).read_text()
    for column in msgspec.structs.fields(row):
        assert f"`{column.name}`" in text or f"\n{column.name} = " in text, column.name


def test_every_scope_and_choice_is_on_its_page():
    assert all(f"`{scope}`" in (DOCS / "limits.md").read_text() for scope in SCOPES)
    assert all(f"`{choice}`" in (DOCS / "routing.md").read_text() for choice in CHOICES)
