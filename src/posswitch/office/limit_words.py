"""Limits in words, in both languages."""

from posswitch.base.amount import amount_text
from posswitch.base.policy import ALL, CARD, Limit
from posswitch.scheme.kinds import PAYMENT_KINDS, PAYMENTS

_WHOSE = {
    "card": ("每张卡", "each card"),
    "terminal": ("每台终端", "each terminal"),
    "merchant": ("每家商户", "each merchant"),
    "bin": ("每个 BIN 的全部卡", "all cards of each BIN row"),
    "bank": ("每家发卡行的全部卡", "all cards of each bank"),
    ALL: ("整个交换中心", "the centre as a whole"),
}
_MONEY = {
    "single_minor": ("单笔最高 {}", "at most {} at once"),
    "day_minor": ("每日合计最高 {}", "at most {} a day"),
    "month_minor": ("每月合计最高 {}", "at most {} a month"),
}
_COUNTS = {
    "day_count": ("每日最多 {} 笔", "at most {} payments a day"),
    "month_count": ("每月最多 {} 笔", "at most {} payments a month"),
}
ZH, EN = 0, 1


def limit_words(row: Limit, side: int) -> str:
    """What a limit allows whom, as one sentence; `side` is ZH or EN."""
    said = [*_caps(row, side)]
    whose = _WHOSE[row.of][side] + _only(row, side)
    what = ("、", ", ")[side].join(_kind(kind, side) for kind in row.kinds) or _usual(row, side)
    code = _code(row, side)
    trial = ("。试运行：只记录，不拒绝", ". On trial: it only notes whom it would refuse")[side] * row.trial
    if side == ZH:
        return f"{whose}，{what}：{'；'.join(said)}。超出应答 {code}{trial}。"
    return f"{whose}, {what}: {'; '.join(said)}. Beyond it: {code}{trial}."


def _caps(row: Limit, side: int) -> list[str]:
    said = []
    for name, words in _MONEY.items():
        if cap := getattr(row, name):
            said.append(words[side].format(amount_text(cap, row.currency)))
    for name, words in _COUNTS.items():
        if cap := getattr(row, name):
            said.append(words[side].format(f"{cap:,}"))
    if row.burst_count:
        burst = ("任意 {} 秒内最多 {:,} 笔", "in any {} seconds at most {:,} payments")
        said.append(burst[side].format(row.burst_seconds, row.burst_count))
    if row.hours:
        said.append(("只在 {} 之间", "only from {}")[side].format(hours_text(row.hours)))
    if row.refund_percent:
        share = ("退货不超过当日消费的 {} %", "refunds of at most {} % of the day's sales")
        said.append(share[side].format(row.refund_percent))
    return said


def hours_text(hours: str) -> str:
    """`0700-2300` → `07:00-23:00`."""
    return f"{hours[:2]}:{hours[2:4]}-{hours[5:7]}:{hours[7:]}"


def _only(row: Limit, side: int) -> str:
    if not row.only:
        return ""
    begins = " ".join(row.only)
    if row.of == CARD:
        return (f"（卡 BIN 以 {begins} 开头）", f" (whose BIN begins with {begins})")[side]
    return (f"（以 {begins} 开头）", f" (beginning with {begins})")[side]


def _usual(row: Limit, side: int) -> str:
    """Without `kinds`: what takes money from a card, and refunds where it is about them."""
    kinds = [kind.name for kind in PAYMENTS if kind.limited]
    kinds += ["refund"] * bool(row.refund_percent)
    return ("、", ", ")[side].join(_kind(kind, side) for kind in kinds)


def _kind(name: str, side: int) -> str:
    return PAYMENT_KINDS[name].name_zh if side == ZH else name


def _code(row: Limit, side: int) -> str:
    """The DE39 of each of its caps."""
    if row.code:
        return row.code
    money = row.single_minor or row.day_minor or row.month_minor or row.refund_percent
    counts = row.day_count or row.month_count or row.burst_count
    codes = ["61"] * bool(money) + ["65"] * bool(counts)
    if row.hours:
        codes.append("58" if row.of in ("terminal", "merchant") else "57")
    return ("、", ", ")[side].join(codes)
