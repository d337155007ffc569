"""What everybody wrote down around one time: the sources as a table, one order of time, masked, bounded."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec

from posswitch.base.errors import OfficeError, PosswitchError
from posswitch.base.moment import NS_PER_S, clock_text
from posswitch.diagnose.headline import began_ns
from posswitch.diagnose.incident import Incident
from posswitch.diagnose.shelf import SHELF, read_incident
from posswitch.office import logbook_sources as sources
from posswitch.office import logbook_system as system
from posswitch.office.logbook_entry import Entry, Span
from posswitch.office.masked import masked
from posswitch.settings.config import Config
from posswitch.settings.finding import one_line

BEFORE_NS, AFTER_NS = 120 * NS_PER_S, 60 * NS_PER_S  # around an incident
TEXT_MAX = 500  # characters of a line
_HELD_MAX = 50_000  # entries of one source; of more the first, said


class Source(NamedTuple):
    """One row: its name, and how its entries are read; raises what it cannot."""

    name: str
    entries: Callable[[Config, Span], Iterator[Entry]]


SOURCES = (
    Source("node", sources.node_log),
    Source("diagnosis", sources.diagnosis),
    Source("journal", sources.journal),
    Source("database", sources.database),
    Source("system", system.system_log),
)


class Logbook(msgspec.Struct, frozen=True):
    """Entries in the order of time, what could not be read, and how many were left out.

    `about`: words of the incident's place; entries that have one of them are `tied`, and left out last.
    """

    since_ns: int
    until_ns: int
    about: tuple[str, ...]
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]
    left_out: int


def around(config: Config, number: int, now_ns: int) -> tuple[Incident, Span]:
    """An incident and the time around it; OfficeError when there is none."""
    try:
        found = read_incident(config.data, number)
    except (apsw.Error, msgspec.MsgspecError):
        raise OfficeError(f"{config.data / SHELF}: cannot be read; give --since and --until") from None
    if found is None:
        raise OfficeError(f"no incident {number}; `posswitch incidents --all` lists them")
    one, _ = found
    ends_ns = one.closed_ns or now_ns
    return one, Span(began_ns(one) - BEFORE_NS, ends_ns + AFTER_NS)


def words_of(place: dict[str, str]) -> tuple[str, ...]:
    """What an entry about a place would say: ids, and of a link also its bank's."""
    found = [part for value in place.values() for part in (value, value.partition("/")[0]) if part]
    return tuple(dict.fromkeys(found))


def logbook(
    config: Config, span: Span, lines: int, about: tuple[str, ...] = (), log_folder: Path = system.LOGS
) -> Logbook:
    """Everything of a span, `lines` entries at most: those about the place first, then the nearest."""
    entries: list[Entry] = []
    notes: list[str] = []
    span = span._replace(log_folder=log_folder)
    for source in SOURCES:
        try:
            for count, entry in enumerate(source.entries(config, span)):
                if count >= _HELD_MAX:
                    notes.append(f"{source.name}: more than {_HELD_MAX:,} entries; name a shorter time")
                    break
                entries.append(_shown(entry, about))
        except OSError as error:
            notes.append(f"{source.name}: {error.filename or source.name}: {error.strerror}")
        except (PosswitchError, apsw.Error, msgspec.MsgspecError) as error:
            notes.append(f"{source.name}: cannot be read ({one_line(str(error))[:TEXT_MAX]})")
    centre_ns = min(span.since_ns + BEFORE_NS, span.until_ns)
    ranked = sorted(entries, key=lambda one: (not one.tied, abs(one.at_ns - centre_ns)))
    kept = sorted(ranked[:lines], key=lambda one: (one.at_ns, one.source))
    return Logbook(
        span.since_ns, span.until_ns, about, tuple(kept), tuple(map(masked, notes)), len(entries) - len(kept)
    )


def _shown(entry: Entry, about: tuple[str, ...]) -> Entry:
    text = masked(one_line(entry.text))[:TEXT_MAX]
    tied = any(re.search(rf"(?<![\w/]){re.escape(word)}(?![\w/])", entry.text) for word in about)
    return msgspec.structs.replace(entry, text=text, tied=tied)


def lines_of(book: Logbook) -> Iterator[str]:
    """As text, a line an entry; `*` marks what is about the place."""
    yield f"{clock_text(book.since_ns)} .. {clock_text(book.until_ns)}" + (
        f"  * = {', '.join(book.about)}" if book.about else ""
    )
    for one in book.entries:
        yield f"{clock_text(one.at_ns, fine=True)} {'*' if one.tied else ' '} {one.source:<9} {one.text}"
    if book.left_out:
        yield f"({book.left_out:,} more: --lines / 另有 {book.left_out:,} 行)"
    for note in book.notes:
        yield f"note / 注: {note}"
