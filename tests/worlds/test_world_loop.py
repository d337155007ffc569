"""Virtual time, lives and connections: what the simulated world promises its peers."""

import asyncio
from functools import partial

import pytest

from posswitch.base.registry import Address
from posswitch.sim.peers.wire import dial
from posswitch.sim.world.loop import Gone, Idle, WorldLoop


@pytest.fixture
def loop():
    made = WorldLoop()
    yield made
    made.close()


class Echo(asyncio.Protocol):
    """Says everything back."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def echoing(port=7000):
    server = await asyncio.get_running_loop().create_server(Echo, "host", port)
    await asyncio.sleep(1e6)
    server.close()


def test_an_hour_takes_no_time_and_comes_in_order(loop):
    said = []

    async def sleeper(seconds):
        await asyncio.sleep(seconds)
        said.append(seconds)

    async def main():
        await asyncio.gather(*(sleeper(seconds) for seconds in (3600, 1, 60, 0)))

    loop.run(main())
    assert said == [0, 1, 60, 3600]
    assert (loop.time(), loop.ns) == (3600, 3_600_000_000_000)


def test_a_time_out_is_virtual_too(loop):
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.get_running_loop().create_future()

    loop.run(main())
    assert loop.time() == 30


def test_what_can_never_come_is_said(loop):
    async def main():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Idle):
        loop.run(main())


def test_a_life_that_was_ended_does_nothing_more(loop):
    said = []

    async def life():
        try:
            while True:
                said.append(loop.time())
                await asyncio.sleep(1)
        finally:
            said.append("cleaned up")

    async def main():
        loop.begin("a life", life)
        await asyncio.sleep(2.5)
        loop.end("a life")
        await asyncio.sleep(10)

    loop.run(main())
    assert said == [0, 1, 2]
    assert not loop.lives("a life")


def test_who_dies_in_the_middle_of_a_step_wakes_those_who_wait(loop):
    async def main():
        died = asyncio.Event()

        async def life():
            await asyncio.sleep(1)
            loop.end("a life")
            died.set()
            raise Gone

        loop.begin("a life", life)
        await died.wait()
        return loop.life()

    assert loop.run(main()) == "world"
    assert loop.surprises == []


def test_a_surprise_is_kept(loop):
    async def main():
        loop.call_soon(lambda: 1 // 0)
        await asyncio.sleep(1)

    loop.run(main())
    assert loop.surprises == ["in a callback: ZeroDivisionError: integer division or modulo by zero"]


async def talk(loop, ended, *, silent):
    """What a client hears: an answer before the other side dies, and what afterwards."""
    loop.begin("server", echoing)
    await asyncio.sleep(0.1)
    wire = await dial(Address("host", 7000), "bin2")
    wire.send(b"hello")
    heard = [await wire.receive()]
    loop.end("server")
    loop.net.reset("server", silent=silent)
    for step in ended:
        heard.append(await step(wire))
    return heard


async def listened(wire, seconds):
    try:
        async with asyncio.timeout(seconds):
            return await wire.receive()
    except TimeoutError:
        return "silence"


def test_a_killed_process_is_heard_of(loop):
    steps = [partial(listened, seconds=5)]
    assert loop.run(talk(loop, steps, silent=False)) == [b"hello", None]


def test_after_a_power_cut_nothing_is_heard_until_the_machine_is_back_and_spoken_to(loop):
    async def back(wire):
        loop.net.power_on()
        wire.send(b"still there?")
        return await listened(wire, 5)

    steps = [partial(listened, seconds=3600), back]
    assert loop.run(talk(loop, steps, silent=True)) == [b"hello", "silence", None]


def test_nobody_listening_refuses(loop):
    async def main():
        with pytest.raises(ConnectionRefusedError):
            await dial(Address("host", 1), "bin2")
        loop.begin("server", echoing)
        await asyncio.sleep(0.1)
        loop.end("server")
        with pytest.raises(ConnectionRefusedError):
            await dial(Address("host", 7000), "bin2")
        loop.begin("server again", echoing)  # the address is free again
        await asyncio.sleep(0.1)
        (await dial(Address("host", 7000), "bin2")).hang_up()

    loop.run(main())
