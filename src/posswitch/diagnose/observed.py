"""What was observed, in words: figures in their units, evidence, causes that remain or are ruled out."""

from collections.abc import Mapping, Sequence

from posswitch.diagnose.incident import Evidence, Guess
from posswitch.diagnose.phrases import FEATURES, LANGS, fill, kind_of
from posswitch.diagnose.places import Names, at_words, line_words, place_words, spaced, target_words

SEMICOLON = {"zh": "；", "en": "; "}
_TEXT_MAX = 60  # of a figure that is a text
_GUESS = {"zh": "{title}，{share}", "en": "{title}, {share}"}
_RULED_OUT = {"zh": "{title}[：{because}]", "en": "{title}[: {because}]"}
_SCALES = {  # unit → (from, divided by, digits, what it is called)
    "ms": ((120_000, 60_000, 0, ("分钟", "min")), (1000, 1000, 1, ("秒", "s")), (0, 1, 0, ("毫秒", "ms"))),
    "us": (
        (1_000_000, 1_000_000, 1, ("秒", "s")),
        (1000, 1000, 1, ("毫秒", "ms")),
        (0, 1, 0, ("微秒", "µs")),
    ),
    "s": ((7200, 3600, 1, ("小时", "h")), (120, 60, 0, ("分钟", "min")), (0, 1, 0, ("秒", "s"))),
    "times": ((0, 1, 1, ("倍", "times")),),
}


def where_slots(place: Mapping[str, str], lang: str, names: Names) -> dict[str, str]:
    """A place in the forms that sentences ask for; `some` and `there` are empty for the whole centre."""
    said, at = place_words(place, lang, names), at_words(place, lang, names)
    return {
        "place": said,
        "at": at,
        "line": line_words(place, lang, names),
        "some": said if place else "",
        "there": at if place else "",
    }


def finished(text: str, lang: str) -> str:
    """A sentence as it stands alone: set in its language and, in English, with a capital."""
    return spaced(text, lang) if lang == "zh" else text[:1].upper() + text[1:]


def figure_words(value: float | str, unit: str, lang: str) -> str:
    """A figure in its unit, for people; a text as it stands."""
    if isinstance(value, str):
        return " ".join(value.split())[:_TEXT_MAX]
    if unit == "share":
        percent = value * 100
        return f"{percent:.0f} %" if percent >= 10 or percent == round(percent) else f"{percent:.1f} %"
    for least, divisor, digits, called in _SCALES.get(unit, ()):
        if value >= least:
            return f"{value / divisor:,.{digits}f} {called[LANGS.index(lang)]}"
    if unit == "count" or value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.2g}" if abs(value) < 10 else f"{value:,.0f}"


def observations(rows: Sequence[Evidence], place: str, lang: str, names: Names) -> list[str]:
    """Each observation at a place, once; one with a weight below 0 was looked for and does not hold."""
    said = (feature_words(row.name, row.figures, place, lang, names, holds=row.weight >= 0) for row in rows)
    return list(dict.fromkeys(said))


def feature_words(
    name: str, figures: Mapping[str, float | str], place: str, lang: str, names: Names, *, holds: bool
) -> str:
    """A feature that holds, or that it does not; its name where this version has no row for it.

    `figures` may bring a place of its own, as `link 90010000/1`.
    """
    row = FEATURES.get(name)
    if row is None:
        return name
    slots = {key: figure_words(value, row.unit, lang) for key, value in figures.items() if key != "place"}
    other = ""
    if told := str(figures.get("place", "")):
        dim, _, value = told.partition(" ")
        other = target_words(dim, value, lang, names) if value else target_words("", told, lang, names)
    slots |= {"place": other or place, "other": other}
    return spaced(fill(row.say("for" if holds else "not", lang), slots), lang)


def guess_words(guess: Guess, place: Mapping[str, str], lang: str, names: Names) -> str:
    """A cause that remains, and how likely it is."""
    slots = {
        "title": _title(guess, place, lang, names),
        "share": figure_words(guess.probability, "share", lang),
    }
    return fill(_GUESS[lang], slots)


def ruled_words(guess: Guess, place: Mapping[str, str], lang: str, names: Names) -> str:
    """A cause that was ruled out, and what it lacks."""
    where = place_words(place, lang, names)
    lacks = (feature_words(name, {}, where, lang, names, holds=False) for name in guess.lacks)
    because = SEMICOLON[lang].join(dict.fromkeys(lacks))
    return fill(_RULED_OUT[lang], {"title": _title(guess, place, lang, names), "because": because})


def _title(guess: Guess, place: Mapping[str, str], lang: str, names: Names) -> str:
    return finished(fill(kind_of(guess.kind).say("title", lang), where_slots(place, lang, names)), lang)
