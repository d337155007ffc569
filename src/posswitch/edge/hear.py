"""From a bank's payload to an event: its MAC verified, its balance put beside the core."""

from collections.abc import Callable

from posswitch.base.card import is_pan
from posswitch.base.errors import CodecError
from posswitch.base.registry import Registry
from posswitch.codec import Message
from posswitch.crypto.commands import MacFits, Usage, Work
from posswitch.crypto.mab import interbank_text
from posswitch.crypto.vault import Vault
from posswitch.edge.admit import Dropped
from posswitch.edge.sealed import Tickets
from posswitch.edge.voice import Voices
from posswitch.edge.zone import Zone
from posswitch.engine.events import AnswerArrived, AnswerSpoiled, Event
from posswitch.engine.state import State
from posswitch.scheme.interbank import mac_text
from posswitch.scheme.kinds import BALANCE, texts

# What a bank may answer, and what may come back from it unread and mean that nobody was asked.
ANSWERS = frozenset({"0110", "0210", "0230", "0430"})
_REQUESTS = frozenset({"0100", "0200"})
_STAN_DIGITS, _AMOUNT_DIGITS = 6, 12  # a dialect of its own may let a bank write anything there


def _is_number(text: str, digits_max: int) -> bool:
    return 0 < len(text) <= digits_max and text.isascii() and text.isdecimal()


class Hearing:
    """What the edge knows when it meets a bank's payload; it reads the state and never changes it."""

    def __init__(
        self, registry: Registry, voices: Voices, vault: Vault, state: State, tickets: Tickets, zone: Zone
    ) -> None:
        self._registry = registry
        self._zone = zone
        self.fitted: Callable[[str, bytes], None] = lambda bank, zak: None  # which key, empty = none
        self._voices = voices
        self._vault = vault
        self._state = state
        self._tickets = tickets

    def read(self, bank: str, payload: bytes) -> tuple[Message, bool] | Dropped:
        """A bank's payload as a message, and whether it came back unread (a reject code in the header)."""
        try:
            return self._voices[bank].unpack(payload)
        except CodecError:
            return Dropped("undecodable-answer")

    def verified(self, bank: str, message: Message) -> Work[Event | Dropped]:
        """A bank's answer with its MAC verified, or what is wrong with it."""
        had = texts(message)
        stan, f7 = had.get(11, ""), had.get(7, "")
        if not _is_number(stan, _STAN_DIGITS):
            return Dropped("answer-without-stan")
        zak = yield from self.signed_with(bank, message)
        self.fitted(bank, zak)
        if not zak:
            return AnswerSpoiled(bank, int(stan), f7, "answer's MAC is wrong")
        amount = had.get(4, "0")
        if not _is_number(amount, _AMOUNT_DIGITS):
            return AnswerSpoiled(bank, int(stan), f7, "answer's amount cannot be read")
        if 54 in had:
            self._keep_balance(bank, int(stan), f7, had[54])
        pan = had.get(2, "")
        return AnswerArrived(
            bank,
            message.mti,
            int(stan),
            f7,
            had.get(39, ""),
            had.get(38, ""),
            had.get(37, ""),
            int(amount),
            had.get(41, ""),
            had.get(42, ""),
            self._vault.fingerprint(pan) if is_pan(pan) else b"?" if pan else b"",
            had.get(15, ""),
        )

    def signed_with(self, bank: str, message: Message) -> Work[bytes]:
        """The one of the bank's keys that field 128 was made with, or nothing."""
        mac = message.fields.get(128)
        if not isinstance(mac, bytes):
            return b""
        how, covered = self._registry.banks[bank].mac, interbank_text(mac_text(message))
        for zak in self._zone.mac_keys(bank):
            if (yield MacFits(Usage.ZAK, zak, how, covered, mac)):
                return zak
        return b""

    def returned(self, bank: str, message: Message) -> Work[int]:
        """The payment under way whose request the network sent back unread, or 0."""
        event = yield from self.verified(bank, message)
        if message.mti not in _REQUESTS or not isinstance(event, AnswerArrived):
            return 0
        flight = self._state.flight_of_answer(bank, event.stan, event.f7)
        return flight.payment if flight is not None and flight.rrn == event.rrn else 0

    def _keep_balance(self, bank: str, stan: int, f7: str, balance: str) -> None:
        """What a customer has is nobody's business here: it waits in the ticket, never in a record."""
        flight = self._state.flight_of_answer(bank, stan, f7)
        if flight is not None and flight.request.kind == BALANCE.name:
            ticket = self._tickets.get(flight.ticket)
            if ticket is not None:
                ticket.balance = balance
