"""Places in words: banks, their links, BINs, merchants, terminals, models, regions, kinds; combinations."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from posswitch.base.registry import Registry
from posswitch.scheme.kinds import KINDS, PAYMENT_KINDS, STOOD_IN

Names = Mapping[tuple[str, str], str]  # (dimension, value) → what people call it
NO_NAMES: Names = {}
_NAME_MAX = 24
_GENERAL = {"zh": "交换中心", "en": "the switching centre"}
_TIMES = " × "
_AREA = re.compile("[省市区县州盟旗]$")
_MIXED = re.compile(r"(?<=[一-鿿])(?=[A-Za-z0-9])|(?<=[A-Za-z0-9%])(?=[一-鿿])")
_PLURALS = {
    "sale": "sales", "void": "voids", "refund": "refunds", "balance": "balance inquiries",
    "preauth": "pre-authorisations", "preauth-void": "voids of pre-authorisations",
    "completion": "completions", "completion-void": "voids of completions",
    "completion-notice": "completion notices", "offline-sale": "offline sales",
    "stood-in": "stand-in sales", "reversal": "reversals", "sign-on": "sign-ons", "sign-off": "sign-offs",
    "echo": "echoes", "settlement": "settlements", "upload": "batch uploads", "upload-end": "ends of uploads",
}  # fmt: skip
_KIND_ROWS = {row.name: row for row in (*KINDS, STOOD_IN)}
assert _PLURALS.keys() == _KIND_ROWS.keys()
# the first two digits of F22
_ENTRIES = {
    "01": ("手工输入的卡号", "typed card numbers"),
    "02": ("磁条卡", "swiped cards"),
    "03": ("扫码", "scanned codes"),
    "05": ("芯片卡", "chip cards"),
    "07": ("非接卡", "contactless cards"),
    "80": ("芯片降级刷磁条", "chip cards swiped instead"),
    "81": ("网上输入的卡号", "cards typed on the web"),
    "90": ("磁条卡", "swiped cards"),
    "91": ("非接磁条", "contactless stripes"),
    "95": ("芯片卡", "chip cards"),
}
_PREPOSITIONS = {
    "link": "on",
    "node": "on",
    "region": "in",
    "kind": "with",
    "entry": "with",
    "band": "with",
    "bin": "on",
}
_PINS = {"1": ("（有密码）", " with a PIN"), "2": ("（无密码）", " without a PIN")}
# the bands of `signals.Dim.BAND`, in major units
_BANDS = {
    "0": ("10 以内的金额", "amounts up to 10"),
    "1": ("10 至 1,000 的金额", "amounts of 10 to 1,000"),
    "2": ("1,000 至 10,000 的金额", "amounts of 1,000 to 10,000"),
    "3": ("10,000 以上的金额", "amounts above 10,000"),
}


class Contact(NamedTuple):
    """Whom to call about a bank or a source, and the circuits of its links in their order."""

    who: str = ""
    phone: str = ""
    circuits: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(filter(None, (self.who, self.phone)))


Contacts = Mapping[str, Contact]  # id of a bank or source → whom to call
NO_CONTACTS: Contacts = {}


def names_of(registry: Registry, lang: str) -> dict[tuple[str, str], str]:
    """What the registry calls banks and merchants."""
    names = {
        ("bank", row.id): row.name_zh if lang == "zh" else row.name_en for row in registry.banks.values()
    }
    return names | {("merchant", row.id): row.name for row in registry.merchants.values()}


def contacts_of(registry: Registry) -> dict[str, Contact]:
    """Whom the registry says to call about each bank."""
    return {
        row.id: Contact(row.contact, row.phone, tuple(line.circuit for line in row.lines))
        for row in registry.banks.values()
    }


def spaced(text: str, lang: str) -> str:
    """Chinese with a space between its characters and digits or Latin letters, as it is set."""
    return _MIXED.sub(" ", text) if lang == "zh" else text


def bank_of(place: Mapping[str, str]) -> str:
    """The id of the bank that a place belongs to; empty when there is none."""
    return place.get("link", "").partition("/")[0] or place.get("bank", "")


def link_index(value: str) -> int | None:
    """Which of a bank's links `bank/index` is, from 0; None when it does not say."""
    index = value.rpartition("/")[2]
    return int(index) if "/" in value and index.isascii() and index.isdigit() else None


def place_words(place: Mapping[str, str], lang: str, names: Names = NO_NAMES) -> str:
    """A place for people, its dimensions in a fixed order; the whole centre when it is empty."""
    said = [words(place[dim], lang, names) for dim, words in _WORDS.items() if _told(place, dim)]
    more = [_clip(f"{dim} {value}") for dim, value in place.items() if dim not in _WORDS]
    return spaced(_TIMES.join(said + more), lang) or _GENERAL[lang]


def at_words(place: Mapping[str, str], lang: str, names: Names = NO_NAMES) -> str:
    """A place as where something happens: in English with its preposition."""
    said = place_words(place, lang, names)
    first = next((dim for dim in _WORDS if _told(place, dim)), "")
    return said if lang == "zh" else f"{_PREPOSITIONS.get(first, 'at')} {said}"


def line_words(place: Mapping[str, str], lang: str, names: Names = NO_NAMES) -> str:
    """The line of a place, to stand behind `the` in English: its link, the bank's lines, or a source's."""
    rest = {dim: value for dim, value in place.items() if dim not in ("link", "bank", "source", "node")}
    if value := place.get("link", ""):
        said = _line_of_link(value, lang, names)
    elif value := place.get("bank", ""):
        bank = _bank(value, lang, names)
        said = f"{bank}线路" if lang == "zh" else f"line to {bank}"
    elif value := place.get("source", ""):
        source = _source(value, lang, names)
        said = f"{source}线路" if lang == "zh" else f"line from {source}"
    elif rest:
        where = place_words(rest, lang, names)
        said = f"{where}的线路" if lang == "zh" else f"line of {where}"
        return spaced(said, lang)
    else:
        return "外联线路" if lang == "zh" else "line of the centre"
    return spaced(_TIMES.join([said, place_words(rest, lang, names)] if rest else [said]), lang)


def target_words(dim: str, target: str, lang: str, names: Names = NO_NAMES) -> str:
    """What an action is done to; the target as it stands where its dimension is not known."""
    if not target:
        return ""
    return place_words({dim: target}, lang, names) if dim in _WORDS else spaced(_clip(target), lang)


def _told(place: Mapping[str, str], dim: str) -> bool:
    """A link names its bank already."""
    return dim in place and not (dim == "bank" and "link" in place)


def _clip(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _NAME_MAX else text[: _NAME_MAX - 1] + "…"


def _named(dim: str, zh: str, en: str) -> Callable[[str, str, Names], str]:
    """A value by its name alone, or by what it is and its id."""

    def words(value: str, lang: str, names: Names) -> str:
        if name := names.get((dim, value), ""):
            return _clip(name)
        return _clip(f"{zh} {value}" if lang == "zh" else f"{en} {value}")

    return words


def _titled(dim: str, zh: str, en: str) -> Callable[[str, str, Names], str]:
    """What it is, and its name or id."""

    def words(value: str, lang: str, names: Names) -> str:
        name = _clip(names.get((dim, value)) or value)
        return f"{zh} {name}" if lang == "zh" else f"{en} {name}"

    return words


_bank = _named("bank", "银行", "bank")
_source = _titled("source", "接入方", "source")


def _line_of_link(value: str, lang: str, names: Names) -> str:
    index, bank = link_index(value), _bank(value.partition("/")[0], lang, names)
    if index is None:
        return f"{bank}线路" if lang == "zh" else f"line to {bank}"
    return f"{bank}第 {index + 1} 条线路" if lang == "zh" else f"line to {bank} (link {index + 1})"


def _link(value: str, lang: str, names: Names) -> str:
    index = link_index(value)
    if lang == "zh" or index is None:
        return _line_of_link(value, lang, names)
    return f"link {index + 1} of {_bank(value.partition('/')[0], lang, names)}"


def _bin(value: str, lang: str, names: Names) -> str:
    return f"BIN {_clip(value.partition('/')[0])}"


def _region(value: str, lang: str, names: Names) -> str:
    name = _clip(names.get(("region", value)) or value)
    if lang == "en":
        return f"region {name}"
    return name if _AREA.search(name) else f"{name}地区"


def _model(value: str, lang: str, names: Names) -> str:
    name = _clip(names.get(("model", value)) or value)
    return f"{name} 型终端" if lang == "zh" else f"terminals of model {name}"


def _kind(value: str, lang: str, names: Names) -> str:
    row = _KIND_ROWS.get(value)
    if row is None:
        return f"{_clip(value)} 报文" if lang == "zh" else f"{_clip(value)} messages"
    if lang == "en":
        return _PLURALS[value]
    return row.name_zh + "交易" * (value in PAYMENT_KINDS)


def _entry(value: str, lang: str, names: Names) -> str:
    side = lang == "en"
    if value[:2] not in _ENTRIES:
        return f"输入方式 {_clip(value)}" if lang == "zh" else f"entry mode {_clip(value)}"
    return _ENTRIES[value[:2]][side] + _PINS.get(value[2:3], ("", ""))[side]


def _band(value: str, lang: str, names: Names) -> str:
    return _BANDS.get(value, (f"金额段 {_clip(value)}", f"amounts of band {_clip(value)}"))[lang == "en"]


def _node(value: str, lang: str, names: Names) -> str:
    if not value:
        return "本节点" if lang == "zh" else "this node"
    return f"节点 {_clip(value)}" if lang == "zh" else f"node {_clip(value)}"


# In the order in which people say them; those of `signals.Dim`, links and nodes.
_WORDS: dict[str, Callable[[str, str, Names], str]] = {
    "link": _link,
    "bank": _bank,
    "source": _source,
    "region": _region,
    "merchant": _titled("merchant", "商户", "merchant"),
    "terminal": _titled("terminal", "终端", "terminal"),
    "model": _model,
    "bin": _bin,
    "kind": _kind,
    "entry": _entry,
    "band": _band,
    "node": _node,
}
