"""A cable is pulled without a word, cut with a reset, plugged in again; one direction may suffer alone."""

import asyncio
import random

import pytest
from sim_waiting import until

from posswitch.base.registry import Address
from posswitch.codec import Framer, framed
from posswitch.sim.peers.cable import Way
from posswitch.sim.peers.line import Fault, Line
from posswitch.sim.peers.wire import Wire, dial

PREFIX, HOST = "bin2", "127.0.0.1"
SOON_S = 0.3  # long enough on the loopback for anything that comes at all


class Echo(asyncio.Protocol):
    """Answers each frame with itself and keeps what it saw."""

    def __init__(self, seen: list[bytes]) -> None:
        self.seen = seen
        self.framer = Framer(PREFIX, 4096)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for payload in self.framer.feed(data):
            self.seen.append(payload)
            self.transport.write(framed(PREFIX, payload))


def on_a_line(play):
    async def scene() -> None:
        seen: list[bytes] = []
        server = await asyncio.get_running_loop().create_server(lambda: Echo(seen), HOST, 0)
        line = Line(Address(HOST, server.sockets[0].getsockname()[1]), PREFIX, random.Random(1), ())
        at = await line.open(HOST)
        wire = await dial(at, PREFIX)
        async with asyncio.timeout(20):
            assert await asked(wire, b"before") == b"before"
            await play(line, wire, seen, at)
        line.close()
        server.close()

    asyncio.run(scene())


async def asked(wire: Wire, payload: bytes) -> bytes | None:
    """The answer; b"" when none comes soon."""
    wire.send(payload)
    try:
        return await asyncio.wait_for(wire.receive(), SOON_S)
    except TimeoutError:
        return b""


def test_nothing_passes_a_pulled_cable_and_nobody_is_told():
    async def play(line, wire, seen, at):
        await line.pull()
        assert await asked(wire, b"lost") == b""
        assert not wire.closed
        assert seen == [b"before"]
        assert line.counts["lost"] == 1
        with pytest.raises(TimeoutError):  # neither accepted nor refused
            await asyncio.wait_for(dial(at, PREFIX), SOON_S)
        await line.plug()
        assert await asked(wire, b"after") == b"after"
        assert seen == [b"before", b"after"]
        assert await asked(await dial(at, PREFIX), b"new") == b"new"

    on_a_line(play)


def test_who_left_while_it_was_pulled_is_missed_when_it_is_plugged_in():
    async def play(line, wire, seen, at):
        await line.pull()
        wire.hang_up()
        await asyncio.sleep(SOON_S)
        assert len(line._ends) == 1
        await line.plug()
        await until(lambda: not line._ends)

    on_a_line(play)


def test_a_cut_cable_resets_and_refuses_until_it_is_plugged_in():
    async def play(line, wire, seen, at):
        line.cut()
        assert await wire.receive() is None
        with pytest.raises(ConnectionRefusedError):
            await dial(at, PREFIX)
        await line.plug()
        assert await asked(await dial(at, PREFIX), b"new") == b"new"

    on_a_line(play)


def test_it_may_be_pulled_and_cut_again_and_again():
    async def play(line, wire, seen, at):
        for _ in range(3):
            await line.pull()
            await line.pull()
            line.cut()
            await line.pull()
            await line.plug()
            await line.plug()
            assert await asked(await dial(at, PREFIX), b"new") == b"new"

    on_a_line(play)


@pytest.mark.parametrize(("way", "heard"), [(Way.THERE, False), (Way.BACK, True)])
def test_one_direction_suffers_alone(way, heard):
    async def play(line, wire, seen, at):
        line.suffer((Fault("drop", 1.0),), way)
        assert await asked(wire, b"one-way") == b""
        assert (b"one-way" in seen) is heard
        assert line.suffers == {"drop": 1.0}
        line.heal()
        assert await asked(wire, b"after") == b"after"

    on_a_line(play)


def test_a_narrow_line_loses_what_is_long():
    async def play(line, wire, seen, at):
        line.payload_bytes_max = 10
        assert await asked(wire, b"x" * 11) == b""
        assert await asked(wire, b"x" * 10) == b"x" * 10

    on_a_line(play)


def test_a_missing_byte_ends_the_connection_and_a_tampered_frame_has_another_end():
    async def play(line, wire, seen, at):
        line.suffer((Fault("tamper", 1.0),), Way.THERE)
        assert await asked(wire, b"MAC:00000000") == b"MAC:00000001"
        line.suffer((Fault("desync", 1.0),), Way.BACK)
        line.suffer((), Way.THERE)
        assert await asked(wire, b"\xff" * 40) is None
        assert wire.fault

    on_a_line(play)
