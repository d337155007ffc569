"""How many requests a bank may have under way at once, found from how long its answers take.

A gradient of delays (as in Netflix's concurrency-limits, Gradient2; the idea is TCP Vegas, L. Brakmo and
L. Peterson, 1994): while answers take as long as they usually do the window grows by the root of itself, when
they take longer it shrinks in proportion. So a bank that gets slow is asked less at once, instead of hoarding
every payment that others could have been asked for.
"""

from math import sqrt

from posswitch.base.bounds import OPEN_PER_BANK_MAX, WINDOW_FIRST, WINDOW_MIN
from posswitch.base.moment import NS_PER_S

_TOLERANCE = 2.0  # times what is usual, before the window shrinks
_SMOOTHING = 0.2
_LONG, _SHORT = 1 / 600, 1 / 10  # weights of a new answer in what is usual, and in what is now
_SLOW_NS_MIN = NS_PER_S // 2  # at least, for we may be slow ourselves
_STALE = 2.0  # times what is now: then what is usual is out of date


class Window:
    """Of one bank, over all its links."""

    __slots__ = ("_long_ns", "_short_ns", "_size")

    def __init__(self) -> None:
        self._size = float(WINDOW_FIRST)
        self._long_ns = self._short_ns = 0.0

    def __repr__(self) -> str:
        return f"<window {self.cap}, usual {self._long_ns / 1e6:.1f} ms, now {self._short_ns / 1e6:.1f} ms>"

    @property
    def cap(self) -> int:
        """So many may be under way."""
        return int(self._size)

    def answered(self, took_ns: int, under_way: int) -> None:
        """An answer took so long, with so many under way."""
        took_ns = max(took_ns, 1)
        if not self._long_ns:
            self._long_ns = self._short_ns = float(took_ns)
        self._long_ns += (took_ns - self._long_ns) * _LONG
        self._short_ns += (took_ns - self._short_ns) * _SHORT
        if self._long_ns > _STALE * self._short_ns:  # it was slow for long, and is not any more
            self._long_ns *= 0.95
        fair_ns = max(_TOLERANCE * self._long_ns, _SLOW_NS_MIN)
        slow = self._short_ns > fair_ns
        if under_way < self._size / 2 and not slow:
            return  # what is not used says nothing about what could be
        gradient = max(0.5, min(1.0, fair_ns / self._short_ns))
        aim = self._size * gradient + sqrt(self._size)
        size = self._size * (1 - _SMOOTHING) + aim * _SMOOTHING
        self._size = min(max(size, float(WINDOW_MIN)), float(OPEN_PER_BANK_MAX))
