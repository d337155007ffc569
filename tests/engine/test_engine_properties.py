"""Whatever happens: nothing raises, every record applies, recovery is exact, nothing is lost."""

import os
import subprocess
import sys
from pathlib import Path

import apsw
from engine_stories import NUMBER_MAX, STEPS, Story, short_lived
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import KEY, NODE, World

import posswitch
from posswitch.base.codes import APPROVALS
from posswitch.engine.events import ReversalArrived, Undelivered
from posswitch.engine.lifecycle import APPROVED, OPEN
from posswitch.engine.state import pack_state, unpack_state
from posswitch.journal.sqlite import Journal
from posswitch.journal.verify import verify

NUMBERS = st.integers(0, NUMBER_MAX)
BATCHES = st.lists(
    st.lists(st.tuples(st.sampled_from(STEPS), NUMBERS, NUMBERS), min_size=1, max_size=6), max_size=10
)
ANY = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


class Told(World):
    """A world that remembers whose approval was taken back by its terminal's doing."""

    def submit(self, *events):
        self.taken_back = getattr(self, "taken_back", set())
        for event in events:
            if isinstance(event, Undelivered):
                self.taken_back.add(event.payment)
            if isinstance(event, ReversalArrived):
                row = self.journal.row_by_key(event.key)
                self.taken_back.add(row.payment if row else 0)
                self.taken_back.add(event.key)
        return super().submit(*events)


def played(folder: str, batches) -> Story:
    story = Story(Told(Path(folder)))
    story.play(batches)
    return story


def recovered(folder: Path) -> bytes:
    journal = Journal(folder, KEY)
    packed = pack_state(journal.recover(NODE))
    journal.close()
    return packed


@ANY
@given(BATCHES)
def test_recovery_comes_to_the_same_state_with_and_without_snapshots(batches):
    with short_lived() as folder:
        world = played(folder, batches).world
        world.close()
        live = pack_state(world.state)
        assert recovered(world.folder) == live
        db = apsw.Connection(str(world.folder / "journal.db"))
        db.execute("DELETE FROM snapshot")
        db.close()
        assert recovered(world.folder) == live
        assert verify(world.folder, KEY, NODE) == []


@ANY
@given(BATCHES)
def test_everything_comes_to_an_end_and_no_approval_is_lost(batches):
    with short_lived() as folder:
        story = played(folder, batches)
        story.heal()
        world = story.world
        assert world.state.flights == {}
        assert [len(lane) for lane in world.state.lanes.values() if len(lane)] == []
        assert world.refold.open_payments() == 0
        for response in world.answers:
            if response.payment and response.answer.code in APPROVALS:
                stands = world.row(response.payment).state == APPROVED
                assert stands or {response.payment, response.request.key} & world.taken_back
        world.close()


@ANY
@given(BATCHES)
def test_nobody_is_answered_twice_and_holds_are_what_stands(batches):
    with short_lived() as folder:
        story = played(folder, batches)
        world = story.world
        tickets = [response.ticket for response in world.answers]
        assert len(tickets) == len(set(tickets))
        held = {}
        for payment, asked in (world.asked | world.advices).items():
            state = world.row(payment).state
            if (
                payment in world.advices
                or state == APPROVED
                or (state in OPEN and payment not in world.reversing())
            ):
                for hold in world.row(payment).first.verdict.holds:
                    assert hold.amount_minor == asked.request.amount_minor
                    held[hold.key, hold.window] = held.get((hold.key, hold.window), 0) + hold.amount_minor
        assert {key: used for key, used in world.refold.counters.items() if used} == held
        world.close()


@ANY
@given(BATCHES)
def test_a_packed_state_is_the_state(batches):
    with short_lived() as folder:
        world = played(folder, batches).world
        again = unpack_state(pack_state(world.state))
        assert pack_state(again) == pack_state(world.state)
        assert again.awaiting == world.state.awaiting
        for bank, count in world.state.forwarded.items():
            assert again.forwarded.get(bank, 0) == count
        for bank, lane in world.state.lanes.items():
            assert len(again.lane(bank)) == len(lane)
        world.close()


def test_the_journal_does_not_depend_on_the_hash_seed():
    def digest(hash_seed: str) -> str:
        source = str(Path(posswitch.__file__).parents[1])
        told = subprocess.run(
            [sys.executable, Path(__file__).with_name("engine_stories.py"), "7", "300"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": source},
            capture_output=True,
            text=True,
            check=True,
        )
        return told.stdout

    first = digest("1")
    assert int(first.split()[0]) > 500
    assert digest("2") == first
