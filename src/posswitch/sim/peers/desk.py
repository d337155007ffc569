"""A terminal's line to the centre: one question at a time, and what an answer must have to be believed."""

import asyncio
import contextlib
import random
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from posswitch.base.errors import CodecError
from posswitch.base.registry import Address
from posswitch.codec import Dialect, Message, load_dialect, swap_tpdu
from posswitch.codec.header import TPDU_BYTES
from posswitch.scheme.kinds import answer_mti, batch_of, text, texts
from posswitch.sim.peers import pos
from posswitch.sim.peers.drawer import Haste
from posswitch.sim.peers.wire import Wire, dial

PREFIX = "bin2"
SILENCE, BAD_MAC = "98", "A0"  # field 39 of a reversal: no answer, an answer that proves nothing
_UNSIGNED = frozenset({"A0", "97", "77", "03"})  # refusals before a key is known to fit carry no MAC
_SIGNED = frozenset({"0100", "0200", "0220", "0400", "0500", "0320"})
_PAUSE_S, _PAUSE_MAX_S, _PAUSE_GROWTH = 0.3, 2.0, 1.5
_PAUSE_OF_FEW_S = 1.0  # few tries are spread: a centre may allow one sign-on a second
_REMARKS_MAX = 8  # of one exchange; the rest is counted only


class Reply(NamedTuple):
    """An answer that may be used, or the reason why there is none."""

    message: Message | None
    why: str = ""

    @property
    def code(self) -> str:
        """Field 39, or the reason."""
        return text(self.message, 39) if self.message is not None else self.why


class Exchange(NamedTuple):
    """What an onlooker sees of a terminal: a question, its answer, and what came that was none."""

    request: Message
    reply: Reply
    waited_ms: float
    remarks: tuple[str, ...] = ()


Watch = Callable[[Exchange | str], None]


def _nobody(seen: Exchange | str) -> None:
    pass


class Desk:
    """Asks and listens; `mak` is the key that the terminal got at its last sign-on."""

    def __init__(
        self,
        centre: Address,
        wait_s: float,
        counts: Counter[str],
        *,
        keeps_connection: bool,
        watch: Watch = _nobody,
        tls: ssl.SSLContext | None = None,
        how: str = pos.Seals().mac,
    ) -> None:
        self._centre = centre
        self._wait_s = wait_s
        self._tls = tls
        self._how = how
        self._counts = counts
        self._keeps_connection = keeps_connection
        self._dialect: Dialect = load_dialect("pos")
        self._wire: Wire | None = None
        self._remarks: list[str] = []
        self.watch = watch
        self.mak = b""

    def __repr__(self) -> str:
        return f"Desk(to {self._centre})"

    async def ask(self, request: Message, haste: Haste | None = None) -> Reply:
        """Sends one request and waits for the answer that belongs to it, with `haste` not for long."""
        asked_s = time.perf_counter()
        self._remarks.clear()
        reply = await self._asked(request, haste or Haste(self._wait_s, hangs_up=True))
        waited_ms = (time.perf_counter() - asked_s) * 1e3
        self.watch(Exchange(request, reply, waited_ms, tuple(self._remarks[:_REMARKS_MAX])))
        return reply

    async def leave(self, request: Message) -> None:
        """Sends one request and hangs up at once."""
        with contextlib.suppress(OSError):
            (await self._connected()).send(self._signed(request))
        self.hang_up()

    def _signed(self, request: Message) -> bytes:
        return pos.signed(self._dialect, request, self.mak, self._how)

    async def _asked(self, request: Message, haste: Haste) -> Reply:
        signed = request.mti in _SIGNED
        payload = self._signed(request) if signed else self._dialect.pack(request)
        try:
            async with asyncio.timeout(haste.seconds):
                wire = await self._connected()
                for _ in range(haste.times):
                    wire.send(payload)
                while (answer := await wire.receive()) is not None:
                    reply = self._read(answer, request, signed)
                    if reply is not None:
                        return reply
                self._remark(wire.fault or "the other side closed the connection")
        except TimeoutError:
            self._remark(f"no answer within {haste.seconds:g} s")
            if haste.hangs_up:
                self.hang_up()  # what comes now comes too late
        except OSError as error:
            self._remark(f"{self._centre}: {error.strerror or error}")
            self.hang_up()
        finally:
            if not self._keeps_connection:
                self.hang_up()
        return Reply(None, SILENCE)

    def _remark(self, what: str) -> None:
        if len(self._remarks) < _REMARKS_MAX:
            self._remarks.append(what)

    def _read(self, payload: bytes, request: Message, signed: bool) -> Reply | None:
        """What an arriving payload means to this request; None when it means nothing."""
        try:
            answer = self._dialect.unpack(payload)
        except CodecError as error:
            self._counts["unreadable"] += 1
            self._remark(f"an answer of {len(payload)} bytes cannot be read: {error}")
            return None
        stray = _stray(answer, request)
        if stray:
            self._counts["stray"] += 1
            self._remark(f"an answer that belongs to something else: {stray}")
            return None
        if not signed:
            return Reply(answer)
        if 64 not in answer.fields:
            if text(answer, 39) in _UNSIGNED:
                return Reply(answer)
            self._remark("an answer without field 64 (MAC) proves nothing")
            return None
        if not pos.signature_fits(payload, self.mak, self._how):
            self._counts["bad_mac"] += 1
            self._remark("the MAC of the answer does not fit")
            return Reply(None, BAD_MAC)
        return Reply(answer)

    async def _connected(self) -> Wire:
        if self._wire is None or self._wire.closed:
            self._wire = await dial(self._centre, PREFIX, self._tls)
        return self._wire

    def hang_up(self) -> None:
        """Ends the connection."""
        if self._wire is not None:
            self._wire.hang_up()
            self._wire = None


def _stray(answer: Message, request: Message) -> str:
    """Why an answer is none to this request, or empty.

    The key is MTI, TPDU, F41, F42, F11 and the batch; F4 must agree where it is given.
    """
    sent: Mapping[int, object] = request.fields
    got = answer.fields
    if answer.mti != answer_mti(request.mti):
        return f"its MTI is not {answer_mti(request.mti)}"
    if answer.header[:TPDU_BYTES] != swap_tpdu(request.header)[:TPDU_BYTES]:
        return "the addresses of its TPDU are not those of the request, swapped"
    for field in (11, 41, 42):
        if got.get(field) != sent.get(field):
            return f"field {field} is another"
    if got.get(4, sent.get(4)) != sent.get(4):
        return "field 4 is another"
    if request.mti != "0800" and batch_of(texts(answer)) != batch_of(texts(request)):
        return "the batch in field 60 is another"
    return ""


class GaveUp(Exception):
    """A terminal does not ask any further; says what came of it."""


class Pause:
    """Growing pauses with jitter; after `tries` questions GaveUp (0 = never)."""

    def __init__(self, entropy: random.Random, tries: int = 0, what: str = "") -> None:
        self._entropy = entropy
        self._seconds = _PAUSE_OF_FEW_S if tries else _PAUSE_S
        self._left = tries
        self._what = what

    def __repr__(self) -> str:
        return f"Pause({self._seconds:.1f} s, {self._left} tries left)"

    def spend(self) -> None:
        """One try is used up."""
        self._left -= 1
        if self._left == 0:
            raise GaveUp(f"{self._what} has no usable answer")

    async def wait(self) -> None:
        """One try is used up; the next comes later."""
        self.spend()
        await asyncio.sleep(self._seconds * (0.5 + self._entropy.random()))
        self._seconds = min(self._seconds * _PAUSE_GROWTH, _PAUSE_MAX_S)
