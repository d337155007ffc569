"""Whose MACs and PINs do not fit: one terminal's, everybody's behind one connection, or a bank's.

A row stands from the first that does not fit to the next that does. Rows go to the vitals, for people.
"""

from collections import Counter
from collections.abc import Callable

import msgspec

from posswitch.edge.beside import Beside

TERMINAL, LINK, BANK = "terminal", "link", "bank"
MAC, PIN = "mac", "pin"
OUR_MAC = "our-mac"  # a bank says that ours does not fit
ROWS_MAX = 10_000  # kept in memory; the oldest makes room
_NEIGHBOURS = 3  # so many terminals in a row, and it is not the terminals

_COLUMNS = """
    scope TEXT NOT NULL, -- terminal or link or bank
    place TEXT NOT NULL, -- field 41; source or address; institution
    what TEXT NOT NULL, -- mac or pin or our-mac
    first_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    count INTEGER NOT NULL,
    healed_ns INTEGER NOT NULL -- 0 while it stands"""
_AGAIN = """first_ns = excluded.first_ns, last_ns = excluded.last_ns, count = excluded.count,
healed_ns = excluded.healed_ns"""

Place = tuple[str, str, str]  # scope, place, what


class Row(msgspec.Struct):
    """One place where something does not fit."""

    first_ns: int
    last_ns: int
    count: int = 0
    who: dict[str, None] = {}  # the terminals it was seen at, up to _NEIGHBOURS


class Mistrust:
    """Counts in a row; `misfits` of a bank in a row are enough to ask for new keys."""

    def __init__(self, wall_ns: Callable[[], int], misfits: int) -> None:
        self._wall_ns = wall_ns
        self._misfits = misfits
        self._rows: dict[Place, Row] = {}
        self.beside = Beside("misfit", _COLUMNS, "scope, place, what", _AGAIN, ROWS_MAX)

    def __repr__(self) -> str:
        return f"<mistrust of {dict(self.standing())}>"

    @property
    def quiet(self) -> bool:
        """Whether everything fits."""
        return not self._rows

    def terminal(self, terminal: str, link: str, *, fits: bool) -> None:
        """A terminal's MAC, and the connection that it came over."""
        if fits:
            if self._rows:
                self._heal((TERMINAL, terminal, MAC))
                self._heal((LINK, link, MAC))
            return
        self._note((TERMINAL, terminal, MAC), terminal)
        self._note((LINK, link, MAC), terminal)

    def bank(self, bank: str, what: str, *, fits: bool, who: str = "") -> bool:
        """A bank's MAC, or a PIN at it; whether so many in a row do not fit that it needs new keys.

        A PIN may be wrong because a customer is: only of several terminals in a row it says something.
        """
        place = BANK, bank, what
        if fits:
            if self._rows:
                self._heal(place)
            return False
        row = self._note(place, who)
        return row.count >= self._misfits and (what != PIN or len(row.who) >= _NEIGHBOURS)

    def standing(self) -> Counter[str]:
        """How many terminals, connections and banks do not fit now."""
        return Counter(place[0] for place, row in self._rows.items() if _counts(place, row))

    def _note(self, place: Place, who: str) -> Row:
        now_ns = self._wall_ns()
        row = self._rows.get(place)
        if row is None:
            if len(self._rows) >= ROWS_MAX:
                del self._rows[next(iter(self._rows))]
            row = self._rows[place] = Row(now_ns, now_ns)
        row.last_ns = now_ns
        row.count += 1
        if len(row.who) < _NEIGHBOURS:
            row.who[who] = None
        self._report(place, row, 0)
        return row

    def _heal(self, place: Place) -> None:
        row = self._rows.pop(place, None)
        if row is not None:
            self._report(place, row, self._wall_ns())

    def _report(self, place: Place, row: Row, healed_ns: int) -> None:
        if _counts(place, row) and self.beside.takes(place):
            self.beside.pending[place] = (row.first_ns, row.last_ns, row.count, healed_ns)


def _counts(place: Place, row: Row) -> bool:
    """One terminal says nothing of its connection, one PIN nothing of a bank."""
    told = place[0] == TERMINAL or (place[0] == BANK and place[2] != PIN)
    return told or len(row.who) >= _NEIGHBOURS
