"""Near misses: which payment an answer that matches nothing may have meant, and in what it differs."""

from itertools import islice

from posswitch.base.bounds import NEAR_FLIGHTS_MAX
from posswitch.engine.events import AnswerArrived, RequestArrived
from posswitch.engine.facts import Row
from posswitch.engine.lifecycle import REVERSING
from posswitch.engine.state import State
from posswitch.scheme.interbank import REVERSAL_ANSWER

_FIELDS = (11, 7, 37, 41, 42, 4, 2)
_DIFFERING_MAX = 2
_SECRET = 2

Values = tuple[object, ...]  # one for each of _FIELDS


def near_miss(state: State, answer: AnswerArrived, row: Row | None) -> tuple[int, str]:
    """The payment of this bank that an answer comes nearest to, and how it differs; (0, "") if none is.

    `row` is the payment with the answer's reference number; of those under way the newest are looked at.
    """
    said: Values = (
        answer.stan, answer.f7, answer.rrn, answer.terminal, answer.merchant, answer.amount_minor,
        answer.pan_print,
    )  # fmt: skip
    best: tuple[int, str] = 0, ""
    fewest = _DIFFERING_MAX + 1
    for payment, sent in _candidates(state, answer, row):
        wrong = [place for place, value in enumerate(said) if value != sent[place]]
        if len(wrong) < fewest:
            fewest = len(wrong)
            best = payment, ", ".join(_words(_FIELDS[place], said[place], sent[place]) for place in wrong)
    return best


def _candidates(state: State, answer: AnswerArrived, row: Row | None) -> list[tuple[int, Values]]:
    found: list[tuple[int, Values]] = []
    for flight in islice(reversed(state.flights.values()), NEAR_FLIGHTS_MAX):
        if flight.request.bank == answer.bank:
            reverses = answer.mti == REVERSAL_ANSWER and flight.state == REVERSING
            numbers = (flight.rev_stan, flight.rev_f7) if reverses else (flight.stan, flight.f7)
            found.append((flight.payment, _sent(flight.request, *numbers, flight.rrn)))
    request = row.request if row is not None else None
    if row is not None and request is not None and request.bank == answer.bank and row.first.verdict.stan:
        first = row.first.verdict
        found.append((row.payment, _sent(request, first.stan, first.f7, answer.rrn)))
    return found


def _sent(request: RequestArrived, stan: int, f7: str, rrn: str) -> Values:
    return (
        stan, f7, rrn, request.terminal, request.merchant, request.amount_minor, request.pan_print,
    )  # fmt: skip


def _words(field: int, said: object, sent: object) -> str:
    return f"field {field}" if field == _SECRET else f"field {field} says {said}, sent was {sent}"
