"""One ISO 8583 message as values: MTI, fields by number, raw header."""

from typing import Any

import msgspec

Value = str | bytes  # digits and text are str, binary fields and undecodable text are bytes


class Message(msgspec.Struct):
    """A message of any dialect; shows its MTI and the numbers of its fields, never a value."""

    mti: str
    fields: dict[int, Value]
    header: bytes = b""

    def __repr__(self) -> str:
        return f"Message({self.mti}, fields {' '.join(map(str, sorted(self.fields)))})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("mti", self.mti)]  # rich would otherwise print the values in a trace
