"""The checkers: what must hold for every journal; shared by verify, simulation and tests."""

from collections.abc import Iterator, Mapping

import msgspec

from posswitch.engine.batch import Totals, batch_row
from posswitch.engine.events import (
    Difference,
    Event,
    Hold,
    NodeRestarted,
    Record,
    RequestArrived,
    ReversalArrived,
    Verdict,
)
from posswitch.engine.lifecycle import (
    ADVISING,
    APPROVED,
    DECLINED,
    FORWARDED,
    LIFE,
    OPEN,
    RECEIVED,
    REVERSED,
    REVERSING,
)
from posswitch.scheme.kinds import COMPLETION_PERCENT_MAX, PAYMENT_KINDS

_KEEPS_HOLDS = frozenset({FORWARDED, ADVISING, APPROVED})
_HOLDS_AGAIN = frozenset({"owner-approved", "advised-again", "bank-acknowledged"})
_FIRST_A_REVERSAL = ("reversal-came-first", "reversal-of-lost")


class Life(msgspec.Struct):
    """One payment as its records tell it; all but the last three are its row in the journal's table."""

    key: str
    kind: str = "sale"
    amount_minor: int = 0
    is_foreign: int = 0
    original: int = 0
    state: str = RECEIVED
    code: str = ""
    auth: str = ""
    cause: str = ""
    bank: str = ""
    first_holds: tuple[Hold, ...] = ()
    holds: tuple[Hold, ...] = ()

    def row(self) -> tuple[str | int, ...]:
        """What the table must say, in the order of its columns."""
        return (
            self.key, self.kind, self.amount_minor, self.is_foreign, self.original,
            self.state, self.code, self.auth, self.cause,
        )  # fmt: skip


class Refold:
    """Folds records anew, independent of `apply`, and says what no honest journal contains.

    `caps`: what counters may hold at most, by how their names begin, where that was the same all the time.
    """

    def __init__(self, caps: Mapping[str, int] | None = None) -> None:
        self.lives: dict[int, Life] = {}
        self.counters: dict[tuple[str, str], int] = {}
        self.batches: dict[tuple[str, str], tuple[str, Totals]] = {}
        self.differences: dict[tuple[str, str, str], Difference] = {}
        self._keys: dict[str, int] = {}
        self._sent: dict[tuple[str, int, str], int] = {}
        self._caps = caps or {}

    def check(self, seq: int, record: Record) -> Iterator[str]:
        """Folds one record; yields each finding as a line."""
        event, verdict = record.event, record.verdict
        if verdict.cause:
            yield from self._opening(seq, event, verdict)
            yield from self._moves(seq, verdict)
        elif verdict.state or verdict.holds or verdict.reversing:
            yield f"record {seq}: changes something without a cause"
        for hold in verdict.holds:
            yield from self._hold(seq, hold, again=verdict.cause in _HOLDS_AGAIN)
        self._batch(event, verdict)
        if isinstance(event, NodeRestarted):
            left = [
                payment
                for payment, life in self.lives.items()
                if life.state == FORWARDED and PAYMENT_KINDS[life.kind].reversible
            ]
            if left:
                yield f"record {seq}: after the restart payment {left[0]} is still forwarded"

    def open_payments(self) -> int:
        """Payments that are neither closed nor with an owner."""
        return sum(life.state in OPEN for life in self.lives.values())

    def _opening(self, seq: int, event: object, verdict: Verdict) -> Iterator[str]:
        first = verdict.cause in _FIRST_A_REVERSAL
        if not isinstance(event, ReversalArrived if first else RequestArrived):
            if first:
                yield f"record {seq}: opens a payment without a terminal's message"
            return
        if verdict.payment != seq:
            yield f"record {seq}: opens payment {verdict.payment}, a payment is numbered by its first record"
        if event.key in self._keys:
            yield f"record {seq}: key of payment {self._keys[event.key]} opened again"
        self._keys[event.key] = seq
        request = verdict.completed or event
        bank, foreign = (
            (request.bank, request.foreign) if isinstance(request, RequestArrived) else ("", False)
        )
        original = verdict.original.payment if verdict.original else 0
        self.lives[verdict.payment] = Life(
            event.key, event.kind, event.amount_minor, int(foreign), original, bank=bank
        )
        if verdict.original and not self._stands(verdict.original.payment):
            yield f"record {seq}: builds on payment {original}, which does not stand"
        if verdict.state in (FORWARDED, ADVISING):
            life = self.lives[verdict.payment]
            life.first_holds = life.holds = verdict.holds
            yield from self._number(seq, verdict.payment, verdict.stan, verdict.f7)

    def _stands(self, payment: int) -> bool:
        life = self.lives.get(payment)
        return life is not None and life.state in (APPROVED, ADVISING)

    def _moves(self, seq: int, verdict: Verdict) -> Iterator[str]:
        if (verdict.state == REVERSING) != bool(verdict.reversing):
            yield f"record {seq}: reversing and the numbers of a reversal go together"
        owed: list[Hold] = []
        for payment in [step.payment for step in verdict.reversing] or [verdict.payment]:
            life = self.lives.get(payment)
            if life is None:
                yield f"record {seq}: moves payment {payment}, which no record opened"
                continue
            if LIFE.get((life.state, verdict.cause)) != verdict.state:
                way = f"{life.state} → {verdict.state} by {verdict.cause}"
                yield f"record {seq}: payment {payment} goes {way}"
            owed += _given_back(life, verdict.state)
            life.state, life.code, life.auth, life.cause = (
                verdict.state, verdict.code, verdict.auth, verdict.cause,
            )  # fmt: skip
        opened = verdict.cause in ("accepted", "advice-accepted")
        if not opened and list(verdict.holds) != owed:
            yield f"record {seq}: does not give back exactly what its payments hold"
        for step in verdict.reversing:
            yield from self._number(seq, step.payment, step.stan, step.f7)

    def _number(self, seq: int, payment: int, stan: int, f7: str) -> Iterator[str]:
        life = self.lives.get(payment)
        key = (life.bank if life else "", stan, f7)
        if key in self._sent:
            yield f"record {seq}: STAN and F7 of payment {self._sent[key]} given again to {payment}"
        self._sent[key] = payment

    def _batch(self, event: Event, verdict: Verdict) -> None:
        row = batch_row(event, verdict)
        if row is None:
            return
        key = row.terminal, row.batch
        if row.totals is not None:
            self.batches[key] = (row.phase, row.totals)
        elif key in self.batches:
            self.batches[key] = (row.phase, self.batches[key][1])
        self.differences.update({(*key, one.stan): one for one in row.differences})

    def _hold(self, seq: int, hold: Hold, *, again: bool) -> Iterator[str]:
        """`again`: it had an owner and stands after all; what is posted is over no limit."""
        used = self.counters.get((hold.key, hold.window), 0) + hold.amount_minor
        self.counters[hold.key, hold.window] = used
        if used < 0:
            yield f"record {seq}: counter of day {hold.window} falls below zero"
        if again:
            return
        name, _, payment = hold.key.partition(":")
        if name == "taken" and used * 100 > self.lives[int(payment)].amount_minor * COMPLETION_PERCENT_MAX:
            yield f"record {seq}: more is taken of payment {payment} than it came to"
        if hold.amount_minor > 0 and self._caps and used > self._cap(hold.key):
            yield f"record {seq}: counter {hold.key} of {hold.window} goes over its limit"

    def _cap(self, key: str) -> int:
        """What a counter may hold: the cap whose name is the longest beginning of its own."""
        fitting = [name for name in self._caps if key.startswith(name)]
        return self._caps[max(fitting, key=len)] if fitting else 1 << 62


def _given_back(life: Life, state: str) -> list[Hold]:
    """What a life's step must change on the counters: what it gives back, or what it takes again.

    An advice keeps what it holds until it is reversed.
    """
    advice = PAYMENT_KINDS[life.kind].advice
    keeps = state in _KEEPS_HOLDS or (advice and state not in (REVERSED, DECLINED))
    before, life.holds = life.holds, life.first_holds if keeps else ()
    if keeps:
        return [] if before else list(life.holds)
    return [Hold(hold.key, hold.window, -hold.amount_minor) for hold in before]
