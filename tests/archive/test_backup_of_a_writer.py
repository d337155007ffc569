"""A backup beside a writer that never rests finishes, holds nothing up, and survives the death of both."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from world import KEY, NODE

import posswitch
from posswitch.archive.backup import Backup
from posswitch.archive.inspection import inspect
from posswitch.archive.reading import Sealed, read_links
from posswitch.archive.restore import Until, restore
from posswitch.archive.segment import Sealer
from posswitch.archive.shelf import Shelf
from posswitch.journal.chain import Chain
from posswitch.journal.verify import verify

WRITER = Path(__file__).parents[1] / "journal" / "journal_writer.py"
WAL_BYTES_MAX = 64 << 20  # four times where a checkpoint begins
KILLS = 6


@pytest.fixture
def kept(tmp_path):
    """The writer's journal and its archive."""
    data, shelf = tmp_path / "data", Shelf(tmp_path / "archive")
    data.mkdir()
    shelf.create()
    sealed = Sealed(NODE, Sealer(bytes(range(32)), os.urandom))
    return data, shelf, sealed


@pytest.fixture
def writer(kept):
    """Starts writers on the journal; none is left behind."""
    started = []

    def start():
        process = subprocess.Popen(
            [sys.executable, WRITER, kept[0]],
            env={"PYTHONPATH": str(Path(posswitch.__file__).parents[1])},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_it_finishes_again_and_again_and_the_wal_stays_small(kept, writer):
    data, shelf, sealed = kept
    process = writer()
    backup = Backup(data, Chain(KEY), shelf, sealed, time.time_ns)
    lasts = []
    with shelf.locked():
        for _ in range(10):
            for _ in range(15):
                process.stdout.readline()
            lasts.append(backup.run().last)
            assert (data / "journal.db-wal").stat().st_size < WAL_BYTES_MAX
    assert process.poll() is None
    assert lasts == sorted(set(lasts))
    assert inspect(shelf, sealed, Chain(KEY)).findings == []


def test_a_node_that_is_killed_takes_nothing_out_of_the_backup(kept, writer, tmp_path):
    data, shelf, sealed = kept
    chance = random.Random(4)
    last = 0
    for _ in range(KILLS):
        process = writer()
        for _ in range(chance.randint(1, 40)):
            process.stdout.readline()
        time.sleep(chance.random() / 50)
        process.kill()
        process.wait()
        with shelf.locked():
            written = Backup(data, Chain(KEY), shelf, sealed, time.time_ns).run()
        assert written.last > last
        last = written.last
    assert [link.seq for link in read_links(shelf, sealed, Chain(KEY))] == list(range(1, last + 1))
    restore(shelf, sealed, KEY, tmp_path / "restored", Until(), time.time_ns())
    assert verify(tmp_path / "restored", KEY, NODE) == []
