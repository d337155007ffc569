"""What a journal says of one payment, and which payments need an owner; only reads, also beside a node."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec

from posswitch.base.amount import CNY
from posswitch.base.errors import JournalError
from posswitch.base.moment import stamp
from posswitch.engine.events import Event, NodeRestarted, Record, RequestArrived, ReversalArrived, Verdict
from posswitch.journal.disk import MACHINE, Disk
from posswitch.journal.layout import DATABASE
from posswitch.journal.recovery import decode_record
from posswitch.scheme.numbers import make_rrn, payment_of_rrn

PAYMENTS = """SELECT payment, kind, amount_minor, state, code, cause, key, original, auth, body FROM payment
JOIN journal ON seq = payment"""
# A record names its payment by number, a repeat or a terminal's reversal also by its key: what has neither
# among its bytes is not decoded.
_ABOUT = """SELECT seq, body FROM journal
WHERE seq >= ?1 AND (seq = ?1 OR instr(body, ?2) OR instr(body, ?3) OR instr(body, ?4)) ORDER BY seq"""


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

    Looks at every record since its first one.
    """
    with view(folder, disk) as db:
        row = row_of(db, node, reference)
        steps = [
            Step(seq, record.at_ns, type(record.event).__name__, verdict.cause, verdict.state, verdict.why)
            for seq, record in records_about(db, row)
            if moves(verdict := record.verdict, row[0])
        ]
        return case_of(node, row), steps


def row_of(db: apsw.Connection, node: str, reference: str) -> tuple[Any, ...]:
    """The row of PAYMENTS with this number or RRN; JournalError when there is none."""
    row = row_named(db, node, reference)
    if row is None:
        raise JournalError(f"no payment {reference}; give its number, or field 37 as the receipt has it")
    return row


def row_named(db: apsw.Connection, node: str, reference: str) -> tuple[Any, ...] | None:
    """The row of PAYMENTS with this number or RRN, or None."""
    (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone() or (0,)
    number = payment_of_rrn(reference, node, last)
    if not number and reference.isascii() and reference.isdigit():
        number = int(reference[:18])
    row = db.execute(f"{PAYMENTS} WHERE payment = ?", (number,)).fetchone()
    return None if row is None else tuple(row)


def records_about(db: apsw.Connection, row: tuple[Any, ...]) -> Iterator[tuple[int, Record]]:
    """Every record since its first that moves the payment of a row of PAYMENTS, notes something of it, or
    comes under its key; and every start of a node."""
    payment, key = row[0], row[6]
    named = msgspec.msgpack.encode(payment), key.encode(), NodeRestarted.__name__.encode()
    for seq, body in db.execute(_ABOUT, (payment, *named)):
        record = decode_record(seq, body)
        event = record.event
        if moves(record.verdict, payment) or isinstance(event, NodeRestarted) or _key(event) == key:
            yield seq, record


def _key(event: Event) -> str:
    return event.key if isinstance(event, RequestArrived | ReversalArrived) else ""


def moves(verdict: Verdict, payment: int) -> bool:
    """Whether a decision is about a payment."""
    return verdict.payment == payment or any(step.payment == payment for step in verdict.reversing)


def request_of(row: tuple[Any, ...]) -> tuple[int, RequestArrived | ReversalArrived]:
    """When the payment of a row of PAYMENTS was asked for, and how, with what its original adds."""
    record = decode_record(row[0], row[-1])
    request = record.verdict.completed or record.event
    assert isinstance(request, RequestArrived | ReversalArrived)
    return record.at_ns, request


def case_of(node: str, row: tuple[Any, ...]) -> Case:
    """A row of PAYMENTS as a person needs to see it."""
    payment, kind, amount_minor, state, code, cause, *_ = row
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
