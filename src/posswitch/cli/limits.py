"""limits: what is allowed, what a card may still do, and new limits tried on what has been."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from posswitch.base.amount import amount_text
from posswitch.base.codes import CODES
from posswitch.base.errors import ConfigError, OfficeError
from posswitch.base.moment import clock_text
from posswitch.cli.bank_limits import bank
from posswitch.cli.options import AsJson, Lang, OrConfigFile, OrData, OrLang, settings_of
from posswitch.cli.typed import typed
from posswitch.crypto.vault import Vault
from posswitch.engine.events import RequestArrived
from posswitch.engine.limits import CARD_DAY
from posswitch.journal.cards import asked_as
from posswitch.office.allowance import Allowance, Allowances, allowances
from posswitch.office.desk import Desk
from posswitch.office.limit_trial import Group, Trial, limits_of, tried
from posswitch.office.limit_words import EN, ZH, limit_words
from posswitch.office.parts import wipe
from posswitch.office.supposed import NOT_HERE, kind_named, of_number, placed
from posswitch.scheme.kinds import PAYMENT_KINDS
from posswitch.settings.clock import SystemClock
from posswitch.settings.finding import counted
from posswitch.settings.secret import read_secret

limits = typer.Typer(
    name="limits", help="Limits: list them, ask what a card may still do, try new ones, ask a bank.",
    invoke_without_command=True, rich_markup_mode=None,
)  # fmt: skip
limits.add_typer(bank)


@limits.callback()
def list_limits(
    context: typer.Context,
    config: OrConfigFile = None,
    data: OrData = None,
    lang: OrLang = None,
    as_json: AsJson = False,
) -> None:
    """Print every limit in words."""
    if context.invoked_subcommand is not None:
        return
    desk = _desk(config, data)
    card_daily = msgspec.structs.replace(CARD_DAY, day_minor=desk.config.limits.card_daily_minor)
    rows = [card_daily, *desk.registry.limits.values()]
    if as_json:
        told = [
            {
                **msgspec.structs.asdict(row),
                "words_zh": limit_words(row, ZH),
                "words_en": limit_words(row, EN),
            }
            for row in rows
        ]
        print(json.dumps({"version": desk.version, "limits": told}, ensure_ascii=False))
        return
    for row in rows:
        said = [limit_words(row, side) for side in sides(lang)]
        print("\n".join((row.id, *(f"  {line}" for line in said))))


def sides(lang: Lang | None) -> list[int]:
    """Which of both languages are wanted: ZH, EN."""
    return [side for side, language in enumerate(Lang) if lang in (None, language)]


# What a card may still do


@limits.command("card", context_settings={"allow_extra_args": True})
def card(
    context: typer.Context,
    config: OrConfigFile = None,
    data: OrData = None,
    payment: Annotated[
        str, typer.Option("--payment", help="The card of this payment (its number, or field 37), there.")
    ] = "",
    terminal: Annotated[str, typer.Option("--terminal", help="At this terminal.")] = "",
    merchant: Annotated[str, typer.Option("--merchant", help="At this merchant.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="Of what: sale, preauth, refund …")] = "sale",
    lang: OrLang = None,
    as_json: AsJson = False,
) -> None:
    """Say what a card may still do here, its number typed without echo or read: exit 1 if it is no card."""
    if context.args:
        raise OfficeError(NOT_HERE)
    desk, wanted = _desk(config, data), kind_named(kind)
    request = _of_payment(desk, payment, terminal, merchant) if payment else _typed(desk, terminal, merchant)
    found = allowances(desk, wanted, request)
    if as_json:
        told = found._asdict() | {"allowances": [msgspec.structs.asdict(one) for one in found.allowances]}
        print(json.dumps(told, ensure_ascii=False))
    else:
        for side in sides(lang):
            print("\n".join(_allowed(found, side)))
    raise typer.Exit(1 if found.wrong else 0)


def _typed(desk: Desk, terminal: str, merchant: str) -> RequestArrived:
    line = typed("card number (not shown): ", hidden=True)
    pan = line.decode("ascii", "replace").replace(" ", "").strip()
    wipe(line)
    vault = Vault(read_secret(desk.config.secret), bytes)
    return placed(desk.registry, of_number(desk.registry, vault, pan), terminal, merchant)


def _of_payment(desk: Desk, reference: str, terminal: str, merchant: str) -> RequestArrived:
    request = asked_as(desk.config.data, desk.config.node, reference)
    if request is None or not request.pan_print:
        raise OfficeError(f"payment {reference}: no card is known of it; give another, or type the number")
    if terminal or merchant:
        return placed(desk.registry, request, terminal, merchant)
    return request


_WHAT = {
    "single": ("单笔", "at once"),
    "hours": ("时段", "hours"),
    "day": ("今日金额", "amount today"),
    "day#": ("今日笔数", "payments today"),
    "month": ("本月金额", "amount this month"),
    "month#": ("本月笔数", "payments this month"),
    "burst#": ("频度", "burst"),
    "refunds": ("今日退货", "refunds today"),
}


def _allowed(found: Allowances, side: int) -> list[str]:
    kind = PAYMENT_KINDS[found.kind].name_zh if side == ZH else found.kind
    where = (
        " ".join(filter(None, (found.terminal, found.merchant))) or ("未指定终端", "no terminal given")[side]
    )
    lines = [(f"卡 {found.card}，{kind}，{where}", f"card {found.card}, {kind}, {where}")[side]]
    lines += [f"  {_allowance(one, found.currency, side)}" for one in found.allowances]
    if found.unknown:
        names = ", ".join(found.unknown)
        given = ("未计（须给出 --terminal 或 --merchant）", "not counted without --terminal or --merchant")
        lines.append(f"  {given[side]}: {names}")
    if found.wrong:
        zh = CODES[found.code].meaning_zh.rstrip("。")
        lines.append(
            (
                f"本中心拒绝此卡，应答 {found.code}：{zh}",
                f"the switch refuses it: {found.code}, {found.wrong}",
            )[side]
        )
    elif found.code:
        lines.append(
            (f"下一笔将被拒绝，应答 {found.code}", f"the next payment is refused: {found.code}")[side]
        )
    elif found.most_minor is None:
        lines.append(("没有适用的限额", "no limit applies")[side])
    else:
        most = amount_text(found.most_minor, found.currency)
        lines.append((f"下一笔最高 {most}", f"the next payment may be {most} at most")[side])
    return lines


def _allowance(one: Allowance, currency: str, side: int) -> str:
    name = f"{one.limit}: {_WHAT[one.what][side]}"
    trial = ("（试运行）", " (on trial)")[side] * one.trial
    if one.what == "hours":
        now = (("现在可用", "open now"), (f"现在拒绝 {one.code}", f"refused now: {one.code}"))[bool(one.code)]
        return f"{name} {one.counter}, {now[side]}{trial}"

    def figure(value: int) -> str:
        return f"{value:,}" if one.what.endswith("#") else amount_text(value, currency)

    words = ("上限 {}，已用 {}，剩余 {}；超出应答 {}", "cap {}, used {}, left {}; beyond it {}")
    text = words[side].format(figure(one.cap), figure(one.used), figure(one.left), one.code)
    return f"{name}: {text}{f'  [{one.counter}]' if one.counter else ''}{trial}"


# New limits on old traffic


@limits.command("try")
def try_limits(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV or TOML files of limits.")],
    config: OrConfigFile = None,
    data: OrData = None,
    days: Annotated[int, typer.Option("--days", help="How far back, 1 to 31.")] = 1,
    replace: Annotated[
        bool, typer.Option("--replace", help="Limits that are not in the files would go.")
    ] = False,
    lang: OrLang = None,
    as_json: AsJson = False,
) -> None:
    """Try limits on the journal before they are imported: who would be refused that is not, and back."""
    desk = _desk(config, data)
    taken, after = limits_of(desk, files, replace)
    refuse_mistakes(taken.mistakes)
    found = tried(desk.config, desk.registry.limits, after, desk.now_ns(), days)
    if as_json:
        print(json.dumps(_document(found), ensure_ascii=False))
        return
    print(taken.plan.difference)
    for side in sides(lang):
        print("\n".join(_tried(found, side)))


def refuse_mistakes(mistakes: list[str]) -> None:
    """Prints all mistakes of files and ends with exit 1, if there are any."""
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    if mistakes:
        print(f"posswitch: {counted(len(mistakes), 'mistake')}; nothing was tried", file=sys.stderr)
        raise typer.Exit(1)


def _tried(found: Trial, side: int) -> list[str]:
    since, until, records = clock_text(found.since_ns), clock_text(found.until_ns), f"{found.records:,}"
    looked = (
        f"{since} 至 {until}：{found.asked:,} 笔请求（{records} 条记录），都拒绝的 {found.kept:,} 笔",
        f"{since} to {until}: {found.asked:,} requests in {records} records, both refuse {found.kept:,}",
    )
    lines = [
        looked[side],
        *_group(("将新被拒绝", "would be refused that are not")[side], found.refused, side),
        *_group(("将不再被拒绝", "would no longer be refused")[side], found.let_through, side),
    ]
    if found.noted:
        lines.append((f"试运行将记录 {found.noted:,} 笔", f"{found.noted:,} noted on trial")[side])
    if found.otherwise:
        count = f"{found.otherwise:,}"
        since = (
            f"注意：{count} 笔当时的结果与现行限额不同（其间改过限额，或此前的流水不足）",
            f"note: {count} were decided otherwise then (limits were changed since, or earlier records lack)",
        )[side]
        lines.append(since)
    if found.cut:
        lines.append(
            ("注意：记录太多，只读了最新的", "note: too many records, only the newest were read")[side]
        )
    return lines


def _group(title: str, group: Group, side: int) -> list[str]:
    money = ", ".join(amount_text(minor, currency) for currency, minor in group.minor.items()) or "-"
    payments = (f"{group.payments:,} 笔", counted(group.payments, "payment"))[side]
    lines = [f"{title}: {payments}, {money}"]
    if not group.payments:
        return lines
    by = ", ".join(f"{name} {count:,}" for name, count in group.limits.items())
    lines.append(f"  {('限额', 'limits')[side]}: {by}")
    for name, count, shares in (
        (("商户", "merchants")[side], group.merchant_count, group.merchants),
        (("卡", "cards")[side], group.card_count, group.cards),
    ):
        most = ", ".join(f"{share.name} {share.payments:,}" for share in shares)
        lines.append(f"  {name} {count:,}: {most}")
    for one in group.examples:
        amount = amount_text(one.amount_minor, one.currency)
        lines.append(
            f"  record {one.payment}  {clock_text(one.at_ns)}  {one.kind} {amount}  {one.merchant} "
            f"{one.terminal}  {one.card}  {one.code}  {(one.says, one.why)[side]}"
        )
    return lines


def _document(found: Trial) -> dict[str, Any]:
    def group(one: Group) -> dict[str, Any]:
        rows = {
            name: [row._asdict() for row in getattr(one, name)] for name in ("merchants", "cards", "examples")
        }
        return msgspec.structs.asdict(one) | rows

    told = msgspec.structs.asdict(found)
    return told | {"refused": group(found.refused), "let_through": group(found.let_through)}


def _desk(config: Path | None, data: Path | None) -> Desk:
    if config is None and data is None:
        raise ConfigError("give either -c FILE or --data DIR")
    return Desk(settings_of(config, data), SystemClock())
