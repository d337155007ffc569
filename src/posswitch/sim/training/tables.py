"""The tables of training: lessons, people who call or complain and what may be answered; zh and en."""

from collections.abc import Iterator
from importlib.resources import files

import msgspec

from posswitch.base.errors import PosswitchError
from posswitch.diagnose.phrases import DEEDS, LANGS
from posswitch.sim.drills.table import DRILLS

CALL, COMPLAINT = "call", "complaint"
ROLL_BACK, WAIT = "roll-back", "wait"  # acts beside the deeds of diagnosis
ACTS = (*DEEDS, ROLL_BACK, WAIT)
BEST = 10


class Lesson(msgspec.Struct, frozen=True):
    """A drill to be trained: acts that help, and acts that do harm."""

    drill: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]


class Option(msgspec.Struct, frozen=True):
    """One answer to somebody: its points (10 is best), its words by language, and why."""

    score: int
    text: tuple[str, ...]
    why: tuple[str, ...]


class Encounter(msgspec.Struct, frozen=True):
    """Somebody who calls and wants something, or complains."""

    name: str
    sort: str
    who: tuple[str, ...]
    says: tuple[str, ...]
    options: tuple[Option, ...]


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = (files("posswitch.sim.training") / "data" / f"{name}.tsv").read_text(encoding="utf-8")
    head, *lines = (line.split("\t") for line in text.splitlines())
    for line in lines:
        yield dict(zip(head, line, strict=True))


def _both(row: dict[str, str], column: str) -> tuple[str, ...]:
    return tuple(row[f"{column}_{lang}"] for lang in LANGS)


def _lessons() -> Iterator[Lesson]:
    for row in _rows("lessons"):
        yield Lesson(row["drill"], tuple(row["right"].split(",")), tuple(row["wrong"].split(",")))


def _encounters() -> Iterator[Encounter]:
    options: dict[str, list[Option]] = {}
    for row in _rows("options"):
        option = Option(int(row["score"]), _both(row, "text"), _both(row, "why"))
        options.setdefault(row["scene"], []).append(option)
    for row in _rows("scenes"):
        said = tuple(options.pop(row["scene"]))
        yield Encounter(row["scene"], row["sort"], _both(row, "who"), _both(row, "says"), said)
    assert not options, f"options.tsv: nobody says {next(iter(options))}"


LESSONS = {lesson.drill: lesson for lesson in _lessons()}
ENCOUNTERS = {one.name: one for one in _encounters()}
_WORDS = {row["word"]: tuple(row[lang] for lang in LANGS) for row in _rows("words")}

assert all(name in DRILLS for name in LESSONS)
assert all({*one.right, *one.wrong} <= set(ACTS) for one in LESSONS.values())
assert all(one.sort in (CALL, COMPLAINT) for one in ENCOUNTERS.values())
assert all(max(option.score for option in one.options) == BEST for one in ENCOUNTERS.values())


def words(name: str, lang: str, **slots: object) -> str:
    """A sentence of training with its slots filled; lines are parted by line ends."""
    if lang not in LANGS:
        raise PosswitchError(f"language {lang!r} is not known: use zh or en")
    return _WORDS[name][LANGS.index(lang)].replace("|", "\n").format(**slots)


def act_title(act: str, lang: str) -> str:
    """What an act is called."""
    return DEEDS[act].say("title", lang) if act in DEEDS else words(act, lang)
