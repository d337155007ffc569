"""What is usual: shares of bad outcomes and volume, by slice; learned slowly, and not while one is suspected.

A share is shrunk to that of its parent as long as little was seen. Volume follows within minutes.
"""

import numpy as np

from posswitch.diagnose.cube import AGAIN, SLICES_MAX, SLOW, STREAMS, Counts
from posswitch.diagnose.signals import Floats, Mask, Sort

_SHARE_HALF_S = 1800.0
_VOLUME_HALF_S = 300.0
_SPREAD_HALF_S = 600.0
_PRIOR = 200.0  # outcomes that the parent's share is worth
_SHARE_MIN, SHARE_MAX = 0.0005, 0.5
_FIRST = np.full(STREAMS, 0.005)  # of everything, before anything was seen
_FIRST[Sort.DECLINE], _FIRST[Sort.PIN], _FIRST[SLOW] = 0.05, 0.01, 0.02
_YOUNG = np.zeros(STREAMS)  # as much may be usual where nobody knows it yet: banks differ
_YOUNG[[Sort.PIN, Sort.ORDER, Sort.LIMIT, Sort.DECLINE, Sort.REGISTRY, AGAIN]] = (
    0.015, 0.01, 0.01, 0.25, 0.01, 0.08,
)  # fmt: skip
_FIRST_OUTCOMES = 200.0
_SPREAD_MAX = 12.0
_KNOWN = 300.0  # outcomes of a slice
_FADES = 2 * _KNOWN  # from so many on the older ones count less and less
_WARM_S = 60.0  # of a slice, before its volume says anything


class Baseline:
    """Arrays over slices; `share` and `rate` are views that nobody may write."""

    def __init__(self, parents: "np.ndarray[tuple[int], np.dtype[np.int32]]") -> None:
        self._parents = parents
        self._bad: Floats = np.zeros((SLICES_MAX, STREAMS))
        self._total: Floats = np.zeros((SLICES_MAX, STREAMS))
        self._bad[0] = _FIRST * _FIRST_OUTCOMES
        self._total[0] = _FIRST_OUTCOMES
        self._rate: Floats = np.zeros(SLICES_MAX)
        self._age_s: Floats = np.zeros(SLICES_MAX)
        self._spread: Floats = np.ones((SLICES_MAX, STREAMS))
        self._volume_spread: Floats = np.ones(SLICES_MAX)

    def __repr__(self) -> str:
        return (
            f"<baseline, {self._rate[0]:.1f} a second, {self._bad[0].sum() / self._total[0].max():.4f} bad>"
        )

    def share(self, size: int) -> Floats:
        """The usual share of bad outcomes, slices × streams."""
        whole = (self._bad[0] / self._total[0])[None, :]
        parents = self._parents[:size]
        parent = (self._bad[parents] + _PRIOR * whole) / (self._total[parents] + _PRIOR)
        share = (self._bad[:size] + _PRIOR * parent) / (self._total[:size] + _PRIOR)
        usual: Floats = np.clip(share, _SHARE_MIN, SHARE_MAX)
        return usual

    def cautious(self, size: int) -> Floats:
        """The share that may be usual: more where little was seen until now."""
        young = self._total[:size] < _KNOWN
        cautious: Floats = np.maximum(self.share(size), np.where(young, _YOUNG[None, :], 0.0))
        return cautious

    def rate(self, size: int) -> Floats:
        """The usual volume a second; 0 for slices that are too young."""
        return np.where(self._age_s[:size] >= _WARM_S, self._rate[:size], 0.0)

    def spread(self, size: int) -> Floats:
        """How many times more shares vary than chance would have them, 1 or more."""
        return self._spread[:size]

    def volume_spread(self, size: int) -> Floats:
        """The same of volume."""
        return self._volume_spread[:size]

    def learn(
        self, seconds: float, counts: Counts, suspected: Mask, volume_suspected: Mask | None = None
    ) -> None:
        """Takes one tick in, but not of suspected slices; of volume those that are suspected of that."""
        size = len(counts.total)
        calm = ~suspected
        faded = 0.5 ** (seconds / _SHARE_HALF_S)
        total = np.broadcast_to(counts.total[:, None], (size, STREAMS)).copy()
        total[:, SLOW], total[:, AGAIN] = counts.answered, counts.came
        self._learn_spread(seconds, counts.bad, total, counts.came, calm)
        keep = np.where(self._total[:size] > _FADES, faded, 1.0)  # a quiet night does not make ignorant
        for array, new in ((self._bad, counts.bad), (self._total, total)):
            array[:size][calm] = array[:size][calm] * keep[calm] + new[calm]
        self._age_s[:size] += seconds
        young = np.minimum(_VOLUME_HALF_S, np.maximum(self._age_s[:size], 1.0))
        weight = 1 - 0.5 ** (seconds / young)
        came = counts.came / seconds
        usual = self._rate[:size]
        learned = calm if volume_suspected is None else ~volume_suspected
        self._rate[:size] = np.where(learned, usual + (came - usual) * weight, usual)

    def _learn_spread(self, seconds: float, bad: Floats, total: Floats, came: Floats, calm: Mask) -> None:
        """By the squares of what was off, in units of what chance allows."""
        size = len(calm)
        weight = 1 - 0.5 ** (seconds / _SPREAD_HALF_S)
        share = self.share(size)
        chance = total * share * (1 - share)
        off = np.where(chance > 0.0, (bad - total * share) ** 2 / np.maximum(chance, 0.05), 1.0)
        spread = self._spread[:size]
        moved = spread + (np.minimum(off, 50.0) - spread) * weight
        self._spread[:size] = np.where(calm[:, None], np.clip(moved, 1.0, _SPREAD_MAX), spread)
        usual = self._rate[:size] * seconds
        off_volume = np.where(usual > 0.0, (came - usual) ** 2 / np.maximum(usual, 0.25), 1.0)
        volume = self._volume_spread[:size]
        moved_volume = volume + (np.minimum(off_volume, 100.0) - volume) * weight
        self._volume_spread[:size] = np.where(calm, np.clip(moved_volume, 1.0, _SPREAD_MAX), volume)

    def begin(self, places: list[int]) -> None:
        """Knows nothing of these slices any more: another value has them."""
        self._bad[places] = self._total[places] = 0.0
        self._rate[places] = self._age_s[places] = 0.0
        self._spread[places] = 1.0
        self._volume_spread[places] = 1.0
