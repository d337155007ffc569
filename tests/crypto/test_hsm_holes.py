"""Copies of the HSM with a wall removed: the search for what an HSM may never say would notice."""

import pytest
from hsm_holes import HOLES
from hsm_machine import looked_through
from hypothesis import Phase


@pytest.mark.parametrize("room", HOLES.values(), ids=HOLES)
def test_a_wall_that_is_removed_is_missed(room):
    with pytest.raises(AssertionError):  # any of them: nothing else is wrong with the copy
        looked_through(room, 300, phases=(Phase.generate,))
