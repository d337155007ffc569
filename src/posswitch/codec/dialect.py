"""Reads and writes whole messages: header, then the plan that MTI and bitmap choose."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from posswitch.base.bounds import PLANS_MAX
from posswitch.base.errors import CodecError
from posswitch.codec.column import Absent, Column, Fields, Values, fused
from posswitch.codec.encoding import BINARIES, Encoding
from posswitch.codec.message import Message, Value

MTI, BITMAP = 0, 1  # their numbers in errors
_MTI_DIGITS = 4
_HALF_BITS = 64

# bitmap encoding -> the lowest first byte that announces the second half
_WIDE_FROM = {"binary": 0x80, "hex-ascii": ord("8")}


class Plan(NamedTuple):
    """What one MTI with one bitmap means."""

    mti: str
    start: bytes  # MTI and bitmap as written
    numbers: tuple[int, ...]
    reads: tuple[Callable[[bytes, int, Values], int], ...]
    writes: tuple[Callable[[Fields], bytes], ...]


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
    ) -> None:
        self.name = name
        self.header_bytes = header_bytes
        self._columns = columns
        self._mti = mti
        self._bitmap_at = header_bytes + mti.width(_MTI_DIGITS)
        self._bits = BINARIES["raw" if bitmap == "binary" else bitmap]
        self._half_bytes = self._bits.width(_HALF_BITS // 8)
        self._wide_from = 0 if wide_always else _WIDE_FROM[bitmap]
        self._wide_always = wide_always
        self._read_plans: dict[bytes, Plan] = {}
        self._write_plans: dict[tuple[str | int, ...], Plan] = {}

    def __repr__(self) -> str:
        return f"Dialect({self.name}, {len(self._columns)} fields, {len(self._read_plans)} plans)"

    def unpack(self, payload: bytes) -> Message:
        """The message in `payload` (no length prefix); CodecError with field and offset for anything else."""
        at = self._bitmap_at
        if at >= len(payload):
            raise self._short(payload)
        at += 2 * self._half_bytes if payload[at] >= self._wide_from else self._half_bytes
        start = payload[self.header_bytes : at]
        plan = self._read_plans.get(start) or self._plan_to_read(payload, start, at)
        values: Values = []
        for read in plan.reads:
            at = read(payload, at, values)
        if at != len(payload):
            raise CodecError(f"{len(payload) - at} bytes after the last field", None, at)
        fields = dict(zip(plan.numbers, values))  # noqa: B905 - a plan reads each of its fields or raises
        return Message(plan.mti, fields, payload[: self.header_bytes])

    def pack(self, message: Message) -> bytes:
        """The payload of `message`; CodecError with the field that does not fit the dialect."""
        fields = message.fields
        plan = self._write_plans.get((message.mti, *fields)) or self._plan_to_write(message)
        if len(message.header) != self.header_bytes:
            raise CodecError(f"{len(message.header)} bytes of header, must be {self.header_bytes}")
        parts = [message.header, plan.start]
        for write in plan.writes:
            parts.append(write(fields))
        return b"".join(parts)

    def _plan_to_read(self, payload: bytes, start: bytes, end: int) -> Plan:
        """The plan for `start`, which should reach to `end` in the payload."""
        at = self._bitmap_at
        mti = self._part(self._mti, payload[self.header_bytes : at], self.header_bytes, MTI)
        if end > len(payload):
            raise CodecError(f"{end - at} bytes of bitmap, {len(payload) - at} remain", BITMAP, at)
        bits = self._part(self._bits, payload[at:end], at, BITMAP)
        plan = self._plan(mti, start, _numbers(bits))
        _remember(self._read_plans, start, plan)
        return plan

    def _plan_to_write(self, message: Message) -> Plan:
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
        plan = self._plan(message.mti, mti + self._bits.write(self._bitmap(numbers)), numbers)
        _remember(self._write_plans, (message.mti, *message.fields), plan)
        return plan

    def _plan(self, mti: Value, start: bytes, numbers: list[int]) -> Plan:
        columns = fused([self._columns.get(number) or Absent(number) for number in numbers])
        return Plan(
            str(mti), start, tuple(numbers), tuple(c.read for c in columns), tuple(c.write for c in columns)
        )

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


def _remember(plans: dict[Any, Plan], key: object, plan: Plan) -> None:
    if len(plans) >= PLANS_MAX:
        plans.clear()  # only made-up bitmaps reach this; the real ones come back at once
    plans[key] = plan
