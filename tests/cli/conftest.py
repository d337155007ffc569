"""A city whose node has written a journal, once for all tests and as a copy for each."""

import shutil

import pytest
from written_city import write_city


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """The folder of the city."""
    folder = tmp_path_factory.mktemp("city")
    write_city(folder)
    return folder


@pytest.fixture
def folder(written, tmp_path):
    """A copy to damage."""
    return shutil.copytree(written, tmp_path / "city")
