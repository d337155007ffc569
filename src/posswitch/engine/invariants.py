"""The checkers: what must hold for every journal; shared by verify, simulation and tests."""

from collections.abc import Iterator

import msgspec

from posswitch.engine.events import Hold, NodeRestarted, Record, RequestArrived, ReversalArrived, Verdict
from posswitch.engine.lifecycle import DECLINED, FORWARDED, LIFE, OPEN, RECEIVED, REVERSING


class Life(msgspec.Struct):
    """One payment as its records tell it; the first five are its row in the journal's table."""

    key: str
    state: str = RECEIVED
    code: str = ""
    auth: str = ""
    cause: str = ""
    bank: str = ""
    holds: tuple[Hold, ...] = ()

    def row(self) -> tuple[str, str, str, str, str]:
        """What the table must say."""
        return self.key, self.state, self.code, self.auth, self.cause


class Refold:
    """Folds records anew, independent of `apply`, and says what no honest journal contains."""

    def __init__(self, card_daily_minor: int | None = None) -> None:
        self.lives: dict[int, Life] = {}
        self.counters: dict[tuple[str, str], int] = {}
        self._keys: dict[str, int] = {}
        self._sent: dict[tuple[str, int, str], int] = {}
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
            yield from self._hold(seq, hold)
        if isinstance(event, NodeRestarted):
            left = [payment for payment, life in self.lives.items() if life.state == FORWARDED]
            if left:
                yield f"record {seq}: after the restart payment {left[0]} is still forwarded"

    def open_payments(self) -> int:
        """Payments that are neither closed nor with an owner."""
        return sum(life.state in OPEN for life in self.lives.values())

    def _opening(self, seq: int, event: object, verdict: Verdict) -> Iterator[str]:
        first = verdict.cause == "reversal-came-first"
        if not isinstance(event, ReversalArrived if first else RequestArrived):
            if first:
                yield f"record {seq}: opens a payment without a terminal's message"
            return
        if verdict.payment != seq:
            yield f"record {seq}: opens payment {verdict.payment}, a payment is numbered by its first record"
        if event.key in self._keys:
            yield f"record {seq}: key of payment {self._keys[event.key]} opened again"
        self._keys[event.key] = seq
        bank = event.bank if isinstance(event, RequestArrived) else ""
        self.lives[verdict.payment] = Life(event.key, bank=bank)
        if verdict.state == FORWARDED:
            self.lives[verdict.payment].holds = verdict.holds
            yield from self._number(seq, verdict.payment, verdict.stan, verdict.f7)

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
            if verdict.state in (DECLINED, REVERSING):
                owed += life.holds
                life.holds = ()
            life.state, life.code, life.auth, life.cause = (
                verdict.state, verdict.code, verdict.auth, verdict.cause,
            )  # fmt: skip
        if verdict.state != FORWARDED and list(verdict.holds) != [_opposite(hold) for hold in owed]:
            yield f"record {seq}: does not give back exactly what its payments hold"
        for step in verdict.reversing:
            yield from self._number(seq, step.payment, step.stan, step.f7)

    def _number(self, seq: int, payment: int, stan: int, f7: str) -> Iterator[str]:
        life = self.lives.get(payment)
        key = (life.bank if life else "", stan, f7)
        if key in self._sent:
            yield f"record {seq}: STAN and F7 of payment {self._sent[key]} given again to {payment}"
        self._sent[key] = payment

    def _hold(self, seq: int, hold: Hold) -> Iterator[str]:
        used = self.counters.get((hold.key, hold.window), 0) + hold.amount_minor
        self.counters[hold.key, hold.window] = used
        if used < 0:
            yield f"record {seq}: counter of day {hold.window} falls below zero"
        if self._card_daily_minor is not None and hold.amount_minor > 0 and used > self._card_daily_minor:
            yield f"record {seq}: counter of day {hold.window} goes over its limit"


def _opposite(hold: Hold) -> Hold:
    return Hold(hold.key, hold.window, -hold.amount_minor)
