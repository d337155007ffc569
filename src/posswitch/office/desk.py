"""The registry's desk: what stands, what a change would make of it, and the change itself."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from posswitch.base.card import scrub
from posswitch.base.errors import OfficeError
from posswitch.base.order import OFFICE, TABLES
from posswitch.base.registry import Change, Key, Registry, Row, Ruling, Word, key_of
from posswitch.crypto.hsm import SoftHsm
from posswitch.engine.state import State
from posswitch.office.acts import Act, Ledger, mark_of
from posswitch.office.books import Entry, Signed, books_of, rebuilt
from posswitch.office.checks import Checks
from posswitch.office.difference import Difference, between
from posswitch.office.finding import Finding, named
from posswitch.office.journal_view import state_of
from posswitch.office.places import keys_of
from posswitch.office.rules import Unread, findings
from posswitch.settings.clock import Clock
from posswitch.settings.config import Config
from posswitch.settings.secret import read_secret

_NOTE_MAX, _AUTHOR_MAX = 200, 64


class Plan(NamedTuple):
    """A change before it is activated: what it does, and what it would newly break or make worth a look."""

    version: int  # of the registry that it amends
    difference: Difference
    errors: list[Finding]
    notes: list[Finding]


class Desk:
    """The registry of one node: rows of its configuration, overlaid by every change of the office."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.hsm = SoftHsm(read_secret(config.secret), clock.entropy)
        self.checks = Checks(self.hsm)
        self._books = books_of(config, clock)
        self.config = config
        self._base = config.registry.rows
        self._clock = clock
        self.state, self.journal_problem = _journaled(config)  # before the books, which are ahead of it
        self.entries, acts = self._books.history()
        self.ledger = Ledger(acts)
        self._check_newest(config.data / OFFICE)
        self.registry = rebuilt(self._base, self.entries)

    def __repr__(self) -> str:
        return f"<desk at version {self.version}: {self.registry!r}>"

    def _check_newest(self, path: Path) -> None:
        """OfficeError when the node has seen more than these books hold: a second history may not begin."""
        seen = self.state.registry if self.state is not None else 0
        if self.version < seen:
            there = f"ends at version {self.version}" if self.version else "is missing or empty"
            raise OfficeError(
                f"{path}: {there}, the switch's journal has version {seen}; "
                "bring back the newest copy (docs/backup.md), nothing can be told or changed before"
            )
        if self.journal_problem and not self.version:
            raise OfficeError(
                f"{path}: is missing or empty, and nobody knows which versions there were: "
                f"{self.journal_problem}"
            )

    @property
    def version(self) -> int:
        """The newest version; 0 is the configuration alone."""
        return len(self.entries)

    def now_ns(self) -> int:
        """The time, nanoseconds since the epoch."""
        return self._clock.wall_ns()

    def at(self, version: int) -> Registry:
        """The registry as it stood after a version."""
        if not 0 <= version <= self.version:
            raise OfficeError(f"no version {version}; there are 0 to {self.version}, see registry history")
        if 0 < version < (entry := self.entries[version - 1]).last:
            raise OfficeError(
                f"version {version} is a part of {entry.first} to {entry.last}, activated together; "
                f"give {entry.first - 1} or {entry.last}"
            )
        return rebuilt(self._base, self.entries[:version])

    def row(self, table: str, name: str) -> Row:
        """A registered row; raises OfficeError when there is none."""
        key = (known_table(table), name)
        for row in self.registry.rows:
            if key_of(row) == key:
                return row
        more = "; a BIN row is named PREFIX/LENGTH, for example 622202/19" if table == "bin" else ""
        raise OfficeError(f"no {named(key)} is registered; see registry list {table}{more}")

    def plan(self, put: Iterable[Row] = (), drop: Iterable[Key] = (), unread: Unread | None = None) -> Plan:
        """What an amendment would do; faults that stand already do not count against it."""
        after = Registry(self.registry.rows)
        after.amend(put, drop)
        return self.plan_of(after, unread)

    def plan_of(self, after: Registry, unread: Unread | None = None) -> Plan:
        """What it takes to get to another registry."""
        difference = between(self.registry, after)
        touched = frozenset((*map(key_of, difference.put), *difference.drop, *(unread or ())))
        new = findings(after, touched, unread)
        if new:
            before = frozenset(findings(self.registry, touched))
            new = [found for found in new if found not in before]
        new += self._destroyed(difference)
        errors, notes = [row for row in new if row.error], [row for row in new if not row.error]
        return Plan(self.version, difference, errors, notes)

    def _destroyed(self, difference: Difference) -> list[Finding]:
        """Keys of a change that may never come back."""
        destroyed = self.ledger.destroyed()
        return [
            Finding(True, place.row, f"{place.column}: this key was destroyed", "form a new one")
            for row in difference.put
            for place, wrapped in keys_of(row)
            if mark_of(wrapped) in destroyed
        ]

    def activate(self, plan: Plan, author: str, note: str, act: Act | None = None) -> list[Change]:
        """Makes a plan the newest version or versions; raises OfficeError when it breaks something.

        `act` is what it comes of, durable with it or not at all.
        """
        if plan.errors:
            raise OfficeError(str(plan.errors[0]))
        return self._books.activate(
            plan.version,
            plan.difference.put,
            plan.difference.drop,
            _line("author", author, _AUTHOR_MAX),
            scrub(_line("note", note, _NOTE_MAX)),
            None if act is None else self._signed(act),
        )

    def exchange(self, banks: tuple[str, ...], author: str, reason: str, act: Act) -> Change:
        """Orders the node to exchange new zone keys with these banks now."""
        return self._books.exchange(self.version, banks, author, reason, self._signed(act))

    def note(self, act: Act) -> int:
        """Makes an act durable that changes no row; its number. OfficeError when others acted meanwhile."""
        self._books.note(self._signed(act))
        return len(self.ledger.acts) + 1

    def _signed(self, act: Act) -> Signed:
        return Signed(len(self.ledger.acts), act)

    def rule(self, payment: int, says: Word, author: str, reason: str) -> int:
        """Hands an owner's word to the node; the number of the order. OfficeError without a reason."""
        author, reason = _line("--by", author, _AUTHOR_MAX), _line("--reason", reason.strip(), _NOTE_MAX)
        if not reason:
            raise OfficeError("give --reason: how it is known what became of the payment")
        return self._books.rule(self.version, Ruling(payment, says, author, scrub(reason))).version


def _journaled(config: Config) -> tuple[State | None, str]:
    """What the node had in memory after its last record, or why that is not known."""
    try:
        return state_of(config), ""
    except OfficeError as error:
        return None, str(error)


def activations(entries: list[Entry]) -> list[list[Entry]]:
    """The history as it was made: versions that belong together in one list."""
    made: list[list[Entry]] = []
    for entry in entries:
        if entry.change.version == entry.first:
            made.append([])
        made[-1].append(entry)
    return made


def known_table(table: str) -> str:
    """A table's name; raises OfficeError for another word."""
    if table not in TABLES:
        raise OfficeError(f"no table {table!r}; there are {', '.join(TABLES)}")
    return table


def _line(what: str, text: str, longest: int) -> str:
    if len(text) > longest or not (text.isprintable() or text == ""):
        raise OfficeError(f"{what}: must be one line of at most {longest} characters")
    return text
