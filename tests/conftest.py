"""Property tests have the same examples everywhere (`ci`) or new ones (`make prove`); files have an order."""

from pathlib import Path

from hypothesis import settings

settings.register_profile("fresh", deadline=None)

# Seconds of a quiet core decide. They begin first, so that no worker is left alone with one at the end.
LONGEST_FIRST = ("cli/test_cli_ping.py",)


def pytest_collection_modifyitems(items):
    """Files of the list in its order, then the others as they were found."""
    folder = Path(__file__).parent
    places = {folder / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
