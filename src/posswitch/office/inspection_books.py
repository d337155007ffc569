"""The inspection's look at what people keep: papers, keys, payments, copies, incidents, scans, versions."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from posswitch import __version__
from posswitch.archive.rehearsal import RESULT, last_rehearsal_s
from posswitch.archive.shelf import Shelf
from posswitch.base.amount import amount_text
from posswitch.base.bounds import CERTIFICATE_DAYS
from posswitch.base.errors import ArchiveError
from posswitch.base.moment import NS_PER_S, clock_text
from posswitch.diagnose.incident import Incident
from posswitch.diagnose.shelf import SHELF, STALE_NS, read_incidents, read_now
from posswitch.journal.story import needing_owner, view
from posswitch.office.guards import read_barred
from posswitch.office.inspection_line import Line, few, said
from posswitch.office.inspection_scene import DAY_NS, Scene
from posswitch.office.inventory import DESTROYED, EXPIRED, EXPIRING, days_left, inventory
from posswitch.office.papers import UNREADABLE, papers
from posswitch.office.scan_finding import Premises
from posswitch.office.scan_results import FOLDER, last
from posswitch.office.scan_versions import OLD_DAYS, holes, installed, versions
from posswitch.settings.finding import ERROR, WARNING
from posswitch.settings.machine import FORCE

OWNER_HOURS_MAX = 24
LAG_LOOKS, LAG_S, LAG_LOST_S = 3, 60, 3600  # of the backup, behind the journal
REHEARSAL_HOURS = 168  # where none is configured
SCAN_DAYS = 7
_INCIDENTS_MAX = 1000
_RESULT_BYTES_MAX = 1 << 16
_HOUR_NS = 3600 * NS_PER_S
_UNKEPT = "SELECT at_ns FROM journal WHERE seq > ? ORDER BY seq LIMIT 1"


def certificates(scene: Scene) -> Line:
    """The ends of our own and of those that others show."""
    shown = papers(scene.config, scene.registry, (), scene.clock)
    ends = {f"{one.owner} {one.subject}": one.days_left for one in shown if one.days_left is not None}
    for name, owner in (("certificate_days", "own"), ("peer_certificate_days", "peers")):
        if name in scene.gauges:
            ends[owner] = round(scene.gauges[name])
    bad = [f"{one.owner} {one.subject}" for one in shown if one.state == UNREADABLE]
    bad += [name for name, left in ends.items() if left < 0]
    if bad:
        return said("certificates.ended", which=few(bad))
    if not ends:
        return said("certificates.none")
    nearest = min(ends.values())
    near = [name for name, left in ends.items() if left <= CERTIFICATE_DAYS[0]]
    figures = {"days": nearest, "count": len(shown), "which": few(near)}
    return said("certificates.near" if near else "certificates.far", **figures)


def keys(scene: Scene) -> Line:
    """The ends of the keys of the inventory."""
    if scene.desk is None:
        return said("keys.unseen")
    lines = [one for one in inventory(scene.desk, scene.desk.checks) if one.state != DESTROYED]
    if ended := [one.place for one in lines if one.state == EXPIRED]:
        return said("keys.ended", which=few(ended))
    if near := [one for one in lines if one.state == EXPIRING]:
        days = min(one.days_left or 0 for one in near)
        return said("keys.near", days=days, which=few(one.place for one in near))
    return said("keys.far", count=len(lines), endless=sum(not one.end_ns for one in lines))


def unknowns(scene: Scene) -> Line:
    """Payments whose outcome only a person can find out."""
    cases = needing_owner(scene.data, scene.config.node, scene.disk)
    if not cases:
        return said("unknowns.none")
    sums: dict[str, int] = {}
    for case in cases:
        sums[case.currency] = sums.get(case.currency, 0) + case.amount_minor
    hours = (scene.now_ns - min(case.at_ns for case in cases)) // _HOUR_NS
    amount = " + ".join(amount_text(minor, currency) for currency, minor in sorted(sums.items()))
    name = "unknowns.old" if hours >= OWNER_HOURS_MAX else "unknowns.some"
    return said(name, count=len(cases), amount=amount, hours=hours)


def backup(scene: Scene) -> Line:
    """How far the copy goes, and how long the oldest record has waited that is not in it."""
    plan = scene.config.backup
    if plan is None:
        return said("backup.none")
    try:
        kept = max((span.last for span in Shelf(plan.to).spans()), default=0)
    except ArchiveError as error:
        return said("backup.lost", why=error)
    with view(scene.data, scene.disk) as db:
        row = db.execute(_UNKEPT, (kept,)).fetchone()
    lag_s = max(scene.now_ns - row[0], 0) // NS_PER_S if row else 0
    if lag_s > LAG_LOST_S:
        return said("backup.lost", why=f"{lag_s / 3600:.1f} h, {plan.to}")
    name = "follows" if lag_s <= LAG_LOOKS * plan.every_s + LAG_S else "behind"
    return said(f"backup.{name}", last=kept, lag=lag_s)


def rehearsal(scene: Scene) -> Line:
    """How the last restore for practice went."""
    plan = scene.config.backup
    at_s = last_rehearsal_s(plan.to) if plan is not None else 0.0
    if plan is None or not at_s:
        return said("rehearsal.never")
    with (plan.to / RESULT).open("rb") as file:
        result: dict[str, Any] = msgspec.json.decode(file.read(_RESULT_BYTES_MAX), type=dict[str, Any])
    figures = {name: result.get(name, "?") for name in ("at", "why", "records", "seconds")}
    if result.get("ok") is not True:
        return said("rehearsal.failed", **figures)
    age_s = scene.now_ns / NS_PER_S - at_s
    if age_s > 2 * 3600 * (plan.rehearse_hours or REHEARSAL_HOURS):
        return said("rehearsal.old", days=f"{age_s / 86_400:.0f}")
    return said("rehearsal.worked", **figures)


def guards(scene: Scene) -> Line:
    """Whom the guards bar, or have barred since a day."""
    rows = [one for one in read_barred(scene.data) if one.until_ns > scene.now_ns - DAY_NS]
    barred = [one for one in rows if one.until_ns > scene.now_ns and one.mode == FORCE and scene.gauges]
    if barred:
        return said(
            "guards.bar", count=len(barred), which=few(f"{one.guard} {one.subject}" for one in barred)
        )
    if rows:
        return said("guards.shadow", count=len(rows), which=few(f"{one.guard} {one.subject}" for one in rows))
    return said("guards.none")


def incidents(scene: Scene) -> Line:
    """What is wrong now, and what was wrong in the last day."""
    found = read_incidents(scene.data, _INCIDENTS_MAX)
    if still := [one for one in found if one.open]:
        return said("incidents.open", count=len(still), which=few(map(_called, still)))
    now = read_now(scene.data) if (scene.data / SHELF).exists() else None
    if now is None or scene.now_ns - now[0] > STALE_NS:
        return said("incidents.blind")
    over = [one for one in found if one.changed_ns > scene.now_ns - DAY_NS and not one.merged_into]
    if over:
        return said("incidents.over", count=len(over), which=few(map(_called, over)))
    return said("incidents.none")


def _called(one: Incident) -> str:
    return f"#{one.number} {one.kind or 'inconclusive'}"


def scan(scene: Scene) -> Line:
    """What the scan found that was kept last."""
    if not any((scene.data / FOLDER).glob("*.json")):
        return said("scan.none")
    result = last(scene.data).newest
    bad = {kind: [one for one in result.findings if one.severity == kind] for kind in (ERROR, WARNING)}
    figures = {"at": clock_text(result.at_ns)}
    for kind, name in ((ERROR, "scan.errors"), (WARNING, "scan.warnings")):
        if bad[kind]:
            which = few(dict.fromkeys(one.name for one in bad[kind]))
            return said(name, count=len(bad[kind]), which=which, **figures)
    days = -days_left(result.at_ns, scene.now_ns) - 1
    if days > max(SCAN_DAYS, 2 * scene.config.scan.every // 24):
        return said("scan.old", days=days)
    return said("scan.clean", notes=len(result.findings), **figures)


def known_versions(scene: Scene) -> Line:
    """What is installed, against the list of known holes."""
    found = list(versions(Premises(scene.path, {}, scene.config, scene.desk, scene.now_ns)))
    as_of = holes().as_of
    if holed := [one.where for one in found if one.name == "version-holed"]:
        return said("versions.holed", which=few(holed))
    if (datetime.fromtimestamp(scene.now_ns // NS_PER_S, UTC).date() - as_of).days > OLD_DAYS:
        return said("versions.old", as_of=as_of)
    which = dict.fromkeys([f"posswitch {__version__}", *(f"{one.name} {one.version}" for one in installed())])
    return said("versions.known", as_of=as_of, which=few(which))
