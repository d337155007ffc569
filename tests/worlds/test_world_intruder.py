"""The intruder at a copy of the journal: every change is seen, and one that is not is named."""

import random

import pytest

from posswitch.edge.start import journal_key
from posswitch.journal import recovery, verify
from posswitch.sim.world import intruder
from posswitch.sim.world.run import hushed
from posswitch.sim.world.world import World


@pytest.fixture(scope="module")
def finished():
    world = World(2, 30)
    with hushed():
        world.run()
    world.disk.life = "judge"
    yield world
    world.bury()


def at_start(world):
    return intruder.unseen_at_start(world.disk, journal_key(world.vault), world.config.node)


def by_verify(world, change, monkeypatch):
    monkeypatch.setattr(intruder, "INTRUSIONS", (change,))
    key = journal_key(world.vault)
    return intruder.unseen_by_verify(world.disk, key, world.config.node, random.Random(1))


@pytest.mark.parametrize("change", intruder.INTRUSIONS, ids=lambda change: change.name)
def test_verify_sees_every_change(finished, change, monkeypatch):
    before = {name: bytes(image.data) for name, image in finished.disk.files.items()}
    assert by_verify(finished, change, monkeypatch) == ""
    assert {name: bytes(image.data) for name, image in finished.disk.files.items()} == before


def test_a_start_sees_a_cut_tail(finished):
    assert at_start(finished) == ""


def test_a_start_that_does_not_look_at_the_head_is_named(finished, monkeypatch):
    monkeypatch.setattr(recovery, "_compare", lambda db, head: None)
    assert at_start(finished) == "the tail cut"


def test_a_verify_that_does_not_fold_counters_is_named(finished, monkeypatch):
    change = next(change for change in intruder.INTRUSIONS if change.name == "a counter changed")
    monkeypatch.setattr(verify, "_counters", lambda db, refold: iter(()))
    assert by_verify(finished, change, monkeypatch) == "a counter changed"
