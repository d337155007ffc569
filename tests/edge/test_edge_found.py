"""Faults that reviews found at the edge, each kept as the story that showed it."""

import asyncio

import pytest

from posswitch.base.bounds import Timers
from posswitch.base.registry import Address, Bank
from posswitch.codec import framed
from posswitch.edge.connector import Links


@pytest.mark.parametrize("turns", range(6))
def test_stop_ends_links_whatever_the_attempt_does_at_that_moment(turns):
    async def scenario():
        loop, gate = asyncio.get_running_loop(), asyncio.Event()

        async def refused(*_, **__):
            await gate.wait()
            raise ConnectionRefusedError

        loop.create_connection = refused
        bank = Bank("90010000", "", "", (Address("127.0.0.1", 1),), b"", b"")
        links = Links(bank, None, Timers(), lambda: 1, {})
        links.start()
        await asyncio.sleep(0.01)
        gate.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        done, _ = await asyncio.wait([asyncio.create_task(links.stop())], timeout=2)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        assert done

    asyncio.run(scenario())


async def test_a_repeated_reversal_does_not_overtake_its_sale(switch):
    till, bank, bought = await switch.till(), switch.banks[0], switch.bought()
    await switch.forwarded(till, bought)
    till.cable.put(till.reversal(bought))
    await till.answer()
    await till.answer()
    await till.answered(till.reversal(bought))
    await till.hears_nothing_else()
    await asyncio.sleep(0.3)
    assert bank.waiting("0420", till.id) == 0


async def test_nothing_behind_the_bad_frames_that_end_a_connection_is_taken(switch):
    till = await switch.till()
    sale = till.sale(switch.bought())
    till.cable.put_raw(framed("bin2", b"\x60bad") * 3 + framed("bin2", sale))
    assert await till.cable.ended()
    await asyncio.sleep(0.3)
    assert switch.banks[0].waiting("0200", till.id) == 0


async def test_empty_frames_of_a_terminal_are_keep_alives(switch):
    till = await switch.till()
    till.cable.put_raw(b"\0\0" * 5)
    await till.hears_nothing_else()
    assert (await switch.approved(till, switch.bought())).fields[39] == "00"


async def test_a_request_that_the_network_returns_unread_is_reversed_at_once(switch):
    till, bank = await switch.till(), switch.banks[0]
    asked = await switch.forwarded(till, switch.bought())
    bank.say(asked, asked.payload[:41] + b"00030" + asked.payload[46:])
    assert (await till.answer()).fields[39] == "96"
    assert (await bank.asked("0420", till.id))[90][4:10] == asked[11]
