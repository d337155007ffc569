"""Which facts each event needs, read from the journal inside the open transaction."""

from collections.abc import Callable
from typing import Any

from posswitch.base.moment import NS_PER_S
from posswitch.engine.events import (
    AnswerArrived,
    BatchTotaled,
    Event,
    ItemsUploaded,
    RegistryChanged,
    RequestArrived,
    ReversalArrived,
    Undelivered,
    UploadEnded,
)
from posswitch.engine.facts import NO_FACTS, Facts, Row
from posswitch.engine.lifecycle import ADVISING, APPROVED, NEEDS_OWNER
from posswitch.engine.limits import Claim, claims
from posswitch.engine.original import taken_key
from posswitch.engine.routing import CLOSED, Door, rule_for
from posswitch.engine.rules import Rules
from posswitch.engine.standin import standin_claims
from posswitch.engine.state import State
from posswitch.journal.sqlite import Journal
from posswitch.scheme.kinds import BY_AUTH, ORIGINAL_DAYS_MAX, PAYMENT_KINDS, Kind
from posswitch.scheme.numbers import batch_prefix, payment_of_rrn

_PREAUTH_NS_MAX = ORIGINAL_DAYS_MAX * 86_400 * NS_PER_S


Used = tuple[tuple[Claim, int, int], ...]


class FactReader:
    """Reads for one node.

    `burden`: how much a bank, alone or one of several, has to do; CLOSED when it gets nothing new. `room`:
    whether the disk has room.
    """

    def __init__(
        self,
        journal: Journal,
        state: State,
        acquirer: str,
        rules: Rules,
        burden: Callable[[str, bool], int],
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._journal = journal
        self._state = state
        self._acquirer = acquirer
        self._rules = rules
        self._burden = burden
        self._room = room

    def read(self, event: Event, at_ns: int) -> Facts:
        """What the journal knows about this event."""
        reads = _READS.get(type(event))
        return NO_FACTS if reads is None else reads(self, event, at_ns)

    def _request(self, event: RequestArrived, at_ns: int) -> Facts:
        journal, registry = self._journal, self._rules.registry
        kind, day = PAYMENT_KINDS[event.kind], self._state.day
        original = self._original(kind, event, at_ns) if kind.original else None
        asked = event if original is None else original.carded(event)
        claimed = claims(kind, asked, self._rules.limits, registry.limits, day, at_ns)
        first = claimed[0] if claimed else None
        row, has = journal.facts(event.key, first.key if first else "", first.windows[0] if first else "")
        if row is not None:  # a repeat: what it was told stands, whatever counters and links say now
            return Facts(row)
        if not self._room():
            return Facts(room=False)
        if first is None:
            used: Used = ()
        elif len(claimed) == 1 and len(first.windows) == 1 and not first.base_key:  # the card's day alone
            used = ((first, has, 0),)
        else:
            used = tuple((claim, self._used(claim), self._base(claim)) for claim in claimed)
        if original is None or original.request is None:
            rule = rule_for(registry, kind, event, at_ns)
            banks = (event.bank,) if rule is None else rule.to
            doors = self._doors(banks)
            return Facts(row, used, rule, doors, self._standin(event, doors), original)
        taken_minor = journal.used(taken_key(original.payment))
        doors = self._doors((original.request.bank,))
        return Facts(row, used, None, doors, (), original, taken_minor)

    def _used(self, claim: Claim) -> int:
        return sum(self._journal.used(claim.key, window) for window in claim.windows)

    def _base(self, claim: Claim) -> int:
        return self._journal.used(claim.base_key, claim.windows[0]) if claim.base_key else 0

    def _standin(self, event: RequestArrived, doors: tuple[Door, ...]) -> tuple[tuple[Claim, int, int], ...]:
        registry = self._rules.registry
        row = registry.standins.get(doors[0].bank) if registry.standins else None
        if row is None or not (registry.pauses or doors[0].burden == CLOSED):
            return ()
        claimed = standin_claims(event, row, self._state.day)
        return tuple((claim, self._used(claim), 0) for claim in claimed)

    def _doors(self, banks: tuple[str, ...]) -> tuple[Door, ...]:
        if len(banks) == 1:
            return (Door(banks[0], self._burden(banks[0], True)),)
        return tuple(Door(bank, self._burden(bank, False)) for bank in banks)

    def _original(self, kind: Kind, event: RequestArrived, at_ns: int) -> Row | None:
        """The payment that a request builds on, as far as its numbers tell; the engine compares the rest."""
        if kind.original != BY_AUTH:
            return self._row_of_rrn(event.orig_rrn)
        fitting = [
            row
            for row in self._journal.preauths(event.auth)
            if (first := row.request) is not None
            and (first.merchant, first.pan_print) == (event.merchant, event.pan_print)
            and at_ns - row.first.at_ns <= _PREAUTH_NS_MAX
        ]
        free = [row for row in fitting if not self._journal.used(taken_key(row.payment))]
        return next(iter(free or fitting), None)

    def _reversal(self, event: ReversalArrived, at_ns: int) -> Facts:
        row = self._journal.row_by_key(event.key)
        stands = row is not None and row.state in (APPROVED, ADVISING, NEEDS_OWNER)
        return Facts(row, taken_minor=self._journal.used(taken_key(row.payment)) if row and stands else 0)

    def _answer(self, event: AnswerArrived, at_ns: int) -> Facts:
        if self._state.flight_of_answer(event.bank, event.stan, event.f7) is not None:
            return NO_FACTS
        return Facts(self._row_of_rrn(event.rrn))

    def _row_of_rrn(self, rrn: str) -> Row | None:
        state = self._state
        row = self._journal.row(payment_of_rrn(rrn, state.node, state.seq))
        return row if row is not None and state.rrn(row.first.at_ns, row.payment) == rrn else None

    def _ruling(self, event: RegistryChanged, at_ns: int) -> Facts:
        ruling = event.change.ruling
        return NO_FACTS if ruling is None else Facts(self._journal.row(ruling.payment))

    def _payment(self, event: Undelivered, at_ns: int) -> Facts:
        return Facts(self._journal.row(event.payment))

    def _batch(self, event: BatchTotaled | ItemsUploaded | UploadEnded, at_ns: int) -> Facts:
        return Facts(batch=self._journal.batch(batch_prefix(self._acquirer, event.terminal, event.batch)))


_READS: dict[type, Callable[[FactReader, Any, int], Facts]] = {
    RequestArrived: FactReader._request,
    ReversalArrived: FactReader._reversal,
    AnswerArrived: FactReader._answer,
    Undelivered: FactReader._payment,
    BatchTotaled: FactReader._batch,
    ItemsUploaded: FactReader._batch,
    UploadEnded: FactReader._batch,
    RegistryChanged: FactReader._ruling,
}
