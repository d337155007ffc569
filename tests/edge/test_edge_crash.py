"""kill -9 and SIGTERM with payments under way: what was promised stands, what is unknown is reversed."""

import asyncio
import time

import pytest
from edge_town import TIMERS, until


@pytest.fixture
def switch(lone_switch):
    """A supervisor waits longer after each early death: every test has its own."""
    return lone_switch


async def killed(switch):
    """kill -9; returns when the next node serves all its links."""
    old = switch.supervisor.node_pid
    at_ns = time.time_ns()
    switch.supervisor.kill()
    await until(lambda: switch.supervisor.node_pid not in (None, old))
    await switch.linked(8, since_ns=at_ns)


def state_of(switch, till):
    return [verdict.state for verdict in switch.verdicts(till.id) if verdict.state][-1]


async def test_a_payment_in_flight_is_reversed_after_the_restart_and_its_repeat_gets_98(switch):
    till, bank, bought = await switch.till(), switch.banks[0], switch.bought()
    asked = await switch.forwarded(till, bought)
    await killed(switch)
    reversal = await bank.asked("0420", till.id)
    assert str(reversal[90])[:20] == f"0200{asked[11]}{asked[7]}"
    assert (reversal[37], reversal[2], reversal[4]) == (asked[37], bought.pan, asked[4])
    assert (await (await switch.redialled(till)).answered(till.sale_again())).fields[39] == "98"
    await until(lambda: state_of(switch, till) == "reversed")
    assert bank.waiting("0200", till.id) == 0
    assert [verdict.cause for verdict in switch.verdicts(till.id)][:2] == ["accepted", "restarted"]


async def test_payments_of_several_banks_in_flight_are_all_reversed(switch):
    tills = [await switch.till() for _ in range(8)]
    for number, till in enumerate(tills):
        await switch.forwarded(till, switch.bought(number % 4), number % 4)
    await killed(switch)
    reversals = [await switch.banks[number % 4].asked("0420", till.id) for number, till in enumerate(tills)]
    assert len({(reversal.payload[6:17], reversal[11], reversal[7]) for reversal in reversals}) == 8
    await until(lambda: {state_of(switch, till) for till in tills} == {"reversed"})


async def test_an_answer_that_comes_after_the_restart_does_not_approve(switch):
    till, bank = await switch.till(), switch.banks[0]
    bank.acks = ""
    asked = await switch.forwarded(till, switch.bought())
    await killed(switch)
    reversal = await bank.asked("0420", till.id)
    bank.answer(asked)
    await switch.noted(till, "late approval")
    bank.acks = "00"
    bank.answer(reversal)
    await until(lambda: state_of(switch, till) == "reversed")
    assert (await (await switch.redialled(till)).answered(till.sale_again())).fields[39] == "98"


async def test_an_approval_that_the_terminal_saw_stands_after_a_kill(switch):
    till, bank, bought = await switch.till(), switch.banks[0], switch.bought()
    approved = await switch.approved(till, bought)
    await killed(switch)
    again = await (await switch.redialled(till)).answered(till.sale_again())
    kept = (2, 4, 11, 37, 38, 39, 41, 42, 49)
    assert {field: again.fields[field] for field in kept} == {f: approved.fields[f] for f in kept}
    assert (bank.waiting("0200", till.id), bank.waiting("0420", till.id)) == (0, 0)
    assert (await till.answered(till.reversal(bought))).fields[39] == "00"
    assert (await bank.asked("0420", till.id))[37] == approved.fields[37]


async def test_a_reversal_that_was_not_acknowledged_goes_on_after_a_kill(switch):
    till, bank, bought = await switch.till(), switch.banks[1], switch.bought(1)
    await switch.approved(till, bought, 1)
    bank.acks = ""
    assert (await till.answered(till.reversal(bought))).fields[39] == "00"
    first = await bank.asked("0420", till.id)
    await killed(switch)
    bank.acks = "00"
    again = await bank.asked("0420", till.id)  # what a new node sends first is its first try
    assert (again[7], again[11], again[90]) == (first[7], first[11], first[90])
    await until(lambda: state_of(switch, till) == "reversed")


async def test_sessions_and_numbers_survive_a_kill(switch):
    till = await switch.till()
    before = await switch.forwarded(till, switch.bought())
    switch.banks[0].answer(before)
    await till.answer()
    await killed(switch)
    await switch.redialled(till)
    asked = await switch.forwarded(till, switch.bought())  # no new sign-on
    assert (asked[7], asked[11]) != (before[7], before[11])
    assert asked[37] != before[37]
    assert int(str(asked[11])) > int(str(before[11]))
    switch.banks[0].answer(asked)
    assert (await till.answer()).fields[39] == "00"


async def test_kills_in_quick_succession_lose_nothing(switch):
    till, bank = await switch.till(), switch.banks[2]
    asked = await switch.forwarded(till, switch.bought(2), 2)
    for _ in range(2):
        await killed(switch)
    reversal = await bank.asked("0420", till.id)
    assert reversal[37] == asked[37]
    await until(lambda: state_of(switch, till) == "reversed")
    assert [verdict.cause for verdict in switch.verdicts(till.id)].count("restarted") == 1
    assert switch.findings() == []


async def nobody_listens(switch):
    """Returns when the node takes no new connection."""
    async with asyncio.timeout(20.0):
        while True:
            try:
                await (await switch.cable()).pulled()
            except OSError:
                return
            await asyncio.sleep(0.01)


async def exit_code(supervisor):
    """How the child ended."""
    await supervisor.wait()
    return supervisor._child.returncode


async def test_sigterm_lets_a_payment_in_flight_have_its_answer_and_refuses_new_ones(switch):
    till, other = await switch.till(), await switch.till()
    asked = await switch.forwarded(till, switch.bought())
    stopping = asyncio.create_task(switch.supervisor.stop())
    await nobody_listens(switch)
    assert (await other.answered(other.sale(switch.bought()))).fields[39] == "91"
    assert not stopping.done()
    switch.banks[0].answer(asked)
    assert (await till.answer()).fields[39] == "00"
    await stopping
    assert await exit_code(switch.supervisor) == 0
    assert await till.cable.ended()
    assert not (switch.city.data / "node.pid").exists()
    assert switch.verdicts(till.id)[-1].state == "approved"
    assert [verdict.state for verdict in switch.verdicts(other.id)] == ["declined"]
    assert switch.findings() == []


async def test_sigterm_with_a_silent_bank_ends_with_98_and_the_next_start_reverses(switch):
    till, bank = await switch.till(), switch.banks[0]
    bank.acks = ""
    await switch.forwarded(till, switch.bought())
    stopping = asyncio.create_task(switch.supervisor.stop())
    assert (await till.answer()).fields[39] == "98"
    await stopping
    assert await exit_code(switch.supervisor) == 0
    assert switch.verdicts(till.id)[-1].state == "reversing"
    bank.acks = "00"
    await switch.started_again()
    assert (await bank.asked("0420", till.id))[41] == till.id
    await until(lambda: switch.came_to(till.id, "reversed"))


@pytest.mark.parametrize("kills", [0, 1])
async def test_a_node_that_stopped_in_order_starts_from_its_snapshot(switch, kills):
    till = await switch.till()
    began_s = time.monotonic()
    approved = await switch.approved(till, switch.bought())
    await switch.supervisor.stop()
    await switch.started_again()
    for _ in range(kills):
        await killed(switch)
    again = await (await switch.redialled(till)).answered(till.sale_again())
    if again.fields[39] == "94":  # a busy machine took so long that it is a key from long ago
        assert time.monotonic() - began_s > TIMERS.flight_max
    else:
        assert (again.fields[39], again.fields[37]) == ("00", approved.fields[37])
    assert switch.findings() == []
