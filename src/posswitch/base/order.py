"""Orders of the office to the node: one change of the registry each, packed, signed and of bounded size.

An order's sequence number is the version of the registry that it makes.
"""

import hmac
from collections.abc import Iterable, Iterator

import msgspec

from posswitch.base.registry import Change, Key, Row, key_of

OFFICE = "office.db"  # the file they are written in, in the data folder
# What is named comes before what names it.
TABLES = ("bank", "bin", "merchant", "terminal", "source", "limit", "route", "pause", "standin")
CHANGE_ROWS_MAX = 2000  # rows and keys of one order; more are split over consecutive versions
CHANGE_BYTES_MAX = 256 * 1024  # of an order's body
ORDER_ID_BYTES = 16
_HEAD_BYTES = 96  # versions, array lengths and the mark of an act, rounded up

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Change).decode


def pack_change(change: Change) -> bytes:
    """The body of an order (MessagePack)."""
    return _encode(change)


def read_change(body: bytes) -> Change | None:
    """The change in an order's body, or None when it is none that this program knows."""
    try:
        change = _decode(body)
    except msgspec.DecodeError:
        return None
    return change if all(table in TABLES for table, _ in change.drop) else None


def sign_order(key: bytes, seq: int, order: bytes, body: bytes) -> bytes:
    """HMAC-SHA256 over sequence number, random id and body."""
    return hmac.digest(key, seq.to_bytes(8, "big") + order + body, "sha256")


def order_fits(key: bytes, seq: int, order: object, body: object, mac: object) -> bool:
    """True when the columns of an order are what the office wrote."""
    if not (isinstance(order, bytes) and isinstance(body, bytes) and isinstance(mac, bytes)):
        return False
    return len(order) == ORDER_ID_BYTES and hmac.compare_digest(sign_order(key, seq, order, body), mac)


def split_change(version: int, put: Iterable[Row], drop: Iterable[Key]) -> list[Change]:
    """A change of any size as consecutive ones within the bounds, `version` the first.

    Rows that are named come before rows that name them, and leave after them: no version in between
    has a terminal without its merchant that the whole change would not have.
    """
    changes: list[Change] = []
    for puts, drops in _portions(_steps(put, drop)):
        changes.append(Change(version + len(changes), tuple(puts), tuple(drops)))
    return changes


def _steps(put: Iterable[Row], drop: Iterable[Key]) -> list[Row | Key]:
    coming = sorted(put, key=lambda row: TABLES.index(key_of(row)[0]))
    leaving = sorted(drop, key=lambda key: -TABLES.index(key[0]))
    return [*coming, *leaving]


def _portions(steps: list[Row | Key]) -> Iterator[tuple[list[Row], list[Key]]]:
    puts: list[Row] = []
    drops: list[Key] = []
    size = _HEAD_BYTES
    for step in steps:
        step_bytes = len(_encode(step))
        assert step_bytes <= CHANGE_BYTES_MAX - _HEAD_BYTES, "forms bound every row"
        if len(puts) + len(drops) >= CHANGE_ROWS_MAX or size + step_bytes > CHANGE_BYTES_MAX:
            yield puts, drops
            puts, drops, size = [], [], _HEAD_BYTES
        size += step_bytes
        if isinstance(step, tuple):
            drops.append(step)
        else:
            puts.append(step)
    if puts or drops:
        yield puts, drops
