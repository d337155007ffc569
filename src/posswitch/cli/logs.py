"""logs: what node, diagnosis, journal, database and system wrote around one time, in one order."""

import json
from typing import Annotated, Any

import msgspec
import typer

from posswitch.base.errors import ConfigError
from posswitch.base.moment import NS_PER_S, clock_text, of_iso
from posswitch.cli.options import AsJson, ConfigFile
from posswitch.office.logbook import Logbook, around, lines_of, logbook, words_of
from posswitch.office.logbook_entry import Span
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config

_LATELY_NS = 600 * NS_PER_S  # without an incident and without --since
LINES_MAX = 20_000


def logs(
    config: ConfigFile,
    incident: Annotated[
        int | None, typer.Option(min=1, help="The time around this incident, its place marked.")
    ] = None,
    since: Annotated[str, typer.Option(help="From this time on (ISO 8601, Beijing's without a zone).")] = "",
    until: Annotated[str, typer.Option(help="Up to this time.")] = "",
    lines: Annotated[int, typer.Option(min=1, max=LINES_MAX, help="How many entries at most.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Print everything that was written around an incident or a time, in one order, masked."""
    settings, now_ns = load_config(config, serve=False), SystemClock().wall_ns()
    about: tuple[str, ...] = ()
    span = Span(now_ns - _LATELY_NS, now_ns)
    if incident is not None:
        found, span = around(settings, incident, now_ns)
        about = words_of(found.place)
    span = span._replace(
        since_ns=_time("--since", since, span.since_ns), until_ns=_time("--until", until, span.until_ns)
    )
    if span.since_ns > span.until_ns:
        raise ConfigError("--since: is later than --until; give an earlier time")
    book = logbook(settings, span, lines, about)
    if as_json:
        print(json.dumps(_document(book), ensure_ascii=False))
    else:
        for line in lines_of(book):
            print(line)


def _time(option: str, text: str, otherwise: int) -> int:
    try:
        return of_iso(text) if text else otherwise
    except (ValueError, OverflowError):
        raise ConfigError(f"{option}: write a time such as 2026-11-29T06:00") from None


def _document(book: Logbook) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(book)
    for one in (plain, *plain["entries"]):
        for name in [name for name in one if name.endswith("_ns")]:
            one[name.removesuffix("_ns")] = clock_text(one.pop(name), fine=True)
    return plain
