"""TLS from the other side: an input says what a peer does to its handshake, or behind it, over real sockets.

Honest peers are served meanwhile, and nothing of the hostile one stays behind. Keys and chance of a handshake
are new each time, so an input does the same to other bytes.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from posswitch.base.bounds import Timers
from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Address, Bank, Registry, Source
from posswitch.edge.connector import Link, Links
from posswitch.edge.gate import Gate
from posswitch.edge.listener import Listener
from posswitch.edge.tls import _PATIENCE, Tls
from posswitch.settings.config import TlsPlan
from posswitch.sim.authority import Authority, context_of

from .dialect_files import folder
from .seeds import Seed

try:
    from uvloop import new_event_loop as fast_loop
except ImportError:
    fast_loop = None

_HOST, _FRAME = "127.0.0.1", b"\x00\x04ping"
_PATIENCE_S, _LOOK_S = 10.0, 0.001
_SHORT = {"ssl_shutdown_timeout": 0.02}  # a peer that does not say goodbye is waited for
_CHANGES_MAX = 8
_BEHIND = 8  # this stage and those after it come when the handshake is through


class Script:
    """The bytes of an input: a stage and an end, then changes of what is sent at that stage."""

    def __init__(self, data: bytes) -> None:
        head = data[:2].ljust(2, b"\0")
        self.old = bool(head[0] & 0x80)  # TLS 1.2
        self.aborts = bool(head[0] & 0x40)
        self.fast = bool(head[0] & 0x10)  # uvloop, which has a TLS protocol of its own
        self.stays = bool(head[0] & 0x20)  # a bank that leaves the hanging up to the node
        self.stage = head[0] & 0x0F
        self.pieces = head[1] % 4  # how often the changed flight is cut in two
        self.rest = data[2:]

    def changed(self, flight: bytes) -> bytes:
        """The flight with some bytes changed, left out, doubled or put in."""
        found = bytearray(flight)
        changes = [self.rest[at : at + 4] for at in range(0, len(self.rest) - 3, 4)]
        for kind, high, low, value in changes[:_CHANGES_MAX]:
            at = (high << 8 | low) % (len(found) + 1)
            if kind % 6 == 0:
                found[at : at + 1] = bytes(value ^ byte for byte in found[at : at + 1])
            elif kind % 6 == 1:
                found[at : at + 1] = bytes((value,))
            elif kind % 6 == 2:
                del found[at : at + 1 + value]
            elif kind % 6 == 3:
                found[at:at] = self.rest[: 1 + value]
            elif kind % 6 == 4:
                found[at:at] = found[at : at + 1 + value]
            else:
                del found[at:]
        return bytes(found)


class Hostile:
    """One side of a TLS connection that keeps to the rules until its stage has come."""

    def __init__(self, script: Script, context: ssl.SSLContext, *, serves: bool) -> None:
        self._script = script
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if serves else _HOST
        self._tls = context.wrap_bio(self._in, self._out, server_side=serves, server_hostname=name)
        self._serves = serves

    async def play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Says its part and hangs up, or waits until the other side does."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._say(reader, writer)
                await asyncio.sleep(_LOOK_S)
        except (OSError, ValueError, RuntimeError):  # the last is uvloop's word for a write too late
            pass  # the other side has hung up, or does not believe us: as it should
        if self._script.stays and self._serves:
            with contextlib.suppress(OSError):
                while await reader.read(16_384):
                    pass
        elif self._script.aborts:
            writer.transport.abort()
        writer.close()

    async def _say(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stage, through = self._script.stage, False
        for turn in range(_BEHIND):
            if self._serves or turn:
                self._in.write(await reader.read(16_384))
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()
                through = True
            if turn == stage:
                await self._send(writer, self._script.changed(self._out.read()))
                return
            writer.write(self._out.read())
            if through:
                break
        if stage == _BEHIND:  # in the middle of the stream, in clear
            await self._send(writer, self._script.rest)
        elif stage == _BEHIND + 1:  # properly enciphered nonsense
            self._tls.write(self._script.rest or b"\0")
            await self._send(writer, self._out.read())
        else:  # a good frame, its record changed
            self._tls.write(_FRAME)
            await self._send(writer, self._script.changed(self._out.read()))

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        size = len(data) // (1 + self._script.pieces) + 1
        for at in range(0, len(data), size):
            writer.write(data[at : at + size])
            await writer.drain()
            await asyncio.sleep(_LOOK_S if self._script.pieces else 0)


class Ground:
    """A loop of this target alone, certificates, and what nobody caught."""

    def __init__(self, fast: bool) -> None:
        self.runner = asyncio.Runner(loop_factory=fast_loop if fast else None)
        self.surprises: list[str] = []
        self.runner.get_loop().set_exception_handler(self._surprised)
        authority = Authority()
        papers = folder / "tls"
        papers.mkdir(exist_ok=True)
        (papers / "authority.pem").write_bytes(authority.certificate)
        self.node = authority.issue("node", (_HOST,))
        self.peer = authority.issue("peer", (_HOST,))
        self._files = self.peer.written(papers, "peer")
        certificate, key = self.node.written(papers, "node")
        self._authorities = papers / "authority.pem"
        self.tls = Tls(TlsPlan(certificate, key, self._authorities), time.time_ns)

    def _surprised(self, _loop: object, context: dict[str, Any]) -> None:
        self.surprises.append(f"{context['message']}: {context.get('exception')!r}")

    def spoken(self, *, serves: bool, old: bool = False) -> ssl.SSLContext:
        """How the peers speak."""
        context = context_of(*self._files, self._authorities, serves=serves)
        if old:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context

    def tried(self, script: Script) -> bool:
        """One input."""
        with patch.dict(_PATIENCE, _SHORT):
            found = self.runner.run(self.scene(script))
        surprises, self.surprises = self.surprises, []
        assert not surprises, surprises[0]
        return found

    async def scene(self, script: Script) -> bool:
        """What happens, and whether the hostile peer was let in."""
        raise NotImplementedError


async def until(holds: Callable[[], bool], what: str) -> None:
    """Returns when it holds."""
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(_LOOK_S)


class Door(Ground):
    """The node's TLS listener; it echoes frames to an honest shop that stays and to one that comes anew."""

    def __init__(self, fast: bool) -> None:
        super().__init__(fast)
        self.gate = Gate(8)
        self._dirty: dict[Any, None] = {}
        shop = Registry([Source("shop", (self.peer.fingerprint,), terminals=("1",))])
        self.listener = Listener(self, self.gate, lambda: NS_PER_S, self._dirty, self.tls, shop)
        self._contexts = {old: self.spoken(serves=False, old=old) for old in (False, True)}
        self.runner.run(self._open())

    async def _open(self) -> None:
        self._at = await self.listener.open(Address(_HOST, 0, "tls"))
        await self.listener.serve()
        self._standing = await self._dial()

    def from_terminal(self, payload: bytes, reply: Any) -> bool:
        """Takes a frame of anybody who was let in."""
        reply.send(payload)
        for wire in list(self._dirty):
            wire.flush()
        self._dirty.clear()
        return payload == _FRAME[2:]

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self._at[:2], ssl=self._contexts[False])

    async def _pings(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_FRAME)
        async with asyncio.timeout(_PATIENCE_S):
            answer = await reader.read(len(_FRAME))
        assert answer == _FRAME, "an honest shop is cut off"

    async def scene(self, script: Script) -> bool:
        """A hostile visitor, while an honest one pays and another comes; whether the first was let in."""
        known = self.gate.counts["tls-ok"]
        reader, writer = await asyncio.open_connection(*self._at[:2])
        hostile = Hostile(script, self._contexts[script.old], serves=False)
        visit = asyncio.create_task(hostile.play(reader, writer))
        await self._pings(*self._standing)
        await visit
        fresh = await self._dial()
        await self._pings(*fresh)
        fresh[1].transport.abort()
        doorstep = self.listener._doorstep
        assert doorstep is not None
        await until(lambda: not doorstep._under_way and len(self.gate) == 1, "a connection stays behind")
        return self.gate.counts["tls-ok"] > known + 1


class Desk(Ground):
    """The node's links to two banks over TLS: one is honest, and one does what the input says."""

    def __init__(self, fast: bool) -> None:
        super().__init__(fast)
        self._script: Script | None = None
        self._open_at_bank = 0
        self._echoed = 0
        self._dirty: dict[Any, None] = {}
        self._contexts = {old: self.spoken(serves=True, old=old) for old in (False, True)}
        self.runner.run(self._open())

    async def _open(self) -> None:
        honest = await asyncio.start_server(self._answered, _HOST, ssl=self.spoken(serves=True))
        hostile = await asyncio.start_server(self._lied, _HOST)
        self._ports = [one.sockets[0].getsockname()[1] for one in (honest, hostile)]
        self._servers = honest, hostile  # asyncio holds them no longer than we do
        self._honest = self._links("honest", self._ports[0])
        self._honest.start()
        await until(self._honest.ready, "an honest bank is not linked")

    def _links(self, name: str, port: int) -> Links:
        bank = Bank(name, "", "", (Address(_HOST, port, "tls"),), b"", b"", framing="bin2")
        return Links(bank, self, Timers(), time.monotonic_ns, self._dirty, self.tls)

    def management(self, bank: str, code: str) -> tuple[bytes, tuple[int, str]]:
        """What the node says first."""
        return _FRAME[2:], (1, "")

    def from_bank(self, bank: str, payload: bytes, link: Link) -> None:
        """The node takes a bank's payload."""
        if bank == "honest":
            link.serving = True
            self._echoed += 1

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The honest bank echoes."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                writer.write(await reader.readexactly(len(_FRAME)))

    async def _lied(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open_at_bank += 1
        script, self._script = self._script, None
        if script is not None:  # else it was linked to a second time
            await Hostile(script, self._contexts[script.old], serves=True).play(reader, writer)
        writer.close()
        self._open_at_bank -= 1

    async def scene(self, script: Script) -> bool:
        """The node links to a hostile bank, pays at an honest one, and stops; whether it let the first in."""
        self._script = script
        links = self._links("hostile", self._ports[1])
        links.start()
        await until(lambda: self._script is None, "the bank is not called")
        echoed = self._echoed
        assert self._honest.send(_FRAME[2:]), "an honest bank is cut off"
        for wire in list(self._dirty):
            wire.flush()
        self._dirty.clear()
        await until(lambda: self._echoed > echoed, "an honest bank is not heard")
        if not script.stays:
            await until(lambda: bool(links.counts), "what became of the link is not counted")
        await asyncio.sleep(_LOOK_S)
        await links.stop()
        await until(lambda: not self._open_at_bank, "a connection stays behind")
        assert not links.serving()
        return links.counts["link-tls-ok"] > 0


_GROUNDS: dict[tuple[type[Ground], bool], Ground] = {}


def _tried(kind: type[Ground], data: bytes) -> bool:
    """On ground that is opened once in a process."""
    script = Script(data)
    where = kind, script.fast and fast_loop is not None
    if where not in _GROUNDS:
        _GROUNDS[where] = kind(where[1])
    return _GROUNDS[where].tried(script)


def leave() -> None:
    """Closes what is open; the next input finds it anew."""
    for ground in _GROUNDS.values():
        ground.runner.close()
    _GROUNDS.clear()


def door(data: bytes) -> bool:
    """What a visitor of the TLS listener does."""
    return _tried(Door, data)


def link(data: bytes) -> bool:
    """What a bank does to a link of the node."""
    return _tried(Desk, data)


def flights() -> list[Seed]:
    """Every stage in both versions, without a change, with one, and with bytes to be put in."""
    found = []
    one_bit, alert = b"\x00\x00\x05\x01", b"\x03\x00\x00\x09\x15\x03\x03\x00\x02\x01\x00"
    for version in (0, 0x90, 0x50, 0x30):
        for stage in range(_BEHIND + 3):
            for rest in (b"", one_bit, alert, _FRAME * 3):
                found.append(Seed(bytes((version | stage, stage % 4)) + rest, (0, 1, 2)))
    return found
