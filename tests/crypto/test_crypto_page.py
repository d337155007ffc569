"""The page about cryptography cannot lie: its tables are held against code, published values and tests."""

import importlib
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from test_crypto_vectors import ROWS

from posswitch.crypto.dukpt import AES_DUKPT, TDES_DUKPT, Verdict
from posswitch.crypto.mac import MACS
from posswitch.crypto.pinblock import PinFormat, may_translate
from posswitch.crypto.signon import LAYOUTS, field_bytes

TESTS = Path(__file__).parent
PAGE = (TESTS.parents[1] / "docs" / "crypto.md").read_text(encoding="utf-8")
SPAN = re.compile(r"`([^`]+)`")
PACKAGES = ("psec", "pyemv", "pydukpt", "pycryptodome")
WITNESSES = (*PACKAGES, "definition", "returns")


def table(heading):
    """The rows of the table under a heading, its first row (the names of the columns) left out."""
    section = PAGE.partition(f"\n## {heading}")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


ALGORITHMS = table("Algorithms")
each_algorithm = pytest.mark.parametrize("row", ALGORITHMS, ids=lambda row: row[0])


def functions_of_tests():
    """Every test function of this folder and its source."""
    sources = [path.read_text(encoding="utf-8") for path in sorted(TESTS.glob("test_*.py"))]
    parts = [part for source in sources for part in re.split(r"\n(?=@|def )", source)]
    return {found[1]: part for part in parts if (found := re.match(r"def (\w+)", part))}


def test_every_published_value_stands_in_one_row():
    patterns = [pattern for row in ALGORITHMS for pattern in SPAN.findall(row[3])]
    named = {row["id"]: [p for p in patterns if fnmatchcase(row["id"], p)] for row in ROWS}
    exact = {id_: [p for p in found if p == id_] or found for id_, found in named.items()}
    assert {id_: found for id_, found in exact.items() if len(found) != 1} == {}
    assert [p for p in patterns if not any(fnmatchcase(row["id"], p) for row in ROWS)] == []


@each_algorithm
def test_a_row_names_a_function_that_there_is(row):
    (name,) = SPAN.findall(row[2])
    room, _, function = name.partition(".")
    assert hasattr(importlib.import_module(f"posswitch.crypto.{room}"), function)


@each_algorithm
def test_a_row_names_witnesses_that_there_are(row):
    if row[4] == "none":
        assert row[3] != "none", "neither values nor a witness"
        return
    sources = functions_of_tests()
    for kind, tests in re.findall(r"(\w+)((?: `\w+`)+)", row[4]):
        assert kind in WITNESSES
        for name in SPAN.findall(tests):
            assert kind not in PACKAGES or kind in sources[name]
    assert re.fullmatch(r"(?:\w+(?: `\w+`)+ ?)+", row[4])


def test_macs_are_those_of_the_code():
    def listed(values, otherwise="own"):
        return ", ".join(map(str, values)) or otherwise

    expected = [
        [f"`{name}`", listed(k.key_bytes), str(k.mac_bytes), listed(k.paddings), listed(k.forms)]
        for name, k in MACS.items()
    ]
    assert table("MACs by name") == expected


def test_translations_are_those_of_the_code():
    expected = [
        [f"`{from_}`", *("yes" if may_translate(from_, to) else "no" for to in PinFormat)]
        for from_ in PinFormat
    ]
    assert table("PIN blocks") == expected
    assert f"| from 来 \\ to 去 | {' | '.join(f'`{to}`' for to in PinFormat)} |" in PAGE


def test_layouts_of_a_sign_on_are_those_of_the_code():
    def lengths(asked, name):
        found = [slot.key_bytes for slot in LAYOUTS[asked] if slot.name == name]
        return ", ".join(map(str, found[0])) if found else "none"

    expected = [
        [f"`{asked}`", str(field_bytes(asked)), *(lengths(asked, name) for name in ("pin", "mac", "track"))]
        for asked in LAYOUTS
    ]
    assert table("Sign-on") == expected


def test_verdicts_and_counts_of_counters_are_those_of_the_code():
    assert [row[0] for row in table("Counters")] == [f"`{verdict}`" for verdict in Verdict]
    for scheme in (TDES_DUKPT, AES_DUKPT):
        assert f"{scheme.ones_max}" in PAGE
        assert f"{scheme.used_up_to(scheme.counter_max):,}" in PAGE


def test_what_has_no_outside_proof_is_said():
    own = {row["id"] for row in ROWS if row["source"].startswith("own computation")}
    section = PAGE.partition("Computed here and nowhere else")[2].partition("\n-")[0]
    assert set(SPAN.findall(section)) == own
