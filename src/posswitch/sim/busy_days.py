"""A long journal, written fast: approved purchases as a busy node would record them, without its edge."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

from posswitch.base.moment import NS_PER_S, stamp
from posswitch.base.registry import Limits
from posswitch.engine.apply import apply
from posswitch.engine.decide import Rules, decide
from posswitch.engine.events import AnswerArrived, DayTurned, Event, NodeRestarted, RequestArrived
from posswitch.engine.facts import NO_FACTS
from posswitch.engine.lifecycle import FORWARDED
from posswitch.engine.state import State
from posswitch.journal.sqlite import Journal
from posswitch.scheme.numbers import repeat_key
from posswitch.sim.city import ACQUIRER, CENTRE, SHORT_TIMERS

START_NS = 1_800_000_000 * NS_PER_S
_RULES = Rules(SHORT_TIMERS, Limits())
_BANKS = ("90010000", "90020000", "90030000", "90040000")
_TERMINALS, _CARDS, _BATCH_STANS = 512, 50_000, 1000
_TPS = 1000
_SNAPSHOT_EVERY = 50_000


class BusyDays:
    """Writes purchases into the journal in `folder`; `spent_ns` is what begin, append and commit took."""

    def __init__(self, folder: Path, key: bytes, node: str, seed: int = 1) -> None:
        self._journal = Journal(folder, key)
        self._state: State = self._journal.recover(node)
        self._chance = random.Random(seed)  # noqa: S311 - shapes a load
        self._cards = [self._chance.randbytes(16) for _ in range(_CARDS)]
        self._number = self._state.seq  # no key of an earlier writer
        self._snapshot_seq = self._state.seq
        self.spent_ns = 0
        self._at_ns = max(START_NS, self._state.at_ns)
        self._record([NodeRestarted(stamp(self._at_ns).day, "v", f"{node}/{ACQUIRER}/{CENTRE}")])

    def write(self, purchases: int, batch: int) -> None:
        """Two records each, `batch` events a transaction."""
        for first in range(0, purchases, batch):
            count = min(batch, purchases - first)
            self._at_ns += NS_PER_S * count // _TPS
            day = stamp(self._at_ns).day
            turn: list[Event] = [DayTurned(day)] if day > self._state.day else []
            self._record([*turn, *(self._sale() for _ in range(count))])
            self._record(list(self._answers()))
            if self._state.seq - self._snapshot_seq >= _SNAPSHOT_EVERY:
                self._journal.snapshot(self._state)
                self._snapshot_seq = self._state.seq

    def ask(self, purchases: int) -> None:
        """Purchases that no bank answers."""
        self._record([self._sale() for _ in range(purchases)])

    def close(self) -> None:
        """Snapshot and close, as a node that drains."""
        self._journal.snapshot(self._state)
        self._journal.close()

    def _record(self, events: list[Event]) -> None:
        journal, state, at_ns = self._journal, self._state, self._at_ns
        began_ns = time.perf_counter_ns()
        journal.begin()
        self.spent_ns += time.perf_counter_ns() - began_ns
        for event in events:
            verdict = decide(state, event, NO_FACTS, at_ns, _RULES).verdict
            assert verdict is not None
            began_ns = time.perf_counter_ns()
            seq, record = journal.append(at_ns, event, verdict)
            self.spent_ns += time.perf_counter_ns() - began_ns
            apply(state, seq, record)
        began_ns = time.perf_counter_ns()
        journal.commit()
        self.spent_ns += time.perf_counter_ns() - began_ns

    def _sale(self) -> RequestArrived:
        chance, number = self._chance, self._number
        self._number += 1
        terminal, turn = f"{10_000_001 + number % _TERMINALS}", number // _TERMINALS
        stan, batch = f"{turn % _BATCH_STANS + 1:06d}", f"{turn // _BATCH_STANS + 1:06d}"
        return RequestArrived(
            number, "sale", repeat_key(ACQUIRER, terminal, batch, stan, "0200"), terminal, "802440354110001",
            batch, stan, chance.randrange(100, 99_999), "156", "000000", "022", "00", "4912",
            chance.randbytes(44), chance.choice(self._cards), 16, f"{number % 10_000:04d}", True,
            _BANKS[number % len(_BANKS)], "5411", f"22{batch}00060", True, "0123456789ab",
        )  # fmt: skip

    def _answers(self) -> Iterator[AnswerArrived]:
        for flight in [one for one in self._state.flights.values() if one.state == FORWARDED]:
            asked = flight.request
            yield AnswerArrived(
                asked.bank, "0210", flight.stan, flight.f7, "00", f"{flight.payment % 1_000_000:06d}",
                flight.rrn, asked.amount_minor, asked.terminal, asked.merchant, asked.pan_print, "0115",
            )  # fmt: skip
