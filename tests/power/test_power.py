"""The proof with power cuts judges rightly, and says so where the power of a disk cannot be cut."""

import copy
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .disk import CannotCut, Disk
from .run import complaints

_POWERLESS = () if os.geteuid() else ("setpriv", "--bounding-set=-sys_admin")  # root that may not mount
GOOD = {
    "lost": 0,
    "duplicated": 0,
    "unknown": 0,
    "verify": "ok",
    "drained": True,
    "batches": {"unexplained": 0},
    "in_flight_at_cut": [3, 1],
    "seconds_to_ready": [1.0, 1.2],
}


def test_a_good_report_passes():
    assert complaints(GOOD, cuts=2) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lost", 1),
        ("duplicated", 1),
        ("unknown", 1),
        ("verify", ["record 7: chain"]),
        ("drained", False),
        ("batches", {"unexplained": 1}),
        ("in_flight_at_cut", [3, 0]),
        ("in_flight_at_cut", [3]),
        ("seconds_to_ready", [1.0]),
    ],
)
def test_every_fault_of_a_report_is_a_complaint(name, value):
    assert complaints(copy.deepcopy(GOOD) | {name: value}, cuts=2)


def test_where_nothing_can_be_mounted_it_says_so_and_ends_with_2():
    ended = subprocess.run(
        [*_POWERLESS, sys.executable, "-m", "tests.power.run", "--cuts", "1"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "needs root" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_only_a_loop_device_is_ever_cut_off(tmp_path, monkeypatch):
    cuts = []
    monkeypatch.setattr(fcntl, "ioctl", lambda *words: cuts.append(words))
    with pytest.raises(CannotCut, match="loop device"):
        Disk(tmp_path / "disk.img", tmp_path).cut()
    assert cuts == []
