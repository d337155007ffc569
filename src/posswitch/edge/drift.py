"""What terminals send that is not what is registered of them: bounded rows beside the vitals."""

import apsw

from posswitch.base.card import scrub

DRIFT_ROWS_MAX = 10_000  # in the table; the longest unseen make room
_PENDING_MAX = 500  # between two writes, so that a write never holds the node up
_TEXT_MAX = 32

DRIFT_TABLE = """
CREATE TABLE IF NOT EXISTS drift(
    terminal TEXT NOT NULL,
    what TEXT NOT NULL,        -- merchant, currency, dialect, kind
    registered TEXT NOT NULL,
    sent TEXT NOT NULL,
    first_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY(terminal, what, sent)
) WITHOUT ROWID;
"""
_PUT = """INSERT INTO drift VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(terminal, what, sent) DO UPDATE SET
registered = excluded.registered, last_ns = excluded.last_ns, count = count + excluded.count"""
_CUT = """DELETE FROM drift WHERE (terminal, what, sent) IN
(SELECT terminal, what, sent FROM drift ORDER BY last_ns LIMIT max(0, (SELECT count(*) FROM drift) - ?))"""


class DriftLog:
    """Collects differences in memory; `write` adds them to the table with the vitals' period."""

    def __init__(self) -> None:
        self._pending: dict[tuple[str, str, str], tuple[str, int, int, int]] = {}
        self.dropped = 0  # differences that found no room, or no disk

    def __repr__(self) -> str:
        return f"<drift: {len(self._pending)} to write, {self.dropped} dropped>"

    def note(self, terminal: str, what: str, registered: str, sent: str, at_ns: int) -> None:
        """Notes one difference; values are masked and cut to 32 characters."""
        key = (as_noted(terminal), what, as_noted(sent))
        held = self._pending.get(key)
        if held is not None:
            self._pending[key] = (as_noted(registered), held[1], at_ns, held[3] + 1)
        elif len(self._pending) < _PENDING_MAX:
            self._pending[key] = (as_noted(registered), at_ns, at_ns, 1)
        else:
            self.dropped += 1

    def write(self, db: apsw.Connection) -> None:
        """Writes what was noted; a busy or full disk loses it, payments go on."""
        if not self._pending:
            return
        pending, self._pending = self._pending, {}
        rows = [
            (terminal, what, registered, sent, first_ns, last_ns, count)
            for (terminal, what, sent), (registered, first_ns, last_ns, count) in pending.items()
        ]
        try:
            with db:
                db.execute(DRIFT_TABLE)
                db.executemany(_PUT, rows)
                db.execute(_CUT, (DRIFT_ROWS_MAX,))
        except apsw.Error:
            self.dropped += sum(row[-1] for row in rows)


def as_noted(text: str) -> str:
    """A value as it is kept: masked before it is cut, so that no part of a card number is left."""
    return scrub(text)[:_TEXT_MAX]
