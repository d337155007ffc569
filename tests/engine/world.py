"""A node without its edge: journal, state, decide and apply turn as the loop turns them, one call an event.

Every transaction also checks what must hold always: `decide` is deterministic and leaves the state alone,
and the independent refold finds nothing in the record. The world remembers what its banks were sent, as
banks do.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import apsw
from msgspec.structs import replace

from posswitch.base.bounds import Timers
from posswitch.base.moment import NS_PER_S, stamp
from posswitch.base.registry import Change, Limits, Ruling
from posswitch.engine.apply import apply
from posswitch.engine.decide import Rules, decide
from posswitch.engine.effects import Decision, SendRequest, SendResponse, SetTimer
from posswitch.engine.events import (
    AnswerArrived,
    AnswerSpoiled,
    DayTurned,
    DeliveryExpired,
    Event,
    NodeRestarted,
    NotSent,
    Record,
    RegistryChanged,
    RequestArrived,
    ReversalArrived,
    TerminalSignedOn,
    TimerFired,
    Undelivered,
    Verdict,
)
from posswitch.engine.facts import Row
from posswitch.engine.invariants import Refold
from posswitch.engine.lifecycle import ADVISING, REVERSING
from posswitch.engine.limits import caps, card_key
from posswitch.engine.state import Flight, pack_state
from posswitch.journal.facts import FactReader
from posswitch.journal.quarantine import quarantine
from posswitch.journal.recovery import decode_record
from posswitch.journal.sqlite import Journal
from posswitch.scheme.kinds import PAYMENT_KINDS, answer_mti
from posswitch.scheme.numbers import repeat_key

NODE, ACQUIRER = "A", "00000000"
KEY = b"chain key of the tests, 32 bytes"
BANK, OTHER_BANK = "01020000", "01030000"
RULES = Rules(Timers(), Limits())
MORNING_NS = int(datetime(2026, 6, 15, 2, tzinfo=UTC).timestamp()) * NS_PER_S  # 10 o'clock in Beijing

SALE = RequestArrived(
    ticket=1,
    kind="sale",
    key="",
    terminal="T0000001",
    merchant="M00000000000001",
    batch="000001",
    stan="000001",
    amount_minor=10_000,
    currency="156",
    processing="000000",
    entry="051",
    condition="00",
    expiry="3012",
    pan_box=b"sealed",
    pan_print=b"",
    pan_digits=16,
    last_four="0001",
    luhn_ok=True,
    bank=BANK,
    mcc="5411",
    f60="22000001",
    has_pin=True,
    config="c1",
)


def bodies(folder: Path) -> Iterator[tuple[int, bytes]]:
    """The numbers and bodies of a journal's records, in order."""
    db = apsw.Connection(str(folder / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
    yield from db.execute("SELECT seq, body FROM journal ORDER BY seq")
    db.close()


def records(folder: Path) -> Iterator[tuple[int, Record]]:
    """A journal's records, in order."""
    return ((seq, decode_record(seq, body)) for seq, body in bodies(folder))


class Asked(NamedTuple):
    """A message a bank was sent: what its answer must repeat."""

    request: RequestArrived
    stan: int
    f7: str
    rrn: str


class World:
    """One node on a journal in `folder`, its terminals and its banks."""

    key, node = KEY, NODE

    def __init__(self, folder: Path, rules: Rules = RULES) -> None:
        self.folder = folder
        self.rules = rules
        self.at_ns = MORNING_NS
        self.room = True  # on the disk
        self.serving = {BANK: True, OTHER_BANK: True}
        self.burdens: dict[str, int] = {}
        self.refold = Refold(caps(rules.limits, rules.registry))
        self.answers: list[SendResponse] = []
        self.timers: list[SetTimer] = []
        self.asked: dict[int, Asked] = {}
        self.reversals: dict[int, Asked] = {}
        self.advices: dict[int, Asked] = {}
        self.payment = 0  # the one opened last
        self._ticket = 0
        self._stan = 0
        self._checked = 0
        self._open()

    def _open(self) -> None:
        self.journal = Journal(self.folder, self.key)
        self.state = self.journal.recover(self.node)
        self.reader = FactReader(
            self.journal,
            self.state,
            ACQUIRER,
            self.rules,
            lambda bank, alone: self.burdens.get(bank, 1) if self.serving.get(bank, False) else -1,
            lambda: self.room,
        )
        for seq, record in records(self.folder):
            if seq > self._checked:
                self._check(seq, record)
        self.submit(NodeRestarted(stamp(self.at_ns).day, "c1"))

    def close(self) -> None:
        """Ends the node in order."""
        self.journal.close()

    # What the node is asked

    def submit(self, *events: Event) -> list[Decision]:
        """One transaction: facts, decide, record, apply for each event, then the effects."""
        at_ns = max(self.at_ns, self.state.at_ns)
        decisions = []
        self.journal.begin()
        for event in events:
            facts = self.reader.read(event, at_ns)
            before = pack_state(self.state)
            decision = decide(self.state, event, facts, at_ns, self.rules)
            assert decide(self.state, event, facts, at_ns, self.rules) == decision
            assert pack_state(self.state) == before
            decisions.append(decision)
            if decision.verdict is not None:
                seq, record = self.journal.append(at_ns, event, decision.verdict)
                self._check(seq, record)
                apply(self.state, seq, record)
                self._remember(event, decision)
        self.journal.commit()
        for decision in decisions:
            self.answers += [effect for effect in decision.effects if isinstance(effect, SendResponse)]
            self.timers += [effect for effect in decision.effects if isinstance(effect, SetTimer)]
        return decisions

    def _check(self, seq: int, record: Record) -> None:
        assert list(self.refold.check(seq, record)) == []
        self._checked = seq

    def _remember(self, event: Event, decision: Decision) -> None:
        verdict = decision.verdict
        assert verdict is not None
        if verdict.payment == self.state.seq:
            self.payment = verdict.payment
        for step in verdict.reversing:
            flight = self.state.flights[step.payment]
            self.reversals[step.payment] = Asked(flight.request, step.stan, step.f7, flight.rrn)
        sent = any(isinstance(effect, SendRequest) for effect in decision.effects)
        if sent or verdict.state == ADVISING:
            flight = self.state.flights[verdict.payment]
            book = self.asked if sent else self.advices
            book[verdict.payment] = Asked(flight.request, flight.stan, flight.f7, flight.rrn)

    # Terminals

    def request(self, card: str = "card 1", **changes: object) -> RequestArrived:
        """A sale that no terminal has sent before, with changes."""
        self._stan += 1
        print_of_card = sha256(card.encode()).digest()[:16]
        new = replace(SALE, ticket=self.ticket(), stan=f"{self._stan:06d}", pan_print=print_of_card)
        new = replace(new, **changes)
        mti = PAYMENT_KINDS[new.kind].terminal[0]
        return replace(new, key=repeat_key(ACQUIRER, new.terminal, new.batch, new.stan, mti))

    def ticket(self) -> int:
        """A new reply address."""
        self._ticket += 1
        return self._ticket

    def sale(self, card: str = "card 1", **changes: object) -> RequestArrived:
        """A terminal asks for a new sale."""
        request = self.request(card, **changes)
        self.submit(request)
        return request

    def building(self, kind: str, payment: int = 0, **changes: object) -> RequestArrived:
        """A request of a kind that builds on a payment (the last one): all its numbers fit."""
        row = self.row(payment)
        on, at = row.request, stamp(row.first.at_ns)
        assert on is not None
        mti, processing, condition, f60 = PAYMENT_KINDS[kind].terminal
        new = self.request(
            kind=kind,
            processing=processing,
            condition=condition,
            f60=f"{f60}{on.batch}",
            terminal=on.terminal,
            merchant=on.merchant,
            batch=on.batch,
            amount_minor=on.amount_minor,
            orig_rrn=self.state.rrn(row.first.at_ns, row.payment),
            orig_batch=on.batch,
            orig_stan=on.stan,
            orig_date=at.date,
            auth=row.auth,
        )
        new = replace(new, **{"pan_print": on.pan_print, "bank": on.bank, **changes})
        return replace(new, key=repeat_key(ACQUIRER, new.terminal, new.batch, new.stan, mti))

    def build(self, kind: str, payment: int = 0, **changes: object) -> RequestArrived:
        """A terminal builds on a payment (the last one)."""
        request = self.building(kind, payment, **changes)
        self.submit(request)
        return request

    def acknowledged(self, code: str = "00", payment: int = 0) -> None:
        """The bank answers an advice (the last one)."""
        self.submit(self.answer_of(code, self.advices[payment or self.payment]))

    def repeat(self, request: RequestArrived, **changes: object) -> None:
        """The terminal sends the same sale again, from a new connection."""
        self.submit(replace(request, ticket=self.ticket(), **changes))

    def reversal_of(self, request: RequestArrived, **changes: object) -> ReversalArrived:
        """A terminal's 0400 for a sale."""
        new = ReversalArrived(
            self.ticket(),
            request.key,
            request.terminal,
            request.merchant,
            request.batch,
            request.stan,
            request.amount_minor,
            request.pan_print,
            "98",
            request.f60,
            request.kind,
        )
        return replace(new, **changes)

    def reversal(self, request: RequestArrived, **changes: object) -> None:
        """A terminal takes a sale back."""
        self.submit(self.reversal_of(request, **changes))

    def sign_on(self, terminal: str = "T0000001", tpk: bytes = b"tpk", tak: bytes = b"tak") -> None:
        """A terminal signs on."""
        self.submit(TerminalSignedOn(self.ticket(), terminal, "000001", tpk, tak, "c1"))

    # Banks

    def answer_of(self, code: str, asked: Asked, mti: str = "", **changes: object) -> AnswerArrived:
        """A bank's answer to a message it was sent, with changes."""
        request = asked.request
        new = AnswerArrived(
            request.bank,
            mti or answer_mti(PAYMENT_KINDS[request.kind].bank),
            asked.stan,
            asked.f7,
            code,
            "A12345" if code == "00" else "",
            asked.rrn,
            request.amount_minor,
            request.terminal,
            request.merchant,
            request.pan_print,
            "0615",
        )
        return replace(new, **changes)

    def answer(self, code: str, payment: int = 0, **changes: object) -> None:
        """The bank answers the request of a payment (the last one)."""
        self.submit(self.answer_of(code, self.asked[payment or self.payment], **changes))

    def reversed(self, code: str = "00", payment: int = 0, mti: str = "0430") -> None:
        """The bank answers the reversal of a payment (the last one)."""
        self.submit(self.answer_of(code, self.reversals[payment or self.payment], mti))

    def spoiled(self, payment: int = 0) -> None:
        """The bank's answer comes with a wrong MAC."""
        asked = self.asked[payment or self.payment]
        self.submit(AnswerSpoiled(asked.request.bank, asked.stan, asked.f7, "answer's MAC is wrong"))

    # Time, links, the node itself

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.at_ns += int(seconds * NS_PER_S)

    def timer(self, payment: int = 0) -> None:
        """The centre's wait for an answer ends."""
        self.submit(TimerFired(payment or self.payment))

    def not_sent(self, code: str = "91", payment: int = 0) -> None:
        """No byte of the request reached the transport."""
        self.submit(NotSent(payment or self.payment, code, "no link to the bank"))

    def undelivered(self, payment: int = 0) -> None:
        """No byte of the approval reached the terminal."""
        self.submit(Undelivered(payment or self.payment))

    def expire(self, payment: int = 0) -> None:
        """The lane has tried for as long as it may."""
        self.submit(DeliveryExpired(payment or self.payment))

    def restore(self, skip: int = 0) -> int:
        """The journal becomes that of a restored switch; how many payments it hands to owners."""
        handed = quarantine(self.journal, self.state, self.at_ns, skip)
        for seq, record in records(self.folder):
            if seq > self._checked:
                self._check(seq, record)
        return handed

    def rule(self, says: str, payment: int = 0) -> None:
        """The office hands on an owner's word about a payment (the last one)."""
        ruling = Ruling(payment or self.payment, says, "wang", "the bank's list says so")
        self.submit(RegistryChanged(Change(self.state.registry + 1, ruling=ruling)))

    def turn_day(self, day: str) -> None:
        """The settlement network's date changes."""
        self.submit(DayTurned(day))

    def restart(self) -> None:
        """The process ends wherever it is, and a new one takes up the journal."""
        self.journal.close()
        self._open()

    def send_lane(self, bank: str = BANK) -> list[tuple[int, bool]]:
        """What the lane of a bank sends now."""
        return self.state.lane(bank).send(self.at_ns, self.rules.timers)

    # What is seen

    @property
    def told(self) -> list[str]:
        """The DE39 of every answer that terminals got, in order."""
        return [response.answer.code for response in self.answers]

    def row(self, payment: int = 0) -> Row:
        """The journal's row of a payment (the last one)."""
        row = self.journal.row(payment or self.payment)
        assert row is not None
        return row

    def flight(self, payment: int = 0) -> Flight:
        """A payment under way (the last one)."""
        return self.state.flights[payment or self.payment]

    def reversing(self) -> list[int]:
        """The payments that are being reversed."""
        return [flight.payment for flight in self.state.flights.values() if flight.state == REVERSING]

    def verdicts(self) -> list[Verdict]:
        """Of every record, in order."""
        return [record.verdict for _, record in records(self.folder)]

    def used_minor(self, card: str = "card 1", day: str = "") -> int:
        """What a card's counter of the day holds."""
        return self.journal.facts("", card_key(self.request(card)), day or self.state.day)[1]
