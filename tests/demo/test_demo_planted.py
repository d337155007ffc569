"""A demonstration finds that a planted bug loses money; test_demo_clean is its control."""

import pytest
from demo_short import counted


@pytest.mark.parametrize(
    ("bug", "kills"),
    [("skipped_reversal", 0), ("believed_late_approval", 0), ("released_before_commit", 1)],
)
def test_a_planted_bug_is_found_by_the_books_of_the_peers(tmp_path, bug, kills):
    report = counted(tmp_path, seconds=4, kills=kills, bug=bug)
    assert report["approved"] > 100, "the city must have traded"
    assert report["lost"] + report["duplicated"] + report["unknown"] > 0
