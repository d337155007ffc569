"""docs/inspection.md: its commands run, its table has every check, its figures are those of the program."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from cli_runs import posswitch
from inspection_town import Town, checks

from posswitch.base.bounds import CERTIFICATE_DAYS
from posswitch.office import (
    bundle,
    bundle_proof,
    inspection,
    inspection_books,
    inspection_day,
    inspection_node,
)
from posswitch.office import inspection_terminals as terminals
from posswitch.office.capacity import DAYS_NEAR
from posswitch.office.masked import KEY_DIGITS_MIN
from posswitch.office.scan_versions import OLD_DAYS

PAGE = (Path(__file__).parents[2] / "docs" / "inspection.md").read_text(encoding="utf-8")
FLAT = " ".join(PAGE.split())
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_its_commands_run(built, tmp_path, monkeypatch, capsys, words):
    shutil.copytree(built, tmp_path / "mine")
    Town(tmp_path / "mine").lives()
    monkeypatch.chdir(tmp_path)
    ended = posswitch(capsys, *words)
    assert ended.err == ""
    assert ended.code in (0, 1 if words[0] == "inspect" else 0)
    assert ended.out


def test_its_table_has_every_check():
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == checks()


@pytest.mark.parametrize(
    "figure",
    [
        f"the newest {inspection.KEPT_MAX}",
        f"more than {inspection_node.STARTS_MAX} starts in 24 hours",
        f"one has waited {inspection_node.LANE_SOON_S} seconds",
        f"for {inspection_books.OWNER_HOURS_MAX} hours",
        f"the newest {inspection_node.CHECKED_MAX:,} records",
        f"full within {DAYS_NEAR:.0f} days",
        f"full within {inspection_node.DISK_WRONG_DAYS} days",
        f"more than {inspection_node.CLOCK_BEHIND_S_MAX} seconds behind",
        f"{CERTIFICATE_DAYS[0]} days before the end",
        f"{terminals.CHIP_POOR:.0%} fall back, or {terminals.CHIP_OF_ONE:.0%} at".replace("%", " %"),
        f"| {terminals.CHIP_BAD:.0%} |".replace("%", " %"),
        f"{terminals.FAILED_OF_ONE:.0%} at one terminal | {terminals.FAILED_MANY:.0%} of".replace("%", " %"),
        f"{terminals.VERSION_SHARE:.0%} at least".replace("%", " %"),
        f"older than {inspection_books.SCAN_DAYS} days",
        f"older than {OLD_DAYS} days",
        f"its newest {inspection_day.RECORDS_MAX:,} records",
        f"up to {bundle_proof._WRAPPED_MAX:,} wrapped keys",
        f"up to {bundle_proof.CARDS_MAX:,} cards",
        f"every run of {KEY_DIGITS_MIN} hex digits",
        f"at most {bundle.MEMBER_BYTES_MAX >> 20} MiB",
    ],
)
def test_its_figures_are_those_of_the_program(figure):
    assert figure in FLAT


def test_what_it_says_in_words_is_so():
    assert (inspection_node.LANE_LATE_S, inspection_books.LAG_LOST_S, terminals.VERSION_TIMES) == (
        3600,
        3600,
        3,
    )
