"""What a journal says of one payment, and which payments need an owner; only reads, also beside a node."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from posswitch.base.amount import CNY
from posswitch.base.errors import JournalError
from posswitch.base.moment import stamp
from posswitch.engine.events import Record, RequestArrived, ReversalArrived, Verdict
from posswitch.journal.disk import MACHINE, Disk
from posswitch.journal.layout import DATABASE
from posswitch.journal.recovery import decode_record
from posswitch.scheme.numbers import make_rrn, payment_of_rrn

PAYMENTS = """SELECT payment, kind, amount_minor, state, code, cause, body FROM payment
JOIN journal ON seq = payment"""


class Case(NamedTuple):
    """A payment as a person needs to see it; `bank` and `last_four` are empty when no request is known."""

    payment: int
    rrn: str
    kind: str
    amount_minor: int
    currency: str
    terminal: str
    merchant: str
    batch: str
    stan: str
    last_four: str
    bank: str
    at_ns: int
    state: str
    code: str  # what its terminal was told, or is owed
    cause: str  # of its last step


class Step(NamedTuple):
    """One record about a payment: what happened, what it moved, what was noted."""

    seq: int
    at_ns: int
    event: str
    cause: str
    state: str
    why: str


def needing_owner(folder: Path, node: str, disk: Disk = MACHINE) -> list[Case]:
    """Every payment that waits for a person, the oldest first; JournalError without a journal."""
    with view(folder, disk) as db:
        rows = db.execute(f"{PAYMENTS} WHERE state = 'needs-owner' ORDER BY payment").fetchall()
        return [case_of(node, row) for row in rows]


def told(folder: Path, node: str, reference: str, disk: Disk = MACHINE) -> tuple[Case, list[Step]]:
    """A payment by its number or RRN, and every record about it, in order; JournalError when there is none.

    Reads every record since its first one.
    """
    with view(folder, disk) as db:
        row = row_of(db, node, reference)
        records = db.execute("SELECT seq, body FROM journal WHERE seq >= ? ORDER BY seq", (row[0],))
        return case_of(node, row), list(_steps(row[0], records))


def row_of(db: apsw.Connection, node: str, reference: str) -> tuple[Any, ...]:
    """The row of PAYMENTS with this number or RRN; JournalError when there is none."""
    (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone() or (0,)
    number = payment_of_rrn(reference, node, last)
    if not number and reference.isascii() and reference.isdigit():
        number = int(reference[:18])
    row = db.execute(f"{PAYMENTS} WHERE payment = ?", (number,)).fetchone()
    if row is None:
        raise JournalError(f"no payment {reference}; give its number, or field 37 as the receipt has it")
    return tuple(row)


def _steps(payment: int, rows: Iterator[tuple[int, bytes]]) -> Iterator[Step]:
    for seq, body in rows:
        at_ns, event, verdict = _parts(decode_record(seq, body))
        if verdict.payment == payment or any(step.payment == payment for step in verdict.reversing):
            yield Step(seq, at_ns, type(event).__name__, verdict.cause, verdict.state, verdict.why)


def _parts(record: Record) -> tuple[int, object, Verdict]:
    return record.at_ns, record.event, record.verdict


def request_of(row: tuple[Any, ...]) -> tuple[int, RequestArrived | ReversalArrived]:
    """When the payment of a row of PAYMENTS was asked for, and how, with what its original adds."""
    at_ns, event, verdict = _parts(decode_record(row[0], row[-1]))
    request = verdict.completed or event
    assert isinstance(request, RequestArrived | ReversalArrived)
    return at_ns, request


def case_of(node: str, row: tuple[Any, ...]) -> Case:
    """A row of PAYMENTS as a person needs to see it."""
    payment, kind, amount_minor, state, code, cause, _ = row
    at_ns, request = request_of(row)
    known = request if isinstance(request, RequestArrived) else None
    return Case(
        payment, make_rrn(stamp(at_ns), node, payment), kind, amount_minor,
        known.currency if known else CNY,
        request.terminal, request.merchant, request.batch, request.stan,
        known.last_four if known else "", known.bank if known else "",
        at_ns, state, code, cause,
    )  # fmt: skip


@contextlib.contextmanager
def view(folder: Path, disk: Disk) -> Iterator[apsw.Connection]:
    """One read transaction over a journal; what SQLite refuses becomes one line."""
    path = folder / DATABASE
    if not disk.exists(path):
        raise JournalError(f"{path}: no journal there; give the folder of a switch")
    try:
        with contextlib.closing(disk.view(path)) as db, db:
            yield db
    except apsw.Error as error:
        raise JournalError(f"{path}: cannot be read ({type(error).__name__}); run posswitch verify") from None
