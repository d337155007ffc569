"""What a person must decide: how a payment comes to need an owner, and what the owner's word does."""

from posswitch.base.bounds import RESTORED_DOUBT_NS
from posswitch.base.moment import stamp
from posswitch.base.registry import Change, Ruling
from posswitch.engine.effects import Amend, Decision, WakeLane
from posswitch.engine.events import (
    DeliveryExpired,
    HandedToOwner,
    JournalRestored,
    Reopened,
    RequestArrived,
    Reversing,
    Verdict,
)
from posswitch.engine.facts import Facts, Row
from posswitch.engine.lifecycle import ADVISING, IN_LANE, NEEDS_OWNER, after
from posswitch.engine.reverse import UNKNOWN_OUTCOME, release
from posswitch.engine.rules import Rules
from posswitch.engine.state import State
from posswitch.scheme.kinds import PAYMENT_KINDS

_DONE = "00"


def delivery_expired(
    state: State, event: DeliveryExpired, facts: Facts, at_ns: int, rules: Rules
) -> Decision:
    """The lane has tried long enough: a person must look. What the terminal was told stays."""
    flight = state.flights.get(event.payment)
    if flight is None or flight.state not in IN_LANE:
        return Decision(None, note="expired-closed")
    code = _DONE if flight.state == ADVISING else UNKNOWN_OUTCOME
    holds = () if PAYMENT_KINDS[flight.request.kind].final else release(flight.holds)
    verdict = Verdict(flight.payment, "expired", after(flight.state, "expired"), code, holds=holds)
    return Decision(verdict, (WakeLane(flight.request.bank),))


def journal_restored(
    state: State, event: JournalRestored, facts: Facts, at_ns: int, rules: Rules
) -> Decision:
    """Numbers go on far behind the archive's; what was open is handed over one by one."""
    return Decision(Verdict())


def handed_to_owner(state: State, event: HandedToOwner, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """What became of it after the archive ends nobody knows here: no bank is told anything by itself.

    An inquiry has moved no money, it is closed.
    """
    flight = state.flights[event.payment]
    kind = PAYMENT_KINDS[flight.request.kind]
    if not kind.reversible and not kind.advice:
        cause = "inquiry-unanswered"
        held = release(flight.holds)  # limits may count inquiries
        verdict = Verdict(flight.payment, cause, after(flight.state, cause), UNKNOWN_OUTCOME, holds=held)
        return Decision(verdict)
    advice = flight.state == ADVISING
    verdict = Verdict(
        flight.payment,
        "restored",
        after(flight.state, "restored"),
        _DONE if advice else UNKNOWN_OUTCOME,
        holds=() if kind.final else release(flight.holds),
    )
    return Decision(verdict)


def in_doubt(state: State, at_ns: int) -> bool:
    """Whether what this journal does not have may be of those that a restore has lost."""
    return bool(state.restored_ns) and at_ns - state.restored_ns < RESTORED_DOUBT_NS


def ruled(state: State, change: Change, ruling: Ruling, facts: Facts, at_ns: int) -> Decision:
    """An owner's word: it moves the payment if it still needs one, else it is noted beside it."""
    row = facts.row
    why = f"{ruling.author}: {ruling.reason}"
    noted = Decision(Verdict(ruling.payment, why=f"too late, {why}"), (Amend(change),))
    if row is None or row.state != NEEDS_OWNER:
        return noted
    if ruling.says != "again":
        return Decision(_settled(row, ruling, why), (Amend(change),))
    request = row.request
    if request is None:
        return noted
    return Decision(_again(state, row, request, why, at_ns), (Amend(change), WakeLane(request.bank)))


def _settled(row: Row, ruling: Ruling, why: str) -> Verdict:
    """It stands, and uses again what it had given back; or it is reversed, and gives back what it has.

    An advice keeps what it holds while it needs an owner; everything else has given it back.
    """
    request = row.request
    holds = row.first.verdict.holds
    final = request is not None and PAYMENT_KINDS[request.kind].final
    if ruling.says == "stands":
        cause, code = "owner-approved", _DONE
        holds = () if final else holds
    else:
        cause, code = "owner-reversed", row.code
        holds = release(holds) if final else ()
    return Verdict(row.payment, cause, after(NEEDS_OWNER, cause), code, why, auth=row.auth, holds=holds)


def _again(state: State, row: Row, request: RequestArrived, why: str, at_ns: int) -> Verdict:
    """Back into its bank's lane: an advice as it was, anything else to be reversed.

    What the centre approved itself is told again if its terminal was told so, and holds again what it takes.
    """
    first = row.first.verdict
    again = Reopened(request, row.first.at_ns, first.stan, first.f7, first.original)
    kind = PAYMENT_KINDS[request.kind]
    advice = kind.advice and row.code == _DONE
    cause = "advised-again" if advice else "reversed-again"
    steps = () if advice else (Reversing(row.payment, state.next_stan(request.bank), stamp(at_ns).f7),)
    return Verdict(
        row.payment,
        cause,
        after(NEEDS_OWNER, cause),
        row.code,
        why,
        auth=row.auth,
        holds=first.holds if advice and not kind.final else (),
        reversing=steps,
        reopened=again,
    )
