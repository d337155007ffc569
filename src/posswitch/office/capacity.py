"""What is short now, how much of each resource is left, and in how many days it is full at this growth."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from posswitch.base.bounds import LANE_ITEMS_MAX, OPEN_PER_BANK_MAX
from posswitch.edge.headroom import mark_bytes
from posswitch.journal.days import Size, size
from posswitch.journal.disk import MACHINE, Disk
from posswitch.office.growth import Growth, days_until_filled, days_until_reached, growth
from posswitch.office.ring import Ring, read_ring
from posswitch.office.shortage import NONE, Shortage, shortages

DAYS_NEAR = 30.0  # what is full so soon is said with exit code 1
DAYS_FAR = 3650.0  # beyond it no growth can be foretold

Unit = Literal["core", "bytes", "count"]
Left = Literal["payments/s", "bytes", "count", ""]


class Resource(msgspec.Struct, frozen=True):
    """One resource; `of` names the bank it belongs to, `most` is the highest share of ten minutes."""

    name: str
    of: str
    used: float
    limit: float
    unit: Unit
    share: float
    most: float
    left: float | None = None
    left_unit: Left = ""
    days: float | None = None  # None: nobody knows, or never
    assumes: str = "steady"  # why so many days, or why none: a key of the words

    @property
    def near(self) -> bool:
        """Whether it will be full soon."""
        return self.days is not None and self.days <= DAYS_NEAR


class Report(msgspec.Struct, frozen=True):
    """How much is left, the shortest first."""

    at_ns: int
    running: bool  # else only what journal and disk say
    short: Shortage
    shortages: list[Shortage]
    rung: int
    wait_ms: float  # that a newcomer would wait here
    payments_per_s: float
    peak_per_s: float | None  # that the node can reach, at least
    cpu_payment_us: float | None  # measured between the next two loads
    loads_per_s: tuple[float, float] | None
    payments_a_day: float | None
    growth_a_day: float | None  # payments more each day than the day before; None: too few days
    whole_days: int
    peak_ns: int  # the minute with the most records, and its payments
    peak_payments: int
    bytes_a_record: float | None
    records_a_payment: float | None
    resources: list[Resource]

    @property
    def fine(self) -> bool:
        """Nothing is short, and nothing will be soon."""
        return self.short.resource == NONE and not any(one.near for one in self.resources)


class Scene(NamedTuple):
    """Everything that is known."""

    ring: Ring
    size: Size
    payments: Growth | None
    records: Growth | None
    free_bytes: int
    whole_bytes: int

    @property
    def peak_per_s(self) -> float | None:
        """Payments a second when the loop has no time left: it works, or waits for a core or the disk."""
        ring, load = self.ring, self.ring.load()
        if load is None:
            return None
        spare = max(1 - load.base * ring.stretch, 0)
        return max(spare / (load.each_s * ring.stretch + ring.disk_s()), ring.busiest_per_s())

    @property
    def busiest_per_s(self) -> float:
        """Payments a second in the peak minute of the journal, or now."""
        return max(self.size.peak_payments / 60, self.ring.busiest_per_s())


def capacity(folder: Path, now_ns: int, disk: Disk = MACHINE) -> Report:
    """Looks at a data folder, whether or not a node runs on it; JournalError without a journal."""
    grown = size(folder, disk)
    free_bytes, whole_bytes = disk.space(folder)
    whole = grown.whole_days
    scene = Scene(
        read_ring(folder, now_ns),
        grown,
        growth([day.payments for day in whole]),
        growth([day.records for day in whole]),
        free_bytes,
        whole_bytes,
    )
    found = shortages(scene.ring, free_bytes, mark_bytes(whole_bytes))
    return _report(scene, found, now_ns)


def _report(scene: Scene, found: list[Shortage], now_ns: int) -> Report:
    ring, grown, load = scene.ring, scene.size, scene.ring.load()
    payments, records = (sum(day[number] for day in grown.days) for number in (1, 2))
    per_day = scene.payments.level if scene.payments is not None else _mean_a_day(grown, 1)
    return Report(
        now_ns,
        bool(ring),
        found[0] if found else Shortage(NONE),
        found,
        round(ring.now("rung")),
        ring.now("wait_us") / 1000,
        ring.per_s(),
        scene.peak_per_s,
        None if load is None else load.each_s * 1e6,
        None if load is None else (load.from_per_s, load.to_per_s),
        per_day,
        None if scene.payments is None else scene.payments.slope,
        len(grown.whole_days),
        grown.peak_ns,
        grown.peak_payments,
        _record_bytes(grown),
        records / payments if payments else None,
        sorted((one for of_one in RESOURCES for one in of_one(scene)), key=_shortest_first),
    )


def _shortest_first(one: Resource) -> tuple[float, float]:
    return (one.days if one.days is not None else DAYS_FAR * 2, -one.share)


def _mean_a_day(grown: Size, number: int) -> float | None:
    whole = grown.whole_days
    return sum(day[number] for day in whole) / len(whole) if whole else None


def _record_bytes(grown: Size) -> float | None:
    return grown.file_bytes / grown.records if grown.records else None


# How long it lasts


def _lasting(days: float | None, assumes: str) -> tuple[float | None, str]:
    """Days that mean something, and what they rest on."""
    if days is None:
        return None, "never"
    return (None, "far") if days > DAYS_FAR else (days, assumes)


def _at_growth(scene: Scene, used: float, limit: float) -> tuple[float | None, str]:
    """When what is used at the busiest time meets its limit, growing as the days do."""
    if used >= limit > 0:
        return 0.0, "growth"
    if scene.payments is None:
        return None, "few-days"
    return _lasting(days_until_reached(used, limit, scene.payments.share), "growth")


# One function for each kind of resource


def _disk(scene: Scene) -> Iterator[Resource]:
    left = max(scene.free_bytes - mark_bytes(scene.whole_bytes), 0)
    used = scene.whole_bytes - scene.free_bytes
    each, grown = _record_bytes(scene.size), scene.records
    pace = _mean_a_day(scene.size, 2)
    lasts: tuple[float | None, str] = None, "few-days"
    if not left:
        lasts = 0.0, "full"
    elif each and grown is not None:
        lasts = _lasting(days_until_filled(left, grown.level * each, grown.slope * each), "growth")
    elif each and pace:
        lasts = _lasting(left / (pace * each), "pace")
    limit = used + left
    share = used / limit if limit else 1.0
    yield Resource("disk", "", used, limit, "bytes", share, share, left, "bytes", *lasts)


def _loop(scene: Scene) -> Iterator[Resource]:
    """CPU and disk take turns in one loop: what is left is left to both."""
    ring, peak = scene.ring, scene.peak_per_s
    if not ring:
        return
    left = None if peak is None else max(peak - ring.per_s(), 0)
    lasts = (None, "no-load") if peak is None else _at_growth(scene, scene.busiest_per_s, peak)
    for name, what in (("cpu", "cpu"), ("fsync", "disk")):
        share, most = ring.share(what), ring.most_share(what)
        yield Resource(name, "", share, 1.0, "core", share, max(share, most), left, "payments/s", *lasts)


def _counted(scene: Scene, name: str, of: str, gauge: str, limit: float) -> Resource:
    used, most = scene.ring.now(gauge), scene.ring.most(gauge)
    return Resource(name, of, used, limit, "count", used / limit, most / limit, max(limit - used, 0), "count")


def _carried(scene: Scene, one: Resource, gauge: str, bank: str | None, bound: float) -> Resource:
    """The same in payments: what is under way at once and how many are answered say how long each takes.

    `bound`: how many may ever be under way, as long as answers are as quick as now.
    """
    ring, under_way, per_s = scene.ring, scene.ring.mean(gauge), scene.ring.mean_per_s(bank)
    if not under_way or not per_s:
        return msgspec.structs.replace(one, left=None, left_unit="", assumes="no-load")
    peak = bound * per_s / under_way
    busiest = scene.busiest_per_s * per_s / ring.mean_per_s()
    days, assumes = _at_growth(scene, busiest, peak)
    left = max(peak - ring.per_s(bank), 0)
    return msgspec.structs.replace(one, left=left, left_unit="payments/s", days=days, assumes=assumes)


def _banks(scene: Scene) -> Iterator[Resource]:
    ring = scene.ring
    for bank in ring.banks():
        asked, owed, links = (f"bank.{bank}.{what}" for what in ("under_way", "lane", "links"))
        cap = ring.now(f"bank.{bank}.cap")
        if cap:
            yield _carried(scene, _counted(scene, "bank", bank, asked, cap), asked, bank, OPEN_PER_BANK_MAX)
        yield _counted(scene, "lane", bank, owed, LANE_ITEMS_MAX)
        if count := ring.now(links):
            away = count - ring.now(f"{links}_able")
            yield Resource(
                "link", bank, away, count, "count", away / count, away / count, count - away, "count"
            )


def _hsm(scene: Scene) -> Iterator[Resource]:
    if cap := scene.ring.now("hsm_cap"):
        one = _counted(scene, "hsm", "", "hsm_under_way", cap)
        yield _carried(scene, one, "hsm_under_way", None, cap)


def _connections(scene: Scene) -> Iterator[Resource]:
    ring = scene.ring
    if cap := ring.now("connections_cap"):
        days, assumes = _at_growth(scene, ring.most("connections"), cap)
        one = _counted(scene, "connections", "", "connections", cap)
        yield msgspec.structs.replace(one, days=days, assumes=assumes)
    if cap := ring.now("descriptors_cap"):
        yield _counted(scene, "descriptors", "", "descriptors", cap)


def _memory(scene: Scene) -> Iterator[Resource]:
    used, free = scene.ring.now("memory_bytes"), scene.ring.now("memory_free_bytes")
    if used:
        most = scene.ring.most("memory_bytes")
        limit = used + free
        yield Resource("memory", "", used, limit, "bytes", used / limit, most / limit, free, "bytes")


RESOURCES: tuple[Callable[[Scene], Iterator[Resource]], ...] = (
    _disk,
    _loop,
    _banks,
    _hsm,
    _connections,
    _memory,
)
