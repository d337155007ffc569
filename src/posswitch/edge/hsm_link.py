"""HSMs behind the network: commands spread over connections, each with a deadline, tried again elsewhere."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from posswitch.base.bounds import HSM_UNDER_WAY_MAX, UNSENT_BYTES_MAX_BANK
from posswitch.base.errors import CryptoError, HsmDown, PosswitchError
from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Address
from posswitch.crypto.commands import Result, Uses, Work
from posswitch.crypto.hostcommands import DIAGNOSTICS, LMK_CHECK_DIGITS, Talk, Told, talk, told
from posswitch.edge.wire import Wire

_HEADER_DIGITS = 4  # before each request and its answer: which one it is
_TAGS = 16**_HEADER_DIGITS
_LOOK_S, _ECHO_NS, _CONNECT_S = 0.05, 5 * NS_PER_S, 3.0
_BACKOFF_S = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
_DIGITS = frozenset("0123456789ABCDEF")  # of a check value
_TRIES_MAX = 2  # of one command: every command may be asked again
_LATE_MAX = 3  # deadlines missed in a row: the connection is given up

log = structlog.get_logger()


class _Job:
    """A piece of work, as far as it is done; `talk` are the requests that its present command takes."""

    __slots__ = ("deadline_ns", "failed", "request", "talk", "then", "tries", "wire", "work")

    def __init__(
        self, work: Work[Any], then: Callable[[Any], object], failed: Callable[[PosswitchError], None]
    ) -> None:
        self.work = work
        self.then = then
        self.failed = failed
        self.talk: Talk | None = None
        self.request = b""
        self.tries = 0
        self.deadline_ns = 0
        self.wire: HsmWire | None = None


class HsmWire(Wire):
    """One connection to an HSM; it serves once it has told the check value of its master key."""

    def __init__(self, pool: "NetworkHsm", tick_ns: Callable[[], int], dirty: dict[Wire, None]) -> None:
        super().__init__("bin2", UNSENT_BYTES_MAX_BANK, tick_ns, dirty)
        self._pool = pool
        self.lmk = ""
        self.under_way = 0
        self.late = 0
        self.asked_ns = 0  # when its health was asked for, 0 while it is not
        self.gone = asyncio.Event()

    def opened(self) -> None:
        """Asks for its health first."""
        self._pool.look_after(self)

    def received(self, payload: bytes) -> None:
        """Hands an answer to the pool."""
        self._pool.answered(self, payload)

    def closed(self) -> None:
        """What it had under way is tried elsewhere."""
        self.lmk = ""
        self.gone.set()
        self._pool.lost(self)


class NetworkHsm:
    """An Hsm over connections to one or more HSMs under the same master key; `counts` says what went wrong.

    A command is asked of the connection with the fewest under way. What is not answered within `timeout_s`,
    or loses its connection, is asked once more of another one; then its work fails with HsmDown.
    """

    def __init__(self, addresses: Sequence[Address], timeout_s: float, tick_ns: Callable[[], int]) -> None:
        self._addresses = addresses
        self._timeout_ns = int(timeout_s * NS_PER_S)
        self._tick_ns = tick_ns
        self._wires: list[HsmWire] = []
        self._dirty: dict[Wire, None] = {}
        self._waiting: dict[int, _Job] = {}
        self._deadlines: deque[tuple[int, int, _Job]] = deque()
        self._jobs = 0
        self._tag = 0
        self._lmk = ""
        self._tasks: list[asyncio.Task[None]] = []
        self._flushing = self._stopped = False
        self._counts: Counter[str] = Counter()
        self._uses = Uses()

    def __repr__(self) -> str:
        return f"<HSM {self.serving}/{len(self._addresses)} under way {self._jobs}>"

    @property
    def serving(self) -> int:
        """How many connections take commands."""
        return sum(bool(wire.lmk) for wire in self._wires)

    @property
    def ready(self) -> bool:
        """See Hsm."""
        return any(wire.lmk and wire.alive for wire in self._wires)

    @property
    def counts(self) -> Counter[str]:
        """See Hsm."""
        return self._counts

    @property
    def uses(self) -> Uses:
        """See Hsm."""
        return self._uses

    @property
    def under_way(self) -> int:
        """See Hsm."""
        return self._jobs

    def start(self) -> None:
        """Begins to connect and to watch deadlines."""
        self._tasks = [asyncio.create_task(self._keep(address)) for address in self._addresses]
        self._tasks.append(asyncio.create_task(self._watch()))

    def stop(self) -> None:
        """Closes every connection; what is under way fails."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        for wire in list(self._wires):
            wire.cut()
        for job in list(self._waiting.values()):
            self._fail(job, HsmDown("the switch stops"))
        self._waiting.clear()

    # Work

    def run(
        self, work: Work[Result], then: Callable[[Result], object], failed: Callable[[PosswitchError], None]
    ) -> None:
        """See Hsm."""
        job = _Job(work, then, failed)
        self._jobs += 1
        self._advance(job, None)

    def _advance(self, job: _Job, answer: object) -> None:
        """The work goes on until its next request is under way, or to its end."""
        try:
            while True:
                if job.talk is None:
                    command = job.work.send(answer)
                    self._uses.note(command)
                    job.talk, answer = talk(command), None
                try:
                    job.request = job.talk.send(answer)  # type: ignore[arg-type]  # None begins it
                    break
                except StopIteration as end:
                    job.talk, answer = None, end.value
        except StopIteration as end:
            self._jobs -= 1
            job.then(end.value)
        except PosswitchError as error:
            self._fail(job, error)
        else:
            job.tries = 0
            self._ask(job)

    def _ask(self, job: _Job) -> None:
        """Sends the job's request over the connection with the fewest under way, another one than before."""
        serving = [wire for wire in self._wires if wire.lmk and wire.alive]
        others = [wire for wire in serving if wire is not job.wire] or serving
        if not others or job.tries >= _TRIES_MAX or self._stopped:
            self._fail(
                job, HsmDown("the HSM does not answer in time" if job.tries else "no HSM is connected")
            )
            return
        if len(self._waiting) >= HSM_UNDER_WAY_MAX:
            self._fail(job, HsmDown("the HSM has too much to do"))
            return
        wire = min(others, key=lambda wire: wire.under_way)
        job.wire, job.tries = wire, job.tries + 1
        job.deadline_ns = self._tick_ns() + self._timeout_ns
        tag = self._tag = self._free_tag()
        self._waiting[tag] = job
        self._deadlines.append((job.deadline_ns, tag, job))
        wire.under_way += 1
        wire.send(b"%04X" % tag + job.request)
        self._flush_soon()

    def _free_tag(self) -> int:
        tag: int = (self._tag + 1) % _TAGS
        while tag in self._waiting:
            tag = (tag + 1) % _TAGS
        return tag

    def _fail(self, job: _Job, error: PosswitchError) -> None:
        self._jobs -= 1
        job.work.close()
        if isinstance(error, HsmDown):
            self._counts["hsm-down"] += 1
        job.failed(error)

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        for wire in self._dirty:
            wire.flush()
        self._dirty.clear()

    # Answers

    def answered(self, wire: HsmWire, payload: bytes) -> None:
        """One answer: of a job, or about the HSM's health."""
        header, answer = payload[:_HEADER_DIGITS], payload[_HEADER_DIGITS:]
        if header == DIAGNOSTICS * 2:
            self._take_health(wire, told(DIAGNOSTICS, answer))
            return
        try:
            tag = int(header, 16)
        except ValueError:
            tag = -1
        job = self._waiting.get(tag)
        if job is None or job.wire is not wire:
            self._counts["hsm-stray"] += 1
            return
        del self._waiting[tag]
        wire.under_way -= 1
        wire.late = 0
        reply = told(job.request, answer)
        if reply is None:
            self._counts["hsm-garbage"] += 1
            self._ask(job)
            wire.cut()
            return
        self._advance(job, reply)

    def look_after(self, wire: HsmWire) -> None:
        """Asks a connection for the HSM's health."""
        wire.asked_ns = self._tick_ns()
        wire.send(DIAGNOSTICS * 2 + DIAGNOSTICS)
        self._flush_soon()

    def _take_health(self, wire: HsmWire, reply: Told | None) -> None:
        wire.asked_ns = 0
        try:
            check = "" if reply is None else reply.fields[:LMK_CHECK_DIGITS].decode("ascii", "replace")
        except CryptoError:
            check = ""
        if not _DIGITS.issuperset(check):  # noise, which all others would be held against
            check = ""
        if len(check) < LMK_CHECK_DIGITS or check != (self._lmk or check):
            self._counts["hsm-other-master-key" if check else "hsm-ill"] += 1
            log.warning("hsm", problem="another master key" if check else "not able to work")
            wire.cut()
            return
        self._lmk = wire.lmk = check

    def lost(self, wire: HsmWire) -> None:
        """A connection is gone: what it had under way is asked elsewhere."""
        if wire in self._wires:
            self._wires.remove(wire)
        for tag, job in [item for item in self._waiting.items() if item[1].wire is wire]:
            del self._waiting[tag]
            self._ask(job)

    # Time

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self._sweep(self._tick_ns())

    def _sweep(self, now_ns: int) -> None:
        """What is past its deadline is asked elsewhere; a connection that misses too many is given up."""
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now_ns:
            _, tag, job = deadlines.popleft()
            if self._waiting.get(tag) is not job or job.deadline_ns > now_ns:
                continue
            del self._waiting[tag]
            wire = job.wire
            if wire is not None:
                wire.under_way -= 1
                wire.late += 1
            self._counts["hsm-late"] += 1
            self._ask(job)
        for wire in list(self._wires):
            unheard_ns = now_ns - max(wire.heard_ns, wire.opened_ns)
            if wire.late >= _LATE_MAX or (wire.asked_ns and now_ns - wire.asked_ns > self._timeout_ns):
                self._counts["hsm-silent"] += 1
                wire.cut()
            elif not wire.asked_ns and unheard_ns > _ECHO_NS:
                self.look_after(wire)

    async def _keep(self, address: Address) -> None:
        """Connects, waits until the connection is gone, pauses, again; pauses grow while it never serves."""
        loop = asyncio.get_running_loop()
        tries = 0
        while True:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    _, wire = await loop.create_connection(self._wire, address.host, address.port)
            except (OSError, TimeoutError, ValueError):
                self._counts["hsm-refused"] += 1
            else:
                self._wires.append(wire)
                await wire.gone.wait()
                self._counts["hsm-lost"] += 1
                if wire.heard_ns:
                    tries = 0
            await asyncio.sleep(_BACKOFF_S[min(tries, len(_BACKOFF_S) - 1)])
            tries += 1

    def _wire(self) -> HsmWire:
        return HsmWire(self, self._tick_ns, self._dirty)
