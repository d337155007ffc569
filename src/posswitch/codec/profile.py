"""Dialect files: a built-in to start from, the choices of one network, and its odd fields."""

import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from posswitch.base.errors import ConfigError
from posswitch.codec.column import Column
from posswitch.codec.dialect import Dialect
from posswitch.codec.encoding import BINARIES, TEXTS, encoding
from posswitch.codec.prefix import LENGTH_MAX, PREFIXES, prefix_bytes, prefixes

# name -> column of fields.tsv
BUILT_IN = {"pos": "pos", "cups": "cups", "iso87a": "iso87", "iso87b": "iso87"}
_HOME = Path(__file__).parent
_FIELD_NUMBERS = range(2, 129)
_KINDS = {"n": "n", "z": "z", "x+n": "x+n", "b": "b", "bin": "b"} | dict.fromkeys(
    ("a", "an", "ans", "anp", "as", "ns", "s"), "text"
)
_Side = Literal["left", "right"]
_Text = Literal["ascii", "latin-1", "gb18030", "gbk", "utf-8", "ebcdic", "cp037", "cp500"]
_Length = Literal["ascii", "bcd", "ebcdic", "binary"]
_Digits = Literal["ascii", "bcd", "ebcdic"]
_Width = Literal["raw", "hex-ascii"]


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of `fields`: fixed by `length` or variable by `prefix` and `max`; the rest as in the base."""

    length: int | None = None
    encoding: _Text | _Width | Literal["bcd"] | None = None
    prefix: str | None = None  # LL, LLL …; or how and in how many bytes: "bcd 2", "binary 1", "ebcdic 3"
    max: int | None = None


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dialect file as it is written."""

    base: str = "iso87a"
    mti: _Digits = "ascii"
    bitmap: Literal["binary", "hex-ascii"] = "hex-ascii"
    bitmap_fixed_128: bool = False
    length_indicator: _Length = "ascii"
    numeric: _Digits = "ascii"
    text: _Text = "latin-1"
    binary_fields: _Width = "hex-ascii"
    length_prefix_bytes: int = 0  # what the transport puts before a payload; not the codec's business
    header_bytes: int = 0
    odd_LLnumeric_pad: _Side = "right"
    odd_fixed_numeric_pad: _Side = "left"
    left_aligned_fixed: list[int] = []
    field_overrides: dict[str, tuple[str, str, int]] = {}  # number -> class, fixed or LL…, max
    custom: dict[str, str] = {}  # number -> words: "ascii 6", "length 1 byte binary, ebcdic"
    fields: dict[str, Row] = {}


class Spec(NamedTuple):
    """One field before it is compiled."""

    kind: str  # n, z, x+n, b or text
    shape: str  # fixed, LL…, or a prefix as in Row
    units_max: int
    encoding: str = ""  # empty = the dialect's


def load_dialect(name_or_path: str) -> Dialect:
    """A built-in dialect by name, or one from a TOML or JSON file; ConfigError with file, place, remedy."""
    if name_or_path in BUILT_IN:
        return _built_in(name_or_path)
    path = Path(name_or_path)
    try:
        text = path.read_text("utf-8")
        settings = msgspec.json.decode(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(
            f"dialect {name_or_path}: {error.strerror}; name a file or one of {', '.join(BUILT_IN)}"
        ) from None
    except (ValueError, RecursionError, msgspec.DecodeError) as error:
        raise ConfigError(f"dialect {name_or_path}: not TOML or JSON in UTF-8: {error}") from None
    try:
        return dialect_of(path.stem, settings)
    except ConfigError as error:
        raise ConfigError(f"dialect {name_or_path}: {error}") from None


@lru_cache(maxsize=len(BUILT_IN))
def _built_in(name: str) -> Dialect:
    return dialect_of(name, {"base": name})


def dialect_of(name: str, settings: dict[str, Any]) -> Dialect:
    """The dialect that a file with these settings describes; ConfigError with place and remedy."""
    profile, specs = _layered(settings)
    dialect = _compiled(name, profile, specs)
    dialect.settings = {"base": profile.base, **_home_settings(profile.base), **settings}
    return dialect


@lru_cache(maxsize=len(BUILT_IN))
def _home_settings(name: str) -> dict[str, Any]:
    return tomllib.loads((_HOME / "dialects" / f"{name}.toml").read_text("utf-8"))


def variant(dialect: Dialect, **changes: object) -> Dialect:
    """The same dialect with some keys of its file changed; ConfigError when they cannot be."""
    return dialect_of(dialect.name, {**dialect.settings, **changes})


def _layered(settings: dict[str, Any]) -> tuple[Profile, dict[int, Spec]]:
    """The file over its base: the settings in force and every field."""
    base = settings.get("base", "iso87a")
    if not isinstance(base, str) or base not in BUILT_IN:
        raise ConfigError(f"base: must be one of {', '.join(BUILT_IN)}")
    try:
        profile = msgspec.convert({**_home_settings(base), **settings}, Profile)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{error}; the keys are {', '.join(Profile.__struct_fields__)}") from None
    specs = specs_of(base)
    for key, (kind, shape, units_max) in profile.field_overrides.items():
        if kind not in _KINDS:
            raise ConfigError(f"field_overrides.{key}: class {kind}; use one of {', '.join(_KINDS)}")
        specs[_number(key, "field_overrides")] = Spec(_KINDS[kind], shape.removesuffix("VAR"), units_max)
    rows = [("custom", key, _row_in_words(key, words)) for key, words in profile.custom.items()]
    rows += [("fields", key, row) for key, row in profile.fields.items()]
    for section, key, row in rows:
        number = _number(key, section)
        specs[number] = _amended(specs.get(number), row, f"{section}.{key}")
    return profile, specs


def _field_table() -> list[list[str]]:
    return [line.split("\t") for line in (_HOME / "fields.tsv").read_text("utf-8").splitlines()]


def field_names() -> dict[int, tuple[str, str]]:
    """Field number to its name in Chinese and in English."""
    return {int(cells[0]): (cells[2], cells[1]) for cells in _field_table()[1:]}


def specs_of(name: str) -> dict[int, Spec]:
    """The fields of a built-in dialect, before they are compiled."""
    head, *rows = _field_table()
    index = head.index(BUILT_IN[name])
    specs: dict[int, Spec] = {}
    for cells in rows:
        if cells[index] != "-":
            kind, shape, units_max = cells[index].split(" ")
            specs[int(cells[0])] = Spec(_KINDS[kind], shape, int(units_max))
    return specs


def _number(key: str, section: str) -> int:
    number = int(key) if re.fullmatch("[0-9]{1,3}", key) else 0
    if number in _FIELD_NUMBERS and number != 65:
        return number
    raise ConfigError(f"{section}.{key}: not a field number from 2 to 128 (65 is a bitmap)")


def _amended(old: Spec | None, row: Row, place: str) -> Spec:
    """What `row` says over what was there."""
    if row.length is not None and (row.prefix is not None or row.max is not None):
        raise ConfigError(f"{place}: give either length, or prefix and max")
    shape = "fixed" if row.length is not None else row.prefix or (old.shape if old else "")
    units_max = row.length or row.max or (old.units_max if old else 0)
    if not shape or not units_max:
        raise ConfigError(f"{place}: a field the base does not have needs length, or prefix and max")
    if row.encoding is None:
        return Spec(old.kind if old else "text", shape, units_max, old.encoding if old else "")
    return Spec(_kind_in(row.encoding, old.kind if old else "text"), shape, units_max, row.encoding)


def _kind_in(name: str, kind: str) -> str:
    """The class that `kind` becomes in an encoding that cannot write it."""
    if name in BINARIES:
        return "b"
    if name == "bcd":
        return kind if kind in ("z", "x+n") else "n"
    return "text" if kind == "b" else kind


_WORDS = re.compile(
    r"(?P<letters>L+) (?P<variable>\S+)"
    r"|(?P<fixed>\S+) (?P<length>[0-9]{1,4})"
    r"|length (?P<size>[0-9]) (?:bytes? )?(?P<indicator>[a-z]+)(?: digits?)?, (?P<behind>\S+)"
)


def _row_in_words(key: str, words: str) -> Row:
    found = _WORDS.fullmatch(words) or _WORDS.fullmatch(words.lower())
    if not found:
        raise ConfigError(f'custom.{key}: say "LL ascii", "ascii 6" or "length 2 bytes bcd, ascii"')
    part = found.groupdict()
    prefix = part["letters"] or (f"{part['indicator']} {part['size']}" if part["size"] else None)
    try:
        return msgspec.convert(
            {
                "encoding": part["variable"] or part["fixed"] or part["behind"],
                "prefix": prefix,
                "length": int(part["length"]) if part["length"] else None,
            },
            Row,
        )
    except msgspec.ValidationError as error:
        raise ConfigError(f"custom.{key}: {error}") from None


def _compiled(name: str, profile: Profile, specs: dict[int, Spec]) -> Dialect:
    if not 0 <= profile.header_bytes <= 256:
        raise ConfigError("header_bytes: must be 0 to 256")
    columns = {number: _column(number, specs[number], profile) for number in sorted(specs)}
    mti = encoding("n", profile.mti, "left")
    return Dialect(
        name,
        columns,
        mti=mti,
        bitmap=profile.bitmap,
        wide_always=profile.bitmap_fixed_128,
        header_bytes=profile.header_bytes,
        family=BUILT_IN[profile.base],
    )


def _column(number: int, spec: Spec, profile: Profile) -> Column:
    if spec.units_max < 1:
        raise ConfigError(f"field {number}: the length must be positive")
    name = spec.encoding or {"b": profile.binary_fields, "text": profile.text}.get(spec.kind, profile.numeric)
    if spec.shape == "fixed":
        if spec.units_max > LENGTH_MAX:
            raise ConfigError(f"field {number}: a fixed length is at most {LENGTH_MAX}")
        pad = "right" if number in profile.left_aligned_fixed else profile.odd_fixed_numeric_pad
        return Column(number, encoding(spec.kind, name, pad), spec.units_max)
    kind, size = _prefix(number, spec.shape, profile.length_indicator)
    behind = encoding(spec.kind, name, profile.odd_LLnumeric_pad)
    return Column(number, behind, 0, prefixes(kind, size, spec.units_max))


def _prefix(number: int, shape: str, indicator: str) -> tuple[str, int]:
    """Kind and bytes of a length prefix."""
    if re.fullmatch("L{1,6}", shape):
        return indicator, prefix_bytes(indicator, len(shape))
    kind, _, size = shape.partition(" ")
    if kind in PREFIXES and re.fullmatch("[1-6]", size):
        return kind, int(size)
    known = ", ".join(PREFIXES)
    raise ConfigError(
        f"field {number}: {shape!r} is no length; use fixed, LL, LLL or one of {known} and 1 to 6"
    )


assert {*get_args(_Text)} == {*TEXTS}
assert {*get_args(_Width)} == {*BINARIES}
assert {*get_args(_Length)} == {*PREFIXES}
