"""Where long-lived keys stand: a row and its column, and the row with another key in it."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from posswitch.base.errors import OfficeError
from posswitch.base.registry import Bank, Key, Registry, Row, key_of
from posswitch.crypto.commands import Usage
from posswitch.crypto.pinblock import PinFormat

KEYS = {"zpk": Usage.ZPK, "zak": Usage.ZAK, "zmk": Usage.ZMK, "tmk": Usage.TMK}
COLUMNS_OF = {"bank": ("zpk", "zak", "zmk"), "terminal": ("tmk",)}
TDES = "tdes"
TABLE_OF = {KEYS[column]: table for table, columns in COLUMNS_OF.items() for column in columns}
_FORM = "write bank/ID/zpk, bank/ID/zak, bank/ID/zmk or terminal/ID/tmk"


class Place(NamedTuple):
    """A column of a row in which a wrapped key stands, as people write it: `bank/90010000/zpk`."""

    table: str
    id: str
    column: str

    def __str__(self) -> str:
        return "/".join(self)

    @property
    def usage(self) -> Usage:
        """What the key there is for."""
        return KEYS[self.column]

    @property
    def row(self) -> Key:
        """What names its row."""
        return self.table, self.id


def read_place(text: str) -> Place:
    """The place that a text names; OfficeError when it is none."""
    table, _, rest = text.partition("/")
    name, _, column = rest.rpartition("/")
    if column not in COLUMNS_OF.get(table, ()) or not name:
        raise OfficeError(f"no place of a key: {_FORM}")
    return Place(table, name, column)


def place_for(usage: Usage, bank: str, terminal: str) -> Place | None:
    """Where a key of a usage belongs at a bank or terminal, None when neither is named."""
    given = {"bank": bank, "terminal": terminal}
    named = [table for table, name in given.items() if name]
    if not named:
        return None
    table = TABLE_OF.get(usage, "")
    if named != [table]:
        raise OfficeError(f"a {usage} belongs to a {table}: give --{table} and nothing else")
    return Place(table, given[table], str(usage).lower())


def row_at(registry: Registry, place: Place) -> Row:
    """The row of a place; OfficeError when nothing is registered there."""
    rows = registry.banks if place.table == "bank" else registry.terminals
    row = rows.get(place.id)
    if row is None:
        raise OfficeError(f"{place}: no {place.table} {place.id} is registered; see posswitch registry list")
    return row


def algorithm_of(row: Row, column: str) -> str:
    """For which cipher the key in a column of a row is, as CHECK_VALUES names it."""
    if isinstance(row, Bank) and column == "zak":
        return next((cipher for cipher in ("aes", "sm4") if row.mac.startswith(cipher)), TDES)
    if isinstance(row, Bank) and column == "zpk" and row.pin_block == PinFormat.ISO_4:
        return "aes"
    return TDES


def key_at(registry: Registry, place: Place) -> bytes:
    """The wrapped key of a place, empty when there is none."""
    found: bytes = getattr(row_at(registry, place), place.column)
    return found


def with_key(row: Row, place: Place, wrapped: bytes) -> Row:
    """The row with another key in its place."""
    return msgspec.structs.replace(row, **{place.column: wrapped})


def keys_of(row: Row) -> Iterator[tuple[Place, bytes]]:
    """The wrapped keys that stand in a row."""
    table, name = key_of(row)
    for column in COLUMNS_OF.get(table, ()):
        wrapped: bytes = getattr(row, column)
        if wrapped:
            yield Place(table, name, column), wrapped


def places_of(registry: Registry) -> Iterator[tuple[Place, bytes]]:
    """Every wrapped key and where it stands."""
    for row in registry.rows:
        yield from keys_of(row)


def wrapped_keys(registry: Registry) -> Iterator[tuple[Usage, bytes]]:
    """Every wrapped key with its usage."""
    return ((place.usage, wrapped) for place, wrapped in places_of(registry))
