"""The checker of reasons: every step of a payment rests on an event that says so and fits the payment."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from posswitch.base.codes import APPROVALS
from posswitch.engine.events import (
    AnswerArrived,
    DayTurned,
    DeliveryExpired,
    Event,
    HandedToOwner,
    Hold,
    NodeRestarted,
    NotSent,
    Record,
    RegistryChanged,
    RequestArrived,
    ReturnedUnread,
    ReversalArrived,
    TimerFired,
    Undelivered,
    Verdict,
)
from posswitch.engine.lifecycle import NEEDS_OWNER
from posswitch.scheme.kinds import (
    ADVICE_LATER,
    OUTCOME_UNKNOWN,
    PAYMENT_KINDS,
    REVERSAL_DONE,
    REVERSAL_UNKNOWN,
)
from posswitch.scheme.numbers import RRN_SERIALS


class _Asked(msgspec.Struct):
    """A payment as its bank was asked for it, and the numbers of its last reversal."""

    request: RequestArrived
    numbers: tuple[int, str]
    rev_numbers: tuple[int, str] = (0, "")
    taken_minor: int = 0  # by what was built on it
    owned: bool = False  # it has had an owner: what comes now may answer a message of long ago


class _Ground(NamedTuple):
    """What a cause rests on: the event, and of a bank's answer the codes that mean it and what it answers."""

    event: type
    means: Callable[[str], bool] = lambda code: True
    answers_reversal: bool = False


_AFTER_ALL = "approved-after-all"  # that something came is reason enough to take it back
_GROUNDS = {
    "bank-approved": _Ground(AnswerArrived, lambda code: code in APPROVALS),
    "bank-declined": _Ground(AnswerArrived, lambda code: code not in APPROVALS | OUTCOME_UNKNOWN),
    "bank-unsure": _Ground(AnswerArrived, lambda code: code in OUTCOME_UNKNOWN),
    "bank-acknowledged": _Ground(AnswerArrived, lambda code: code in APPROVALS),
    "bank-refused": _Ground(AnswerArrived, lambda code: code not in APPROVALS | ADVICE_LATER),
    _AFTER_ALL: _Ground(AnswerArrived, lambda code: code in APPROVALS),
    "bank-reversed": _Ground(AnswerArrived, lambda code: code in REVERSAL_DONE, answers_reversal=True),
    "bank-knows-none": _Ground(AnswerArrived, lambda code: code in REVERSAL_UNKNOWN, answers_reversal=True),
    "timed-out": _Ground(TimerFired),
    "not-sent": _Ground(NotSent),
    "returned-unread": _Ground(ReturnedUnread),
    "undelivered": _Ground(Undelivered),
    "expired": _Ground(DeliveryExpired),
    "restarted": _Ground(NodeRestarted),
    "terminal-reversed": _Ground(ReversalArrived),
    "restored": _Ground(HandedToOwner),
    "owner-approved": _Ground(RegistryChanged),
    "owner-reversed": _Ground(RegistryChanged),
    "reversed-again": _Ground(RegistryChanged),
    "advised-again": _Ground(RegistryChanged),
}
_POLICY = ("limit:", "standin:")  # counters of what the office allows
_OPENS = frozenset({"accepted", "advice-accepted"})


class Grounds:
    """Reads records in order; knows nothing of how they were decided."""

    def __init__(self) -> None:
        self._asked: dict[int, _Asked] = {}
        self._day = ""

    def check(self, seq: int, record: Record) -> Iterator[str]:
        """Each finding of one record as a line."""
        event, verdict = record.event, record.verdict
        if isinstance(event, DayTurned | NodeRestarted):
            self._day = max(self._day, event.day)
        if verdict.cause in _OPENS and isinstance(event, RequestArrived):
            yield from self._opened(seq, event, verdict)
        elif verdict.cause in _GROUNDS:
            yield from self._moved(seq, event, verdict)
        for step in verdict.reversing:
            if step.payment in self._asked:
                self._asked[step.payment].rev_numbers = step.stan, step.f7
        for hold in verdict.holds:
            name, _, payment = hold.key.partition(":")
            if name == "taken" and int(payment) in self._asked:
                self._asked[int(payment)].taken_minor += hold.amount_minor

    def _opened(self, seq: int, event: RequestArrived, verdict: Verdict) -> Iterator[str]:
        request = verdict.completed or event
        self._asked[verdict.payment] = _Asked(request, (verdict.stan, verdict.f7))
        said = (event.kind, event.key, event.terminal, event.amount_minor)
        if said != (PAYMENT_KINDS[request.kind].as_told, request.key, request.terminal, request.amount_minor):
            yield f"record {seq}: what its bank is asked is not what its terminal has asked"
        owes: list[Hold] = []
        if verdict.original is not None:
            original = self._asked.get(verdict.original.payment)
            owes.append(Hold(f"taken:{verdict.original.payment}", "", event.amount_minor))
            if original is not None:
                yield from self._builds(seq, request, verdict, original)
        if PAYMENT_KINDS[event.kind].limited:
            owes.append(Hold(f"card:{request.pan_print.hex()}", self._day, event.amount_minor))
        others, takes = verdict.holds[len(owes) :], (1, event.amount_minor)
        fair = all(hold.key.startswith(_POLICY) and hold.amount_minor in takes for hold in others)
        if list(verdict.holds[: len(owes)]) != owes or not fair:
            yield f"record {seq}: does not hold what such a payment takes"

    @staticmethod
    def _builds(seq: int, request: RequestArrived, verdict: Verdict, original: _Asked) -> Iterator[str]:
        was, named = original.request, verdict.original
        assert named is not None
        if (was.bank, was.pan_print, was.merchant) != (request.bank, request.pan_print, request.merchant):
            yield f"record {seq}: builds on a payment of another card, bank or merchant"
        if (named.stan, named.f7) != original.numbers:
            yield f"record {seq}: names its original by numbers that its bank does not know"
        if PAYMENT_KINDS[was.kind].as_told not in PAYMENT_KINDS[request.kind].of:
            yield f"record {seq}: a {request.kind} builds on a {was.kind}"

    def _moved(self, seq: int, event: Event, verdict: Verdict) -> Iterator[str]:
        ground = _GROUNDS[verdict.cause]
        if not isinstance(event, ground.event):
            yield f"record {seq}: {verdict.cause} rests on {type(event).__name__}"
            return
        named = _named(event)
        if named not in (None, verdict.payment):
            yield f"record {seq}: {verdict.cause} of payment {named} moves {verdict.payment}"
        asked = self._asked.get(verdict.payment)
        if asked is None:
            return
        if isinstance(event, AnswerArrived):
            loose = asked.owned or verdict.cause == _AFTER_ALL
            differs = ", ".join(_differences(event, verdict, asked, ground, loose=loose))
            if differs:
                yield f"record {seq}: payment {verdict.payment} moves by an answer with another {differs}"
        asked.owned = asked.owned or verdict.state == NEEDS_OWNER
        if isinstance(event, ReversalArrived):
            said = (event.key, event.amount_minor)
            if said != (asked.request.key, asked.request.amount_minor):
                yield f"record {seq}: payment {verdict.payment} is taken back by the reversal of another"
            if asked.taken_minor:
                yield f"record {seq}: payment {verdict.payment} is taken back after something was built on it"


def _named(event: Event) -> int | None:
    """The payment that an event names by its number, if it does."""
    if isinstance(event, RegistryChanged):
        return event.change.ruling.payment if event.change.ruling else 0
    return getattr(event, "payment", None)


def _differences(
    event: AnswerArrived, verdict: Verdict, asked: _Asked, ground: _Ground, *, loose: bool
) -> Iterator[str]:
    """What of an answer does not fit the payment it moves; `loose`: only the payment must be the same."""
    request = asked.request
    numbers = asked.rev_numbers if ground.answers_reversal else asked.numbers
    pairs: tuple[tuple[str, Any, Any], ...] = (
        ("bank", event.bank, request.bank),
        ("payment number", _serial_in(event.rrn), verdict.payment % RRN_SERIALS),
        ("STAN or F7", (event.stan, event.f7), numbers),
        ("card", event.pan_print, request.pan_print),
        ("amount", event.amount_minor, request.amount_minor),
        ("terminal", event.terminal, request.terminal),
        ("merchant", event.merchant, request.merchant),
    )
    yield from (name for name, got, sent in pairs[: 2 if loose else None] if got != sent)
    if not ground.means(event.code):
        yield f"code ({event.code})"
    if verdict.cause == "bank-approved" and (verdict.code, verdict.auth) != (event.code, event.auth):
        yield "word to the terminal"


def _serial_in(rrn: str) -> int:
    """The serial that an RRN of any node names, or -1."""
    try:
        return int(rrn[5:], 36)
    except ValueError:
        return -1
