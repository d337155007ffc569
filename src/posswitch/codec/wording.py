"""What values mean, in Chinese and English: the tables `values.tsv` and `emv.tsv`."""

from pathlib import Path
from typing import NamedTuple

from posswitch.base.codes import lookup

_HOME = Path(__file__).parent
_RESPONSES = "response"  # field 39 has a table of its own, in base


class Words(NamedTuple):
    """One meaning in both languages."""

    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} · {self.en}" if self.zh != self.en else self.en


class Tag(NamedTuple):
    """One data object of field 55 (EMV Book 3 annex A, PBOC); `secret` ones are never shown."""

    name: Words
    secret: bool


def rows(name: str) -> list[list[str]]:
    """The rows of a table of this package, without its head."""
    lines = (_HOME / name).read_text("utf-8").splitlines()[1:]
    return [line.split("\t") for line in lines]


_VALUES = {(table, value): Words(zh, en) for table, value, zh, en in rows("values.tsv")}
TAGS = {tag: Tag(Words(zh, en), mark == "yes") for tag, mark, zh, en in rows("emv.tsv")}
TABLES = frozenset(table for table, _ in _VALUES) | {_RESPONSES}


def meaning(table: str, value: str) -> Words | None:
    """What `value` means in a table, or None when nobody knows."""
    if table == _RESPONSES:
        code = lookup(value)
        return Words(code.meaning_zh.rstrip("。"), code.meaning_en.rstrip(".")) if code else None
    return _VALUES.get((table, value))


def mti_words(mti: str) -> Words | None:
    """Class, function and origin of an MTI (ISO 8583:1987), or None when a digit means nothing."""
    if len(mti) != 4:
        return None
    tables = ("mti.version", "mti.class", "mti.function", "mti.origin")
    found = [meaning(table, digit) for table, digit in zip(tables, mti, strict=True)]
    known = [words for words in found if words is not None]
    if len(known) < len(tables):
        return None
    _, kind, function, origin = known
    tail = Words(f"（{origin.zh}）", f" ({origin.en})") if mti[3] != "0" else Words("", "")
    return Words(f"{kind.zh}{function.zh}{tail.zh}", f"{kind.en} {function.en}{tail.en}")
