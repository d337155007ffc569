"""Which resource is short now: a table of rules over the last seconds of a node's vitals."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from posswitch.base.bounds import LANE_ITEMS_MAX
from posswitch.edge.overload import RUNGS
from posswitch.office.ring import Ring

NONE = "none"
FULL, NEARLY, BUSY = 0.95, 0.9, 0.85  # shares from which a cap, a queue, the loop's time count as short


class Shortage(msgspec.Struct, frozen=True):
    """What is short, of which bank, by which rule, and the figures that say so."""

    resource: str
    of: str = ""
    rule: str = NONE
    figures: dict[str, float] = {}


class Place(NamedTuple):
    """What rules look at."""

    ring: Ring
    free_bytes: int
    mark_bytes: int


Found = Iterator[tuple[str, dict[str, float]]]


def _disk_low(at: Place) -> Found:
    if at.free_bytes < at.mark_bytes or at.ring.now("disk_low") >= 1:
        yield "", {"free_bytes": at.free_bytes, "mark_bytes": at.mark_bytes}


def _memory_tight(at: Place) -> Found:
    used, free = at.ring.now("memory_bytes"), at.ring.now("memory_free_bytes")
    if used and used >= NEARLY * (used + free):
        yield "", {"used_bytes": used, "free_bytes": free}


def _hsm_away(at: Place) -> Found:
    if at.ring and not at.ring.now("hsm_ready"):
        yield "", {"under_way": at.ring.now("hsm_under_way")}


def _capped(name: str, cap: str, mark: float, refused: str = "") -> Callable[[Place], Found]:
    """A rule: so much of a cap is used, or somebody was refused for it."""

    def rule(at: Place) -> Found:
        used, limit = at.ring.now(name), at.ring.now(cap)
        turned_away = at.ring.counted(refused) if refused else 0
        if limit and (used >= mark * limit or turned_away > 0):
            yield "", {"used": used, "cap": limit, "refused": turned_away}

    return rule


def _link_none(at: Place) -> Found:
    for bank, count, able in _links(at.ring):
        if not able:
            yield bank, {"able": able, "links": count}


def _link_few(at: Place) -> Found:
    for bank, count, able in _links(at.ring):
        if 0 < able <= count / 2:
            yield bank, {"able": able, "links": count}


def _links(ring: Ring) -> Iterator[tuple[str, float, float]]:
    for bank in ring.banks():
        if count := ring.now(f"bank.{bank}.links"):
            yield bank, count, ring.now(f"bank.{bank}.links_able")


def _bank_full(at: Place) -> Found:
    for bank in at.ring.banks():
        used, cap = (at.ring.now(f"bank.{bank}.{what}") for what in ("under_way", "cap"))
        if cap and used >= NEARLY * cap:
            yield bank, {"used": used, "cap": cap}


def _bank_owes(at: Place) -> Found:
    for bank in at.ring.banks():
        owed = at.ring.now(f"bank.{bank}.lane")
        if owed >= NEARLY * LANE_ITEMS_MAX:
            age_s = at.ring.now(f"bank.{bank}.lane_age_s")
            yield bank, {"used": owed, "cap": LANE_ITEMS_MAX, "age_s": age_s}


def _loop_short_of(what: str) -> Callable[[Place], Found]:
    """A rule: the loop has no time left, or work waits too long, and most of the time goes there."""

    def rule(at: Place) -> Found:
        spent = {name: at.ring.share(name) for name in ("cpu", "disk", "others")}
        rung = at.ring.now("rung")
        if (rung >= 1 or sum(spent.values()) >= BUSY) and what == max(spent, key=spent.__getitem__):
            more = {"rung": min(rung, len(RUNGS) - 1), "wait_us": at.ring.now("wait_us")}
            commits = {name: at.ring.now(name) for name in ("commit_mean_us", "commit_events")}
            yield "", spent | more | commits | {"per_s": at.ring.per_s()}

    return rule


class Rule(NamedTuple):
    """Its name, the resource that it finds short, and where it holds."""

    name: str
    resource: str
    holds: Callable[[Place], Found]


# The first that holds is the short resource: what stops everything before what slows something.
RULES = (
    Rule("disk-low", "disk", _disk_low),
    Rule("memory-tight", "memory", _memory_tight),
    Rule("hsm-away", "hsm", _hsm_away),
    Rule("hsm-full", "hsm", _capped("hsm_under_way", "hsm_cap", NEARLY)),
    Rule(
        "connections-full", "connections", _capped("connections", "connections_cap", FULL, "count.gate-full")
    ),
    Rule("descriptors-full", "descriptors", _capped("descriptors", "descriptors_cap", FULL)),
    Rule("fsync-slow", "fsync", _loop_short_of("disk")),
    Rule("cpu-busy", "cpu", _loop_short_of("cpu")),
    Rule("cpu-taken", "cpu", _loop_short_of("others")),
    Rule("link-none", "link", _link_none),
    Rule("bank-full", "bank", _bank_full),
    Rule("bank-owes", "bank", _bank_owes),
    Rule("link-few", "link", _link_few),
)


def shortages(ring: Ring, free_bytes: int, mark_bytes: int) -> list[Shortage]:
    """Everything that is short, the first rule's first."""
    at = Place(ring, free_bytes, mark_bytes)
    return [
        Shortage(rule.resource, of, rule.name, figures) for rule in RULES for of, figures in rule.holds(at)
    ]
