"""Reads and writes whole messages: header, then the plan that MTI and bitmap choose."""

from collections.abc import Mapping
from typing import Any

from posswitch.base.bounds import PLANS_MAX
from posswitch.base.errors import CodecError
from posswitch.codec.column import (
    Column,
    ReadStep,
    WriteStep,
    absent,
    read_fields,
    read_runs,
    read_steps,
    write_fields,
    write_runs,
    write_steps,
)
from posswitch.codec.encoding import BINARIES, Encoding
from posswitch.codec.message import Message, Value

MTI, BITMAP = 0, 1  # their numbers in errors
_MTI_DIGITS = 4
_HALF_BITS = 64

# bitmap encoding -> the lowest first byte that announces the second half
_WIDE_FROM = {"binary": 0x80, "hex-ascii": ord("8")}


# MTI, field numbers, a quick walk and one that finds faults; likewise MTI and bitmap as written
ReadPlan = tuple[str, tuple[int, ...], list[ReadStep], list[ReadStep]]
WritePlan = tuple[bytes, list[WriteStep], list[WriteStep]]


class Dialect:
    """A way to write messages; one object a dialect, safe to share, its plans cached within PLANS_MAX."""

    def __init__(
        self,
        name: str,
        columns: Mapping[int, Column],
        *,
        mti: Encoding,
        bitmap: str,
        wide_always: bool,
        header_bytes: int,
        family: str = "iso87",
    ) -> None:
        self.name = name
        self.family = family  # whose fields it took over: pos, cups or iso87
        self.settings: dict[str, Any] = {}  # its file, with what the base says
        self.header_bytes = header_bytes
        self._columns = columns
        self._mti = mti
        self._bitmap_at = header_bytes + mti.width(_MTI_DIGITS)
        self._bits = BINARIES["raw" if bitmap == "binary" else bitmap]
        self._half_bytes = self._bits.width(_HALF_BITS // 8)
        self._wide_from = 0 if wide_always else _WIDE_FROM[bitmap]
        self._wide_always = wide_always
        self._read_plans: dict[bytes, ReadPlan] = {}
        self._write_plans: dict[tuple[str | int, ...], WritePlan] = {}

    @property
    def columns(self) -> Mapping[int, Column]:
        """Its fields."""
        return self._columns

    @property
    def bitmap_at(self) -> int:
        """Where the bitmap begins."""
        return self._bitmap_at

    @property
    def bits_a_byte(self) -> int:
        """Bits of bitmap that one byte of it holds: 8, or 4 in hexadecimal characters."""
        return _HALF_BITS // self._half_bytes

    def __repr__(self) -> str:
        return f"Dialect({self.name}, {len(self._columns)} fields, {len(self._read_plans)} plans)"

    def unpack(self, payload: bytes) -> Message:
        """The message in `payload` (no length prefix); CodecError with field and offset for anything else."""
        at = self._bitmap_at
        if at >= len(payload):
            raise self._short(payload)
        at += 2 * self._half_bytes if payload[at] >= self._wide_from else self._half_bytes
        start = payload[self.header_bytes : at]
        mti, numbers, quick, exact = self._read_plans.get(start) or self._plan_to_read(payload, start, at)
        try:
            values, at = read_fields(quick, payload, at)
        except (CodecError, UnicodeError):
            values, at = read_fields(exact, payload, at)
        if at != len(payload):
            raise CodecError(f"{len(payload) - at} bytes after the last field", None, at)
        fields = dict(zip(numbers, values))  # noqa: B905 - a plan reads each of its fields or raises
        return Message(mti, fields, payload[: self.header_bytes])

    def fields_at(self, payload: bytes) -> int:
        """Where the fields of `payload` begin; 0 when it ends before its bitmap."""
        at = self._bitmap_at
        if at >= len(payload):
            return 0
        at += 2 * self._half_bytes if payload[at] >= self._wide_from else self._half_bytes
        return at if at <= len(payload) else 0

    def column(self, number: int) -> Column:
        """A field of this dialect; CodecError when it has none of this number."""
        found = self._columns.get(number)
        if found is None:
            raise CodecError("this dialect has no such field", number)
        return found

    def announced(self, payload: bytes) -> tuple[tuple[int, ...], int]:
        """The fields that the bitmap of `payload` announces, and where they begin; CodecError."""
        at = self._bitmap_at
        if at >= len(payload):
            raise self._short(payload)
        at += 2 * self._half_bytes if payload[at] >= self._wide_from else self._half_bytes
        return self._plan_to_read(payload, payload[self.header_bytes : at], at)[1], at

    def pack(self, message: Message) -> bytes:
        """The payload of `message`; CodecError with the field that does not fit the dialect."""
        fields = message.fields
        start, quick, exact = self._write_plans.get((message.mti, *fields)) or self._plan_to_write(message)
        if len(message.header) != self.header_bytes:
            raise CodecError(f"{len(message.header)} bytes of header, must be {self.header_bytes}")
        try:
            parts = write_fields(quick, fields)
        except (CodecError, TypeError):
            parts = write_fields(exact, fields)
        return message.header + start + b"".join(parts)

    def _plan_to_read(self, payload: bytes, start: bytes, end: int) -> ReadPlan:
        """The plan for `start`, which should reach to `end` in the payload."""
        at = self._bitmap_at
        mti = self._part(self._mti, payload[self.header_bytes : at], self.header_bytes, MTI)
        if end > len(payload):
            raise CodecError(f"{end - at} bytes of bitmap, {len(payload) - at} remain", BITMAP, at)
        bits = self._part(self._bits, payload[at:end], at, BITMAP)
        numbers = _numbers(bits)
        columns = [self._columns.get(number) or absent(number) for number in numbers]
        plan = (str(mti), tuple(numbers), read_runs(columns), read_steps(columns))
        _remember(self._read_plans, start, plan)
        return plan

    def _plan_to_write(self, message: Message) -> WritePlan:
        numbers = sorted(message.fields)
        for number in numbers:
            if number not in self._columns:
                raise CodecError("this dialect has no such field", number)
        if len(message.mti) != _MTI_DIGITS:
            raise CodecError("must be 4 digits", MTI)
        try:
            mti = self._mti.write(message.mti)
        except CodecError as bad:
            raise CodecError(bad.reason, MTI) from None
        start = mti + self._bits.write(self._bitmap(numbers))
        columns = [self._columns[number] for number in numbers]
        plan = (start, write_runs(columns), write_steps(columns))
        _remember(self._write_plans, (message.mti, *message.fields), plan)
        return plan

    def _bitmap(self, numbers: list[int]) -> bytes:
        """The bitmap of sorted field numbers: its second half only when needed or always sent."""
        bits = sum(1 << (2 * _HALF_BITS - number) for number in numbers)
        wide = bool(numbers) and numbers[-1] > _HALF_BITS
        if wide and not self._wide_always:
            bits |= 1 << (2 * _HALF_BITS - 1)
        whole = bits.to_bytes(2 * _HALF_BITS // 8, "big")
        return whole if wide or self._wide_always else whole[: _HALF_BITS // 8]

    def _part(self, encoding: Encoding, chunk: bytes, at: int, number: int) -> Value:
        try:
            return encoding.read(chunk, _MTI_DIGITS)
        except CodecError as bad:
            raise CodecError(bad.reason, number, at + (bad.offset or 0)) from None

    def _short(self, payload: bytes) -> CodecError:
        start, at, given = self.header_bytes, self._bitmap_at, len(payload)
        if given < start:
            return CodecError(f"{start} bytes of header, {given} given", None, given)
        if given < at:
            return CodecError(f"{at - start} bytes of MTI, {given - start} remain", MTI, start)
        return CodecError("no bitmap", BITMAP, at)


def _numbers(bits: Value) -> list[int]:
    """The fields that a bitmap announces; bit 1 announces the second half, not a field."""
    assert isinstance(bits, bytes)
    value, size = int.from_bytes(bits, "big"), len(bits) * 8
    return [number for number in range(2, size + 1) if value >> (size - number) & 1]


def _remember(plans: dict[Any, Any], key: object, plan: object) -> None:
    if len(plans) >= PLANS_MAX:
        plans.clear()  # only made-up bitmaps reach this; the real ones come back at once
    plans[key] = plan
