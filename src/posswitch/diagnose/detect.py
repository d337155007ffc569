"""Sequential tests: has something changed in a slice, and since when?

Cumulative sums (E. S. Page, 1954) of how much likelier the counts are if it has: of bad outcomes among all,
for a small and a large change; of volume, both ways. What is usual follows slowly (see `baseline`), and not
at all while a slice is suspected.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.baseline import SHARE_MAX, Baseline
from posswitch.diagnose.cube import AGAIN, SLICES_MAX, SLOW, STREAMS, Counts, Cube
from posswitch.diagnose.signals import Dim, Floats, Mask

ALARM = 25.0  # of the log likelihood ratio: about seven a week over 400 slices, before they are looked into
SUSPECT = 6.0  # from here on nothing is learned
_SMALL_TIMES, _SMALL_PLUS = 4.0, 0.03  # a small change: so many times what is usual, and so much
_LARGE = 0.5  # a large one: this share
_LEAST, _MOST = 0.30, 3.0  # of the usual volume
_LEAST_OF_ALL = 0.15  # of everything: it varies more
_LATELY_S = 5.0  # half of what is known of the level that all have in common
_LEVEL = 0.2, 5.0
_LEVEL_MIN, _LEVEL_PLACES = 5.0, 4  # so many were usual lately, at so many places
_VOLUME_MIN = 0.5  # a second: below it silence says little
_MUCH_MIN = 0.02
_USUAL_NS = 600 * NS_PER_S  # of more than usual, and it is what is usual
_STALL, _STALL_S = 0.4 * ALARM, 0.25  # slow answers say no more in so long: a stall holds many back at once
_CAP = 1.4 * ALARM  # beyond it nothing more is learned from, and the way back stays short


class Change(IntEnum):
    """What has changed."""

    BAD = 0
    LITTLE = 1  # less comes than usual
    MUCH = 2


class Alarm(NamedTuple):
    """One slice in which something has changed, since when, how surely (natural logarithm of the odds)."""

    place: int  # of the cube's slices
    change: Change
    stream: int  # which outcomes are bad; 0 for a change of volume
    since_ns: int
    score: float


class Detectors:
    """Over all slices at once."""

    def __init__(self, baseline: Baseline, cube: Cube | None = None) -> None:
        """With a cube, the volume of a slice is held against what the others have in common."""
        self._usual, self._cube = baseline, cube
        self._lately: Floats = np.zeros((2, SLICES_MAX))  # what was usual, what came
        shape = (2, SLICES_MAX, STREAMS)
        self._bad: Floats = np.zeros(shape)
        self._bad_since = np.zeros(shape, np.int64)
        self._volume: Floats = np.zeros((2, SLICES_MAX))
        self._volume_since = np.zeros((2, SLICES_MAX), np.int64)

    def __repr__(self) -> str:
        return f"<detectors, highest {self._bad.max():.1f}>"

    def learn(self, seconds: float, counts: Counts) -> None:
        """Takes one tick in as usual: nobody knows yet what is not."""
        size = len(counts.total)
        self._usual.learn(seconds, counts, np.zeros(size, bool))

    def look(self, at_ns: int, seconds: float, counts: Counts) -> list[Alarm]:
        """Takes one tick in; every slice that stands above the line."""
        size = len(counts.total)
        self._take_bad(at_ns, seconds, counts, size)
        self._take_volume(at_ns, seconds, counts, size)
        suspected = self.suspected(size)
        stands = self._volume[1, :size] >= SUSPECT
        stands &= at_ns - self._volume_since[1, :size] > _USUAL_NS
        self._usual.learn(seconds, counts, suspected, suspected & ~stands)
        return self._alarms(size)

    def suspected(self, size: int) -> Mask:
        """Which slices are not learned from."""
        calm = (self._bad[:, :size].max((0, 2)) < SUSPECT) & (self._volume[:, :size].max(0) < SUSPECT)
        suspected: Mask = ~calm
        return suspected

    def forget(self, places: "list[int]") -> None:
        """Begins anew in these slices: another value has them, or what was wrong is over."""
        self._bad[:, places] = 0.0
        self._volume[:, places] = 0.0

    def _take_bad(self, at_ns: int, seconds: float, counts: Counts, size: int) -> None:
        usual = self._usual.cautious(size)
        total = np.broadcast_to(counts.total[:, None], usual.shape).copy()
        total[:, SLOW], total[:, AGAIN] = counts.answered, counts.came
        bad = counts.bad
        good = np.maximum(total - bad, 0.0)
        small = np.minimum(np.maximum(_SMALL_TIMES * usual, usual + _SMALL_PLUS), 0.9)
        large = np.minimum(np.maximum(_LARGE, 0.5 + usual / 2), 0.95)
        for index, changed in enumerate((small, large)):
            gain = bad * np.log(changed / usual) + good * np.log((1 - changed) / (1 - usual))
            gain /= self._usual.spread(size)
            gain[usual >= SHARE_MAX] = 0.0  # where it is bad more often than not, one more says nothing
            gain[:, SLOW] = np.minimum(gain[:, SLOW], _STALL * max(seconds / _STALL_S, 1.0))
            _accumulate(self._bad[index, :size], self._bad_since[index, :size], gain, at_ns)
        self._bad[:, :size, 0] = 0.0  # the column of good ones

    def _take_volume(self, at_ns: int, seconds: float, counts: Counts, size: int) -> None:
        usual = self._usual.rate(size) * seconds
        came = counts.came
        spread = self._usual.volume_spread(size)
        level = self._level(seconds, usual, came)
        usual[1:] *= level
        least = np.full(size, _LEAST)
        least[0] = _LEAST_OF_ALL
        for index, times in enumerate((least, np.full(size, _MOST))):
            gain = came * np.log(times) + usual * (1 - times)
            known = usual >= (_VOLUME_MIN if index == 0 else _MUCH_MIN) * seconds
            gain = np.where(known, gain, 0.0) / spread
            _accumulate(self._volume[index, :size], self._volume_since[index, :size], gain, at_ns)

    def _level(self, seconds: float, usual: Floats, came: Floats) -> float:
        """How many times the usual comes everywhere: of regions, or of sources, the middle one."""
        lately = self._lately[:, : len(usual)]
        lately *= 0.5 ** (seconds / _LATELY_S)
        lately += usual, np.where(usual > 0.0, came, 0.0)
        if self._cube is None:
            return 1.0
        for dim in (Dim.REGION, Dim.SOURCE):
            places = list(self._cube.values(dim).values())
            known = [place for place in places if lately[0, place] >= _LEVEL_MIN]
            if len(known) >= _LEVEL_PLACES:
                level = float(np.median(lately[1, known] / lately[0, known]))
                return min(max(level, _LEVEL[0]), _LEVEL[1])
        return 1.0

    def _alarms(self, size: int) -> list[Alarm]:
        found = [
            Alarm(int(place), Change.BAD, int(stream), int(self._bad_since[index, place, stream]),
                  float(self._bad[index, place, stream]))
            for index in range(2)
            for place, stream in np.argwhere(self._bad[index, :size] >= ALARM)
        ]  # fmt: skip
        found += [
            Alarm(
                int(place),
                change,
                0,
                int(self._volume_since[index, place]),
                float(self._volume[index, place]),
            )
            for index, change in enumerate((Change.LITTLE, Change.MUCH))
            for (place,) in np.argwhere(self._volume[index, :size] >= ALARM)
        ]
        return found


def _accumulate(
    sums: Floats, since: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]", gain: Floats, at_ns: int
) -> None:
    """Page's rule; since when a sum has been above zero."""
    began = (sums <= 0.0) & (gain > 0.0)
    since[began] = at_ns
    np.clip(sums + gain, 0.0, _CAP, out=sums)
