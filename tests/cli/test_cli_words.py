"""posswitch explain, the help of every command, and how errors end."""

import pytest
from cli_runs import one_line, posswitch

from posswitch import __version__
from posswitch.cli.main import app

COMMANDS = sorted(command.name for command in app.registered_commands)


def test_a_code_is_explained_in_both_languages(capsys):
    ended = posswitch(capsys, "explain", "96")
    assert ended.code == 0
    for word in ("原因", "收银员", "运维", "Cause", "Cashier", "Operator"):
        assert word in ended.out


@pytest.mark.parametrize(
    ("lang", "has", "has_not"), [("zh", "收银员", "Cashier"), ("en", "Cashier", "收银员")]
)
def test_or_in_one(capsys, lang, has, has_not):
    ended = posswitch(capsys, "explain", "--lang", lang, "98")
    assert ended.code == 0
    assert has in ended.out
    assert has_not not in ended.out


def test_a_code_may_be_written_in_lower_case(capsys):
    assert posswitch(capsys, "explain", "a0").out.startswith("A0")


@pytest.mark.parametrize("code", ["ZZ", "", "9", "966", "交"])
def test_an_unknown_code_is_exit_2_and_counts_as_a_decline(capsys, code):
    ended = posswitch(capsys, "explain", code)
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)
    assert "decline" in ended.err


def test_another_language_is_exit_2(capsys):
    assert posswitch(capsys, "explain", "--lang", "fr", "96").code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help(capsys, command):
    ended = posswitch(capsys, command, "--help")
    assert ended.code == 0
    assert f"posswitch {command}" in ended.out
    assert len(ended.out.splitlines()) > 3


def test_the_commands_of_the_first_step_are_there(capsys):
    assert {"run", "demo", "verify", "decode", "explain", "bench"} <= set(COMMANDS)
    ended = posswitch(capsys, "--help")
    assert ended.code == 0
    for command in COMMANDS:
        assert command in ended.out


def test_version(capsys):
    assert posswitch(capsys, "--version") == (0, f"posswitch {__version__}\n", "")


@pytest.mark.parametrize(
    "words", [("nonsense",), ("decode",), ("explain", "96", "97"), ("run",), ("bench", "luck")]
)
def test_wrong_use_is_exit_2(capsys, words):
    ended = posswitch(capsys, *words)
    assert ended.code == 2
    assert "Traceback" not in ended.err
