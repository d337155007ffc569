"""ping: the way to a bank step by step, what is wrong and where, and a message that is ready to be sent."""

import json
from typing import Annotated, Any

import msgspec
import typer

from posswitch.base.card import scrub
from posswitch.base.errors import ConfigError, PosswitchError
from posswitch.base.moment import clock_text
from posswitch.base.order import OFFICE
from posswitch.base.registry import Bank, Registry
from posswitch.cli import ping_words as words
from posswitch.cli.columns import padded
from posswitch.cli.options import AsJson, ConfigFile, Lang, OrLang
from posswitch.edge.path import Asked, walk_all
from posswitch.edge.path_facts import Facts
from posswitch.edge.path_memory import Last, followed, recalled, remember
from posswitch.edge.path_verdict import NOT_TRIED, PLACES, Step, Verdict, typical, verdict
from posswitch.office.desk import Desk
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import Config, load_config
from posswitch.settings.finding import one_line


def ping(
    bank: Annotated[str, typer.Argument(metavar="BANK", help="The bank's institution number.")],
    config: ConfigFile,
    link: Annotated[int, typer.Option(help="Only this link, 1 is the first; 0: all.", min=0)] = 0,
    as_json: AsJson = False,
    lang: OrLang = None,
) -> None:
    """Find out whether it is our machine, our network, the line, or the bank: exit 1 when anything is."""
    settings, clock = load_config(config, serve=False), SystemClock()
    row = _bank(_registry(settings, clock), bank)
    if link > len(row.links):
        raise PosswitchError(f"--link {link}: bank {bank} has {len(row.links)} links")
    last = recalled(settings.data)
    asked = [_asked(row, number, last) for number in range(1, len(row.links) + 1) if link in (0, number)]
    judged = [_Judged(one, row, settings, last) for one in walk_all(asked, settings, clock.wall_ns)]
    now_ns = clock.wall_ns()
    for one in judged:
        one.followed(now_ns)
    remember(settings.data, {one.key: one.last for one in judged})
    if as_json:
        print(json.dumps(_document(judged), ensure_ascii=False))
    else:
        print(
            "\n".join(
                line for side in (0, 1) if lang in (None, list(Lang)[side]) for line in _said(judged, side)
            )
        )
    raise typer.Exit(0 if all(one.verdict.fine for one in judged) else 1)


def _registry(settings: Config, clock: SystemClock) -> Registry:
    """What stands now; where the secret is not at hand, what the file says."""
    if not (settings.data / OFFICE).exists():
        return settings.registry
    try:
        return Desk(settings, clock).registry
    except PosswitchError:
        return settings.registry


def _bank(registry: Registry, bank: str) -> Bank:
    row = registry.banks.get(bank)
    if row is None:
        known = ", ".join(list(registry.banks)[:20])
        raise ConfigError(f"no bank {one_line(bank)[:20]}; the banks are {known}")
    return row


def _asked(row: Bank, number: int, last: dict[str, Last]) -> Asked:
    known = last.get(f"{row.id}/{number}", Last())
    return Asked(row, number, known.addresses, known.fine_ns > 0)


class _Judged:
    """One link: facts, verdict, and what fills the words."""

    def __init__(self, facts: Facts, bank: Bank, settings: Config, last: dict[str, Last]) -> None:
        self.facts, self.bank, self.settings = facts, bank, settings
        self.verdict: Verdict = verdict(facts)
        self.key = f"{bank.id}/{facts.link}"
        self.last = last.get(self.key, Last())
        self.now_ns = 0

    def followed(self, now_ns: int) -> None:
        """What is remembered of it from now on."""
        addresses = self.facts.name.addresses if self.facts.name is not None else ()
        self.now_ns = now_ns
        self.last = followed(self.last, self.verdict.cause, self.verdict.fine, addresses, now_ns)

    def words(self, side: int) -> dict[str, Any]:
        """Everything that {…} may stand for; `side` 0 is Chinese."""
        facts, unknown = self.facts, ("未知", "unknown")[side]
        interface, route, icmp, tcp, tls, echo, name = (
            getattr(facts, step) for step in ("interface", "route", "icmp", "tcp", "tls", "echo", "name")
        )
        return {
            "host": facts.address.host,
            "port": facts.address.port,
            "bank": self.bank.id,
            "centre": self.settings.centre,
            "dialect": f"{self.bank.dialect.rpartition('/')[2]} {self.bank.framing}",
            "now": clock_text(self.now_ns),
            "interface": (interface and interface.name) or unknown,
            "source": (interface and interface.source) or unknown,
            "errors": interface.errors if interface else 0,
            "used_kbit": interface.bytes_s * 8 // 1000 if interface else 0,
            "kbit": facts.contracted_kbit,
            "gateway": route.gateway if route else unknown,
            "name_ms": f"{name.ms:.0f}" if name else "",
            "lost": icmp.lost if icmp else 0,
            "sent": icmp.sent if icmp else 0,
            "standing": tcp.standing if tcp else 0,
            "tls_why": words.WHYS.get(tls.why, ("", ""))[side] if tls else "",
            "subject": scrub(one_line(tls.subject)) if tls and tls.subject else unknown,
            "days": tls.days_left if tls and tls.days_left is not None else unknown,
            "own_days": tls.own_days_left if tls else unknown,
            "resent": echo.resent if echo else 0,
            "asked": echo.asked if echo else 0,
            "answered": len(echo.rtts_ms) if echo else 0,
            "code": one_line(echo.code)[:2] if echo else "",
            "speaks": (echo and echo.speaks) or unknown,
            "echo_ms": f"{typical(echo.rtts_ms):.0f}" if echo else "",
            "way_ms": f"{min(icmp.rtts_ms, default=tcp.ms if tcp else 0):.0f}" if icmp else "",
        }

    def cause(self, side: int) -> tuple[str, str, str]:
        """Where, what and what to do, in words."""
        told, filled = words.CAUSES[self.verdict.cause], self.words(side)
        where = words.PLACES[self.verdict.place][side]
        return where, told.what[side].format_map(filled), told.todo[side].format_map(filled)


def _said(judged: list[_Judged], side: int) -> list[str]:
    lines = []
    for one in judged:
        known = _line_of(one, side)
        lines.append(
            f"{one.bank.id} {(one.bank.name_zh, one.bank.name_en)[side]}  #{one.facts.link}  "
            f"{one.facts.address}{'  ' + known if known else ''}"
        )
        lines += [f"  {_step_line(one, step, side)}" for step in one.verdict.steps]
    lines += ["", _sentence(judged, side)]
    for one in judged:
        if not one.verdict.fine:
            lines += ["", _ready(one, side)]
    return [*lines, ""]


def _step_line(one: _Judged, step: Step, side: int) -> str:
    name, said = words.STEPS[step.name][side], words.VERDICTS[step.verdict][side]
    took = "" if step.verdict == NOT_TRIED or not step.ms else f"{step.ms:,.1f} ms"
    why = words.WHYS[step.why][side] if step.why else ""
    more = "" if step.verdict == NOT_TRIED else _measured(one.facts, step.name)
    return (
        f"{padded(name, 10)} {padded(said, 10)} {took:>12}  {'; '.join(filter(None, (why, more)))}".rstrip()
    )


def _measured(facts: Facts, step: str) -> str:
    """The figures of a step; the same in both languages."""
    f = facts
    if step == "interface" and (i := f.interface):
        return f"{i.name} {i.source} errs +{i.errors} drop +{i.drops} {i.bytes_s:,} B/s"
    if step == "route" and (r := f.route):
        pings = f" ping {r.back}/{r.sent}" if r.sent else ""
        return f"via {r.gateway}{pings}" if r.gateway else ("on-link" if r.found else "")
    if step == "name" and f.name:
        return " ".join(f.name.addresses[:4])
    if step == "icmp" and f.icmp and f.icmp.sent:
        rtts = f.icmp.rtts_ms
        times = f" {min(rtts):.1f}/{typical(rtts):.1f}/{max(rtts):.1f} ms" if rtts else ""
        return f"{len(rtts)}/{f.icmp.sent}{times}, large {f.icmp.large_back}/{f.icmp.large_sent}"
    if step == "tls" and (t := f.tls):
        days = f"{t.days_left} d" if t.days_left is not None else ""
        return " ".join(filter(None, (t.version, t.suite, scrub(one_line(t.subject)), days)))
    if step == "echo" and (e := f.echo):
        came = f"{len(e.rtts_ms)}/{e.asked}" if e.lost else len(e.rtts_ms)
        times = f"{came} x, median {typical(e.rtts_ms):.1f} worst {max(e.rtts_ms):.1f} ms"
        sign_on = "001 first" if e.signed_on else ""
        code = f"F39 {one_line(e.code)[:2]}" if e.code else ""
        resent = f"resent {e.resent}" if e.resent else ""
        return ", ".join(filter(None, (times if e.rtts_ms else "", code, sign_on, resent)))
    if step == "bandwidth" and f.interface:
        return f"{f.interface.bytes_s * 8 // 1000:,} / {f.contracted_kbit:,} kbit/s"
    return ""


def _sentence(judged: list[_Judged], side: int) -> str:
    """What is wrong and where, in one: the place nearest to us leads."""
    worst = min(judged, key=lambda one: PLACES.index(one.verdict.place))
    where, what, todo = worst.cause(side)
    wrong = sum(not one.verdict.fine for one in judged)
    if side == 0:
        count = f"{len(judged)} 条链路中 {wrong} 条异常。" if len(judged) > 1 else ""
        return f"结论：{where}——{what}。{count}处理：{todo}。"
    count = f" ({wrong} of {len(judged)} links)" if len(judged) > 1 else ""
    return f"Verdict: {where}: {what}{count}. Do: {todo}."


def _line_of(one: _Judged, side: int) -> str:
    lines, number = one.bank.lines, one.facts.link
    line = lines[number - 1] if len(lines) >= number else None
    circuit = ("电路", "circuit")[side]
    return f"{line.carrier} {circuit} {line.circuit}".strip() if line and line.circuit else ""


def _ready(one: _Judged, side: int) -> str:
    """The message for the bank's operators or the carrier; nothing in it is secret."""
    where, what, todo = one.cause(side)
    steps = [
        f"{words.STEPS[step.name][side]} {words.VERDICTS[step.verdict][side]}"
        + (f" {step.ms:,.0f} ms" if step.ms else "")
        + (f" ({words.WHYS[step.why][side]})" if step.why else "")
        for step in one.verdict.steps
        if step.verdict != NOT_TRIED
    ]
    nobody = ("（未登记）", "(nobody is registered)")[side]
    more = {
        "us": f"posswitch {one.settings.node}",
        "bank_zh": one.bank.name_zh,
        "bank_en": one.bank.name_en,
        "link": one.facts.link,
        "address": one.facts.address,
        "line": _line_of(one, side) or ("电路号未登记", "no circuit number registered")[side],
        "acquirer": one.settings.acquirer,
        "since": _since(one, side),
        "place": where,
        "what": what,
        "todo": todo,
        "measured": (("；", "; ")[side]).join(steps),
        "contact": " ".join(filter(None, (one.bank.contact, one.bank.phone))) or nobody,
    }
    return words.READY[side].format_map(one.words(side) | more)


def _since(one: _Judged, side: int) -> str:
    first = clock_text(one.last.wrong_ns)
    if not one.last.fine_ns:
        return first
    fine = ("最后一次正常", "last seen fine")[side]
    return f"{first} ({fine} {clock_text(one.last.fine_ns)})"


def _document(judged: list[_Judged]) -> dict[str, Any]:
    return {
        "bank": judged[0].bank.id,
        "ok": all(one.verdict.fine for one in judged),
        "verdict_zh": _sentence(judged, 0),
        "verdict_en": _sentence(judged, 1),
        "links": [_link_document(one) for one in judged],
    }


def _link_document(one: _Judged) -> dict[str, Any]:
    measured = msgspec.to_builtins(one.facts)
    steps = [step._asdict() | {"measured": measured.get(step.name)} for step in one.verdict.steps]
    fine = one.verdict.fine
    return {
        "link": one.facts.link,
        "address": str(one.facts.address),
        "place": one.verdict.place,
        "cause": one.verdict.cause,
        "since": None if fine else clock_text(one.last.wrong_ns),
        "ms": one.facts.ms,
        "steps": steps,
        "what_zh": one.cause(0)[1],
        "what_en": one.cause(1)[1],
        "todo_zh": one.cause(0)[2],
        "todo_en": one.cause(1)[2],
        "ready_zh": "" if fine else _ready(one, 0),
        "ready_en": "" if fine else _ready(one, 1),
    }
