"""Faults that reviews found at the edge, each kept as the story that showed it."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from edge_town import until

from posswitch.base.bounds import Timers
from posswitch.base.registry import Address, Bank
from posswitch.codec import framed, load_dialect
from posswitch.edge.connector import Links
from posswitch.sim.city import build_city

CUPS = load_dialect("cups")


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
        done, _ = await asyncio.wait([asyncio.create_task(links.stop())], timeout=20)
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


async def test_a_sign_on_in_between_takes_no_keys_away(switch):
    till, bank, bought = await switch.till(), switch.banks[0], switch.bought()
    asked = await switch.forwarded(till, bought)
    stranger = await switch.cable()
    stranger.put(till.sign_on_request())
    await stranger.take()
    bank.answer(asked)
    assert (await till.answer()).fields[39] == "00"  # under the keys the sale was sent with


async def test_a_bank_message_without_its_code_does_not_end_the_link(switch):
    till, bank = await switch.till(), switch.banks[0]
    asked = await switch.forwarded(till, switch.bought())
    message = bank.made(asked)
    strange = CUPS.unpack(message)
    strange.mti, strange.fields = "0820", {7: strange.fields[7], 11: strange.fields[11]}
    bank.say(asked, CUPS.pack(strange))
    bank.answer(asked)
    assert (await till.answer()).fields[39] == "00"


async def test_a_flood_on_one_line_leaves_the_others_their_turn(switch):
    till, noisy = await switch.till(), await switch.cable()
    other = await switch.till()
    frame = framed("bin2", other.echo())
    noisy.put_raw(frame * 3000)
    assert (await switch.approved(till, switch.bought())).fields[39] == "00"


def spoilt(folder, old, new):
    """The city's configuration with one change."""
    text = folder.read_text(encoding="utf-8")
    assert old in text
    folder.write_text(text.replace(old, new, 1), encoding="utf-8")


def started(config):
    """A node of its own: exit code and last words."""
    ended = subprocess.run(
        [sys.executable, "-m", "posswitch.cli.node", "-c", str(config)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('zpk = "', 'zpk = "00', "zpk"),
        ('tmk = "', 'tmk = "00', "tmk"),
        ('data = "data"', 'data = "posswitch.toml"', "node.data"),
    ],
)
def test_what_cannot_work_is_said_at_the_start(tmp_path, old, new, named):
    city = build_city(tmp_path, 1, 1, Timers())
    spoilt(city.config, old, new)
    code, words = started(city.config)
    assert code == 2
    assert named in words
    assert words.count("\n") == 1


async def test_a_journal_keeps_its_identity_and_its_terminals_may_leave(lone_switch):
    till, bank = await lone_switch.till(), lone_switch.banks[0]
    bank.acks = ""
    await lone_switch.forwarded(till, lone_switch.bought())
    await lone_switch.supervisor.stop()
    spoilt(lone_switch.city.config, 'acquirer = "48020000"', 'acquirer = "48020001"')
    code, words = started(lone_switch.city.config)
    assert (code, "the journal is of" in words) == (2, True)
    spoilt(lone_switch.city.config, 'acquirer = "48020001"', 'acquirer = "48020000"')
    spoilt(lone_switch.city.config, f'id = "{till.id}"', 'id = "99999999"')
    bank.acks = "00"
    await lone_switch.started_again()
    assert (await bank.asked("0420", till.id))[42] == till.fitting.merchant
    await until(lambda: lone_switch.came_to(till.id, "reversed"))


def test_a_node_does_not_outlive_its_supervisor(tmp_path):
    city = build_city(tmp_path, 1, 1, Timers())
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "posswitch", "run", "-c", str(city.config)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert b"listening" in supervisor.stdout.readline()
    node = int((city.data / "node.pid").read_text())
    supervisor.kill()
    supervisor.wait()
    for _ in range(100):
        try:
            os.kill(node, 0)
        except ProcessLookupError:
            return
        if (city.data / "node.pid").exists():
            signal.sigtimedwait([], 0.1)
        else:
            return
    raise AssertionError("it lives on")
