"""The switch's own sources of a log book: the node's log, diagnosis, the journal, the database beneath it."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from posswitch.base.moment import of_iso
from posswitch.diagnose.headline import title
from posswitch.diagnose.phrases import LANGS
from posswitch.diagnose.places import names_of
from posswitch.diagnose.shelf import read_incident, read_incidents
from posswitch.engine.events import (
    AnswerSpoiled,
    DayTurned,
    DeliveryExpired,
    Event,
    HandedToOwner,
    JournalRestored,
    NodeRestarted,
    RegistryChanged,
    ReturnedUnread,
    Undelivered,
    ZoneKeyOffered,
    ZoneKeyTaken,
)
from posswitch.engine.lifecycle import NEEDS_OWNER
from posswitch.journal.cards import first_since
from posswitch.journal.disk import MACHINE
from posswitch.journal.layout import DATABASE
from posswitch.journal.recovery import decode_record
from posswitch.journal.story import view
from posswitch.journal.vitals import VitalsReader
from posswitch.office.logbook_entry import Entry, Span
from posswitch.settings.config import Config

NODE_LOG = "node.log"
_TAIL_BYTES = 32 << 20  # of the node's log, the newest
_INCIDENTS_MAX = 1000
_RECORDS_MAX = 200_000  # looked at
_PORTION = 5_000
_PERIODS_MAX = 2_400
_SLOW_US = 20_000  # a commit that took longer is told
_RECORDS = "SELECT seq, at_ns, body FROM journal WHERE seq >= ? AND at_ns <= ? ORDER BY seq LIMIT ?"
_SNAPSHOTS = "SELECT snapshot.seq, at_ns FROM snapshot JOIN journal ON journal.seq = snapshot.seq"
_WAL_HEAD_BYTES = 32


def node_log(config: Config, span: Span) -> Iterator[Entry]:
    """The node's log; a damaged line stands at the time of the one before."""
    at_ns = 0
    for line in tail_of(config.data / NODE_LOG, _TAIL_BYTES):
        try:
            found: dict[str, Any] = json.loads(line)
            at_ns = of_iso(found.pop("timestamp"))
            event = found.pop("event", "")
            text = " ".join([str(event), *(f"{name}={value}" for name, value in found.items())])
        except (ValueError, KeyError, TypeError, AttributeError):
            text = f"(damaged) {line}"
        if span.has(at_ns):
            yield Entry(at_ns, "node", text)


def tail_of(path: Path, most: int) -> list[str]:
    """The newest lines of a text file, whatever stands in it."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - most, 0))
        data = file.read(most)
    lines = data.decode("utf-8", "replace").splitlines()
    return lines[1:] if size > most else lines


def diagnosis(config: Config, span: Span) -> Iterator[Entry]:
    """Each step of each incident that moved in the span."""
    names = {lang: names_of(config.registry, lang) for lang in LANGS}
    for one in read_incidents(config.data, _INCIDENTS_MAX):
        if one.opened_ns > span.until_ns or one.changed_ns < span.since_ns:
            continue
        found = read_incident(config.data, one.number)
        for step in found[1] if found else ():
            if span.has(step.changed_ns):
                titles = " / ".join(title(step, lang, names[lang]) for lang in LANGS)
                deeds = "".join(f"; {deed.action} {deed.target} {deed.state}" for deed in step.deeds)
                where = "".join(f" {name} {value}" for name, value in step.place.items())
                text = f"#{step.number} {step.phase}: {titles};{where}{deeds}"
                yield Entry(step.changed_ns, "diagnosis", text)


# What is told of each event; of keys the bank and what for, never the key.
_TOLD: dict[type[Any], Callable[[Any], str]] = {
    NodeRestarted: lambda one: f"the node began, configuration {one.config}",
    DayTurned: lambda one: f"business date {one.day}",
    RegistryChanged: lambda one: (
        f"registry version {one.change.version}: {len(one.change.put)} put, {len(one.change.drop)} dropped"
    ),
    JournalRestored: lambda one: f"restored from a backup that ends at record {one.after}",
    HandedToOwner: lambda one: f"payment {one.payment} handed to an owner",
    ZoneKeyOffered: lambda one: f"a new {one.usage} offered to bank {one.bank}: {one.why}",
    ZoneKeyTaken: lambda one: f"a new {one.usage} is in force with bank {one.bank}",
    DeliveryExpired: lambda one: f"what bank was owed of payment {one.payment} expired",
    AnswerSpoiled: lambda one: f"an answer of bank {one.bank} cannot be used: {one.why}",
    ReturnedUnread: lambda one: f"payment {one.payment} came back unread from the network",
    Undelivered: lambda one: f"the terminal of payment {one.payment} was gone before its answer",
}


def journal(config: Config, span: Span) -> Iterator[Entry]:
    """Restarts, keys, registry versions, owners; not payments."""
    for seq, at_ns, body in _records(config.data, span):
        record = decode_record(seq, body)
        event: Event = record.event
        told = _TOLD.get(type(event))
        if told is not None:
            yield Entry(at_ns, "journal", f"record {seq}: {told(event)}")
        if record.verdict.state == NEEDS_OWNER:
            why = record.verdict.cause
            yield Entry(
                at_ns, "journal", f"record {seq}: payment {record.verdict.payment} needs-owner ({why})"
            )


def _records(folder: Path, span: Span) -> Iterator[tuple[int, int, bytes]]:
    with view(folder, MACHINE) as db:
        at = first_since(db, span.since_ns)
    seen = 0
    while seen < _RECORDS_MAX:
        with view(folder, MACHINE) as db:  # short ones: the log behind it can begin anew
            rows: list[Any] = db.execute(_RECORDS, (at, span.until_ns, _PORTION)).fetchall()
        yield from rows
        if not rows:
            return
        seen, at = seen + len(rows), rows[-1][0] + 1


def database(config: Config, span: Span) -> Iterator[Entry]:
    """Slow commits as the vitals have them, snapshots, and how file and write-ahead log stand now."""
    reader = VitalsReader(config.data)
    reader.skip(span.since_ns)
    for period in reader.read(_PERIODS_MAX):
        worst_us = period.gauges.get("commit_worst_us", 0.0)
        if span.has(period.at_ns) and worst_us >= _SLOW_US:
            mean_us = period.gauges.get("commit_mean_us", 0.0)
            text = f"slow commit: worst {worst_us / 1000:.1f} ms, mean {mean_us / 1000:.1f} ms"
            yield Entry(period.at_ns, "database", text)
    with view(config.data, MACHINE) as db:
        for seq, at_ns in db.execute(_SNAPSHOTS):
            if span.has(at_ns):
                yield Entry(at_ns, "database", f"snapshot after record {seq}")
    for name in (DATABASE, f"{DATABASE}-wal"):
        with contextlib.suppress(FileNotFoundError):
            yield from _file(config.data / name, span)


def _file(path: Path, span: Span) -> Iterator[Entry]:
    """A file's size at its last change; of the write-ahead log how often it began anew (its checkpoints)."""
    found = path.stat()
    if not span.has(found.st_mtime_ns):
        return
    text = f"{path.name}: {found.st_size:,} bytes at its last change"
    if path.name.endswith("-wal") and found.st_size >= _WAL_HEAD_BYTES:
        with path.open("rb") as file:
            head = file.read(_WAL_HEAD_BYTES)
        text += f", begun anew after {int.from_bytes(head[12:16], 'big')} checkpoints"
    yield Entry(found.st_mtime_ns, "database", text)
