"""The system's log of a log book: journalctl where there is one, else the text files of /var/log."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from posswitch.base.errors import OfficeError
from posswitch.base.moment import NS_PER_S, of_iso, stamp
from posswitch.office.logbook_entry import Entry, Span
from posswitch.office.logbook_sources import tail_of
from posswitch.settings.config import Config

LOGS = Path("/var/log")
FILES = ("syslog", "messages", "kern.log")
_TAIL_BYTES = 16 << 20
_LINES_MAX = 20_000
_SECONDS_MAX = 15.0
_NOT_ALL = "not seeing messages"  # of other users: a hint on its standard error
_LINE = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)\s+(.*)")
_OLD = re.compile(r"([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d) (.*)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def system_log(_config: Config, span: Span) -> Iterator[Entry]:
    """The machine's own words; OfficeError where nobody may read any."""
    program = shutil.which("journalctl") if span.log_folder == LOGS else None
    lines, hint = _journalctl(program, span) if program is not None else ([], "")
    if lines:
        yield from _entries(lines, span)
        if _NOT_ALL in hint:
            raise OfficeError("journalctl shows this user's own messages only; ask as root for the others")
        return
    found = False
    for name in FILES:
        try:
            lines = tail_of(span.log_folder / name, _TAIL_BYTES)
        except OSError:
            continue
        found = True
        yield from _entries(lines, span)
    if not found:
        named = ", ".join(FILES)
        raise OfficeError(
            f"journalctl has nothing, and none of {named} in {span.log_folder} may be read here; "
            "ask as root, or on the host of this container"
        )


def _journalctl(program: str, span: Span) -> tuple[list[str], str]:
    """What it prints, and its remarks; nothing where it has no journal, or does not answer in time."""
    words = (
        "--no-pager", "--utc", "-o", "short-iso-precise", "-n", str(_LINES_MAX),
        "--since", f"@{span.since_ns // NS_PER_S}", "--until", f"@{span.until_ns // NS_PER_S + 1}",
    )  # fmt: skip
    try:
        ended = subprocess.run(  # noqa: S603 - words of this program
            [program, *words], capture_output=True, timeout=_SECONDS_MAX, check=False
        )
    except (subprocess.TimeoutExpired, OSError):
        return [], ""
    said, remarks = (stream.decode("utf-8", "replace") for stream in (ended.stdout, ended.stderr))
    return [line for line in said.splitlines() if not line.startswith("-- ")], remarks


def _entries(lines: list[str], span: Span) -> Iterator[Entry]:
    for line in lines:
        at_ns, text = timed(line, span.until_ns)
        if at_ns and span.has(at_ns):
            yield Entry(at_ns, "system", text)


def timed(line: str, until_ns: int) -> tuple[int, str]:
    """When a line of a system's log was written, and its text; 0 where it does not say.

    The old form (`Nov 29 21:31:16 host …`) names no year, the one of the span's end is meant, and no zone:
    the machine's.
    """
    if match := _LINE.match(line):
        try:
            return of_iso(match[1]), match[2]
        except ValueError:
            return 0, line
    if (match := _OLD.match(line)) and match[1] in _MONTHS:
        year = int(stamp(until_ns).day[:4])
        day = f"{year}-{_MONTHS.index(match[1]) + 1:02}-{int(match[2]):02}T{match[3]}"
        try:
            return int(datetime.fromisoformat(day).timestamp()) * NS_PER_S, match[4]
        except ValueError:
            return 0, line
    return 0, line
