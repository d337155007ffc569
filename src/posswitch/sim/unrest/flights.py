"""The way of a payment through the node: admitted or refused, sent, answered or given up; each end is a row.

Links, windows, lanes, guards and mistrust are the product's own; what only a journal knows is not here.
"""

from collections import Counter, deque
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from posswitch.base.moment import NS_PER_MS, NS_PER_S
from posswitch.diagnose.signals import Sort, sort_of
from posswitch.edge.health import Key
from posswitch.engine.events import RequestArrived
from posswitch.engine.routing import CLOSED, FULL
from posswitch.journal.vitals import WIDTH, How
from posswitch.scheme.kinds import HOP_CODES, PAYMENT_KINDS
from posswitch.sim.unrest.bank import Door
from posswitch.sim.unrest.doubts import Doubts, request_of
from posswitch.sim.unrest.line import TIMERS, Line
from posswitch.sim.unrest.town import ENTRIES, KINDS, SOURCES, Town
from posswitch.sim.unrest.traffic import Again, Batch, Traffic

_CENTRE_NS = int(TIMERS.centre * NS_PER_S)
_AGAIN_NS = NS_PER_S  # an answer that TCP could not deliver is tried again
_HERE_US, _OUR_US = 1500, 900  # what the node takes without a bank, and on top of what a bank takes
_REPEATS = 0.0005  # of answers, that their terminal wants once more
_TRIED_AGAIN = (Sort.FAIL, Sort.FORMAT, Sort.MAC)  # by cashiers
_WITHOUT_KEYS = frozenset({"A0", "77"})  # then a terminal signs on by itself
_REVERSIBLE = frozenset(name for name, kind in PAYMENT_KINDS.items() if kind.reversible)
_UNSURE = "98"
_OTHER_CONTENT = "94"  # under a key that was used: no repeat of that answer
_NO_TERMINAL, _NO_MERCHANT = "97", "03"

Row = tuple[int, ...]  # the columns of an outcome, as far as they are known


class Flight:
    """A payment under way."""

    __slots__ = (
        "bank_code", "done", "door", "fault", "key", "life", "line", "overdue", "request", "row", "sent_ns",
        "source", "tail", "tried",
    )  # fmt: skip

    def __init__(self, request: RequestArrived, row: Row, tail: Row, tried: Again, source: str) -> None:
        self.request, self.row, self.tail, self.tried, self.source = request, row, tail, tried, source
        self.key: Key = (request.ticket, "")
        self.done = self.overdue = False
        self.bank_code, self.fault = "00", ""  # what is wrong with the answer itself
        self.sent_ns = self.life = 0
        self.door: Door
        self.line: Line


class Outcomes:
    """The rows of a tick, and over which link each went: its place among all links, -1 for none."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._over: list[int] = []

    def __repr__(self) -> str:
        return f"<{len(self._rows)} outcomes>"

    def add(self, row: Row, over: int = -1) -> None:
        """One more."""
        self._rows.append(row)
        self._over.append(over)

    def taken(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Both as arrays; begins anew."""
        rows, over = self._rows, self._over
        self._rows, self._over = [], []
        return np.array(rows, np.int32).reshape(-1, WIDTH), np.array(over, np.int32)


class Flights:
    """All payments of a node."""

    def __init__(
        self, town: Town, traffic: Traffic, doors: list[Door], doubts: Doubts, chance: np.random.Generator
    ) -> None:
        self._town, self._traffic, self._doors, self._doubts = town, traffic, doors, doubts
        self._chance = chance
        self.outcomes = Outcomes()
        self.counts: Counter[str] = Counter()
        self.hsm = "ready"  # or "down"
        self.wait_us = 0  # in our queue, both ways
        self.numbers = 0
        self._stans = [0] * len(town.terminals)
        self._code_ids = town.names
        self._fails = {code: sort_of(code) in _TRIED_AGAIN for code in town.codes}
        self.began()

    def __repr__(self) -> str:
        return f"<{len(self._by_key)} payments under way>"

    def began(self) -> None:
        """A node has begun: what was under way is owed to its bank, nobody hears of it."""
        for flight in getattr(self, "_by_key", {}).values():
            if not flight.done and flight.request.kind in _REVERSIBLE:
                flight.door.owe(flight.request.ticket, flight.request.pan_print, flight.sent_ns)
        self.counts.clear()
        self._by_key: dict[tuple[int, Key], Flight] = {}
        self._answers: list[tuple[int, int, Flight]] = []
        self._timers: deque[tuple[int, int, Key]] = deque()
        self._places = {
            line.name: place for place, line in enumerate(line for door in self._doors for line in door.lines)
        }

    def __len__(self) -> int:
        return len(self._by_key)

    def number(self) -> int:
        """The next."""
        self.numbers += 1
        return self.numbers

    # Requests

    def take(self, batch: Batch) -> None:
        """A tick's requests, in order of time; what is answered meanwhile is heard in between."""
        columns = [
            getattr(batch, name).tolist()
            for name in (
                "at_s", "terminal", "merchant", "bank", "bin", "kind", "entry", "amount", "card", "pin",
                "source", "tries", "trait", "edge", "here", "again",
            )
        ]  # fmt: skip
        codes, took = batch.code.tolist(), batch.took_ms.tolist()
        faults = _faults(batch)
        for place, one in enumerate(zip(*columns, strict=True)):
            now_ns = int(one[0] * NS_PER_S)
            self.hear(now_ns)
            self._admit(now_ns, one, codes[place], took[place], faults[place])

    def _admit(
        self, now_ns: int, one: tuple[float | int, ...], code: int, took_ms: float, fault: str
    ) -> None:
        town = self._town
        at_s, terminal, merchant, bank, bin_, kind, entry, amount, card, pin, source, tries, trait, *ends = (
            one
        )
        edge, here, again = ends
        terminal, merchant, bank, bin_, kind = int(terminal), int(merchant), int(bank), int(bin_), int(kind)
        name, at = town.terminals[terminal], SOURCES[int(source)]
        tried = Again(
            at_s, 0, terminal, bin_, kind, int(entry), int(amount), int(card), int(tries), int(trait)
        )
        if edge or self.hsm != "ready":
            self._refuse_at_edge(tried, merchant, int(edge) or town.codes["96"], at)
            return
        self._doubts.terminal_mac(name, at, fits=True)
        door = self._doors[bank]
        self._stans[terminal] = self._stans[terminal] % 999_999 + 1
        request = request_of(
            self.number(), KINDS[kind], name, town.merchants[merchant], f"{self._stans[terminal]:06d}",
            int(amount), ENTRIES[int(entry)], int(card), door.bank.id, town.bins[bin_], bool(pin),
        )  # fmt: skip
        row = (
            int(town.bank_ids[bank]), int(town.bin_ids[bin_]), int(town.merchant_ids[merchant]),
            int(town.terminal_ids[terminal]), int(town.kind_ids[kind]), int(town.entry_ids[int(entry)]),
        )  # fmt: skip
        flight = Flight(request, row, (int(amount).bit_length(), int(card)), tried, at)
        if again:
            how = How.HERE if town.names.list[int(again)] == _OTHER_CONTENT else How.REPEAT
            self.outcomes.add((*row, int(again), how, _HERE_US, 0, *flight.tail))
            return
        if self._doubts.guards.asked(request, request.bin, now_ns):
            self._end_here(flight, "59", now_ns)
        elif here:
            self._end_here(flight, town.names.list[int(here)], now_ns)
        elif not town.asks[kind]:
            door.owe(request.ticket, request.pan_print, now_ns)
            self._end_here(flight, "00", now_ns)
        elif door.burden() in (CLOSED, FULL) or not self._send(flight, door, now_ns, code, took_ms, fault):
            self._end_here(flight, "91", now_ns)

    def _refuse_at_edge(self, tried: Again, merchant: int, code: int, source: str) -> None:
        town, said = self._town, self._town.names.list[code]
        self.counts[f"direct-{said}"] += 1
        self._doubts.terminal_mac(town.terminals[tried.terminal], source, fits=said != "A0")
        where = (
            0 if said == _NO_MERCHANT else int(town.merchant_ids[merchant]),
            0 if said == _NO_TERMINAL else int(town.terminal_ids[tried.terminal]),
        )
        row = (0, 0, *where, int(town.edge_kind_ids[tried.kind]), 0, code, How.EDGE, 0, 0, 0, 0)
        self.outcomes.add(row)
        if said in _WITHOUT_KEYS:
            terminal = int(town.terminal_ids[tried.terminal])
            kind, done = town.names["sign-on"], town.codes["00"]
            self.outcomes.add((0, 0, 0, terminal, kind, 0, done, How.HERE, self.wait_us + _HERE_US, 0, 0, 0))
        if self._fails.get(said, False):
            self._traffic.come_again(tried.at_s, tried)

    def shed(self, batch: Batch) -> None:
        """Turned away at a glance: nobody notes an outcome."""
        self.counts["direct-96"] += len(batch)
        self.unheard(batch)

    def unheard(self, batch: Batch) -> None:
        """Nothing became of them; cashiers try again."""
        names = ("at_s", "terminal", "bin", "kind", "entry", "amount", "card", "tries", "trait")
        for at_s, *rest in zip(*(getattr(batch, name).tolist() for name in names), strict=True):
            self._traffic.come_again(at_s, Again(at_s, 0, *rest))

    def _end_here(self, flight: Flight, code: str, now_ns: int) -> None:
        row, tail = flight.row, flight.tail
        if code == "15":
            row = (0, 0, *row[2:])
        code_id = self._code_ids[code]
        self.outcomes.add((*row, code_id, How.HERE, self.wait_us + _HERE_US, 0, *tail))
        self._told(flight, code, now_ns)

    def _told(self, flight: Flight, code: str, now_ns: int) -> None:
        self._doubts.answered(flight.request, code, flight.source, now_ns)
        if self._fails.get(code, False):
            self._traffic.come_again(now_ns / NS_PER_S, flight.tried)

    def _send(self, flight: Flight, door: Door, now_ns: int, code: int, took_ms: float, fault: str) -> bool:
        line = door.pick()
        if line is None:
            return False
        line.health.sent(flight.key, now_ns)
        flight.door, flight.line, flight.life, flight.sent_ns = door, line, line.life, now_ns
        flight.bank_code, flight.fault = self._town.names.list[code], fault
        self._by_key[door.place, flight.key] = flight
        self._timers.append((now_ns + _CENTRE_NS, door.place, flight.key))
        if fault != "lost":
            took_ns = int((took_ms + door.habits.answers_more_ms) * NS_PER_MS) + door.delay_ns(line)
            heappush(self._answers, (now_ns + took_ns, self.number(), flight))
        return True

    # Answers

    def hear(self, now_ns: int) -> None:
        """Answers that have come, and those that have not in time."""
        answers, timers = self._answers, self._timers
        while answers and answers[0][0] <= now_ns:
            at_ns, _, flight = heappop(answers)
            self._answer(flight, at_ns)
        while timers and timers[0][0] <= now_ns:
            at_ns, place, key = timers.popleft()
            waits = self._by_key.get((place, key))
            if waits is not None:
                self._unsure(waits, at_ns)

    def _answer(self, flight: Flight, now_ns: int) -> None:
        line, door = flight.line, flight.door
        if line.life != flight.life:
            return
        if line.condition.silent:
            heappush(self._answers, (now_ns + _AGAIN_NS, self.number(), flight))
            return
        if not flight.fault and line.condition.harmful:
            flight.fault = line.condition.harms(float(self._chance.random()))
        if flight.fault == "garbled":
            door.counts["undecodable-answer"] += 1
            return
        door.heard(line, flight.key, now_ns)
        if self.hsm != "ready":
            self.counts["answer-unverified"] += 1
            return
        self._doubts.bank_mac(door, fits=flight.fault != "spoiled", now_ns=now_ns)
        if flight.fault == "spoiled":
            door.counts["answer-spoiled"] += 1
            return
        code = flight.bank_code
        self._doubts.bank_said(door, flight.request, code, now_ns)
        if flight.done:
            if flight.request.ticket not in door.owed:
                door.counts["answer-again"] += 1
            return
        if flight.fault == "crossed":
            door.counts["answer-differs"] += 1
            return
        if code in ("98", "68", "09"):
            self._unsure(flight, now_ns)
            return
        self._land(flight, HOP_CODES.get(code, code), How.BANK, now_ns)

    def _unsure(self, flight: Flight, now_ns: int) -> None:
        """Nobody knows: the terminal is told so, the bank is owed a reversal."""
        if flight.request.kind in _REVERSIBLE:
            flight.door.owe(flight.request.ticket, flight.request.pan_print, now_ns)
        self._land(flight, _UNSURE, How.COUNTED if flight.overdue else How.TIMER, now_ns)

    def _land(self, flight: Flight, code: str, how: How, now_ns: int) -> None:
        flight.done = True
        self._by_key.pop((flight.door.place, flight.key), None)
        bank_us = (now_ns - flight.sent_ns) // 1000 + self.wait_us + 300
        row = (
            *flight.row,
            self._code_ids[code],
            how,
            bank_us + self.wait_us + _OUR_US,
            bank_us,
            *flight.tail,
        )
        over = self._places[flight.line.name]
        self.outcomes.add(row, over)
        if self._chance.random() < _REPEATS:
            self.outcomes.add((*row[:7], How.REPEAT, _HERE_US, 0, *flight.tail), over)
        self._told(flight, code, now_ns)

    def overdue(self, door: Door, key: Key, now_ns: int) -> None:
        """A link keeps something waiting for much longer than is usual."""
        flight = self._by_key.get((door.place, key))
        if flight is None or flight.done:
            return
        flight.overdue = True
        waited_us = (now_ns - flight.sent_ns) // 1000
        row = (*flight.row, 0, How.OVERDUE, waited_us + _OUR_US, waited_us, *flight.tail)
        self.outcomes.add(row, self._places[flight.line.name])


def _faults(batch: Batch) -> list[str]:
    """What is wrong with each answer itself, in a word."""
    found = np.full(len(batch), "", "<U8")
    for name in ("crossed", "spoiled", "garbled", "lost"):
        found[getattr(batch, name)] = name
    return found.tolist()
