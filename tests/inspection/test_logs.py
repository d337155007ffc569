"""posswitch logs: everything of one time in one order, what is about the place marked, masked and bounded."""

import json
import re
import time

import apsw
import pytest
from cli_runs import one_line, posswitch
from inspection_town import BANKS, LINK

from posswitch.base.moment import NS_PER_S, clock_text
from posswitch.diagnose.shelf import SHELF
from posswitch.office import logbook as rooms
from posswitch.office.logbook import logbook, words_of
from posswitch.office.logbook_entry import Span
from posswitch.office.logbook_system import timed
from posswitch.settings.config import load_config

CARD = "6290010000293584"
KEY = "0123456789abcdef0123456789ABCDEF"


def at(ago_s, *, old=False):
    text = clock_text(time.time_ns() - ago_s * NS_PER_S, fine=True).replace(" ", "T")
    return time.strftime("%b %e %H:%M:%S", time.localtime(time.time() - ago_s)) if old else text


@pytest.fixture
def eventful(town):
    """An incident at a link five minutes ago, and what everybody wrote around it."""
    town.lives(commit_worst_us=45_000.0)
    town.incident()
    lines = [
        {"bank": BANKS[0], "link": 1, "standing": "fenced", "event": "link", "timestamp": at(250)},
        {"bank": BANKS[1], "event": "link", "timestamp": at(240)},
        {"event": "oops", "card": CARD, "key": KEY, "timestamp": at(200)},
        {"event": "long ago", "timestamp": at(90_000)},
    ]
    text = "\n".join([json.dumps(line) for line in lines[:3]] + ["{torn"] + [json.dumps(lines[3])])
    (town.data / "node.log").write_text(text + "\n")
    world = town.pays(0, ago_s=230)
    world._open()
    world.pay(outcome="")
    world.timer()
    world.expire()
    world.close()
    return town


def logs(capsys, town, *words):
    return posswitch(capsys, "logs", "-c", town.config, *words)


def test_everybody_is_heard_in_one_order(capsys, eventful):
    document = json.loads(logs(capsys, eventful, "--incident", 1, "--json").out)
    entries = document["entries"]
    assert {one["source"] for one in entries} == {"node", "diagnosis", "journal", "database"}
    assert [one["at"] for one in entries] == sorted(one["at"] for one in entries)
    text = "\n".join(one["text"] for one in entries)
    for words in (
        "standing=fenced",
        "#1 confirmed: ",
        "the node began",
        "needs-owner (expired)",
        "slow commit: worst 45.0 ms",
    ):
        assert words in text
    assert "long ago" not in text
    assert "(damaged) {torn" in text


def test_what_is_about_the_place_is_marked_and_stays_when_others_go(capsys, eventful):
    document = json.loads(logs(capsys, eventful, "--incident", 1, "--json").out)
    assert document["about"] == [LINK, BANKS[0]]
    tied = [one["text"] for one in document["entries"] if one["tied"]]
    assert any("standing=fenced" in text for text in tied)
    assert not any(BANKS[1] in text for text in tied)
    few = json.loads(logs(capsys, eventful, "--incident", 1, "--lines", len(tied), "--json").out)
    assert [one["text"] for one in few["entries"]] == tied
    assert few["left_out"] == len(document["entries"]) - len(tied)


def test_nothing_secret_is_shown(capsys, eventful):
    out = logs(capsys, eventful, "--incident", 1).out
    assert "oops" in out
    assert CARD not in out
    assert KEY not in out


def test_text_has_marks_and_says_what_it_could_not_read(capsys, eventful, monkeypatch, tmp_path):
    monkeypatch.setattr(rooms.system, "LOGS", tmp_path)
    monkeypatch.setattr(rooms.logbook, "__defaults__", ((), tmp_path))
    out = logs(capsys, eventful, "--incident", 1).out
    assert re.search(rf"^\d{{4}}-\S+ \S+ \* node      link bank={BANKS[0]}", out, re.MULTILINE)
    assert "none of syslog, messages, kern.log" in out


@pytest.mark.parametrize("old", [True, False])
def test_the_system_log_in_both_forms(eventful, tmp_path, old):
    (tmp_path / "syslog").write_text(
        f"{at(220, old=old)} host kernel: eth1: link of {BANKS[0]} down\nno time\n"
    )
    now_ns = time.time_ns()
    config = load_config(eventful.config, serve=False)
    book = logbook(config, Span(now_ns - 400 * NS_PER_S, now_ns), 100, (BANKS[0],), tmp_path)
    (one,) = (one for one in book.entries if one.source == "system")
    assert one.tied
    assert "eth1" in one.text
    assert abs(one.at_ns - (now_ns - 220 * NS_PER_S)) < 5 * NS_PER_S


@pytest.mark.parametrize("line", ["", "Feb 30 10:00:00 x", "2026-13-01T00:00:00 x", "Xyz 1 00:00:00 x"])
def test_a_line_without_a_time(line):
    assert timed(line, time.time_ns())[0] == 0


def test_since_and_until_choose(capsys, eventful):
    since, until = at(245)[:19], at(235)[:19]
    document = json.loads(logs(capsys, eventful, "--since", since, "--until", until, "--json").out)
    assert [one["text"] for one in document["entries"] if one["source"] == "node"] == [
        f"link bank={BANKS[1]}"
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("--incident", 99), ("--since", "noon"), ("--until", "9999-99-99"),
        ("--since", "2026-01-02", "--until", "2026-01-01"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(capsys, eventful, words):
    ended = logs(capsys, eventful, *words)
    assert (ended.code, ended.out, one_line(ended.err)) == (2, "", True)


@pytest.mark.parametrize("name", ["journal.db", "vitals.db", SHELF, "node.log"])
def test_a_damaged_file_is_a_note(capsys, eventful, name):
    for beside in eventful.data.glob(f"{name}-*"):
        beside.unlink()
    (eventful.data / name).write_bytes(b"\xff\xfeno database" * 1000)
    ended = logs(capsys, eventful)
    assert (ended.code, ended.err) == (0, "")
    assert name in ("vitals.db", "node.log") or "note / 注: " in ended.out


def test_a_damaged_shelf_says_how_to_go_on(capsys, eventful):
    for beside in eventful.data.glob(f"{SHELF}-*"):
        beside.unlink()
    (eventful.data / SHELF).write_bytes(b"no database" * 1000)
    ended = logs(capsys, eventful, "--incident", 1)
    assert (ended.code, one_line(ended.err), "--since" in ended.err) == (2, True, True)


def test_keys_and_versions_are_told_without_their_values(eventful):
    db = apsw.Connection(str(eventful.data / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
    assert db.execute("SELECT count(*) FROM journal").fetchone()[0] > 1
    db.close()
    told = rooms.sources._TOLD
    offered = told[next(kind for kind in told if kind.__name__ == "ZoneKeyOffered")]
    event = next(kind for kind in told if kind.__name__ == "ZoneKeyOffered")(
        "90010000", "ZPK", b"given", b"key", "due"
    )
    assert offered(event) == "a new ZPK offered to bank 90010000: due"


def test_words_of_a_place():
    assert words_of({"link": "90010000/1"}) == ("90010000/1", "90010000")
    assert words_of({}) == ()


def journalctl(folder, *lines):
    """A program of that name that runs these lines of shell."""
    program = folder / "journalctl"
    program.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    program.chmod(0o755)


def test_journalctl_is_asked_for_the_span(capsys, eventful, monkeypatch, tmp_path):
    journalctl(tmp_path, f'echo "$@" > {tmp_path}/asked', "echo '-- No entries --'",
               f"echo '{at(100).replace('.', ',').split(',')[0]}+08:00 host sshd[1]: card {CARD}'",
               "echo 'Hint: You are currently not seeing messages from other users.' >&2")  # fmt: skip
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    document = json.loads(logs(capsys, eventful, "--json").out)
    (one,) = (one for one in document["entries"] if one["source"] == "system")
    assert one["text"] == "host sshd[1]: card 629001******3584"
    assert any("own messages only" in note for note in document["notes"])
    asked = (tmp_path / "asked").read_text()
    since = int(re.search(r"--since @(\d+)", asked)[1])
    assert abs(time.time() - 600 - since) < 30


@pytest.mark.parametrize("does", ["sleep 5", "exit 1", "head -c 100 /dev/urandom"])
def test_a_journalctl_that_does_not_help_is_a_note_or_nothing(capsys, eventful, monkeypatch, tmp_path, does):
    journalctl(tmp_path, does)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(rooms.system, "_SECONDS_MAX", 0.3)
    ended = logs(capsys, eventful)
    assert (ended.code, ended.err) == (0, "")
