"""The table of lives: every step leads on, every end is an end, anything else raises."""

import pytest

from posswitch.base.errors import PosswitchError
from posswitch.engine.lifecycle import (
    ADVISING,
    APPROVED,
    DECLINED,
    FORWARDED,
    LIFE,
    NEEDS_OWNER,
    OPEN,
    RECEIVED,
    REVERSED,
    REVERSING,
    after,
)

STATES = (RECEIVED, FORWARDED, ADVISING, APPROVED, DECLINED, REVERSING, REVERSED, NEEDS_OWNER)
CAUSES = sorted({cause for _, cause in LIFE})


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("cause", CAUSES)
def test_a_step_is_in_the_table_or_forbidden(state, cause):
    if (state, cause) in LIFE:
        assert after(state, cause) == LIFE[state, cause]
    else:
        with pytest.raises(PosswitchError, match=f"'{cause}' from '{state}'"):
            after(state, cause)


def test_every_state_is_reached_and_nothing_returns_to_received():
    assert {RECEIVED, *LIFE.values()} == set(STATES)
    assert RECEIVED not in LIFE.values()


def test_only_received_is_left_towards_the_bank():
    assert [state for (state, _), following in LIFE.items() if following == FORWARDED] == [RECEIVED]


def test_nothing_ends_open():
    leaving = {state for state, _ in LIFE}
    assert leaving >= OPEN
    assert {following for (state, _), following in LIFE.items() if state == NEEDS_OWNER} == {
        REVERSED,
        APPROVED,
        REVERSING,
        ADVISING,
    }


def test_an_approval_is_left_only_by_a_reversal():
    assert {following for (state, _), following in LIFE.items() if state == APPROVED} == {REVERSING}


def test_a_forwarded_payment_is_never_reversed_in_one_step():
    assert (FORWARDED, REVERSED) not in {(state, following) for (state, _), following in LIFE.items()}
