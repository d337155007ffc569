"""Set-up is pinned and complete, and CI runs what the Makefile offers."""

import copy
import re
import runpy
import tomllib

import pytest
from house_rules import ROOT

from posswitch.codec import BUILT_IN
from posswitch.scheme.kinds import PAYMENT_KINDS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
LONGEST_FIRST = runpy.run_path(str(ROOT / "tests" / "conftest.py"))["LONGEST_FIRST"]
complaints = runpy.run_path(str(ROOT / ".ci" / "check_report.py"))["complaints"]


def pins(name: str) -> dict[str, int]:
    """Package name → number of hashes, for every pin of a requirements file."""
    text = (ROOT / "requirements" / name).read_text().replace("\\\n", " ")
    return {line.partition("==")[0].strip(): line.count("--hash=sha256:") for line in text.splitlines()}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=~!\[ ]", line)[0] for line in requirements}


def test_every_dependency_is_pinned_with_hashes():
    run_time = names(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["fast"])
    extras = PROJECT["optional-dependencies"]
    everything = run_time | names(extras["dev"] + extras["capture"] + extras["pkcs11"]) | {"setuptools"}
    assert run_time <= pins("core.txt").keys()
    assert everything <= pins("all.txt").keys()
    assert all(pins("core.txt").values())
    assert all(pins("all.txt").values())


def test_core_is_a_part_of_all():
    lines = (ROOT / "requirements" / "all.txt").read_text().splitlines()
    assert [
        line for line in (ROOT / "requirements" / "core.txt").read_text().splitlines() if line not in lines
    ] == []


@pytest.mark.parametrize("name", ["core.txt", "all.txt"])
def test_pins_name_no_index(name):
    text = (ROOT / "requirements" / name).read_text()
    assert re.search(r"://|^\s*(-i|-f|--(extra-)?index-url|--find-links)\b", text, re.MULTILINE) is None


def test_ci_runs_only_targets_that_exist():
    wanted = re.search(r"^for target in (.*); do$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert wanted
    assert wanted[1].split() == ["setup", "lint", "test", "prove-short"]
    assert set(wanted[1].split()) <= set(TARGETS)


def test_files_that_begin_first_are_there():
    assert [name for name in LONGEST_FIRST if not (ROOT / "tests" / name).is_file()] == []


GOOD = {
    "purchases": 6000,
    "approved": 4000,
    "drained": True,
    "lost": 0,
    "duplicated": 0,
    "unknown": 0,
    "verify": "ok",
    "in_flight_at_kill": [3, 1],
    "manners": {"answers": 5000, "silent": 60},
    "line_faults": {"cut": 60},
    "kinds": dict.fromkeys(PAYMENT_KINDS, 60),
    "dialects": dict.fromkeys(BUILT_IN, 600),
    "batches": {"settled": 200, "balanced": 190, "uploaded": 10, "unexplained": 0},
}


def test_a_good_report_passes():
    assert complaints(GOOD, kills=2, purchases_min=5000) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("purchases", 4999),
        ("purchases", None),
        ("approved", 0),
        ("drained", False),
        ("lost", 1),
        ("duplicated", 1),
        ("unknown", 1),
        ("unknown", None),
        ("verify", "record 7: chain"),
        ("in_flight_at_kill", [3, 0]),
        ("in_flight_at_kill", [3]),
        ("in_flight_at_kill", None),
        ("manners", {"answers": 5000, "silent": 59}),
        ("manners", {}),
        ("line_faults", {"cut": 0}),
        ("line_faults", None),
        ("kinds", dict.fromkeys(PAYMENT_KINDS, 59)),
        ("kinds", {"sale": 6000}),
        ("dialects", {"pos": 6000, "cups": 6000, "iso87a": 599, "iso87b": 600}),
        ("batches", {"settled": 200, "balanced": 190, "uploaded": 10, "unexplained": 1}),
        ("batches", {"settled": 200, "balanced": 200, "uploaded": 0, "unexplained": 0}),
        ("batches", None),
    ],
)
def test_the_check_of_reports_bites(name, value):
    bad = copy.deepcopy(GOOD) | {name: value}
    assert complaints(bad, kills=2, purchases_min=5000)


def test_every_planted_bug_has_its_place_and_its_catcher():
    rows = tomllib.loads((ROOT / "tests" / "mutants" / "mutants.toml").read_text())["mutant"]
    for row in rows:
        assert (ROOT / "src" / "posswitch" / row["file"]).read_text().count(row["old"]) == 1, row["name"]
        catcher = row.get("catcher", "worlds")
        assert catcher in ("worlds", "digest") or (ROOT / catcher.partition("::")[0]).exists(), row["name"]
