"""The only reader of time and entropy."""

import os
import time
from typing import Protocol


class Clock(Protocol):
    """Where the node's time comes from; the simulated world brings its own."""

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch; may step."""

    def tick_ns(self) -> int:
        """Monotonic nanoseconds; timers run on it."""

    def entropy(self, count: int) -> bytes:
        """`count` unpredictable bytes."""


class SystemClock:
    """The machine's clock and entropy."""

    wall_ns = staticmethod(time.time_ns)
    tick_ns = staticmethod(time.monotonic_ns)
    entropy = staticmethod(os.urandom)
