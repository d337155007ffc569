"""From a payload to an event: look the terminal up, verify the MAC, seal the secrets, name the kind."""

from collections.abc import Callable

import msgspec

from posswitch.base.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN, Pan, Track2, luhn_ok
from posswitch.base.errors import CodecError
from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Terminal
from posswitch.codec import Message, load_dialect, read_cups_header
from posswitch.crypto.hsm import Hsm, Usage
from posswitch.crypto.mab import interbank_text
from posswitch.edge.sealed import Reply, Ticket, Tickets
from posswitch.engine.events import (
    AnswerArrived,
    AnswerSpoiled,
    Event,
    RequestArrived,
    ReversalArrived,
    TerminalSignedOn,
)
from posswitch.engine.state import Session, State
from posswitch.scheme.interbank import mac_text
from posswitch.scheme.kinds import (
    ECHO,
    REVERSAL,
    SALE,
    SIGN_ON,
    Kind,
    batch_of,
    is_request,
    kind_from_terminal,
    missing_field,
    texts,
)
from posswitch.settings.config import Config

POS, CUPS = load_dialect("pos"), load_dialect("cups")
_NOT_REJECTED = "00000"
_SIGN_ON_NS = NS_PER_S  # a sign-on is not signed and costs a record: one a second for each terminal
_NO_PIN = bytes(8)  # what terminals send where no PIN was typed
MAC_BYTES = 8  # field 64 is the last of a POS message


class Direct(msgspec.Struct, frozen=True):
    """A request that ends at the edge: its DE39, and the terminal's MAC key when it is known to fit."""

    code: str
    message: Message
    tak: bytes = b""


class Dropped(msgspec.Struct, frozen=True):
    """Bytes nobody can be answered for; counted with the reason."""

    why: str


def _refused(kind: Kind | None, had: dict[int, str], terminal: Terminal, session: Session) -> str:
    """The DE39 of a signed request that cannot be what it says, or empty."""
    if kind is None:
        return "40"
    if missing_field(kind, had) is not None:
        return "30"
    if had[42] != terminal.merchant:
        return "03"
    if kind is SALE and batch_of(had) != session.batch:
        return "77"
    return ""


class Admission:
    """What the edge knows when it meets a payload; it reads the state and never changes it."""

    def __init__(
        self,
        config: Config,
        hsm: Hsm,
        state: State,
        tickets: Tickets,
        tick_ns: Callable[[], int],
    ) -> None:
        self._config = config
        self._hsm = hsm
        self._state = state
        self._sessions = state.sessions
        self._tickets = tickets
        self._tick_ns = tick_ns
        self._signed_on_ns: dict[str, int] = {}

    # From terminals

    def from_terminal(self, payload: bytes, reply: Reply) -> Event | Direct | Dropped:
        """A terminal's payload as an event, a direct answer, or a reason why nobody is answered."""
        try:
            message = POS.unpack(payload)
        except CodecError:
            return Dropped("undecodable")
        if not is_request(message.mti):
            return Dropped("not-a-request")
        had = texts(message)
        terminal = had.get(41, "")
        row = self._config.registry.terminals.get(terminal)
        kind = kind_from_terminal(message.mti, had)
        if row is None:
            return Direct("97", message)
        if kind is SIGN_ON:
            return self._sign_on(message, had, row, reply)
        if kind is ECHO:
            return Direct("00", message)
        if kind is None and message.mti[1] == "8":  # network management carries no MAC
            return Direct("40", message)
        session = self._sessions.get(terminal)
        if session is None:
            return Direct("77", message)
        mac = message.fields.get(64)
        data = payload[POS.header_bytes : -MAC_BYTES]
        if not isinstance(mac, bytes) or not self._hsm.cup_mac_ok(session.tak, data, mac):
            return Direct("A0", message)
        code = _refused(kind, had, row, session)
        if kind is None or code:
            return Direct(code, message, session.tak)
        if kind is REVERSAL:
            return self._reversal(message, had, session, reply)
        return self._sale(message, had, session, reply)

    def refuse(self, payload: bytes, code: str) -> Direct | None:
        """The direct answer `code` to a readable payload, MACed when the terminal has a key."""
        try:
            message = POS.unpack(payload)
        except CodecError:
            return None
        if not is_request(message.mti):
            return None
        session = self._sessions.get(texts(message).get(41, ""))
        return Direct(code, message, session.tak if session and 64 in message.fields else b"")

    def _sign_on(
        self, message: Message, had: dict[int, str], terminal: Terminal, reply: Reply
    ) -> Event | Direct:
        if missing_field(SIGN_ON, had) is not None:
            return Direct("30", message)
        if had.get(42) != terminal.merchant:
            return Direct("03", message)
        now = self._tick_ns()
        if now - self._signed_on_ns.get(terminal.id, -_SIGN_ON_NS) < _SIGN_ON_NS:
            return Direct("96", message)
        self._signed_on_ns[terminal.id] = now
        return TerminalSignedOn(
            self._seal(Ticket(reply, message.header)),
            terminal.id,
            had[11],
            self._hsm.new_key(Usage.TPK),
            self._hsm.new_key(Usage.TAK),
            self._config.version,
        )

    def _sale(self, message: Message, had: dict[int, str], session: Session, reply: Reply) -> Event | Direct:
        track2 = Track2(had[35]) if 35 in had else None
        pan = Pan(had[2] if track2 is None or 2 in had else track2.pan)
        if track2 is not None and track2.pan != pan:
            return Direct("30", message, session.tak)
        if not PAN_DIGITS_MIN <= len(pan) <= PAN_DIGITS_MAX:
            return Direct("14", message, session.tak)
        box, fingerprint = self._hsm.seal_pan(pan)
        pin_block = message.fields.get(52)
        if not isinstance(pin_block, bytes) or pin_block == _NO_PIN:
            pin_block = b""
        terminal, stan, merchant = had[41], had[11], had[42]
        return RequestArrived(
            self._seal(Ticket(reply, message.header, session, pan, track2, pin_block)),
            SALE.name,
            self._key(terminal, session.batch, stan),
            terminal,
            merchant,
            session.batch,
            stan,
            int(had[4]),
            had[49],
            had[3],
            had[22],
            had[25],
            had.get(14) or (track2.expiry if track2 else ""),
            box,
            fingerprint,
            len(pan),
            pan[-4:],
            luhn_ok(pan),
            row.bank if (row := self._config.registry.bin_of(pan)) else "",
            self._config.registry.merchants[merchant].mcc,
            had[60],
            bool(pin_block),
            self._config.version,
        )

    def _reversal(self, message: Message, had: dict[int, str], session: Session, reply: Reply) -> Event:
        pan = had.get(2, "")
        terminal, batch, stan = had[41], batch_of(had), had[11]
        return ReversalArrived(
            self._seal(Ticket(reply, message.header, session, Pan(pan) if pan else None)),
            self._key(terminal, batch, stan),
            terminal,
            had[42],
            batch,
            stan,
            int(had[4]),
            self._print(pan),
            had[39],
            had[60],
        )

    def _print(self, pan: str) -> bytes:
        """The keyed fingerprint; empty for an absent number, one that fits nothing for what is no PAN."""
        if PAN_DIGITS_MIN <= len(pan) <= PAN_DIGITS_MAX:
            return self._hsm.fingerprint(pan)
        return b"?" if pan else b""

    def _seal(self, ticket: Ticket) -> int:
        return self._tickets.seal(ticket, self._tick_ns())

    def _key(self, terminal: str, batch: str, stan: str) -> str:
        """What makes a repeat: acquirer, terminal, batch, STAN, MTI class (a reversal carries its sale's)."""
        return f"{self._config.acquirer}|{terminal}|{batch}|{stan}|2"

    # From banks

    def from_bank(self, bank: str, message: Message) -> Event | Dropped:
        """A bank's answer with its MAC verified, or what is wrong with it."""
        get = texts(message).get
        stan, f7 = get(11, ""), get(7, "")
        if not stan:
            return Dropped("answer-without-stan")
        mac = message.fields.get(128)
        zak = self._config.registry.banks[bank].zak
        covered = interbank_text(mac_text(message))
        if not isinstance(mac, bytes) or not self._hsm.zone_mac_ok(zak, covered, mac):
            return AnswerSpoiled(bank, int(stan), f7, "answer's MAC is wrong")
        return AnswerArrived(
            bank,
            message.mti,
            int(stan),
            f7,
            get(39, ""),
            get(38, ""),
            get(37, ""),
            int(get(4, "0")),
            get(41, ""),
            get(42, ""),
            self._print(get(2, "")),
            get(15, ""),
        )

    @staticmethod
    def read_bank(payload: bytes) -> tuple[Message, bool] | Dropped:
        """A bank's payload as a message, and whether it came back unread (a reject code in the header)."""
        try:
            return CUPS.unpack(payload), read_cups_header(payload).reject_code != _NOT_REJECTED
        except CodecError:
            return Dropped("undecodable-answer")

    def returned(self, bank: str, message: Message) -> int:
        """The payment under way whose request the network sent back unread, or 0."""
        event = self.from_bank(bank, message)
        if message.mti != "0200" or not isinstance(event, AnswerArrived):
            return 0
        flight = self._state.flight_of_answer(bank, event.stan, event.f7)
        return flight.payment if flight is not None and flight.rrn == event.rrn else 0
