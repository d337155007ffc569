"""Entering reversing: the verdicts that make a reversal durable and give it its STAN and F7."""

from posswitch.base.moment import stamp
from posswitch.engine.effects import Answer, Decision, SendResponse
from posswitch.engine.events import Hold, Reopened, Reversing, Verdict
from posswitch.engine.facts import Row
from posswitch.engine.lifecycle import APPROVED, FORWARDED, after
from posswitch.engine.state import Flight, State
from posswitch.scheme.kinds import PAYMENT_KINDS
from posswitch.scheme.numbers import next_stan

UNKNOWN_OUTCOME = "98"


def release(holds: tuple[Hold, ...]) -> tuple[Hold, ...]:
    """The opposite of holds."""
    return tuple(Hold(hold.key, hold.window, -hold.amount_minor) for hold in holds)


def reverse(state: State, flight: Flight, cause: str, at_ns: int, code: str = UNKNOWN_OUTCOME) -> Verdict:
    """A forwarded payment will be reversed; its terminal is told `code`."""
    step = Reversing(flight.payment, state.next_stan(flight.request.bank), stamp(at_ns).f7)
    return Verdict(
        flight.payment,
        cause,
        after(flight.state, cause),
        code,
        holds=release(flight.holds),
        reversing=(step,),
    )


def reopen(state: State, row: Row, cause: str, at_ns: int) -> Verdict:
    """A closed payment will be reversed after all; what it still holds is released."""
    request = row.request
    assert request is not None
    first = row.first.verdict
    step = Reversing(row.payment, state.next_stan(request.bank), stamp(at_ns).f7)
    return Verdict(
        row.payment,
        cause,
        after(row.state, cause),
        UNKNOWN_OUTCOME,
        holds=release(first.holds) if row.state == APPROVED else (),
        reversing=(step,),
        reopened=Reopened(request, row.first.at_ns, first.stan, first.f7),
    )


def forget(flight: Flight, code: str, day: str) -> Decision:
    """Nobody answered an inquiry: no money moved, it is closed and its terminal told `code`."""
    cause = "inquiry-unanswered"
    verdict = Verdict(flight.payment, cause, after(flight.state, cause), code, holds=release(flight.holds))
    return Decision(
        verdict, (SendResponse(flight.ticket, flight.request, Answer(code, flight.rrn, day=day)),)
    )


def reverse_all(state: State, at_ns: int) -> Verdict:
    """Every forwarded payment that can be will be reversed (after a restart), in one verdict."""
    f7 = stamp(at_ns).f7
    stans: dict[str, int] = {}
    steps: list[Reversing] = []
    holds: list[Hold] = []
    for payment in sorted(state.flights):
        flight = state.flights[payment]
        if flight.state == FORWARDED and PAYMENT_KINDS[flight.request.kind].reversible:
            bank = flight.request.bank
            stan = stans[bank] = next_stan(stans.get(bank, state.last_stan(bank)))
            steps.append(Reversing(payment, stan, f7))
            holds.extend(release(flight.holds))
    if not steps:
        return Verdict()
    return Verdict(
        0, "restarted", after(FORWARDED, "restarted"), UNKNOWN_OUTCOME,
        holds=tuple(holds), reversing=tuple(steps),
    )  # fmt: skip
