"""Somebody stands at the desk: what they say, the options in some order, and what the answer was worth."""

import random
from collections.abc import Iterator

from posswitch.diagnose.phrases import LANGS
from posswitch.sim.training.tables import Encounter, Option, words

_LETTERS = "abcdef"


class Visit:
    """One encounter; its options come in an order by chance."""

    def __init__(self, encounter: Encounter, lang: str, chance: random.Random) -> None:
        self.encounter = encounter
        self._lang, self._at = lang, LANGS.index(lang)
        self._options: list[Option] = list(encounter.options)
        chance.shuffle(self._options)

    def __repr__(self) -> str:
        return f"<visit {self.encounter.name}>"

    def asks(self) -> Iterator[str]:
        """What is said, and what may be answered."""
        at = self._at
        yield words(self.encounter.sort, self._lang, who=self.encounter.who[at], says=self.encounter.says[at])
        for letter, option in zip(_LETTERS, self._options, strict=False):
            yield f"  {letter}) {option.text[at]}"

    def chosen(self, letter: str) -> Option | None:
        """The option with this letter, None when there is none."""
        place = _LETTERS.find(letter.strip().lower()) if len(letter.strip()) == 1 else -1
        return self._options[place] if 0 <= place < len(self._options) else None

    def told(self, option: Option) -> str:
        """What the answer was worth, and why."""
        return words("chosen", self._lang, score=f"{option.score:+d}", why=option.why[self._at])
