"""The links to one bank: kept open, signed on, tested when idle, chosen at sending."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol
from zlib import crc32

import structlog

from posswitch.base.bounds import FRAME_SECONDS_MAX, UNSENT_BYTES_MAX_BANK, Timers
from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Address, Bank
from posswitch.codec import Message
from posswitch.edge.health import Health, Key, Standing
from posswitch.edge.tls import Tls, certificate_of, why_failed
from posswitch.edge.window import Window
from posswitch.edge.wire import Wire
from posswitch.engine.routing import CLOSED, FULL
from posswitch.scheme.kinds import CUTOVER_BEGINS, CUTOVER_ENDS, ECHO_CODE, SIGN_ON_CODE, text

_ECHO_MISSES_MAX = 2
_FRAME_NS = int(FRAME_SECONDS_MAX * NS_PER_S)
_BACKOFF_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_STEADY_NS = 10 * NS_PER_S  # a link that lasted so long is dialled again at once; one that flaps is not


log = structlog.get_logger()


class Back(Protocol):
    """Who makes and takes what goes over a link."""

    def from_bank(self, bank: str, payload: bytes, link: "Link") -> None:
        """Takes one payload of a bank."""

    def overdue(self, bank: str, key: Key) -> None:
        """A request waits for much longer than is usual for its link."""

    def management(self, bank: str, code: str) -> tuple[bytes, Key]:
        """An 0820 to send over a link, and what its answer repeats."""


class Link(Wire):
    """One connection to a bank; it serves after its sign-on was accepted."""

    def __init__(
        self, links: "Links", health: Health, tick_ns: Callable[[], int], dirty: dict[Wire, None]
    ) -> None:
        super().__init__(links.bank.framing, UNSENT_BYTES_MAX_BANK, tick_ns, dirty)
        self._links = links
        self.serving = False
        self.health = health
        self.echoes_missed = 0
        self.tested_ns = self.opened_ns
        self.gone = asyncio.Event()

    def opened(self) -> None:
        """Signs on; at a bank that is known by its certificates only with one of them."""
        assert self._transport is not None
        if not self._links.knows(self._transport):
            self.cut()
            return
        self.send(self._links.back.management(self._links.bank.id, SIGN_ON_CODE)[0])
        self.flush()

    def received(self, payload: bytes) -> None:
        """Keep-alives are ignored, all else is handed on."""
        if payload:
            self._links.back.from_bank(self._links.bank.id, payload, self)

    def managed(self, message: Message) -> None:
        """The bank answered an 0820."""
        self.echoes_missed = 0
        self.health.echoed(key_of(message))
        if text(message, 70) == SIGN_ON_CODE and text(message, 39) == "00":
            self.serving = True

    def test(self, tick_ns: int, idle_ns: int) -> str:
        """Echo when idle; two unanswered ones end the link. Returns why it was ended, or empty."""
        if self.frame_ns and tick_ns - self.frame_ns > _FRAME_NS:
            self.cut()
            return "link-slow-frame"
        if tick_ns - max(self.heard_ns, self.tested_ns) < idle_ns:
            return ""
        if self.echoes_missed >= _ECHO_MISSES_MAX or not self.serving:
            self.cut()
            return "link-silent"
        self.echoes_missed += 1
        self.tested_ns = tick_ns
        self.echo(tick_ns)
        return ""

    def echo(self, tick_ns: int) -> None:
        """Asks whether anybody is there."""
        payload, key = self._links.back.management(self._links.bank.id, ECHO_CODE)
        if self.send(payload):
            self.health.sent(key, tick_ns, echo=True)

    def takes(self) -> bool:
        """Whether a request may go over it now."""
        return self.serving and self.alive and self.health.may_take()

    def closed(self) -> None:
        """No longer serving."""
        self.serving = False
        self.health.lost(self._tick_ns())
        self.gone.set()


class Links:
    """All links of one bank."""

    def __init__(
        self,
        bank: Bank,
        back: Back,
        timers: Timers,
        tick_ns: Callable[[], int],
        dirty: dict[Wire, None],
        tls: Tls | None = None,
    ) -> None:
        self.bank = bank
        self.back = back
        self.counts: Counter[str] = Counter()
        self._timers = timers
        self._tls = tls or Tls(None, tick_ns)
        self._tick_ns = tick_ns
        self._dirty = dirty
        self._links: list[Link | None] = [None] * len(bank.links)
        self._turn = 0
        self.window = Window()
        self._healths = [Health(int(timers.centre * NS_PER_S)) for _ in bank.links]
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<links {self.bank.id} {self.serving()}/{len(self._links)}>"

    def start(self) -> None:
        """Begins to connect, each link by itself."""
        self._tasks = [
            asyncio.create_task(self._keep(index, address), name=f"link {self.bank.id}/{index}")
            for index, address in enumerate(self.bank.links)
        ]

    def serving(self) -> int:
        """How many links can be sent over now."""
        return sum(link is not None and link.serving and link.alive for link in self._links)

    def able(self) -> int:
        """How many links serve and are not fenced."""
        return sum(
            link is not None and link.serving and link.alive and link.health.standing is not Standing.FENCED
            for link in self._links
        )

    def ready(self) -> bool:
        """Whether any link can be sent over now."""
        return any(link is not None and link.takes() for link in self._links)

    def burden(self) -> int:
        """What a choice between banks goes by: that of the link to be taken.

        CLOSED when there is none, FULL when as many are under way as the bank can take.
        """
        lightest = CLOSED
        for link in self._links:
            if link is not None and link.takes():
                burden = link.health.burden
                lightest = burden if lightest < 0 else min(lightest, burden)
        return lightest if lightest < 0 or self.has_room() else FULL

    def open(self) -> bool:
        """Whether a new request may go to the bank now."""
        return self.has_room() and self.ready()

    def has_room(self) -> bool:
        """Whether fewer are under way than the bank can take."""
        return self.under_way < self.window.cap

    @property
    def under_way(self) -> int:
        """Requests that the bank has not answered."""
        under_way = 0
        for health in self._healths:
            under_way += health.under_way
        return under_way

    def gauges(self) -> Iterator[tuple[str, float]]:
        """Of each link, by its place in the bank's row."""
        tick_ns = self._tick_ns()
        for index, (link, health) in enumerate(zip(self._links, self._healths, strict=True)):
            here = f"link.{self.bank.id}.{index}"
            yield f"{here}.up", int(link is not None and link.serving and link.alive)
            for name, value in health.gauges(tick_ns).items():
                yield f"{here}.{name}", value

    def standings(self) -> Counter[Standing]:
        """How many links serve, are probed, are fenced."""
        return Counter(health.standing for health in self._healths)

    def send(self, payload: bytes, key: Key | None = None) -> bool:
        """Sends over the link with the least to do; False when there is none and nothing was written.

        `key`: STAN and F7 of what wants an answer. Without one each link has its turn, fenced or not.
        """
        links, best = self._links, None
        for _ in links:
            self._turn = (self._turn + 1) % len(links)
            link = links[self._turn]
            if link is None or not link.serving or not link.alive:
                continue
            if key is None:
                return link.send(payload)
            if link.health.may_take() and (best is None or link.health.burden < best.health.burden):
                best = link
        if best is None or key is None or not best.send(payload):
            return False
        best.health.sent(key, self._tick_ns())
        self._turn = (self._turn + 1) % len(links)  # the next begins elsewhere: equals take turns
        return True

    def heard(self, key: Key) -> None:
        """An answer of the bank to what has this STAN and F7, whatever it says."""
        tick_ns = self._tick_ns()
        for health in self._healths:
            took_ns = health.answered(key, tick_ns)
            if took_ns >= 0:
                self.window.answered(took_ns, self.under_way)
                return

    def tell_cutover(self) -> None:
        """Tells the bank, over one link, that the settlement day ends and the next has begun."""
        for code in (CUTOVER_BEGINS, CUTOVER_ENDS):
            self.send(self.back.management(self.bank.id, code)[0])

    def sweep(self, tick_ns: int) -> None:
        """Tests idle links."""
        idle_ns = int(self._timers.echo * NS_PER_S)
        for index, health in enumerate(self._healths):
            moved = health.look(tick_ns)
            for key in health.newly_overdue:
                self.back.overdue(self.bank.id, key)
            if moved:
                self.counts[f"link-{moved}"] += 1
                log.warning("link", bank=self.bank.id, link=index, standing=moved, why=health.why)
            link = self._links[index]
            if health.doubtful and link is not None and link.serving:
                link.echo(tick_ns)
        for link in self._links:
            if link is not None:
                why = link.test(tick_ns, idle_ns)
                if why:
                    self.counts[why] += 1

    async def stop(self) -> None:
        """Closes every link."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self._links:
            if link is not None:
                link.close()

    def knows(self, transport: asyncio.BaseTransport) -> bool:
        """Whether a connection that stands leads to this bank; in clear text nobody can tell."""
        certificate = certificate_of(transport)
        if certificate:
            self._tls.expiry.seen(f"bank {self.bank.id}", transport.get_extra_info("peercert"))
            if self.bank.certificates and certificate not in self.bank.certificates:
                self.counts["link-tls-unregistered"] += 1
                return False
            self.counts["link-tls-ok"] += 1
        return True

    def _link(self, health: Health) -> Link:
        return Link(self, health, self._tick_ns, self._dirty)

    async def _keep(self, index: int, address: Address) -> None:
        """Connects, waits until the link is gone, pauses, again; pauses grow while nobody answers."""
        loop = asyncio.get_running_loop()
        tries = 0
        while True:
            try:
                async with asyncio.timeout(self._timers.connect):  # wait_for may swallow a cancel
                    how = self._tls.toward(self.bank, address)
                    made = partial(self._link, self._healths[index])
                    _, link = await loop.create_connection(made, address.host, address.port, **how)
            except (OSError, TimeoutError, ValueError) as error:  # ValueError: a host name that is none
                self.counts["link-refused"] += 1
                self._healths[index].tally["refused"] += 1
                self._count_handshake(error)
            else:
                self._links[index] = link
                await link.gone.wait()
                self._links[index] = None
                self.counts["link-lost"] += 1
                if isinstance(link.lost, ssl.SSLError):  # in TLS 1.3 the bank says so after the handshake
                    self._count_handshake(link.lost)
                if self._tick_ns() - link.opened_ns >= _STEADY_NS:
                    tries = 0
            await asyncio.sleep(pause_s(f"{self.bank.id}/{index}", tries))
            tries += 1

    def _count_handshake(self, error: Exception) -> None:
        if why := why_failed(error):
            self.counts[f"link-tls-{why}"] += 1


def pause_s(link: str, tries: int) -> float:
    """How long a link is left alone before it is dialled again: growing, and for each link another time."""
    spread = crc32(f"{link}/{tries}".encode()) % 1024 / 1024
    return _BACKOFF_S[min(tries, len(_BACKOFF_S) - 1)] * (0.75 + spread / 2)


def key_of(message: Message) -> Key:
    """What an answer repeats of a message; nothing fits when it cannot be read."""
    stan = text(message, 11)
    return (int(stan) if stan.isascii() and stan.isdecimal() else -1, text(message, 7))
