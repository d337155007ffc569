"""capacity: in both languages, with and without a node, and the exit code that a timer may go by."""

import json
import string
import time

import pytest
from cli_runs import one_line, posswitch

from capacity_scene import BANKS, LongTown, write_ring
from posswitch.cli import capacity_words as words
from posswitch.edge.overload import RUNGS
from posswitch.journal.disk import MachineDisk
from posswitch.office.shortage import NONE, RULES

GROWTH = [60 + day for day in range(20)]


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    town = LongTown(tmp_path_factory.mktemp("capacity"))
    town.write(GROWTH)
    return town


@pytest.fixture
def ring(town):
    """Writes the ring of a node that runs."""
    yield lambda **changed: write_ring(town.config.data, time.time_ns(), **changed)
    for path in town.config.data.glob("vitals.db*"):
        path.unlink()


@pytest.fixture
def run(capsys, town):
    return lambda *more: posswitch(capsys, "capacity", "-c", town.city.config, *more)


def test_a_person_reads_what_is_left_in_both_languages(run, ring):
    ring()
    ended = run()
    assert (ended.code, ended.err) == (0, "")
    assert "当前瓶颈：无。各项资源均有余量。处理：无需处理" in ended.out
    assert "Short now: nothing. Every resource has room. Do: nothing to do" in ended.out
    assert "降级第 0 级：全部受理（排队 0.3 毫秒）" in ended.out
    assert "rung 0 of brown-out: everything is taken (a wait of 0.3 ms)" in ended.out
    assert "+1.0 more each day (19 whole days)" in ended.out
    for name in ("disk", "CPU", "fsync", "connections", "memory", "HSM", f"bank {BANKS[0]}"):
        assert any(line.startswith(name) for line in ended.out.splitlines())


@pytest.mark.parametrize(("lang", "has", "lacks"), [("zh", "磁盘空间", "full in"), ("en", "full in", "磁盘")])
def test_one_language_alone(run, ring, lang, has, lacks):
    ring()
    said = run("--lang", lang).out
    assert has in said
    assert lacks not in said


def test_what_is_short_is_said_first_and_ends_with_1(run, ring):
    ring(rung=2, wait_us=90_000, cpu_share=0.93)
    ended = run("--lang", "en")
    assert ended.code == 1
    assert ended.out.startswith("Short now: CPU. Work takes 93% of the time at 200 payments/s")
    assert "rung 2 of brown-out: no inquiries either" in ended.out


def test_what_will_soon_be_full_ends_with_1(run, ring):
    ring(connections=3500)
    ended = run("--lang", "en")
    assert ended.out.startswith("Short now: nothing")
    connections = next(line for line in ended.out.splitlines() if line.startswith("connections"))
    assert connections.endswith("13 days [growth]")
    assert ended.code == 1


def test_without_a_node_journal_and_disk_speak(run):
    ended = run("--lang", "en")
    assert ended.code == 0
    assert "no node is running" in ended.out
    assert "CPU" not in ended.out
    assert any(line.startswith("disk") for line in ended.out.splitlines())


def test_a_program_reads_the_same(run, ring):
    ring(**{f"bank.{BANKS[1]}.links_able": 0})
    ended = run("--json")
    told = json.loads(ended.out)
    assert (ended.code, told["ok"], told["running"]) == (1, False, True)
    assert (told["short"]["resource"], told["short"]["of"]) == ("link", BANKS[1])
    assert told["short_en"].startswith(f"Short now: links of {BANKS[1]}.")
    assert told["short_zh"].startswith(f"当前瓶颈：银行链路 {BANKS[1]}。")
    assert (told["rung"], told["rung_en"]) == (0, "everything is taken")
    assert told["growth_a_day"] == pytest.approx(1.0)
    disk = next(one for one in told["resources"] if one["name"] == "disk")
    assert disk["left"] > 0


def test_no_journal_is_said(capsys, town, tmp_path):
    config = tmp_path / "posswitch.toml"
    config.write_text(town.city.config.read_text("utf-8"), "utf-8")
    (tmp_path / "secret.key").write_bytes((town.city.folder / "secret.key").read_bytes())
    ended = posswitch(capsys, "capacity", "-c", config)
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)


# The words

PLANTED = {
    "disk-low": {"disk_low": 1},
    "memory-tight": {"memory_bytes": 2**32, "memory_free_bytes": 2**28},
    "hsm-away": {"hsm_ready": 0},
    "hsm-full": {"hsm_under_way": 4000},
    "connections-full": {"connections": 4000},
    "descriptors-full": {"descriptors": 1000},
    "fsync-slow": {"rung": 3, "commits": 12, "commit_mean_us": 15_000.0},
    "cpu-busy": {"cpu_share": 0.95},
    "cpu-taken": {"cpu_share": 0.1, "cpu_wait_share": 0.85},
    "link-none": {f"bank.{BANKS[0]}.links_able": 0},
    "bank-full": {f"bank.{BANKS[0]}.under_way": 4090},
    "bank-owes": {f"bank.{BANKS[0]}.lane": 20_000, f"bank.{BANKS[0]}.lane_age_s": 9000.0},
    "link-few": {f"bank.{BANKS[0]}.links_able": 1},
}
FIGURES = {
    "disk-low": "200.0 MiB are free on the journal's disk; under 256.0 MiB no new payment is taken",
    "memory-tight": "The node has 4.0 GiB, and only 256.0 MiB are left to it",
    "fsync-slow": "15.0 ms a commit of 2 events; no new payments, only what ends something",
    "bank-owes": "20,000 reversals and advices wait for it, of 20,000, the oldest for 2.5 h",
    "hsm-full": "4,000 commands that HSMs have not answered, of 4,096",
}


def test_every_rule_has_its_words():
    names = [rule.name for rule in RULES]
    assert list(PLANTED) == names
    assert sorted(words.RULES) == sorted([NONE, *names])
    assert {rule.resource for rule in RULES} < words.RESOURCES.keys()
    assert len(words.RUNGS) == len(RUNGS)


@pytest.mark.parametrize("rule", PLANTED)
def test_what_a_rule_says_is_filled_with_its_figures(run, ring, rule, monkeypatch):
    if rule == "disk-low":
        monkeypatch.setattr(MachineDisk, "space", lambda self, folder: (200 << 20, 100 << 30))
    ring(**PLANTED[rule])
    ended = run()
    assert ended.code == 1
    assert "{" not in ended.out
    assert FIGURES.get(rule, "") in ended.out
    told = words.RULES[rule]
    for side in (told.what, told.todo):
        for text in side:
            plain = next(part for part, *_ in string.Formatter().parse(text))
            assert plain[1:] in ended.out
