"""docs/checklist.md: every demand has its row; tiles, commands and tests it names exist, gaps are said."""

import importlib
import re
from pathlib import Path

import pytest
import typer

from posswitch.diagnose.phrases import TILES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "checklist.md").read_text()
REFERENCE = next(
    (
        path
        for folder in (ROOT.parent, ROOT.parent.parent)  # a checkout, or a worktree one folder deeper
        if (path := folder / "shared" / "reference" / "checklist.md").exists()
    ),
    None,
)
COLUMNS = ("mark", "demand", "tile", "command", "test", "gap")


def rows_of(text, first):
    """The rows of all tables whose first cell matches."""
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"
    ]
    return [row for row in cells if re.fullmatch(first, row[0])]


ROWS = [dict(zip(COLUMNS, row, strict=True)) for row in rows_of(PAGE, r"0\.[12]|[AB][1-5]")]


def wrong_calls(cell):
    """Commands and options of a cell that the program does not have."""
    tree = typer.main.get_command(importlib.import_module("posswitch.cli.main").app)
    wrong = []
    for call in re.findall(r"`posswitch ([^`]*)`", cell):
        command = tree
        for word in call.split():
            if word.startswith("--"):
                options = {name for one in command.params for name in one.opts}
                wrong += [call] * (word not in options)
            elif hasattr(command, "commands") and word.islower():
                wrong += [call] * (word not in command.commands)
                command = command.commands.get(word, command)
    return wrong


def missing_tests(cell):
    """Files of a cell that are not there."""
    return [name for name in cell.split(", ") if name and not (ROOT / name).is_file()]


def test_every_demand_of_the_reference_has_its_row():
    assert len(ROWS) == 35
    if REFERENCE is None:
        pytest.skip("the reference does not lie beside the repository")
    wanted, mark = [], ""
    for row in rows_of(REFERENCE.read_text(), r"0\.[12]|[AB][1-5] .*|"):
        mark = row[0].split()[0] if row[0] else mark
        if row[1] != "demand":
            wanted.append(mark)
    assert [row["mark"] for row in ROWS] == wanted


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['mark']} {row['demand'][:24]}")
def test_a_row_leads_to_what_exists(row):
    if row["mark"][0] in "AB":
        assert TILES[row["tile"]].demand == row["mark"]
    assert wrong_calls(row["command"]) == []
    assert missing_tests(row["test"]) == []
    assert re.search("[一-鿿]", row["demand"])
    done = bool(row["command"]) and bool(row["test"])
    assert done or row["gap"], "what cannot be shown is said to be missing"


@pytest.mark.parametrize(
    "cell", ["`posswitch pnig`", "`posswitch ping --no-such`", "`posswitch limits bank opne BANK`"]
)
def test_a_command_that_is_not_there_is_seen(cell):
    assert len(wrong_calls(cell)) == 1


def test_a_test_that_is_not_there_is_seen():
    assert missing_tests("tests/cli/test_cli_ping.py, tests/cli/test_of_nothing.py") == [
        "tests/cli/test_of_nothing.py"
    ]
