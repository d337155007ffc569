"""Timers leave each other a margin; errors say where, and never what."""

import pytest

from posswitch.base.bounds import Timers
from posswitch.base.errors import CodecError, ConfigError, JournalDamaged, JournalError, PosswitchError


def test_the_usual_timers_and_the_short_ones_hold():
    Timers()
    Timers(bank=1, centre=2, terminal=4, reversal=1, reversal_max=2)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"bank": 30.0}, "bank"),
        ({"bank": 0.0}, "bank"),
        ({"centre": 60.0}, "centre"),
        ({"terminal": 30.0}, "terminal"),
        ({"reversal": 0.0}, "reversal"),
        ({"reversal": 61.0}, "reversal_max"),
    ],
)
def test_timers_in_the_wrong_order_are_refused(wrong, named):
    with pytest.raises(ConfigError, match=named):
        Timers(**wrong)


@pytest.mark.parametrize(
    ("field", "offset", "text"),
    [
        (None, 3, "header at offset 3: too short"),
        (0, 0, "MTI at offset 0: too short"),
        (1, None, "bitmap: too short"),
        (39, 70, "field 39 at offset 70: too short"),
    ],
)
def test_a_codec_error_says_where(field, offset, text):
    error = CodecError("too short", field, offset)
    assert str(error) == text
    assert (error.reason, error.field, error.offset) == ("too short", field, offset)


def test_a_damaged_record_is_named():
    damaged = JournalDamaged(7, "its digest does not fit")
    assert str(damaged) == "record 7: its digest does not fit"
    assert isinstance(damaged, JournalError)
    assert isinstance(damaged, PosswitchError)
