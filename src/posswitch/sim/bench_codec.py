"""Measures the codec: one 18-field sale, unpacked and packed, in CPU microseconds."""

import copy
import importlib
import statistics
from collections.abc import Callable
from time import process_time_ns
from typing import Any

from posswitch.base.errors import CodecError
from posswitch.codec import Message, load_dialect

_DIALECT = "iso87a"  # the one pyiso8583 reads from the same bytes
_ALSO = ("cups", "pos")
_RUNS = 9
Action = Callable[[], object]
_SALE: dict[int, str | bytes] = {
    2: "6222021234567894",
    3: "000000",
    4: "000000012345",
    7: "0604130105",
    11: "223344",
    12: "130105",
    13: "0604",
    18: "5411",
    22: "051",
    25: "00",
    32: "01020000",
    35: "6222021234567894D29122011234567890",
    37: "415513012345",
    41: "T0000001",
    42: "102310054110001",
    49: "156",
    52: bytes.fromhex("0123456789ABCDEF"),
    64: bytes.fromhex("FEDCBA9876543210"),
}


def run(quick: bool) -> dict[str, Any]:
    """Medians of nine runs: µs to unpack and to pack, and pyiso8583's sum over ours (None without it)."""
    times = 200 if quick else 3000
    ours = _pair(_DIALECT)
    theirs = _pyiso8583_pair()
    medians = _medians_us([*ours, *theirs], times)
    return {
        "dialect": _DIALECT,
        "fields": len(_SALE),
        "unpack_us": medians[0],
        "pack_us": medians[1],
        "pyiso8583_ratio": round(sum(medians[2:]) / sum(medians[:2]), 2) if theirs else None,
        "pyiso8583_us": round(sum(medians[2:]), 1) if theirs else None,
        "also": {name: _row(_medians_us(_pair(name), times)) for name in _ALSO},
        "units": {"unpack_us": "CPU µs a message", "pack_us": "CPU µs a message", "pyiso8583_ratio": "times"},
    }


def yardstick_us() -> float | None:
    """CPU µs of pyiso8583 for the same sale: says how fast this machine is at this moment."""
    theirs = _pyiso8583_pair()
    return round(sum(_run_us(action, 500) for action in theirs), 1) if theirs else None


def _row(medians: list[float]) -> dict[str, float]:
    return {"unpack_us": medians[0], "pack_us": medians[1]}


def _pair(name: str) -> list[Action]:
    """Unpack and pack of the sale as far as the dialect has its fields."""
    dialect = load_dialect(name)
    message = Message("0200", dict(_SALE), bytes(dialect.header_bytes))
    for number, value in _SALE.items():
        try:
            dialect.pack(Message("0200", {number: value}, message.header))
        except CodecError:
            del message.fields[number]
    payload = dialect.pack(message)
    assert len(dialect.unpack(payload).fields) == len(message.fields)
    return [lambda: dialect.unpack(payload), lambda: dialect.pack(message)]


def _pyiso8583_pair() -> list[Action]:
    """The same bytes for pyiso8583; nothing when it is not installed."""
    try:
        iso8583 = importlib.import_module("iso8583")
        spec = copy.deepcopy(importlib.import_module("iso8583.specs").default_ascii)
    except ImportError:
        return []
    payload = load_dialect(_DIALECT).pack(Message("0200", dict(_SALE)))
    decoded, _ = iso8583.decode(payload, spec)
    assert bytes(iso8583.encode(decoded, spec)[0]) == payload
    return [lambda: iso8583.decode(payload, spec), lambda: iso8583.encode(decoded, spec)]


def _medians_us(actions: list[Action], times: int) -> list[float]:
    """CPU µs of each action; taken in turns, so that a slow moment of the machine meets all of them."""
    turns = [[_run_us(action, times) for action in actions] for _ in range(_RUNS)]
    return [round(statistics.median(column), 3) for column in zip(*turns, strict=True)]


def _run_us(action: Action, times: int) -> float:
    start_ns = process_time_ns()
    for _ in range(times):
        action()
    return (process_time_ns() - start_ns) / times / 1000
