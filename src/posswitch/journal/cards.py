"""The payments of one card, found by its keyed fingerprint; and the sealed card number of one payment."""

from pathlib import Path

import apsw

from posswitch.engine.events import RequestArrived
from posswitch.journal.disk import MACHINE, Disk
from posswitch.journal.recovery import decode_record
from posswitch.journal.story import PAYMENTS, Case, case_of, request_of, row_of, view

_OF_CARD = f"{PAYMENTS} WHERE payment >= ? AND instr(body, ?) ORDER BY payment DESC"


def payments_of(
    folder: Path, node: str, pan_print: bytes, since_ns: int, most: int, disk: Disk = MACHINE
) -> tuple[list[Case], bool]:
    """A card's payments since a time, the newest first, `most` of them; and whether there are more.

    Only reads, also beside a running node; every payment since then is looked at. JournalError without one.
    """
    found: list[Case] = []
    with view(folder, disk) as db:
        for row in db.execute(_OF_CARD, (first_since(db, since_ns), pan_print)):
            _, request = request_of(row)
            if request.pan_print != pan_print:  # the bytes stand elsewhere in the record
                continue
            if len(found) == most:
                return found, True
            found.append(case_of(node, row))
    return found, False


def sealed_card(folder: Path, node: str, reference: str, disk: Disk = MACHINE) -> tuple[Case, bytes]:
    """A payment by its number or RRN, and its card number as it is sealed, empty when none is known."""
    with view(folder, disk) as db:
        row = row_of(db, node, reference)
        _, request = request_of(row)
        return case_of(node, row), request.pan_box if isinstance(request, RequestArrived) else b""


def asked_as(folder: Path, node: str, reference: str, disk: Disk = MACHINE) -> RequestArrived | None:
    """What a terminal asked in a payment (number or RRN), its original's card where it came without one."""
    with view(folder, disk) as db:
        row = row_of(db, node, reference)
        record = decode_record(row[0], row[-1])
        event, completed = record.event, record.verdict.completed
        if isinstance(event, RequestArrived) and (event.pan_print or completed is None):
            return event
        return completed


_ENDS = "SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM journal"
_NEXT = "SELECT seq, at_ns FROM journal WHERE seq >= ? ORDER BY seq LIMIT 1"


def first_since(db: apsw.Connection, since_ns: int) -> int:
    """The first record of a time or later: records stand in the order of their times."""
    low, high = db.execute(_ENDS).fetchone() or (0, 0)
    while low <= high:
        middle = (low + high) // 2
        found = db.execute(_NEXT, (middle,)).fetchone()
        if found is not None and found[1] < since_ns:
            low = found[0] + 1
        else:
            high = middle - 1
    return int(low)
