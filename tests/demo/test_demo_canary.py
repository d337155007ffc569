"""What the peers of a demonstration keep secret stands in nothing that the switch leaves, however spelt.

Over TLS, with kills, a backup and an office. PINs are looked for in their blocks: four or six digits alone
stand everywhere by chance. The file of the root secret is exempt, which is there to hold it; so are the
peers' own books.
"""

import re

import pytest
from canary import NEW_TERMINAL, Canary

KINDS = {
    "root", "ZPK", "ZAK", "ZMK", "TMK", "onboarded TMK", "pin key", "mac key", "track key", "PAN", "track 2",
    "track 2 as it was sent", "PIN", "clear PIN block",
    "terminal's PIN block", "bank's PIN block",
}  # fmt: skip


@pytest.fixture(scope="module")
def canary(tmp_path_factory):
    canary = Canary(tmp_path_factory.mktemp("canary"), seconds=8, kills=2)
    canary.report = canary.run()
    canary.look_around()
    return canary


def kinds(canary):
    return {name.rpartition(" ")[0] for name in canary.secrets}


def test_nothing_is_lost_where_everybody_speaks_tls(canary):
    report = canary.report
    assert {name: report[name] for name in ("lost", "duplicated", "unknown", "verify")} == {
        "lost": 0, "duplicated": 0, "unknown": 0, "verify": "ok",
    }  # fmt: skip
    assert report["approved"] > 0
    assert report["drained"]


def test_there_was_something_to_find_and_everywhere_to_look(canary):
    assert canary.report["kills"] == 2
    assert kinds(canary) == KINDS
    assert sum(name.startswith("PAN") for name in canary.secrets) > 100
    assert sum(name.startswith("ZPK") for name in canary.secrets) > 4, "zone keys are exchanged on the way"
    living = {path.name for path in (canary.said / "living data").iterdir()}
    assert living >= {"journal.db", "journal.db-wal", "journal.head", "office.db", "vitals.db", "node.log"}
    left = {path.name for path in canary.folder.rglob("*")}
    assert left >= {"posswitch.toml", "journal.db", "journal.head", "office.db", "vitals.db", "node.log"}
    names = {name for name, _ in canary.chunks()}
    assert any(name.startswith("office-") for name in names)
    assert len(names) >= 3
    assert NEW_TERMINAL.encode() in b"".join(chunk for name, chunk in canary.chunks() if "office" in name)
    assert "start 2" in (canary.said / "errors").read_text()
    assert "交换中心" in (canary.said / "lines").read_text()
    assert (canary.said / "sheets").is_dir()


def test_no_secret_of_the_peers_stands_in_anything_the_switch_has_left(canary):
    assert canary.found() == []


def test_the_books_of_the_peers_would_have_been_found(canary):
    """The same search, where cards are known to stand; and the root, in the one file that is exempt."""
    canary_books, secret = canary.exempt()
    search = canary.search()
    assert any("PAN" in line for line in search.under(canary_books))
    assert search.of(secret.read_bytes()) == [f"root {secret.read_text().strip()} as hex"]


def test_planted_leaks_are_found(tmp_path):
    """A card as BCD from the second nibble on, a key as base64, a track in a compressed and sealed backup."""
    canary = Canary(tmp_path, seconds=3, kills=0, bug="leaks_secrets")
    canary.run()
    found = canary.found()
    for wanted in (
        r"trace\.bin: PAN \d+ as BCD",
        r"node\.log: mac key \w+ as base64 at \d",
        r"journal\.db, a value: track 2 \w+ as raw",
        r"[0-9-]+\.seg, opened: track 2 \w+ as raw",
    ):
        assert any(re.fullmatch(wanted, line) for line in found), wanted
    assert {line.partition(": ")[2].rpartition(" as ")[0].rpartition(" ")[0] for line in found} <= {
        "PAN", "mac key", "track 2",
    }  # fmt: skip
