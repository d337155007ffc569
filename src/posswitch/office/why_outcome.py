"""What became of a payment, from the way it went: who decided, how money stands, what the cashier may do."""

from collections.abc import Callable
from typing import NamedTuple

from posswitch.base.bounds import Timers
from posswitch.base.codes import lookup
from posswitch.base.moment import NS_PER_S
from posswitch.engine.events import AnswerArrived, NotSent, ReturnedUnread, TimerFired
from posswitch.engine.lifecycle import (
    ADVISING,
    APPROVED,
    DECLINED,
    FORWARDED,
    NEEDS_OWNER,
    REVERSED,
    REVERSING,
)
from posswitch.office.why_evidence import Decider, Money, Outcome, Place, Retry
from posswitch.office.why_track import Track
from posswitch.scheme.kinds import PAYMENT_KINDS, STOOD_IN

_NS_PER_HOUR = 3600 * NS_PER_S

# What brought it into `reversing` → who decided that.
REVERSING_FOR = {
    "timed-out": Decider.TIMER,
    "bank-unsure": Decider.BANK,
    "returned-unread": Decider.NETWORK,
    "restarted": Decider.RESTART,
    "terminal-reversed": Decider.TERMINAL,
    "undelivered": Decider.LINE,
    "approved-after-all": Decider.BANK,
    "reversed-again": Decider.OWNER,
}
OWNED_FOR = {
    "expired": Decider.TIMER,
    "bank-refused": Decider.BANK,
    "restored": Decider.RESTORE,
    "reversal-of-lost": Decider.RESTORE,
}
UNANSWERED_FOR: dict[type, tuple[str, Decider]] = {
    TimerFired: ("timed-out", Decider.TIMER),
    AnswerArrived: ("bank-unsure", Decider.BANK),
    ReturnedUnread: ("returned-unread", Decider.NETWORK),
}
APPROVED_FOR = {
    "bank-approved": Decider.BANK,
    "bank-acknowledged": Decider.BANK,
    "owner-approved": Decider.OWNER,
}
# The centre's own refusals, by its words; anything else is about the original.
_CARD = frozenset({"card number is wrong", "no bank for this card", "card is expired"})
_MESSAGE = frozenset({"currency is not the yuan", "amount is zero"})
_REFUSED_AT = {Place.GUARD: Decider.GUARD, Place.LIMIT: Decider.LIMIT, Place.ROUTE: Decider.ROUTE}
_PIN = "99"


class Judged(NamedTuple):
    """The outcome of a payment, why, and what follows from it."""

    outcome: Outcome
    reason: str
    decided: Decider
    money: Money
    retry: Retry
    known_by_ns: int = 0


def judged(track: Track, timers: Timers) -> Judged:
    """What the way of a payment came to."""
    return _JUDGED[track.state](track, timers)


def _under_way(track: Track, timers: Timers) -> Judged:
    request, known_ns = track.request, track.at_ns + int(timers.centre * NS_PER_S)
    assert request is not None
    money = Money.PENDING if PAYMENT_KINDS[request.kind].reversible else Money.NONE  # of an inquiry
    return Judged(Outcome.UNDER_WAY, "no-answer", Decider.NOBODY, money, Retry.WAIT, known_ns)


def _advising(track: Track, timers: Timers) -> Judged:
    stood_in = track.request is not None and track.request.kind == STOOD_IN.name
    reason, known_ns = "stood-in" if stood_in else "advice", _given_up_ns(track, timers)
    return Judged(Outcome.ADVISING, reason, Decider.CENTRE, Money.TELLING, Retry.DONE, known_ns)


def _reversing(track: Track, timers: Timers) -> Judged:
    reason, known_ns = entered(track), _given_up_ns(track, timers)
    return Judged(
        Outcome.REVERSING, reason, REVERSING_FOR[reason], Money.UNDOING, Retry.WAIT, known_ns
    )  # fmt: skip


def _owned(track: Track, timers: Timers) -> Judged:
    reason = track.turns[-1].cause
    return Judged(Outcome.NEEDS_OWNER, reason, OWNED_FOR[reason], Money.UNKNOWN, Retry.WAIT)


def entered(track: Track) -> str:
    """What brought it into `reversing` last."""
    return next(turn.cause for turn in reversed(track.turns) if turn.state == REVERSING)


def _given_up_ns(track: Track, timers: Timers) -> int:
    """When its lane hands it to a person at the latest."""
    return track.since_ns + int(timers.reversal_hours * _NS_PER_HOUR)


def _approved(track: Track, timers: Timers) -> Judged:
    cause = track.turns[-1].cause
    return Judged(Outcome.APPROVED, cause, APPROVED_FOR[cause], Money.STANDS, Retry.DONE)


def _declined(track: Track, timers: Timers) -> Judged:
    turn = track.turns[-1]
    if turn.cause == "bank-declined":
        return Judged(Outcome.DECLINED, "bank-declined", Decider.BANK, Money.NONE, _retry(track.code))
    if turn.cause == "inquiry-unanswered":
        reason, decided = UNANSWERED_FOR.get(turn.event, ("restored", Decider.RESTORE))
        if track.restarted and turn.event is TimerFired:
            reason, decided = "restarted", Decider.RESTART
        return Judged(Outcome.UNANSWERED, reason, decided, Money.NONE, Retry.ANEW)
    if turn.event is NotSent:
        return _not_sent(track)
    decided = _REFUSED_AT.get(track.made, Decider.CENTRE)
    return Judged(Outcome.REFUSED, _refusal(track), decided, Money.NONE, _retry(track.code))


def _not_sent(track: Track) -> Judged:
    if track.made is Place.ROUTE:
        return Judged(Outcome.NOT_SENT, "no-link", Decider.ROUTE, Money.NONE, Retry.LATER)
    if track.code == _PIN:
        return Judged(Outcome.NOT_SENT, "pin", Decider.CENTRE, Money.NONE, _retry(track.code))
    return Judged(Outcome.NOT_SENT, "centre", Decider.CENTRE, Money.NONE, Retry.ANEW)


def _refusal(track: Track) -> str:
    """What the centre's refusal is about."""
    if track.made is not Place.HERE:
        return track.made.value
    return "card" if track.why in _CARD else "message" if track.why in _MESSAGE else "original"


def _retry(code: str) -> Retry:
    """When a payment that was refused with this code may be asked again; an unknown code is a decline."""
    row = lookup(code)
    return Retry(row.retry) if row is not None else Retry.OTHER_MEANS


def _reversed(track: Track, timers: Timers) -> Judged:
    """It was taken back; or a person found out that there was nothing, or that it was given back."""
    ended = track.turns[-1].cause
    if ended == "reversal-came-first":
        return Judged(Outcome.NEVER_CAME, ended, Decider.TERMINAL, Money.NONE, Retry.ANEW)
    causes = [turn.cause for turn in track.turns]
    if ended == "owner-reversed" or not any(cause in REVERSING_FOR for cause in causes):
        return Judged(Outcome.REVERSED, ended, Decider.OWNER, Money.UNDONE, Retry.ANEW)
    reason = entered(track)
    return Judged(Outcome.REVERSED, reason, REVERSING_FOR[reason], Money.UNDONE, Retry.ANEW)


_JUDGED: dict[str, Callable[[Track, Timers], Judged]] = {
    FORWARDED: _under_way,
    DECLINED: _declined,
    APPROVED: _approved,
    ADVISING: _advising,
    REVERSING: _reversing,
    REVERSED: _reversed,
    NEEDS_OWNER: _owned,
}
