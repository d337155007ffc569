"""docs/overload.md against the code: each rung, whom it refuses with which DE39, what is always served."""

import re
from pathlib import Path

import pytest
from edge_till import POS
from edge_town import TIMERS
from test_edge_overload import InsideTown

from posswitch.base.bounds import (
    BATCH_EVENTS_MAX,
    LANE_ITEMS_MAX,
    OPEN_PER_BANK_MAX,
    QUEUE_EVENTS_MAX,
    REFUSED_KEPT_MAX,
)
from posswitch.base.moment import NS_PER_MS, NS_PER_S
from posswitch.codec import Message
from posswitch.edge.overload import (
    BURST_NS,
    INTERVAL_NS,
    PATIENCE_NS,
    RUNGS,
    STANDING_NS,
    Overload,
    Rank,
    rank_of,
)
from posswitch.edge.runtime import Runtime
from posswitch.scheme.kinds import ECHO, KINDS, SIGN_OFF, SIGN_ON
from posswitch.sim.city import build_city

PAGE = (Path(__file__).parents[2] / "docs" / "overload.md").read_text("utf-8")
MANAGEMENT = (SIGN_ON, SIGN_OFF, ECHO)


def rows_after(heading):
    """The cells of the first table under a heading."""
    table = re.search(r"(?:^\|.*\n)+", PAGE[PAGE.index(heading) :], re.MULTILINE)[0]
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()[2:]]


LADDER = rows_after("## The ladder")


def message_of(kind):
    mti, processing, condition, _ = kind.terminal
    return Message(mti, {3: processing, 25: condition}, b"")


def test_the_rungs_are_those_of_the_code():
    assert [(int(row[0]), row[1]) for row in LADDER] == list(enumerate(RUNGS))
    assert len(RUNGS) == len(Rank) + 1


@pytest.mark.parametrize("rung", range(1, len(RUNGS)))
def test_a_rung_refuses_the_kinds_of_its_rank_after_its_wait(rung):
    _, _, refused, wait, behind, code = LADDER[rung]
    rank = sorted(Rank, reverse=True)[rung - 1]
    kinds = [kind.name for kind in KINDS if kind not in MANAGEMENT and rank_of(message_of(kind)) is rank]
    assert sorted(refused.split(", ")) == sorted(kinds)
    patience_ns = PATIENCE_NS.get(rank)
    assert wait == (f"{patience_ns // NS_PER_MS} ms" if patience_ns else "never for its wait")
    gate = Overload()
    assert gate.admits(rank, int(behind) - 1)
    assert not gate.admits(rank, int(behind))
    assert code == "96"


def test_the_rung_is_how_many_ranks_are_refused():
    """As the queue grows, in the order of the page."""
    gate, woken = Overload(), NS_PER_S
    for _ in range(40):
        began, woken = woken, woken + 25 * NS_PER_MS
        gate.turned(began, began + NS_PER_MS, woken, 200, 4000)
    each_ns = 25 * NS_PER_MS / 200
    seen = []
    for ahead in range(0, 2 * QUEUE_EVENTS_MAX + 1, 10):
        rung = gate.rung(ahead)
        if rung not in seen:
            seen.append(rung)
        waits = [rank for rank in PATIENCE_NS if ahead * each_ns + 25 * NS_PER_MS > PATIENCE_NS[rank]]
        if ahead < QUEUE_EVENTS_MAX:
            assert abs(rung - len(waits)) <= 1
    assert seen == list(range(len(RUNGS) - 1))
    assert gate.rung(2 * QUEUE_EVENTS_MAX) == len(RUNGS) - 1


@pytest.mark.parametrize(
    "figure",
    [
        f"{STANDING_NS // NS_PER_MS} ms",
        f"{BURST_NS // NS_PER_MS} ms",
        f"{REFUSED_KEPT_MAX:,} payments",
        f"{OPEN_PER_BANK_MAX:,} at most",
        f"{LANE_ITEMS_MAX:,} reversals",
        f"fewer than {BATCH_EVENTS_MAX} events",
        f"{2 * QUEUE_EVENTS_MAX:,} events",
    ],
)
def test_its_figures_are_those_of_the_code(figure):
    assert figure in PAGE
    assert INTERVAL_NS == NS_PER_S // 10, "a tenth of a second, the page says"


@pytest.mark.parametrize("rank", Rank)
def test_a_turn_of_payments_is_taken_however_long_it_takes(rank):
    gate, woken = Overload(), NS_PER_S
    for _ in range(5):
        began, woken = woken, woken + 2 * NS_PER_S
        gate.turned(began, began + NS_PER_MS, woken, 200, 400)
    assert gate.standing
    assert gate.admits(rank, BATCH_EVENTS_MAX - 1) == (rank <= Rank.PURCHASE)


# With a node


@pytest.fixture(scope="module")
def switch(runner, tmp_path_factory):
    town = runner.run(InsideTown(build_city(tmp_path_factory.mktemp("ladder"), 7, 64, TIMERS)).opened())
    yield town
    runner.run(town.close())


@pytest.fixture
def stand_on(switch, monkeypatch):
    """Puts the node on a rung."""
    monkeypatch.setattr(Runtime, "crowded", True)
    gate = switch.node._runtime.overload
    usual = gate.admits
    yield lambda rung: setattr(gate, "admits", lambda rank, ahead: rank < len(Rank) - rung)
    gate.admits = usual


@pytest.mark.parametrize("rung", range(len(RUNGS)))
async def test_on_each_rung_those_above_it_are_told_96_and_nobody_else(switch, stand_on, rung):
    """Nothing here has a MAC that fits: who is not refused hears of that, or of what is missing."""
    stand_on(rung)
    till = await switch.till(signed_on=True)
    refused = {name for row in LADDER[: rung + 1] for name in row[2].split(", ")}
    for kind in KINDS:
        if kind in MANAGEMENT:
            continue
        message = POS.unpack(till.sale(switch.bought()))
        message.mti, message.fields[3], message.fields[25] = kind.terminal[:3]
        if not kind.terminal[1] and kind.name != "reversal":
            del message.fields[3], message.fields[25]
        if kind.name == "reversal":
            message.fields[3], message.fields[25] = "000000", "00"
        code = POS.unpack(await till.ask(POS.pack(message))).fields[39]
        assert (code == "96") == (kind.name in refused), (kind.name, code)


async def test_sign_on_and_echo_are_served_on_every_rung(switch, stand_on):
    stand_on(len(RUNGS) - 1)
    till = await switch.till()  # signs on
    assert POS.unpack(await till.ask(till.echo())).fields[39] == "00"


async def test_a_reversal_that_was_refused_is_reversed_when_it_comes_again(switch, stand_on):
    """It is not the payment that was refused: that one may be posted."""
    till, bought = await switch.till(), switch.bought()
    await switch.approved(till, bought)
    stand_on(len(RUNGS) - 1)
    reversal = till.reversal(bought)
    assert POS.unpack(await till.ask(reversal)).fields[39] == "96"
    stand_on(0)
    assert POS.unpack(await till.ask(reversal)).fields[39] == "00"
    await switch.banks[0].asked("0420", till.id)
