"""The doorstep of a TLS listener: what is refused, what it may cost, and that nothing stays behind."""

import asyncio
import contextlib
import random
import ssl
import time

import pytest
from edge_doorstep import AUTHORITY, FRAME, SHOP, Spelling, TlsDoor
from edge_town import until

from posswitch.base.bounds import HANDSHAKE_SECONDS_FAIR
from posswitch.base.moment import NS_PER_S
from posswitch.edge import doorstep, tls
from posswitch.sim.authority import context_of


@pytest.fixture
def door(tmp_path):
    return TlsDoor(tmp_path)


async def test_the_certificate_is_known_to_whoever_is_asked(door):
    async with door:
        await door.pings()
        assert door.certificates == [SHOP.fingerprint]
        assert door.gate.counts == {"tls-ok": 1}
        await door.settled()


async def test_a_source_that_is_registered_while_it_runs_is_let_in_and_one_that_left_is_not(door, tmp_path):
    late = AUTHORITY.issue("late")
    files = late.written(tmp_path, "late")
    visitor = context_of(*files, door.authorities, serves=False)
    async with door:
        reader, _ = await door.dial(visitor)
        assert await reader.read() == b""
        assert door.gate.counts["tls-unregistered"] == 1
        row = door.registry.sources["shop"]
        door.registry.amend([type(row)("shop", (late.fingerprint,), ("1",))])
        door.shop = visitor
        await door.pings()
        assert door.certificates == [late.fingerprint]


@pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
async def test_a_handshake_that_never_ends_is_cut_at_its_deadline(door, monkeypatch, sent):
    monkeypatch.setitem(tls._PATIENCE, "ssl_handshake_timeout", 0.2)
    async with door:
        reader, writer = await door.dial()
        writer.write(sent)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        await until(lambda: door.gate.counts["tls-deadline"] == 1)
        await door.settled()
        monkeypatch.undo()
        await door.pings()


async def test_a_slow_handshake_makes_room_when_all_are_taken_and_a_young_one_is_waited_for(
    door, monkeypatch
):
    monkeypatch.setattr(doorstep, "HANDSHAKES_MAX", 3)
    async with door:
        slow = [await door.dial() for _ in range(3)]
        for _, writer in slow:
            writer.write(Spelling(door.shop).flight())
        for reader, _ in slow:
            assert await reader.read(8192)  # the handshake is under way
        waits = asyncio.create_task(door.pings())
        await asyncio.sleep(0.3)
        assert not waits.done()
        assert "tls-crowded-out" not in door.gate.counts
        door.now_ns += int(HANDSHAKE_SECONDS_FAIR * NS_PER_S)
        await waits
        assert door.gate.counts["tls-crowded-out"] == 1
        assert await slow[0][0].read() == b""
        for _, writer in slow:
            writer.transport.abort()


async def test_who_says_no_hello_is_in_nobodys_way(door, monkeypatch):
    monkeypatch.setattr(doorstep, "HANDSHAKES_MAX", 1)
    monkeypatch.setattr(door.listener._doorstep._anteroom, "_guests_max", 3)
    hello = Spelling(door.shop).flight()
    async with door:
        silent = [await door.dial() for _ in range(3)]
        silent[1][1].write(hello[:3])
        silent[2][1].write(hello[:-1])
        await until(lambda: door.under_way == 3)
        for _ in range(3):
            await door.pings()
        assert door.gate.counts["tls-crowded-out"] == 1
        assert await silent[0][0].read() == b""
        assert door.under_way == 2
        for _, writer in silent:
            writer.close()
        await door.settled()
        assert door.gate.counts["tls-cut"] == 2


async def test_a_hello_in_pieces_is_waited_for(door):
    async with door:
        spelling = Spelling(door.shop)
        first = spelling.flight()
        reader, writer = await door.dial()
        for at in (1, 4, 5, 6, 100, len(first)):
            writer.write(first[:at])
            first = first[at:]
            await asyncio.sleep(0.02)
        writer.write(spelling.flight(await reader.read(8192)) + spelling.flight())
        await until(lambda: door.gate.counts["tls-ok"] == 1)
        writer.transport.abort()


async def test_in_a_flood_newcomers_wait_and_none_is_lost(door, monkeypatch):
    monkeypatch.setattr(doorstep, "_SPACING_S", 0.05)
    monkeypatch.setattr(doorstep, "_BURST_S", 0.1)
    async with door:
        begin = asyncio.get_running_loop().time()
        await asyncio.gather(*(door.pings() for _ in range(8)))
        took = asyncio.get_running_loop().time() - begin
        assert took >= 5 * 0.05 - 0.01
        assert door.gate.counts["tls-ok"] == 8


async def test_beyond_the_cap_of_connections_no_handshake_is_begun(tmp_path):
    door = TlsDoor(tmp_path, connections_max=1)
    async with door:
        _, inside = await door.dial(door.shop)
        await until(lambda: len(door.gate) == 1)
        reader, _ = await door.dial()
        assert await reader.read() == b""
        assert door.gate.counts["gate-full"] == 1
        inside.transport.abort()
        await until(lambda: len(door.gate) == 0)
        await door.pings()


async def test_a_stream_that_is_damaged_after_the_handshake_ends_and_is_counted(door):
    async with door:
        spelling = Spelling(door.shop)
        reader, writer = await door.dial()
        writer.write(spelling.flight())
        writer.write(spelling.flight(await reader.read(8192)))
        await until(lambda: len(door.gate) == 1)
        writer.write(b"\x17\x03\x03\x00\x20" + bytes(32))
        async with asyncio.timeout(5):
            while await reader.read(8192):
                pass
        await until(lambda: door.gate.counts["tls-damaged"] == 1)
        await door.settled()


async def test_data_that_comes_with_the_last_flight_is_not_lost(door):
    async with door:
        spelling = Spelling(door.shop)
        reader, writer = await door.dial()
        writer.write(spelling.flight())
        last = spelling.flight(await reader.read(8192))
        spelling._tls.write(FRAME)
        writer.write(last + spelling._out.read())
        await until(lambda: door.certificates)
        writer.transport.abort()


# Hostile bytes


async def tried(door, *flights: bytes) -> None:
    """Sends flights, each after an answer, and hangs up."""
    reader, writer = await door.dial()
    for number, flight in enumerate(flights):
        if number:
            await reader.read(8192)
        writer.write(flight)
    writer.close()


async def flights(door) -> tuple[bytes, bytes]:
    """What an honest client sends."""
    spelling = Spelling(door.shop)
    first = spelling.flight()
    reader, writer = await door.dial()
    writer.write(first)
    second = spelling.flight(await reader.read(8192))
    writer.transport.abort()
    return first, second


async def test_a_handshake_cut_at_every_byte(door):
    async with door:
        first, second = await flights(door)
        for at in range(len(first)):
            await tried(door, first[:at])
        await until(lambda: door.gate.counts["tls-cut"] >= len(first))
        await door.settled()
        for at in range(0, len(second), 9):
            spelling = Spelling(door.shop)
            reader, writer = await door.dial()
            writer.write(spelling.flight())
            writer.write(spelling.flight(await reader.read(8192))[:at])
            writer.close()
        await door.settled()
        assert door.gate.counts["tls-ok"] == 0
        await door.pings()


async def test_hostile_bytes_instead_of_a_handshake(door):
    entropy = random.Random(1)
    async with door:
        first, _ = await flights(door)
        for turn in range(400):
            damaged = bytearray(first)
            for _ in range(entropy.randint(1, 8)):
                damaged[entropy.randrange(len(first))] = entropy.randrange(256)
            noise = entropy.randbytes(entropy.randint(1, 2000))
            record = b"\x16\x03\x01" + len(noise).to_bytes(2, "big") + noise
            await tried(door, (bytes(damaged), noise, record)[turn % 3])
        counts = door.gate.counts
        await until(lambda: counts.total() >= 400)
        await door.settled()
        assert counts.keys() <= {
            "tls-cut", "tls-not-tls", "tls-damaged", "tls-version", "tls-cipher", "tls-refused",
        }  # fmt: skip
        assert counts["tls-damaged"]
        assert counts["tls-not-tls"]
        await door.pings()


@pytest.mark.parametrize(
    "scene", [test_a_handshake_cut_at_every_byte, test_hostile_bytes_instead_of_a_handshake]
)
def test_the_same_on_the_faster_loop(door, scene):
    uvloop = pytest.importorskip("uvloop")
    uvloop.run(asyncio.wait_for(scene(door), 60))


async def test_a_session_that_is_taken_up_again_is_held_against_registry_and_dates(door):
    door.shop.maximum_version = ssl.TLSVersion.TLSv1_2
    async with door:

        async def handshake(session=None):
            """One more visit of the same client; its session ends properly, so that it may be taken up."""
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            spoken = door.shop.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1", session=session)
            reader, writer = await door.dial()
            while True:
                try:
                    spoken.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    heard = await reader.read(8192)
                    if not heard:
                        raise ConnectionResetError from None
                    incoming.write(heard)
            kept = spoken.session, spoken.session_reused
            with contextlib.suppress(ssl.SSLError):
                spoken.unwrap()
            writer.write(outgoing.read())
            while await reader.read(8192):
                pass
            writer.close()
            return kept

        session, reused = await handshake()
        assert not reused
        session, reused = await handshake(session)
        assert reused
        assert door.gate.counts["tls-ok"] == 2
        door.now_ns = int(time.time() + 400 * 86_400) * NS_PER_S
        _, reused = await handshake(session)
        assert reused
        await until(lambda: door.gate.counts["tls-expired"] == 1)
        door.registry.amend([], [("source", "shop")])
        with contextlib.suppress(ConnectionResetError):  # a whole handshake: cut before its end is told
            await handshake(session)
        await until(lambda: door.gate.counts["tls-unregistered"] == 1)
        assert door.gate.counts["tls-ok"] == 2


async def test_files_that_were_renewed_are_taken_and_bad_ones_change_nothing(door, tmp_path):
    async with door:
        before = door.tls.server
        door.tls.refresh()
        assert door.tls.server is before
        renewed = AUTHORITY.issue("node", ("127.0.0.1",), days=(-1, 20))
        (tmp_path / "node.pem").write_bytes(b"half a fi")
        door.tls.refresh()
        assert door.tls.server is before
        (tmp_path / "node.pem").write_bytes(renewed.certificate)
        door.tls.refresh()  # its key is still the old one
        assert door.tls.server is before
        (tmp_path / "node.key").write_bytes(renewed.key)
        door.tls.refresh()
        assert door.tls.server is not before
        _, writer = await door.dial(door.shop)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        assert ssl.DER_cert_to_PEM_cert(shown).split() == renewed.certificate.decode().split()
        await door.pings()
        writer.transport.abort()


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConnectionAbortedError(), "deadline"),
        (ConnectionResetError(), "cut"),
        (BrokenPipeError(), "cut"),
        (ConnectionRefusedError(), ""),
        (TimeoutError(), ""),
        (tls.NotEquipped(), "not-set-up"),
        (ssl.SSLError(1, "something new"), "damaged"),
    ],
)
def test_what_is_not_openssl_s_word(error, why):
    assert tls.why_failed(error) == why
