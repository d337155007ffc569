"""card: whose payments, beside a running switch too; and a number in clear only with a trace before it."""

import json
import os
import re
import subprocess
import sys
import time
from collections import defaultdict

import apsw
import msgspec
import pytest
from cli_runs import one_line, posswitch

from one_sale import IDENTITY, RULES, sale
from posswitch.base.card import mask_pan
from posswitch.base.order import OFFICE
from posswitch.crypto.vault import Vault
from posswitch.edge.start import journal_key
from posswitch.engine.apply import apply
from posswitch.engine.decide import decide
from posswitch.engine.events import NodeRestarted
from posswitch.engine.facts import NO_FACTS
from posswitch.journal.cards import payments_of
from posswitch.journal.sqlite import Journal
from posswitch.office.acts import CardShown
from posswitch.office.books import Books
from posswitch.office.cards import SHOWN_PER_DAY_MAX, show
from posswitch.office.desk import Desk
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret
from posswitch.sim.city import CONFIG_FILE, build_city

PROGRAM = [sys.executable, "-m", "posswitch"]
MINE, OTHER = "6290010000293584", "6290010000139720"
DAY_NS = 86_400 * 10**9
REASON = "chargeback 2231 of bank A"


@pytest.fixture
def typed(capsys):
    """The program with something on its standard input."""

    def run(text, *words):
        kept, (reads, writes) = os.dup(0), os.pipe()
        os.write(writes, text.encode())
        os.close(writes)
        os.dup2(reads, 0)
        os.close(reads)
        try:
            return posswitch(capsys, *words)
        finally:
            os.dup2(kept, 0)
            os.close(kept)

    return run


def write_journal(folder, cards, ages_days):
    """A journal with a payment of each card, so many days old."""
    config = load_config(folder / CONFIG_FILE, serve=False)
    vault = Vault(read_secret(config.secret), os.urandom)
    journal = Journal(config.data, journal_key(vault))
    state = journal.recover(config.node)
    now_ns = SystemClock().wall_ns()
    sales = []
    for number, pan in enumerate(cards, 1):
        box, mark = vault.seal_pan(pan, 600 + number)  # a key for each month
        sales.append(msgspec.structs.replace(sale(number), pan_box=box, pan_print=mark, last_four=pan[-4:]))
    first = now_ns - ages_days[0] * DAY_NS - 1
    events = [(first, NodeRestarted("20270115", "v", IDENTITY))]
    events += [(now_ns - age * DAY_NS, one) for age, one in zip(ages_days, sales, strict=True)]
    for at_ns, event in events:
        journal.begin()
        decision = decide(state, event, NO_FACTS, at_ns, RULES)
        seq, record = journal.append(at_ns, event, decision.verdict)
        apply(state, seq, record)
        journal.commit()
    journal.close()


@pytest.fixture(scope="module")
def blueprint(tmp_path_factory):
    """A city whose journal has payments of two cards, 30 days to an hour old; Wang may see numbers."""
    folder = tmp_path_factory.mktemp("cards")
    build_city(folder, 1, 3)
    write_journal(folder, [MINE, OTHER, MINE, MINE, OTHER, MINE], [30, 20, 10, 3, 2, 1])
    with (folder / CONFIG_FILE).open("a") as file:
        file.write('\n[office]\nmay_show_cards = ["Wang", "李伟"]\n')
    return folder


@pytest.fixture
def folder(blueprint):
    """The city, without what an earlier test has traced."""
    for path in (blueprint / "data").glob(f"{OFFICE}*"):
        path.unlink()
    return blueprint


@pytest.fixture
def found(typed):
    """What `card find` says of a card number that is typed."""

    def run(folder, pan, *words):
        ended = typed(f"{pan}\n", "card", "find", "--json", "--data", folder, *words)
        assert ended.code == 0, ended.err
        return json.loads(ended.out)

    return run


def test_the_payments_of_a_card_newest_first(folder, found):
    said = found(folder, MINE, "--days", 7)
    assert [one["payment"] for one in said["payments"]] == [7, 5]
    assert said["more"] is False
    assert [one["payment"] for one in found(folder, MINE, "--days", 40)["payments"]] == [7, 5, 4, 2]
    assert [one["payment"] for one in found(folder, OTHER, "--days", 40)["payments"]] == [6, 3]
    said = found(folder, MINE, "--days", 40, "--most", 3)
    assert ([one["payment"] for one in said["payments"]], said["more"]) == ([7, 5, 4], True)
    assert found(folder, "6290010000000000", "--days", 40)["payments"] == []


@pytest.mark.parametrize("days", [0.5, 1.5, 2.5, 5, 15, 25, 35])
def test_no_day_too_many_and_none_too_few(folder, days):
    config = load_config(folder / CONFIG_FILE, serve=False)
    vault = Vault(read_secret(config.secret), os.urandom)
    since_ns = SystemClock().wall_ns() - int(days * DAY_NS)
    cases, _ = payments_of(config.data, config.node, vault.fingerprint(MINE), since_ns, 100)
    assert len(cases) == sum(age < days for age in (30, 10, 3, 1))


def test_as_a_person_reads_it(folder, typed):
    ended = typed("6290 0100 0029 3584\n", "card", "find", "--data", folder, "--most", 1)
    (line, more) = ended.out.splitlines()
    assert line.startswith("payment 7  RRN ")
    assert f"{mask_pan(MINE)}  sale CNY 10.06  terminal 10000001 batch 000001 trace 000006  forwarded" in line
    assert "there are more; these are the newest 1" in more
    assert MINE not in ended.out + ended.err
    assert (
        "no payment of 629001******0000" in typed("6290010000000000\n", "card", "find", "--data", folder).out
    )


@pytest.mark.parametrize(
    "text", ["", "\n", "123\n", "629001000029358x\n", "1" * 20 + "\n", "1" * 5000 + "\n"]
)
def test_what_is_no_card_number(folder, typed, text):
    ended = typed(text, "card", "find", "--data", folder)
    assert ended.code == 2
    assert one_line(ended.err)
    assert text.strip() not in ended.err or not text.strip()


def test_a_number_is_never_an_argument(folder, typed):
    ended = typed("", "card", "find", MINE, "--data", folder)
    assert ended.code == 2


@pytest.fixture
def shown(typed):
    """`card show WORDS`."""
    return lambda folder, *words: typed("", "card", "show", *words, "--data", folder)


def test_a_number_in_clear_leaves_its_trace_first(folder, shown, capsys):
    before = SystemClock().wall_ns()
    ended = shown(folder, 4, "--reason", REASON, "--by", "Wang")
    assert ended.code == 0, ended.err
    assert ended.out == f"payment 4: {MINE}  (act 1)\n"
    (trace,) = json.loads(posswitch(capsys, "card", "history", "--json", "--data", folder).out)
    assert (trace["payment"], trace["by"], trace["reason"]) == (4, "Wang", REASON)
    assert before < trace["at_ns"] < SystemClock().wall_ns()
    assert f"Wang  payment 4  {REASON}" in posswitch(capsys, "card", "history", "--data", folder).out
    for path in folder.rglob("*"):
        assert not path.is_file() or MINE.encode() not in path.read_bytes()
    assert posswitch(capsys, "keys", "history", "--data", folder).out == "nothing\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("4", "--reason", REASON, "--by", "Chen"), "Chen may not see card numbers"),
        (("4", "--reason", REASON, "--by", "wang"), "wang may not see card numbers"),
        (("4", "--reason", "123456789 !", "--by", "Wang"), "--reason: say why"),
        (("4", "--reason", "too short", "--by", "Wang"), "--reason: say why"),
        (("4", "--reason", "two\nlines of it", "--by", "Wang"), "--reason: say why"),
        (("4", "--reason", "x" * 201, "--by", "Wang"), "--reason: say why"),
        (("999", "--reason", REASON, "--by", "Wang"), "no payment 999"),
        (("4", "--reason", REASON, "--by", "9"), "give the name of a person"),
    ],
)
def test_what_is_not_shown_leaves_no_trace(folder, shown, words, said):
    ended = shown(folder, *words)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert one_line(ended.err)
    assert not (folder / "data" / OFFICE).exists()


def test_without_a_table_nobody_may(tmp_path, shown):
    build_city(tmp_path, 1, 2)
    assert load_config(tmp_path / CONFIG_FILE, serve=False).may_show_cards == ()
    write_journal(tmp_path, [MINE], [1])
    assert "may not see" in shown(tmp_path, 2, "--reason", REASON, "--by", "Wang").err


def test_a_card_number_in_a_reason_is_masked(folder, shown, capsys):
    shown(folder, 4, "--reason", "the customer says 4000000000000002", "--by", "李伟")
    assert "400000******0002" in posswitch(capsys, "card", "history", "--data", folder).out


class Later(SystemClock):
    """A clock that is ahead."""

    def __init__(self, ahead_ns):
        super().__init__()
        self._ahead_ns = ahead_ns

    def wall_ns(self):
        return super().wall_ns() + self._ahead_ns


def test_no_more_than_twenty_a_day(folder):
    config = load_config(folder / CONFIG_FILE, serve=False)
    noon = Later(-(SystemClock().wall_ns() + 8 * 3600 * 10**9) % DAY_NS)  # midnight in Beijing, and on
    for _ in range(SHOWN_PER_DAY_MAX):
        assert show(Desk(config, noon), "4", "Wang", REASON).pan == MINE
    with pytest.raises(Exception, match="Wang has seen 20 card numbers today"):
        show(Desk(config, noon), "4", "Wang", REASON)
    assert show(Desk(config, noon), "4", "李伟", REASON).pan == MINE
    assert show(Desk(config, Later(noon._ahead_ns + DAY_NS)), "4", "Wang", REASON).pan == MINE


def test_when_the_trace_cannot_be_kept_nothing_is_shown(folder, monkeypatch):
    """A planted fault: the books cannot be written."""

    def full(self, act):
        assert isinstance(act.act, CardShown)
        raise apsw.FullError

    monkeypatch.setattr(Books, "note", full)
    config = load_config(folder / CONFIG_FILE, serve=False)
    with pytest.raises(apsw.FullError):
        show(Desk(config, SystemClock()), "4", "Wang", REASON)


def test_two_at_once_leave_two_traces_or_one_is_refused(folder):
    words = ("card", "show", "4", "--reason", REASON, "--by", "Wang", "--data", str(folder))
    both = [
        subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [one.communicate(timeout=60) for one in both]
    config = load_config(folder / CONFIG_FILE, serve=False)
    traces = Desk(config, SystemClock()).ledger.acts
    assert len(traces) == sum(MINE in out for out, _ in said)
    for out, err in said:
        assert (MINE in out) != ("somebody else acted meanwhile" in err)


# Beside a running switch


def books(folder, kind):
    rows = []
    for path in (folder / "books").glob(f"{kind}-*.jsonl"):
        for line in path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:  # it is being written
                continue
    return rows


def test_what_is_found_is_what_terminals_have_on_their_slips(tmp_path, found):
    words = ["demo", "--seconds", "3", "--tps", "40", "--no-console", "--data", str(tmp_path)]
    with subprocess.Popen([*PROGRAM, *words], stdout=subprocess.DEVNULL) as demo:
        deadline = time.monotonic() + 60
        while not (early := [row for row in books(tmp_path, "slips") if row["rrn"]]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        said = found(tmp_path, early[0]["pan"])  # while it runs
        assert early[0]["rrn"] in [one["rrn"] for one in said["payments"]]
        assert demo.wait(timeout=120) == 0
    slips = defaultdict(set)
    for row in books(tmp_path, "slips"):
        if re.fullmatch(r"\w{12}", row["rrn"]) and row["kind"] in ("sale", "void", "refund"):
            slips[row["pan"]].add((row["rrn"], row["kind"]))
    several = sorted(slips, key=lambda pan: -len(slips[pan]))[:4]
    assert len(slips[several[0]]) > 1
    for pan in several:
        payments = {(one["rrn"], one["kind"]) for one in found(tmp_path, pan)["payments"]}
        assert slips[pan] <= payments
