"""From an effect to a payload: the dialect, the PIN under the next key, the MAC."""

from functools import lru_cache

from posswitch.base.amount import CNY
from posswitch.base.moment import Stamp, stamp
from posswitch.base.registry import Registry
from posswitch.codec import Message, swap_tpdu
from posswitch.codec.message import Value
from posswitch.crypto.ciphers import BLOCK_BYTES
from posswitch.crypto.commands import Mac, SignOnKeys, TranslatePin, Usage, Work
from posswitch.crypto.mab import interbank_text
from posswitch.crypto.pinblock import PinFormat
from posswitch.crypto.vault import Vault
from posswitch.edge.admit import MAC_BYTES, POS
from posswitch.edge.sealed import LineKeys, Ticket
from posswitch.edge.voice import Voices
from posswitch.edge.zone import Zone
from posswitch.engine.effects import Answer, Asked
from posswitch.engine.events import (
    BatchTotaled,
    RequestArrived,
    ReversalArrived,
    TerminalSignedOff,
    TerminalSignedOn,
)
from posswitch.engine.state import Flight
from posswitch.scheme.interbank import mac_text, original_data
from posswitch.scheme.kinds import KEY_EXCHANGE_CODE, KEY_WORDS, PAYMENT_KINDS, REVERSAL, answer_mti
from posswitch.scheme.settlement import write_totals
from posswitch.settings.config import Config

_NO_MAC = bytes(MAC_BYTES)
ECHOED = (3, 4, 11, 25, 41, 42, 49, 60)
_NAME_BYTES, _CITY_BYTES = 25, 13
_NO_TEXTS, _CASHIER_BYTES = "CUP" + " " * 60, 60  # field 63: brand; nothing of issuer, network, acquirer


class Dresser:
    """Everything that leaves is made here."""

    def __init__(self, config: Config, registry: Registry, voices: Voices, vault: Vault, zone: Zone) -> None:
        self._config = config
        self._zone = zone
        self._registry = registry
        self._voices = voices
        self._vault = vault
        self._both = lru_cache(maxsize=4096)(lambda bank: f"{bank:<11}{config.acquirer:<11}")
        self._place = lru_cache(maxsize=4096)(self._name_and_city)

    def amended(self) -> None:
        """The registry has changed: names are looked up anew."""
        self._place.cache_clear()

    # To terminals

    def response(self, request: Asked, answer: Answer, ticket: Ticket, now: Stamp) -> Work[bytes]:
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
            return (yield from self._signed_on(request, answer, ticket, fields))
        fields[60] = request.f60
        if answer.day:
            fields[15] = answer.day
        if isinstance(request, RequestArrived):
            mti = self._payment(request, answer, ticket, fields)
        elif isinstance(request, ReversalArrived):
            mti = "0410"
            fields[3], fields[25], fields[49] = request.processing, request.condition, CNY
            fields[4], fields[42] = f"{request.amount_minor:012d}", request.merchant
            if ticket.pan:
                fields[2] = ticket.pan
        elif isinstance(request, TerminalSignedOff):
            mti = "0830"
            row = self._registry.terminals.get(request.terminal)
            if row is not None:  # the answer is matched on it
                fields[42] = row.merchant
        else:
            mti = "0330"
            fields[42] = request.merchant
            if isinstance(request, BatchTotaled):
                mti = "0510"
                fields[48], fields[49] = write_totals(*answer.sides, answer.flags), CNY
        return (yield from self._to_terminal(mti, fields, ticket.header, ticket.keys))

    def _payment(
        self, request: RequestArrived, answer: Answer, ticket: Ticket, fields: dict[int, Value]
    ) -> str:
        """Adds what the answer to a payment has; returns its MTI."""
        kind = PAYMENT_KINDS[request.kind]
        fields[3], fields[25], fields[49] = request.processing, request.condition, request.currency
        if 4 in kind.need:
            fields[4] = f"{request.amount_minor:012d}"
        fields[42] = request.merchant
        fields[44] = self._both(request.bank)
        if ticket.pan:
            fields[2] = ticket.pan
        if answer.auth:
            fields[38] = answer.auth
        if ticket.balance:
            fields[54] = ticket.balance
        if answer.says:
            fields[63] = _NO_TEXTS + _fitted(answer.says, _CASHIER_BYTES)
        return answer_mti(kind.terminal[0])

    def _signed_on(
        self, request: TerminalSignedOn, answer: Answer, ticket: Ticket, fields: dict[int, Value]
    ) -> Work[bytes]:
        terminal = self._registry.terminals[request.terminal]
        fields[42] = terminal.merchant
        fields[60] = f"00{answer.batch}{request.layout}"
        keys = (request.tpk, request.tak, request.tdk)
        fields[62] = yield SignOnKeys(request.layout, terminal.tmk, *keys)
        return (yield from self._to_terminal("0810", fields, ticket.header, None))

    def refusal(self, message: Message, code: str, keys: LineKeys | None, now: Stamp) -> Work[bytes]:
        """The answer to a request that ends at the edge; it repeats what the request had."""
        had = message.fields
        fields: dict[int, Value] = {field: had[field] for field in ECHOED if field in had}
        fields[12], fields[13], fields[39] = now.time, now.date, code
        return (yield from self._to_terminal(answer_mti(message.mti), fields, message.header, keys))

    def _to_terminal(
        self, mti: str, fields: dict[int, Value], header: bytes, keys: LineKeys | None
    ) -> Work[bytes]:
        if keys is not None:
            fields[64] = _NO_MAC
        payload = POS.pack(Message(mti, fields, swap_tpdu(header)))
        if keys is None:
            return payload
        data = payload[POS.header_bytes : -MAC_BYTES]
        mac: bytes = yield Mac(Usage.TAK, keys.tak, keys.mac, data)
        return payload[:-MAC_BYTES] + mac

    # To banks

    def request(self, flight: Flight, ticket: Ticket) -> Work[bytes]:
        """A payment to its bank; raises CryptoError when the PIN cannot be translated."""
        request = flight.request
        pan = ticket.pan or self._vault.open_pan(request.pan_box)
        fields = self._money(flight, pan, flight.stan, flight.f7)
        if ticket.track2 is not None:
            fields[35] = ticket.track2.replace("D", "=")
        if ticket.pin_block:
            keys, bank = ticket.keys, self._registry.banks[request.bank]
            assert keys is not None
            formats = keys.pin_block, PinFormat(bank.pin_block)
            fields[26] = "12"
            fields[52] = yield TranslatePin(
                keys.tpk, self._zone.pin_key(bank.id), pan, ticket.pin_block, *formats
            )
            fields[53] = "2600000000000000"
        self._add_original(flight, fields)
        return (yield from self._to_bank(request.bank, PAYMENT_KINDS[request.kind].bank, fields))

    def advice(self, flight: Flight, repeat: bool) -> Work[bytes]:
        """An accepted advice (xxx1 when sent before): no track, no PIN."""
        request = flight.request
        fields = self._money(flight, self._vault.open_pan(request.pan_box), flight.stan, flight.f7)
        self._add_original(flight, fields)
        mti = _repeated(PAYMENT_KINDS[request.kind].bank, repeat)
        return (yield from self._to_bank(request.bank, mti, fields))

    def reversal(self, flight: Flight, repeat: bool) -> Work[bytes]:
        """The 0420 (0421 when sent before): as its payment, the same times, no track, no PIN, field 90."""
        request = flight.request
        fields = self._money(flight, self._vault.open_pan(request.pan_box), flight.rev_stan, flight.rev_f7)
        mti = PAYMENT_KINDS[request.kind].bank
        fields[90] = original_data(mti, flight.stan, flight.f7, self._config.acquirer, self._config.centre)
        return (yield from self._to_bank(request.bank, _repeated(REVERSAL.bank, repeat), fields))

    def management(self, bank: str, mti: str, stan: str, now: Stamp, code: str, answer: str = "") -> bytes:
        """Network management between institutions (F70), or the answer to it."""
        fields = self._managing(stan, now, code)
        if answer:
            fields[39] = answer
        return self._voices[bank].pack(mti, fields)

    def key_offer(
        self, bank: str, usage: Usage, stan: str, now: Stamp, sent: tuple[bytes, bytes], zak: bytes
    ) -> Work[bytes]:
        """The 0800 with a new zone key: under the zone master key, its check value; a MAC under `zak`.

        A MAC key signs the message that brings it: a bank that can verify it has it.
        """
        moved, check = sent
        fields = self._managing(stan, now, KEY_EXCHANGE_CODE)
        fields[48] = f"{moved.hex()}{check.hex()}".upper()
        fields[53] = f"{KEY_WORDS[usage]}{0 if len(moved) == BLOCK_BYTES else 6}".ljust(16, "0")
        return (yield from self._to_bank(bank, "0800", fields, zak))

    def _managing(self, stan: str, now: Stamp, code: str) -> dict[int, Value]:
        return {7: now.f7, 11: stan, 33: self._config.centre, 70: code}

    def _money(self, flight: Flight, pan: str, stan: int, f7: str) -> dict[int, Value]:
        """What every message about an amount or a card carries."""
        request = flight.request
        kind = PAYMENT_KINDS[request.kind]
        at = stamp(flight.at_ns)
        fields: dict[int, Value] = {
            2: pan,
            3: kind.terminal[1],
            7: f7,
            11: f"{stan:06d}",
            12: at.time,
            13: at.date,
            18: request.mcc,
            22: request.entry,
            25: kind.terminal[2],
            32: self._config.acquirer,
            33: self._config.centre,
            37: flight.rrn,
            41: request.terminal,
            42: request.merchant,
            43: self._place(request.merchant, self._voices[request.bank].chinese),
        }
        if 4 in kind.need:
            fields[4] = f"{request.amount_minor:012d}"
            fields[49] = request.currency
        if request.expiry:
            fields[14] = request.expiry
        return fields

    def _add_original(self, flight: Flight, fields: dict[int, Value]) -> None:
        """Field 90 and the authorisation code, where a payment builds on another one."""
        original = flight.original
        auth = original.auth if original is not None else flight.request.auth
        if auth:
            fields[38] = auth
        if original is not None:
            fields[90] = original_data(
                original.mti, original.stan, original.f7, self._config.acquirer, self._config.centre
            )

    def _name_and_city(self, merchant: str, chinese: bool) -> str:
        """Field 43 of a merchant; blanks for one that has left since its payment."""
        row = self._registry.merchants.get(merchant)
        name, city = (row.name, row.city) if row else ("", "")
        if not chinese:  # the bank's dialect cannot write it
            name, city = (words.encode("ascii", "replace").decode() for words in (name, city))
        return f"{_fitted(name, _NAME_BYTES)}{_fitted(city, _CITY_BYTES)}CN"

    def _to_bank(self, bank: str, mti: str, fields: dict[int, Value], zak: bytes = b"") -> Work[bytes]:
        covered = interbank_text(mac_text(Message(mti, fields)))
        how = self._registry.banks[bank].mac
        fields[128] = yield Mac(Usage.ZAK, zak or self._zone.mac_key(bank), how, covered)
        return self._voices[bank].pack(mti, fields)


def _repeated(mti: str, repeat: bool) -> str:
    """The MTI of a message sent again ends in 1."""
    return f"{mti[:3]}1" if repeat else mti


def _fitted(words: str, length_bytes: int) -> str:
    """`words` cut or padded to exactly `length_bytes` of GB 18030; a character is never cut in two."""
    cut = words.encode("gb18030")[:length_bytes].decode("gb18030", "ignore")
    return cut + " " * (length_bytes - len(cut.encode("gb18030")))
