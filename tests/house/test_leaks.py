"""Nothing that only one machine knows, and no index address, stands in any file."""

import re
from pathlib import Path

import pytest
from house_rules import ROOT

SKIPPED = re.compile(r"\.(git|venv|hypothesis|\w+_cache)|__pycache__|build|\S+\.egg-info")
SKIPPED_AT_ROOT = ("data", "demo-data")
# Written so that this file does not match itself.
LEAK = re.compile(
    r"(?<![\w.])/w[o]rk\b|/o[p]t/|/tm[p]/specs|bash_j[o]bs|\bf[a]rm-|pyp[i]\.|pythonh[o]sted|npmj[s]\.|deb\.debia[n]"
)


def leaks(text: str) -> list[str]:
    """Every line that names a path of a workplace or the host of a package index."""
    return [
        f"line {number}: {line[:80]}" for number, line in enumerate(text.splitlines(), 1) if LEAK.search(line)
    ]


def files() -> list[Path]:
    """Every file of the product, tracked or about to be."""
    found = []
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if parts[0] in SKIPPED_AT_ROOT or any(SKIPPED.fullmatch(part) for part in parts):
            continue
        if path.is_file():
            found.append(path)
    return found


def test_nothing_leaks():
    found = {str(path.relative_to(ROOT)): leaks(path.read_text(errors="replace")) for path in files()}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_files_of_every_kind_are_read():
    names = [str(path.relative_to(ROOT)) for path in files()]
    for name in (
        ".ci/run",
        "Makefile",
        "requirements/all.txt",
        "src/posswitch/base/data/codes.tsv",
        "pyproject.toml",
    ):
        assert name in names


@pytest.mark.parametrize(
    "planted",
    [
        "see /wo" + "rk/shared/a.md",
        "cd /wo" + "rk",
        "fa" + "rm-bench run",
        "--index-url https://pyp" + "i.org/simple",
        "https://files.pythonh" + "osted.org/x.whl",
        "registry.npmj" + "s.org",
    ],
)
def test_leaks_bite(planted):
    assert leaks(planted)


@pytest.mark.parametrize("fine", ["docs/work/plan", "a network/worker", "../work", "platform-independent"])
def test_plain_words_are_no_leaks(fine):
    assert leaks(fine) == []
