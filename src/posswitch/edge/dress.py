"""From an effect to a payload: the dialect, the PIN under the next key, the MAC."""

from functools import lru_cache

from posswitch.base.amount import CNY
from posswitch.base.moment import Stamp, stamp
from posswitch.codec import Message, cups_header, swap_tpdu
from posswitch.codec.message import Value
from posswitch.crypto.hsm import Hsm
from posswitch.crypto.mab import interbank_text
from posswitch.edge.admit import CUPS, MAC_BYTES, POS
from posswitch.edge.sealed import Ticket
from posswitch.engine.effects import Answer
from posswitch.engine.events import RequestArrived, ReversalArrived, TerminalSignedOn
from posswitch.engine.state import Flight
from posswitch.scheme.interbank import mac_text, original_data
from posswitch.scheme.kinds import answer_mti
from posswitch.settings.config import Config

Request = RequestArrived | ReversalArrived | TerminalSignedOn

_NO_MAC = bytes(MAC_BYTES)
_NO_HEADER = bytes(46)
_ECHOED = (3, 4, 11, 25, 41, 42, 49, 60)
_NAME_BYTES, _CITY_BYTES = 25, 13


class Dresser:
    """Everything that leaves is made here."""

    def __init__(self, config: Config, hsm: Hsm) -> None:
        self._config = config
        self._hsm = hsm
        self._both = lru_cache(maxsize=4096)(lambda bank: f"{bank:<11}{config.acquirer:<11}")
        self._place = lru_cache(maxsize=4096)(self._name_and_city)

    # To terminals

    def response(self, request: Request, answer: Answer, ticket: Ticket, now: Stamp) -> bytes:
        """The answer to a terminal, under the key that its request came with."""
        fields: dict[int, Value] = {
            11: request.stan,
            12: now.time,
            13: now.date,
            32: self._config.acquirer,
            39: answer.code,
            41: request.terminal,
        }
        if answer.rrn:
            fields[37] = answer.rrn
        if isinstance(request, TerminalSignedOn):
            return self._signed_on(request, answer, ticket, fields)
        fields[3], fields[25] = "000000", "00"
        fields[4] = f"{request.amount_minor:012d}"
        fields[42] = request.merchant
        fields[60] = request.f60
        fields[49] = CNY
        if ticket.pan:
            fields[2] = ticket.pan
        if answer.day:
            fields[15] = answer.day
        if isinstance(request, RequestArrived):
            fields[3], fields[25], fields[49] = request.processing, request.condition, request.currency
            fields[44] = self._both(request.bank)
            if answer.auth:
                fields[38] = answer.auth
        assert ticket.keys is not None
        mti = "0210" if isinstance(request, RequestArrived) else "0410"
        return self._to_terminal(mti, fields, ticket.header, ticket.keys.tak)

    def _signed_on(
        self, request: TerminalSignedOn, answer: Answer, ticket: Ticket, fields: dict[int, Value]
    ) -> bytes:
        terminal = self._config.registry.terminals[request.terminal]
        fields[42] = terminal.merchant
        fields[60] = f"00{answer.batch}003"
        fields[62] = self._hsm.sign_on_keys(terminal.tmk, request.tpk, request.tak)
        return self._to_terminal("0810", fields, ticket.header, b"")

    def refusal(self, message: Message, code: str, tak: bytes, now: Stamp) -> bytes:
        """The answer to a request that ends at the edge; it repeats what the request had."""
        had = message.fields
        fields: dict[int, Value] = {field: had[field] for field in _ECHOED if field in had}
        fields[12], fields[13], fields[39] = now.time, now.date, code
        return self._to_terminal(answer_mti(message.mti), fields, message.header, tak)

    def _to_terminal(self, mti: str, fields: dict[int, Value], header: bytes, tak: bytes) -> bytes:
        if tak:
            fields[64] = _NO_MAC
        payload = POS.pack(Message(mti, fields, swap_tpdu(header)))
        if not tak:
            return payload
        data = payload[POS.header_bytes : -MAC_BYTES]
        return payload[:-MAC_BYTES] + self._hsm.cup_mac(tak, data)

    # To banks

    def request(self, flight: Flight, ticket: Ticket) -> bytes:
        """The 0200 to a bank; raises CryptoError when the PIN cannot be translated."""
        request = flight.request
        at = stamp(flight.at_ns)
        assert ticket.pan is not None
        fields = self._common(flight, ticket.pan, at, flight.stan, flight.f7)
        if ticket.track2 is not None:
            fields[35] = ticket.track2.replace("D", "=")
        if ticket.pin_block:
            assert ticket.keys is not None
            zpk = self._config.registry.banks[request.bank].zpk
            fields[26] = "12"
            fields[52] = self._hsm.translate_pin(ticket.keys.tpk, zpk, ticket.pan, ticket.pin_block)
            fields[53] = "2600000000000000"
        return self._to_bank(request.bank, "0200", fields)

    def reversal(self, flight: Flight, repeat: bool) -> bytes:
        """The 0420 (0421 when sent before): as the sale, its original times, no track, no PIN, field 90."""
        request = flight.request
        pan = self._hsm.open_pan(request.pan_box)
        fields = self._common(flight, pan, stamp(flight.at_ns), flight.rev_stan, flight.rev_f7)
        fields[90] = original_data("0200", flight.stan, flight.f7, self._config.acquirer, self._config.centre)
        return self._to_bank(request.bank, "0421" if repeat else "0420", fields)

    def management(self, bank: str, mti: str, stan: str, now: Stamp, code: str, answer: str = "") -> bytes:
        """Sign-on and echo between institutions (F70), or the answer to one."""
        fields: dict[int, Value] = {7: now.f7, 11: stan, 33: self._config.centre, 70: code}
        if answer:
            fields[39] = answer
        payload = CUPS.pack(Message(mti, fields, _NO_HEADER))
        return self._with_header(bank, payload)

    def _common(self, flight: Flight, pan: str, at: Stamp, stan: int, f7: str) -> dict[int, Value]:
        request = flight.request
        fields: dict[int, Value] = {
            2: pan,
            3: request.processing,
            4: f"{request.amount_minor:012d}",
            7: f7,
            11: f"{stan:06d}",
            12: at.time,
            13: at.date,
            18: request.mcc,
            22: request.entry,
            25: request.condition,
            32: self._config.acquirer,
            33: self._config.centre,
            37: flight.rrn,
            41: request.terminal,
            42: request.merchant,
            43: self._place(request.merchant),
            49: request.currency,
        }
        if request.expiry:
            fields[14] = request.expiry
        return fields

    def _name_and_city(self, merchant: str) -> str:
        """Field 43 of a merchant; blanks for one that has left since its payment."""
        row = self._config.registry.merchants.get(merchant)
        name, city = (row.name, row.city) if row else ("", "")
        return f"{_fitted(name, _NAME_BYTES)}{_fitted(city, _CITY_BYTES)}CN"

    def _to_bank(self, bank: str, mti: str, fields: dict[int, Value]) -> bytes:
        message = Message(mti, fields, _NO_HEADER)
        covered = interbank_text(mac_text(message))
        fields[128] = self._hsm.zone_mac(self._config.registry.banks[bank].zak, covered)
        return self._with_header(bank, CUPS.pack(message))

    def _with_header(self, bank: str, payload: bytes) -> bytes:
        body = payload[len(_NO_HEADER) :]
        return cups_header(bank, self._config.centre, len(body)) + body


def _fitted(words: str, length_bytes: int) -> str:
    """`words` cut or padded to exactly `length_bytes` of GB 18030; a character is never cut in two."""
    cut = words.encode("gb18030")[:length_bytes].decode("gb18030", "ignore")
    return cut + " " * (length_bytes - len(cut.encode("gb18030")))
