"""Overload: a burst passes, a standing queue refuses by rank, and what was refused ends here."""

import asyncio
import time

import pytest
from edge_till import POS
from edge_town import TIMERS, Town, until

from posswitch.base.bounds import BATCH_EVENTS_MAX, QUEUE_EVENTS_MAX
from posswitch.base.moment import NS_PER_MS, NS_PER_S
from posswitch.codec import Message
from posswitch.edge import overload as room
from posswitch.edge.overload import RUNGS, Overload, Rank, Refusals, key_of, rank_of
from posswitch.edge.process import node_here
from posswitch.edge.runtime import Runtime
from posswitch.settings.config import load_config
from posswitch.sim.city import build_city

TURN_NS, GAP_NS = 20 * NS_PER_MS, 5 * NS_PER_MS  # of the loop in between


def under(turns, left, events=200):
    """A queue that is never empty, and of which each turn leaves so many."""
    gate, woken = Overload(), NS_PER_S
    for _ in range(turns):
        began = woken + GAP_NS
        woken = began + TURN_NS
        gate.turned(began - GAP_NS, began, woken, events, left)
    return gate


def test_a_burst_refuses_nobody():
    gate = under(4, 1000)
    assert not gate.standing
    assert not gate.crowded(1000)
    assert all(gate.admits(rank, 1000) for rank in Rank)


def test_a_burst_that_would_fill_the_queue_is_cut_before_anybody_knows_that_it_stands():
    gate = under(4, 1000)
    fits = room.BURST_NS // (TURN_NS // 200)
    assert gate.crowded(fits)
    assert not any(gate.admits(rank, fits) for rank in Rank if rank >= Rank.PURCHASE)
    assert all(gate.admits(rank, QUEUE_EVENTS_MAX - 1) for rank in (Rank.REVERSAL, Rank.COMPLETION))


def test_a_standing_queue_refuses_by_rank_and_reversals_never():
    gate = under(40, 1000)
    assert gate.standing
    each_ns = TURN_NS / 200
    for rank in Rank:
        if rank is Rank.REVERSAL:
            assert gate.admits(rank, 2 * QUEUE_EVENTS_MAX - 1)
            continue
        waits = [ahead * each_ns + (ahead // BATCH_EVENTS_MAX + 1) * GAP_NS for ahead in range(10_000)]
        fits = next(ahead for ahead, wait_ns in enumerate(waits) if wait_ns > room.PATIENCE_NS[rank])
        assert gate.admits(rank, min(fits - 2, QUEUE_EVENTS_MAX - 1))
        assert not gate.admits(rank, fits + 2)
    rungs = [gate.rung(ahead) for ahead in (0, 400, 600, 1400, 8191, QUEUE_EVENTS_MAX)]
    assert rungs == sorted(rungs)
    assert 0 <= rungs[0] <= rungs[-1] < len(RUNGS)


def test_refusing_many_does_not_end_in_refusing_everybody():
    gate, now = Overload(), NS_PER_S
    for _ in range(
        40
    ):  # between two turns of a few events others are refused for longer than anybody may wait
        gate.turned(now, now + NS_PER_S // 4, now + NS_PER_S // 4 + TURN_NS, 10, 0)
        now += NS_PER_S // 4 + TURN_NS
    assert gate.standing
    assert all(gate.admits(rank, BATCH_EVENTS_MAX - 1) for rank in Rank if rank <= Rank.PURCHASE)
    assert not gate.admits(Rank.PURCHASE, BATCH_EVENTS_MAX)
    assert not gate.admits(Rank.INQUIRY, 0)


def calm(gate, now, intervals):
    """Turns that find nothing waiting."""
    for _ in range(intervals * room.INTERVAL_NS // TURN_NS):
        gate.turned(now, now, now + NS_PER_MS, 3, 0)
        now += TURN_NS
    return now


def test_it_ends_a_second_after_the_queue_and_not_with_a_lucky_moment():
    gate = under(40, 1000)
    now = calm(gate, 3 * NS_PER_S, room.CALM_INTERVALS - 2)
    assert gate.standing
    for _ in range(20):
        gate.turned(now, now + GAP_NS, now + GAP_NS + TURN_NS, 200, 1000)
        now += GAP_NS + TURN_NS
    now = calm(gate, now, room.CALM_INTERVALS - 2)
    assert gate.standing
    calm(gate, now, 3)
    assert not gate.standing


def test_what_is_done_in_one_turn_stands_in_no_queue():
    assert not under(100, 0).standing


@pytest.mark.parametrize(
    ("mti", "processing", "condition", "rank"),
    [
        ("0400", "000000", "00", Rank.REVERSAL),
        ("0200", "000000", "00", Rank.PURCHASE),
        ("0201", "000000", "00", Rank.PURCHASE),
        ("0100", "030000", "06", Rank.PURCHASE),
        ("0200", "310000", "00", Rank.INQUIRY),
        ("0200", "200000", "00", Rank.COMPLETION),
        ("0100", "200000", "06", Rank.COMPLETION),
        ("0200", "000000", "06", Rank.COMPLETION),
        ("0220", "000000", "00", Rank.COMPLETION),
        ("0500", "", "", Rank.REPORT),
        ("0320", "", "", Rank.REPORT),
    ],
)
def test_what_ends_something_goes_before_what_begins_something(mti, processing, condition, rank):
    assert rank_of(Message(mti, {3: processing, 25: condition}, b"")) is rank


def said(mti="0200", terminal="10000001", batch="000001", stan="000007", processing="000000", condition="00"):
    fields = {3: processing, 11: stan, 25: condition, 41: terminal, 60: f"22{batch}000601"}
    return Message(mti, fields, b"")


def test_what_was_refused_is_known_again_and_its_reversal_with_it():
    kept = Refusals(10 * NS_PER_S)
    kept.remember(key_of(said()), 0)
    assert kept.knows(said(), NS_PER_S)
    assert kept.knows(said("0201"), NS_PER_S)
    assert kept.knows(said("0400"), NS_PER_S)
    others = [
        said(stan="000008"),
        said(terminal="10000002"),
        said(batch="000002"),
        said("0220"),
        said("0500"),
    ]
    assert not any(kept.knows(other, NS_PER_S) for other in others)
    assert not kept.knows(said(), 11 * NS_PER_S)
    kept.sweep(11 * NS_PER_S)
    assert len(kept) == 0


def test_the_oldest_make_room(monkeypatch):
    monkeypatch.setattr(room, "REFUSED_KEPT_MAX", 3)
    kept = Refusals(10 * NS_PER_S)
    for stan in range(5):
        kept.remember(key_of(said(stan=f"{stan:06d}")), stan)
    assert [kept.knows(said(stan=f"{stan:06d}"), 5) for stan in range(5)] == [False, False, True, True, True]


async def test_a_long_storm_is_forgotten_as_fast_as_it_came():
    """What is removed at one end and added at the other must not become slower with every removal."""
    kept = Refusals(30 * NS_PER_S)
    for second in range(120):
        for number in range(5_000):
            kept.remember(second * 5_000 + number + 1, second * NS_PER_S)
        kept.sweep(second * NS_PER_S)
        await asyncio.sleep(0)  # a test that takes too long ends here
    assert len(kept) == 150_000


class Asked:
    def __init__(self, stan, batch="000001"):
        self.terminal, self.batch, self.stan = "10000001", batch, stan


def test_only_what_was_surely_not_admitted_is_refused():
    kept, asked = Refusals(NS_PER_S), []

    def last(terminal, batch):
        asked.append(batch)
        return {"000001": "000004"}.get(batch, "")

    def may_repeat(stan, batch="000001"):
        return kept.may_repeat("10000001", batch, stan, last)

    assert [may_repeat(stan) for stan in ("000003", "000004", "000005")] == [True, True, False]
    kept.admitted(Asked("000007"))
    kept.admitted(Asked("000005"))
    assert [may_repeat(stan) for stan in ("000006", "000007", "000008")] == [True, True, False]
    assert asked == ["000001"], "a terminal's batch is asked for once"
    assert not may_repeat("000001", "000002")
    kept.admitted(Asked("000001", "000002"))
    assert [may_repeat(stan, "000002") for stan in ("000001", "000002")] == [True, False]


def test_what_a_life_before_has_admitted_counts_although_an_older_number_came_first():
    kept = Refusals(NS_PER_S)
    kept.admitted(Asked("000002"))  # an advice that waited at its terminal
    assert kept.may_repeat("10000001", "000001", "000009", lambda terminal, batch: "000009")


# With a node


class Inside:
    """The node in this process: a test reaches its gate."""

    def __init__(self, path):
        self.config = load_config(path)

    async def start(self):
        self.node = node_here(self.config)
        self._stop, listens = asyncio.Event(), asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self.node.serve(self._stop, listens.set_result))
        self.listen = str(await listens)

    async def stop(self):
        self._stop.set()
        await self._task


class InsideTown(Town):
    def __init__(self, city):
        super().__init__(city)
        self.supervisor = Inside(city.config)

    @property
    def node(self):
        return self.supervisor.node


@pytest.fixture(scope="module")
def switch(runner, tmp_path_factory):
    town = runner.run(InsideTown(build_city(tmp_path_factory.mktemp("overload"), 7, 64, TIMERS)).opened())
    yield town
    runner.run(town.close())


@pytest.fixture
def full(switch, monkeypatch):
    """The node finds itself overloaded, until told otherwise."""
    monkeypatch.setattr(Runtime, "crowded", True)
    gate = switch.node._runtime.overload
    usual = gate.admits
    gate.admits = lambda rank, ahead: rank <= Rank.COMPLETION
    yield lambda: setattr(gate, "admits", usual)
    gate.admits = usual


async def test_a_refused_sale_is_96_and_its_reversal_ends_here(switch, full):
    till, bought = await switch.till(), switch.bought()
    before = switch.verdicts(till.id)
    sale = till.sale(bought)
    assert POS.unpack(await till.ask(sale)).fields[39] == "96"
    full()
    assert POS.unpack(await till.ask(sale)).fields[39] == "96", "what was refused stays refused"
    assert (await till.answered(till.reversal(bought))).fields[39] == "00"
    assert switch.verdicts(till.id) == before, "nothing of it is in the journal"
    await switch.approved(till, switch.bought())


async def test_what_was_taken_is_not_refused_when_it_comes_again(switch, full):
    """The gate closes between a sale and its repeat: the repeat moves the reply, and both end alike."""
    full()
    till, bought = await switch.till(), switch.bought()
    sale = till.sale(bought)
    till.cable.put(sale)
    asked = await switch.banks[0].asked("0200", till.id)
    switch.node._runtime.overload.admits = lambda rank, ahead: False
    till.cable.put(sale)
    await until(lambda: switch.verdicts(till.id)[-1].why == "repeat moves the reply")
    switch.banks[0].answer(asked)
    assert (await till.answer()).fields[39] == "00"


async def test_an_approval_is_taken_back_while_new_sales_are_refused(switch, full):
    full()
    till, bought = await switch.till(), switch.bought()
    await switch.approved(till, bought)
    switch.node._runtime.overload.admits = lambda rank, ahead: rank is Rank.REVERSAL
    assert (await till.answered(till.reversal(bought))).fields[39] == "00"
    await switch.banks[0].asked("0420", till.id)
    at_ns = time.time_ns()
    await until(lambda: switch.gauges(at_ns).get("rung") == len(RUNGS) - 2)
