"""Files of rows: CSV and TOML read with the place of every row, CSV written."""

import csv
import io
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from posswitch.base.errors import OfficeError
from posswitch.base.order import TABLES
from posswitch.base.registry import Registry, Row, key_of
from posswitch.office.forms import COLUMNS, NAMING, cell, values_of
from posswitch.settings.finding import brief, shown

_FILE_BYTES_MAX = 64 << 20
_DELIMITERS = ",;\t"
_NOT_ROWS = (
    "node",
    "timers",
    "limits",
    "backup",
    "tls",
)  # of a configuration, which may be imported as it is


# What a spreadsheet would take for a formula gets an apostrophe; so does what looks as if it had one.
_FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r]")
_APOSTROPHE = "'"


class Place(NamedTuple):
    """Where a row stands."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Line(NamedTuple):
    """A row as it was read: its columns as text, or as the values of a TOML file."""

    place: Place
    folder: Path  # what its paths are relative to
    table: str
    values: dict[str, Any]


class Sheet(NamedTuple):
    """What a file holds, and what could not be read of it: place, what, remedy."""

    lines: list[Line]
    mistakes: list[tuple[Place, str, str]]


def read_sheet(path: Path, table: str | None = None) -> Sheet:
    """A CSV or TOML file, UTF-8 or GB 18030; raises OfficeError when it is neither."""
    try:
        if path.stat().st_size > _FILE_BYTES_MAX:
            raise OfficeError(f"{path}: more than {_FILE_BYTES_MAX >> 20} MiB; split the file")
        raw = path.read_bytes()
    except OSError as error:
        raise OfficeError(f"{path}: cannot be read ({error.strerror}); give a CSV or TOML file") from None
    text = _decoded(path, raw)
    sheet = _read_toml(path, text) if path.suffix.lower() == ".toml" else _read_csv(path, text, table)
    if table is not None and any(line.table != table for line in sheet.lines):
        raise OfficeError(f"{path}: holds other tables than {table}; leave --table out")
    return sheet


def _decoded(path: Path, raw: bytes) -> str:
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            at = error.start
    line = raw[:at].count(b"\n") + 1
    raise OfficeError(f"{path}:{line}: neither UTF-8 nor GB 18030; save the file in one of them")


def _read_csv(path: Path, text: str, table: str | None) -> Sheet:
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    sheet, folder = Sheet([], []), path.resolve().parent
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        table = table or _table_of(path, header)
        sheet.mistakes.extend(_header_mistakes(Place(path.name, 1), table, header))
        at = reader.line_num + 1
        for cells in reader:
            place, at = Place(path.name, at), reader.line_num + 1
            if not any(map(str.strip, cells)):
                continue
            if len(cells) != len(header):
                what = f"{len(cells)} cells, the header has {len(header)}"
                sheet.mistakes.append((place, what, "check commas and quotes"))
                continue
            values = {name: _bare(value.strip()) for name, value in zip(header, cells, strict=True)}
            sheet.lines.append(Line(place, folder, table, values))
    except csv.Error as error:
        place = Place(path.name, reader.line_num)
        sheet.mistakes.append((place, f"not CSV: {error}", "save the sheet as CSV again"))
    return sheet


def _guarded(text: str) -> str:
    return _APOSTROPHE + text if _FORMULA.match(text) else text


def _bare(text: str) -> str:
    return text[1:] if text.startswith(_APOSTROPHE) and _FORMULA.match(text) else text


def _table_of(path: Path, header: list[str]) -> str:
    """The one table whose columns these can be; raises OfficeError when none or several fit."""
    names = frozenset(header)
    fit = [table for table in TABLES if names <= COLUMNS[table].keys() and names.issuperset(NAMING[table])]
    if len(fit) == 1:
        return fit[0]
    if fit:
        raise OfficeError(f"{path}:1: these columns fit {' and '.join(fit)}; give --table")
    best = max(TABLES, key=lambda table: len(names & COLUMNS[table].keys()))
    wrong = (
        ", ".join(shown(name) for name in header if name not in COLUMNS[best]) or "a naming column missing"
    )
    raise OfficeError(
        f"{path}:1: no table has these columns ({wrong}); nearest is {best}: {', '.join(COLUMNS[best])}"
    )


def _header_mistakes(place: Place, table: str, header: list[str]) -> Iterator[tuple[Place, str, str]]:
    known = COLUMNS[table]
    for name in dict.fromkeys(header):
        if name not in known:
            yield place, f"column {shown(name)} is not known", f"{table} has {', '.join(known)}"
        if header.count(name) > 1:
            yield place, f"column {shown(name)} stands twice", "remove one"
    for name in NAMING[table]:
        if name not in header:
            yield place, f"column {name} is missing", f"it names a {table}; add it"


def _read_toml(path: Path, text: str) -> Sheet:
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise OfficeError(f"{path}: not TOML: {error}") from None
    sheet, folder = Sheet([], []), path.resolve().parent
    for table, rows in tables.items():
        if table in _NOT_ROWS:
            continue
        starts = [text.count("\n", 0, at.start()) + 1 for at in _headings(table, text)]
        if (
            table not in TABLES
            or not isinstance(rows, list)
            or not all(isinstance(row, dict) for row in rows)
        ):
            place = Place(path.name, (starts or [1])[0])
            sheet.mistakes.append((place, f"no table [[{brief(table)}]]", f"there are {', '.join(TABLES)}"))
            continue
        if len(starts) != len(rows):  # written inline
            starts = [1] * len(rows)
        for line, row in zip(starts, rows, strict=True):
            place = Place(path.name, line)
            for name in row.keys() - COLUMNS[table].keys():
                known = ", ".join(COLUMNS[table])
                sheet.mistakes.append((place, f"{shown(name)} is not known", f"{table} has {known}"))
            sheet.lines.append(Line(place, folder, table, row))
    return sheet


def _headings(table: str, text: str) -> Iterator[re.Match[str]]:
    return re.finditer(rf"^[ \t]*\[\[?[ \t]*{re.escape(table)}[ \t]*\]\]?", text, re.MULTILINE)


def write_sheets(folder: Path, registry: Registry) -> list[Path]:
    """One CSV file a table into a folder, keys wrapped; raises OfficeError rather than replace a file."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    rows: dict[str, list[Row]] = {table: [] for table in TABLES}
    for row in registry.rows:
        rows[key_of(row)[0]].append(row)
    paths = {table: folder / f"{table}.csv" for table in TABLES}
    for path in paths.values():
        if path.exists():
            raise OfficeError(f"{path}: is there already; export into an empty folder")
    for table, path in paths.items():
        path.touch(mode=0o600, exist_ok=False)
        with path.open("w", encoding="utf-8-sig", newline="") as file:  # the mark lets spreadsheets see UTF-8
            sheet = csv.writer(file)
            sheet.writerow(COLUMNS[table])
            for row in rows[table]:
                values = values_of(row)
                sheet.writerow([_guarded(cell(values[name])) for name in COLUMNS[table]])
    return list(paths.values())
