"""What a set of limits would have said of payments that were asked long ago: counters folded anew."""

from posswitch.base.policy import Limit
from posswitch.base.registry import Limits
from posswitch.engine.events import Hold, Record, RequestArrived, Verdict
from posswitch.engine.lifecycle import ADVISING, APPROVED, DECLINED, NEEDS_OWNER, REVERSED, REVERSING
from posswitch.engine.limits import Claim, Refusal, claims, judged, limit_named
from posswitch.scheme.kinds import PAYMENT_KINDS, Kind

_LET_THROUGH = frozenset({"accepted", "advice-accepted"})
_GIVEN_BACK = frozenset({DECLINED, REVERSING, REVERSED})
_STANDING = frozenset({APPROVED, ADVISING})  # what had given it back, and stands after all

# Of a payment: whether it holds now, whether it is an advice; then place of a counter and amount, in turn
_Held = tuple[int, ...]


def is_asked(seq: int, record: Record) -> bool:
    """Whether a record opens a payment that limits decided about, whatever they said.

    Of what came without a card and was refused nobody knows the card.
    """
    event, verdict = record.event, record.verdict
    if verdict.payment != seq or not isinstance(event, RequestArrived):
        return False
    if not event.pan_print and verdict.completed is None:
        return False
    return verdict.cause in _LET_THROUGH or (verdict.cause == "refused" and bool(limit_named(verdict.why)))


class Replay:
    """One set of limits and its counters; requests and what became of them come in the order of records."""

    def __init__(self, rules: Limits, rows: dict[str, Limit]) -> None:
        self._rules = rules
        self._rows = rows
        self._places: dict[tuple[str, str], int] = {}
        self._used: list[int] = []
        self._held: dict[int, _Held] = {}

    def __repr__(self) -> str:
        return f"<replay of {len(self._rows)} limits, {len(self._used)} counters>"

    def asked(self, seq: int, record: Record, day: str) -> tuple[Refusal | None, str]:
        """Why this set refuses what a record asks, and what it notes on trial; else it takes its share.

        `record` is one of `is_asked`, `day` its business date.
        """
        event, completed = record.event, record.verdict.completed
        assert isinstance(event, RequestArrived)
        kind = PAYMENT_KINDS[event.kind]
        request = completed if completed is not None and kind.original else event  # as it was judged then
        if completed is not None and not event.pan_print:  # the card is its original's
            event = completed
        claimed = claims(kind, event, self._rules, self._rows, day, record.at_ns)
        used = tuple((claim, self._sum(claim), self._base(claim)) for claim in claimed)
        refusal, holds, noted = judged(kind, request, used, self._rows, record.at_ns)
        if refusal is None and holds:
            self._take(seq, holds, kind)
        return refusal, noted

    def moved(self, verdict: Verdict) -> None:
        """A later record has moved payments: what no longer stands gives back what it holds, once."""
        for payment in [step.payment for step in verdict.reversing] or [verdict.payment]:
            held = self._held.get(payment)
            if held is None:
                continue
            if verdict.state in _GIVEN_BACK or (verdict.state == NEEDS_OWNER and not held[1]):
                self._turn(payment, held, 0)
            elif verdict.state in _STANDING:
                self._turn(payment, held, 1)

    def counters(self) -> dict[tuple[str, str], int]:
        """What every counter holds, by key and window."""
        return {name: self._used[place] for name, place in self._places.items()}

    def _sum(self, claim: Claim) -> int:
        places, used, key = self._places, self._used, claim.key
        return sum(used[place] for window in claim.windows if (place := places.get((key, window), -1)) >= 0)

    def _base(self, claim: Claim) -> int:
        place = self._places.get((claim.base_key, claim.windows[0])) if claim.base_key else None
        return 0 if place is None else self._used[place]

    def _take(self, payment: int, holds: tuple[Hold, ...], kind: Kind) -> None:
        held = [1, int(kind.advice)]
        for hold in holds:
            name = hold.key, hold.window
            place = self._places.setdefault(name, len(self._used))
            if place == len(self._used):
                self._used.append(0)
            self._used[place] += hold.amount_minor
            held += (place, hold.amount_minor)
        self._held[payment] = tuple(held)

    def _turn(self, payment: int, held: _Held, holds: int) -> None:
        if held[0] == holds:
            return
        sign = 1 if holds else -1
        for place, amount in zip(held[2::2], held[3::2], strict=True):
            self._used[place] += sign * amount
        self._held[payment] = (holds, *held[1:])
