"""The end of a journal after a crash: what was torn is cut and counted, what was committed is there."""

import shutil

import pytest
from world import KEY, NODE, World

from posswitch.journal.disk import MACHINE
from posswitch.journal.sqlite import Journal
from posswitch.journal.tail import settle, wal_of

FRAME_BYTES = 24 + 4096


@pytest.fixture
def crashed(tmp_path):
    """A journal as a kill leaves it, and the number of its last record."""
    world = World(tmp_path / "lived")
    for number in range(5):
        world.sale(f"card {number}")
    shutil.copytree(tmp_path / "lived", tmp_path / "left")
    last = world.state.seq
    world.close()
    return tmp_path / "left", last


def recovered(folder):
    journal = Journal(folder, KEY)
    state = journal.recover(NODE)
    journal.close()
    return state.seq, journal.frames_cut


def test_a_whole_end_is_cut_nowhere(crashed):
    folder, last = crashed
    assert recovered(folder) == (last, 0)


@pytest.mark.parametrize("frames", [1, 3])
def test_frames_that_no_commit_has_finished_are_cut_and_counted(crashed, frames):
    folder, last = crashed
    wal = wal_of(folder / "journal.db")
    data = wal.read_bytes()
    with wal.open("ab") as file:  # the right salts, contents that no checksum fits
        file.write((bytes(8) + data[16:24] + bytes(FRAME_BYTES - 16)) * frames)
    assert recovered(folder) == (last, frames)


def test_a_torn_last_frame_is_cut_with_its_transaction(crashed):
    folder, _ = crashed
    wal = wal_of(folder / "journal.db")
    wal.write_bytes(wal.read_bytes()[:-1])
    (folder / "journal.head").write_bytes(b"")  # else it names the record, and nothing starts
    journal = Journal(folder, KEY)
    assert journal.frames_cut >= 1
    journal.close()


@pytest.mark.parametrize("left", [b"", b"\0", bytes(32), bytes(100_000)])
def test_any_bytes_in_its_place_are_no_frames(tmp_path, left):
    wal_of(tmp_path / "journal.db").write_bytes(left)
    assert settle(MACHINE, tmp_path / "journal.db") == 0
    assert wal_of(tmp_path / "journal.db").read_bytes() == left
