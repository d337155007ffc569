"""Payments found by what a receipt shows: terminal and trace number, card and amount, terminal and time."""

from typing import Any

import apsw

from posswitch.engine.events import RequestArrived
from posswitch.journal.cards import first_since
from posswitch.journal.story import PAYMENTS, request_of

MOST = 20  # payments that are shown to choose from
_BATCH_DIGITS = 6
_OF_TRACE = f"""{PAYMENTS} WHERE key >= ?1 AND key < ?2 AND substr(key, ?3, 8) = ?4
ORDER BY payment DESC LIMIT ?5"""
_OF_AMOUNT = f"{PAYMENTS} WHERE payment BETWEEN ? AND ? AND amount_minor = ? ORDER BY payment DESC"
_OF_TERMINAL = f"""{PAYMENTS} WHERE key >= ? AND key < ? AND payment BETWEEN ? AND ?
ORDER BY payment DESC LIMIT ?"""

Row = tuple[Any, ...]  # of PAYMENTS


def of_trace(db: apsw.Connection, acquirer: str, terminal: str, stan: str, batch: str = "") -> list[Row]:
    """The payments of a terminal with this trace number (6 digits), of one batch or of all; newest first."""
    low, high = _keys(acquirer, terminal, batch)
    place = len(f"{acquirer}|{terminal}|") + _BATCH_DIGITS + 1
    return _rows(db, _OF_TRACE, (low, high, place, f"|{stan}|", MOST))


def of_card(
    db: apsw.Connection, last_four: str, amount_minor: int, since_ns: int, until_ns: int
) -> list[Row]:
    """The payments of an amount whose card ends in four digits, between two times; newest first."""
    first, last = _between(db, since_ns, until_ns)
    found = []
    for row in db.execute(_OF_AMOUNT, (first, last, amount_minor)):
        _, request = request_of(row)
        if isinstance(request, RequestArrived) and request.last_four == last_four:
            found.append(tuple(row))
            if len(found) == MOST:
                break
    return found


def of_terminal(
    db: apsw.Connection, acquirer: str, terminal: str, since_ns: int, until_ns: int, most: int
) -> list[Row]:
    """The payments of a terminal between two times, the newest `most` of them, newest first."""
    low, high = _keys(acquirer, terminal)
    return _rows(db, _OF_TERMINAL, (low, high, *_between(db, since_ns, until_ns), most))


def _keys(acquirer: str, terminal: str, batch: str = "") -> tuple[str, str]:
    """Between which repeat keys those of a terminal or of one of its batches lie."""
    prefix = f"{acquirer}|{terminal}|{f'{batch}|' if batch else ''}"
    return prefix, f"{prefix[:-1]}}}"  # the bar is followed by the brace


def _between(db: apsw.Connection, since_ns: int, until_ns: int) -> tuple[int, int]:
    """The first record of a time and the last before another."""
    return first_since(db, since_ns), first_since(db, until_ns) - 1


def _rows(db: apsw.Connection, query: str, bindings: tuple[object, ...]) -> list[Row]:
    return [tuple(row) for row in db.execute(query, bindings)]
