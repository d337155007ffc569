"""Where a payment goes: the rule that fits, the banks it names, and the one of them that can take it now.

A payment moves to another bank only while nothing was sent: the choice is made once, with its record.
"""

from typing import NamedTuple

from posswitch.base.bounds import LANE_ITEMS_MAX, OPEN_PER_BANK_MAX
from posswitch.base.moment import stamp
from posswitch.base.policy import COST, LEAST, SPLIT, Route, within
from posswitch.base.registry import Registry
from posswitch.engine.events import RequestArrived
from posswitch.engine.state import State
from posswitch.scheme.kinds import Kind

CLOSED, FULL, STOPPING = -1, -2, -3  # of a door that takes nothing: the bank is away; busy; we end
_SPREAD = 2_654_435_761  # consecutive payments fall evenly over shares (Knuth's multiplicative hash)


class Door(NamedTuple):
    """A bank that a payment may go to, and how much it has to do; CLOSED when no link can take it now.

    FULL when as much is under way there as it can take, STOPPING when this node begins nothing more.
    """

    bank: str
    burden: int


class Way(NamedTuple):
    """Where a payment goes, or why it cannot."""

    bank: str
    why: str = ""  # it cannot: the reason of the first choice
    away: bool = False  # that one cannot be asked at all: it is paused, or has no link


def rule_for(registry: Registry, kind: Kind, request: RequestArrived, at_ns: int) -> Route | None:
    """The first rule that fits a request; one that builds on another payment goes where that went."""
    if not registry.ranked or kind.original:
        return None
    time = stamp(at_ns).time
    for row in registry.ranked:
        if not misfit(row, kind, request, time):
            return row
    return None


def misfit(row: Route, kind: Kind, request: RequestArrived, time: str) -> str:
    """The first condition (`kinds`, `bins` …) of a rule that a request does not fit, or empty: it fits."""
    if row.kinds and kind.name not in row.kinds:
        return "kinds"
    if row.banks and request.bank not in row.banks:
        return "banks"
    if row.bins and not request.bin.startswith(row.bins):
        return "bins"
    if row.merchants and not request.merchant.startswith(row.merchants):
        return "merchants"
    if row.entries and not request.entry.startswith(row.entries):
        return "entries"
    if row.currency not in ("", request.currency):
        return "currency"
    if request.amount_minor < row.from_minor:
        return "from_minor"
    if row.to_minor and request.amount_minor > row.to_minor:
        return "to_minor"
    return "" if within(row.hours, time) else "hours"


def chosen(
    doors: tuple[Door, ...], rule: Route | None, kind: Kind, state: State, registry: Registry, at_ns: int
) -> Way:
    """The bank that gets it; an advice waits in its bank's lane for a link."""
    shut = {door.bank: closed(door, kind, state, registry, at_ns) for door in doors}
    for door in in_order(doors, rule, state.seq + 1):
        if not shut[door.bank]:
            return Way(door.bank)
    first = doors[0]
    why = shut[first.bank]
    return Way(first.bank, why, why == away(first, registry, at_ns))


def closed(door: Door, kind: Kind, state: State, registry: Registry, at_ns: int) -> str:
    """Why a bank gets nothing new now, or empty; one that owes too many answers gets nothing at all."""
    lane = state.lanes.get(door.bank)
    if lane is not None and len(lane) >= LANE_ITEMS_MAX:
        return "the bank owes too many answers"
    if kind.advice:
        return ""
    if why := away(door, registry, at_ns):
        return why
    if door.burden == STOPPING:
        return "the switch is stopping"
    if door.burden == FULL or state.forwarded.get(door.bank, 0) >= OPEN_PER_BANK_MAX:
        return "too many unanswered requests at the bank"
    return ""


def away(door: Door, registry: Registry, at_ns: int) -> str:
    """Why a bank cannot be asked at all, or empty; one that is busy, or that we do not ask, is not away."""
    if registry.pauses and (pause := registry.pauses.get(door.bank)) and pause.holds(at_ns):
        return f"the bank is paused: {pause.reason}" if pause.reason else "the bank is paused"
    return "no link to the bank" if door.burden == CLOSED else ""


def in_order(doors: tuple[Door, ...], rule: Route | None, payment: int) -> tuple[Door, ...]:
    """The banks in the order in which they are asked."""
    if rule is None or len(doors) < 2:
        return doors
    point = payment * _SPREAD % (1 << 32)
    if rule.choose == SPLIT:
        at = _share(rule.split, point)
    elif rule.choose == LEAST:
        at = _lighter(doors, point)
    elif rule.choose == COST:
        return tuple(door for _, door in sorted(zip(rule.cost, doors, strict=True), key=lambda pair: pair[0]))
    else:
        return doors
    return doors[at], *doors[:at], *doors[at + 1 :]


def _share(split: tuple[int, ...], point: int) -> int:
    """The place whose share a point of 2**32 lies in."""
    mark = point * sum(split) >> 32
    for at, share in enumerate(split):
        if mark < share:
            return at
        mark -= share
    return 0


def _lighter(doors: tuple[Door, ...], point: int) -> int:
    """Of two drawn places the one with less to do; a closed one is never lighter."""
    one = point % len(doors)
    other = (one + 1 + (point >> 16) % (len(doors) - 1)) % len(doors)
    heavy = [1 << 62 if doors[at].burden < 0 else doors[at].burden for at in (one, other)]
    return one if heavy[0] <= heavy[1] else other
