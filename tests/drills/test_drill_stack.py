"""Drills on the real stack: what the node says is what the anomaly is known by, and nothing is lost."""

import pytest

from posswitch.sim.drills.drill import Ground
from posswitch.sim.drills.table import DRILLS

from .run import Names, on_ground, signs
from .summary import figures, line_of

QUICK = ("net-issuer-link-down", "gen-code-unknown", "sec-mac-mismatch-one", "sys-centre-process-crash")


def test_a_few_show_their_signs_and_nothing_is_lost(capsys):
    drills = [DRILLS[name] for name in QUICK]
    assert list(on_ground(Ground.PLAIN, drills, 1, "full", signs)) == []
    assert "'lost': 0" in capsys.readouterr().out


def test_a_drill_that_does_nothing_shows_nothing(capsys):
    idle = DRILLS["net-issuer-link-down"]._replace(begin=lambda scene: None, seconds_max=3.0)
    found = list(on_ground(Ground.PLAIN, [idle], 1, "full", signs))
    assert len(found) == len(idle.signs)
    assert all("not seen" in line for line in found)


@pytest.mark.slow
@pytest.mark.parametrize("ground", Ground)
def test_all_show_their_signs(ground):
    drills = [one for one in DRILLS.values() if one.ground is ground]
    assert list(on_ground(ground, drills, 1, "full", signs)) == []


@pytest.mark.slow
@pytest.mark.parametrize("ground", Ground)
def test_diagnosis_names_nearly_all(ground):
    """Nine in ten, rounded down; which ones it misses is said. No money is lost."""
    drills, names = [one for one in DRILLS.values() if one.ground is ground], Names()
    assert list(on_ground(ground, drills, 1, "full", names)) == []
    wrong = [line_of(one) for one in names.played if not one.correct]
    assert len(wrong) <= len(drills) // 10, [*wrong, figures(names.played)]
