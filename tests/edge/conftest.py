"""Runs coroutine tests on one loop, and builds towns for them."""

import asyncio
import inspect

import pytest

pytest.register_assert_rewrite("edge_bank", "edge_till", "edge_town")

from edge_town import Town  # noqa: E402 - after the line above, so that its assertions explain themselves

_SECONDS_MAX = 60.0
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


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    """A town that the tests of a module share, each with terminals and cards of its own."""
    town = _runner.run(Town.open(tmp_path_factory.mktemp("town")))
    yield town
    _runner.run(town.close())


@pytest.fixture(scope="module")
def tls_switch(tmp_path_factory):
    """The same, where everybody speaks TLS."""
    town = _runner.run(Town.open_with_tls(tmp_path_factory.mktemp("tls-town")))
    yield town
    _runner.run(town.close())


@pytest.fixture
def lone_switch(tmp_path):
    """A town for one test that stops the node."""
    town = _runner.run(Town.open(tmp_path))
    yield town
    _runner.run(town.close())
