"""Books that the node is ahead of: told in one line, never gone on with as a second history."""

import pytest
from cli_runs import posswitch
from office_rows import activate, merchant
from written_city import write_city

from one_sale import RULES, START_NS
from posswitch.base.order import OFFICE
from posswitch.crypto.vault import Vault
from posswitch.edge.start import journal_key
from posswitch.engine.apply import apply
from posswitch.engine.decide import decide
from posswitch.engine.events import RegistryChanged
from posswitch.engine.facts import NO_FACTS
from posswitch.journal.sqlite import Journal
from posswitch.office.desk import Desk
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret

PLACE = "bank/90010000/zpk"
COMMANDS = [
    ("keys", "list"),
    ("keys", "history"),
    ("keys", "rotate", "90010000", "--by", "Li"),
    ("keys", "confirm", "1", "--by", "Wang"),
    ("keys", "expire", PLACE, "--by", "Li"),
    ("registry", "check"),
    ("registry", "list"),
    ("registry", "history"),
    ("registry", "revert", "0"),
    ("card", "history"),
    ("card", "show", "4", "--by", "Li", "--reason", "a dispute of the cardholder"),
]


@pytest.fixture
def ahead(tmp_path):
    """A city whose node has applied both versions of its books."""
    write_city(tmp_path)
    config = load_config(tmp_path / "posswitch.toml")
    activate(Desk(config, SystemClock()), [merchant(100)])
    activate(desk := Desk(config, SystemClock()), [merchant(101)])
    journal = Journal(config.data, journal_key(Vault(read_secret(config.secret), bytes)))
    state = journal.recover(config.node)
    for number, entry in enumerate(Desk(desk.config, SystemClock()).entries, 100):
        event = RegistryChanged(entry.change)
        journal.begin()
        decision = decide(state, event, NO_FACTS, START_NS + number, RULES)
        seq, record = journal.append(START_NS + number, event, decision.verdict)
        apply(state, seq, record)
        journal.commit()
    journal.close()
    return tmp_path


def removed(path):
    path.unlink()


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("lost", [removed, emptied])
def test_books_that_are_gone(capsys, ahead, words, lost):
    path = ahead / "data" / OFFICE
    lost(path)
    ended = posswitch(capsys, *words, "--data", ahead)
    said = ended.out + ended.err
    assert ended.code in (1, 2)
    assert said.count("\n") == 1
    assert f"{path}: is missing or empty, the switch's journal has version 2; bring back the newest" in said
    assert not path.exists() or not path.stat().st_size


def test_books_of_an_old_copy(capsys, ahead):
    path = ahead / "data" / OFFICE
    path.unlink()
    config = load_config(ahead / "posswitch.toml")
    (ahead / "data" / "journal.db").rename(ahead / "kept")
    (ahead / "data" / "journal.head").rename(ahead / "kept.head")
    activate(Desk(config, SystemClock()), [merchant(100)])
    (ahead / "kept").rename(ahead / "data" / "journal.db")
    (ahead / "kept.head").rename(ahead / "data" / "journal.head")
    ended = posswitch(capsys, "registry", "list", "--data", ahead)
    assert ended.code == 2
    assert "ends at version 1, the switch's journal has version 2" in ended.err


def test_books_that_nobody_can_compare(capsys, ahead):
    (ahead / "data" / OFFICE).unlink()
    (ahead / "data" / "journal.db").unlink()
    ended = posswitch(capsys, "registry", "list", "--data", ahead)
    assert ended.code == 2
    assert "nobody knows which versions there were: the journal: journal.db: is missing" in ended.err


def test_books_that_are_ahead_of_the_node_are_fine(capsys, ahead):
    activate(Desk(load_config(ahead / "posswitch.toml"), SystemClock()), [merchant(102)])
    assert posswitch(capsys, "registry", "list", "--data", ahead).code == 0
