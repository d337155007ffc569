"""A street for each file of lines: one node, four banks, terminals for every line."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "edge"))
pytest.register_assert_rewrite(
    "edge_bank",
    "edge_till",
    "edge_town",
    "scenario_deal",
    "scenario_paying",
    "scenario_story",
    "scenario_street",
)

from scenario_story import Story  # noqa: E402 - after the lines above
from scenario_street import ALL_CUPS, Street  # noqa: E402


class Neighbourhood:
    """A street and the loop it lives on, for tests that are no coroutines."""

    def __init__(self, folder: Path, dialects: tuple[str, ...], home: int) -> None:
        self._runner = asyncio.Runner()
        self.street = self._runner.run(Street.lived_in(folder, dialects, home))

    def play(self, line) -> None:
        """One line to its end."""
        self._runner.run(Story(self.street).told(line))

    def close(self) -> None:
        """The books are compared, the node stops."""
        try:
            self._runner.run(self.street.close())
        finally:
            self._runner.close()


@pytest.fixture(scope="module")
def street(request, tmp_path_factory):
    """The street of a module; its `DIALECTS` and `HOME`: how the banks speak, and whose cards pay."""
    dialects, home = getattr(request.module, "DIALECTS", ALL_CUPS), getattr(request.module, "HOME", 0)
    made = Neighbourhood(tmp_path_factory.mktemp("street"), dialects, home)
    yield made
    made.close()
