"""An HSM that lies to the real pool of connections, in virtual time: an input says what it sends.

For each request that arrives the next byte of the input chooses what happens; some choices take more bytes.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, cast
from unittest.mock import patch

from posswitch.base.bounds import FRAME_BYTES_MAX
from posswitch.base.errors import CryptoError
from posswitch.base.registry import Address
from posswitch.codec import Framer, framed
from posswitch.crypto.commands import (
    Command,
    ExportKey,
    Mac,
    MacFits,
    NewKey,
    OpenTrack,
    SignOnKeys,
    TranslatePin,
    Usage,
)
from posswitch.crypto.hostcommands import DIAGNOSTICS, LMK_CHECK_DIGITS
from posswitch.edge import hsm_link
from posswitch.edge.hsm_link import NetworkHsm
from posswitch.sim.peers.hsm_box import HsmBox
from posswitch.sim.world.loop import WorldLoop

from .seeds import Seed

_LIAR, _HONEST = Address("127.0.0.1", 1), Address("127.0.0.1", 2)
_TIMEOUT_S, _PAUSE_S = 0.2, 0.02
_ENDED_S, _MENDED_S = 5.0, 30.0  # by then work has ended; a pool that was lied to serves again
_WORKS_MAX = 24
_TAG_BYTES, _LATER_S = 4, 0.01
_BOX = HsmBox(bytes(32), random.Random(1))
_KEYS = {usage: _BOX.wrap(usage, bytes(range(at, at + 16))) for at, usage in enumerate(Usage)}
_TMK, _TPK, _TAK, _TDK, _ZPK, _ZAK, _ZMK = _KEYS.values()
_LMK = _BOX.answer(DIAGNOSTICS)[4:][:LMK_CHECK_DIGITS].decode()
HEX = frozenset("0123456789ABCDEF")
_COMMANDS: tuple[Command, ...] = (
    NewKey(Usage.TPK),
    SignOnKeys("004", _TMK, _TPK, _TAK, _TDK),
    Mac(Usage.TAK, _TAK, "cup-ecb", b"data"),
    ExportKey(_ZMK, Usage.ZPK, _ZPK),
    MacFits(Usage.ZAK, _ZAK, "x9.19", b"TEXT", b"00000000"),
    TranslatePin(_TPK, _ZPK, "6222021234567894", bytes(8)),
    NewKey(Usage.TAK),
    MacFits(Usage.TAK, _TAK, "cup-ecb", b"data", b"00000000"),
    OpenTrack(_TDK, bytes(8)),
    Mac(Usage.ZAK, _ZAK, "x9.19 binary", b"TEXT"),
    SignOnKeys("003", _TMK, _TPK, _TAK),
)
_SHAPES: dict[type[Command], Callable[[Any], bool]] = {  # whatever an HSM says, this is what comes of it
    NewKey: lambda key: len(key) in (16, 33, 49) and key.isalnum(),
    SignOnKeys: lambda field: len(field) in (40, 60),
    Mac: lambda mac: len(mac) == 8,
    MacFits: lambda fits: isinstance(fits, bool),
    ExportKey: lambda moved: len(moved[0]) in (8, 16, 24) and len(moved[1]) == 3,
    TranslatePin: lambda block: len(block) == 8,
    OpenTrack: lambda block: len(block) == 8,
}


class _Script:
    """The bytes of an input, one after the other; zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def end(self) -> None:
        """From here on all is honest."""
        self._data = b""

    def byte(self) -> int:
        """The next byte."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def some(self) -> bytes:
        """As many bytes as the next one says."""
        size = self.byte()
        self._at += size
        return self._data[self._at - size : self._at]


Said = tuple[float, bytes | None]  # after so many seconds: bytes, or the end of the connection


def _framed(tag: bytes, answer: bytes) -> bytes:
    return framed("bin2", tag + answer)


def _spoilt(script: _Script, answer: bytes) -> bytes:
    """One byte of it changed, or the end cut off."""
    at, change = script.byte() % (len(answer) + 1), script.byte()
    return answer[:at] + (bytes((answer[at] ^ change,)) + answer[at + 1 :] if change and answer[at:] else b"")


def _split(script: _Script, frame: bytes) -> list[Said]:
    at = script.byte() % len(frame)
    return [(0, frame[:at]), (_LATER_S * script.byte(), frame[at:])]


# What the HSM may do with a request, given its own honest answer.
_LIES: tuple[Callable[[_Script, bytes, bytes], list[Said]], ...] = (
    lambda script, tag, honest: [(0, _framed(tag, honest))],
    lambda script, tag, honest: [],
    lambda script, tag, honest: [(0, _framed(tag, honest))] * 2,
    lambda script, tag, honest: [(_LATER_S * script.byte(), _framed(tag, honest))],
    lambda script, tag, honest: [(0, _framed(tag, _spoilt(script, honest)))],
    lambda script, tag, honest: [(0, _framed(_spoilt(script, tag), honest))],
    lambda script, tag, honest: [(0, _framed(tag, honest[:2] + b"%02d" % (script.byte() % 100)))],
    lambda script, tag, honest: [(0, _framed(tag, honest[:2] + script.some()))],
    lambda script, tag, honest: [(0, _framed(tag, honest[:4] + script.some()))],
    lambda script, tag, honest: [(0, _framed(tag, honest[:4] + b"T" + b"A" * 48 + script.some()))],
    lambda script, tag, honest: [(0, _framed(tag, script.some()))],
    lambda script, tag, honest: [(0, _framed(script.some(), honest))],
    lambda script, tag, honest: [(0, _framed(b"NCNC", b"ND00" + script.some())), (0, _framed(tag, honest))],
    lambda script, tag, honest: [(0, _framed(b"NCNC", script.some()))],
    lambda script, tag, honest: [(0, framed("bin2", b"")), (0, _framed(tag, honest))],
    lambda script, tag, honest: [(0, _framed(tag, honest + bytes(16 * script.byte())))],
    lambda script, tag, honest: [(0, script.some())],  # no frame at all
    lambda script, tag, honest: [(0, b"\xff\xff" + script.some())],  # longer than allowed
    lambda script, tag, honest: [(0, _framed(tag, honest)[: -1 - script.byte()])],
    lambda script, tag, honest: _split(script, _framed(tag, honest)),
    lambda script, tag, honest: [(0, _framed(b"%04X" % n, honest)) for n in range(script.byte())],
    lambda script, tag, honest: [(_LATER_S * script.byte(), None)],
    lambda script, tag, honest: [(0, _framed(tag, honest)), (0, None)],
)


class _Liar(asyncio.Protocol):
    """One connection of the pool."""

    def __init__(self, script: _Script) -> None:
        self._script = script
        self._framer = Framer("bin2", FRAME_BYTES_MAX)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for request in self._framer.feed(data):
            tag, asked = request[:_TAG_BYTES], request[_TAG_BYTES:]
            lie = _LIES[self._script.byte() % len(_LIES)]
            for delay_s, part in lie(self._script, tag, _BOX.answer(asked)):
                asyncio.get_running_loop().call_later(delay_s, self._say, part)

    def _say(self, part: bytes | None) -> None:
        if part is None:
            self._transport.close()
        else:
            self._transport.write(part)


class _Ends:
    """How the pieces of work end: each in one way and once."""

    def __init__(self) -> None:
        self.begun = 0
        self.answers: dict[int, object] = {}
        self.refusals: dict[int, CryptoError] = {}

    def ask(self, pool: NetworkHsm, *commands: Command) -> None:
        """One piece of work of these commands."""
        number, self.begun = self.begun, self.begun + 1

        def work():
            for command in commands:
                answer = yield command
                assert _SHAPES[type(command)](answer), "an answer that the node cannot use"
            return answer

        def ended(kept: dict, how: object) -> None:
            assert number not in self.answers and number not in self.refusals, "work ends twice"
            kept[number] = how

        def failed(error: Exception) -> None:
            assert isinstance(error, CryptoError), "work fails with an error that nobody expects"
            ended(self.refusals, error)

        pool.run(work(), lambda answer: ended(self.answers, answer), failed)

    @property
    def all(self) -> bool:
        return len(self.answers) + len(self.refusals) == self.begun


async def _met(loop: WorldLoop, data: bytes) -> bool:
    """The liar's time, then a time when it is honest: whether anything came of the first."""
    script, ends = _Script(data), _Ends()
    company = script.byte() & 1  # another HSM, which does not lie
    honest = HsmBox(bytes(32), random.Random(1))
    if company:
        await honest.open(*_HONEST[:2])
    await loop.create_server(lambda: _Liar(script), *_LIAR[:2])
    pool = NetworkHsm((_LIAR, _HONEST)[: 1 + company], _TIMEOUT_S, lambda: loop.ns)
    pool.start()
    for number in range(min(_WORKS_MAX, 6 + len(data) // 2)):
        await asyncio.sleep(_PAUSE_S)
        ends.ask(pool, *(_COMMANDS[(number + more) % len(_COMMANDS)] for more in range(1 + number % 2)))
        _bounded(pool, 1 + company)
    await asyncio.sleep(_ENDED_S)
    assert ends.all, "work does not end"
    assert pool.under_way == 0, "what has ended is counted as under way"
    _bounded(pool, 1 + company)
    known = bool(ends.answers)
    script.end()
    await asyncio.sleep(_MENDED_S)
    if pool._lmk in ("", _LMK):  # else it was told another one first, and that one counts
        assert pool.ready, "the pool does not recover"
        ends.ask(pool, NewKey(Usage.ZPK))
        await asyncio.sleep(_ENDED_S)
        assert ends.begun - 1 in ends.answers, "an honest HSM is not believed"
    else:
        assert len(pool._lmk) == LMK_CHECK_DIGITS and HEX.issuperset(pool._lmk), "that is no check value"
    pool.stop()
    honest.close()
    await asyncio.sleep(1)
    assert not pool.serving
    assert pool.under_way == 0
    return known


def _bounded(pool: NetworkHsm, addresses: int) -> None:
    assert len(pool._wires) <= addresses, "connections pile up"
    assert len(pool._waiting) <= pool.under_way, "questions pile up"
    assert all(wire._framer.pending_bytes <= FRAME_BYTES_MAX + 1 for wire in pool._wires), "bytes pile up"
    assert all(wire.under_way <= len(pool._waiting) for wire in pool._wires)
    assert len(pool._deadlines) <= 4 * _WORKS_MAX * 4


def lied_to(data: bytes) -> bool:
    """Whether any work was answered while the HSM lied."""
    loop = WorldLoop()
    try:
        with patch.object(hsm_link, "log"):  # it says a lot, rightly
            known = loop.run(_met(loop, data))
        assert loop.surprises == [], loop.surprises[0]
    finally:
        loop.close()
    return known


def lies() -> list[Seed]:
    """Each lie after an honest beginning, alone and in company."""
    found = []
    for company in (0, 1):
        for lie in range(len(_LIES)):
            for before in (0, 1, 4):
                script = bytes((company, *(0,) * before, lie, 4, 65, 66, 48, 49, 0, 0, lie, 20))
                found.append(Seed(script, (1 + before,)))
    return found
