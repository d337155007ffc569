"""Property tests have the same examples everywhere (`ci`) or new ones (`make prove`); files have an order."""

from pathlib import Path

from hypothesis import settings

settings.register_profile("fresh", deadline=None)

# Files that take ten seconds and more begin first, so that no worker is left alone with one at the end.
LONGEST_FIRST = (
    "cli/test_cli_ping.py",
    "why/test_why_labelled.py",
    "scenarios/test_scenario_links.py",
    "demo/test_demo_canary.py",
    "edge/test_edge_unknown.py",
    "worlds/test_worlds.py",
    "demo/test_demo_planted.py",
    "cli/test_cli_secret.py",
    "console/test_screen_apart.py",
    "cli/test_cli_peers.py",
    "scenarios/test_scenario_reversals.py",
    "scenarios/test_scenario_payments.py",
    "edge/test_edge_lines.py",
    "demo/test_demo_seals.py",
    "codec/test_fit.py",
    "scan/test_scan_findings.py",
    "codec/test_damage.py",
    "edge/test_edge_crash.py",
    "cli/test_cli_backup.py",
    "cli/test_cli_card.py",
    "cli/test_cli_peers_alone.py",
    "fuzz/test_fuzz.py",
    "cli/test_cli_keys_rotate.py",
    "demo/test_demo_clean.py",
    "edge/test_edge_hsm.py",
)


def pytest_collection_modifyitems(items):
    """Files of the list in its order, then the others as they were found."""
    folder = Path(__file__).parent
    places = {folder / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
