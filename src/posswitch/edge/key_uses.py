"""How often each key was used: rows beside the vitals, by a fingerprint of the wrapped key."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import apsw

from posswitch.edge.beside import Beside, read_beside

ROWS_MAX = 100_000  # the longest unused make room: of terminals that have signed on since

_NAME, _KEY = "key_use", "key"
_COLUMNS = """
    key TEXT NOT NULL, -- the start of the wrapped key's SHA-256
    first_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    uses INTEGER NOT NULL"""
_AGAIN = "last_ns = excluded.last_ns, uses = uses + excluded.uses"


class KeyUses(Beside):
    """Collects counts."""

    def __init__(self) -> None:
        super().__init__(_NAME, _COLUMNS, _KEY, _AGAIN, ROWS_MAX)

    def collect(self, uses: Mapping[bytes, int], at_ns: int) -> None:
        """What was counted until this moment, by wrapped key; replaces what could not be written yet."""
        self.pending = {(print_of(key),): (at_ns, at_ns, count) for key, count in uses.items()}


def print_of(wrapped: bytes) -> str:
    """16 hex digits that stand for a wrapped key."""
    return hashlib.sha256(wrapped).hexdigest()[:16]


def read_uses(folder: Path) -> dict[str, int]:
    """How often each key was used since the vitals began, by its print; empty when nobody knows."""
    try:
        return dict(read_beside(folder, _NAME, "SELECT key, uses FROM key_use LIMIT ?", ROWS_MAX))
    except apsw.Error:
        return {}
