"""Output that nobody reads any more ends a command quietly, as it does every other tool."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("words", [("explain", "98"), ("--help",), ("sim", "--help"), ("explain", "nix")])
def test_a_closed_pipe_ends_it_quietly(words, buffered):
    unread, out = os.pipe()
    os.close(unread)
    options = () if buffered else ("-u",)
    ended = subprocess.run(
        [sys.executable, *options, "-m", "posswitch", *words],
        stdout=out, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )  # fmt: skip
    os.close(out)
    says_nothing = "nix" in words  # on standard output: nobody can miss it
    assert ended.returncode == (2 if says_nothing else 141)
    assert ended.stderr.count("\n") == (1 if says_nothing else 0)


def test_a_full_disk_is_said():
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "posswitch", "explain", "98"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 2
    assert "No space left" in ended.stderr
    assert ended.stderr.count("\n") == 1
