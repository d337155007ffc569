"""Where cities with traffic, archives and the program are at hand."""

import shutil
import sys
from pathlib import Path

import pytest

for _name in ("cli", "archive"):
    sys.path.insert(0, str(Path(__file__).parents[1] / _name))


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The folder of a city in which everything is well."""
    from inspection_town import build  # noqa: PLC0415 - its folder is on the path by now

    return build(tmp_path_factory.mktemp("well"))


@pytest.fixture
def town(built, tmp_path):
    """A copy of it to spoil."""
    from inspection_town import Town  # noqa: PLC0415

    return Town(shutil.copytree(built, tmp_path / "town"))
