"""What a duty is worth: points for the diagnosis, the act, speed, and how people were answered."""

import msgspec

CAUSE, KIND, PLACE, ACT, SPEED, PEOPLE = 15, 15, 20, 25, 15, 10
MOST = CAUSE + KIND + PLACE + ACT + SPEED + PEOPLE
HARM, GUESS = 10, 3  # taken off for each harmful act, for each diagnosis that is wrong
_FAST_S, _SLOW_S = 60.0, 300.0  # all the points for speed, and none


class Score(msgspec.Struct, frozen=True):
    """The points of one duty."""

    diagnosis: int = 0
    action: int = 0
    speed: int = 0
    scenes: int = 0
    lost: int = 0

    @property
    def total(self) -> int:
        """Never less than nothing."""
        return max(self.diagnosis + self.action + self.speed + self.scenes - self.lost, 0)


def speed_points(diagnosed_s: float | None, acted_s: float | None) -> int:
    """Half for the diagnosis, half for the act; nothing for what was never done."""
    return round(sum(SPEED / 2 * _quickness(seconds) for seconds in (diagnosed_s, acted_s)))


def _quickness(seconds: float | None) -> float:
    if seconds is None:
        return 0.0
    return min(max((_SLOW_S - seconds) / (_SLOW_S - _FAST_S), 0.0), 1.0)


def people_points(answers: list[int], most: int) -> int:
    """Of what everybody who came was answered; all the points where nobody did."""
    return max(round(PEOPLE * sum(answers) / most), -PEOPLE) if most else PEOPLE
