"""What terminals send that is not what is registered of them: bounded rows beside the vitals."""

from posswitch.base.card import scrub
from posswitch.edge.beside import Beside

DRIFT, DRIFT_ROWS_MAX = "drift", 10_000  # in the table; the longest unseen make room
_TEXT_MAX = 32

_KEY = "terminal, what, sent"
_COLUMNS = """
    terminal TEXT NOT NULL,
    what TEXT NOT NULL, -- merchant or currency or dialect or kind
    sent TEXT NOT NULL,
    registered TEXT NOT NULL,
    first_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    count INTEGER NOT NULL"""
_AGAIN = "registered = excluded.registered, last_ns = excluded.last_ns, count = count + excluded.count"


class DriftLog(Beside):
    """Collects differences; `lost` counts those that found no room, or no disk."""

    def __init__(self) -> None:
        super().__init__(DRIFT, _COLUMNS, _KEY, _AGAIN, DRIFT_ROWS_MAX)

    def note(self, terminal: str, what: str, registered: str, sent: str, at_ns: int) -> None:
        """Notes one difference; values are masked and cut to 32 characters."""
        key = (as_noted(terminal), what, as_noted(sent))
        if not self.takes(key):
            self.lost += 1
            return
        _, first_ns, _, count = self.pending.get(key, ("", at_ns, at_ns, 0))
        self.pending[key] = (as_noted(registered), first_ns, at_ns, count + 1)


def as_noted(text: str) -> str:
    """A value as it is kept: masked before it is cut, so that no part of a card number is left."""
    return scrub(text)[:_TEXT_MAX]
