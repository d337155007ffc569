"""scan: what an attacker or auditor would look at, and the fix beside each finding."""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from posswitch.base.errors import ConfigError, PosswitchError
from posswitch.base.moment import clock_text
from posswitch.cli.options import AsJson, ConfigFile, Lang, OrLang
from posswitch.edge.process import SUPERVISOR
from posswitch.office.scan import scan as scan_now
from posswitch.office.scan_finding import Weakness, names
from posswitch.office.scan_results import Result, keep, last
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.settings.finding import counted

_NICE = 10  # payments first
_HOUR_S = 3600
_LOOK_S = 0.5  # how soon a supervisor that is gone is seen


def scan(
    config: ConfigFile,
    as_json: AsJson = False,
    fix_only: Annotated[
        str | None, typer.Option("--fix-only", help="Only the fixes of findings with this name, one a line.")
    ] = None,
    lang: OrLang = None,
    newest: Annotated[
        bool, typer.Option("--last", help="The newest result that was kept, and what is new or gone.")
    ] = False,
    keeps: Annotated[bool, typer.Option("--keep", help="Keep the result in the data folder.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Scan and keep, every [scan] hours, until stopped.")
    ] = False,
) -> None:
    """Look at the machine around a switch for what is open: exit 1 when something is, with its fix."""
    if fix_only is not None and fix_only not in names():
        raise ConfigError(f"--fix-only: no such finding; the names are {', '.join(names())}")
    if follow:
        _follow(config)
        return
    document: dict[str, Any] = {}
    if newest:
        since = last(load_config(config, serve=False).data)
        result = since.newest
        document = {"new": [_plain(one) for one in since.new], "gone": [_plain(one) for one in since.gone]}
    else:
        result = scan_now(config, SystemClock())
        if keeps:
            keep(load_config(config, serve=False).data, result)
    found = [one for one in result.findings if fix_only in (None, one.name)]
    if fix_only is not None:
        print("\n".join(dict.fromkeys(one.fix for one in found)))
    elif as_json:
        head = {"at": clock_text(result.at_ns), "holes_as_of": result.holes_as_of}
        print(
            json.dumps({**head, "findings": [_plain(one) for one in found], **document}, ensure_ascii=False)
        )
    else:
        _print(result, lang)
        if newest:
            for word, some in (("new / 新出现", since.new), ("gone / 已消失", since.gone)):
                for one in some:
                    print(f"{word}: {one.name}: {one.where}")
    raise typer.Exit(1 if any(one.bad for one in found) else 0)


def _plain(one: Weakness) -> dict[str, str]:
    plain: dict[str, str] = msgspec.to_builtins(one)
    return plain


def _print(result: Result, lang: Lang | None) -> None:
    for one in result.findings:
        print(f"{one.severity}: {one.name}: {one.where}")
        for text, language in ((one.zh, Lang.zh), (one.en, Lang.en)):
            if lang in (None, language):
                print(f"    {text}")
        print(f"    fix / 处理: {f'[{one.into}] ' if one.into else ''}{one.fix}")
    bad = sum(one.bad for one in result.findings)
    notes = counted(len(result.findings) - bad, "note")
    print(f"{clock_text(result.at_ns)}: {counted(bad, 'finding')}, {notes}")
    day = result.holes_as_of
    print(
        f"holes of libraries are known as of {day}, nothing newer was asked / 漏洞数据截至 {day}，未查询更新"
    )


def _follow(config: Path) -> None:
    """Scans at once and then every so many hours, as long as the supervisor lives."""
    settings = load_config(config, serve=False)
    if not settings.scan.every:
        raise ConfigError("give [scan] every = HOURS in the configuration")
    os.nice(_NICE)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    supervisor = os.environ.get(SUPERVISOR)
    clock, due = SystemClock(), 0
    while not stop.wait(_LOOK_S) and (supervisor is None or os.getppid() == int(supervisor)):
        if clock.wall_ns() < due:
            continue
        due = clock.wall_ns() + settings.scan.every * _HOUR_S * 1_000_000_000
        try:
            keep(settings.data, scan_now(config, clock))
        except (PosswitchError, OSError) as error:
            print(f"posswitch: the scan: {error}", file=sys.stderr, flush=True)
