"""A city where nothing goes wrong stays well: a diagnosis reads what its node said, from the first second.

Sales, voids, refunds, chores in waves, pauses of a busy machine: as they are, not as a simulation has them.
"""

import subprocess
import sys

import pytest

from posswitch.diagnose.centre import Centre
from posswitch.diagnose.signals import Atlas, ticks
from posswitch.journal.vitals import VitalsReader

pytestmark = pytest.mark.slow

SECONDS = 120


def test_a_calm_city_raises_nothing_while_its_shops_are_open(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "posswitch", "demo", "--calm", "--no-console", f"--seconds={SECONDS}",
         f"--data={tmp_path / 'city'}"],
        check=True, capture_output=True, timeout=SECONDS + 120,
    )  # fmt: skip
    atlas, reader = Atlas({}), VitalsReader(tmp_path / "city" / "data")
    centre, raised, outcomes, began_ns, last_ns = Centre(atlas), [], 0, 0, 0
    while page := reader.read(120):
        atlas.know(reader.names)
        for tick in ticks(page, last_ns):
            began_ns, last_ns = began_ns or tick.at_ns, tick.at_ns
            if tick.at_ns - began_ns >= (SECONDS - 1) * 1e9:
                break  # the shops close
            outcomes += len(tick.outcomes)
            raised += centre.look(tick)
    assert raised == []
    assert outcomes > SECONDS * 100
