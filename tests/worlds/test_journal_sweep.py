"""The journal dies at every write and every sync of a life, in every way, and again while it recovers."""

import pytest
from journal_life import FAILED, FULL, KILL, POWER_CUT, Trial

from posswitch.base.errors import JournalError
from posswitch.journal import sqlite

# The dead close their files in vain.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
KINDS = (KILL, POWER_CUT, FAILED, FULL)


@pytest.fixture(autouse=True)
def often_copied_back(monkeypatch):
    """Checkpoints belong to the life of a journal: here they come every few commits."""
    pragmas = tuple(pragma for pragma in sqlite._PRAGMAS if "autocheckpoint" not in pragma)
    monkeypatch.setattr(sqlite, "_PRAGMAS", (*pragmas, "wal_autocheckpoint=20"))


def whole():
    """A life without any fault: its states by record, and how many steps it takes."""
    trial = Trial("whole")
    packed = trial.run()
    trial.close()
    return packed, trial.steps


def found(trial, expected):
    try:
        return trial.left(expected)
    except JournalError as error:
        return [f"no start: {error}"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_may_be_the_last(kind):
    expected, steps = whole()
    assert steps > 150
    wrong = {}
    for step in range(1, steps + 1):
        trial = Trial(f"{kind} {step}")
        trial.run(step, kind)
        if faults := found(trial, expected):
            wrong[step] = faults
        trial.close()
    assert wrong == {}


@pytest.mark.parametrize("first", [FAILED, FULL, KILL])
def test_the_power_fails_after_it(first):
    """What a failed sync left is read as if it were there: it must not be believed."""
    expected, steps = whole()
    wrong = {}
    for step in range(1, steps + 1):
        trial = Trial(f"{first} {step} power")
        trial.run(step, first)
        trial.again()
        trial.run(25, POWER_CUT)  # after a start, in the middle of going on
        if faults := found(trial, expected):
            wrong[step] = faults
        trial.close()
    assert wrong == {}


@pytest.mark.parametrize("second", [KILL, POWER_CUT])
def test_a_second_crash_during_recovery(second):
    expected, steps = whole()
    wrong = {}
    for step in range(1, steps + 1, 7):
        for again in range(1, 16):
            trial = Trial(f"{step} {again} {second}")
            trial.run(step, POWER_CUT)
            trial.again()
            trial.run(again, second)
            if faults := found(trial, expected):
                wrong[step, again] = faults
            trial.close()
    assert wrong == {}


def test_the_sweep_is_not_blind(monkeypatch):
    """With synchronous=NORMAL a power cut loses what was acknowledged."""
    lazy = tuple(pragma.replace("=FULL", "=NORMAL") for pragma in sqlite._PRAGMAS)
    monkeypatch.setattr(sqlite, "_PRAGMAS", lazy)
    expected, steps = whole()
    lost = 0
    for step in range(1, steps + 1, 5):
        trial = Trial(f"normal {step}")
        trial.run(step, POWER_CUT)
        lost += bool(found(trial, expected))
        trial.close()
    assert lost > 5


def test_a_start_that_believes_its_tail_is_seen(monkeypatch):
    monkeypatch.setattr(sqlite, "settle", lambda disk, path: 0)
    expected, steps = whole()
    lost = 0
    for step in range(1, steps + 1):
        trial = Trial(f"believed {step}")
        trial.run(step, FAILED)
        trial.again()
        trial.run(25, POWER_CUT)
        lost += bool(found(trial, expected))
        trial.close()
    assert lost
