"""unknowns: what needs a person, why, and how a word about it reaches the node."""

import json

import pytest
from cli_runs import one_line, posswitch
from written_city import START_NS, write_city

from posswitch.crypto.vault import Vault
from posswitch.edge.orders import ORDERS_LABEL, OrderBox
from posswitch.edge.start import journal_key
from posswitch.journal.quarantine import quarantine
from posswitch.journal.sqlite import Journal
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret
from posswitch.sim.city import CONFIG_FILE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A city whose journal was restored while five sales were open."""
    folder = tmp_path_factory.mktemp("city")
    write_city(folder)
    config = load_config(folder / CONFIG_FILE, serve=False)
    journal = Journal(config.data, journal_key(Vault(read_secret(config.secret), bytes)))
    assert quarantine(journal, journal.recover(config.node), START_NS + 100) == 5
    journal.close()
    return folder


def test_a_person_reads_what_to_find_out(capsys, folder):
    ended = posswitch(capsys, "unknowns", "--data", folder)
    assert ended.code == 1
    assert "payment 7  RRN 70151000" in ended.out
    assert "sale CNY 10.01" in ended.out
    assert "terminal 10000001 batch 000001 trace 000001  card …0211  bank 90010000" in ended.out
    assert "由备份恢复" in ended.out
    assert "5 to decide, CNY 50.15: posswitch unknowns PAYMENT --stands" in ended.out
    assert "由备份恢复" not in posswitch(capsys, "unknowns", "--data", folder, "--lang", "en").out


def test_a_program_reads_the_same(capsys, folder):
    cases = json.loads(posswitch(capsys, "unknowns", "--data", folder, "--json").out)
    assert [case["payment"] for case in cases] == [7, 8, 9, 10, 11]
    assert {case["cause"] for case in cases} == {"restored"}


def test_the_story_of_one_by_its_number_and_by_its_receipt(capsys, folder):
    ended = posswitch(capsys, "unknowns", "7", "--data", folder, "--json")
    case = json.loads(ended.out)
    assert (ended.code, case["state"]) == (0, "needs-owner")
    assert [step["cause"] for step in case["steps"]] == ["accepted", "restored"]
    assert json.loads(posswitch(capsys, "unknowns", case["rrn"], "--data", folder, "--json").out) == case
    assert "HandedToOwner restored → needs-owner" in posswitch(capsys, "unknowns", "7", "--data", folder).out


def test_a_word_becomes_a_signed_order(capsys, folder):
    words = ("8", "--reversed", "--by", "wang", "--reason", "bank list of 3 May")
    ended = posswitch(capsys, "unknowns", *words, "--data", folder)
    assert ended.code == 0
    assert ended.out.startswith("order 1: payment 8 reversed, by wang")
    config = load_config(folder / CONFIG_FILE, serve=False)
    box = OrderBox(config.data, Vault(read_secret(config.secret), bytes).derive(ORDERS_LABEL))
    (change,) = box.poll(0)
    assert (change.ruling.payment, change.ruling.says, change.ruling.author) == (8, "reversed", "wang")
    assert (
        "payment 8 reversed  bank list of 3 May"
        in posswitch(capsys, "registry", "history", "--data", folder).out
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--stands",), "give one payment"),
        (("7", "--stands", "--again", "--reason", "x"), "give one payment"),
        (("7", "--stands"), "give --reason"),
        (("7", "--stands", "--reason", "two\nlines"), "--reason: must be one line"),
        (("3", "--stands", "--reason", "x"), "no payment 3"),
        (("abc",), "no payment abc"),
        (("9" * 400,), "no payment 9999"),
        (("70151000000Z",), "no payment 70151000000Z"),
    ],
)
def test_what_cannot_be_decided_is_said_in_one_line(capsys, folder, words, said):
    ended = posswitch(capsys, "unknowns", *words, "--data", folder)
    assert ended.code == 2
    assert one_line(ended.err)
    assert said in ended.err


def test_nothing_to_decide_is_fine(capsys, tmp_path):
    write_city(tmp_path)
    ended = posswitch(capsys, "unknowns", "--data", tmp_path)
    assert (ended.code, ended.out) == (0, "nothing needs a person\n")
    ended = posswitch(capsys, "unknowns", "7", "--data", tmp_path, "--again", "--reason", "x")
    assert (ended.code, "is forwarded; there is nothing to decide" in ended.err) == (2, True)
