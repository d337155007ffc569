"""Two machines that hear each other, where the kernel lets us have them."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from firewall_town import HERE, OUTSIDE, Town, why_not

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))


@pytest.fixture(scope="session")
def kernel_willing():
    if why := why_not():
        pytest.skip(why)


@pytest.fixture
def town(kernel_willing, tmp_path):
    """Two machines that hear each other."""
    with contextlib.ExitStack() as stack:
        spaces = []
        for _ in range(2):
            space = subprocess.Popen(
                ["unshare", "-n", "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE
            )
            stack.callback(lambda it=space: (it.kill(), it.wait(), it.stdout.close()))
            space.stdout.readline()
            spaces.append(space.pid)
        town = Town(tmp_path, *spaces)
        outside = town.outside
        up = [f"ip link add near type veth peer name far netns {outside}", "ip link set lo up",
              "ip link set near up", f"ip addr add {HERE}/24 dev near"]  # fmt: skip
        there = ["ip link set far up", *(f"ip addr add {one}/24 dev far" for one in OUTSIDE)]
        for who, lines in ((town.inside, up), (town.outside, there)):
            for line in lines:
                made = town.run(who, *line.split())
                assert made.returncode == 0, made.stderr
        yield town
