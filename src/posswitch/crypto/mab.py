"""The text that an inter-bank MAC (field 128) is computed over."""

from collections.abc import Iterable

_KEPT = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,. "
_DROPPED = bytes(code for code in range(256) if code not in _KEPT)


def interbank_text(values: Iterable[str]) -> bytes:
    """`values` as upper-case words of A-Z 0-9 , . with one space between; `["0200", "a/b "]` → `0200 AB`."""
    text = " ".join(values).encode("ascii", "ignore").upper().translate(None, _DROPPED)
    return b" ".join(text.split())
