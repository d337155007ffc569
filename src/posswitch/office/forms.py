"""What a row of each table looks like in a sheet, and both directions."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from posswitch.base.errors import CryptoError
from posswitch.base.order import TABLES
from posswitch.base.registry import Bank, Key, Row, key_of
from posswitch.crypto.commands import Usage
from posswitch.crypto.hostcommands import is_host_key
from posswitch.crypto.hsm import SoftHsm
from posswitch.office.checks import Checks
from posswitch.office.finding import Finding, found
from posswitch.office.places import KEYS, algorithm_of
from posswitch.settings.address import read_address
from posswitch.settings.draft import Draft
from posswitch.settings.rows import read_fingerprint, read_line, registry_row, wrapped_key, written_key
from posswitch.settings.shape import SHAPES, plain_type, read_values
from posswitch.settings.shape import Row as Written

COLUMNS = {table: SHAPES[table].keys for table in TABLES}
_TYPES = {table: {name: plain_type(key.type) for name, key in COLUMNS[table].items()} for table in TABLES}
NAMING = dict.fromkeys(TABLES, ("id",)) | {"bin": ("prefix", "pan_digits")}
_SPREADSHEET = "a spreadsheet has rounded it: format the column as text and enter it again"
_BETWEEN = str.maketrans(",;|", "   ")  # words of a list


def name_of(table: str, values: Mapping[str, Any]) -> Key:
    """The key that a row's naming columns make, whether they are right or not."""
    return table, "/".join(str(values.get(column, "")) for column in NAMING[table])


def read_row(
    table: str, values: Mapping[str, Any], registered: Row | None, folder: Path, hsm: SoftHsm
) -> tuple[Row | Written, list[Finding]]:
    """A row from its columns (text, or a TOML file's values); what is no row yet stays as it is written.

    A column that is not given keeps what is registered, else its default; an empty one has its default.
    Files are relative to `folder`.
    """
    kept = {} if registered is None else values_of(registered)
    if "dialect" in values:  # a new dialect brings its own framing
        kept.pop("framing", None)
    given = {name: values.get(name, kept.get(name, "")) for name in COLUMNS[table]}
    raw = {name: _from_cell(value, _TYPES[table][name]) for name, value in given.items() if value != ""}
    key, draft = name_of(table, values), Draft(folder, holes=False)
    row = Written(table, key, raw, {})
    mistakes = []
    for fault in read_values(SHAPES[table], row):
        column = str(fault.path[2])
        mistakes.append(found(fault._replace(remedy=_remedy(column, given[column], fault.remedy))))
    mistakes += shut(key, row.good, hsm)
    if table == "bank" and "dialect" in row.good:
        row.good["dialect"] = draft.dialect(row.good["dialect"])
    unread = [link for link in row.good.get("links", ()) if not read_address(link)[0]]
    unread += [one for one in row.good.get("certificates", ()) if not read_fingerprint(one)]
    unread += [one for one in row.good.get("lines", ()) if not read_line(one)]
    if mistakes or unread:
        return row, mistakes
    return registry_row(row, draft), []


def _from_cell(value: object, kind: object) -> object:
    """What a text says in a column of numbers, flags or lists; what cannot be read stays as it is."""
    if kind is str or not isinstance(value, str):
        return value
    words: object = value
    if get_origin(kind) is list:
        words = value.translate(_BETWEEN).split()
        if plain_type(get_args(kind)[0]) is str:
            return words
    try:
        return msgspec.convert(words, kind, strict=False)
    except msgspec.ValidationError:
        return value


def _remedy(column: str, value: object, remedy: str) -> str:
    """What to do about a wrong value, in the words of a sheet: it has neither quotes nor brackets."""
    if not isinstance(value, str):
        return remedy
    if column == "tmk" and not value:
        return "add its wrapped key, or use posswitch registry onboard"
    if value[:1].isdigit() and "E+" in value.upper():
        return _SPREADSHEET
    if column == "links" and remedy.startswith("list "):
        return f"{remedy.partition(':')[0]}, tls://host:port, with blanks between"
    return remedy.replace(" between quotes", "")


def shut(key: Key, values: Mapping[str, Any], hsm: SoftHsm) -> Iterator[Finding]:
    """Wrapped keys among a row's values that this node's secret does not open."""
    for name, usage in KEYS.items():
        if values.get(name) and not opens(hsm, usage, wrapped_key(values[name])):
            remedy = f"wrap it as a {usage} under this node's secret"
            yield Finding(True, key, f"{name}: does not open", remedy)


def values_of(row: Row) -> dict[str, Any]:
    """A row as the values of its columns, keys as wrapped hex: what `read_row` takes."""
    values = msgspec.structs.asdict(row)
    for name in KEYS:
        if name in values:
            values[name] = written_key(values[name])
    if isinstance(row, Bank):
        values |= {name: [str(one) for one in getattr(row, name)] for name in ("links", "lines")}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def written(row: Row | Written) -> Written:
    """A row as the rules of a configuration take it."""
    if isinstance(row, Written):
        return row
    key, values = key_of(row), values_of(row)
    return Written(key[0], key, values, values)


def shown(row: Row, checks: Checks) -> dict[str, Any]:
    """A row for human eyes: a key as its check value, lists and flags as words."""
    values = values_of(row)
    for name, usage in KEYS.items():
        if values.get(name):
            check = checks.of(usage, wrapped_key(values[name]), algorithm_of(row, name))
            values[name] = f"check value {check}"
    return values


def opens(hsm: SoftHsm, usage: Usage, wrapped: bytes) -> bool:
    """Whether a wrapped key is one of this HSM, for this usage; a network HSM's are not tried here."""
    if is_host_key(wrapped):
        return True
    try:
        hsm.check_value(usage, wrapped)
    except CryptoError:
        return False
    return True


def cell(value: object) -> str:
    """A column's value as one cell of a sheet."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
