"""A replay of today's limits comes to what the journal has; another set decides as it would have decided."""

import tempfile
from pathlib import Path

import pytest
from engine_stories import Story, random_batches
from hypothesis import given, settings
from hypothesis import strategies as st
from world import BANK, RULES, World, records

from posswitch.base.policy import Limit
from posswitch.base.registry import Limits, Registry
from posswitch.engine.decide import Rules
from posswitch.engine.events import DayTurned, NodeRestarted
from posswitch.engine.limits import limit_named
from posswitch.engine.original import taken_key
from posswitch.engine.replay import Replay, is_asked

EVERY = (
    Limit("card", day_minor=30_000, day_count=4, month_count=9),
    Limit("shop", of="merchant", day_minor=150_000, refund_percent=40),
    Limit("burst", of="all", burst_count=6, burst_seconds=60),
    Limit("kinds", of="bank", kinds=("void", "preauth", "completion"), day_count=5, month_minor=90_000),
    Limit("voids", kinds=("void",), day_count=1),
    Limit("voids of a bank", of="bank", only=(BANK,), kinds=("void", "refund"), day_count=3),
    Limit("till", of="terminal", single_minor=3_000_000),
    Limit("trial", of="terminal", day_count=3, trial=True),
)  # fmt: skip


def replayed(folder, rows, daily=None):
    """What a set says to each request of a journal, and its counters."""
    replay, said, day = Replay(daily or Limits(), {row.id: row for row in rows}), {}, ""
    for seq, record in records(folder):
        if isinstance(record.event, DayTurned):
            day = record.event.day
        elif isinstance(record.event, NodeRestarted):
            day = max(day, record.event.day)
        if is_asked(seq, record):
            said[seq], _ = replay.asked(seq, record, day)
        elif record.verdict.cause:
            replay.moved(record.verdict)
    return said, replay.counters()


def held(folder):
    """What the journal's own counters of limits hold."""
    found = {}
    for _, record in records(folder):
        for hold in record.verdict.holds:
            if not hold.key.startswith(taken_key(0)[:-1]):
                found[hold.key, hold.window] = found.get((hold.key, hold.window), 0) + hold.amount_minor
    return found


def played(folder, seed, rows):
    story = Story(World(folder, Rules(RULES.timers, Limits(), Registry(rows))))
    story.play(random_batches(seed, 60))
    story.heal()
    for payment in range(1, story.world.state.seq + 1):  # what needs a person gets a word
        row = story.world.journal.row(payment)
        if row is not None and row.state == "needs-owner":
            story.world.rule(("stands", "reversed", "again")[payment % 3], payment)
    story.world.close()


@pytest.mark.parametrize("seed", range(12))
def test_the_same_set_decides_and_counts_the_same(tmp_path, seed):
    played(tmp_path, seed, EVERY)
    said, counters = replayed(tmp_path, EVERY)
    really = {
        seq: limit_named(record.verdict.why) if record.verdict.cause == "refused" else ""
        for seq, record in records(tmp_path)
        if seq in said
    }
    assert {seq: limit_named(refusal[1]) if refusal else "" for seq, refusal in said.items()} == really
    assert {name: count for name, count in counters.items() if count} == {
        name: count for name, count in held(tmp_path).items() if count
    }
    assert any(really.values())


@pytest.mark.parametrize("seed", range(3))
def test_without_limits_nothing_is_refused(tmp_path, seed):
    played(tmp_path, seed, EVERY)
    said, counters = replayed(tmp_path, (), Limits(10**15))
    assert said
    assert not any(said.values())
    assert all(count >= 0 for count in counters.values())


ENDS = st.sampled_from(("00", "51", "late", "open"))


@given(st.lists(st.tuples(st.integers(1, 60), ENDS), max_size=30))
@settings(max_examples=40, deadline=None)
def test_a_tighter_set_says_what_it_would_have_said(sales):
    """The same sales at a node that has the set decide as the replay of a node that had none."""
    tight = (Limit("a", of="all", day_minor=100, day_count=5),)

    def run(rows):
        with tempfile.TemporaryDirectory() as name:
            world = World(Path(name), Rules(RULES.timers, Limits(), Registry(rows)))
            told = []
            for amount, outcome in sales:
                before = len(world.told)
                world.sale(amount_minor=amount)
                told.append(len(world.told) > before)
                if told[-1]:
                    continue
                if outcome == "late":
                    world.timer()
                elif outcome != "open":
                    world.answer(outcome)
            world.close()
            said, _ = replayed(Path(name), tight)
            return told, [refusal is not None for refusal in said.values()]

    really, same = run(tight)
    _, supposed = run(())
    assert supposed == really == same


def test_what_is_refused_in_a_replay_gives_nothing_back(tmp_path):
    world = World(tmp_path, Rules(RULES.timers, Limits(), Registry()))
    for outcome in ("00", "51", "00", "00"):
        world.sale(amount_minor=60)
        world.answer(outcome)
    world.close()
    said, counters = replayed(tmp_path, [Limit("a", of="all", day_minor=100)])
    assert [refusal is None for refusal in said.values()] == [True, False, False, False]
    assert counters["limit:a:day:all", "20260615"] == 60


def test_what_something_else_refused_is_no_request_of_limits(tmp_path):
    world = World(tmp_path, Rules(RULES.timers, Limits(), Registry()))
    world.sale(luhn_ok=False)
    world.serving = {}
    world.sale()
    world.close()
    assert replayed(tmp_path, EVERY)[0] == {}


@pytest.mark.parametrize("says", ["stands", "reversed"])
def test_what_a_restore_hands_to_a_person(tmp_path, says):
    world = World(tmp_path, Rules(RULES.timers, Limits(), Registry(EVERY)))
    for changes in ({}, {"kind": "preauth"}, {"kind": "offline-sale"}):
        world.sale(**changes)
    payments = list(world.state.flights)
    assert world.restore(1000) == 3
    assert replayed(tmp_path, EVERY)[1] == held(tmp_path)
    for payment in payments:
        world.rule(says, payment)
    world.close()
    counters = replayed(tmp_path, EVERY)[1]
    assert counters == held(tmp_path)
    assert any(counters.values()) == (says == "stands")
