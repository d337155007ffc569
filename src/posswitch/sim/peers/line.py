"""A bad line: a TCP proxy that knows only the length prefix, and delays, drops, cuts and damages frames.

Under TLS it knows nothing: a frame is what arrived at once, and most faults end the connection.
Its cable may be pulled (everything is lost without a word) or cut (connections are reset and refused).
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

from posswitch.base.bounds import FRAME_BYTES_MAX
from posswitch.base.errors import FrameError
from posswitch.base.registry import Address
from posswitch.codec import PREFIXES, Framer, framed
from posswitch.sim.peers.cable import Cable, DeafListener, Way, bound, reset

BUFFERED_BYTES_MAX = 1 << 18  # more than this under way in one direction cuts the connection
SEALED = ""  # the prefix of a line that carries TLS
_HALF_FRAME_RATE = 0.5
_PREFIX_RATE = 0.04
_LONG_RATE = 0.1


class Fault(NamedTuple):
    """What can happen to a frame, and how often."""

    name: str
    rate: float


# What a demonstration's lines do; the last three only where somebody asks for them.
FAULTS = (Fault("delay", 0.006), Fault("drop", 0.005), Fault("cut", 0.005), Fault("corrupt", 0.005))


WORSE_FAULTS = (
    *FAULTS,
    Fault("duplicate", 0.005),
    Fault("reorder", 0.005),
    Fault("half-open", 0.002),
)


class Line:
    """A listener whose connections go on to `target`; each direction keeps its order."""

    def __init__(
        self,
        target: Address,
        prefix: str,
        entropy: random.Random,
        faults: Sequence[Fault] = FAULTS,
        source: str = "",
    ) -> None:
        """`source` is the address that its connections come from, empty = any of this machine."""
        self._target = target
        self._prefix = prefix
        self._entropy = entropy
        self._source = (source, 0) if source else None
        self._there = self._back = tuple(faults)
        self.at: Address | None = None
        self._deaf: DeafListener | None = None
        self.cable = Cable.WHOLE
        self.payload_bytes_max = 0  # longer ones vanish; 0 = none does
        self.taps: deque[bytes] | None = None  # what whoever dialled has sent, if somebody listens in
        self._server: asyncio.Server | None = None
        self._ends: dict[_End, None] = {}
        self._dialling: dict[asyncio.Task[None], None] = {}
        self.counts: Counter[str] = Counter()
        self.overflows = 0

    def __repr__(self) -> str:
        return f"Line(to {self._target}, {self.cable}, {len(self._ends)} ends, {dict(self.counts)})"

    async def open(self, host: str, port: int = 0) -> Address:
        """Listens; returns where."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, host, port)
        self.at = Address(host, self._server.sockets[0].getsockname()[1])
        return self.at

    def close(self) -> None:
        """Closes the listener and every connection."""
        self._stop_listening()
        for task in list(self._dialling):
            task.cancel()
        for end in list(self._ends):
            end.hang_up()

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._deaf is not None:
            self._deaf.close()
            self._deaf = None

    # The cable

    async def pull(self) -> None:
        """Everything on it is lost, both ways, and nobody is told; who dials hears nothing either."""
        if self.cable is Cable.PULLED or self.at is None:
            return
        self.cable = Cable.PULLED
        self._stop_listening()
        self._deaf = await DeafListener.opened(*self.at[:2])

    def cut(self) -> None:
        """Connections are reset, and refused from now on."""
        self.cable = Cable.CUT
        self._stop_listening()
        for end in list(self._ends):
            end.reset()

    async def plug(self) -> None:
        """It is whole again: what was lost stays lost, and who has left meanwhile is missed now."""
        if self.cable is Cable.WHOLE or self.at is None:
            return
        self._stop_listening()
        self.cable = Cable.WHOLE
        for end in list(self._ends):
            if not self._prefix:  # a sealed stream with a hole in it is worth nothing
                end.hang_up()
            elif end.other is not None and end.other.gone:
                end.write(b"")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, sock=await bound(*self.at[:2]))

    def heal(self) -> None:
        """No more faults; what is delayed already still comes late."""
        self.suffer(())
        self.payload_bytes_max = 0

    @property
    def suffers(self) -> dict[str, float]:
        """Its faults by name, in the direction that is worse off."""
        return {
            name: max(fault.rate for fault in (*self._there, *self._back) if fault.name == name)
            for name in dict.fromkeys(fault.name for fault in (*self._there, *self._back))
        }

    def suffer(self, faults: Sequence[Fault], way: Way = Way.BOTH) -> None:
        """From now on these faults, in the other direction as before."""
        if way is not Way.BACK:
            self._there = tuple(faults)
        if way is not Way.THERE:
            self._back = tuple(faults)

    def half_dead(self) -> Iterator[tuple[asyncio.Transport, float]]:
        """Connections that stand although one side hears nothing any more, and since when (loop's time)."""
        for end in self._ends:
            other = end.other
            if end.is_near and other is not None and not end.gone and end._transport is not None:
                deaf = [side.deaf_s for side in (end, other) if side.deaf]
                if deaf:
                    yield end._transport, min(deaf)

    def _accept(self) -> "_End":
        near, far = _End(self, is_near=True), _End(self)
        near.other, far.other = far, near
        task = asyncio.get_running_loop().create_task(self._dial(near, far))
        self._dialling[task] = None
        task.add_done_callback(lambda done: self._dialling.pop(done, None))
        return near

    async def _dial(self, near: "_End", far: "_End") -> None:
        """Connects onwards; when nobody is there the near side is closed, as a line does."""
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: far, self._target.host, self._target.port, local_addr=self._source
            )
        except OSError:
            near.hang_up()

    def draw(self, *, back: bool = False) -> str:
        """The fault of the next frame, counted, or empty."""
        at = self._entropy.random()
        for fault in self._back if back else self._there:
            at -= fault.rate
            if at < 0:
                self.counts[fault.name] += 1
                return fault.name
        return ""

    def loses(self, payload: bytes) -> bool:
        """Whether it vanishes: nothing passes a pulled cable, nothing too long a narrow one."""
        too_long = 0 < self.payload_bytes_max < len(payload)
        return too_long or self.cable is Cable.PULLED

    def frame(self, payload: bytes) -> bytes:
        """`payload` behind its prefix."""
        return framed(self._prefix, payload) if self._prefix else payload

    def framer(self) -> "Framer | _Sealed":
        """A fresh cutter for one direction."""
        return Framer(self._prefix, FRAME_BYTES_MAX) if self._prefix else _Sealed()

    def delay_s(self) -> float:
        """Mostly a fraction of a second, now and then up to three seconds."""
        if self._entropy.random() < _LONG_RATE:
            return self._entropy.uniform(1.0, 3.0)
        return min(0.05 + self._entropy.expovariate(5.0), 1.0)

    def half(self, frame: bytes) -> bytes:
        """What of a frame still passes when the line is cut: nothing, or the first half."""
        return frame[: len(frame) // 2] if self._entropy.random() < _HALF_FRAME_RATE else b""

    def damaged(self, frame: bytes) -> bytes:
        """`frame` with one byte changed, rarely one of the prefix."""
        prefix_bytes = PREFIXES[self._prefix].prefix_bytes if self._prefix else 0
        at = self._entropy.randrange(prefix_bytes, len(frame)) if len(frame) > prefix_bytes else 0
        if prefix_bytes and self._entropy.random() < _PREFIX_RATE:
            at = self._entropy.randrange(prefix_bytes)
        return frame[:at] + bytes((frame[at] ^ self._entropy.randrange(1, 256),)) + frame[at + 1 :]


class _Sealed:
    """What cannot be looked into is cut as it comes."""

    def feed(self, data: bytes) -> list[bytes]:
        """See Framer."""
        return [data]


class _End(asyncio.Protocol):
    """One side of a connection; what arrives here leaves at `other`."""

    def __init__(self, line: Line, *, is_near: bool = False) -> None:
        self._line = line
        self.is_near = is_near  # the side that dialled
        self._framer = line.framer()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[float, bytes]] = deque()  # due, bytes to write here; b"" = close
        self._waiting_bytes = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._ended = False
        self.deaf = False  # nothing more arrives here, and nobody is told
        self.deaf_s = 0.0  # since when, in the loop's time
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one, but does not inherit
        self._line._ends[self] = None
        if self._ended:
            self._transport.abort()
        else:
            self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            payloads = self._framer.feed(data)
        except FrameError:
            self.hang_up()
            return
        line = self._line
        for payload in payloads:
            if self.is_near and line.taps is not None:
                line.taps.append(payload)
            if line.loses(payload):
                line.counts["lost"] += 1
            elif self.other is not None and not self.gone and not self.other.deaf:
                _CARRY[line.draw(back=not self.is_near)](line, self.other, line.frame(payload))

    @property
    def gone(self) -> bool:
        """True when nothing more is read or written here."""
        return self._ended or (self._transport is not None and self._transport.is_closing())

    def connection_lost(self, exc: Exception | None) -> None:
        self._line._ends.pop(self, None)
        if self._alarm is not None:
            self._alarm.cancel()
        if self.other is not None and self._line.cable is not Cable.PULLED:
            self.other.write(b"")

    def write(self, data: bytes, delay_s: float = 0.0) -> None:
        """Writes `data` here after the delay, never before what was written earlier; b"" closes."""
        if self.gone:
            return
        now = asyncio.get_running_loop().time()
        due = max(now + delay_s, self._waiting[-1][0] if self._waiting else 0.0)
        self._waiting.append((due, data))
        self._waiting_bytes += len(data)
        unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if self._waiting_bytes + unsent > BUFFERED_BYTES_MAX:
            self._line.overflows += 1
            self.hang_up()
        else:
            self._flush()

    def _flush(self) -> None:
        """Writes what is due and sets the alarm for the next."""
        transport = self._transport
        if transport is None or self._alarm is not None:
            return
        loop = asyncio.get_running_loop()
        while self._waiting and not self.gone:
            due, data = self._waiting[0]
            if due > loop.time():
                self._alarm = loop.call_at(due, self._ring)
                return
            self._waiting.popleft()
            self._waiting_bytes -= len(data)
            if self._line.cable is Cable.PULLED:
                continue
            if data:
                transport.write(data)
            else:
                transport.close()

    def _ring(self) -> None:
        self._alarm = None
        self._flush()

    def hang_up(self) -> None:
        """Ends both sides at once."""
        for end in (self, self.other):
            if end is not None:
                end._ended = True
                if end._transport is not None:
                    end._transport.abort()

    def reset(self) -> None:
        """Ends both sides at once, and not politely."""
        for end in (self, self.other):
            if end is not None and end._transport is not None:
                reset(end._transport)
        self.hang_up()


def _pass(line: Line, end: _End, frame: bytes) -> None:
    end.write(frame)


def _delay(line: Line, end: _End, frame: bytes) -> None:
    end.write(frame, line.delay_s())


def _drop(line: Line, end: _End, frame: bytes) -> None:
    pass


def _cut(line: Line, end: _End, frame: bytes) -> None:
    """Both sides are closed, sometimes in the middle of the frame."""
    half = line.half(frame)
    if half:
        end.write(half)
    end.write(b"")
    if end.other is not None:
        end.other.write(b"")


def _corrupt(line: Line, end: _End, frame: bytes) -> None:
    end.write(line.damaged(frame))


def _duplicate(line: Line, end: _End, frame: bytes) -> None:
    end.write(frame)
    end.write(frame, line.delay_s())


def _reorder(line: Line, end: _End, frame: bytes) -> None:
    """What comes after it arrives before it."""
    asyncio.get_running_loop().call_later(line.delay_s(), end.write, frame)


def _desync(line: Line, end: _End, frame: bytes) -> None:
    """A byte is missing: from here on nobody knows where a frame begins."""
    end.write(frame[1:])


def _tamper(line: Line, end: _End, frame: bytes) -> None:
    """Its MAC, which stands last, proves nothing any more."""
    end.write(frame[:-1] + (b"1" if frame[-1:] == b"0" else b"0"))


def _half_open(line: Line, end: _End, frame: bytes) -> None:
    end.deaf, end.deaf_s = True, asyncio.get_running_loop().time()


_CARRY: dict[str, Callable[[Line, _End, bytes], None]] = {
    "": _pass,
    "delay": _delay,
    "drop": _drop,
    "cut": _cut,
    "corrupt": _corrupt,
    "duplicate": _duplicate,
    "reorder": _reorder,
    "half-open": _half_open,
    "desync": _desync,
    "tamper": _tamper,
}
KNOWN_FAULTS = tuple(name for name in _CARRY if name)
