"""From a terminal's payload to an event: look it up, verify the MAC, seal the secrets, name the kind."""

from collections.abc import Callable

import msgspec

from posswitch.base.card import BIN_DIGITS_MAX, Pan, Track2, is_pan, luhn_ok
from posswitch.base.errors import CodecError, CryptoError
from posswitch.base.moment import month_number
from posswitch.base.registry import Registry, Terminal
from posswitch.codec import BUILT_IN, Message, load_dialect
from posswitch.crypto.commands import OpenTrack, Work
from posswitch.crypto.pinblock import PinFormat
from posswitch.crypto.trackblock import split_track
from posswitch.crypto.vault import Vault
from posswitch.edge.sealed import LineKeys, Reply, Ticket, Tickets
from posswitch.edge.terminal_keys import TerminalKeys, line_keys
from posswitch.engine.events import (
    BatchTotaled,
    Event,
    Item,
    ItemsUploaded,
    RequestArrived,
    ReversalArrived,
    TerminalSignedOff,
    TerminalSignedOn,
    UploadEnded,
)
from posswitch.engine.state import TRADING, Session
from posswitch.scheme.kinds import (
    ECHO,
    PAYMENT_KINDS,
    REVERSAL,
    SETTLEMENT,
    SIGN_OFF,
    SIGN_ON,
    UPLOAD,
    UPLOAD_END,
    Kind,
    batch_of,
    is_declared_repeat,
    is_request,
    is_unnamed,
    kind_from_terminal,
    kind_reversed,
    missing_field,
    network_code,
    texts,
)
from posswitch.scheme.numbers import repeat_key
from posswitch.scheme.settlement import read_count, read_items, read_totals
from posswitch.settings.clock import Clock
from posswitch.settings.config import Config

POS = load_dialect("pos")
_OTHERS = tuple(name for name in BUILT_IN if name != "pos")
_UNSIGNED = "358"  # classes of messages that may come without a MAC: batches, network management
_NO_PIN = bytes(8)  # what terminals send where no PIN was typed
_TRACK_WORD = slice(2, 3)  # the digit of field 53 about tracks
_NO_PAN = (PinFormat.CUP_1, PinFormat.ISO_1)
_WITHOUT_PAN = "1"  # the first digit of field 53, about the PIN block
MAC_BYTES = 8  # field 64 is the last of a POS message

Drift = Callable[[str, str, str, str], None]  # terminal, what, registered, sent


class Direct(msgspec.Struct, frozen=True):
    """A request that ends at the edge: its DE39, and the terminal's keys when its MAC is known to fit."""

    code: str
    message: Message
    keys: LineKeys | None = None


class Dropped(msgspec.Struct, frozen=True):
    """Bytes nobody can be answered for; counted with the reason."""

    why: str


class Heard(msgspec.Struct, frozen=True):
    """A readable request of a known terminal that is signed on; `keys`: of its MAC, if it has one."""

    message: Message
    had: dict[int, str]
    terminal: Terminal
    session: Session
    reply: Reply
    keys: LineKeys | None

    @property
    def fresh(self) -> bool:
        """Whether the keys of the last sign-on may be used for the first time."""
        session, keys = self.session, self.keys
        return session.before is not None and keys is not None and keys.tak == session.tak

    def refused(self, code: str) -> Direct:
        """The direct answer, under the key that the request came with."""
        return Direct(code, self.message, self.keys)

    def ticket(self, pan: Pan | None = None, track2: Track2 | None = None, pin: bytes = b"") -> Ticket:
        """What waits for the answer."""
        return Ticket(self.reply, self.message.header, self.keys, pan, track2, pin)


class Admission:
    """What the edge knows when it meets a terminal's payload; it reads the state and never changes it."""

    def __init__(
        self,
        config: Config,
        registry: Registry,
        vault: Vault,
        sessions: dict[str, Session],
        tickets: Tickets,
        keys: TerminalKeys,
        clock: Clock,
        drift: Drift,
    ) -> None:
        self._config = config
        self._registry = registry
        self._vault = vault
        self._sessions = sessions
        self._tickets = tickets
        self._keys = keys
        self._tick_ns, self._wall_ns = clock.tick_ns, clock.wall_ns
        self._drift = drift

    def read(self, payload: bytes) -> Message | Dropped:
        """A terminal's payload as a request, or a reason why nobody is answered."""
        try:
            message = POS.unpack(payload)
        except CodecError:
            self._note_dialect(payload)
            return Dropped("undecodable")
        return message if is_request(message.mti) else Dropped("not-a-request")

    def admitted(self, message: Message, payload: bytes, reply: Reply) -> Work[Event | Direct]:
        """A terminal's request as an event or a direct answer; nothing of it is believed before its MAC."""
        had = texts(message)
        terminal = had.get(41, "")
        row = self._registry.terminals.get(terminal)
        kind = kind_from_terminal(message.mti, had)
        if row is None:
            return Direct("97", message)
        if kind is SIGN_ON:
            return (yield from self._sign_on(message, had, row, reply))
        if kind is ECHO:
            return Direct("30" if missing_field(ECHO, had) else "00", message)
        if kind is None and message.mti[1] in _UNSIGNED:
            return Direct("30" if is_unnamed(message.mti, had) else "40", message)
        session = self._sessions.get(terminal)
        if session is None or not session.tak:
            return Direct("77", message)
        keys = None
        if kind is None or kind.mac or 64 in message.fields:
            covered = payload[POS.header_bytes : -MAC_BYTES]
            keys = yield from self._keys.of(session, row, covered, message.fields.get(64), reply)
            if keys is None:
                return Direct("A0", message)
        heard = Heard(message, had, row, session, reply, keys)
        code = self._refused(kind, heard)
        if kind is None or code:
            return heard.refused(code)
        if had.get(53, "")[_TRACK_WORD] == "1":
            code = yield from self._open_track(had, session.tdk)
            if code:
                return heard.refused(code)
        return _ADMITS[kind.name](self, heard, kind)

    def _note_dialect(self, payload: bytes) -> None:
        """What `pos` cannot read may be another dialect of a terminal we know: then its set-up is wrong."""
        for name in _OTHERS:
            try:
                terminal = texts(load_dialect(name).unpack(payload)).get(41, "")
            except CodecError:
                continue
            row = self._registry.terminals.get(terminal)
            if row is not None:
                self._drift(terminal, "dialect", row.dialect, name)
                return

    def _refused(self, kind: Kind | None, heard: Heard) -> str:
        """The DE39 of a request that cannot be what it says, or empty."""
        had, terminal = heard.had, heard.terminal
        if kind is None:
            return "30" if is_unnamed(heard.message.mti, had) else "40"
        if missing_field(kind, had) is not None:
            return "30"
        if had[42] != terminal.merchant:
            self._drift(terminal.id, "merchant", terminal.merchant, had[42])
            return "03"
        if terminal.merchant not in self._registry.merchants:
            return "03"
        currency = had.get(49, terminal.currency)
        if currency != terminal.currency:
            self._drift(terminal.id, "currency", terminal.currency, currency)
        payment = kind_reversed(had) if kind is REVERSAL else kind
        if (
            terminal.kinds
            and payment is not None
            and payment.name in PAYMENT_KINDS
            and payment.name not in terminal.kinds
        ):
            self._drift(terminal.id, "kind", ",".join(terminal.kinds), payment.name)
            return "58"
        if kind.name in PAYMENT_KINDS and (
            batch_of(had) != heard.session.batch or heard.session.phase != TRADING
        ):
            return "77"
        return ""

    def refusal(self, message: Message, code: str) -> Direct:
        """The direct answer `code`, MACed when the terminal has a key."""
        terminal = texts(message).get(41, "")
        session, row = self._sessions.get(terminal), self._registry.terminals.get(terminal)
        if session is None or row is None or not session.tak or 64 not in message.fields:
            return Direct(code, message)
        return Direct(code, message, line_keys(session, row))

    def _open_track(self, had: dict[int, str], tdk: bytes) -> Work[str]:
        """Track 2 in clear, where field 53 says that it is not; or the DE39 of a track nobody can open."""
        try:
            parts = split_track(had.get(35, ""))
        except CryptoError:
            return "30"
        if not tdk:
            return "77"
        had[35] = parts.with_hidden((yield OpenTrack(tdk, parts.hidden)))
        return ""

    def _sign_on(
        self, message: Message, had: dict[int, str], terminal: Terminal, reply: Reply
    ) -> Work[Event | Direct]:
        if missing_field(SIGN_ON, had) is not None:
            return Direct("30", message)
        if had.get(42) != terminal.merchant:
            self._drift(terminal.id, "merchant", terminal.merchant, had[42])
            return Direct("03", message)
        if not self._keys.may_sign_on(terminal.id):
            return Direct("96", message)
        layout = network_code(had)
        made = yield from self._keys.made(layout, terminal.mac)
        if made is None:  # its MAC needs a longer key than it asks for
            return Direct("40", message)
        tpk, tak, tdk = made
        ticket = self._seal(Ticket(reply, message.header))
        return TerminalSignedOn(ticket, terminal.id, had[11], tpk, tak, self._config.version, layout, tdk)

    def _sign_off(self, heard: Heard, kind: Kind) -> Event:
        had = heard.had
        return TerminalSignedOff(self._seal(heard.ticket()), had[41], had[11], had[60])

    def _payment(self, heard: Heard, kind: Kind) -> Event | Direct:
        had, fields = heard.had, heard.message.fields
        track2 = Track2(had[35]) if 35 in had else None
        pan = Pan(had.get(2, track2.pan if track2 is not None else ""))
        if track2 is not None and track2.pan != pan:
            return heard.refused("30")
        if pan or kind.need_one:
            if not is_pan(pan):
                return heard.refused("14")
            box, fingerprint = self._vault.seal_pan(pan, month_number(self._wall_ns()))
        else:  # its original has the card
            box, fingerprint = b"", b""
        pin_block = fields.get(52)
        if not isinstance(pin_block, bytes) or pin_block == _NO_PIN:
            pin_block = b""
        elif (had.get(53, "")[:1] == _WITHOUT_PAN) != (heard.terminal.pin_block in _NO_PAN):
            self._drift(heard.terminal.id, "pin_block", heard.terminal.pin_block, _pin_said(had))
        route = self._registry.bin_of(pan)
        terminal, stan, merchant = had[41], had[11], had[42]
        original = had.get(61, "")
        return RequestArrived(
            self._seal(heard.ticket(pan or None, track2, pin_block)),
            kind.name,
            self._key(terminal, heard.session.batch, stan, kind),
            terminal,
            merchant,
            heard.session.batch,
            stan,
            int(had.get(4, "0")),
            had.get(49, heard.terminal.currency),
            had[3],
            had[22],
            had[25],
            had.get(14) or (track2.expiry if track2 else ""),
            box,
            fingerprint,
            len(pan),
            pan[-4:],
            luhn_ok(pan),
            route.bank if route is not None else "",
            self._registry.merchants[merchant].mcc,
            had[60],
            bool(pin_block),
            self._config.version,
            route is not None and route.foreign,
            had.get(37, ""),
            original[0:6],
            original[6:12],
            original[12:16],
            had.get(38, ""),
            is_declared_repeat(heard.message.mti),
            heard.fresh,
            "" if route is None else route.prefix[:BIN_DIGITS_MAX],
        )

    def _reversal(self, heard: Heard, kind: Kind) -> Event:
        had = heard.had
        reversed_kind = kind_reversed(had)
        assert reversed_kind is not None
        pan = had.get(2, "")
        terminal, batch, stan = had[41], batch_of(had), had[11]
        return ReversalArrived(
            self._seal(heard.ticket(Pan(pan) if pan else None)),
            self._key(terminal, batch, stan, reversed_kind),
            terminal,
            had[42],
            batch,
            stan,
            int(had[4]),
            self._print(pan),
            had[39],
            had[60],
            reversed_kind.name,
            had[3],
            had[25],
        )

    def _settlement(self, heard: Heard, kind: Kind) -> Event | Direct:
        had = heard.had
        totals = read_totals(had[48])
        if totals is None:
            return heard.refused("30")
        ticket = self._seal(heard.ticket())
        return BatchTotaled(ticket, had[41], had[42], batch_of(had), had[11], *totals, had[60])

    def _upload(self, heard: Heard, kind: Kind) -> Event | Direct:
        had = heard.had
        items = read_items(had[48])
        if items is None:
            return heard.refused("30")
        rows = tuple(Item(row.stan, row.amount_minor, self._print(row.pan), row.foreign) for row in items)
        ticket = self._seal(heard.ticket())
        return ItemsUploaded(ticket, had[41], had[42], batch_of(had), had[11], rows, had[60])

    def _upload_end(self, heard: Heard, kind: Kind) -> Event | Direct:
        had = heard.had
        count = read_count(had[48])
        if count is None:
            return heard.refused("30")
        ticket = self._seal(heard.ticket())
        return UploadEnded(ticket, had[41], had[42], batch_of(had), had[11], count, had[60])

    def _print(self, pan: str) -> bytes:
        """The keyed fingerprint; empty for an absent number, one that fits nothing for what is no PAN."""
        if is_pan(pan):
            return self._vault.fingerprint(pan)
        return b"?" if pan else b""

    def _seal(self, ticket: Ticket) -> int:
        return self._tickets.seal(ticket, self._tick_ns())

    def _key(self, terminal: str, batch: str, stan: str, kind: Kind) -> str:
        return repeat_key(self._config.acquirer, terminal, batch, stan, kind.terminal[0])


def _pin_said(had: dict[int, str]) -> str:
    """What field 53 says of the PIN block."""
    return PinFormat.CUP_1 if had.get(53, "")[:1] == _WITHOUT_PAN else PinFormat.ISO_0


_ADMITS: dict[str, Callable[[Admission, Heard, Kind], Event | Direct]] = {
    **dict.fromkeys(PAYMENT_KINDS, Admission._payment),
    REVERSAL.name: Admission._reversal,
    SIGN_OFF.name: Admission._sign_off,
    SETTLEMENT.name: Admission._settlement,
    UPLOAD.name: Admission._upload,
    UPLOAD_END.name: Admission._upload_end,
}
