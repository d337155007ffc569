"""The checkers: what must hold for every journal; shared by verify, simulation and tests."""

from collections.abc import Iterator

from posswitch.engine.events import NodeRestarted, Record, RequestArrived, ReversalArrived, Verdict
from posswitch.engine.lifecycle import FORWARDED, LIFE, OPEN, RECEIVED


class Refold:
    """Folds records anew, independent of `apply`, and says what no honest journal contains."""

    def __init__(self, card_daily_minor: int | None = None) -> None:
        self.states: dict[int, str] = {}
        self.counters: dict[tuple[str, str], int] = {}
        self._keys: dict[str, int] = {}
        self._sent: dict[tuple[str, int, str], int] = {}
        self._bank: dict[int, str] = {}
        self._card_daily_minor = card_daily_minor

    def check(self, seq: int, record: Record) -> Iterator[str]:
        """Folds one record; yields each finding as a line."""
        event, verdict = record.event, record.verdict
        if verdict.cause:
            yield from self._opening(seq, event, verdict)
            yield from self._moves(seq, verdict)
        elif verdict.state or verdict.holds or verdict.reversing:
            yield f"record {seq}: changes something without a cause"
        for hold in verdict.holds:
            yield from self._hold(seq, hold.key, hold.window, hold.amount_minor)
        if isinstance(event, NodeRestarted):
            left = [payment for payment, state in self.states.items() if state == FORWARDED]
            if left:
                yield f"record {seq}: after the restart payment {left[0]} is still forwarded"

    def open_payments(self) -> int:
        """Payments that are neither closed nor with an owner."""
        return sum(state in OPEN for state in self.states.values())

    def _opening(self, seq: int, event: object, verdict: Verdict) -> Iterator[str]:
        if not (isinstance(event, RequestArrived) or verdict.cause == "reversal-came-first"):
            return
        assert isinstance(event, RequestArrived | ReversalArrived)
        if verdict.payment != seq:
            yield f"record {seq}: opens payment {verdict.payment}, a payment is numbered by its first record"
        if event.key in self._keys:
            yield f"record {seq}: key of payment {self._keys[event.key]} opened again"
        self._keys[event.key] = seq
        self.states[verdict.payment] = RECEIVED
        self._bank[verdict.payment] = event.bank if isinstance(event, RequestArrived) else ""
        if verdict.state == FORWARDED:
            yield from self._number(seq, verdict.payment, verdict.stan, verdict.f7)

    def _moves(self, seq: int, verdict: Verdict) -> Iterator[str]:
        for payment in [step.payment for step in verdict.reversing] or [verdict.payment]:
            before = self.states.get(payment)
            if before is None:
                yield f"record {seq}: moves payment {payment}, which no record opened"
                continue
            if LIFE.get((before, verdict.cause)) != verdict.state:
                yield f"record {seq}: payment {payment} goes {before} → {verdict.state} by {verdict.cause}"
            self.states[payment] = verdict.state
        for step in verdict.reversing:
            yield from self._number(seq, step.payment, step.stan, step.f7)

    def _number(self, seq: int, payment: int, stan: int, f7: str) -> Iterator[str]:
        key = (self._bank.get(payment, ""), stan, f7)
        if key in self._sent:
            yield f"record {seq}: STAN and F7 of payment {self._sent[key]} given again to {payment}"
        self._sent[key] = payment

    def _hold(self, seq: int, key: str, window: str, amount_minor: int) -> Iterator[str]:
        used = self.counters.get((key, window), 0) + amount_minor
        self.counters[key, window] = used
        if used < 0:
            yield f"record {seq}: counter of day {window} falls below zero"
        if self._card_daily_minor is not None and amount_minor > 0 and used > self._card_daily_minor:
            yield f"record {seq}: counter of day {window} goes over its limit"
