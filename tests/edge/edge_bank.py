"""A bank whose every word the test decides: real sockets, real keys, the book of what was heard and said."""

import asyncio
import ssl
from collections import defaultdict
from dataclasses import dataclass

from posswitch.codec import Message, load_dialect
from posswitch.crypto.ciphers import tdes_decrypt
from posswitch.crypto.pinblock import decode_iso0
from posswitch.sim.city import HOST, BankPlan
from posswitch.sim.peers import cups
from posswitch.sim.peers.bank_link import BankLink

CUPS = load_dialect("cups")
CENTRE = "00010000"
PATIENCE_S = 20.0
AUTH = "A1B2C3"


@dataclass(frozen=True)
class Asked:
    """One message of the centre, and the link it came over."""

    link: BankLink
    message: Message
    payload: bytes

    def __getitem__(self, field: int) -> str | bytes:
        return self.message.fields[field]


class ScriptedBank:
    """Answers sign-ons and echoes, reversals while `acks` is a code, sales while `says` is; the rest is the
    test's.
    """

    def __init__(self, plan: BankPlan) -> None:
        self.plan = plan
        self.dialect = load_dialect(plan.dialect)
        self.tls: ssl.SSLContext | None = None
        self.acks = "00"
        self.says = ""
        self.heard: list[bytes] = []
        self.said: list[bytes] = []
        self.faults: list[str] = []
        self.signed_on = 0
        self._links: dict[BankLink, None] = {}
        self._servers: list[asyncio.Server] = []
        self._boxes: dict[tuple[str, str], asyncio.Queue[Asked]] = defaultdict(asyncio.Queue)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        for port in self.plan.line_ports:
            self._servers.append(
                await loop.create_server(
                    lambda: BankLink(self._arrived, self._links, self.plan.framing), HOST, port, ssl=self.tls
                )
            )

    def close(self) -> None:
        """Pulls every cable."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for link in list(self._links):
            link.hang_up()

    def _arrived(self, link: BankLink, payload: bytes) -> None:
        self.heard.append(payload)
        asked = Asked(link, self.dialect.unpack(payload), payload)
        if asked.message.mti == "0820":
            self.signed_on += asked[70] == "001"
            answer = cups.management_answer(asked.message, self.plan.id, "00")
            self.say(asked, cups.packed(self.dialect, answer, CENTRE, self.plan.id))
            return
        if asked.message.mti in ("0810", "0830"):
            self._boxes[asked.message.mti, ""].put_nowait(asked)
            return
        if not cups.signature_fits(asked.message, self.plan.zak):
            self.faults.append(f"{asked.message.mti}: the centre's MAC is wrong")
        self._boxes[asked.message.mti, str(asked[41])].put_nowait(asked)
        if asked.message.mti in ("0420", "0421") and self.acks:
            self.answer(asked, self.acks)
        if asked.message.mti == "0200" and self.says:
            self.answer(asked, self.says)

    async def asked(self, mti: str, terminal: str) -> Asked:
        """The centre's next message of this kind for this terminal."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._boxes[mti, terminal].get()

    def waiting(self, mti: str, terminal: str) -> int:
        """How many such messages came and were not looked at."""
        return self._boxes[mti, terminal].qsize()

    def made(self, asked: Asked, code: str = "00", changes: dict[int, str | None] | None = None) -> bytes:
        """A signed answer; `changes` replaces fields, None leaves one out."""
        auth = AUTH if code == "00" and asked.message.mti == "0200" else ""
        message = cups.answer(asked.message, self.plan.id, code, auth, str(asked[13]))
        for field, value in (changes or {}).items():
            if value is None:
                del message.fields[field]
            else:
                message.fields[field] = value
        cups.sign(message, self.plan.zak)
        return cups.packed(self.dialect, message, CENTRE, self.plan.id)

    def manage(self, mti: str, code: str) -> None:
        """Says something about the line or the day (field 70) to the centre."""
        message = Message(mti, {7: "1124120000", 11: "000077", 33: self.plan.id, 70: code})
        next(iter(self._links)).send(cups.packed(self.dialect, message, CENTRE, self.plan.id))

    def answer(self, asked: Asked, code: str = "00", changes: dict[int, str | None] | None = None) -> None:
        """Answers on the link that asked."""
        self.say(asked, self.made(asked, code, changes))

    def say(self, asked: Asked, payload: bytes) -> None:
        """Any bytes as one frame; on another link when that one is gone."""
        self.said.append(payload)
        link = asked.link if asked.link in self._links else next(iter(self._links), asked.link)
        link.send(payload)

    def typed_pin(self, asked: Asked) -> str:
        """The PIN that the customer typed, as the bank's own key opens it."""
        block = asked[52]
        assert isinstance(block, bytes)
        return decode_iso0(tdes_decrypt(self.plan.zpk, block), str(asked[2]))
