"""What tests of the screen share: rooms of other tests, and a city that pretends."""

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "cli"), str(TESTS / "engine"), str(Path(__file__).parent)]

from puppet import Puppet, history  # noqa: E402


@pytest.fixture
def puppet(tmp_path):
    """Its vitals reach a few seconds back."""
    made = Puppet(tmp_path / "city")
    history(made, 6)
    made.say()
    yield made
    made.close()
