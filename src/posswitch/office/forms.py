"""What a row of each table looks like as text: its columns, what may stand in them, and both directions."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from posswitch.base.amount import CNY
from posswitch.base.bounds import LINKS_PER_BANK_MAX
from posswitch.base.card import scrub
from posswitch.base.errors import ConfigError, CryptoError
from posswitch.base.registry import Address, Bank, Bin, Key, Merchant, Row, Terminal
from posswitch.codec import BUILT_IN, PREFIXES, load_dialect
from posswitch.crypto.hsm import Hsm, Usage
from posswitch.scheme.kinds import PAYMENT_KINDS

_SHOWN_MAX = 40


class Column(NamedTuple):
    """A column: its type, what a wrong value is told, and what stands there when nothing does."""

    type: Any
    expected: str
    default: Any = msgspec.NODEFAULT  # then it must be there

    @property
    def is_list(self) -> bool:
        """Whether several words stand in it."""
        return self.type is _WORDS


_WORDS = list[str]


def _text(pattern: str, expected: str, default: object = msgspec.NODEFAULT) -> Column:
    return Column(Annotated[str, msgspec.Meta(pattern=rf"\A{pattern}\Z")], expected, default)


def _words(longest: int, expected: str, default: object = msgspec.NODEFAULT) -> Column:
    shortest = 1 if default is msgspec.NODEFAULT else 0
    pattern = rf"[^\x00-\x1f\x7f]{{{shortest},{longest}}}"
    return _text(pattern, f"{expected} of at most {longest} characters", default)


_INSTITUTION = _text("[0-9]{8,11}", "must be 8 to 11 digits")
_MERCHANT = _text("[!-~]{15}", "must be 15 characters without blanks")
_WRAPPED = _text("([0-9A-Fa-f]{2}){1,200}", "must be a wrapped key in hex")
_DIGITS = Annotated[int, msgspec.Meta(ge=13, le=19)]

COLUMNS: dict[str, dict[str, Column]] = {
    "bank": {
        "id": _INSTITUTION,
        "name_zh": _words(64, "must be a name"),
        "name_en": _words(64, "must be a name"),
        "links": Column(_WORDS, "must be addresses, host:port, with blanks between"),
        "zpk": _WRAPPED,
        "zak": _WRAPPED,
        "dialect": _words(200, "must be a dialect's name or file,", "cups"),
        "framing": _text("[a-z0-9]*", f"must be one of {' '.join(PREFIXES)}", ""),
    },
    "bin": {
        "prefix": _text("[0-9]{1,19}", "must be the first digits of card numbers"),
        "pan_digits": Column(_DIGITS, "must be a number from 13 to 19"),
        "bank": _INSTITUTION,
        "foreign": Column(bool, "must be true or false", False),
    },
    "merchant": {
        "id": _MERCHANT,
        "name": _words(25, "must be a name"),
        "city": _words(13, "must be a name"),
        "mcc": _text("[0-9]{4}", "must be 4 digits"),
    },
    "terminal": {
        "id": _text("[!-~]{8}", "must be 8 characters without blanks"),
        "merchant": _MERCHANT,
        "tmk": _WRAPPED,
        "model": _words(32, "must be words", ""),
        "firmware": _words(32, "must be words", ""),
        "kinds": Column(_WORDS, f"must be some of {' '.join(PAYMENT_KINDS)}", ()),
        "currency": _text("[0-9]{3}", "must be 3 digits", CNY),
        "dialect": _words(32, "must be a name", "pos"),
    },
}
NAMING = {"bank": ("id",), "bin": ("prefix", "pan_digits"), "merchant": ("id",), "terminal": ("id",)}
KEYS = {"zpk": Usage.ZPK, "zak": Usage.ZAK, "tmk": Usage.TMK}
_SPREADSHEET = "a spreadsheet has rounded it: format the column as text and enter it again"


class Mistake(NamedTuple):
    """What is wrong with a value, and what to do about it."""

    what: str
    remedy: str


def name_of(table: str, values: Mapping[str, Any]) -> Key:
    """The key that a row's naming columns make, whether they are right or not."""
    return table, "/".join(str(values.get(column, "")) for column in NAMING[table])


def read_row(
    table: str, values: Mapping[str, Any], registered: Row | None, folder: Path, hsm: Hsm
) -> tuple[Row | None, list[Mistake]]:
    """A row from its columns (text, or a TOML file's values), or all its mistakes.

    A column that is not given keeps what is registered, else its default; an empty one has its default.
    Files are relative to `folder`.
    """
    kept = {} if registered is None else values_of(registered)
    if "dialect" in values:  # a new dialect brings its own framing
        kept.pop("framing", None)
    read, mistakes = {}, []
    for name, column in COLUMNS[table].items():
        value = values.get(name, kept.get(name, ""))
        if value == "":
            value = column.default
        if value is msgspec.NODEFAULT:
            mistakes.append(Mistake(f"{name} is missing", _missing(name, column)))
            continue
        try:
            read[name] = msgspec.convert(_split(value, column), column.type, strict=False)
        except msgspec.ValidationError:
            mistakes.append(_mistaken(name, value, column))
    mistakes += _meanings(read, folder, hsm)
    return (None, mistakes) if mistakes else (_MAKE[table](read, folder), [])


def _split(value: object, column: Column) -> object:
    if column.is_list and isinstance(value, str):
        return value.replace(";", " ").replace(",", " ").replace("|", " ").split()
    return value


def _missing(name: str, column: Column) -> str:
    if name == "tmk":
        return "add its wrapped key, or use posswitch registry onboard"
    return f"add it; it {column.expected}"


def _mistaken(name: str, value: object, column: Column) -> Mistake:
    if name in KEYS:
        return Mistake(f"{name} is no wrapped key", f"it {column.expected}")
    rounded = isinstance(value, str) and "E+" in value.upper() and value[:1].isdigit()
    return Mistake(f"{name} is {brief(value)}", _SPREADSHEET if rounded else f"it {column.expected}")


def brief(value: object) -> str:
    """A wrong value as a mistake shows it: masked, quoted, in one line, not too long."""
    return repr(_short(value))


def named(key: Key) -> str:
    """A row's key as a mistake shows it, whatever stands in it."""
    table, name = key
    return f"{table} {''.join(one if one.isprintable() else '?' for one in _short(name))}"


def _short(value: object) -> str:
    text = scrub(str(value))
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"


def _meanings(read: Mapping[str, Any], folder: Path, hsm: Hsm) -> Iterator[Mistake]:
    """Mistakes in values that look right."""
    for name, usage in KEYS.items():
        if name in read and not opens(hsm, usage, bytes.fromhex(read[name])):
            yield Mistake(f"{name} does not open", wrap_again(usage))
    for kind in read.get("kinds", ()):
        if kind not in PAYMENT_KINDS:
            yield Mistake(f"kind {brief(kind)} is not known", f"use some of {' '.join(PAYMENT_KINDS)}")
    if "links" in read:
        yield from _link_mistakes(read["links"])
        if read.get("framing") and read["framing"] not in PREFIXES:
            yield Mistake(
                f"framing {brief(read['framing'])} is not known", f"use one of {' '.join(PREFIXES)}"
            )
        try:
            load_dialect(_dialect(read.get("dialect", "cups"), folder))
        except ConfigError as error:
            yield Mistake(f"dialect: {error}", f"use one of {' '.join(BUILT_IN)}, or a dialect file")


def _link_mistakes(links: list[str]) -> Iterator[Mistake]:
    if not 1 <= len(links) <= LINKS_PER_BANK_MAX:
        yield Mistake(f"{len(links)} links", f"give 1 to {LINKS_PER_BANK_MAX}, as host:port")
    for link in links:
        host, _, port = link.rpartition(":")
        if not 0 < len(host) < 254 or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            yield Mistake(f"link {brief(link)} is no address", "write it as host:port")


def _dialect(name: str, folder: Path) -> str:
    return name if name in BUILT_IN else str(folder / name)


def _bank(read: dict[str, Any], folder: Path) -> Bank:
    links = tuple(
        Address(host, int(port)) for host, _, port in (link.rpartition(":") for link in read["links"])
    )
    dialect = _dialect(read["dialect"], folder)
    framing = read["framing"] or ("ascii4" if dialect == "cups" else "bin2")
    zpk, zak = bytes.fromhex(read["zpk"]), bytes.fromhex(read["zak"])
    return Bank(read["id"], read["name_zh"], read["name_en"], links, zpk, zak, dialect, framing)


def _terminal(read: dict[str, Any], _folder: Path) -> Terminal:
    tmk, kinds = bytes.fromhex(read["tmk"]), tuple(read["kinds"])
    return Terminal(**{**read, "tmk": tmk, "kinds": kinds})


_MAKE: dict[str, Any] = {
    "bank": _bank,
    "bin": lambda read, _: Bin(**read),
    "merchant": lambda read, _: Merchant(**read),
    "terminal": _terminal,
}


def values_of(row: Row) -> dict[str, Any]:
    """A row as the values of its columns, keys as wrapped hex: what `read_row` takes."""
    values = msgspec.structs.asdict(row)
    for name in KEYS:
        if name in values:
            values[name] = values[name].hex()
    if isinstance(row, Bank):
        values["links"] = [str(link) for link in row.links]
    if isinstance(row, Terminal):
        values["kinds"] = list(row.kinds)
    return values


def shown(row: Row, hsm: Hsm) -> dict[str, Any]:
    """A row for human eyes: a key as its check value, lists and flags as words."""
    values = values_of(row)
    for name, usage in KEYS.items():
        if name in values:
            values[name] = f"check value {key_check(hsm, usage, bytes.fromhex(values[name]))}"
    return values


def opens(hsm: Hsm, usage: Usage, wrapped: bytes) -> bool:
    """Whether a wrapped key is one of this HSM, for this usage."""
    try:
        hsm.check_value(usage, wrapped)
    except CryptoError:
        return False
    return True


def wrap_again(usage: Usage) -> str:
    """What to do about a key that does not open."""
    return f"wrap it as a {usage} under this node's secret"


def key_check(hsm: Hsm, usage: Usage, wrapped: bytes) -> str:
    """A wrapped key's check value in hex, or that it does not open."""
    return hsm.check_value(usage, wrapped).hex().upper() if opens(hsm, usage, wrapped) else "none"


def cell(value: object) -> str:
    """A column's value as one cell of a sheet."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(value) if isinstance(value, list | tuple) else str(value)
