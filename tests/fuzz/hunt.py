"""The hunt: aims inputs at a target, names what escapes, makes it small and keeps it."""

import random
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import msgspec

from .mutations import mutated
from .targets import TARGETS, seeds_of

BLOCK_RUNS = 20_000  # inputs of one random stream: the same whoever runs the block
WORK_S_MAX = 1.0  # CPU time after which an input is too much work; the next tick ends it
_TRIES_MAX = 3000  # to make an input smaller
_HERE = "posswitch"


class TooMuchWork(Exception):
    """One input kept a target busy from one tick of the CPU clock to the next but one."""


class Escape(msgspec.Struct):
    """What came out of a target that is no documented error; `where` is the innermost own function."""

    target: str
    what: str
    where: str
    data: bytes
    times: int = 1

    @property
    def key(self) -> tuple[str, str, str]:
        """Escapes with the same key are the same finding."""
        return self.target, self.what.partition(":")[0], self.where

    def keep(self, folder: Path) -> Path:
        """Writes the reproducer."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.target}--{sha256(repr(self.key).encode()).hexdigest()[:8]}.bin"
        path.write_bytes(self.data)
        return path


class Bag(dict[tuple[str, str, str], Escape]):
    """Escapes, each once, with how often it was met."""

    def take(self, escape: Escape) -> bool:
        """Adds one; True when it is new."""
        known = self.get(escape.key)
        if known is None:
            self[escape.key] = escape
            return True
        known.times += escape.times
        return False


class Watch:
    """Says `TooMuchWork` inside an input that does not end; costs one attribute an input."""

    def __init__(self, work_s_max: float = WORK_S_MAX) -> None:
        self.run = -1
        self._seen = -1
        self._work_s_max = work_s_max

    @contextmanager
    def on(self) -> Iterator["Watch"]:
        """Watches this thread's CPU time; the main thread's only."""
        before = signal.signal(signal.SIGVTALRM, self._tick)
        signal.setitimer(signal.ITIMER_VIRTUAL, self._work_s_max, self._work_s_max)
        try:
            yield self
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)

    def _tick(self, *_: object) -> None:
        if self.run == self._seen and self.run >= 0:
            raise TooMuchWork(f"more than {self._work_s_max} s")
        self._seen = self.run


def escape_of(name: str, data: bytes, error: BaseException) -> Escape:
    """The finding that an exception is."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _HERE in frame.filename]
    inner = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
    text = f"{type(error).__name__}: {error}".encode("ascii", "backslashreplace").decode()[:200]
    if isinstance(error, AssertionError):
        text = f"{error} (AssertionError)"  # the reason is the finding
    return Escape(name, text, f"{Path(inner.filename).name}:{inner.name}", data)


def tried(name: str, data: bytes) -> Escape | None:
    """One input; what escapes, if anything."""
    try:
        TARGETS[name].read(data)
    except Exception as error:
        return escape_of(name, data, error)
    return None


def block(name: str, seed: int, number: int, runs: int, watch: Watch) -> tuple[int, Bag]:
    """`runs` inputs of block `number`: how many were read, and what escaped."""
    bits = random.Random(f"{seed}/{name}/{number}").getrandbits
    read, seeds, words = TARGETS[name].read, seeds_of(name), TARGETS[name].words
    found, known = Bag(), 0
    for watch.run in range(runs):  # one loop: mutate, read, count
        data = mutated(bits, seeds, words)
        try:
            known += read(data)
        except Exception as error:
            found.take(escape_of(name, data, error))
    watch.run = -1
    return known, found


def smaller(escape: Escape, again: Callable[[str, bytes], Escape | None] = tried) -> Escape:
    """The same finding with as few bytes as a patient search needs."""
    best, tries, size = escape, 0, len(escape.data) // 2
    while size and tries < _TRIES_MAX:
        at = 0
        while at < len(best.data) and tries < _TRIES_MAX:
            tries += 1
            found = again(best.target, best.data[:at] + best.data[at + size :])
            if found is not None and found.key == escape.key:
                found.times, best = best.times, found
            else:
                at += size
        size //= 2
    return best
