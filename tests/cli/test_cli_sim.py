"""posswitch sim: the contract of its report, one seed's story, and its exit codes."""

import json

import pytest
from cli_runs import one_line, posswitch


def test_the_report(capsys):
    ended = posswitch(capsys, "sim", "--seeds", "1-3", "--requests", "20", "--json")
    assert (ended.code, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert told.keys() == {"seeds", "transactions", "crashes", "faults", "violations", "digest"}
    assert (told["seeds"], told["violations"]) == (3, [])
    assert told["transactions"] >= 20
    side_by_side = posswitch(capsys, "sim", "--seeds", "1-3", "--requests", "20", "--json", "--workers", "2")
    assert json.loads(side_by_side.out) == told


def test_words_for_people(capsys):
    ended = posswitch(capsys, "sim", "--seed", "5", "--requests", "20")
    assert ended.code == 0
    assert ended.out.startswith("seeds 1 · transactions ")
    assert "violations 0 · digest " in ended.out


def test_a_story(capsys):
    ended = posswitch(capsys, "sim", "--seed", "5", "--requests", "20", "--explain")
    assert ended.code == 0
    assert ended.out.startswith("seed 5, 20 payments\ndrawn: ")
    assert ended.out.endswith("the end: 0 violations\n")


@pytest.mark.parametrize(
    "words",
    [
        ("--seeds", "3-1"),
        ("--seeds", "x"),
        ("--explain",),
        ("--seed", "1", "--seeds", "1-2"),
        ("--seed", "1", "--seeds", "1-100"),
        ("--seed", "1", "--explain", "--json"),
    ],
)
def test_used_wrongly(capsys, words):
    ended = posswitch(capsys, "sim", *words)
    assert ended.code == 2
    assert one_line(ended.err)
