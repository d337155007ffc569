"""What tables and keys a configuration has, and every value that is not of its kind."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import msgspec

from posswitch.base.amount import CNY
from posswitch.base.bounds import LINKS_PER_BANK_MAX, Timers
from posswitch.base.registry import Limits
from posswitch.settings.finding import Fault, brief, shown
from posswitch.settings.machine import (
    BackupTable,
    Choice,
    File,
    FirewallTable,
    GuardsTable,
    HsmTable,
    InspectTable,
    KeysTable,
    OfficeTable,
    ScanTable,
    TlsTable,
)
from posswitch.settings.notify import NotifyTable
from posswitch.settings.places import Path
from posswitch.settings.policy import LimitTable, PauseTable, RouteTable, StandInTable


def _text(pattern: str, expected: str) -> msgspec.Meta:
    return msgspec.Meta(pattern=rf"\A{pattern}\Z", description=expected)


_PLAIN = r"[^\x00-\x1f\x7f]"
FIELD_43 = {"name": 25, "city": 13}  # bytes of GB 18030


def letters(bytes_max: int) -> str:
    """How much of a name fits into so many bytes of GB 18030, in words."""
    return f"{bytes_max} letters or {bytes_max // 2} 汉字"


def _name_of(bytes_max: int) -> msgspec.Meta:
    return _text(f"{_PLAIN}{{1,{bytes_max}}}", f"write a name of at most {letters(bytes_max)} (field 43)")


_Institution = Annotated[str, _text("[0-9]{8,11}", "write 8 to 11 digits")]
_MerchantId = Annotated[str, _text("[!-~]{15}", "write 15 ASCII characters without blanks")]
_BankName = Annotated[str, _text(_PLAIN + "{1,64}", "write a name of at most 64 characters")]
_Address = Annotated[
    str, msgspec.Meta(max_length=300, description="write tls://host:port or clear://host:port")
]
_Wrapped = Annotated[
    str,
    _text(
        "(([0-9A-Fa-f]{2}){1,200}|[UT][0-9A-F]{32,48})",
        "write the wrapped key in hex, an even number of digits, or as the HSM writes it",
    ),
]
_WrappedOrNone = Annotated[
    str, _text("(([0-9A-Fa-f]{2}){0,200}|[UT][0-9A-F]{32,48})", "write the wrapped key, or leave it out")
]
_Words = Annotated[str, _text(_PLAIN + "{0,32}", "write at most 32 characters")]
_Contact = Annotated[str, _text(_PLAIN + "{0,100}", "write at most 100 characters")]
_Lines = msgspec.Meta(max_length=LINKS_PER_BANK_MAX, description="list circuit/carrier/kbit of each link")
_Digits = msgspec.Meta(ge=13, le=19)
CERTIFICATES_MAX, PREFIXES_MAX = 8, 100
_Certificates = msgspec.Meta(
    max_length=CERTIFICATES_MAX, description=f"list at most {CERTIFICATES_MAX} certificates by their SHA-256"
)
_Prefixes = Annotated[
    list[str], msgspec.Meta(max_length=PREFIXES_MAX, description=f"list at most {PREFIXES_MAX} beginnings")
]


class NodeTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[node]`."""

    id: Annotated[str, _text("[0-9A-Z]", "write one digit or capital letter")]
    listen: _Address
    data: File = "data"
    secret: File = "secret.key"  # noqa: S105 - the name of a file
    acquirer: _Institution = "00000000"
    centre: _Institution = "00010000"
    production: bool = False
    cutover: Annotated[str, _text("([01][0-9]|2[0-3]):[0-5][0-9]", "write HH:MM, 00:00 to 23:59")] = "23:00"


class BankTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[[bank]]`."""

    id: _Institution
    name_zh: _BankName
    name_en: _BankName
    links: Annotated[
        list[str],
        msgspec.Meta(
            min_length=1,
            max_length=LINKS_PER_BANK_MAX,
            description=f'list 1 to {LINKS_PER_BANK_MAX} addresses: ["tls://host:port", …]',
        ),
    ]
    zpk: _Wrapped
    zak: _Wrapped
    dialect: File = "cups"
    framing: Choice = ""  # ascii4 for cups, else bin2
    certificates: Annotated[list[str], _Certificates] = []
    zmk: _WrappedOrNone = ""
    mac: Choice = "x9.19"
    pin_block: Choice = "iso-0"
    contact: _Contact = ""
    phone: _Contact = ""
    lines: Annotated[list[str], _Lines] = []


class BinTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[[bin]]`."""

    prefix: Annotated[
        str, _text("[0-9]{1,19}(-[0-9]{1,19})?", "write the first digits of the cards between quotes")
    ]
    pan_digits: Annotated[int, _Digits]
    bank: _Institution
    foreign: bool = False


class MerchantTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[[merchant]]`."""

    id: _MerchantId
    name: Annotated[str, _name_of(FIELD_43["name"])]
    city: Annotated[str, _name_of(FIELD_43["city"])]
    mcc: Annotated[str, _text("[0-9]{4}", "write 4 digits between quotes")]


class TerminalTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[[terminal]]`."""

    id: Annotated[str, _text("[!-~]{8}", "write 8 ASCII characters without blanks")]
    merchant: _MerchantId
    tmk: _Wrapped
    model: _Words = ""
    firmware: _Words = ""
    kinds: list[str] = []
    currency: Annotated[str, _text("[0-9]{3}", "write 3 digits between quotes, such as 156")] = CNY
    dialect: Choice = "pos"
    mac: Choice = "cup-ecb"
    pin_block: Choice = "iso-0"


class SourceTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[[source]]`."""

    id: Annotated[str, _text("[!-~]{1,32}", "write 1 to 32 ASCII characters without blanks")]
    certificates: Annotated[list[str], _Certificates]
    terminals: _Prefixes = []
    merchants: _Prefixes = []


class Tables(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    node: NodeTable
    bank: list[BankTable]
    bin: list[BinTable]
    merchant: list[MerchantTable]
    terminal: list[TerminalTable]
    timers: Timers = Timers()
    limits: Limits = Limits()
    backup: BackupTable = BackupTable()
    hsm: HsmTable = HsmTable()
    tls: TlsTable = TlsTable()
    keys: KeysTable = KeysTable()
    source: list[SourceTable] = []
    limit: list[LimitTable] = []
    route: list[RouteTable] = []
    pause: list[PauseTable] = []
    standin: list[StandInTable] = []
    office: OfficeTable = OfficeTable()
    scan: ScanTable = ScanTable()
    inspect: InspectTable = InspectTable()
    firewall: FirewallTable = FirewallTable()
    guards: GuardsTable = GuardsTable()
    notify: NotifyTable = NotifyTable()


_CALLED_BY = {"bin": "prefix", "notify.to": "name"}  # the key that names a row, where it is not its id


class Row(NamedTuple):
    """A table, or one of its rows: what is written, and what of it is of its kind (defaults filled in).

    A row of a file has a number in its path, a row of a registry what names it there.
    """

    table: str
    path: Path
    raw: Mapping[str, Any]
    good: dict[str, Any]

    def name(self, key: str = "") -> str:
        """How people call the row or one of its keys; what is no id is a number."""
        table, place = self.table, self.path[-1]
        if len(self.path) == 1:
            return f"{table}.{key}" if key else f"[{table}]"
        number = f"number {place + 1}" if isinstance(place, int) else brief(place)
        name = f"{table} {self.good.get(_CALLED_BY.get(table, 'id'), number)}"
        return f"{name}: {key}" if key else name

    def fault(self, key: str, what: str, remedy: str, item: int | None = None) -> Fault:
        """What is wrong with a key, or an item of its list."""
        path = (*self.path, key) if item is None else (*self.path, key, item)
        return Fault(path, self.name(key), what, remedy)


class Shape(NamedTuple):
    """A table's name, whether it has rows, and what a row is."""

    name: str
    many: bool
    keys: dict[str, msgspec.structs.FieldInfo]
    required: bool

    @property
    def heading(self) -> str:
        """How it is written."""
        return f"[[{self.name}]]" if self.many else f"[{self.name}]"


def _shape(field: msgspec.structs.FieldInfo) -> Shape:
    many = get_origin(field.type) is list
    row = get_args(field.type)[0] if many else field.type
    keys = {key.name: key for key in msgspec.structs.fields(row)}
    return Shape(field.name, many, keys, field.required)


SHAPES = {field.name: _shape(field) for field in msgspec.structs.fields(Tables)}
_INNER = ("notify.to",)  # rows within a table: a shape of their own, no key of the table
SHAPES["notify.to"] = _shape(SHAPES["notify"].keys.pop("to"))._replace(name="notify.to")
# Never shown, whatever stands there.
_HIDDEN = dict.fromkeys(("zpk", "zak", "zmk", "tmk"), "is no wrapped key") | {"secret": "is no file name"}
_HIDDEN |= dict.fromkeys(("url", "heartbeat_url"), "is no address")
_NAME_MAX, _ITEM_MAX = 64, 300
_KINDS: dict[object, str] = {
    bool: "write true or false",
    int: "write a whole number",
    float: "write a number, such as 25",
}


def read_shape(values: Mapping[str, Any], rows: dict[str, list[Row]], holes: bool) -> Iterator[Fault]:
    """Unknown, missing and wrong tables and keys; `rows` gets what was there.

    With `holes` (lines that could not be read) nothing is said to be missing, and no default stands in.
    """
    intended = []
    for name, value in values.items():
        if name not in SHAPES or name in _INNER:
            stray = not isinstance(value, dict | list)
            what = "a key outside of every table" if stray else "no such table"
            meant = _meant(name, SHAPES)
            intended.append(meant)
            known = ", ".join(shape.heading for shape in SHAPES.values())
            remedy = _did_you_mean(SHAPES[meant].heading) if meant else f"remove it; the tables are {known}"
            yield Fault((name,), _named(name), what, "put it under its [table]" if stray else remedy)
    flat = _flat(values)
    for name, shape in SHAPES.items():
        rows[name] = []
        for row in _rows_of(shape, flat.get(name)):
            if isinstance(row, Fault):
                yield row
            else:
                rows[name].append(row)
                yield from read_values(shape, row, holes)
        if shape.required and not values.get(name) and name not in intended and not holes:
            yield Fault((), shape.heading, "is missing", f"add {'at least one' if shape.many else 'it'}")


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """The tables with their inner rows beside them, under both names."""
    flat = {name: value for name, value in values.items() if name not in _INNER}
    for inner in _INNER:
        table, key = inner.split(".")
        if isinstance(values.get(table), dict) and key in values[table]:
            flat[table] = {name: value for name, value in values[table].items() if name != key}
            flat[inner] = values[table][key]
    return flat


def _rows_of(shape: Shape, value: object) -> Iterator[Row | Fault]:
    if value is None:
        if not shape.many and not shape.required:
            yield Row(shape.name, (shape.name,), {}, {})
    elif not shape.many:
        if isinstance(value, dict):
            yield Row(shape.name, (shape.name,), value, {})
        else:
            yield Fault((shape.name,), shape.heading, "is not one table", f"write {shape.heading} once")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            path: Path = (*shape.name.split("."), index)
            if isinstance(one, dict):
                yield Row(shape.name, path, one, {})
            else:
                yield Fault(path, f"{shape.name} number {index + 1}", "is no table", f"write {shape.heading}")
    else:
        path = tuple(shape.name.split("."))
        yield Fault(path, f"[{shape.name}]", "is not a list of tables", f"write {shape.heading}")


def read_values(shape: Shape, row: Row, holes: bool = False) -> Iterator[Fault]:
    """What of a row is wrong, unknown or missing; the rest of it, and defaults, become its `good`."""
    faults = []
    for name, key in shape.keys.items():
        if name in row.raw:
            wrong = list(_wrong(row, name, key.type))
            faults += wrong
            if not wrong:
                row.good[name] = row.raw[name]
    intended = []
    for name in row.raw:
        if name not in shape.keys:
            meant = _meant(name, shape.keys)
            intended.append(meant)
            remedy = _did_you_mean(meant) if meant else f"remove it; the keys are {', '.join(shape.keys)}"
            faults.append(Fault((*row.path, name), row.name(_named(name)), "no such key", remedy))
    for name, key in shape.keys.items():
        if name in row.raw or name in intended or holes:
            continue
        if key.required:
            faults.append(row.fault(name, "is missing", _expected(key.type)))
        else:
            row.good[name] = key.default_factory() if key.default is msgspec.NODEFAULT else key.default
    yield from faults


def _wrong(row: Row, name: str, kind: object) -> Iterator[Fault]:
    value = row.raw[name]
    inner = plain_type(kind)
    listed = isinstance(value, list) and get_origin(inner) is list and plain_type(get_args(inner)[0]) is str
    odd = [item for item, one in enumerate(value) if not _is_item(one)] if listed else []
    for item in odd:
        yield row.fault(
            name, f"{shown(value[item])} is not a short text", "write a short text between quotes", item
        )
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        what = f"{len(value)} of them" if listed else f"is {shown(value)}"
        remedy = _expected(kind)
        if plain_type(kind) is str and not isinstance(value, str) and "quotes" not in remedy:
            remedy += " between quotes"
        if not odd:
            yield row.fault(name, _HIDDEN.get(name, what), remedy)


def plain_type(kind: object) -> object:
    """The type of a key, whatever more must hold of its values."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _is_item(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _ITEM_MAX


def _expected(kind: object) -> str:
    """What a value of this type is told when it is none."""
    for note in getattr(kind, "__metadata__", ()):
        if note.description:
            return str(note.description)
        if note.ge is not None and note.le is not None:
            number = "a number" if plain_type(kind) is float else "a whole number"
            return f"write {number} from {note.ge:g} to {note.le:g}"
    return _KINDS.get(plain_type(kind), 'write a list: ["…", "…"]')


def _meant(name: str, known: Mapping[str, Any]) -> str:
    """The known name that was probably meant, or nothing."""
    close = get_close_matches(name.lower(), known, 1) if len(name) <= _NAME_MAX else []
    return close[0] if close else ""


def _did_you_mean(name: str) -> str:
    return f"did you mean {name}?"


def _named(name: str) -> str:
    return name if len(name) <= _NAME_MAX else name[:_NAME_MAX] + "…"


def did_you_mean(name: str, known: Mapping[str, Any]) -> str:
    """A remedy for a name that is none of the known ones."""
    meant = _meant(name, known)
    return _did_you_mean(meant) if meant else f"use one of {', '.join(known)}"
