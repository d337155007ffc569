"""batches: what a shop keeper and an accountant can read, and what a program can."""

import json

import pytest
from cli_runs import one_line, posswitch

from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Limits
from posswitch.crypto.vault import Vault
from posswitch.edge.start import journal_key
from posswitch.engine.apply import apply
from posswitch.engine.decide import Rules, decide
from posswitch.engine.events import (
    AnswerArrived,
    BatchTotaled,
    NodeRestarted,
    RequestArrived,
    TerminalSignedOn,
    UploadEnded,
)
from posswitch.journal.facts import FactReader
from posswitch.journal.sqlite import Journal
from posswitch.scheme.settlement import Side
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret
from posswitch.sim.city import SHORT_TIMERS, build_city

AT_NS = 1_800_000_000 * NS_PER_S
TERMINAL, OTHER, MERCHANT, BATCH, PRINT = "10000001", "10000002", "802440354110001", "000001", bytes(16)
RULES = Rules(SHORT_TIMERS, Limits())


def sale(terminal):
    return RequestArrived(
        0, "sale", f"48020000|{terminal}|{BATCH}|000007|2", terminal, MERCHANT, BATCH,
        "000007", 12_345, "156", "000000", "022", "00", "4912", bytes(44), PRINT,
        16, "0211", True, "90010000", "5411", "22000001000601", False, "v",
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A city in which one terminal has settled rightly and another one has lost a sale."""
    folder = tmp_path_factory.mktemp("city")
    config = load_config(build_city(folder, 1, 8).config)
    journal = Journal(config.data, journal_key(Vault(read_secret(config.secret), bytes)))
    state = journal.recover(config.node)
    reader = FactReader(journal, state, config.acquirer, RULES, lambda bank, alone: 1)

    def happens(event):
        journal.begin()
        verdict = decide(state, event, reader.read(event, AT_NS), AT_NS, RULES).verdict
        seq, record = journal.append(AT_NS, event, verdict)
        apply(state, seq, record)
        journal.commit()

    happens(NodeRestarted("20270115", "v"))
    for terminal, right in ((TERMINAL, True), (OTHER, False)):
        happens(TerminalSignedOn(0, terminal, "000001", bytes(44), bytes(36), "v"))
        happens(sale(terminal))
        flight = next(iter(state.flights.values()))
        told = ("90010000", "0210", flight.stan, flight.f7, "00", "A00001", flight.rrn)
        happens(AnswerArrived(*told, 12_345, terminal, MERCHANT, PRINT, "0115"))
        side = Side(12_345, 1, 0, 0) if right else Side()
        happens(BatchTotaled(0, terminal, MERCHANT, BATCH, "000008", side, Side(), f"00{BATCH}201"))
        happens(UploadEnded(0, terminal, MERCHANT, BATCH, "000009", 0, f"00{BATCH}202"))
    journal.close()
    return folder


def test_a_person_reads_what_differs(capsys, folder):
    ended = posswitch(capsys, "batches", "--data", folder)
    assert ended.code == 0
    assert f"{TERMINAL} batch {BATCH}: balanced / 平, closed" in ended.out
    assert f"{OTHER} batch {BATCH}: not balanced / 不平, closed" in ended.out
    assert "000007: CNY 123.45 at the centre, the terminal has lost it" in ended.out


def test_a_program_reads_a_line_for_each_batch(capsys, folder):
    ended = posswitch(capsys, "batches", "--data", folder, "--json")
    right, wrong = (json.loads(line) for line in ended.out.splitlines())
    assert (right["terminal"], right["balanced"], right["differences"]) == (TERMINAL, True, [])
    assert wrong["domestic"] == {"debit_minor": 12_345, "debits": 1, "credit_minor": 0, "credits": 0}
    assert wrong["differences"] == [{"stan": "000007", "ours_minor": 12_345, "theirs_minor": None}]


def test_it_shows_one_terminal_or_only_what_differs(capsys, folder):
    assert OTHER not in posswitch(capsys, "batches", "--data", folder, "--terminal", TERMINAL).out
    differing = posswitch(capsys, "batches", "--data", folder, "--differing")
    assert differing.code == 1
    assert TERMINAL not in differing.out
    none = posswitch(capsys, "batches", "--data", folder, "--differing", "--terminal", TERMINAL)
    assert (none.code, none.out) == (0, f"no differing batches of terminal {TERMINAL}\n")


def test_nothing_settled_is_said(capsys, folder):
    said = "no settled batches of terminal 10000003\n"
    words = ("batches", "--data", folder, "--terminal", "10000003")
    assert posswitch(capsys, *words) == (0, said, "")
    assert posswitch(capsys, *words, "--json") == (0, "", said)


@pytest.mark.parametrize("words", [(), ("--json",), ("--differing",)])
def test_a_terminal_that_is_not_registered_is_said(capsys, folder, words):
    ended = posswitch(capsys, "batches", "--data", folder, "--terminal", "nix", *words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "posswitch: no terminal nix is registered; see registry list terminal\n"


def test_the_books_of_batches_are_verified(capsys, folder):
    assert posswitch(capsys, "verify", "--data", folder).out == "ok\n"


def test_no_journal_is_said(capsys, tmp_path):
    ended = posswitch(capsys, "batches", "--data", tmp_path)
    assert ended.code == 2
    assert one_line(ended.err)
