"""A terminal whose every byte the test decides, over a real socket cut into frames by hand."""

import asyncio
import contextlib
import ssl

from posswitch.base.registry import Address
from posswitch.codec import Message, load_dialect
from posswitch.crypto.signon import open_f62
from posswitch.sim.peers import pos
from posswitch.sim.peers.customer import Purchase
from posswitch.sim.peers.terminal import Fitting

POS = load_dialect("pos")
PATIENCE_S = 20.0


class Cable:
    """One TCP connection to the centre."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.heard: list[bytes] = []
        self.said: list[bytes] = []
        self.open = True

    @classmethod
    async def dial(cls, at: Address, tls: ssl.SSLContext | None = None) -> "Cable":
        return cls(*await asyncio.open_connection(at.host, at.port, ssl=tls))

    @property
    def spoken(self) -> ssl.SSLObject:
        """What TLS says about itself."""
        return self._writer.get_extra_info("ssl_object")

    def put_raw(self, data: bytes) -> None:
        self._writer.write(data)

    async def flushed(self) -> None:
        """What was written is on its way."""
        await self._writer.drain()
        await asyncio.sleep(0)

    def put(self, payload: bytes) -> None:
        self.said.append(payload)
        self.put_raw(len(payload).to_bytes(2, "big") + payload)

    async def take(self) -> bytes:
        """The next payload."""
        async with asyncio.timeout(PATIENCE_S):
            size = int.from_bytes(await self._reader.readexactly(2), "big")
            payload = await self._reader.readexactly(size)
        self.heard.append(payload)
        return payload

    async def ended(self) -> bool:
        """Waits for the centre to end the connection; True when it said nothing more before that."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_S):
                return await self._reader.read() == b""
        return True

    async def pulled(self) -> None:
        """Ends the connection from this side."""
        self.open = False
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class Till:
    """One terminal on a cable, which it may share."""

    def __init__(self, fitting: Fitting, cable: Cable) -> None:
        self.fitting = fitting
        self.id = fitting.terminal
        self.cable = cable
        self.pik = self.mak = b""
        self.batch = "000000"
        self.stan = 0
        self._last_sale = b""

    def sign_on_request(self) -> bytes:
        return POS.pack(pos.sign_on(self.id, self.fitting.merchant, self._next_stan(), self.batch))

    def take_keys(self, answer: Message) -> None:
        """Opens field 62; CryptoError when a check value does not fit."""
        keys = answer.fields[62]
        assert isinstance(keys, bytes)
        self.pik, self.mak = open_f62(self.fitting.tmk, keys)
        self.batch = str(answer.fields[60])[2:8]

    async def sign_on(self) -> Message:
        answer = POS.unpack(await self.ask(self.sign_on_request()))
        assert (answer.mti, answer.fields[39]) == ("0810", "00")
        self.take_keys(answer)
        return answer

    def sale(
        self,
        bought: Purchase,
        stan: int = 0,
        changes: dict[int, str | None] | None = None,
        mti: str = "0200",
        mak: bytes = b"",
    ) -> bytes:
        """A signed 0200, the next one unless `stan` names an earlier; `changes` as at the bank."""
        message = pos.sale(
            self.id, self.fitting.merchant, stan or self._next_stan(), self.batch, bought, self.pik
        )
        message.mti = mti
        self._last_sale = self._signed(message, changes, mak)
        return self._last_sale

    def sale_again(self) -> bytes:
        """The last sale, byte for byte."""
        return self._last_sale

    def reversal(
        self, bought: Purchase, stan: int = 0, changes: dict[int, str | None] | None = None
    ) -> bytes:
        """A signed 0400 for the last sale unless `stan` names another."""
        message = pos.reversal(self.id, self.fitting.merchant, stan or self.stan, self.batch, bought, "98")
        return self._signed(message, changes)

    def _signed(self, message: Message, changes: dict[int, str | None] | None, mak: bytes = b"") -> bytes:
        for field, value in (changes or {}).items():
            if value is None:
                del message.fields[field]
            else:
                message.fields[field] = value
        return pos.signed(POS, message, mak or self.mak or bytes(8))

    def echo(self) -> bytes:
        return POS.pack(pos.echo(self.id, self.fitting.merchant, self.batch))

    async def ask(self, payload: bytes) -> bytes:
        self.cable.put(payload)
        return await self.cable.take()

    async def answer(self) -> Message:
        """The next answer, its MAC checked."""
        return self.trusted(await self.cable.take())

    async def answered(self, payload: bytes) -> Message:
        """Sends, and takes the next answer, its MAC checked."""
        self.cable.put(payload)
        return await self.answer()

    def trusted(self, payload: bytes) -> Message:
        """The message, if field 64 is there and fits."""
        message = POS.unpack(payload)
        assert 64 in message.fields, f"{message.mti} {message.fields.get(39)}: no MAC"
        assert pos.signature_fits(payload, self.mak), "the centre's MAC does not fit"
        return message

    async def hears_nothing_else(self) -> None:
        """Asks for an echo: the line keeps its order, so anything sent before it would come first."""
        assert POS.unpack(await self.ask(self.echo())).mti == "0830"

    def _next_stan(self) -> int:
        self.stan += 1
        return self.stan
