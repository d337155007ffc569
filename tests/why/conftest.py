"""The worlds of the engine's tests and the street of the scenarios, for stories of one payment."""

import asyncio
import inspect
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS / folder) for folder in ("engine", "edge", "scenarios", "cli", "demo")]
pytest.register_assert_rewrite(
    "edge_bank", "edge_till", "edge_town", "scenario_deal", "scenario_paying", "scenario_story",
    "scenario_street", "why_label", "why_rules", "why_street", "why_world",
)  # fmt: skip

from why_world import told_config  # noqa: E402 - after the lines above
from world import World  # noqa: E402

_SECONDS_MAX = 240.0
_runner = asyncio.Runner()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """A test that is a coroutine runs on the loop that its fixtures live on."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    _runner.run(asyncio.wait_for(pyfuncitem.obj(**wanted), _SECONDS_MAX))
    return True


def pytest_unconfigure():
    _runner.close()


@pytest.fixture(scope="session")
def runner():
    return _runner


@pytest.fixture(scope="session")
def base_config(tmp_path_factory):
    """A configuration; `told_config` puts a world's journal into it."""
    return told_config(tmp_path_factory.mktemp("config"))


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path / "data")
    yield world
    world.close()
