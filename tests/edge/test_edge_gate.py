"""The gate and the listener in this process, with a clock that the test turns."""

import asyncio

import pytest
from edge_door import Connection, Door
from edge_till import Cable
from edge_town import until

from posswitch.base.bounds import (
    BAD_FRAMES_MAX,
    FIRST_BYTE_SECONDS_MAX,
    FRAME_BYTES_MAX,
    FRAME_SECONDS_MAX,
    IDLE_SECONDS_MAX,
    UNSENT_BYTES_MAX_TERMINAL,
)
from posswitch.base.errors import ConfigError
from posswitch.base.moment import NS_PER_S
from posswitch.edge.gate import Gate

OVERSTAYS = [
    ("gate-no-first-byte", {"opened_s": 1.0}, 1.0 + FIRST_BYTE_SECONDS_MAX),
    ("gate-slow-frame", {"heard_s": 6.9, "frame_s": 2.0}, 2.0 + FRAME_SECONDS_MAX),
    ("gate-idle", {"heard_s": 2.0}, 2.0 + IDLE_SECONDS_MAX),
]


@pytest.mark.parametrize(("why", "at", "end_s"), OVERSTAYS)
def test_who_overstays_is_cut_and_counted_and_not_a_moment_earlier(why, at, end_s):
    gate, connection = Gate(), Connection(**at)
    assert gate.enter(connection)
    gate.sweep(int(end_s * NS_PER_S))
    assert (connection.cuts, gate.counts.total()) == (0, 0)
    gate.sweep(int(end_s * NS_PER_S) + 1)
    assert connection.cuts == 1
    assert gate.counts == {why: 1}


def test_who_has_spoken_may_wait_longer_than_for_a_first_byte():
    gate, connection = Gate(), Connection(heard_s=2.0)
    gate.enter(connection)
    gate.sweep(int((1.0 + FIRST_BYTE_SECONDS_MAX + 1) * NS_PER_S))
    assert connection.cuts == 0


def test_a_full_gate_lets_nobody_in_until_somebody_leaves():
    gate, first, second = Gate(connections_max=1), Connection(), Connection()
    assert gate.enter(first)
    gate.trust(first)
    assert gate.full
    assert not gate.enter(second)
    assert gate.counts == {"gate-full": 1}
    gate.leave(second)  # was never in
    assert len(gate) == 1
    gate.leave(first)
    assert gate.enter(second)


def test_at_a_full_gate_who_never_spoke_makes_room_the_oldest_first():
    gate = Gate(connections_max=3)
    speaks, first, second, third, fourth = connections = [Connection() for _ in range(5)]
    for connection in connections[:3]:
        assert gate.enter(connection)
    gate.trust(speaks)
    assert not gate.full
    assert gate.enter(third)
    assert [one.cuts for one in (speaks, first, second, third)] == [0, 1, 0, 0]
    gate.leave(first)  # its end is heard of later
    gate.trust(second)
    assert gate.enter(fourth)
    assert [one.cuts for one in (speaks, second, third)] == [0, 0, 1]
    gate.trust(fourth)
    assert gate.full and not gate.enter(Connection())
    assert (len(gate), gate.counts) == (3, {"gate-crowded-out": 2, "gate-full": 1})


def test_everybody_can_be_sent_away_also_those_who_leave_on_being_cut():
    gate = Gate()

    class Leaver(Connection):
        def cut(self):
            super().cut()
            gate.leave(self)

    leavers = [Leaver() for _ in range(3)]
    for leaver in leavers:
        gate.enter(leaver)
    gate.cut_all()
    assert [leaver.cuts for leaver in leavers] == [1, 1, 1]
    assert len(gate) == 0


async def test_a_taken_port_is_a_mistake_in_the_configuration():
    async with Door() as door:
        with pytest.raises(ConfigError, match="cannot listen"):
            await Door()._listener.open(door.at)


async def test_who_does_not_read_is_cut_at_the_cap():
    async with Door() as door:
        await Cable.dial(door.at)
        await until(lambda: len(door.gate))
        (wire,) = door.gate._connections
        sent = 0
        while wire.send(bytes(FRAME_BYTES_MAX)):
            wire.flush()
            sent += 1
            assert sent < 100_000, "nobody can hold so much"
        assert sent * FRAME_BYTES_MAX >= UNSENT_BYTES_MAX_TERMINAL
        await until(lambda: not len(door.gate))


async def test_half_a_frame_and_then_silence_is_cut():
    async with Door() as door:
        cable = await Cable.dial(door.at)
        cable.put_raw(b"\x00\x10half")
        await until(lambda: door.gate._connections and next(iter(door.gate._connections)).frame_ns)
        door.later(FRAME_SECONDS_MAX)
        assert door.gate.counts.total() == 0
        cable.put_raw(b"!")  # one more byte of the same frame gives no more time
        await until(lambda: next(iter(door.gate._connections)).heard_ns == door.now_ns)
        door.later(0.001)
        assert await cable.ended()
        assert door.gate.counts == {"gate-slow-frame": 1}
        assert door.heard == []


async def test_a_frame_that_is_completed_in_time_is_served_and_the_next_has_its_own_time():
    async with Door() as door:
        cable = await Cable.dial(door.at)
        cable.put_raw(b"\x00\x04ha")
        await until(lambda: door.gate._connections and next(iter(door.gate._connections)).frame_ns)
        door.later(FRAME_SECONDS_MAX)
        cable.put_raw(b"lf\x00\x03n")
        assert await cable.take() == b"half"
        door.later(FRAME_SECONDS_MAX)
        cable.put_raw(b"ew")
        assert await cable.take() == b"new"
        assert door.gate.counts.total() == 0


async def test_a_connection_that_never_says_anything_is_cut():
    async with Door() as door:
        cable = await Cable.dial(door.at)
        await until(lambda: len(door.gate))
        door.later(FIRST_BYTE_SECONDS_MAX + 1)
        assert await cable.ended()
        assert door.gate.counts == {"gate-no-first-byte": 1}
        await until(lambda: not len(door.gate))


async def test_an_idle_connection_is_cut():
    async with Door() as door:
        cable = await Cable.dial(door.at)
        cable.put(b"hello")
        await cable.take()
        door.later(IDLE_SECONDS_MAX + 1)
        assert await cable.ended()
        assert door.gate.counts == {"gate-idle": 1}


async def test_one_connection_too_many_is_cut_and_the_others_stay():
    async with Door(connections_max=2) as door:
        stay = [await Cable.dial(door.at) for _ in range(2)]
        for cable in stay:
            cable.put(b"here")
            assert await cable.take() == b"here"
        late = await Cable.dial(door.at)
        assert await late.ended()
        assert door.gate.counts == {"gate-full": 1}
        assert len(door.gate) == 2
        await stay[0].pulled()
        await until(lambda: len(door.gate) == 1)
        again = await Cable.dial(door.at)
        again.put(b"room")
        assert await again.take() == b"room"


async def test_idle_connections_lock_nobody_out():
    async with Door(connections_max=4) as door:
        honest = await Cable.dial(door.at)
        honest.put(b"mine")
        assert await honest.take() == b"mine"
        door.readable = False
        idle = [await Cable.dial(door.at) for _ in range(3)]
        idle[0].put(b"?")  # said something, and nobody can read it
        idle[1].put_raw(b"\x00\x10half")
        await until(lambda: len(door.gate) == 4 and len(door.heard) == 2)
        door.readable = True
        late = [await Cable.dial(door.at) for _ in range(3)]
        for cable in late:
            cable.put(b"late")
            assert await cable.take() == b"late"
        assert all([await cable.ended() for cable in idle])
        honest.put(b"still")
        assert await honest.take() == b"still"
        assert door.gate.counts == {"gate-crowded-out": 3}
        locked_out = await Cable.dial(door.at)
        assert await locked_out.ended()


async def test_unreadable_frames_are_counted_per_connection():
    async with Door() as door:
        door.readable = False
        cables = [await Cable.dial(door.at) for _ in range(2)]
        for cable in cables:
            for _ in range(BAD_FRAMES_MAX - 1):
                cable.put(b"?")
        await until(lambda: len(door.heard) == 2 * (BAD_FRAMES_MAX - 1))
        assert len(door.gate) == 2
        cables[0].put(b"?")
        assert await cables[0].ended()
        assert door.gate.counts == {"gate-bad-frames": 1}
        await until(lambda: len(door.gate) == 1)


async def test_a_closed_listener_keeps_what_is_connected():
    async with Door() as door:
        cable = await Cable.dial(door.at)
        cable.put(b"one")
        await cable.take()
        door._listener.close()
        with pytest.raises(OSError):
            await Cable.dial(door.at)
        cable.put(b"two")
        async with asyncio.timeout(20):
            assert await cable.take() == b"two"
