"""A card issuer: answers the centre on its links, keeps its own ledger, and has bad manners by the table."""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice

from posswitch.base.bounds import Timers
from posswitch.base.errors import CodecError
from posswitch.base.moment import NS_PER_S, stamp
from posswitch.base.registry import Address
from posswitch.codec import Dialect, Message, load_dialect, read_cups_header
from posswitch.codec.header import CUPS_HEADER_BYTES, CupsHeader
from posswitch.scheme.kinds import BALANCE, KEY_EXCHANGE_CODE, KEY_WORDS, PAYMENTS, WHOLE, Kind, text
from posswitch.sim.peers import cups
from posswitch.sim.peers.bank_keys import key_request, with_new_key, with_wrong_key
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
from posswitch.sim.peers.scrutiny import (
    BAD_MAC,
    CARD_NEEDS,
    MAC_UNFIT,
    MONEY_NEEDS,
    NOT_OFFERED,
    POSTED,
    REFUSED,
    REVERSAL_NEEDS,
    REVERSED,
    VOIDED,
    Charter,
    Entry,
    Fault,
    no_reversal,
    not_allowed,
    refusal,
    unsound,
)
from posswitch.sim.peers.seen import IN, LINE, OUT, Seen, Watch, nobody

_RECENT = 200
_ENTRIES_MAX = 1_000_000  # a bank answers duplicates and reversals of its last million payments
_OVERLAP_NS = 60 * NS_PER_S  # how long it accepts the key before
_MANAGEMENT = {"001": "sign-on", "002": "sign-off", "201": "cutover", "202": "cutover", "301": "echo"}
_KINDS = {(kind.bank, *kind.terminal[1:3]): kind for kind in PAYMENTS}
_BALANCE_MINOR_MAX = 10_000_000
_DONE = "00"

Key = tuple[str, str, str, str]  # F7, F11, F32, F33


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
        watch: Watch = nobody,
    ) -> None:
        self.charter = charter
        self.overlap_ns = _OVERLAP_NS
        self.lost: dict[str, None] = {}  # keys that nobody else has
        self._once_lost: dict[str, None] = {}
        self._ledger = ledger
        self._entropy = entropy
        self._clock_ns = clock_ns
        self._timers = timers
        self._sales = Mood(sales)
        self._reversals = Mood(reversals)
        self._advices = Mood(advices)
        self._watch = watch
        self._dialect: Dialect = load_dialect(charter.dialect)
        self._entries: dict[Key, Entry] = {}
        self._approvals = 0
        self._away = False
        self._servers: list[asyncio.Server] = []
        self._links: dict[BankLink, None] = {}
        self.counts: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"Bank({self.charter.id}, {len(self._links)} links, {len(self._entries)} payments)"

    async def open(self, host: str, port: int = 0, tls: ssl.SSLContext | None = None) -> Address:
        """Listens for the centre, with `tls` over TLS; returns where. A bank may listen in several places."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._new_link, host, port, ssl=tls)
        self._servers.append(server)
        return Address(host, server.sockets[0].getsockname()[1])

    async def dial(self, centre: Address, tls: ssl.SSLContext | None = None) -> BankLink:
        """A link that the bank opens itself; OSError when nobody answers."""
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(self._new_link, centre.host, centre.port, ssl=tls)
        return link

    def _new_link(self) -> BankLink:
        return BankLink(
            self.arrived,
            self._links,
            self.charter.framing,
            lambda link, what: self._see(LINE, link, note=what),
        )

    def _see(
        self, way: str, link: BankLink, message: Message | None = None, kind: str = "", note: str = ""
    ) -> None:
        self._watch(Seen(self._clock_ns(), way, link, message, kind, note))

    def close(self) -> None:
        """Closes the listeners and every link."""
        for server in self._servers:
            server.close()
        for link in list(self._links):
            link.hang_up()

    def behave(self, sales: Sequence[Manner], reversals: Sequence[Manner], advices: Sequence[Manner]) -> None:
        """From now on these manners."""
        self._sales, self._reversals, self._advices = Mood(sales), Mood(reversals), Mood(advices)

    def heal(self) -> None:
        """From now on every good request is approved and every reversal acknowledged."""
        self.behave((APPROVE,), (ACK,), (ACK,))

    def away(self) -> None:
        """Hangs up and takes no new link until it is `back`."""
        self._away = True
        for link in list(self._links):
            link.hang_up()

    def back(self) -> None:
        """Takes links again."""
        self._away = False

    def recent(self) -> set[tuple[str, int]]:
        """(field 41, amount) of the payments that came last."""
        last = islice(reversed(self._entries.values()), _RECENT)
        return {(entry.terminal, entry.amount) for entry in last if entry.state == POSTED}

    def arrived(self, link: BankLink, payload: bytes) -> None:
        """One frame from the centre; what cannot be read or is for somebody else stays unanswered."""
        if self._away:
            link.hang_up()
            return
        try:
            request = self._dialect.unpack(payload)
            source = self._addressed_by(payload)
        except CodecError as error:
            self.counts["unreadable"] += 1
            self._see(IN, link, note=f"cannot be read: {error}")
            return
        if 0 < self.charter.before_until_ns < self._clock_ns():
            self.charter = self.charter._replace(zpk_before=b"", zak_before=b"", before_until_ns=0)
        serve = _SERVES.get(request.mti)
        if serve is None or not source:
            self.counts["misrouted"] += 1
            why = "the header is not addressed to this bank" if serve else "a bank does not serve this MTI"
            self._see(IN, link, request, note=f"{why}; unanswered")
            return
        try:
            serve(self, link, source, request)
        except CodecError as error:  # an answer repeats fields, and not every value can be written again
            self.counts["unanswerable"] += 1
            self._see(LINE, link, note=f"the answer cannot be written: {error}")

    def _addressed_by(self, payload: bytes) -> str:
        """Who sent it, empty when it is not for us; a dialect without that header cannot tell."""
        if self._dialect.header_bytes != CUPS_HEADER_BYTES:
            return "-"
        header = read_cups_header(payload)
        addressed = header == CupsHeader(self.charter.id, header.source, len(payload), "00000")
        return header.source if addressed else ""

    def _manage(self, link: BankLink, source: str, request: Message) -> None:
        kind = _MANAGEMENT.get(text(request, 70), "")
        note = "" if kind else NOT_OFFERED.why
        if 128 in request.fields and not self.charter.fits(request):
            note = MAC_UNFIT
        self._see(IN, link, request, kind, note)
        answer = cups.management_answer(request, self.charter.id, _DONE if kind else NOT_OFFERED.code)
        self._say(link, answer, kind, "", cups.packed(self._dialect, answer, source, self.charter.id))

    def _take_key(self, link: BankLink, source: str, request: Message) -> None:
        """An 0800 with a new zone key: the answer is signed with the MAC key that is in force then."""
        if text(request, 70) != KEY_EXCHANGE_CODE:
            self._manage(link, source, request)
            return
        new = with_new_key(self.charter, request)
        fault = new if isinstance(new, Fault) else None
        self._see(IN, link, request, "key exchange", fault.why if fault else "")
        self.counts["keys_refused" if fault else "keys_taken"] += 1
        if isinstance(new, Charter) and new != self.charter:
            self.charter = new._replace(before_until_ns=self._clock_ns() + self.overlap_ns)
            self.lost = {usage: None for usage in self.lost if KEY_WORDS[usage] != text(request, 53)[:1]}
        answer = cups.management_answer(request, self.charter.id, fault.code if fault else _DONE)
        cups.sign(answer, self.charter.zak, self.charter.mac)
        payload = cups.packed(self._dialect, answer, source, self.charter.id)
        self._say(link, answer, "key exchange", "", payload)

    def ask_for_key(self, usage: str, centre: str) -> bool:
        """Asks the centre for a new key (ZPK or ZAK) over any link; False when there is none."""
        if not self._links:
            return False
        link = self._entropy.choice(list(self._links))  # one may be half dead
        now = stamp(self._clock_ns())
        request = key_request(f"{self._entropy.randrange(1, 10**6):06d}", now.f7, centre, usage)
        payload = cups.packed(self._dialect, request, centre, self.charter.id)
        self._say(link, request, "key request", "", payload)
        return True

    def lose_key(self, usage: str) -> None:
        """A key here is another one from now on: nobody told the centre."""
        self.charter = with_wrong_key(self.charter, usage, self._entropy)
        self.lost[usage] = self._once_lost[usage] = None

    def doubt_keys(self) -> None:
        """A key that was lost and replaced may be lost to the centre, which never heard that it was taken."""
        self.lost |= self._once_lost

    def _unsound(self, request: Message, needs: Sequence[int]) -> Fault | None:
        fault = unsound(request, self.charter, needs)
        if fault is not None and fault.code == BAD_MAC:
            self.counts["bad_mac"] += 1
        return fault

    def _pay(self, link: BankLink, source: str, request: Message) -> None:
        """Any payment: refused for a reason, or treated as the manner of the moment wants."""
        kind = _KINDS.get((f"{request.mti[:3]}0", text(request, 3), text(request, 25)))
        fault = self._unsound(request, MONEY_NEEDS if kind and 4 in kind.need else CARD_NEEDS)
        if fault is not None or kind is None:
            fault = fault or NOT_OFFERED
            self._see(IN, link, request, kind.name if kind else "", fault.why)
            self._answer(link, source, request, fault.code, "", APPROVE)
            return
        key = _key(request)
        entry = self._entries.get(key)
        if entry is not None:
            self.counts["duplicate"] += 1
            self._see(IN, link, request, kind.name, "a repeat: answered as before")
            self._answer(link, source, request, entry.code, entry.auth, APPROVE)
            return
        original = self._entries.get(_original_key(request)) if 90 in request.fields else None
        manner = self._manner(kind, request)
        if not kind.advice and not manner.insists:
            yymm = stamp(self._clock_ns()).yymm
            fault = refusal(kind, request, self.charter, yymm) or not_allowed(kind, original)
            manner = DECLINE if fault else manner
        self._see(IN, link, request, kind.name, fault.why if fault else "")
        code = fault.code if fault else self._entropy.choice(manner.codes)
        posted = self._entropy.random() < manner.effect
        moves = posted and kind is not BALANCE
        entry = self._entry(request, code, kind.name, posted=moves)
        if kind.takes == WHOLE and moves and original is not None:
            original.state, entry.original = VOIDED, original
        if posted or (manner.answers and not kind.advice):
            self._remember(key, entry)
        self._book(entry, request.mti, "post" if moves else "none", manner, code)
        self._answer(link, source, request, code, entry.auth, manner)

    def _manner(self, kind: Kind, request: Message) -> Manner:
        """How this request is treated."""
        return (self._advices if kind.advice else self._sales).draw(self._entropy)

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
        fault = self._unsound(request, REVERSAL_NEEDS)
        if fault is not None:
            self._see(IN, link, request, "reversal", fault.why)
            self._answer(link, source, request, fault.code, "", ACK)
            return
        entry = self._entries.get(_original_key(request))
        manner = self._reversals.draw(self._entropy)
        code = self._entropy.choice(manner.codes)
        if code == _DONE and (fault := no_reversal(entry, request)) is not None:
            code = fault.code
        self._see(IN, link, request, "reversal", fault.why if fault else "")
        effect = "none"
        effective = code == _DONE and self._entropy.random() < manner.effect
        if effective and entry is not None and entry.state == POSTED:
            entry.state, effect = REVERSED, "reverse"
            if entry.original is not None:
                entry.original.state = POSTED  # what was void stands again
        told = entry or self._entry(request, code, "unknown", posted=False)
        self._book(told, request.mti, effect, manner, code)
        self._answer(link, source, request, code, "", manner)

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
                "auth": entry.auth,
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
        cups.sign(answer, self.charter.zak, self.charter.mac)
        payload = manner.spoil(cups.packed(self._dialect, answer, source, self.charter.id), self._entropy)
        delay_s = manner.delay(self._timers, self._entropy)
        kind = _KINDS.get((f"{request.mti[:3]}0", text(request, 3), text(request, 25)))
        name = "reversal" if request.mti[1] == "4" else kind.name if kind else ""
        said = partial(
            self._say, link, answer, name, "" if manner in (APPROVE, ACK) or manner.insists else manner.name
        )
        if not manner.answers:
            self._see(LINE, link, note=f"{request.mti} {text(request, 11)} stays unanswered ({manner.name})")
        for _ in range(manner.answers):
            if delay_s:
                asyncio.get_running_loop().call_later(delay_s, said, payload)
            else:
                said(payload)

    def _say(self, link: BankLink, answer: Message, kind: str, manner: str, payload: bytes) -> None:
        self._see(OUT, link, answer, kind, manner)
        link.send(payload)


_SERVES: dict[str, Callable[[Bank, BankLink, str, Message], None]] = {
    "0800": Bank._take_key,
    "0830": lambda bank, link, source, message: bank._see(IN, link, message, "key request"),
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
