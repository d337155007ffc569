"""Who has trained what, and how it went: a small file, one JSON line a lesson, the oldest make room."""

import os
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Annotated

import msgspec

from posswitch.base.errors import PosswitchError
from posswitch.diagnose.phrases import cause_words
from posswitch.sim.training.tables import words

FILE = "training.jsonl"
OF_ONE_MAX, ALL_MAX = 200, 2_000
_FILE_BYTES_MAX = 4 << 20
_WHO_MAX = 40

_Text = Annotated[str, msgspec.Meta(max_length=80)]


class Entry(msgspec.Struct, frozen=True):
    """One lesson of one person; `cause` is empty where no fault was to be found."""

    at_ns: int
    who: _Text
    lesson: _Text
    cause: _Text
    seed: int
    score: int
    most: int
    diagnosed_s: float | None = None
    acted_s: float | None = None
    money_minor: int = 0
    harmful: int = 0


class Diary:
    """The file; one that cannot be read as a whole keeps what can."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"<diary {self._path.name}>"

    def read(self, who: str = "") -> list[Entry]:
        """The entries in their order, of one person or of all; PosswitchError when there is no reading it."""
        try:
            if self._path.exists() and self._path.stat().st_size > _FILE_BYTES_MAX:
                raise PosswitchError(f"{self._path}: too large for a diary of training; move it away")
            lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        except OSError as error:
            raise PosswitchError(f"{self._path}: {error.strerror}; give --history another file") from None
        return [entry for line in lines if (entry := _read(line)) is not None and who in ("", entry.who)]

    def note(self, entry: Entry) -> None:
        """Adds one, whole or not at all."""
        of_one = [one for one in self.read() if one.who == entry.who][-(OF_ONE_MAX - 1) :]
        others = [one for one in self.read() if one.who != entry.who]
        kept = sorted([*others, *of_one, entry], key=lambda one: one.at_ns)[-ALL_MAX:]
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside.touch(mode=0o600)
            beside.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in kept))
            os.replace(beside, self._path)  # noqa: PTH105 - says that it replaces
        except OSError as error:
            raise PosswitchError(f"{self._path}: {error.strerror}; give --history another file") from None


def _read(line: bytes) -> Entry | None:
    try:
        return msgspec.json.decode(line, type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def known_name(who: str) -> str:
    """A trainee's name; PosswitchError for one that is none."""
    said = " ".join(who.split())
    if not said or len(said) > _WHO_MAX or not said.isprintable():
        raise PosswitchError(f"--who: write a name of at most {_WHO_MAX} characters")
    return said


def summary(entries: list[Entry], who: str, lang: str) -> str:
    """How somebody is doing, in a sentence."""
    if not entries:
        return words("no-past", lang, who=who)
    percent = [100 * entry.score / max(entry.most, 1) for entry in entries]
    by_cause: dict[str, list[float]] = defaultdict(list)
    for entry, points in zip(entries, percent, strict=True):
        if entry.cause:
            by_cause[entry.cause].append(points)
    weakest = min(by_cause, key=lambda cause: mean(by_cause[cause]), default="")
    return words(
        "past", lang, who=who, count=len(entries), mean=round(mean(percent)), last=round(percent[-1]),
        weakest=cause_words(weakest, lang) or words("nothing", lang),
    )  # fmt: skip
