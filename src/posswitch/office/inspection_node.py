"""The inspection's look at the node and its machine: life, links, lanes, room, clock, the journal's head."""

from collections.abc import Iterator

import apsw

from posswitch.base.errors import JournalError
from posswitch.base.moment import NS_PER_S
from posswitch.journal.chain import GENESIS, HEAD_BYTES, Chain, Head, read_head
from posswitch.journal.layout import HEAD
from posswitch.journal.story import view
from posswitch.office.capacity import DAYS_NEAR, Resource
from posswitch.office.inspection_line import Line, few, said
from posswitch.office.inspection_scene import Scene
from posswitch.office.shortage import NONE

STARTS_MAX = 2  # a day: an upgrade, and one more
LANE_SOON_S, LANE_LATE_S = 60, 3600
DISK_WRONG_DAYS = 3
CLOCK_BEHIND_S_MAX = 60  # as at a start of the node
CHECKED_MAX = 10_000  # newest records whose chain is walked
_GIB = 1 << 30
_UNSYNCHRONISED, _UNSAID = 5, -1  # TIME_ERROR of adjtimex(2); not allowed to ask
_LAST = "SELECT seq, at_ns FROM journal ORDER BY seq DESC LIMIT 1"
_LINKS = "SELECT seq, body, link FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"
_BEFORE = "SELECT link FROM journal WHERE seq <= ? ORDER BY seq DESC LIMIT 1"
_LINK = "SELECT link FROM journal WHERE seq = ?"


def node(scene: Scene) -> Line:
    """Whether it runs, and how often it began."""
    if not scene.gauges:
        return said("node.away")
    starts = scene.survey.starts
    return said("node.runs" if starts <= STARTS_MAX else "node.restarted", starts=starts)


def links(scene: Scene) -> Line:
    """Every bank has a link that serves."""
    gauges = scene.gauges
    if not gauges:
        return said("links.unseen")
    of_bank = {
        bank: (gauges.get(f"bank.{bank}.links_able", 0), gauges.get(f"bank.{bank}.links", 0))
        for bank in _banks(scene)
    }
    able, whole = (round(sum(pair[at] for pair in of_bank.values())) for at in (0, 1))
    figures = {"able": able, "links": whole}
    if none := [bank for bank, (serving, _) in of_bank.items() if not serving]:
        return said("links.none", banks=few(none), **figures)
    if down := list(_down(scene)):
        return said("links.down", which=few(down), **figures)
    return said("links.serve", **figures)


def _banks(scene: Scene) -> list[str]:
    return [
        name.removeprefix("bank.").removesuffix(".links")
        for name, count in scene.gauges.items()
        if name.startswith("bank.") and name.endswith(".links") and count
    ]


def _down(scene: Scene) -> Iterator[str]:
    """Banks with fewer links that serve than they have, and which."""
    gauges = scene.gauges
    for bank in _banks(scene):
        count = round(gauges[f"bank.{bank}.links"])
        if gauges.get(f"bank.{bank}.links_able", 0) >= count:
            continue
        here = [f"link.{bank}.{index}" for index in range(count)]
        bad = [
            one.rpartition(".")[2]
            for one in here
            if not gauges.get(f"{one}.up", 1) or gauges.get(f"{one}.fenced", 0)
        ]
        yield f"{bank}/{'+'.join(bad)}" if bad else bank


def reversals(scene: Scene) -> Line:
    """How long the oldest reversal or advice has waited for its bank."""
    gauges = scene.gauges
    if not gauges:
        return said("reversals.unseen")
    ages = {bank: gauges.get(f"bank.{bank}.lane_age_s", 0.0) for bank in _banks(scene)}
    owed = round(sum(gauges.get(f"bank.{bank}.lane", 0) for bank in ages))
    oldest_s = max(ages.values(), default=0.0)
    late = [bank for bank, age_s in ages.items() if age_s >= LANE_SOON_S]
    name = "none" if not late else "wait" if oldest_s < LANE_LATE_S else "stuck"
    return said(f"reversals.{name}", owed=owed, minutes=f"{oldest_s / 60:.0f}", banks=few(late))


def disk(scene: Scene) -> Line:
    """What is left for the journal, and for how many days."""
    (one,) = (one for one in scene.capacity.resources if one.name == "disk")
    days, left = one.days, one.left or 0
    figures = {
        "left": f"{left / _GIB:,.1f} GiB",
        "share": f"{one.share:.0%}",
        "days": "增长尚无法推算" if days is None else f"{days:.0f} 天",
        "days_en": "growth is not known yet" if days is None else f"{days:.0f} days",
    }
    if not left or (days is not None and days <= DISK_WRONG_DAYS):
        return said("disk.full", **figures)
    return said("disk.near" if one.near else "disk.room", **figures)


def capacity(scene: Scene) -> Line:
    """What is short, or will be soon, of everything but the disk."""
    report = scene.capacity
    if short := [one for one in report.shortages if one.resource not in (NONE, "disk")]:
        return said("capacity.short", which=few(f"{one.resource} {one.of}".strip() for one in short))
    if not report.running:
        return said("capacity.unseen")
    if near := [one for one in report.resources if one.near and one.name != "disk"]:
        return said("capacity.near", which=few(map(_named, near)))
    return said("capacity.left", per_s=f"{report.payments_per_s:,.1f}")


def _named(one: Resource) -> str:
    assert one.days is not None
    return f"{one.name} {one.of} {min(one.days, DAYS_NEAR):.0f} d".replace("  ", " ")


def clock(scene: Scene) -> Line:
    """Never behind the newest record, and following another clock."""
    _, at_ns = _newest(scene)
    behind_s = (scene.now_ns - at_ns) // NS_PER_S if at_ns else 0
    if behind_s < -CLOCK_BEHIND_S_MAX:
        return said("clock.behind", behind=-behind_s)
    if scene.synchronised == _UNSYNCHRONISED:
        return said("clock.free")
    return said("clock.unseen" if scene.synchronised == _UNSAID else "clock.follows", behind=behind_s)


def _newest(scene: Scene) -> tuple[int, int]:
    """Number and time of the newest record."""
    with view(scene.data, scene.disk) as db:
        return db.execute(_LAST).fetchone() or (0, 0)


def head(scene: Scene) -> Line:
    """The head file is signed, the journal has its record, and the newest records hang together."""
    if scene.key is None:
        return said("head.unseen")
    chain = Chain(scene.key)
    try:
        with (scene.data / HEAD).open("rb") as file:
            noted = read_head(file.read(HEAD_BYTES), chain)
        with view(scene.data, scene.disk) as db:
            checked = _walked(db, chain, noted)
    except JournalError as error:
        return said("head.differs", why=error)
    except OSError as error:
        return said("head.differs", why=f"{HEAD}: {error.strerror}")
    return said("head.fits", records=f"{checked:,}", last=noted.seq)


def _walked(db: apsw.Connection, chain: Chain, noted: Head) -> int:
    """How many of the newest records were checked; JournalError names the first that does not fit."""
    (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone() or (0,)
    if last < noted.seq:
        raise JournalError(f"its last record is {last}, the head names {noted.seq}")
    if noted.seq and db.execute(_LINK, (noted.seq,)).fetchone() != (noted.link,):
        raise JournalError(f"record {noted.seq} is not the one that the head names")
    before = max(last - CHECKED_MAX, 0)
    row = db.execute(_BEFORE, (before,)).fetchone()
    link, checked = (row[0] if row else GENESIS), 0
    for seq, body, told in db.execute(_LINKS, (before, CHECKED_MAX)):
        link = chain.link(link, seq, body)
        if link != told:
            raise JournalError(f"record {seq} does not fit the one before")
        checked += 1
    return checked
