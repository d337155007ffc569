"""One line of the daily inspection: how a check stands, its figures, what to do; `data/inspection.tsv`."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files

import msgspec

from posswitch.base.card import scrub
from posswitch.settings.finding import one_line

_SHOWN_MAX = 300
_NAMED_MAX = 5  # places in a line; of more the number


class Standing(StrEnum):
    """How well something is."""

    WELL = "well"
    ATTENTION = "attention"  # somebody should look at it today
    WRONG = "wrong"  # somebody must do something now


class Line(msgspec.Struct, frozen=True):
    """What one check says; `name` is its row of the table, without what to do where it stands well."""

    check: str
    name: str
    standing: Standing
    figures: dict[str, str]
    zh: str
    en: str
    do_zh: str
    do_en: str


@cache
def rows() -> dict[str, list[str]]:
    """Standing, sentence and remedy in both languages, of every name."""
    text = (files("posswitch.office") / "data" / "inspection.tsv").read_text(encoding="utf-8")
    return {name: rest for name, *rest in (line.split("\t") for line in text.splitlines()[1:])}


def said(name: str, **figures: object) -> Line:
    """A line by its name, `check.what`; `figures` go into its sentences."""
    standing, *texts = rows()[name]
    shown = {key: scrub(one_line(str(value)))[:_SHOWN_MAX] for key, value in figures.items()}
    zh, en, do_zh, do_en = (text.format(**shown) for text in texts)
    return Line(name.partition(".")[0], name, Standing(standing), shown, zh, en, do_zh, do_en)


def unseen(check: str, why: object) -> Line:
    """What could not be looked at counts as wrong."""
    return msgspec.structs.replace(said("any.unseen", why=why), check=check)


def few(names: Iterable[str]) -> str:
    """The first names and how many more there are."""
    listed = list(names)
    more = f" +{len(listed) - _NAMED_MAX}" if len(listed) > _NAMED_MAX else ""
    return ", ".join(listed[:_NAMED_MAX]) + more


def share(part: float, whole: float) -> str:
    """A share for people."""
    return f"{part / whole:.1%}" if whole else "0%"


def worst(lines: Iterable[Line]) -> Standing:
    """The worst of some lines."""
    found = {line.standing for line in lines}
    return next((one for one in reversed(Standing) if one in found), Standing.WELL)


def counts(lines: Iterable[Line]) -> Mapping[Standing, int]:
    """How many lines stand how."""
    listed = list(lines)
    return {one: sum(line.standing is one for line in listed) for one in Standing}
