"""A card issuer: answers the centre on its links, keeps its own ledger, and has bad manners by the table."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from posswitch.base.bounds import Timers
from posswitch.base.card import mask_pan
from posswitch.base.errors import CodecError, CryptoError
from posswitch.base.moment import stamp
from posswitch.base.registry import Address
from posswitch.codec import Dialect, Message, load_dialect, read_cups_header
from posswitch.codec.header import CUPS_HEADER_BYTES, CupsHeader
from posswitch.crypto.ciphers import tdes_decrypt
from posswitch.crypto.pinblock import decode_iso0
from posswitch.scheme.kinds import BALANCE, PAYMENTS, WHOLE, Kind, text
from posswitch.sim.peers import cups
from posswitch.sim.peers.bank_link import BankLink
from posswitch.sim.peers.book import Book
from posswitch.sim.peers.manners import (
    ACK,
    ADVICE_MANNERS,
    APPROVE,
    DECLINE,
    REVERSAL_MANNERS,
    SALE_MANNERS,
    Manner,
    Mood,
)

POSTED, REVERSED, REFUSED, VOIDED = "posted", "reversed", "refused", "voided"
_RECENT = 200
_ENTRIES_MAX = 1_000_000  # a bank answers duplicates and reversals of its last million payments
_CARD_NEEDS = (2, 3, 7, 11, 32, 33, 37, 41, 42)
_MONEY_NEEDS = (*_CARD_NEEDS, 4, 49)
_REVERSAL_NEEDS = (*_MONEY_NEEDS, 90)
_MANAGEMENT_CODES = frozenset({"001", "002", "201", "202", "301"})
_KINDS = {(kind.bank, *kind.terminal[1:3]): kind for kind in PAYMENTS}
_DOES_NOT_ALLOW = "12"
_BALANCE_MINOR_MAX = 10_000_000
_DONE, _UNKNOWN_ORIGINAL, _OTHER_AMOUNT, _BAD_MAC, _BAD_FORMAT = "00", "25", "64", "A0", "30"
_NOT_OFFERED = "12"

Key = tuple[str, str, str, str]  # F7, F11, F32, F33


class Charter(NamedTuple):
    """What makes a bank: id, zone keys in clear, how it knows the PIN of a card, and how it writes."""

    id: str
    zpk: bytes
    zak: bytes
    pin_of: Callable[[str], str]
    dialect: str = "cups"
    framing: str = "ascii4"

    def __repr__(self) -> str:
        return f"Charter({self.id})"


class Entry(msgspec.Struct):
    """A payment the bank remembers; `original`: the one that it took away."""

    pan: str
    terminal: str
    amount: int
    stan: str
    f7: str
    rrn: str
    code: str
    auth: str
    state: str
    kind: str = "sale"
    original: "Entry | None" = None

    def __repr__(self) -> str:
        return f"Entry({mask_pan(self.pan)}, {self.amount}, {self.state})"


class Bank:
    """One issuer with its ledger; `counts` says what it could not use."""

    def __init__(
        self,
        charter: Charter,
        ledger: Book,
        entropy: random.Random,
        clock_ns: Callable[[], int],
        timers: Timers,
        sales: Sequence[Manner] = SALE_MANNERS,
        reversals: Sequence[Manner] = REVERSAL_MANNERS,
        advices: Sequence[Manner] = ADVICE_MANNERS,
    ) -> None:
        self.charter = charter
        self._ledger = ledger
        self._entropy = entropy
        self._clock_ns = clock_ns
        self._timers = timers
        self._sales = Mood(sales)
        self._reversals = Mood(reversals)
        self._advices = Mood(advices)
        self._dialect: Dialect = load_dialect(charter.dialect)
        self._entries: dict[Key, Entry] = {}
        self._approvals = 0
        self._server: asyncio.Server | None = None
        self._links: dict[BankLink, None] = {}
        self.counts: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"Bank({self.charter.id}, {len(self._links)} links, {len(self._entries)} payments)"

    async def open(self, host: str, port: int = 0) -> Address:
        """Listens for the centre; returns where."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: BankLink(self.arrived, self._links, self.charter.framing), host, port
        )
        return Address(host, self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Closes the listener and every link."""
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.hang_up()

    def heal(self) -> None:
        """From now on every good request is approved and every reversal acknowledged."""
        self._sales, self._reversals, self._advices = Mood((APPROVE,)), Mood((ACK,)), Mood((ACK,))

    def recent(self) -> set[tuple[str, int]]:
        """(field 41, amount) of the payments that came last."""
        last = islice(reversed(self._entries.values()), _RECENT)
        return {(entry.terminal, entry.amount) for entry in last if entry.state == POSTED}

    def arrived(self, link: BankLink, payload: bytes) -> None:
        """One frame from the centre; what cannot be read or is for somebody else stays unanswered."""
        try:
            request = self._dialect.unpack(payload)
            source = self._addressed_by(payload)
        except CodecError:
            self.counts["unreadable"] += 1
            return
        serve = _SERVES.get(request.mti)
        if serve is None or not source:
            self.counts["misrouted"] += 1
            return
        serve(self, link, source, request)

    def _addressed_by(self, payload: bytes) -> str:
        """Who sent it, empty when it is not for us; a dialect without that header cannot tell."""
        if self._dialect.header_bytes != CUPS_HEADER_BYTES:
            return "-"
        header = read_cups_header(payload)
        addressed = header == CupsHeader(self.charter.id, header.source, len(payload), "00000")
        return header.source if addressed else ""

    def _manage(self, link: BankLink, source: str, request: Message) -> None:
        code = _DONE if text(request, 70) in _MANAGEMENT_CODES else _NOT_OFFERED
        answer = cups.management_answer(request, self.charter.id, code)
        link.send(cups.packed(self._dialect, answer, source, self.charter.id))

    def _pay(self, link: BankLink, source: str, request: Message) -> None:
        """Any payment: refused for a reason, or treated as the manner of the moment wants."""
        kind = _KINDS.get((f"{request.mti[:3]}0", text(request, 3), text(request, 25)))
        unsound = self._unsound(request, _MONEY_NEEDS if kind and 4 in kind.need else _CARD_NEEDS)
        if unsound or kind is None:
            self._answer(link, source, request, unsound or _NOT_OFFERED, "", APPROVE)
            return
        key = _key(request)
        entry = self._entries.get(key)
        if entry is not None:
            self.counts["duplicate"] += 1
            self._answer(link, source, request, entry.code, entry.auth, APPROVE)
            return
        original = self._entries.get(_original_key(request)) if 90 in request.fields else None
        refused = "" if kind.advice else self._refusal(kind, request) or _not_allowed(kind, original)
        mood = self._advices if kind.advice else self._sales
        manner = DECLINE if refused else mood.draw(self._entropy)
        code = refused or self._entropy.choice(manner.codes)
        posted = self._entropy.random() < manner.effect
        moves = posted and kind is not BALANCE
        entry = self._entry(request, code, kind.name, posted=moves)
        if kind.takes == WHOLE and moves and original is not None:
            original.state, entry.original = VOIDED, original
        if posted or (manner.answers and not kind.advice):
            self._remember(key, entry)
        self._book(entry, request.mti, "post" if moves else "none", manner, code)
        self._answer(link, source, request, code, entry.auth, manner)

    def _entry(self, request: Message, code: str, kind: str, *, posted: bool) -> Entry:
        self._approvals += posted
        return Entry(
            pan=text(request, 2),
            terminal=text(request, 41),
            amount=int(text(request, 4) or "0"),
            stan=text(request, 11),
            f7=text(request, 7),
            rrn=text(request, 37),
            code=code,
            auth=f"{self._approvals % 10**6:06d}" if posted else "",
            state=POSTED if posted else REFUSED,
            kind=kind,
        )

    def _reverse(self, link: BankLink, source: str, request: Message) -> None:
        """Takes a posting back once; an original that never came is not remembered: it may still come."""
        refused = self._unsound(request, _REVERSAL_NEEDS)
        if refused:
            self._answer(link, source, request, refused, "", ACK)
            return
        entry = self._entries.get(_original_key(request))
        manner = self._reversals.draw(self._entropy)
        code = self._entropy.choice(manner.codes)
        if code == _DONE:
            code = _no_reversal(entry, request) or _DONE
        effect = "none"
        effective = code == _DONE and self._entropy.random() < manner.effect
        if effective and entry is not None and entry.state == POSTED:
            entry.state, effect = REVERSED, "reverse"
            if entry.original is not None:
                entry.original.state = POSTED  # what was void stands again
        told = entry or self._entry(request, code, "unknown", posted=False)
        self._book(told, request.mti, effect, manner, code)
        self._answer(link, source, request, code, "", manner)

    def _unsound(self, request: Message, needs: Sequence[int]) -> str:
        """What is wrong with the message itself, or empty."""
        if not cups.signature_fits(request, self.charter.zak):
            self.counts["bad_mac"] += 1
            return _BAD_MAC
        if not all(isinstance(request.fields.get(field), str) for field in needs):
            return _BAD_FORMAT
        original = text(request, 90)
        if original and original[20:] != f"{text(request, 32):0>11}{text(request, 33):0>11}":
            return _BAD_FORMAT
        return ""

    def _refusal(self, kind: Kind, request: Message) -> str:
        """The issuer's own reasons: an expired card, a wrong PIN."""
        expiry = text(request, 14)
        if expiry and not kind.original and expiry < stamp(self._clock_ns()).yymm:
            return "54"
        block = request.fields.get(52)
        if isinstance(block, bytes):
            pan = text(request, 2)
            try:
                pin = decode_iso0(tdes_decrypt(self.charter.zpk, block), pan)
            except CryptoError:
                return "55"
            if pin != self.charter.pin_of(pan):
                return "55"
        return ""

    def _remember(self, key: Key, entry: Entry) -> None:
        self._entries[key] = entry
        if len(self._entries) > _ENTRIES_MAX:
            del self._entries[next(iter(self._entries))]

    def _book(self, entry: Entry, mti: str, kind: str, manner: Manner, code: str) -> None:
        self._ledger.append(
            {
                "at_ns": self._clock_ns(),
                "mti": mti,
                "kind": kind,
                "payment": entry.kind,
                "dialect": self._dialect.name,
                "pan": entry.pan,
                "terminal": entry.terminal,
                "amount": entry.amount,
                "stan": entry.stan,
                "f7": entry.f7,
                "rrn": entry.rrn,
                "manner": manner.name,
                "code": code,
                "answered": manner.answers,
            }
        )

    def _answer(
        self, link: BankLink, source: str, request: Message, code: str, auth: str, manner: Manner
    ) -> None:
        """Sends the answer as the manner wants it: when, how often, and with what wrong."""
        date = stamp(self._clock_ns()).date
        answer = cups.answer(request, self.charter.id, code, auth if code == _DONE else "", date)
        if code == _DONE and text(request, 3) == BALANCE.terminal[1]:
            answer.fields[54] = f"0002156C{self._entropy.randrange(_BALANCE_MINOR_MAX):012d}"
        manner.alter(answer, self._entropy)
        cups.sign(answer, self.charter.zak)
        payload = manner.spoil(cups.packed(self._dialect, answer, source, self.charter.id), self._entropy)
        delay_s = manner.delay(self._timers, self._entropy)
        for _ in range(manner.answers):
            if delay_s:
                asyncio.get_running_loop().call_later(delay_s, link.send, payload)
            else:
                link.send(payload)


_SERVES: dict[str, Callable[[Bank, BankLink, str, Message], None]] = {
    "0820": Bank._manage,
    "0100": Bank._pay,
    "0200": Bank._pay,
    "0220": Bank._pay,
    "0221": Bank._pay,
    "0420": Bank._reverse,
    "0421": Bank._reverse,
}


def _key(request: Message) -> Key:
    return text(request, 7), text(request, 11), text(request, 32), text(request, 33)


def _original_key(reversal: Message) -> Key:
    original = text(reversal, 90)
    return original[10:20], original[4:10], text(reversal, 32), text(reversal, 33)


def _not_allowed(kind: Kind, original: Entry | None) -> str:
    """Why a payment that builds on another one cannot be done, or empty."""
    if not kind.original:
        return ""
    if original is None:
        return _UNKNOWN_ORIGINAL
    return "" if original.state == POSTED else _DOES_NOT_ALLOW


def _no_reversal(entry: Entry | None, request: Message) -> str:
    """Why a reversal cannot be done, or empty."""
    if entry is None:
        return _UNKNOWN_ORIGINAL
    if (entry.pan, entry.amount) != (text(request, 2), int(text(request, 4))):
        return _OTHER_AMOUNT
    return _DOES_NOT_ALLOW if entry.state == VOIDED else ""
