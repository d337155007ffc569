"""Those who flood a listener, each as a process: `python -m posswitch.sim.attackers KIND PORT SECONDS`.

For drills and proofs on this machine: they flood its loopback alone. They come from many addresses of it,
dial again when they are cut, and say at the end what they did.
"""

import argparse
import asyncio
import contextlib
import json
import random
import resource
import ssl
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import cache, partial

from posswitch.codec import framed, load_dialect
from posswitch.crypto.signon import WorkingKeys
from posswitch.scheme.kinds import SALE
from posswitch.sim.peers.customer import VALID, Purchase
from posswitch.sim.peers.pos import payment, signed

HOST = "127.0.0.1"
IDLE, SLOW, BAD_FRAMES_PER_S, BAD_LINES, HANDSHAKERS = 5_000, 1_000, 50_000, 64, 64
_SOURCES = 4_000  # addresses, 127.1.0.0 and so on
_AGAIN_S = 0.5
_DRIBBLE_S = 1.0
_TURN_S = 0.01
_UNSENT_BYTES_MAX = 1 << 16  # what a line that is not read holds back
_SHAPES = 512
_SLOW_BYTES = 100  # of a hello, that come one by one
_STRANGER, _MERCHANT = "99999999", "802440354110001"
POS = load_dialect("pos")

Flood = Callable[["Attack"], Coroutine[None, None, None]]


class Attack:
    """One attack on one port, until its time is over; `counts` says what it did."""

    def __init__(
        self, port: int, seconds: float, terminal: str, seed: int, per_second: float = BAD_FRAMES_PER_S
    ) -> None:
        self.port = port
        self.terminal = terminal  # one that is registered
        self.per_second = per_second  # frames, where it sends frames
        self.chance = random.Random(seed)  # noqa: S311 - shapes an attack
        self.ends = time.monotonic() + seconds
        self.counts: Counter[str] = Counter()
        self._source = 0

    @property
    def over(self) -> bool:
        """Whether it has lasted long enough."""
        return time.monotonic() >= self.ends

    async def dial(
        self, shown: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection from the next address; OSError when it is refused."""
        self._source = (self._source + 1) % _SOURCES
        source = (f"127.1.{self._source // 250}.{self._source % 250 + 1}", 0)
        self.counts["dialled"] += 1
        return await asyncio.open_connection(HOST, self.port, local_addr=source, ssl=shown)

    async def kept_up(self, count: int, one: Callable[["Attack"], Awaitable[None]]) -> None:
        """`count` of them at once; whoever is cut comes again."""

        async def again() -> None:
            await asyncio.sleep(self.chance.random())
            while not self.over:
                try:
                    await one(self)
                except (OSError, asyncio.IncompleteReadError):
                    self.counts["refused"] += 1
                await asyncio.sleep(_AGAIN_S * self.chance.uniform(0.5, 1.5))

        tasks = [asyncio.create_task(again()) for _ in range(count)]
        await asyncio.sleep(self.ends - time.monotonic())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _sit(attack: Attack) -> None:
    """Connects and never says anything."""
    reader, writer = await attack.dial()
    try:
        attack.counts["sat"] += 1
        await reader.read()
        attack.counts["cut"] += 1
    finally:
        writer.close()


async def _dribble(attack: Attack, begins: bytes = b"\x0f\xff\x60") -> None:
    """A frame that never ends, a byte each second."""
    reader, writer = await attack.dial()
    try:
        writer.write(begins)
        while not reader.at_eof() and not attack.over:
            await asyncio.sleep(_DRIBBLE_S)
            writer.write(b"\0")
            attack.counts["bytes"] += 1
            await writer.drain()
        attack.counts["cut"] += 1
    finally:
        writer.close()


@cache
def _hello() -> bytes:
    """The first flight of a handshake."""
    shown, out = ssl.create_default_context(), ssl.MemoryBIO()
    spoken = shown.wrap_bio(ssl.MemoryBIO(), out, server_hostname=HOST)
    with contextlib.suppress(ssl.SSLWantReadError):
        spoken.do_handshake()
    return out.read()


async def _stall(attack: Attack) -> None:
    """Says hello, lets the other side do its sums, and says nothing more."""
    reader, writer = await attack.dial()
    try:
        writer.write(_hello())
        while await reader.read(1 << 16):
            pass
        attack.counts["cut"] += 1
    finally:
        writer.close()


async def _shake(attack: Attack) -> None:
    """As many TLS handshakes as it can, without a certificate that anybody knows."""
    shown = ssl.create_default_context()
    shown.check_hostname, shown.verify_mode = False, ssl.CERT_NONE
    while not attack.over:
        try:
            _, writer = await attack.dial(shown)
            attack.counts["handshakes"] += 1
            writer.close()
        except OSError:
            attack.counts["refused"] += 1
            await asyncio.sleep(_TURN_S)


def _forged(attack: Attack) -> list[bytes]:
    """Sales of a terminal that nobody knows, and sales whose MAC is wrong."""
    frames = []
    keys = WorkingKeys(bytes(range(16)), bytes(range(8)))
    for number in range(_SHAPES):
        terminal = (_STRANGER, attack.terminal)[number % 2]
        bought = Purchase("6290010000000007", VALID, "1234", 100 + number)
        sale = payment(SALE, terminal, _MERCHANT, number + 1, "000001", bought, keys)
        frames.append(framed("bin2", signed(POS, sale, keys.mac)))
    return frames


def _garbage(attack: Attack) -> list[bytes]:
    """What nobody can read."""
    return [framed("bin2", attack.chance.randbytes(attack.chance.randrange(20, 300))) for _ in range(_SHAPES)]


def shares(due: int, among: int) -> list[int]:
    """So many frames dealt out to so many lines, the first ones get what does not go round."""
    each, more = divmod(due, among or 1)
    return [each + (place < more) for place in range(among)]


async def _babble(attack: Attack, frames: Sequence[bytes]) -> None:
    """So many frames a second over all lines; a cut line is dialled again, an unread one holds back."""
    lines: list[asyncio.StreamWriter | None] = [None] * BAD_LINES

    async def keep(place: int) -> None:
        while not attack.over:
            try:
                reader, lines[place] = await attack.dial()
                while await reader.read(1 << 16):
                    pass
                attack.counts["cut"] += 1
            except OSError:
                attack.counts["refused"] += 1
            if (writer := lines[place]) is not None:
                lines[place] = None
                writer.close()

    keepers = [asyncio.create_task(keep(place)) for place in range(BAD_LINES)]
    began, done = time.monotonic(), 0
    while not attack.over:
        await asyncio.sleep(_TURN_S)
        due = int((time.monotonic() - began) * attack.per_second) - done
        done += due
        open_lines = [line for line in lines if line is not None and not line.is_closing()]
        attack.chance.shuffle(open_lines)
        for line, count in zip(open_lines, shares(due, len(open_lines)), strict=True):
            if line.transport.get_write_buffer_size() < _UNSENT_BYTES_MAX:
                line.write(b"".join(attack.chance.choices(frames, k=count)))
                attack.counts["frames"] += count
            else:
                attack.counts["held back"] += count
    for task in keepers:
        task.cancel()
    await asyncio.gather(*keepers, return_exceptions=True)


FLOODS: dict[str, Flood] = {
    "idle": lambda attack: attack.kept_up(IDLE, _sit),
    "slowloris": lambda attack: attack.kept_up(SLOW, _dribble),
    "bad-frames": lambda attack: _babble(attack, [*_garbage(attack), *_forged(attack)]),
    "forged-frames": lambda attack: _babble(attack, _forged(attack)),
    "tls-slowloris": lambda attack: attack.kept_up(SLOW, partial(_dribble, begins=_hello()[:-_SLOW_BYTES])),
    "tls-stalled": lambda attack: attack.kept_up(SLOW, _stall),
    "tls-handshakes": lambda attack: attack.kept_up(HANDSHAKERS, _shake),
}


def main() -> int:
    """Floods, then prints what it did as a line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m posswitch.sim.attackers", description=__doc__)
    parser.add_argument("kind", choices=sorted(FLOODS))
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--terminal", default="10000001", help="one that is registered")
    parser.add_argument("--per-second", type=float, default=BAD_FRAMES_PER_S, help="frames")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    attack = Attack(asked.port, asked.seconds, asked.terminal, asked.seed, asked.per_second)
    asyncio.run(FLOODS[asked.kind](attack))
    print(json.dumps(attack.counts))  # noqa: T201 - its answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
