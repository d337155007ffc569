"""keys list: every key, certificate and cipher suite, and an exit code when an end is near."""

import json
import os
import sys
from pathlib import Path

import msgspec
import pytest
from cli_runs import posswitch
from office_rows import activate, new_tmk, terminal
from written_city import START_NS, write_city

from one_sale import RULES
from posswitch.cli.inventory import _signed_on_text, _used
from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.crypto.vault import Vault
from posswitch.edge.start import journal_key
from posswitch.engine.apply import apply
from posswitch.engine.decide import decide
from posswitch.engine.events import ZoneKeyOffered, ZoneKeyTaken
from posswitch.engine.facts import NO_FACTS
from posswitch.journal.sqlite import Journal
from posswitch.office.acts import Act, Confirmed, Proposed, mark_of
from posswitch.office.books import Books, Signed
from posswitch.office.desk import Desk
from posswitch.office.inventory import DAY_NS, DESTROYED
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret
from posswitch.sim.authority import Authority
from posswitch.sim.city import CONFIG_FILE, build_city

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

PINNED, UNPINNED = "90010000", "90030000"


@pytest.fixture
def listed(capsys, city):
    """`posswitch keys list --json`: exit code and document."""

    def run(*words, folder=city):
        said = posswitch(capsys, "keys", "list", "--json", *words, "--data", folder)
        return said.code, json.loads(said.out)

    return run


def by_place(document):
    return {line["place"]: line for line in document["keys"]}


def note(desk, *acts: Act):
    """Writes acts as the office would."""
    for act in acts:
        now = desk()
        now._books.note(Signed(len(now.ledger.acts), act))


def ended_in(desk, place, days):
    """Two people end the crypto-period of a key."""
    table, name, column = place.split("/")
    rows = desk().registry.banks if table == "bank" else desk().registry.terminals
    now_ns, number = SystemClock().wall_ns(), len(desk().ledger.acts) + 1
    mark = mark_of(getattr(rows[name], column))
    end_ns = now_ns + days * DAY_NS + DAY_NS // 2
    note(desk, Proposed("expire", "Chen", now_ns, place, mark=mark, end_ns=end_ns))
    note(desk, Confirmed(number, "Wang", now_ns, 0))


def test_every_key_by_its_check_value_alone(listed, config, hsm):
    code, document = listed()
    rows = by_place(document)
    assert code == 0
    assert len(rows) == 4 * 2 + 20
    for bank in config.registry.banks.values():
        line = rows[f"bank/{bank.id}/zpk"]
        assert line["check"] == hsm.check_value("ZPK", bank.zpk).hex().upper()
        assert (line["algorithm"], line["bits"], line["version"], line["state"]) == ("TDES", 128, 0, "active")
    text = json.dumps(document)
    for bank in config.registry.banks.values():
        assert bank.zpk.hex() not in text.lower()


def test_since_when_and_who_brought_it(listed, desk, hsm):
    before = SystemClock().wall_ns()
    activate(desk(), [terminal(7, new_tmk(hsm))], author="lin")
    activate(desk(), [terminal(8, new_tmk(hsm))], author="wu")
    row = desk().registry.terminals["00000007"]
    activate(desk(), [terminal(7, row.tmk, model="X990")], author="somebody else")
    line = by_place(listed()[1])["terminal/00000007/tmk"]
    assert (line["version"], line["brought_by"]) == (1, "lin")
    assert before < line["since_ns"] < SystemClock().wall_ns()


@pytest.mark.parametrize(
    ("days", "code", "state", "mark"),
    [
        (31, 0, "active", None),
        (30, 1, "expiring", 30),
        (14, 1, "expiring", 14),
        (7, 1, "expiring", 7),
        (1, 1, "expiring", 1),
        (-1, 1, "expired", 0),
    ],
)
def test_a_key_near_its_end(listed, desk, days, code, state, mark):
    ended_in(desk, "terminal/10000001/tmk", days)
    ended, document = listed()
    line = by_place(document)["terminal/10000001/tmk"]
    assert (ended, line["state"], line["within_days"]) == (code, state, mark)
    assert bool(document["due"]) == bool(code)


def test_the_end_is_the_key_s_and_not_the_place_s(listed, desk, hsm):
    ended_in(desk, "terminal/10000001/tmk", -1)
    row = desk().registry.terminals["10000001"]
    activate(desk(), [terminal(10000001, new_tmk(hsm), row.merchant)])
    code, document = listed()
    line = by_place(document)["terminal/10000001/tmk"]
    assert (code, line["end_ns"], line["state"]) == (0, 0, "active")


def test_a_destroyed_key_stays_in_the_list(listed, desk):
    now_ns = SystemClock().wall_ns()
    note(desk, Proposed("destroy", "Chen", now_ns, "bank/1/zmk", "ZMK", "ABCDEF01", b"m" * 16))
    note(desk, Confirmed(1, "Wang", now_ns, 0))
    code, document = listed()
    line = document["keys"][-1]
    assert code == 0
    assert (line["state"], line["check"], line["brought_by"]) == (DESTROYED, "ABCDEF01", "Chen + Wang")


@pytest.fixture(scope="module")
def tls_city(tmp_path_factory):
    """A city whose certificates are of its own authority."""
    folder, authority = tmp_path_factory.mktemp("tls"), Authority()
    build_city(folder, 1, 3, tls=authority)
    return folder, authority


def test_certificates_and_suites(listed, tls_city):
    folder, _ = tls_city
    code, document = listed("--certificates", folder / "tls" / f"{PINNED}.pem", folder=folder)
    assert code == 0
    found = {one["owner"]: one for one in document["certificates"]}
    assert (found["own"]["subject"], found["authority"]["subject"]) == ("CN=node", "CN=posswitch city")
    assert found[f"bank/{PINNED}"]["subject"] == f"CN={PINNED}"
    assert found["source/acquirer"]["state"] == "unseen"
    assert f"bank/{UNPINNED}" not in found
    suites = {one["suite"]: one for one in document["tls"]}
    assert "TLS_AES_256_GCM_SHA384" in suites
    assert {one["version"] for one in suites.values()} == {"TLSv1.2", "TLSv1.3"}
    assert min(one["bits"] for one in suites.values()) >= 128
    assert {line["transport"] for line in document["lines"]} == {"tls"}


def test_a_certificate_near_its_end_and_one_that_cannot_be_read(listed, tls_city, capsys):
    folder, authority = tls_city
    papers = folder / "tls"
    (papers / "node.key").unlink()
    authority.issue("node", days=(-3, 6)).written(papers, "node")
    code, document = listed(folder=folder)
    assert code == 1
    assert document["due"] == ["own CN=node: ends in 5 days (mark 7); renew it (see docs/tls.md)"]
    (papers / "node.pem").write_text("nothing")
    said = posswitch(capsys, "keys", "list", "--data", folder)
    assert said.code == 1
    assert "no certificates can be read in it" in said.out
    assert "terminal/10000001/tmk  TMK TDES 128 bits" in said.out


def test_as_a_person_reads_it(capsys, city, desk):
    ended_in(desk, "bank/90010000/zpk", 3)
    said = posswitch(capsys, "keys", "list", "--data", city)
    assert said.code == 1
    assert "due: bank/90010000/zpk: ends in 3 days (mark 7); replace it" in said.out
    assert "bank/90010000  clear  MAC x9.19  PIN block iso-0" in said.out
    assert "terminals  clear  MAC cup-ecb  PIN block iso-0  20 terminals" in said.out
    assert "note: 27 keys without an end" in said.out


def test_terminals_that_are_signed_on_are_counted(capsys, tmp_path):
    write_city(tmp_path)
    said = posswitch(capsys, "keys", "list", "--json", "--data", tmp_path)
    assert json.loads(said.out)["sessions"] == {"signed_on": 5, "problem": ""}


def test_zone_keys_that_were_exchanged_are_in_force(capsys, tmp_path):
    """As the journal has them: until the row itself has another key."""
    write_city(tmp_path)
    config = load_config(tmp_path / CONFIG_FILE, serve=False)
    vault = Vault(read_secret(config.secret), os.urandom)
    hsm = SoftHsm(read_secret(config.secret), os.urandom)
    new, row = hsm.new_key(Usage.ZAK), config.registry.banks[PINNED]
    journal = Journal(config.data, journal_key(vault))
    state = journal.recover(config.node)
    for number, event in enumerate(
        (ZoneKeyOffered(PINNED, "ZAK", row.zak, new, "test"), ZoneKeyTaken(PINNED, "ZAK", new)), 100
    ):
        journal.begin()
        decision = decide(state, event, NO_FACTS, START_NS + number, RULES)
        seq, record = journal.append(START_NS + number, event, decision.verdict)
        apply(state, seq, record)
        journal.commit()
    journal.close()
    said = posswitch(capsys, "keys", "list", "--json", "--data", tmp_path)
    (line,) = json.loads(said.out)["exchanged"]
    assert (line["place"], line["since_ns"]) == (f"bank/{PINNED}/zak", START_NS + 101)
    assert line["check"] == hsm.check_value(Usage.ZAK, new).hex().upper()
    assert (
        f"bank/{PINNED}/zak  ZAK TDES 128 bits  check value {line['check']}  since"
        in posswitch(capsys, "keys", "list", "--data", tmp_path).out
    )
    changed = msgspec.structs.replace(row, zak=hsm.new_key(Usage.ZAK))
    activate(Desk(config, SystemClock()), [changed])
    said = posswitch(capsys, "keys", "list", "--json", "--data", tmp_path)
    assert json.loads(said.out)["exchanged"] == []


def test_acts_are_books_too(desk, config):
    """A row that was changed, or taken out, is seen; so is one signed under another secret."""
    now_ns = SystemClock().wall_ns()
    note(desk, *(Proposed("rotate", "Chen", now_ns, "banks") for _ in range(3)))
    copy = Books(config.data, bytes(32), SystemClock())
    with pytest.raises(Exception, match="act 1: its signature does not fit"):
        copy.history()


def test_counts_are_said_as_people_do():
    assert _used(0) == "used 0 times"
    assert _used(1) == "used once"
    assert _used(2000) == "used 2,000 times"
    assert _signed_on_text(1) == "1 terminal is signed on, with working keys of its own"
    assert _signed_on_text(2) == "2 terminals are signed on, with their own working keys"
