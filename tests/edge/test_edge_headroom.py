"""The room on the disk: a mark for large and small disks, a way back, what is still answered without it."""

import pytest

from posswitch.base.bounds import DISK_LOW_BYTES
from posswitch.edge.headroom import Headroom
from posswitch.journal.disk import MACHINE

MIB, TIB = 1 << 20, 1 << 40


class Told:
    """A disk that says what it is told to say."""

    def __init__(self, whole):
        self.whole, self.free = whole, whole

    def space(self, folder):
        if self.free is None:
            raise OSError("gone")
        return self.free, self.whole


@pytest.mark.parametrize(("whole", "mark"), [(TIB, DISK_LOW_BYTES), (200 * MIB, 10 * MIB)])
def test_low_begins_below_the_mark_and_ends_well_above_it(tmp_path, whole, mark):
    disk = Told(whole)
    room = Headroom(disk, tmp_path)
    told = []
    for free in (whole, mark, mark - 1, mark + 1, mark * 5 // 4, mark, None, mark - 1, None):
        disk.free = free
        room.look()
        told.append(room.low)
    assert told == [False, False, True, True, False, False, False, True, True]


def test_this_machine_says_how_much_is_free(tmp_path):
    free, whole = MACHINE.space(tmp_path)
    assert 0 <= free <= whole
    assert whole > MIB
