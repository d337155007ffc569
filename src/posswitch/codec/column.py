"""The compiled fields of a dialect, and the two walks over them: bytes to values, values to bytes."""

from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate
from operator import itemgetter
from typing import Any, NamedTuple

from posswitch.base.errors import CodecError
from posswitch.codec.encoding import Encoding
from posswitch.codec.message import Value

_NAME_UNITS = 16  # text as long as this is a name, in Chinese as a rule, and would spoil a run

Fields = dict[int, Value]
Extents = dict[bytes, tuple[int, int]]  # length prefix -> units and bytes of the value behind it


class Column(NamedTuple):
    """One field: always `units` long, or behind one of `prefixes`, whose index is its length."""

    number: int
    encoding: Encoding
    units: int
    prefixes: tuple[bytes, ...] = ()


# plain tuples, because they are taken apart faster than named ones
ReadStep = tuple[
    int,  # field, or the first of a run
    Extents | None,  # None = fixed
    int,  # bytes of the prefix
    int,  # units and …
    int,  # … bytes of a fixed value
    Callable[[bytes, int], Value],
    Callable[[Any], tuple[str, ...]] | None,  # cuts a run into its values
]
WriteStep = tuple[
    int,  # as above
    int,  # units of a fixed value
    tuple[bytes, ...],  # () = fixed
    Callable[[Value], bytes],
    bool,  # the length counts written bytes
    Callable[[Fields], tuple[str, ...]] | None,  # picks the values of a run
    list[int],  # and their units
]


def read_fields(steps: list[ReadStep], payload: bytes, at: int) -> tuple[list[Value], int]:
    """The values from `at` on, and where they end; CodecError with field and offset."""
    values: list[Value] = []
    for number, extents, prefix_bytes, units, width, read, split in steps:
        if extents is not None:
            start = at + prefix_bytes
            extent = extents.get(payload[at:start])
            if extent is None:
                raise _bad_length(number, payload, at, prefix_bytes, len(extents) - 1)
            units, width = extent  # noqa: PLW2901 - a variable field has no extent of its own
            at = start
        end = at + width
        if end > len(payload):
            raise CodecError(f"{width} bytes announced, {len(payload) - at} remain", number, at)
        try:
            value = read(payload[at:end], units)
        except CodecError as bad:
            raise CodecError(bad.reason, number, at + (bad.offset or 0)) from None
        if split is None:
            values.append(value)
        else:
            values += split(value)
        at = end
    return values, at


def write_fields(steps: list[WriteStep], fields: Fields) -> list[bytes]:
    """The written values, prefixes included; CodecError with the field."""
    parts: list[bytes] = []
    for number, units, prefixes, write, counts_bytes, pick, sizes in steps:
        if pick is not None:
            parts.append(_written_run(pick(fields), sizes, units, write))
            continue
        value = fields[number]
        try:
            data = write(value)
        except CodecError as bad:
            raise CodecError(bad.reason, number) from None
        count = len(data) if counts_bytes else len(value)
        if not prefixes:
            if count != units:
                raise CodecError(f"{count} long, must be {units}", number)
        elif count < len(prefixes):
            parts.append(prefixes[count])
        else:
            raise CodecError(f"{count} long, at most {len(prefixes) - 1}", number)
        parts.append(data)
    return parts


def read_steps(columns: list[Column]) -> list[ReadStep]:
    """One step a field."""
    return [_read_step(column) for column in columns]


def write_steps(columns: list[Column]) -> list[WriteStep]:
    """One step a field."""
    return [_write_step(column) for column in columns]


def read_runs(columns: list[Column]) -> list[ReadStep]:
    """Fewer steps, neighbours in one go; `read_steps` finds what is wrong in a run (also UnicodeError)."""
    return [_read_run(run) if len(run) > 1 else _read_step(run[0]) for run in _runs(columns)]


def write_runs(columns: list[Column]) -> list[WriteStep]:
    """Fewer steps, as above; `write_steps` finds what is wrong in a run (also TypeError)."""
    return [_write_run(run) if len(run) > 1 else _write_step(run[0]) for run in _runs(columns)]


def extents_of(column: Column) -> Extents:
    """What each length prefix of a variable field means."""
    return _extents(column.prefixes, column.encoding.width)


def _runs(columns: list[Column]) -> list[list[Column]]:
    """Adjacent fixed fields of one encoding that end where a byte ends, together; all others alone."""
    runs: list[list[Column]] = []
    for column in columns:
        if runs and _joins(column) and _joins(runs[-1][0]) and column.encoding is runs[-1][0].encoding:
            runs[-1].append(column)
        else:
            runs.append([column])
    return runs


def _joins(column: Column) -> bool:
    encoding = column.encoding
    if column.prefixes or encoding.read_run is None or column.units % encoding.units_step:
        return False
    return not encoding.counts_bytes or column.units < _NAME_UNITS


def _read_step(column: Column) -> ReadStep:
    encoding, prefixes = column.encoding, column.prefixes
    if prefixes:
        return column.number, extents_of(column), len(prefixes[0]), 0, 0, encoding.read, None
    return column.number, None, 0, column.units, encoding.width(column.units), encoding.read, None


def _write_step(column: Column) -> WriteStep:
    encoding = column.encoding
    return column.number, column.units, column.prefixes, encoding.write, encoding.counts_bytes, None, []


def _read_run(columns: list[Column]) -> ReadStep:
    encoding = columns[0].encoding
    sizes = [column.units for column in columns]
    cuts = [slice(end - size, end) for end, size in zip(accumulate(sizes), sizes, strict=True)]
    units = sum(sizes)
    read = encoding.read_run or encoding.read
    return columns[0].number, None, 0, units, encoding.width(units), read, itemgetter(*cuts)


def _write_run(columns: list[Column]) -> WriteStep:
    encoding = columns[0].encoding
    sizes = [column.units for column in columns]
    pick = itemgetter(*(column.number for column in columns))
    return columns[0].number, encoding.width(sum(sizes)), (), encoding.write, False, pick, sizes


def _written_run(
    values: tuple[str, ...], sizes: list[int], width: int, write: Callable[[Value], bytes]
) -> bytes:
    if list(map(len, values)) == sizes:
        data = write("".join(values))
        if len(data) == width:
            return data
    raise CodecError("a length in a run of fixed fields")


@lru_cache(maxsize=256)
def _extents(prefixes: tuple[bytes, ...], width: Callable[[int], int]) -> Extents:
    return {prefix: (units, width(units)) for units, prefix in enumerate(prefixes)}


def _bad_length(number: int, payload: bytes, at: int, prefix_bytes: int, units_max: int) -> CodecError:
    if at + prefix_bytes > len(payload):
        return CodecError(f"{prefix_bytes} bytes of length, {len(payload) - at} remain", number, at)
    return CodecError(f"not a length of 0 to {units_max}", number, at)


def absent(number: int) -> Column:
    """A field the dialect does not have: nobody knows where it ends, so reading stops there."""

    def read(chunk: bytes, units: int) -> Value:
        raise CodecError("this dialect has no such field")

    return Column(number, Encoding(lambda units: units, read, lambda value: b""), 0)
