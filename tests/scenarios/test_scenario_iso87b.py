"""Each kind once with a bank that speaks ISO 8583:1987 packed: dialects.txt, one scenario a line."""

from pathlib import Path

import pytest
from scenario_lines import read_lines
from scenario_story import cases

from posswitch.sim.city import MIXED_DIALECTS

DIALECTS = MIXED_DIALECTS
HOME = 1  # its cards pay
LINES = read_lines(Path(__file__).with_name("dialects.txt"))


@pytest.mark.parametrize("line", cases(LINES))
def test_the_line_is_told_as_it_says(street, line):
    street.play(line)
