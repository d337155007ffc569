"""No sequence of calls makes an HSM say a PIN or a key, or move a PIN where it must not go."""

import pytest
from hsm_machine import looked_through
from hsm_rooms import BoxRoom, SoftRoom


@pytest.mark.parametrize("room", [SoftRoom, BoxRoom])
def test_no_sequence_of_calls_gives_a_secret_away(room):
    looked_through(room, 50)


@pytest.mark.slow
@pytest.mark.parametrize("room", [SoftRoom, BoxRoom])
def test_no_long_sequence_of_calls_gives_a_secret_away(room):
    looked_through(room, 600, 80)
