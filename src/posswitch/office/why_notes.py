"""The engine's own words for what it decided, in Chinese: `data/why_notes.tsv`, tried row by row."""

import re
from importlib.resources import files

from posswitch.codec.wording import Words
from posswitch.office.why_words import TEXTS, kind_words

_PREFIXES = (("stand-in: ", "代授权："), ("on trial, ", "试行："))
_VALUES = {"today": "今日", "this month": "本月"}
_SAYS = re.compile(r"field (\d+) says (.*?), sent was ([^,]*)")
_FIELD = re.compile(r"field (\d+)")


def _read() -> tuple[tuple[re.Pattern[str], str], ...]:
    text = (files("posswitch.office") / "data" / "why_notes.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines()[1:])
    return tuple((re.compile(noted), zh) for noted, zh in rows)


NOTES = _read()


def note_words(note: str) -> Words:
    """What the engine noted, in both languages; what the table does not have stays as it is."""
    return Words("；".join(_zh(part) for part in note.split("; ")), note) if note else Words("", "")


def _zh(note: str) -> str:
    for begins, zh in _PREFIXES:
        if note.startswith(begins):
            return zh + _zh(note.removeprefix(begins))
    for noted, zh in NOTES:
        found = noted.fullmatch(note)
        if found is not None:
            return zh.format(**{name: _value(name, value) for name, value in found.groupdict().items()})
    return note


def _value(name: str, value: str) -> str:
    """What varies in a note, in Chinese where it is a word."""
    if name.startswith("kind"):
        return kind_words(value).zh
    if name == "state":
        return TEXTS["word", f"state.{value}"].zh
    if name == "limit":
        return "此卡每日限额" if value.startswith("card's") else value.replace("limit ", "限额 ", 1)
    if name == "what":
        return _FIELD.sub(r"\1 域", _SAYS.sub(r"\1 域应答为“\2”，发出为“\3”", value))
    return _VALUES.get(value, value)
