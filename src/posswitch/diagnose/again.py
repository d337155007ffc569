"""Which requests come once more, which failures are one customer's: by card and terminal, within seconds.

A void is not its sale once more: a request is asked again only where kind and amount are the same, too.
"""

import numpy as np

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.signals import Dim, Ints, Mask, Sort
from posswitch.journal.vitals import Column, How

_REQUESTS_NS, _FAILURES_NS = 10 * NS_PER_S, 60 * NS_PER_S  # that are remembered, and as long once more
_KEPT_MAX = 200_000
_APART = 0x9E37_79B9_7F4A_7C15 - (1 << 64)  # odd, its bits spread: kinds and amounts of one card are apart
_EACH_MAX = 2  # of one card at one terminal that count as coming again, in all that time
ITS_OWN = (Sort.FAIL, Sort.PIN, Sort.LIMIT, Sort.DECLINE)  # what a customer can have by himself


class Again:
    """Remembers who has just been there."""

    def __init__(self) -> None:
        self._requests = _Lately(_REQUESTS_NS)
        self._failures = _Lately(_FAILURES_NS)

    def __repr__(self) -> str:
        return f"<{len(self._requests)} requests, {len(self._failures)} failures lately>"

    def look(self, at_ns: int, columns: Ints, sorts: Ints, outcomes: Ints) -> tuple[Mask, Mask]:
        """Of each outcome: whether its request came once more, whether it fails where its card has failed."""
        how = outcomes[:, Column.HOW]
        cards = outcomes[:, Column.CARD].astype(np.int64)
        keys = (columns[Dim.TERMINAL].astype(np.int64) << 32) | (cards & 0xFFFF_FFFF)
        what = (columns[Dim.KIND].astype(np.int64) << 8) | outcomes[:, Column.BAND]
        requests = keys ^ what * _APART
        asked = (cards != 0) & (how != How.OVERDUE) & (how != How.REPEAT)  # overdue ones have yet to end
        again = how == How.REPEAT
        rows = np.flatnonzero(asked)
        again[rows] = [0 < seen <= _EACH_MAX for seen in self._requests.seen(at_ns, requests[rows].tolist())]
        failed = np.flatnonzero((cards != 0) & np.isin(sorts, ITS_OWN))
        stale = np.zeros(len(how), bool)
        stale[failed] = [seen > 0 for seen in self._failures.seen(at_ns, keys[failed].tolist())]
        return again, stale


class _Lately:
    """How often each key was there in the last so many nanoseconds, up to twice as many; bounded."""

    def __init__(self, kept_ns: int) -> None:
        self._kept_ns = kept_ns
        self._since_ns = 0
        self._new: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def seen(self, at_ns: int, keys: list[int]) -> list[int]:
        """Of each: how often before; then it has been there once more."""
        rounds = (at_ns - self._since_ns) // self._kept_ns
        if rounds or len(self._new) > _KEPT_MAX:
            self._old, self._new = self._new if rounds <= 1 else {}, {}  # clocks go back, too
            self._since_ns = at_ns if rounds < 0 else self._since_ns + rounds * self._kept_ns
        new, old = self._new, self._old
        found = []
        for key in keys:
            before = new.get(key) or old.get(key, 0)
            new[key] = before + 1
            found.append(before)
        return found
