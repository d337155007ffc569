"""kill -9 at any moment: what was acknowledged is there, the rest is whole, verify may watch."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from world import KEY, NODE

import posswitch
from posswitch.journal.sqlite import Journal
from posswitch.journal.verify import verify

KILLS = 12


@pytest.fixture
def writer(tmp_path):
    """Starts writers on one journal; none is left behind."""
    started = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("journal_writer.py"), tmp_path],
            env={"PYTHONPATH": str(Path(posswitch.__file__).parents[1])},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_what_was_acknowledged_survives_a_kill(tmp_path, writer):
    dice = random.Random(9)
    before = 0
    for _ in range(KILLS):
        process = writer()
        acknowledged = [int(process.stdout.readline()) for _ in range(dice.randint(1, 60))]
        time.sleep(dice.random() / 50)  # somewhere in what follows
        process.kill()
        acknowledged += [int(line) for line in process.stdout.read().splitlines()]
        assert verify(tmp_path, KEY, NODE) == []
        journal = Journal(tmp_path, KEY)
        state = journal.recover(NODE)
        journal.close()
        assert state.seq >= max(acknowledged) > before
        before = state.seq


def test_verify_beside_a_running_writer(tmp_path, writer):
    process = writer()
    process.stdout.readline()
    for _ in range(8):
        assert verify(tmp_path, KEY, NODE) == []
        assert process.stdout.readline()
    assert process.poll() is None
