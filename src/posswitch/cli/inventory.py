"""keys list: the inventory of keys, certificates, cipher suites and algorithms as a report."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from posswitch.base.moment import clock_text
from posswitch.cli.options import AsJson, OrConfigFile, OrData, settings_of
from posswitch.office.desk import Desk
from posswitch.office.hsm_answers import checks_for
from posswitch.office.inventory import DESTROYED, KeyLine, exchanged, exchanged_keys, inventory, within
from posswitch.office.papers import UNREADABLE, Line, Paper, TlsLine, lines_of, papers, suites
from posswitch.office.places import wrapped_keys
from posswitch.settings.clock import SystemClock
from posswitch.settings.finding import counted

_NO_END = "no end is set"


def list_keys(
    config: OrConfigFile = None,
    data: OrData = None,
    certificates: Annotated[
        list[Path] | None,
        typer.Option(help="PEM files of banks' and sources' certificates, to name their ends; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the inventory of keys, certificates and algorithms: exit 1 when an end is near or past."""
    settings, clock = settings_of(config, data), SystemClock()
    desk = Desk(settings, clock)
    state, problem = desk.state, desk.journal_problem and f"working keys: {desk.journal_problem}"
    of_lines = ((place.usage, key) for place, key, _ in exchanged_keys(desk, state))
    checks = checks_for(desk, (*wrapped_keys(desk.registry), *of_lines))
    keys, agreed = inventory(desk, checks), exchanged(desk, state, checks)
    signed_on = sum(bool(one.tak) for one in state.sessions.values()) if state is not None else 0
    shown = papers(settings, desk.registry, certificates or (), clock)
    spoken, why_not = suites(settings, clock)
    lines = lines_of(settings, desk.registry)
    due = [*_due_keys(keys), *_due_papers(shown), *filter(None, [why_not])]
    if as_json:
        print(json.dumps({
            "version": desk.version,
            "keys": [{**line._asdict(), "within_days": within(line.days_left)} for line in keys],
            "exchanged": [line._asdict() for line in agreed],
            "sessions": {"signed_on": signed_on, "problem": problem},
            "certificates": [{**one._asdict(), "within_days": within(one.days_left)} for one in shown],
            "tls": [one._asdict() for one in spoken],
            "lines": [line._asdict() for line in lines],
            "due": due,
        }, ensure_ascii=False))  # fmt: skip
    else:
        print(f"keys of version {desk.version} / 密钥清单")
        _print(map(_key_text, keys))
        print(f"  {problem or _signed_on_text(signed_on)}")
        print("zone keys in force that were exchanged on the line / 线路上交换的区域密钥")
        _print(map(_agreed_text, agreed))
        print("certificates / 证书")
        _print(map(_paper_text, shown))
        print("TLS versions and cipher suites / TLS 版本与密码套件")
        _print(_suite_texts(spoken))
        print("lines / 线路")
        _print(map(_line_text, lines))
        _print_due(due, keys)
    raise typer.Exit(1 if due else 0)


def _due_keys(keys: list[KeyLine]) -> Iterator[str]:
    for line in keys:
        if line.state != DESTROYED and within(line.days_left) is not None:
            yield f"{line.place}: {_end_text(line.days_left or 0)}; replace it (see docs/keys.md)"


def _due_papers(shown: list[Paper]) -> Iterator[str]:
    for one in shown:
        if one.state == UNREADABLE:
            yield f"{one.owner}: {one.subject}"
        elif within(one.days_left) is not None:
            yield f"{one.owner} {one.subject}: {_end_text(one.days_left or 0)}; renew it (see docs/tls.md)"


def _end_text(left: int) -> str:
    return "its end is past" if left < 0 else f"ends in {counted(left, 'day')} (mark {within(left)})"


def _key_text(line: KeyLine) -> str:
    where = f"version {line.version}" if line.version else "configuration"
    since = f" since {clock_text(line.since_ns)}" if line.since_ns else ""
    by = f" by {line.brought_by}" if line.brought_by else ""
    if line.state == DESTROYED:
        return f"{line.place}  check value {line.check}  destroyed{since}{by}"
    end = f"until {clock_text(line.end_ns)}" if line.end_ns else _NO_END
    kind = f"{line.usage} {line.algorithm} {line.bits} bits"
    last = f"{end}  {line.state}  {_used(line.uses)}"
    return f"{line.place}  {kind}  check value {line.check}  {where}{since}{by}  {last}"


def _agreed_text(line: KeyLine) -> str:
    kind = f"{line.usage} {line.algorithm} {line.bits} bits"
    since = f"since {clock_text(line.since_ns)}"
    return f"{line.place}  {kind}  check value {line.check}  {since}  {_used(line.uses)}"


def _used(count: int) -> str:
    return "used once" if count == 1 else f"used {count:,} times"


def _signed_on_text(count: int) -> str:
    own = (
        "is signed on, with working keys of its own"
        if count == 1
        else "are signed on, with their own working keys"
    )
    return f"{counted(count, 'terminal')} {own}"


def _paper_text(one: Paper) -> str:
    if one.state == UNREADABLE:
        return f"{one.owner}  {one.subject}"
    until = f"until {clock_text(one.end_ns)}" if one.end_ns else "what it says is shown at a handshake"
    said = "  ".join(filter(None, (one.subject, one.key)))
    return f"{one.owner}  {said + '  ' if said else ''}SHA-256 {one.fingerprint}  {until}  {one.state}"


def _suite_texts(spoken: list[TlsLine]) -> Iterator[str]:
    for version in dict.fromkeys(one.version for one in spoken):
        yield f"{version}  {' '.join(one.suite for one in spoken if one.version == version)}"


def _line_text(line: Line) -> str:
    many = f"  {counted(line.terminals, 'terminal')}" if line.terminals else ""
    made = f"  MAC {line.mac}  PIN block {line.pin_block}" if line.mac else ""
    return f"{line.owner}  {line.transport}{made}{many}"


def _print(texts: Iterator[str]) -> None:
    said = list(texts)
    for text in said or ["none"]:
        print(f"  {text}")


def _print_due(due: list[Any], keys: list[KeyLine]) -> None:
    endless = sum(not line.end_ns for line in keys)
    if endless:
        print(f"note: {counted(endless, 'key')} without an end: posswitch keys expire PLACE --on DATE")
    for text in due:
        print(f"due: {text}")
