"""The language of scenario lines is strict, and a line that is wrong about the product fails."""

from pathlib import Path

import pytest
from scenario_lines import LineError, read_line, read_lines

FILES = sorted(Path(__file__).parent.glob("[a-z]*.txt"))


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("sail 100.00 -> 00", "'sail'"),
        ("sale 100 -> 00", "'100'"),
        ("sale 100.00 swiftly | bank 00 -> 00", "'swiftly'"),
        ("sale 100.00 | bank maybe -> 00", "'maybe'"),
        ("sale 100.00 | bank 00 loudly -> 00", "'loudly'"),
        ("sale 100.00 | 00 -> 00", "bank 00"),
        ("sale 100.00 -> yes", "'yes'"),
        ("sale 100.00 -> 00 gladly", "'gladly'"),
        ("sale 100.00 card=blue -> 00", "'card=blue'"),
        ("void the purchase -> 00", "'purchase'"),
        ("void the fourth sale -> 00", "'fourth'"),
        ("sale 100.00 without amount -> 30", "F39"),
        ("bank whispers 0820 301 -> 00", "'bank-whispers'"),
        ("sale 0420 -> 00", "'0420'"),
        ("cut ; join", "nobody is told"),
        ("sale 100.00 -> 00 ## because", "found"),
        ("sale 100.00 -> 00 ;", "missing"),
    ],
)
def test_what_nobody_has_defined_is_an_error_that_names_line_and_word(text, unknown):
    with pytest.raises(LineError, match="here:7") as caught:
        read_line(text, "here:7")
    assert unknown in str(caught.value)


def test_a_line_stands_once(tmp_path):
    path = tmp_path / "twice.txt"
    path.write_text("sale 1.00 | bank 00 -> 00\n# other\nsale  1.00 | bank 00 -> 00\n")
    with pytest.raises(LineError, match="twice"):
        read_lines(path)


def test_found_lines_end_with_the_next_section(tmp_path):
    path = tmp_path / "found.txt"
    path.write_text("echo -> 00\n# found\nsign-off -> 77 ## why\n")
    assert [line.found for line in read_lines(path)] == ["", "why"]


def test_there_are_as_many_lines_as_promised():
    assert sum(len(read_lines(path)) for path in FILES) >= 150


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sale 100.00 | bank 00 -> 51", "told 00, not 51"),
        ("sale 100.00 -> 98", "a bank was asked more"),
        ("sale 0.00 | bank 00 -> 00", "told 13 before the bank was asked"),
        ("sale 100.00 | bank 51 then 00 -> 51 ; stands the sale reversing", "a bank was asked more"),
        ("sale 100.00 | bank holds ; reverse the sale -> 00 ; answer the sale | bank 51", "told more"),
        ("sale 100.00 | bank 00 ; settle debits=1/100.01 -> 00 balanced", "flags 21"),
        ("sale 100.00 | bank 00 ; settle -> 00 differs ; upload-end count=0 -> 00 ; differs count=0", "Diff"),
        ("sale 100.00 | bank 00 -> 00 F38=XXXXXX", "field 38"),
    ],
)
def test_a_line_that_is_wrong_fails(street, text, why):
    with pytest.raises(AssertionError, match=why):
        street.play(read_line(text)._replace(found="fails soon"))
