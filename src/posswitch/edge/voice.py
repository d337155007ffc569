"""How each bank writes: its dialect, its header, and whether it can write Chinese."""

from posswitch.base.errors import CodecError
from posswitch.base.registry import Bank, Registry
from posswitch.codec import Message, cups_header, load_dialect, read_cups_header
from posswitch.codec.header import CUPS_HEADER_BYTES

_NOT_REJECTED = "00000"
_NAME_AND_PLACE = 43


class Voice:
    """One bank's way to write messages."""

    def __init__(self, bank: Bank, centre: str) -> None:
        self._bank = bank.id
        self._centre = centre
        self._dialect = load_dialect(bank.dialect)
        self._has_header = self._dialect.header_bytes == CUPS_HEADER_BYTES
        self._no_header = bytes(self._dialect.header_bytes)
        self.chinese = self._can_write("中")

    def __repr__(self) -> str:
        return f"<voice of {self._bank}: {self._dialect.name}>"

    def pack(self, mti: str, fields: dict[int, str | bytes]) -> bytes:
        """The payload of a message; CodecError when a field does not fit the dialect."""
        payload = self._dialect.pack(Message(mti, fields, self._no_header))
        if not self._has_header:
            return payload
        body = payload[CUPS_HEADER_BYTES:]
        return cups_header(self._bank, self._centre, len(body)) + body

    def unpack(self, payload: bytes) -> tuple[Message, bool]:
        """The message, and whether it is ours, returned unread (a reject code in the header); CodecError."""
        message = self._dialect.unpack(payload)
        return message, self._has_header and read_cups_header(payload).reject_code != _NOT_REJECTED

    def _can_write(self, words: str) -> bool:
        try:
            self._dialect.pack(Message("0200", {_NAME_AND_PLACE: f"{words:<38}"}, self._no_header))
        except CodecError:
            return False
        return True


class Voices(dict[str, Voice]):
    """The voice of each bank of a registry, made when it is first needed."""

    def __init__(self, registry: Registry, centre: str) -> None:
        super().__init__()
        self._registry = registry
        self._centre = centre

    def __missing__(self, bank: str) -> Voice:
        voice = self[bank] = Voice(self._registry.banks[bank], self._centre)
        return voice
