"""One compiled field of a dialect: reads itself from a payload, writes itself from a message."""

from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate
from operator import itemgetter
from typing import Protocol

from posswitch.base.errors import CodecError
from posswitch.codec.encoding import Encoding
from posswitch.codec.message import Value
from posswitch.codec.prefix import prefixes

Fields = dict[int, Value]
Values = list[Value]


class Column(Protocol):
    """What a plan is made of."""

    def read(self, payload: bytes, at: int, values: Values) -> int:
        """Append the value that begins at `at` and say where it ends; CodecError."""

    def write(self, fields: Fields) -> bytes:
        """The bytes of the value in `fields`; CodecError."""


class Fixed:
    """A field of so many units, always."""

    __slots__ = ("_counts_bytes", "_read", "_width", "_write", "encoding", "number", "runs", "units")

    def __init__(self, number: int, encoding: Encoding, units: int) -> None:
        self.number = number
        self.encoding = encoding
        self.units = units
        self._read = encoding.read
        self._write = encoding.write
        self._counts_bytes = encoding.counts_bytes
        self._width = encoding.width(units)
        self.runs = encoding.read_run is not None and units % encoding.units_step == 0

    def read(self, payload: bytes, at: int, values: Values) -> int:
        end = at + self._width
        if end > len(payload):
            raise _cut_short(self.number, at, self._width, len(payload))
        try:
            values.append(self._read(payload[at:end], self.units))
        except CodecError as bad:
            raise _placed(bad, self.number, at) from None
        return end

    def write(self, fields: Fields) -> bytes:
        value = fields[self.number]
        try:
            data = self._write(value)
        except CodecError as bad:
            raise CodecError(bad.reason, self.number) from None
        units = len(data) if self._counts_bytes else len(value)
        if units != self.units:
            raise CodecError(f"{units} long, must be {self.units}", self.number)
        return data


class Variable:
    """A field behind its length."""

    __slots__ = ("_counts_bytes", "_extents", "_number", "_prefix_bytes", "_prefixes", "_read", "_write")

    def __init__(self, number: int, encoding: Encoding, units_max: int, prefix: str, size: int) -> None:
        self._number = number
        self._read = encoding.read
        self._write = encoding.write
        self._counts_bytes = encoding.counts_bytes
        self._prefix_bytes = size
        self._prefixes = prefixes(prefix, size, units_max)
        self._extents = _extents(self._prefixes, encoding.width)

    def read(self, payload: bytes, at: int, values: Values) -> int:
        start = at + self._prefix_bytes
        extent = self._extents.get(payload[at:start])
        if extent is None:
            raise self._bad_length(payload, at)
        units, width = extent
        end = start + width
        if end > len(payload):
            raise _cut_short(self._number, start, width, len(payload))
        try:
            values.append(self._read(payload[start:end], units))
        except CodecError as bad:
            raise _placed(bad, self._number, start) from None
        return end

    def write(self, fields: Fields) -> bytes:
        value = fields[self._number]
        try:
            data = self._write(value)
        except CodecError as bad:
            raise CodecError(bad.reason, self._number) from None
        units = len(data) if self._counts_bytes else len(value)
        if units >= len(self._prefixes):
            raise CodecError(f"{units} long, at most {len(self._prefixes) - 1}", self._number)
        return self._prefixes[units] + data

    def _bad_length(self, payload: bytes, at: int) -> CodecError:
        if at + self._prefix_bytes > len(payload):
            return _cut_short(self._number, at, self._prefix_bytes, len(payload))
        return CodecError(f"not a length of 0 to {len(self._prefixes) - 1}", self._number, at)


class Run:
    """Adjacent fixed fields of one encoding, read and written in one go; a fault is found field by field."""

    __slots__ = (
        "_columns",
        "_pick",
        "_read",
        "_sizes",
        "_split",
        "_units",
        "_width",
        "_write",
    )

    def __init__(self, columns: list[Fixed]) -> None:
        self._columns = columns
        encoding = columns[0].encoding
        self._read = encoding.read_run or encoding.read
        self._write = encoding.write
        self._sizes = [column.units for column in columns]
        self._units = sum(self._sizes)
        self._width = encoding.width(self._units)
        ends = accumulate(self._sizes)
        self._split = itemgetter(
            *(slice(end - size, end) for end, size in zip(ends, self._sizes, strict=True))
        )
        self._pick = itemgetter(*(column.number for column in columns))

    def read(self, payload: bytes, at: int, values: Values) -> int:
        end = at + self._width
        if end <= len(payload):
            try:
                text = self._read(payload[at:end], self._units)
            except (CodecError, UnicodeError):
                pass  # the walk below says which field it is, or reads what only looked bad as a whole
            else:
                values += self._split(text)
                return end
        for column in self._columns:
            at = column.read(payload, at, values)
        return at

    def write(self, fields: Fields) -> bytes:
        values = self._pick(fields)
        try:
            if list(map(len, values)) == self._sizes:
                data = self._write("".join(values))
                if len(data) == self._width:
                    return data
        except (CodecError, TypeError):
            pass  # as above
        return b"".join([column.write(fields) for column in self._columns])


class Absent:
    """A field the dialect does not have: nobody knows where it ends."""

    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        self._number = number

    def read(self, payload: bytes, at: int, values: Values) -> int:
        raise CodecError("this dialect has no such field", self._number, at)

    def write(self, fields: Fields) -> bytes:
        raise CodecError("this dialect has no such field", self._number)


def fused(columns: list[Column]) -> list[Column]:
    """`columns` with neighbours that can be read in one go made one."""
    plan: list[Column] = []
    run: list[Fixed] = []
    for column in columns:
        if not (isinstance(column, Fixed) and column.runs):
            plan += [*_run(run), column]
            run = []
        elif run and column.encoding is not run[0].encoding:
            plan += _run(run)
            run = [column]
        else:
            run.append(column)
    return plan + _run(run)


def _run(columns: list[Fixed]) -> list[Column]:
    return [Run(columns)] if len(columns) > 1 else list(columns)


@lru_cache(maxsize=256)
def _extents(lengths: tuple[bytes, ...], width: Callable[[int], int]) -> dict[bytes, tuple[int, int]]:
    """Prefix -> units and bytes of the value behind it."""
    return {prefix: (units, width(units)) for units, prefix in enumerate(lengths)}


def _placed(bad: CodecError, number: int, at: int) -> CodecError:
    return CodecError(bad.reason, number, at + (bad.offset or 0))


def _cut_short(number: int, at: int, width: int, payload_bytes: int) -> CodecError:
    return CodecError(f"{width} bytes announced, {max(0, payload_bytes - at)} remain", number, at)
