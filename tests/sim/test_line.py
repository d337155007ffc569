"""The bad line between a client and an echoing server: every fault shows, order stays, healing heals."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from sim_waiting import until

from posswitch.base.bounds import FRAME_BYTES_MAX
from posswitch.base.registry import Address
from posswitch.codec import Framer, framed
from posswitch.sim.peers import line as line_room
from posswitch.sim.peers.line import FAULTS, SEALED, Fault, Line
from posswitch.sim.peers.wire import Wire, dial

PREFIX, HOST = "bin2", "127.0.0.1"


class Echo(asyncio.Protocol):
    """Answers each frame with itself and keeps what it saw."""

    seen: list[bytes]

    def __init__(self, seen: list[bytes]) -> None:
        self.seen = seen
        self.framer = Framer(PREFIX, FRAME_BYTES_MAX)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for payload in self.framer.feed(data):
            self.seen.append(payload)
            self.transport.write(framed(PREFIX, payload))  # type: ignore[attr-defined]


Play = Callable[[Line, Wire, list[bytes]], Awaitable[None]]


def on_a_line(play: Play, *faults: Fault, seed: int = 1) -> None:
    async def scene() -> None:
        seen: list[bytes] = []
        server = await asyncio.get_running_loop().create_server(lambda: Echo(seen), HOST, 0)
        target = Address(HOST, server.sockets[0].getsockname()[1])
        line = Line(target, PREFIX, random.Random(seed), faults)
        wire = await dial(await line.open(HOST), PREFIX)
        async with asyncio.timeout(20):
            await play(line, wire, seen)
        line.close()
        server.close()

    asyncio.run(scene())


def test_a_whole_line_passes_everything_in_order() -> None:
    async def play(line: Line, wire: Wire, seen: list[bytes]) -> None:
        sent = [b"%d" % number * (number % 50 + 1) for number in range(500)]
        for payload in sent:
            wire.send(payload)
        assert [await wire.receive() for _ in sent] == sent
        assert not line.counts

    on_a_line(play)


def test_delay_is_counted_and_keeps_the_order() -> None:
    async def play(line: Line, wire: Wire, seen: list[bytes]) -> None:
        sent = [b"%d" % number for number in range(6)]
        for payload in sent:
            wire.send(payload)
        assert [await wire.receive() for _ in sent] == sent
        assert 0 < line.counts["delay"] < 12

    on_a_line(play, Fault("delay", 0.3))


def test_drop_swallows_frames_in_both_directions() -> None:
    async def play(line: Line, wire: Wire, seen: list[bytes]) -> None:
        for number in range(200):
            wire.send(b"%d" % number)
        line_end = b"end"
        while not seen or seen[-1] != line_end:
            wire.send(line_end)
            await asyncio.sleep(0.01)
        line.heal()
        wire.send(b"last")
        answers = []
        while (answer := await wire.receive()) != b"last":
            answers.append(answer)
        assert len(set(seen) - {line_end}) < 200
        assert len(answers) < len(seen)
        assert line.counts["drop"] > 50

    on_a_line(play, Fault("drop", 0.5))


def test_cut_closes_both_sides_sometimes_within_a_frame() -> None:
    halves = []

    async def play(line: Line, wire: Wire, seen: list[bytes]) -> None:
        wire.send(b"x" * 100)
        assert await wire.receive() is None
        assert wire.closed
        assert seen == []
        assert line.counts == {"cut": 1}
        await until(lambda: not line._ends)

    for seed in range(8):
        on_a_line(play, Fault("cut", 1.0), seed=seed)
        halves.append(Line(Address(HOST, 1), PREFIX, random.Random(seed)).half(b"abcd"))
    assert {len(half) for half in halves} == {0, 2}


def test_corrupt_changes_one_byte() -> None:
    async def play(line: Line, wire: Wire, seen: list[bytes]) -> None:
        wire.send(b"x" * 100)
        await until(lambda: seen)
        assert sum(byte != ord("x") for byte in seen[0]) == 1
        assert len(seen[0]) == 100

    on_a_line(play, Fault("corrupt", 1.0))


def test_corruption_reaches_every_place_and_seldom_the_prefix() -> None:
    line = Line(Address(HOST, 1), PREFIX, random.Random(1))
    frame = framed(PREFIX, bytes(20))
    places = []
    for _ in range(2_000):
        damaged = line.damaged(frame)
        changed = [at for at in range(len(frame)) if damaged[at] != frame[at]]
        assert len(changed) == 1
        places += changed
    assert set(places) == set(range(len(frame)))
    assert sum(at < 2 for at in places) < 200


def test_faults_come_as_often_as_the_table_says() -> None:
    line = Line(Address(HOST, 1), PREFIX, random.Random(1))
    for _ in range(100_000):
        line.draw()
    for fault in FAULTS:
        assert 0.8 < line.counts[fault.name] / (100_000 * fault.rate) < 1.2
    line.heal()
    assert {line.draw() for _ in range(1_000)} == {""}


def test_nobody_behind_the_line_closes_the_near_side() -> None:
    async def scene() -> None:
        probe = await asyncio.get_running_loop().create_server(asyncio.Protocol, HOST, 0)
        target = Address(HOST, probe.sockets[0].getsockname()[1])
        probe.close()
        await probe.wait_closed()
        line = Line(target, PREFIX, random.Random(1), ())
        wire = await dial(await line.open(HOST), PREFIX)
        async with asyncio.timeout(20):
            assert await wire.receive() is None
        line.close()

    asyncio.run(scene())


def test_too_much_under_way_cuts_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_room, "BUFFERED_BYTES_MAX", 5_000)

    async def play(line: Line, wire: Wire, seen: list[bytes]) -> None:
        for _ in range(10):
            wire.send(bytes(1_000))
        assert await wire.receive() is None
        assert line.overflows == 1

    on_a_line(play, Fault("delay", 1.0))


def test_a_half_dead_connection_is_named_with_the_time_since_when() -> None:
    async def play(line: Line, wire: Wire, seen: list[bytes]) -> None:
        assert list(line.half_dead()) == []
        before_s = asyncio.get_running_loop().time()
        wire.send(b"lost")
        await until(lambda: bool(line.counts["half-open"]))
        ((transport, since_s),) = line.half_dead()
        assert before_s <= since_s <= asyncio.get_running_loop().time()
        assert not transport.is_closing()
        wire.hang_up()
        await until(lambda: not list(line.half_dead()))

    on_a_line(play, Fault("half-open", 1.0))


def test_a_sealed_line_knows_no_frames_and_can_still_do_harm() -> None:
    line = Line(Address(HOST, 1), SEALED, random.Random(1))
    assert line.framer().feed(b"\x17\x03\x03") == [b"\x17\x03\x03"]
    assert line.frame(b"bytes") == b"bytes"
    damaged = [line.damaged(b"bytes") for _ in range(200)]
    assert {len(one) for one in damaged} == {5}
    assert all(sum(a != b for a, b in zip(one, b"bytes", strict=True)) == 1 for one in damaged)
