"""The inventory of keys: whose, what for, since when, brought by whom, until when; never a value."""

from collections.abc import Iterator
from typing import NamedTuple

from posswitch.base.bounds import CERTIFICATE_DAYS
from posswitch.base.moment import NS_PER_S
from posswitch.crypto.commands import wrapped_key_bytes
from posswitch.crypto.hostcommands import is_host_key
from posswitch.edge.key_uses import print_of, read_uses
from posswitch.engine.state import State
from posswitch.engine.zone import ZONE_USAGES, in_force
from posswitch.office.acts import Ledger, mark_of
from posswitch.office.checks import Checks
from posswitch.office.desk import Desk
from posswitch.office.places import Place, algorithm_of, keys_of, places_of, row_at

ACTIVE, EXPIRING, EXPIRED, DESTROYED = "active", "expiring", "expired", "destroyed"
DAY_NS = 86_400 * NS_PER_S
_HOST_BYTES = {b"U": 16, b"T": 24}


class KeyLine(NamedTuple):
    """One key of the inventory; `version` 0 is the configuration, times are 0 when they are not known."""

    place: str
    usage: str
    algorithm: str
    bits: int
    check: str
    version: int
    since_ns: int
    brought_by: str
    end_ns: int
    days_left: int | None
    state: str
    uses: int = 0  # as far as the vitals of the node know


class _Origin(NamedTuple):
    """The version by which a key came to its place."""

    version: int
    at_ns: int
    author: str


_CONFIGURED = _Origin(0, 0, "")


def inventory(desk: Desk, checks: Checks) -> list[KeyLine]:
    """Every key that stands in a row, then those that were destroyed."""
    ledger, origins, now_ns = desk.ledger, _origins(desk), desk.now_ns()
    uses = read_uses(desk.config.data)
    ends = ledger.ends()
    lines = []
    for place, wrapped in places_of(desk.registry):
        algorithm = algorithm_of(row_at(desk.registry, place), place.column)
        end_ns = ends.get(mark_of(wrapped), 0)
        left = days_left(end_ns, now_ns) if end_ns else None
        origin = origins.get((place, wrapped), _CONFIGURED)
        lines.append(
            KeyLine(
                str(place), place.usage, algorithm.upper(), 8 * _key_bytes(wrapped),
                checks.of(place.usage, wrapped, algorithm), *origin, end_ns, left, state_of(left),
                uses.get(print_of(wrapped), 0),
            )
        )  # fmt: skip
    return [*lines, *_destroyed(ledger)]


def exchanged(desk: Desk, state: State | None, checks: Checks) -> list[KeyLine]:
    """The zone keys in force that a bank was given on its line, in place of those of its row."""
    lines, uses = [], read_uses(desk.config.data)
    for place, wrapped, since_ns in exchanged_keys(desk, state):
        algorithm = algorithm_of(row_at(desk.registry, place), place.column)
        check = checks.of(place.usage, wrapped, algorithm)
        lines.append(
            KeyLine(
                str(place), place.usage, algorithm.upper(), 8 * _key_bytes(wrapped), check,
                0, since_ns, "exchange", 0, None, ACTIVE, uses.get(print_of(wrapped), 0),
            )
        )  # fmt: skip
    return lines


def exchanged_keys(desk: Desk, state: State | None) -> Iterator[tuple[Place, bytes, int]]:
    """Whose zone key was exchanged, the wrapped key in force, and since when."""
    for place, given in places_of(desk.registry):
        if state is None or place.usage not in ZONE_USAGES:
            continue
        key = in_force(state, place.id, place.usage, given)
        if key != given:
            yield place, key, state.zone[place.id, place.usage].since_ns


def days_left(end_ns: int, now_ns: int) -> int:
    """Whole days until a moment, negative after it."""
    return (end_ns - now_ns) // DAY_NS


def state_of(left: int | None) -> str:
    """How near its end something is."""
    if left is None or left > CERTIFICATE_DAYS[0]:
        return ACTIVE
    return EXPIRED if left < 0 else EXPIRING


def within(left: int | None) -> int | None:
    """The nearest mark (30, 14, 7, 1 days) that is reached, 0 after the end, None before all."""
    if left is None or left > CERTIFICATE_DAYS[0]:
        return None
    return 0 if left < 0 else min(mark for mark in CERTIFICATE_DAYS if left <= mark)


def _origins(desk: Desk) -> dict[tuple[Place, bytes], _Origin]:
    """By which version each key came that stands in a place, or stood there."""
    origins: dict[tuple[Place, bytes], _Origin] = {}
    standing = dict(places_of(desk.at(0)))
    for entry in desk.entries:
        change = entry.change
        for row in change.put:
            for place, wrapped in keys_of(row):
                if standing.get(place) != wrapped:
                    origins[place, wrapped] = _Origin(change.version, entry.at_ns, entry.author)
                    standing[place] = wrapped
    return origins


def _destroyed(ledger: Ledger) -> Iterator[KeyLine]:
    for proposed, confirmed in ledger.done("destroy"):
        by = f"{proposed.by} + {confirmed.by}"
        yield KeyLine(
            proposed.place, proposed.usage, "", 0, proposed.check,
            confirmed.version, confirmed.at_ns, by, confirmed.at_ns, None, DESTROYED,
        )  # fmt: skip


def _key_bytes(wrapped: bytes) -> int:
    return _HOST_BYTES[wrapped[:1]] if is_host_key(wrapped) else wrapped_key_bytes(wrapped)
