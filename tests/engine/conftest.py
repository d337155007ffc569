"""A world for every test that asks for one."""

import pytest
from world import World


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path / "data")
    yield world
    world.close()
