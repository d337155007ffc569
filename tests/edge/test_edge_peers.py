"""Peers at the gate: how many connections and bytes an address may have, who is shut out, who never is."""

import asyncio

import pytest
from edge_door import Connection, Door
from edge_doorstep import TlsDoor
from edge_till import Cable
from edge_town import until

from posswitch.base.bounds import BAD_FRAMES_MAX, FRAMES_PER_SECOND_MAX, VOUCHED_PEERS_MAX
from posswitch.base.moment import NS_PER_S
from posswitch.edge.gate import NO_PEER, Allowed, Gate
from posswitch.edge.guards import Guards
from posswitch.settings.machine import GuardsTable

STRANGER, KNOWN = "198.51.100.7", "10.1.2.3"


def visitor(peer):
    made = Connection()
    made.peer = peer
    return made


def test_one_address_takes_its_share_and_no_more():
    gate = Gate(connections_max=10, peer_max=3, allowed=Allowed(["10.0.0.0/8"]))
    inside = [visitor(STRANGER) for _ in range(3)]
    assert all(gate.enter(one) for one in inside)
    assert not gate.enter(visitor(STRANGER))
    assert gate.counts == {"gate-peer-full": 1}
    assert gate.enter(visitor("198.51.100.8"))
    assert all(gate.enter(visitor(KNOWN)) for _ in range(5))
    gate.leave(inside[0])
    assert gate.enter(visitor(STRANGER))


def test_who_has_no_address_is_not_counted_as_one_peer():
    gate = Gate(peer_max=1)
    assert all(gate.enter(visitor(NO_PEER)) for _ in range(5))


def test_the_last_places_are_for_those_who_are_allowed():
    gate = Gate(connections_max=4, allowed=Allowed(["10.1.2.3"]), reserve=2)
    assert [gate.enter(visitor(f"198.51.100.{number}")) for number in range(3)] == [True, True, False]
    assert gate.counts == {"gate-reserved": 1}
    inside = [visitor(KNOWN) for _ in range(3)]
    assert [gate.enter(one) for one in inside[:2]] == [True, True]
    for one in list(gate._connections):
        gate.trust(one)  # somebody could read them: they make room for nobody
    assert not gate.enter(inside[2])
    assert gate.counts["gate-full"] == 1


def test_nothing_is_kept_for_nobody():
    gate = Gate(connections_max=4, reserve=2)
    assert all(gate.enter(visitor(f"198.51.100.{number}")) for number in range(4))


def test_addresses_that_showed_a_certificate_are_remembered_within_bounds():
    allowed = Allowed()
    for number in range(VOUCHED_PEERS_MAX + 10):
        allowed.vouch(f"peer {number}")
    assert not allowed("peer 0")
    assert allowed(f"peer {VOUCHED_PEERS_MAX + 9}")
    assert len(allowed._vouched) == VOUCHED_PEERS_MAX


@pytest.mark.parametrize(
    ("peer", "expected"),
    [("10.1.2.3", True), ("::ffff:10.9.9.9", True), ("11.0.0.1", False), ("fe80::1%lo", False)],
)
def test_networks_are_those_of_the_configuration(peer, expected):
    assert Allowed(["10.0.0.0/8"])(peer) is expected


class GuardedDoor(Door):
    """A door whose gate asks guards; nobody there can be read."""

    def __init__(self, allowed=()):
        super().__init__()
        self.guards = Guards(GuardsTable(), lambda: self.now_ns)
        self.gate._guards, self.gate.allowed = self.guards, Allowed(allowed)
        self.readable = False

    async def annoyed(self, connections):
        """So many connections that send nothing but noise."""
        for _ in range(connections):
            cable = await Cable.dial(self.at)
            for _ in range(BAD_FRAMES_MAX):
                cable.put(b"?")
            assert await cable.ended()


async def test_noise_from_one_address_again_and_again_is_shut_out_for_longer_each_time():
    async with GuardedDoor() as door:
        lengths = []
        for _ in range(3):
            while not door.guards.shut("127.0.0.1", door.now_ns):
                await door.annoyed(1)
            began_ns = door.now_ns
            late = await Cable.dial(door.at)
            assert await late.ended()
            while door.guards.shut("127.0.0.1", door.now_ns):
                door.later(1)
            lengths.append((door.now_ns - began_ns) // NS_PER_S)
        assert lengths == [30, 60, 120]
        assert door.gate.counts["gate-quarantined"] == 3
        door.readable = True
        cable = await Cable.dial(door.at)
        cable.put(b"here")
        assert await cable.take() == b"here"


async def test_an_allowed_address_loses_the_connection_and_comes_again():
    async with GuardedDoor(["127.0.0.0/8"]) as door:
        await door.annoyed(20)
        assert door.gate.counts == {"gate-bad-frames": 20}


async def test_who_is_shut_out_loses_the_connections_that_stand():
    async with GuardedDoor() as door:
        door.readable = True
        cable = await Cable.dial(door.at)
        cable.put(b"here")
        assert await cable.take() == b"here"
        for number in range(30):
            door.guards.strange("127.0.0.1", f"X{number:07d}", door.now_ns)
        met = door.guards.counts["guard-unknown-terminals"]
        door.later(1)
        assert await cable.ended()
        assert door.guards.counts["guard-unknown-terminals"] == met  # nobody has knocked


async def test_who_is_shut_out_gets_no_handshake_until_he_has_shown_a_registered_certificate(tmp_path):
    door = TlsDoor(tmp_path)
    guards = door.gate._guards = Guards(GuardsTable(), lambda: door.now_ns, door.gate.allowed)

    def suspected():
        for number in range(30):
            guards.strange("127.0.0.1", f"X{number:07d}", door.now_ns)

    async with door:
        suspected()
        with pytest.raises(OSError):
            await door.pings()
        assert door.gate.counts == {"gate-quarantined": 1}
        door.now_ns += 3600 * NS_PER_S
        await door.pings()
        suspected()
        await door.pings()
        assert door.gate.counts == {"gate-quarantined": 1, "tls-ok": 2}


async def test_who_sends_more_than_his_allowance_is_read_more_slowly_and_loses_nothing():
    async with Door() as door:
        cable = await Cable.dial(door.at)
        cable.put(b"one")
        await cable.take()
        (wire,) = door.gate._connections
        frames = 2 * FRAMES_PER_SECOND_MAX
        taken = asyncio.create_task(_taken(cable, frames))
        for _ in range(frames // 50):
            cable.put_raw(b"\x00\x04many" * 50)
            await cable.flushed()
        await until(lambda: door.gate.counts["gate-slowed"])
        assert wire._paused
        door.now_ns += 5 * NS_PER_S
        await taken
        assert len(door.heard) == frames + 1


async def test_a_connection_that_is_held_reads_nothing_until_it_is_let_go():
    async with Door() as door:
        cable = await Cable.dial(door.at)
        await until(lambda: len(door.gate))
        (wire,) = door.gate._connections
        wire.hold(3600)
        assert not wire._transport.is_reading()
        cable.put(b"wait")
        await cable.flushed()
        await asyncio.sleep(0.1)
        assert door.heard == []
        wire._let_go()
        assert await cable.take() == b"wait"


async def _taken(cable, frames):
    for _ in range(frames):
        assert await cable.take() == b"many"


async def test_who_sends_no_more_than_his_allowance_is_never_slowed():
    async with Door() as door:
        cable = await Cable.dial(door.at)
        for _ in range(5):
            for _ in range(FRAMES_PER_SECOND_MAX // 4):
                cable.put(b"well")
            await _taken_well(cable, FRAMES_PER_SECOND_MAX // 4)
            door.now_ns += NS_PER_S // 4
        assert door.gate.counts.total() == 0


async def _taken_well(cable, frames):
    for _ in range(frames):
        assert await cable.take() == b"well"
