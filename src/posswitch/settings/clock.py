"""The only reader of time and entropy."""

import os
import time
from typing import Protocol

from posswitch.base.moment import NS_PER_S

_NONCE_BYTES_MAX, _POOL_BYTES = 12, 4096


class Clock(Protocol):
    """Where the node's time comes from; the simulated world brings its own."""

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch; does not step while a node runs."""

    def tick_ns(self) -> int:
        """Monotonic nanoseconds; timers run on it."""

    def rest(self, span_ns: int) -> None:
        """Blocks for `span_ns`, not at all when that is past; loops can only wait in whole milliseconds."""

    def entropy(self, count: int) -> bytes:
        """`count` unpredictable bytes."""


class SystemClock:
    """The machine's clock and entropy."""

    tick_ns = staticmethod(time.monotonic_ns)

    def __init__(self) -> None:
        self._started_ns = time.time_ns() - time.monotonic_ns()
        self._pool = b""
        self._used = 0

    def wall_ns(self) -> int:
        """The wall clock of the start plus monotonic time: a step of the machine's clock moves no payment."""
        return self._started_ns + time.monotonic_ns()

    def rest(self, span_ns: int) -> None:
        """Sleeps; the kernel adds about 60 µs."""
        if span_ns > 0:
            time.sleep(span_ns / NS_PER_S)

    def entropy(self, count: int) -> bytes:
        """Keys come straight from the kernel; nonces from a pool, one system call for hundreds of them."""
        if count > _NONCE_BYTES_MAX:
            return os.urandom(count)
        if self._used + count > len(self._pool):
            self._pool, self._used = os.urandom(_POOL_BYTES), 0
        self._used += count
        return self._pool[self._used - count : self._used]
