"""posswitch backup, restore and verify --archive: what they say, and the backup beside a running switch."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import apsw
import pytest
from cli_runs import one_line, posswitch
from test_cli_run import PATIENCE_S, PROGRAM, alive, node_pid, running, until
from written_city import EVENTS

from posswitch.sim.city import build_city


@pytest.fixture
def config(folder):
    """The configuration of a city with a journal."""
    return folder / "posswitch.toml"


@pytest.fixture
def archive(folder):
    """Where its backup goes."""
    return folder / "archive"


def test_a_backup_says_what_it_wrote(capsys, config, archive):
    ended = posswitch(capsys, "backup", "-c", config, "--to", archive)
    assert ended.code == 0
    assert ended.out.startswith(f"{len(EVENTS)} records up to {len(EVENTS)} of 2027-01-15 16:00:00+08:00, ")
    (segment,) = archive.glob("*.seg")
    assert ended.out.endswith(f" {segment.stat().st_size} bytes in 1 segment\n")
    again = posswitch(capsys, "backup", "-c", config, "--to", archive, "--json")
    assert json.loads(again.out) == {
        "last": len(EVENTS), "records": 0, "at_ns": 0, "segments": 0, "bytes": 0, "office": 0,
    }  # fmt: skip


def test_a_full_one_wants_a_new_folder(capsys, config, archive):
    assert posswitch(capsys, "backup", "-c", config, "--to", archive, "--full").code == 0
    ended = posswitch(capsys, "backup", "-c", config, "--to", archive, "--full")
    assert ended.code == 2
    assert one_line(ended.err)


def test_an_archive_is_checked_by_itself(capsys, config, archive):
    posswitch(capsys, "backup", "-c", config, "--to", archive)
    ended = posswitch(capsys, "verify", "-c", config, "--archive", archive)
    assert (ended.code, ended.out) == (
        0, f"ok: records 1 to {len(EVENTS)} in 1 segment, up to 2027-01-15 16:00:00+08:00\n",
    )  # fmt: skip


def test_a_damaged_one_is_named_with_its_record(capsys, config, archive):
    posswitch(capsys, "backup", "-c", config, "--to", archive)
    (segment,) = archive.glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(data)
    ended = posswitch(capsys, "verify", "-c", config, "--archive", archive)
    assert ended.code == 1
    assert ended.out.startswith(f"record 1: cannot be read: {segment.name}: ")


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_without_a_folder_it_asks_for_one(capsys, config, command):
    ended = posswitch(capsys, command, "-c", config)
    assert ended.code == 2
    assert one_line(ended.err)
    assert "[backup]" in ended.err


def test_no_archive_is_exit_2(capsys, config, archive):
    for words in (("verify", "--archive", archive), ("restore", "--from", archive)):
        ended = posswitch(capsys, words[0], "-c", config, *words[1:])
        assert (ended.code, ended.out) == (2, "")
        assert one_line(ended.err)


def test_restore_says_what_came_back_and_verify_agrees(capsys, config, archive, folder):
    posswitch(capsys, "backup", "-c", config, "--to", archive)
    assert posswitch(capsys, "restore", "-c", config, "--from", archive).code == 2
    shutil.rmtree(folder / "data")
    ended = posswitch(capsys, "restore", "-c", config, "--from", archive, "--json")
    assert ended.code == 0
    said = json.loads(ended.out)
    assert (said["records"], said["last"], said["open"]) == (len(EVENTS), len(EVENTS), 5)
    assert posswitch(capsys, "verify", "-c", config) == (0, "ok\n", "")
    shutil.rmtree(folder / "data")
    ended = posswitch(capsys, "restore", "-c", config, "--from", archive, "--record", "8")
    assert ended.out.startswith(
        "restored and verified: 8 records up to 8 of 2027-01-15 16:00:00+08:00, 2 open"
    )


@pytest.mark.parametrize(
    ("at", "last"),
    [
        ("2027-01-15T16:00:00+08:00", 1),
        ("2027-01-15T08:00:01Z", len(EVENTS)),
        ("2027-01-15 16:00:01", len(EVENTS)),
    ],
)
def test_restore_to_a_moment(capsys, config, archive, folder, at, last):
    posswitch(capsys, "backup", "-c", config, "--to", archive)
    shutil.rmtree(folder / "data")
    ended = posswitch(capsys, "restore", "-c", config, "--from", archive, "--at", at, "--json")
    assert json.loads(ended.out)["last"] == last


def test_a_moment_that_is_none_is_exit_2(capsys, config, archive):
    ended = posswitch(capsys, "restore", "-c", config, "--from", archive, "--at", "yesterday")
    assert ended.code == 2
    assert one_line(ended.err)


def test_a_rehearsal_says_and_keeps_its_result(capsys, config, archive):
    posswitch(capsys, "backup", "-c", config, "--to", archive)
    ended = posswitch(capsys, "backup", "-c", config, "--to", archive, "--rehearse", "--json")
    assert ended.code == 0
    result = json.loads(ended.out)
    assert json.loads((archive / "rehearsal.json").read_text()) == result
    assert (result["ok"], result["records"], result["open"], result["why"]) == (True, len(EVENTS), 5, "")
    assert result["position"] == "2027-01-15 16:00:00+08:00"
    assert result["seconds"] >= 0
    assert sorted(path.name for path in archive.glob(".rehearsal*")) == []


def test_a_rehearsal_that_fails_says_why(capsys, config, archive):
    posswitch(capsys, "backup", "-c", config, "--to", archive)
    (segment,) = archive.glob("*.seg")
    os.truncate(segment, segment.stat().st_size - 1)
    ended = posswitch(capsys, "backup", "-c", config, "--to", archive, "--rehearse")
    assert ended.code == 1
    assert segment.name in ended.out
    assert not json.loads((archive / "rehearsal.json").read_text())["ok"]


@contextlib.contextmanager
def following(config, archive, *words):
    """`posswitch backup --follow`, after its first look."""
    process = subprocess.Popen(
        [*PROGRAM, "backup", "-c", str(config), "--to", str(archive), "--follow", "--every", "1", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert "records up to" in process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_following_keeps_what_comes_and_ends_with_a_signal(capsys, config, archive, folder):
    with following(config, archive) as process:
        second = posswitch(capsys, "backup", "-c", config, "--to", archive)
        assert second.code == 2
        assert one_line(second.err)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == ""
    assert posswitch(capsys, "verify", "-c", config, "--archive", archive).code == 0


def with_backup(city, extra=""):
    """The city's configuration with a backup beside it."""
    city.config.write_text(city.config.read_text() + f'\n[backup]\nto = "archive"\nevery = 1\n{extra}')
    return city.folder / "archive"


def backup_pid(city):
    """The process that keeps the backup of this city."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"--follow" in words and os.fsencode(city.config) in words:
                return int(process.name)
    return None


def look(data):
    """The journal's last record."""
    db = apsw.Connection(str(data / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
    (last,) = db.execute("SELECT max(seq) FROM journal").fetchone()
    db.close()
    return last


def test_run_keeps_a_backup_beside_the_node_and_rehearses_it(tmp_path, capsys):
    city = build_city(tmp_path, 1, 4)
    archive = with_backup(city)
    with running(city) as process:
        assert until(lambda: list(archive.glob("*.seg")))
        assert until((archive / "rehearsal.json").exists)
        assert json.loads((archive / "rehearsal.json").read_text())["ok"]
        pid = backup_pid(city)
        assert alive(pid)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert not alive(pid)
    said = posswitch(capsys, "verify", "-c", city.config, "--archive", archive).out
    assert f"records 1 to {look(city.data)}" in said  # what it wrote while it stopped, too


def test_a_killed_backup_comes_back_and_the_node_does_not_notice(tmp_path, capsys):
    city = build_city(tmp_path, 1, 4)
    archive = with_backup(city)
    with running(city) as process:
        node = node_pid(city)
        assert until(lambda: list(archive.glob("*.seg")))
        first = backup_pid(city)
        os.kill(first, signal.SIGKILL)
        assert until(lambda: backup_pid(city) not in (None, first))
        assert node_pid(city) == node
        assert process.poll() is None


def test_a_backup_that_cannot_be_written_stops_no_switch(tmp_path):
    city = build_city(tmp_path, 1, 4)
    archive = with_backup(city)
    archive.mkdir()
    (archive / ".lock").mkdir()
    with running(city) as process:
        node = node_pid(city)
        time.sleep(2)
        assert node_pid(city) == node
        assert process.poll() is None


def test_a_backup_ends_when_the_switch_was_killed(tmp_path):
    city = build_city(tmp_path, 1, 4)
    with_backup(city)
    with running(city) as process:
        assert until(lambda: backup_pid(city) is not None)
        pid = backup_pid(city)
        process.kill()
        process.wait()
        assert until(lambda: not alive(pid))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("restore", "--from", "a", "--at", "2026-09-21", "--record", "3"),
            "give --at or --record, not both",
        ),
        (("backup", "--to", "{data}/archive"), "lies in the data folder that it keeps"),
        (("backup", "--to", "{data}"), "lies in the data folder that it keeps"),
    ],
)
def test_what_would_mislead_is_refused(capsys, tmp_path, words, said):
    city = build_city(tmp_path, 1, 1)
    ended = posswitch(capsys, *[word.format(data=city.data) for word in words], "-c", city.config)
    assert (ended.code, said in ended.err) == (2, True)


def test_a_restored_journals_archive_says_which_numbers_it_leaves_out(capsys, config, archive, folder):
    posswitch(capsys, "backup", "-c", config, "--to", archive)
    shutil.rmtree(folder / "data")
    posswitch(capsys, "restore", "-c", config, "--from", archive)
    posswitch(capsys, "backup", "-c", config, "--to", archive)
    ended = posswitch(capsys, "verify", "-c", config, "--archive", archive)
    assert ended.code == 0
    assert ended.out.rstrip().endswith("; 1,000,000,000 numbers were left out by restores")


def test_check_sees_an_archive_of_another_history(capsys, config, archive, folder):
    posswitch(capsys, "backup", "-c", config, "--to", archive)
    with config.open("a", encoding="utf-8") as file:
        file.write(f'\n[backup]\nto = "{archive}"\n')
    assert "another history" not in posswitch(capsys, "check", "-c", config).out
    (folder / "data").rename(folder / "lost")
    ended = posswitch(capsys, "check", "-c", config)
    (line,) = [line for line in ended.out.splitlines() if "another history" in line]
    assert "there is no journal yet" in line
    assert "restore from it, or name a new folder" in line
    assert ended.code == 0
