"""A backup follows a busy city's switch while both are killed; what it kept is the journal."""

import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from archive_town import town_in
from test_backup import rows

PROGRAM = (sys.executable, "-m", "posswitch")
SECONDS, KILLS = 20, 8


def follow(town):
    return subprocess.Popen(
        [*PROGRAM, "backup", "-c", town.config_file, "--to", town.shelf.folder, "--follow", "--every", "1"],
        stdout=subprocess.DEVNULL,
    )


@contextlib.contextmanager
def demonstration(folder):
    """A city that pays and kills its node."""
    process = subprocess.Popen(
        [*PROGRAM, "demo", "--seconds", str(SECONDS), "--tps", "150", "--kills", "2", "--no-console",
         "--data", folder, "--report", folder.parent / "report.json"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not (folder / "data" / "node.pid").exists():
            assert process.poll() is None
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_it_keeps_all_of_a_busy_switch_however_it_is_killed(tmp_path):
    chance = random.Random(11)
    with demonstration(tmp_path / "city") as demo:
        town = town_in(tmp_path / "city")
        keeping = follow(town)
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.5, SECONDS / KILLS))
            keeping.kill()
            keeping.wait()
            if town.shelf.folder.exists() and town.segments():
                assert town.look().findings == []
            keeping = follow(town)
        assert demo.wait(300) == 0
        keeping.send_signal(signal.SIGTERM)
        assert keeping.wait(60) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["lost"], report["duplicated"], report["unknown"], report["verify"]) == (0, 0, 0, "ok")
    town.backup()
    assert town.look().findings == []
    assert town.look().last == rows(town.data)[-1][0]
    restored = town.restore()
    assert restored.records == len(rows(town.data))
    assert town.verify() == []


def data_of(town):
    return town.folder / "restored"


@pytest.mark.slow
def test_a_restore_that_is_killed_leaves_all_or_nothing(written, tmp_path):
    town = town_in(shutil.copytree(written, tmp_path / "town"))
    for count in (400, 300):
        town.pay(count)
        town.backup()
    config = town.config_file.read_text().replace('data = "data"', 'data = "restored"')
    town.config_file.write_text(config)
    chance = random.Random(5)
    outcomes = set()
    for turn in range(25):
        process = subprocess.Popen(
            [*PROGRAM, "restore", "-c", town.config_file, "--from", town.shelf.folder],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        if turn < 24:
            time.sleep(chance.uniform(0.2, 2.5))
            process.kill()
        process.wait()
        whole = data_of(town).exists()
        outcomes.add(whole)
        if whole:
            assert town.verify(data_of(town)) == []
            shutil.rmtree(data_of(town))
    assert True in outcomes
    assert not list(town.folder.glob("restored.before*"))
