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
_RUNS = 7
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
    """Medians of seven runs: µs to unpack and to pack, and pyiso8583's sum over ours (None without it)."""
    times = 500 if quick else 5000
    ours = _measured(_DIALECT, times)
    theirs = _pyiso8583_us(times)
    return {
        "dialect": _DIALECT,
        **ours,
        "pyiso8583_ratio": theirs and round(theirs / (ours["unpack_us"] + ours["pack_us"]), 2),
        "also": {name: _measured(name, times) for name in _ALSO},
        "units": {"unpack_us": "CPU µs a message", "pack_us": "CPU µs a message", "pyiso8583_ratio": "times"},
    }


def _measured(name: str, times: int) -> dict[str, Any]:
    dialect = load_dialect(name)
    message = Message("0200", dict(_SALE), b"\x00" * dialect.header_bytes)
    for number, value in _SALE.items():  # a dialect may lack some of the fields
        try:
            dialect.pack(Message("0200", {number: value}, message.header))
        except CodecError:
            del message.fields[number]
    payload = dialect.pack(message)
    assert len(dialect.unpack(payload).fields) == len(message.fields)
    return {
        "fields": len(message.fields),
        "unpack_us": _median_us(lambda: dialect.unpack(payload), times),
        "pack_us": _median_us(lambda: dialect.pack(message), times),
    }


def _pyiso8583_us(times: int) -> float | None:
    """What pyiso8583 takes to decode and encode the same bytes."""
    try:
        iso8583 = importlib.import_module("iso8583")
        spec = copy.deepcopy(importlib.import_module("iso8583.specs").default_ascii)
    except ImportError:
        return None
    spec["h"]["max_len"] = 0
    payload = load_dialect(_DIALECT).pack(Message("0200", dict(_SALE)))
    decoded, _ = iso8583.decode(payload, spec)
    assert bytes(iso8583.encode(decoded, spec)[0]) == payload
    return _median_us(lambda: iso8583.decode(payload, spec), times) + _median_us(
        lambda: iso8583.encode(decoded, spec), times
    )


def _median_us(action: Callable[[], object], times: int) -> float:
    def one_run() -> float:
        start_ns = process_time_ns()
        for _ in range(times):
            action()
        return (process_time_ns() - start_ns) / times / 1000

    return round(statistics.median(one_run() for _ in range(_RUNS)), 3)
