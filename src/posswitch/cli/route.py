"""route: where a payment would go and why, new routes tried, a bank paused and resumed."""

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from posswitch.base.amount import amount_text
from posswitch.base.codes import CODES
from posswitch.base.errors import ConfigError, OfficeError
from posswitch.base.moment import clock_text, of_iso
from posswitch.base.policy import Route
from posswitch.cli.limits import refuse_mistakes, sides
from posswitch.cli.options import AsJson, OrConfigFile, OrData, OrLang, settings_of
from posswitch.cli.route_changes import pause, resume
from posswitch.cli.typed import typed
from posswitch.crypto.vault import Vault
from posswitch.engine.events import RequestArrived
from posswitch.office.desk import Desk
from posswitch.office.limit_trial import taken_as
from posswitch.office.limit_words import ZH, hours_text
from posswitch.office.parts import wipe
from posswitch.office.route_trial import Load, Trial, tried
from posswitch.office.supposed import card_text, kind_named, minor_of, of_number, of_part, placed
from posswitch.office.way import Choice, Explained, Tried, explained
from posswitch.scheme.kinds import PAYMENT_KINDS
from posswitch.settings.clock import SystemClock
from posswitch.settings.finding import brief
from posswitch.settings.secret import read_secret

route = typer.Typer(
    name="route", help="Routes: where a payment would go and why; try new ones; pause a bank.",
    invoke_without_command=True, rich_markup_mode=None,
)  # fmt: skip
route.command("pause")(pause)
route.command("resume")(resume)


@route.callback()
def explain_way(
    context: typer.Context,
    config: OrConfigFile = None,
    data: OrData = None,
    card: Annotated[
        str, typer.Option("--card", help="The beginning of its number, or it masked; without it it is typed.")
    ] = "",
    amount: Annotated[str, typer.Option("--amount", help="For example 12.34.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="sale, preauth, balance, offline-sale.")] = "sale",
    merchant: Annotated[str, typer.Option("--merchant", help="At this merchant.")] = "",
    terminal: Annotated[str, typer.Option("--terminal", help="At this terminal.")] = "",
    entry: Annotated[str, typer.Option("--entry", help="How the card was read, field 22.")] = "022",
    at: Annotated[str, typer.Option("--at", help="At this time (ISO 8601, Beijing's), else now.")] = "",
    lang: OrLang = None,
    as_json: AsJson = False,
) -> None:
    """Say which bank a payment would go to now, and why: exit 1 when none would get it."""
    if context.invoked_subcommand is not None:
        return
    if config is None and data is None:
        raise ConfigError("give either -c FILE or --data DIR")
    desk, wanted = Desk(settings_of(config, data), SystemClock()), kind_named(kind)
    if wanted.original:
        raise OfficeError(
            f"--kind: a {kind} goes where the payment went that it builds on, whatever rules say"
        )
    if not (entry.isascii() and entry.isdigit() and len(entry) == 3):
        raise OfficeError(f"--entry: {brief(entry)} is no field 22; write 3 digits such as 022")
    at_ns = _time(at) if at else desk.now_ns()
    minor = minor_of("--amount", amount) if amount else 0
    if not amount and 4 in wanted.need:
        raise OfficeError("--amount: give it, for example 12.34")
    request = of_part(desk.registry, card) if card else _typed(desk)
    request = msgspec.structs.replace(request, kind=kind, amount_minor=minor, entry=entry)
    request = placed(desk.registry, request, terminal, merchant)
    found = explained(desk, wanted, request, at_ns)
    goes = not found.refused and not found.way.why
    if as_json:
        print(json.dumps(_document(found, request, at_ns), ensure_ascii=False))
    else:
        for side in sides(lang):
            print("\n".join(_explained(found, request, at_ns, side)))
    raise typer.Exit(0 if goes else 1)


def _typed(desk: Desk) -> RequestArrived:
    line = typed("card number (not shown): ", hidden=True)
    pan = line.decode("ascii", "replace").replace(" ", "").strip()
    wipe(line)
    return of_number(desk.registry, Vault(read_secret(desk.config.secret), bytes), pan)


def _time(text: str) -> int:
    try:
        return of_iso(text)
    except (ValueError, OverflowError):
        raise OfficeError(f"--at: {brief(text)} is no time; write 2026-10-01T02:00") from None


_CONDITIONS = {
    "kinds": ("交易种类", "kind"),
    "banks": ("发卡行", "the card's bank"),
    "bins": ("卡 BIN", "BIN"),
    "merchants": ("商户", "merchant"),
    "entries": ("输入方式", "entry"),
    "currency": ("币种", "currency"),
    "from_minor": ("金额下限", "least amount"),
    "to_minor": ("金额上限", "most amount"),
    "hours": ("时段", "hours"),
}
_CHOOSE = {
    "order": ("按顺序", "in order"),
    "split": ("按比例", "by shares"),
    "least": ("取两家中较闲者", "the less busy of two"),
    "cost": ("按成本", "by cost"),
}


def _explained(found: Explained, request: RequestArrived, at_ns: int, side: int) -> list[str]:
    amount = amount_text(request.amount_minor, request.currency)
    kind = PAYMENT_KINDS[request.kind].name_zh if side == ZH else request.kind
    lines = [f"{clock_text(at_ns)}  {kind} {amount}  {('卡', 'card')[side]} {card_text(request)}"]
    row = (
        f"BIN {request.bin}/{request.pan_digits} → {request.bank}"
        if request.bin
        else ("无 BIN 行", "no BIN row")[side]
    )
    lines.append(f"  {row}")
    lines += [f"  {_rule(one, request, at_ns, side)}" for one in found.tried]
    if found.rule is None:
        lines.append(("  没有规则适用：送发卡行", "  no rule fits: it goes to the card's own bank")[side])
    lines += [f"  {_choice(one, side)}" for one in found.choices]
    if not found.running:
        said = ("  节点未运行：链路按可用计", "  the node is not running: links are taken as up")
        lines.append(said[side])
    if found.refused:
        code, why, *_ = found.refused
        zh = CODES[code].meaning_zh.rstrip("。")
        lines.append((f"将被拒绝，应答 {code}：{zh}", f"refused before that with {code}: {why}")[side])
    elif found.way.why:
        why = _why(found.way.why, side)
        lines.append((f"无处可送，应答 91：{why}", f"nobody takes it, 91: {why}")[side])
        if found.standin:
            said = (
                "（在该行代授权额度内时由本中心代为批准）",
                "(or approved here within the bank's stand-in)",
            )
            lines.append(said[side])
    else:
        lines.append((f"送 {found.way.bank}", f"goes to {found.way.bank}")[side])
    return lines


def _rule(one: Tried, request: RequestArrived, at_ns: int, side: int) -> str:
    row = one.rule
    name = f"{('规则', 'rule')[side]} {row.id} ({row.rank})"
    if not one.misfit:
        return f"{name}: {('适用', 'fits')[side]} → {' '.join(row.to)}, {_CHOOSE[row.choose][side]}"
    wants, has = _compared(row, one.misfit, request, at_ns)
    condition = _CONDITIONS[one.misfit][side]
    return f"{name}: {condition} {wants}, {('本笔为', 'this is')[side]} {has}"


def _compared(row: Route, condition: str, request: RequestArrived, at_ns: int) -> tuple[str, str]:
    """What a condition asks for, and what the payment has."""
    has = {
        "kinds": request.kind,
        "banks": request.bank,
        "bins": request.bin,
        "merchants": request.merchant,
        "entries": request.entry,
        "currency": request.currency,
        "from_minor": amount_text(request.amount_minor, request.currency),
        "to_minor": amount_text(request.amount_minor, request.currency),
        "hours": clock_text(at_ns)[11:16],
    }[condition] or "-"
    value = getattr(row, condition)
    if isinstance(value, int):
        return amount_text(value, request.currency), has
    return hours_text(value) if condition == "hours" else value if isinstance(value, str) else " ".join(
        value
    ), has


# What the engine says of a bank that gets nothing, for people who read Chinese; the rest stays as it is.
_SHUT = {
    "the bank is paused": "已暂停",
    "no link to the bank": "没有可用链路",
    "the switch is stopping": "交换机正在停止",
    "the bank owes too many answers": "欠应答过多",
    "too many unanswered requests at the bank": "未应答的请求过多",
}


def _why(text: str, side: int) -> str:
    what, colon, reason = text.partition(": ")
    return f"{_SHUT.get(what, what)}{'：' * bool(colon)}{reason}" if side == ZH else text


def _choice(one: Choice, side: int) -> str:
    name = f"{one.bank} {(one.name_zh, one.name_en)[side]}".strip()
    until = (f"（至 {one.pause_end}）", f" (until {one.pause_end})")[side] if one.pause_end else ""
    state = f"{_why(one.shut, side)}{until}" if one.shut else ("可用", "open")[side]
    if one.links is None:
        return f"{name}: {state}"
    links = (f"链路 {one.links}/{one.links_all}", f"links {one.links}/{one.links_all}")[side]
    waiting = (
        f"在途 {one.open_payments}，忙度 {one.burden}",
        f"{one.open_payments} under way, burden {one.burden}",
    )
    return f"{name}: {state}; {links}, {waiting[side]}"


def _document(found: Explained, request: RequestArrived, at_ns: int) -> dict[str, Any]:
    return {
        "at_ns": at_ns,
        "card": card_text(request),
        "bin": request.bin,
        "bin_bank": request.bank,
        "node_running": found.running,
        "rules": [{"id": one.rule.id, "rank": one.rule.rank, "misfit": one.misfit} for one in found.tried],
        "rule": found.rule.id if found.rule else None,
        "choose": found.rule.choose if found.rule else None,
        "banks": [one._asdict() for one in found.choices],
        "refused": list(found.refused[:2]),
        "bank": "" if found.way.why or found.refused else found.way.bank,
        "why": found.way.why,
        "standin": found.standin,
    }


@route.command("try")
def try_routes(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="CSV or TOML files of routes.")
    ] = None,
    config: OrConfigFile = None,
    data: OrData = None,
    days: Annotated[int, typer.Option("--days", help="How far back, 1 to 31.")] = 1,
    replace: Annotated[
        bool, typer.Option("--replace", help="Routes that are not in the files would go.")
    ] = False,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="As if this bank took nothing; repeatable.")
    ] = None,
    lang: OrLang = None,
    as_json: AsJson = False,
) -> None:
    """Try routes on the journal before they are imported: payments by bank, before and after."""
    if not files and not without:
        raise OfficeError("give a file of routes, or --without BANK")
    desk = Desk(settings_of(config, data), SystemClock())
    taken, after = taken_as("route", desk, files or [], replace)
    refuse_mistakes(taken.mistakes)
    found = tried(desk, after, tuple(without or ()), days)
    if as_json:
        print(json.dumps(_trial_document(found), ensure_ascii=False))
        return
    print(taken.plan.difference)
    for side in sides(lang):
        print("\n".join(_tried(found, side)))


def _tried(found: Trial, side: int) -> list[str]:
    since, until = clock_text(found.since_ns), clock_text(found.until_ns)
    nobody = ("无处可送", "nobody")[side]
    looked = (
        f"{since} 至 {until}：{found.asked:,} 笔（{found.records:,} 条记录），改道 {found.moved:,} 笔",
        f"{since} to {until}: {found.asked:,} payments ({found.records:,} records), {found.moved:,} move",
    )
    lines = [looked[side]]
    if found.paused:
        names = ", ".join(found.paused)
        lines.append(
            (
                f"  现已暂停（两边只送离线结算）：{names}",
                f"  paused now, sent offline sales alone by both: {names}",
            )[side]
        )
    before, after, really = (
        {one.bank: one for one in some} for some in (found.before, found.after, found.really)
    )
    for bank in sorted({**before, **after, **really}):
        lines.append(
            f"  {bank or nobody}: {_load(before.get(bank))} → {_load(after.get(bank))}"
            f"  ({('当时实际', 'really')[side]} {_load(really.get(bank))})"
        )
    lines += [f"  {one or nobody} → {other or nobody}: {count:,}" for one, other, count in found.moves]
    for one in found.examples:
        amount = amount_text(one.amount_minor, one.currency)
        lines.append(
            f"  record {one.payment}  {clock_text(one.at_ns)}  {one.kind} {amount}  {one.merchant}  "
            f"{one.card}  {one.before or nobody} → {one.after or nobody}"
        )
    if found.cut:
        lines.append(
            ("注意：记录太多，只读了最新的", "note: too many records, only the newest were read")[side]
        )
    return lines


def _load(load: Load | None) -> str:
    if load is None:
        return "0"
    money = ", ".join(amount_text(minor, currency) for currency, minor in load.minor.items())
    return f"{load.payments:,} ({money})"


def _trial_document(found: Trial) -> dict[str, Any]:
    rows = {
        name: [one._asdict() for one in getattr(found, name)]
        for name in ("really", "before", "after", "examples")
    }
    moves = [{"before": before, "after": after, "payments": count} for before, after, count in found.moves]
    return msgspec.structs.asdict(found) | rows | {"moves": moves}
