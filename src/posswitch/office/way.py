"""Where a payment would go now, and why: what the engine's own functions say, step by step."""

from typing import NamedTuple

from posswitch.base.moment import stamp
from posswitch.base.policy import Route
from posswitch.base.registry import Registry
from posswitch.engine.events import RequestArrived
from posswitch.engine.guard import card, guard
from posswitch.engine.routing import CLOSED, Door, Way, chosen, closed, in_order, misfit, rule_for
from posswitch.engine.state import State
from posswitch.journal.vitals import read_gauges
from posswitch.office.desk import Desk
from posswitch.scheme.kinds import Kind


class Tried(NamedTuple):
    """A rule, in the order of ranks, and the first of its conditions that does not fit; empty: it counts."""

    rule: Route
    misfit: str


class Choice(NamedTuple):
    """A bank that a payment may go to, in the order in which they are asked.

    `shut`: why it gets nothing now, or empty. `links` of `links_all` serve, `burden` is what the least busy
    has to do; None while no node runs.
    """

    bank: str
    name_zh: str
    name_en: str
    shut: str
    pause_end: str
    links: int | None
    links_all: int
    burden: int | None
    open_payments: int


class Explained(NamedTuple):
    """The whole of it. `refused`: what ends a request before anybody asks where it goes: DE39 and why.

    `standin`: nobody takes it, and the bank's stand-in is about such a payment.
    """

    running: bool
    tried: list[Tried]
    rule: Route | None
    choices: list[Choice]
    way: Way
    refused: tuple[str, ...]
    standin: bool


def explained(desk: Desk, kind: Kind, request: RequestArrived, at_ns: int) -> Explained:
    """The way of a payment that comes at a time; links as they are now, or taken as open without a node."""
    registry, state = desk.registry, desk.state or State(desk.config.node)
    gauges = read_gauges(desk.config.data)
    rule = rule_for(registry, kind, request, at_ns)
    banks = (request.bank,) if rule is None else rule.to
    doors = tuple(Door(bank, _burden(gauges, bank)) for bank in banks)
    way = chosen(doors, rule, kind, state, registry, at_ns)
    return Explained(
        bool(gauges),
        _tried(registry, rule, kind, request, at_ns),
        rule,
        [
            _choice(registry, state, gauges, door, closed(door, kind, state, registry, at_ns))
            for door in in_order(doors, rule, state.seq + 1)
        ],
        way,
        guard(kind, request) or card(kind, request, stamp(at_ns)) or (),
        way.away and _stands_in(registry, way.bank, request),
    )


def _stands_in(registry: Registry, bank: str, request: RequestArrived) -> bool:
    """Whether what a bank allows the centre to approve is about such a payment; counters are not asked."""
    row = registry.standins.get(bank)
    return row is not None and request.kind in row.kinds and request.amount_minor <= row.single_minor


def _burden(gauges: dict[str, float], bank: str) -> int:
    """What the node says of a bank's links; a bank that it does not know has none."""
    return int(gauges.get(f"burden.{bank}", CLOSED)) if gauges else 0


def _tried(
    registry: Registry, rule: Route | None, kind: Kind, request: RequestArrived, at_ns: int
) -> list[Tried]:
    found, time = [], stamp(at_ns).time
    for row in registry.ranked:
        found.append(Tried(row, misfit(row, kind, request, time)))
        if row is rule:
            break
    return found


def _choice(registry: Registry, state: State, gauges: dict[str, float], door: Door, shut: str) -> Choice:
    row, pause = registry.banks.get(door.bank), registry.pauses.get(door.bank)
    return Choice(
        door.bank,
        row.name_zh if row else "",
        row.name_en if row else "",
        shut,
        pause.end if pause else "",
        int(gauges.get(f"links_up.{door.bank}", 0)) if gauges else None,
        len(row.links) if row else 0,
        door.burden if gauges else None,
        state.forwarded.get(door.bank, 0),
    )
