"""kill -9 at any moment: what was acknowledged is there, the rest is whole, and verify may watch a live writer."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from world import KEY, NODE

import posswitch
from posswitch.engine.invariants import Refold
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
        process.communicate()


def test_what_was_acknowledged_survives_a_kill(tmp_path, writer):
    dice = random.Random(9)
    before = 0
    for _ in range(KILLS):
        process = writer()
        for _ in range(dice.randint(1, 60)):
            assert process.stdout.readline()
        for _ in range(dice.randint(0, 40_000)):  # somewhere in what follows
            pass
        process.kill()
        rest, _ = process.communicate()
        acknowledged = [int(line) for line in rest.splitlines() if line]
        assert verify(tmp_path, KEY, NODE) == []
        journal = Journal(tmp_path, KEY)
        state = journal.recover(NODE)
        journal.close()
        assert state.seq >= max([before, *acknowledged])
        before = state.seq
    assert before > KILLS


def test_verify_beside_a_running_writer(tmp_path, writer):
    process = writer()
    process.stdout.readline()
    for _ in range(8):
        seen = int(process.stdout.readline())
        assert verify(tmp_path, KEY, NODE) == []
        process.stdout.readline()
    assert process.poll() is None
    assert seen > Refold().open_payments()
