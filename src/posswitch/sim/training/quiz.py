"""People only: everybody of one sort, one after the other."""

import random
from collections.abc import Iterator, Sequence

from posswitch.sim.training.people import Visit
from posswitch.sim.training.tables import BEST, Encounter


class Quiz:
    """Takes letters and gives lines until it is `over`."""

    def __init__(self, encounters: Sequence[Encounter], lang: str, chance: random.Random) -> None:
        self._waiting = list(encounters)
        chance.shuffle(self._waiting)
        self._lang, self._chance = lang, chance
        self._answers: list[int] = []
        self._visit = self._next()

    def __repr__(self) -> str:
        return f"<quiz, {len(self._waiting)} wait>"

    def _next(self) -> Visit | None:
        return Visit(self._waiting.pop(0), self._lang, self._chance) if self._waiting else None

    @property
    def over(self) -> bool:
        """Whether nobody is left."""
        return self._visit is None

    @property
    def score(self) -> int:
        """Points, never less than nothing."""
        return max(sum(self._answers), 0)

    @property
    def most(self) -> int:
        """What the best answers so far would have made."""
        return BEST * len(self._answers)

    def begin(self) -> Iterator[str]:
        """The first one speaks."""
        if self._visit is not None:
            yield from self._visit.asks()

    def heard(self, line: str) -> Iterator[str]:
        """What an answer is worth, and the next one."""
        if self._visit is None:
            return
        option = self._visit.chosen(line)
        if option is not None:
            self._answers.append(option.score)
            yield self._visit.told(option)
            self._visit = self._next()
        yield from self.begin()
