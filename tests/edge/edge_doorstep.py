"""A TLS listener in this process, on asyncio's own loop, and a client that says exactly what it wants."""

import asyncio
import contextlib
import ssl
from pathlib import Path

from edge_town import until

from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Address, Registry, Source
from posswitch.edge.gate import Gate
from posswitch.edge.listener import Listener
from posswitch.edge.tls import Tls
from posswitch.settings.config import TlsPlan
from posswitch.sim.authority import Authority, context_of

AUTHORITY = Authority()
NODE, SHOP = AUTHORITY.issue("node", ("127.0.0.1",)), AUTHORITY.issue("shop")
FRAME = b"\x00\x04ping"


class TlsDoor:
    """A listener, its gate and its clock; echoes every frame."""

    def __init__(self, folder: Path, connections_max: int = 64) -> None:
        certificate, key = NODE.written(folder, "node")
        self.authorities = folder / "authority.pem"
        self.authorities.write_bytes(AUTHORITY.certificate)
        shop = SHOP.written(folder, "shop")
        self.shop = context_of(*shop, self.authorities, serves=False)
        self.now_ns = NS_PER_S
        self.gate = Gate(connections_max)
        self.registry = Registry([Source("shop", (SHOP.fingerprint,), terminals=("1",))])
        self.tls = Tls(TlsPlan(certificate, key, self.authorities), lambda: self.now_ns)
        self.certificates: list[str] = []
        self._dirty: dict = {}
        self.listener = Listener(self, self.gate, lambda: self.now_ns, self._dirty, self.tls, self.registry)

    def from_terminal(self, payload, reply):
        self.certificates.append(reply.certificate)
        reply.send(payload)
        for wire in self._dirty:
            wire.flush()
        self._dirty.clear()
        return True

    async def __aenter__(self):
        self.at = await self.listener.open(Address("127.0.0.1", 0, "tls"))
        await self.listener.serve()
        return self

    async def __aexit__(self, *_):
        self.listener.close()
        self.gate.cut_all()
        await asyncio.sleep(0.01)
        assert self.under_way == 0

    @property
    def under_way(self) -> int:
        return len(self.listener._doorstep)

    async def dial(self, tls=None):
        return await asyncio.open_connection(*self.at[:2], ssl=tls)

    async def pings(self) -> None:
        """An honest client is served."""
        reader, writer = await self.dial(self.shop)
        writer.write(FRAME)
        async with asyncio.timeout(10):
            assert await reader.readexactly(len(FRAME)) == FRAME
        writer.transport.abort()

    async def settled(self) -> None:
        """Nobody is on the doorstep or inside."""
        await until(lambda: self.under_way == 0 and len(self.gate) == 0)


class Spelling:
    """A client whose handshake bytes are told one flight after the other."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")

    def flight(self, heard: bytes = b"") -> bytes:
        """The bytes to send after what was heard."""
        self._in.write(heard)
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._out.read()
