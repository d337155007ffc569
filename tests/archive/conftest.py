"""A town whose node has written a journal, and its backup; once, and a copy for each test."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "engine"))

from archive_town import Town, town_in


@pytest.fixture(scope="session")
def written(tmp_path_factory) -> Path:
    """The folder of a town with a journal and a backup of several segments."""
    folder = tmp_path_factory.mktemp("town")
    town = town_in(folder)
    for count in (3, 1, 5):
        town.pay(count)
        town.backup()
    return folder


@pytest.fixture
def town(written, tmp_path) -> Town:
    """A copy to damage."""
    return town_in(shutil.copytree(written, tmp_path / "town"))
