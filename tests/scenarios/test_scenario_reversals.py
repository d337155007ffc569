"""Reversals, repeats and unknown outcomes of every kind: reversals.txt, one scenario a line."""

from pathlib import Path

import pytest
from scenario_lines import read_lines
from scenario_story import cases

LINES = read_lines(Path(__file__).with_name("reversals.txt"))


@pytest.mark.parametrize("line", cases(LINES))
def test_the_line_is_told_as_it_says(street, line):
    street.play(line)
