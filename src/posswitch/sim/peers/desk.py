"""A terminal's line to the centre: one question at a time, and what an answer must have to be believed."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from posswitch.base.errors import CodecError
from posswitch.base.registry import Address
from posswitch.codec import Dialect, Message, load_dialect, swap_tpdu
from posswitch.codec.header import TPDU_BYTES
from posswitch.scheme.kinds import answer_mti, batch_of, text, texts
from posswitch.sim.peers import pos
from posswitch.sim.peers.wire import Wire, dial

PREFIX = "bin2"
SILENCE, BAD_MAC = "98", "A0"  # field 39 of a reversal: no answer, an answer that proves nothing
_UNSIGNED = frozenset({"A0", "97", "77", "03"})  # refusals before a key is known to fit carry no MAC
_SIGNED = frozenset({"0100", "0200", "0220", "0400", "0500", "0320"})
_PAUSE_S, _PAUSE_MAX_S, _PAUSE_GROWTH = 0.3, 2.0, 1.5


class Reply(NamedTuple):
    """An answer that may be used, or the reason why there is none."""

    message: Message | None
    why: str = ""

    @property
    def code(self) -> str:
        """Field 39, or the reason."""
        return text(self.message, 39) if self.message is not None else self.why


class Desk:
    """Asks and listens; `mak` is the key that the terminal got at its last sign-on."""

    def __init__(
        self, centre: Address, wait_s: float, counts: Counter[str], *, keeps_connection: bool
    ) -> None:
        self._centre = centre
        self._wait_s = wait_s
        self._counts = counts
        self._keeps_connection = keeps_connection
        self._dialect: Dialect = load_dialect("pos")
        self._wire: Wire | None = None
        self.mak = b""

    def __repr__(self) -> str:
        return f"Desk(to {self._centre})"

    async def ask(self, request: Message) -> Reply:
        """Sends one request and waits for the answer that belongs to it."""
        signed = request.mti in _SIGNED
        payload = pos.signed(self._dialect, request, self.mak) if signed else self._dialect.pack(request)
        try:
            async with asyncio.timeout(self._wait_s):
                wire = await self._connected()
                wire.send(payload)
                while (answer := await wire.receive()) is not None:
                    reply = self._read(answer, request, signed)
                    if reply is not None:
                        return reply
        except (TimeoutError, OSError):
            self.hang_up()  # what comes now comes too late
        finally:
            if not self._keeps_connection:
                self.hang_up()
        return Reply(None, SILENCE)

    def _read(self, payload: bytes, request: Message, signed: bool) -> Reply | None:
        """What an arriving payload means to this request; None when it means nothing."""
        try:
            answer = self._dialect.unpack(payload)
        except CodecError:
            self._counts["unreadable"] += 1
            return None
        if not _belongs(answer, request):
            self._counts["stray"] += 1
            return None
        if not signed:
            return Reply(answer)
        if 64 not in answer.fields:
            return Reply(answer) if text(answer, 39) in _UNSIGNED else None
        if not pos.signature_fits(payload, self.mak):
            self._counts["bad_mac"] += 1
            return Reply(None, BAD_MAC)
        return Reply(answer)

    async def _connected(self) -> Wire:
        if self._wire is None or self._wire.closed:
            self._wire = await dial(self._centre, PREFIX)
        return self._wire

    def hang_up(self) -> None:
        """Ends the connection."""
        if self._wire is not None:
            self._wire.hang_up()
            self._wire = None


def _belongs(answer: Message, request: Message) -> bool:
    """The key is MTI, TPDU, F41, F42, F11 and the batch; F4 must agree where it is given."""
    sent: Mapping[int, object] = request.fields
    got = answer.fields
    return (
        answer.mti == answer_mti(request.mti)
        and answer.header[:TPDU_BYTES] == swap_tpdu(request.header)[:TPDU_BYTES]
        and all(got.get(field) == sent.get(field) for field in (11, 41, 42))
        and got.get(4, sent.get(4)) == sent.get(4)
        and (request.mti == "0800" or batch_of(texts(answer)) == batch_of(texts(request)))
    )


class Pause:
    """Growing pauses with jitter."""

    def __init__(self, entropy: random.Random) -> None:
        self._entropy = entropy
        self._seconds = _PAUSE_S

    async def wait(self) -> None:
        await asyncio.sleep(self._seconds * (0.5 + self._entropy.random()))
        self._seconds = min(self._seconds * _PAUSE_GROWTH, _PAUSE_MAX_S)
