"""The story of one payment, gathered: records, its batch, what builds on it, the node's vitals, incidents."""

from pathlib import Path
from typing import Any

import apsw

from posswitch.base.amount import CNY
from posswitch.base.registry import Bank as BankRow
from posswitch.diagnose.shelf import read_incidents
from posswitch.engine.events import RequestArrived
from posswitch.engine.lifecycle import ADVISING, APPROVED
from posswitch.journal.batches import settlement_of
from posswitch.journal.disk import MACHINE
from posswitch.journal.story import PAYMENTS, case_of, records_about, view
from posswitch.journal.vitals import read_gauges
from posswitch.office.why_evidence import Bank, Evidence, Money, Outcome, Related, Settled, Waits
from posswitch.office.why_measured import measured
from posswitch.office.why_outcome import Judged, judged
from posswitch.office.why_track import Track, read
from posswitch.scheme.kinds import PAYMENT_KINDS, WHOLE
from posswitch.settings.config import Config

_BUILT = f"{PAYMENTS} WHERE original = ? AND payment > ? ORDER BY payment LIMIT 100"
_ONE = f"{PAYMENTS} WHERE payment = ?"
_INCIDENTS_MAX = 200  # that are looked at, the newest
_STANDING = frozenset({APPROVED, ADVISING})


def evidence_of(config: Config, row: tuple[Any, ...], now_ns: int, db: apsw.Connection) -> Evidence:
    """Everything that is known of the payment of a row of PAYMENTS, read in one view of the journal."""
    track = read(row[0], records_about(db, row))
    case = case_of(config.node, row)
    found = judged(track, config.timers)
    built = tuple(_related(config.node, other) for other in db.execute(_BUILT, (row[0], row[0])))
    if found.money is Money.STANDS and any(_takes_back(one) for one in built):
        found = found._replace(money=Money.UNDONE_LATER)
    request = track.request
    return Evidence(
        now_ns=now_ns,
        node=config.node,
        acquirer=config.acquirer,
        centre=config.centre,
        payment=case.payment,
        rrn=case.rrn,
        kind=request.kind if request is not None else case.kind,
        amount_minor=case.amount_minor,
        currency=case.currency or CNY,
        terminal=case.terminal,
        merchant=case.merchant,
        batch=case.batch,
        stan=case.stan,
        card=_masked(request),
        auth=track.auth,
        at_ns=track.at_ns,
        bank=_bank(config, track, request),
        state=track.state,
        outcome=found.outcome,
        reason=found.reason,
        decided=found.decided,
        code=track.code,
        made=track.made,
        why=track.why,
        money=found.money,
        retry=found.retry,
        since_ns=track.since_ns,
        known_by_ns=found.known_by_ns,
        told=tuple(track.told),
        hops=tuple(track.hops),
        repeats=track.repeats,
        terminal_reversals=track.terminal_reversals,
        original=_original(config.node, track, db),
        built=built,
        settled=_settled(track, case.stan, db),
        waits=_waits(config.data, track),
        incidents=_incidents(config.data, track, found),
    )


def one(config: Config, payment: int, now_ns: int) -> Evidence | None:
    """What is known of a payment by its number, None when there is none; JournalError without a journal."""
    with view(config.data, MACHINE) as db:
        row = db.execute(_ONE, (payment,)).fetchone()
        return None if row is None else evidence_of(config, tuple(row), now_ns, db)


def _masked(request: RequestArrived | None) -> str:
    """First six (of its BIN row) and last four digits, as many stars as there are others."""
    if request is None or not request.pan_digits:
        return ""
    begins = request.bin[:6] if request.bin.isdigit() else ""
    return f"{begins}{'*' * (request.pan_digits - len(begins) - 4)}{request.last_four}"


def _bank(config: Config, track: Track, request: RequestArrived | None) -> Bank:
    if request is None or not request.bank:
        return Bank("")
    row: BankRow | None = config.registry.banks.get(request.bank)
    said = read_gauges(config.data).get(f"bank.{request.bank}.links_able")  # a fenced one serves nobody
    asked = bool(track.stan) and track.turns[-1].cause != "not-sent"
    return Bank(
        request.bank,
        *((row.name_zh, row.name_en, row.contact, row.phone) if row is not None else ("", "", "", "")),
        asked,
        track.stan,
        track.f7,
        track.reversal_stan,
        track.reversal_f7,
        track.reversal_since_ns,
        track.said,
        track.said_ns,
        None if said is None else int(said),
    )


def _related(node: str, row: tuple[Any, ...]) -> Related:
    case = case_of(node, row)
    return Related(case.payment, case.rrn, case.kind, case.amount_minor, case.state, case.at_ns)


def _original(node: str, track: Track, db: apsw.Connection) -> Related | None:
    row = db.execute(_ONE, (track.original,)).fetchone() if track.original else None
    return None if row is None else _related(node, row)


def _takes_back(built: Related) -> bool:
    """Whether it undoes the whole of what it builds on."""
    kind = PAYMENT_KINDS[built.kind]
    return kind.takes == WHOLE and built.state in _STANDING


def _settled(track: Track, stan: str, db: apsw.Connection) -> Settled | None:
    request = track.request
    if request is None or PAYMENT_KINDS[request.kind].totals is None:
        return None
    found = settlement_of(db, request.terminal, request.batch, track.payment)
    if found is None:
        return None
    batch, at_ns = found
    known = Settled(batch.phase, batch.balanced, at_ns, stan in batch.totals.open)
    for other in batch.differences:
        if other.stan == stan:
            return Settled(
                *(known.phase, known.balanced, known.at_ns, known.open, True),
                other.ours_minor, other.theirs_minor, other.ours_state,
            )  # fmt: skip
    return known


def _waits(folder: Path, track: Track) -> Waits | None:
    first = next((told for told in track.told if told.to == "payment"), None)
    if first is None or track.request is None:
        return None
    return measured(folder, track.request, first)


def _incidents(folder: Path, track: Track, found: Judged) -> tuple[int, ...]:
    """The numbers of incidents that were under way then, where it went; oldest first."""
    request = track.request
    if request is None or found.outcome is Outcome.APPROVED:
        return ()
    names = ("bank", "terminal", "merchant", "kind", "bin", "entry")
    here = {name: getattr(request, name) for name in names}
    try:
        incidents = read_incidents(folder, _INCIDENTS_MAX)
    except apsw.Error:
        return ()
    until_ns = max(turn.at_ns for turn in track.turns)
    return tuple(
        incident.number
        for incident in reversed(incidents)
        if incident.since_ns <= until_ns
        and (not incident.closed_ns or incident.closed_ns >= track.at_ns)
        and not incident.merged_into
        and all(here.get(name) == value for name, value in incident.place.items())
    )
