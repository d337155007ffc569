"""docs/capacity.md: its marks are those of the code, and it names everything that days may rest on."""

import re
from pathlib import Path

import pytest

from posswitch.cli.capacity_words import ASSUMES
from posswitch.journal.days import DAYS_MAX
from posswitch.office.capacity import DAYS_FAR, DAYS_NEAR
from posswitch.office.growth import DAYS_MIN
from posswitch.office.ring import NOW_NS
from posswitch.office.shortage import BUSY, FULL, NEARLY

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "capacity.md").read_text("utf-8").split())
SAYS = re.findall(r"`([a-z-]+)`", PAGE[PAGE.index("what it rests on") : PAGE.index("CPU and `fsync`")])


@pytest.mark.parametrize(
    "figure",
    [
        f"within {DAYS_NEAR:.0f} days",
        f"from {DAYS_MIN} whole days on",
        f"fewer than {DAYS_MIN} whole days",
        f"the newest {DAYS_MAX} days",
        f"{FULL:.0%}".replace("%", " % of the cap"),
        f"less than {1 - BUSY:.0%}".replace("%", " % of its time"),
    ],
)
def test_its_figures_are_those_of_the_code(figure):
    assert figure in PAGE


def test_what_it_says_in_words_is_so():
    assert (NEARLY, NOW_NS, DAYS_FAR) == (0.9, 10 * 10**9, 3650), "nine tenths, ten seconds, ten years"


def test_it_explains_everything_that_days_rest_on():
    assert sorted(SAYS) == sorted(ASSUMES)
