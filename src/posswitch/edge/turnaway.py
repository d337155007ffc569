"""Turning away at a glance: under overload a refusal must cost a small part of what it refuses.

The same answer that a request gets when it is read, byte for byte, made of the request's own bytes. What is
not plainly a new payment of a terminal that is signed on is left to those who read it.
"""

from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter

from posswitch.base.moment import Stamp, stamp
from posswitch.base.registry import Registry
from posswitch.codec import Message, swap_tpdu
from posswitch.codec.glance import Glance
from posswitch.codec.message import Value
from posswitch.crypto.commands import Mac, Usage, Work
from posswitch.edge.admit import MAC_BYTES, POS
from posswitch.edge.dress import ECHOED
from posswitch.edge.identity import may_speak
from posswitch.engine.state import Session

_AT = POS.header_bytes
_MTI = {b"\x01\x00": "0100", b"\x02\x00": "0200"}
_MAC_FIELD = 64
_TIME, _CODE = 12, 39  # what the answer adds; the date is the field behind the time
_TO_TIME = sum(number < _TIME for number in ECHOED)  # how many stand before it
_TO_CODE = sum(number < _CODE for number in ECHOED)
_INQUIRY, _BACK = b"\x31\x30", b"\x20"


class Turned:
    """A request that is turned away: what its refusal is made of, and what makes a repeat a repeat."""

    __slots__ = ("batch", "fields", "header", "key", "mac", "mti", "stan", "tak", "terminal")

    def __init__(
        self, mti: str, header: bytes, fields: dict[int, bytes], terminal: str, tak: bytes, mac: str
    ) -> None:
        self.mti, self.header, self.fields, self.terminal = mti, header, fields, terminal
        self.tak, self.mac = tak, mac
        self.batch, self.stan = fields[60][3:6].hex(), fields[11].hex()
        self.key = hash((terminal, self.batch, self.stan, mti[1]))  # as `overload.key_of` of the same message


class TurnAway:
    """Knows the terminals that are signed on."""

    def __init__(self, registry: Registry, sessions: Mapping[str, Session]) -> None:
        self._registry = registry
        self._sessions = sessions
        self._glance = Glance(POS, (*ECHOED, _MAC_FIELD))
        self._head = lru_cache(maxsize=8)(_head_of)
        self._echoed = itemgetter(*ECHOED)
        self._now, self._moment = stamp(0), b""

    def seen(self, payload: bytes, certificate: str, *, sales: bool) -> Turned | None:
        """A request that can be turned away, an inquiry or, if so, a sale; None for all else."""
        mti = _MTI.get(payload[_AT : _AT + 2])
        if mti is None:
            return None
        fields = self._glance(payload)
        if fields is None or len(fields) != len(ECHOED) + 1:
            return None
        processing = fields[3]
        if processing[:1] == _BACK or (processing == bytes(3) and fields[25] == b"\x06"):
            return None  # it ends something
        if not sales and processing[0] not in _INQUIRY:
            return None
        terminal = fields[41].decode("ascii", "replace")
        row, session = self._registry.terminals.get(terminal), self._sessions.get(terminal)
        if row is None or session is None or not session.tak:
            return None
        if not may_speak(self._registry, certificate, terminal):
            return None
        return Turned(mti, payload[:_AT], fields, terminal, session.tak, row.mac)

    def refusal(self, turned: Turned, code: str, now: Stamp) -> Work[bytes]:
        """The answer, as `Dresser.refusal` makes it."""
        if now is not self._now:
            self._now, self._moment = now, bytes.fromhex(now.time + now.date)
        echoed = self._echoed(turned.fields)
        covered = b"".join(
            (
                self._head(turned.mti),
                *echoed[:_TO_TIME],
                self._moment,
                *echoed[_TO_TIME:_TO_CODE],
                code.encode(),
                *echoed[_TO_CODE:],
            )
        )
        mac: bytes = yield Mac(Usage.TAK, turned.tak, turned.mac, covered)
        return swap_tpdu(turned.header) + covered + mac


def _head_of(mti: str) -> bytes:
    """MTI and bitmap of the answer."""
    digits = {3: 6, 4: 12, 11: 6, 12: 6, 13: 4, 25: 2, 39: 2, 41: 8, 42: 15, 49: 3, 60: 8}
    fields: dict[int, Value] = {number: "0" * size for number, size in digits.items()}
    packed = POS.pack(Message(f"{mti[:2]}10", {**fields, _MAC_FIELD: bytes(MAC_BYTES)}, bytes(_AT)))
    return packed[_AT : POS.fields_at(packed)]
