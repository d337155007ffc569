"""A simulated HSM behind the network: the host commands that the centre uses, and a few ways to fail.

Keys lie under master keys made of `root`, one for each key type; nothing outside sees a clear one.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, cast

from posswitch.base.bounds import FRAME_BYTES_MAX
from posswitch.base.errors import CryptoError, FrameError
from posswitch.base.registry import Address
from posswitch.codec import Framer, framed
from posswitch.crypto.ciphers import kcv, odd_parity, tdes_decrypt, tdes_encrypt
from posswitch.crypto.commands import Usage
from posswitch.crypto.mac import field_mac, same
from posswitch.crypto.pinblock import PinFormat, decode, encode, may_translate
from posswitch.crypto.vault import expand

_HEADER_BYTES = 4
_PREFIX = "bin2"
_FIRMWARE = b"0000-0000"
_LENGTHS = {b"U": 32, b"T": 48}
_TYPE_OF = {
    Usage.TMK: "002",
    Usage.TPK: "002",
    Usage.TAK: "003",
    Usage.TDK: "00B",
    Usage.ZPK: "001",
    Usage.ZAK: "008",
    Usage.ZMK: "000",
}
_BU_TYPES = {b"00": "000", b"01": "001", b"02": "002", b"03": "003", b"08": "008", b"0B": "00B"}
_NEW_BYTES = {b"Z": 8, b"U": 16, b"T": 24}  # by key scheme
_EXPORTED = {"000": ("001", "008"), "002": ("00B",)}  # what leaves under which master key
_MACS = {(b"1", 8): "x9.9", (b"1", 16): "tdes-cbc", (b"1", 24): "tdes-cbc", (b"3", 16): "x9.19"}
_PADDINGS = {b"1": 1, b"2": 2}
_PIN_FORMATS = {b"01": PinFormat.ISO_0, b"05": PinFormat.ISO_1, b"47": PinFormat.ISO_3}
_CODES = {format_: code for code, format_ in _PIN_FORMATS.items()}
_PARITY, _INPUT, _PIN, _ACCOUNT, _FORMAT = "10", "15", "20", "22", "23"


class Mood(StrEnum):
    """How it behaves."""

    WELL = "well"
    SLOW = "slow"  # every answer comes late
    SILENT = "silent"
    ILL = "ill"  # it has lost its master key and says so
    GARBAGE = "garbage"


class _Refused(Exception):
    """A command that is not carried out: its error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Fields:
    """The fields of a request, taken one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self, length: int) -> bytes:
        """The next bytes."""
        taken, self._data = self._data[:length], self._data[length:]
        if len(taken) < length:
            raise _Refused(_INPUT)
        return taken

    def begins(self, text: bytes) -> bool:
        """Whether this comes next."""
        return self._data.startswith(text)

    def digits(self, length: int) -> int:
        """The next decimal number."""
        text = self.take(length)
        if not text.isdigit():
            raise _Refused(_INPUT)
        return int(text)

    def key(self) -> bytes:
        """The next key, as it is written."""
        scheme = self._data[:1]
        return self.take(1 + _LENGTHS[scheme]) if scheme in _LENGTHS else self.take(16)

    def text(self) -> bytes:
        """A message behind its length in hex."""
        try:
            length = int(self.take(4), 16)
        except ValueError:
            raise _Refused(_INPUT) from None
        return self.take(length)

    def rest(self) -> bytes:
        """What is left."""
        taken, self._data = self._data, b""
        return taken


class _Masters(NamedTuple):
    """Master keys by key type."""

    root: bytes

    def key(self, kind: str) -> bytes:
        """The master key of a type, 16 bytes."""
        return odd_parity(expand(self.root, f"box/{kind}")[:16])


class HsmBox:
    """One HSM; `mood` may be changed while it serves."""

    def __init__(self, root: bytes, entropy: random.Random, slow_s: float = 1.0) -> None:
        self._masters = _Masters(root)
        self._entropy = entropy
        self._slow_s = slow_s
        self._server: asyncio.Server | None = None
        self._at: Address | None = None
        self._hosts: dict[_Host, None] = {}
        self.mood = Mood.WELL
        self.deaf_to: frozenset[bytes] = frozenset()  # commands that it leaves unanswered
        self.counts: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"HsmBox({self.mood}, {len(self._hosts)} connections)"

    def wrap(self, usage: Usage, key: bytes) -> bytes:
        """A key as this HSM writes it."""
        sealed = tdes_encrypt(self._masters.key(_TYPE_OF[usage]), odd_parity(key)).hex().upper().encode()
        return {8: b"", 16: b"U", 24: b"T"}[len(key)] + sealed

    # On the network

    async def open(self, host: str, port: int = 0) -> Address:
        """Listens; returns where."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Host(self), host, port)
        self._at = Address(host, self._server.sockets[0].getsockname()[1])
        return self._at

    def away(self) -> None:
        """Its power is off: no connection, nobody listens."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for host in list(self._hosts):
            host.hang_up()

    async def back(self) -> None:
        """It listens again where it did."""
        if self._server is None and self._at is not None:
            await self.open(self._at.host, self._at.port)

    def close(self) -> None:
        """Ends it."""
        self.away()

    def answered(self, host: "_Host", payload: bytes) -> None:
        """One request comes in; its answer goes out as the mood has it."""
        self.counts["asked"] += 1
        code = payload[_HEADER_BYTES : _HEADER_BYTES + 2]
        if self.mood is Mood.SILENT or code in self.deaf_to:
            return
        answer = payload[:_HEADER_BYTES] + self.answer(payload[_HEADER_BYTES:])
        if self.mood is Mood.SLOW:
            asyncio.get_running_loop().call_later(self._slow_s, host.send, answer)
        elif self.mood is Mood.GARBAGE:
            host.send(payload[:_HEADER_BYTES] + self._entropy.randbytes(len(answer)))
        else:
            host.send(answer)

    # Commands

    def answer(self, request: bytes) -> bytes:
        """The answer to a request, both without header."""
        code = request[:2]
        reply = code[:1] + bytes((code[1] + 1,)) if len(code) == 2 and code.isalnum() else b"ZZ"
        command = _COMMANDS.get(code)
        if command is None:
            return reply + b"68"
        if self.mood is Mood.ILL:
            return reply + b"13"
        try:
            return reply + b"00" + command(self, _Fields(request[2:]))
        except _Refused as refused:
            self.counts[f"refused-{refused.code}"] += 1
            return reply + refused.code.encode()
        except (CryptoError, ValueError):
            self.counts["refused-15"] += 1
            return reply + _INPUT.encode()

    def _open(self, kind: str, key: bytes) -> bytes:
        sealed = bytes.fromhex((key[1:] if key[:1] in _LENGTHS else key).decode("ascii"))
        clear = tdes_decrypt(self._masters.key(kind), sealed)
        if odd_parity(clear) != clear:
            raise _Refused(_PARITY)
        return clear

    def _diagnostics(self, fields: _Fields) -> bytes:
        return kcv(self._masters.key("000"), 8).hex().upper().encode() + _FIRMWARE

    def _generate(self, fields: _Fields) -> bytes:
        mode, kind, scheme = fields.take(1), fields.take(3).decode(), fields.take(1)
        if mode != b"0" or kind not in _TYPE_OF.values() or scheme not in _NEW_BYTES:
            raise _Refused(_INPUT)
        key = odd_parity(self._entropy.randbytes(_NEW_BYTES[scheme]))
        usage = next(usage for usage, of in _TYPE_OF.items() if of == kind)
        return self.wrap(usage, key) + kcv(key, 3).hex().upper().encode()

    def _under_tmk(self, fields: _Fields, kind: str) -> bytes:
        tmk, written = self._open("002", fields.key()), fields.key()
        key = self._open(kind, written)
        moved = tdes_encrypt(tmk, key).hex().upper().encode()
        return (written[:1] if written[:1] in _LENGTHS else b"") + moved

    def _export(self, fields: _Fields) -> bytes:
        """Key type, perhaps `;1` for a terminal's, master key, key, scheme: the key under it, check value."""
        kind, master = fields.take(3).decode(), "000"
        if fields.begins(b";"):
            master = "002" if fields.take(2) == b";1" else "000"
        if kind not in _EXPORTED[master]:
            raise _Refused(_INPUT)
        under, written = self._open(master, fields.key()), fields.key()
        key = self._open(kind, written)
        moved = tdes_encrypt(under, key).hex().upper().encode()
        scheme = written[:1] if written[:1] in _LENGTHS else b""
        return scheme + moved + kcv(key, 3).hex().upper().encode()

    def _check_value(self, fields: _Fields) -> bytes:
        kind = _BU_TYPES.get(fields.take(2))
        fields.take(1)
        if kind is None:
            raise _Refused(_INPUT)
        return kcv(self._open(kind, fields.key()), 8).hex().upper().encode()

    def _mac(self, fields: _Fields) -> bytes:
        """Mode, input, size, algorithm, padding, key type, key, message: the MAC in hex."""
        mode, binary, size, algorithm, padding = (fields.take(1) for _ in range(5))
        kind = fields.take(3).decode()
        if (mode, binary) != (b"0", b"0") or padding not in _PADDINGS or kind not in ("003", "008"):
            raise _Refused(_INPUT)
        key = self._open(kind, fields.key())
        mac = _MACS.get((algorithm, len(key)))
        if mac is None or size not in (b"0", b"1"):
            raise _Refused(_INPUT)
        whole = field_mac(mac, key, _PADDINGS[padding], "binary")(fields.text())
        return whole[: 4 if size == b"0" else 8].hex().upper().encode()

    def _decrypt(self, fields: _Fields) -> bytes:
        """Mode, input and output format, key type, key, data: the data in clear behind its length."""
        if fields.take(4) != b"0011" or fields.take(3) != b"00B":
            raise _Refused(_INPUT)
        key, data = self._open("00B", fields.key()), bytes.fromhex(fields.text().decode("ascii"))
        clear = tdes_decrypt(key, data).hex().upper().encode()
        return b"%04X" % len(clear) + clear

    def _verify(self, fields: _Fields) -> bytes:
        if not same(self._mac(fields), fields.rest()):
            raise _Refused("01")
        return b""

    def _translate(self, fields: _Fields) -> bytes:
        tpk, zpk = self._open("002", fields.key()), self._open("001", fields.key())
        fields.digits(2)
        block = bytes.fromhex(fields.take(16).decode("ascii"))
        from_, to = (_PIN_FORMATS.get(fields.take(2)) for _ in range(2))
        account = fields.take(12)
        if from_ is None or to is None or not may_translate(from_, to):
            raise _Refused(_FORMAT)
        if not account.isdigit():
            raise _Refused(_ACCOUNT)
        pan = f"{account.decode()}0"
        try:
            pin = decode(from_, tdes_decrypt(tpk, block), pan)
        except CryptoError:
            raise _Refused(_PIN) from None
        moved = encode(to, pin, pan, self._entropy.randbytes)
        return b"%02d" % len(pin) + tdes_encrypt(zpk, moved).hex().upper().encode() + _CODES[to]


_COMMANDS: dict[bytes, Callable[[HsmBox, _Fields], bytes]] = {
    b"NC": HsmBox._diagnostics,
    b"A0": HsmBox._generate,
    b"AE": lambda box, fields: box._under_tmk(fields, "002"),
    b"AG": lambda box, fields: box._under_tmk(fields, "003"),
    b"A8": HsmBox._export,
    b"BU": HsmBox._check_value,
    b"M2": HsmBox._decrypt,
    b"M6": HsmBox._mac,
    b"M8": HsmBox._verify,
    b"CA": HsmBox._translate,
}


class _Host(asyncio.Protocol):
    """One connection of a centre."""

    def __init__(self, box: HsmBox) -> None:
        self._box = box
        self._framer = Framer(_PREFIX, FRAME_BYTES_MAX)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._box._hosts[self] = None

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._framer.feed(data):
                self._box.answered(self, payload)
        except FrameError:
            self.hang_up()

    def send(self, payload: bytes) -> None:
        """Sends an answer, if anybody is still there."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(framed(_PREFIX, payload))

    def hang_up(self) -> None:
        """Ends the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._box._hosts.pop(self, None)
