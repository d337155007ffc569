"""How long each bank usually takes, from its last answers while nothing was suspected of it."""

from collections import deque

import numpy as np

from posswitch.diagnose.signals import Dim, Ints, Mask
from posswitch.journal.vitals import Column, How

_KEPT = 400  # answers of a bank
_EVERY = 40  # new ones, and the figures are made again
_SLOW_TIMES, _SLOW_PLUS_MS = 2.0, 20.0  # beyond what nine of ten take
_OWN_WEIGHT = 0.02
_BANKS_MAX = 1024


class Latencies:
    """Of every bank, by its id."""

    def __init__(self) -> None:
        self._kept: dict[int, deque[float]] = {}
        self._new: dict[int, int] = {}
        self._half_ms: dict[int, float] = {}
        self._slow_ms = np.full(1, np.inf)
        self.own_ms = 0.0  # half of what banks answer takes this centre less, beside the bank

    def __repr__(self) -> str:
        return f"<latencies of {len(self._half_ms)} banks>"

    def half_ms(self, bank: int) -> float:
        """Half of its answers are faster; 0 where too little is known."""
        return self._half_ms.get(bank, 0.0)

    def slow(self, columns: Ints, outcomes: Ints) -> Mask:
        """Which answers of banks took much longer than is usual for them."""
        banks = np.minimum(columns[Dim.BANK], len(self._slow_ms) - 1)
        took_ms = outcomes[:, Column.BANK_US] / 1000
        known = columns[Dim.BANK] < len(self._slow_ms)
        slow: Mask = (outcomes[:, Column.HOW] == How.BANK) & known & (took_ms > self._slow_ms[banks])
        return slow

    def learn(self, columns: Ints, outcomes: Ints, suspected: set[int]) -> None:
        """Takes answers in, but not of suspected banks."""
        answered = outcomes[:, Column.HOW] == How.BANK
        banks = columns[Dim.BANK][answered]
        if not suspected and len(banks):
            own = outcomes[answered, Column.WAIT_US] - outcomes[answered, Column.BANK_US]
            half = float(np.median(own)) / 1000
            self.own_ms += (half - self.own_ms) * (_OWN_WEIGHT if self.own_ms else 1.0)
        took_ms = outcomes[answered, Column.BANK_US] / 1000
        for bank in np.unique(banks).tolist():
            if not bank or bank in suspected or (bank not in self._kept and len(self._kept) >= _BANKS_MAX):
                continue
            mine = took_ms[banks == bank]
            kept = self._kept.setdefault(bank, deque(maxlen=_KEPT))
            kept.extend(mine[-_KEPT:].tolist())
            self._new[bank] = self._new.get(bank, 0) + len(mine)
            if self._new[bank] >= _EVERY:
                self._new[bank] = 0
                self._measure(bank, np.array(kept))

    def _measure(self, bank: int, kept: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> None:
        half, most = np.quantile(kept, (0.5, 0.9))
        self._half_ms[bank] = float(half)
        if bank >= len(self._slow_ms):
            self._slow_ms = np.concatenate((self._slow_ms, np.full(bank + 1 - len(self._slow_ms), np.inf)))
        self._slow_ms[bank] = max(_SLOW_TIMES * float(most), float(most) + _SLOW_PLUS_MS)
