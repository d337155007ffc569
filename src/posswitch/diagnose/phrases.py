"""The sentences of diagnosis as they stand in `data/*.tsv`: kinds of anomalies, features, deeds, tiles.

A sentence may have slots (`{place}`), and parts in brackets that are left out when a slot in them is empty.
What is said in steps has `|` between them. Every row is complete in both languages: it is checked at import.
"""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from string import Formatter
from typing import TypeVar

import msgspec

from posswitch.base.errors import PosswitchError

LANGS = ("zh", "en")
CAUSES = {
    "network": ("网络", "network"),
    "overload": ("过载", "overload"),
    "fault": ("系统故障", "system fault"),
    "data": ("数据", "data"),
    "security": ("安全", "security"),
    "limit": ("限额", "limit"),
    "order": ("交易勾对", "order"),
    "key": ("密钥", "key"),
    "bank": ("银行", "bank"),
    "clock": ("时钟", "clock"),
    "settlement": ("清算", "settlement"),
}
INCONCLUSIVE = "inconclusive"  # the row of an incident whose kind is not known
UNITS = ("", "count", "share", "times", "rate", "ms", "us", "s", "text")
_YES_NO = ("yes", "no")
_PART = re.compile(r"\[([^\[\]]*)\]")
_WHERE = frozenset({"place", "at", "line", "some", "there"})
_SEEN = frozenset({"figure", "usual", "place", "other"})  # `other`: only where it is not the incident's own
# column → its slots; a column that is not here has none
_SLOTS = {
    "title": _WHERE,
    "sentence": _WHERE | {"affected", "since"},
    "operator": _WHERE | {"bank"},
    "bank": _WHERE | {"since", "affected", "evidence", "circuit", "contact"},
    "for": _SEEN,
    "not": _SEEN,
}


class Spoken(msgspec.Struct, frozen=True):
    """A row of sentences."""

    def say(self, column: str, lang: str) -> str:
        """The sentence of a column as it is written; PosswitchError on a language that it has not."""
        if lang not in LANGS:
            raise PosswitchError(f"language {lang!r} is not known: use zh or en")
        found: str = getattr(self, f"{column}_{lang}")
        return found


class Kind(Spoken, frozen=True):
    """A kind of anomaly: its cause, its tiles, and what it means for everybody.

    `unknown` says whether payments that meet it may have an unknown outcome: then nobody is told to pay anew.
    `bank` is the message to the bank or carrier, empty where nobody outside is written to; `known` says when
    the outcome will be known or what ends it.
    """

    kind: str
    cause: str
    tiles: str
    unknown: str
    title_zh: str
    title_en: str
    sentence_zh: str
    sentence_en: str
    cashier_zh: str
    cashier_en: str
    operator_zh: str
    operator_en: str
    never_zh: str
    never_en: str
    bank_zh: str
    bank_en: str
    customer_zh: str
    customer_en: str
    after_zh: str
    after_en: str
    known_zh: str
    known_en: str

    @property
    def shown_on(self) -> tuple[str, ...]:
        """The tiles of the first screen that turn red, the most telling first."""
        return tuple(self.tiles.split(","))

    @property
    def outcome_unknown(self) -> bool:
        """Whether a payment that met it may have been charged."""
        return self.unknown == "yes"


class Feature(Spoken, frozen=True):
    """An observation: the unit of its figure, the sentence when it holds, and the one when it does not."""

    feature: str
    unit: str
    for_zh: str
    for_en: str
    not_zh: str
    not_en: str


class DeedWords(Spoken, frozen=True):
    """An action: what its target is (a dimension of places), its button, what it does, when it must not be.

    `done` is said once it has worked.
    """

    deed: str
    of: str
    title_zh: str
    title_en: str
    done_zh: str
    done_en: str
    does_zh: str
    does_en: str
    never_zh: str
    never_en: str


class Tile(Spoken, frozen=True):
    """A tile of the first screen and the demand it answers: name, line when all is well, what it covers."""

    tile: str
    demand: str
    name_zh: str
    name_en: str
    well_zh: str
    well_en: str
    covers_zh: str
    covers_en: str


def slots_of(text: str) -> Iterator[str]:
    """The names of the slots of a sentence."""
    return (name for _, name, _, _ in Formatter().parse(text) if name is not None)


def fill(text: str, slots: Mapping[str, str]) -> str:
    """A sentence with its slots filled; parts in brackets fall out where one of theirs is empty."""
    while part := _PART.search(text):
        kept = part[1] if all(slots.get(name) for name in slots_of(part[1])) else ""
        text = text[: part.start()] + kept + text[part.end() :]
    return text.format_map(slots)


def mistakes(row: Spoken, may_be_empty: tuple[str, ...] = ("bank",)) -> list[str]:
    """What is wrong with a row: a sentence missing in a language, a slot nobody fills, a bracket open."""
    found = []
    for name in row.__struct_fields__:
        column, _, lang = name.rpartition("_")
        if lang not in LANGS:
            continue
        text, other = row.say(column, lang), row.say(column, LANGS[lang == LANGS[0]])
        if not text.strip() and not (column in may_be_empty and not other):
            found.append(f"{name} is empty")
        if wrong := set(slots_of(text)) - _SLOTS.get(column, frozenset()):
            found.append(f"{name} has slots that nobody fills: {', '.join(sorted(wrong))}")
        if re.search(r"[\[\]]", _bare(text)):
            found.append(f"{name} has a bracket without its partner")
        if text.count("|") != other.count("|"):
            found.append(f"{name} has other steps than its translation")
    return found


def _bare(text: str) -> str:
    while _PART.search(text):
        text = _PART.sub("", text)
    return text


Row = TypeVar("Row", bound=Spoken)


def _read(name: str, shape: type[Row]) -> dict[str, Row]:
    text = (files("posswitch.diagnose") / "data" / f"{name}.tsv").read_text(encoding="utf-8")
    head, *lines = (line.split("\t") for line in text.splitlines())
    rows = {line[0]: shape(**dict(zip(head, line, strict=True))) for line in lines}
    assert len(rows) == len(lines), f"{name}.tsv: a name has one row"
    wrong = [f"{key}: {what}" for key, row in rows.items() for what in mistakes(row)]
    assert not wrong, f"{name}.tsv: {wrong[0]}"
    return rows


TILES = _read("tiles", Tile)
FEATURES = _read("features", Feature)
DEEDS = _read("deeds", DeedWords)
_ROWS = _read("kinds", Kind)
UNEXPLAINED = _ROWS[INCONCLUSIVE]
KINDS = {name: row for name, row in _ROWS.items() if name != INCONCLUSIVE}
assert all(row.cause in CAUSES for row in KINDS.values())
assert all(set(row.shown_on) <= set(TILES) and row.unknown in _YES_NO for row in _ROWS.values())
assert all(row.unit in UNITS for row in FEATURES.values())


def kind_of(name: str) -> Kind:
    """The row of a kind; that of the unexplained for none, or for one that this version does not know."""
    return KINDS.get(name, UNEXPLAINED)


def cause_words(cause: str, lang: str) -> str:
    """A cause for people; empty while there is none."""
    return CAUSES[cause][LANGS.index(lang)] if cause in CAUSES else ""
