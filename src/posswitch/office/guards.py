"""Whom the guards bar, or would: the rows that the node keeps beside its vitals, in words."""

from pathlib import Path
from typing import Any

import apsw
import msgspec

from posswitch.base.errors import OfficeError
from posswitch.base.moment import clock_text
from posswitch.edge.beside import read_beside
from posswitch.edge.guards import GUARD_ROWS_MAX, TABLE
from posswitch.journal.vitals import VITALS
from posswitch.settings.machine import FORCE

_READ = """SELECT guard, scope, subject, mode, first_ns, last_ns, until_ns, times, met, evidence FROM guard
ORDER BY until_ns DESC LIMIT ?"""

# guard → its name, what was seen, what to do
_WORDS = {
    "zh": {
        "card-testing": ("试卡", "大量陌生卡号被拒", "停用并查看该终端；卡号若属实，请联系发卡行"),
        "bin-enumeration": ("枚举卡号", "同一卡 BIN 的陌生卡号大量被拒", "通知该卡的发卡行；核对涉及的商户"),
        "pin-guessing": ("试密码", "密码连续错误", "查看终端与持卡人；若多台终端同时出现，核对 PIN 密钥"),
        "amount-probing": ("试金额", "同一张卡以不同金额反复被拒", "联系商户，询问为何反复尝试"),
        "terminal-pace": (
            "请求过快",
            "同一终端号同时有多笔未应答",
            "若为虚拟终端，把该项设为 shadow；否则停用该终端",
        ),
        "cloned-terminal": (
            "克隆终端",
            "同一终端号从两处交替上送，流水号回退",
            "停用该终端号，检查两处设备，重新装密钥",
        ),
        "two-places": (
            "两处上送",
            "同一终端号在两个地址间往返",
            "若为双线接入可忽略；否则检查是否有克隆终端",
        ),
        "refund-abuse": ("退货过多", "退货远多于消费", "请商户说明；退货专柜可不处理"),
        "reversal-abuse": ("冲正过多", "冲正远多于成立的消费", "检查该终端的线路与收银员操作"),
        "unknown-terminals": (
            "未登记终端",
            "同一地址上送许多未登记的终端号",
            "若为新开终端请先登记；否则封禁该地址",
        ),
        "unreadable-frames": (
            "无法识别的报文",
            "同一地址反复发送无法识别的数据",
            "检查终端协议设置；非终端则封禁该地址",
        ),
    },
    "en": {
        "card-testing": (
            "card testing",
            "many unfamiliar cards were refused",
            "stop the terminal and look at it; if the cards are real, ask their bank",
        ),
        "bin-enumeration": (
            "enumeration of a BIN",
            "many unfamiliar cards of one BIN were refused",
            "tell the bank of these cards; look at the merchants",
        ),
        "pin-guessing": (
            "PIN guessing",
            "PINs were wrong again and again",
            "look at the terminal and the card; if many terminals have it, compare PIN keys",
        ),
        "amount-probing": (
            "amount probing",
            "one card was refused again and again for other amounts",
            "ask the merchant why",
        ),
        "terminal-pace": (
            "too many at once",
            "more requests waited than a terminal can have",
            "a virtual terminal: set this guard to shadow; any other: stop it",
        ),
        "cloned-terminal": (
            "cloned terminal",
            "two places share a terminal's number and pass each other's trace numbers",
            "stop the number, look at both machines, load new keys",
        ),
        "two-places": (
            "two places",
            "a terminal's number comes from two addresses in turn",
            "two lines of one shop are fine; otherwise look for a clone",
        ),
        "refund-abuse": (
            "refunds",
            "far more is given back than sold",
            "ask the merchant; a desk for returned goods is fine",
        ),
        "reversal-abuse": (
            "reversals",
            "far more sales are taken back than stand",
            "look at the terminal's line and at who works there",
        ),
        "unknown-terminals": (
            "unknown terminals",
            "many unregistered terminal numbers came from one address",
            "register new terminals first; ban an address that has none",
        ),
        "unreadable-frames": (
            "unreadable messages",
            "one address sends again and again what nobody can read",
            "correct the terminal's settings; ban an address that is no terminal",
        ),
    },
}
# The same guard, when every place that it has noted is one alone.
_ONE_PLACE = {
    "zh": {
        "cloned-terminal": (
            "流水号回退",
            "同一终端号在同一处上送，流水号反复回退",
            "查看终端是否不等应答就发送，或流水号跳变；若经前置接入，查是否有两台设备共用此号",
        )
    },
    "en": {
        "cloned-terminal": (
            "trace numbers that go back",
            "a terminal's number jumps back again and again at one place",
            "see whether it sends without waiting or its number jumps; behind a front, look for a second one",
        )
    },
}
_SCOPES = {
    "zh": {"terminal": "终端", "merchant": "商户", "bin": "卡 BIN", "card": "卡", "peer": "地址"},
    "en": {"terminal": "terminal", "merchant": "merchant", "bin": "BIN", "card": "card", "peer": "address"},
}
_STANDS = {
    "zh": {
        True: "拦截至 {until}（第 {times} 次），已拒 {met}",
        False: "仅观察：否则拦截至 {until}，会拒 {met}",
        None: "拦截（第 {times} 次）已随节点停止而失效，涉及 {met} 次",
    },
    "en": {
        True: "barred until {until} (bar number {times}), {met} refused",
        False: "in shadow: it would be barred until {until}, {met} refused",
        None: "bar number {times} ended with the node, having met {met}",
    },
}
_SENTENCE = {
    "zh": "{scope} {subject}：{name}，{stands}。自 {first} 起{seen}：{counted}{cards}。处理：{remedy}。",
    "en": "{scope} {subject}: {name}, {stands}. Since {first} {seen}: {counted}{cards}. Do: {remedy}.",
}
_CARDS = {"zh": "；例如卡 {cards}", "en": "; for example {cards}"}


class Barred(msgspec.Struct, frozen=True):
    """One subject of a guard: since when it was counted, until when it is barred, how often, and why.

    `counted`: codes (or pairs of places) and how often; `cards`: fingerprint and last four of some.
    """

    guard: str
    scope: str
    subject: str
    mode: str
    first_ns: int
    last_ns: int
    until_ns: int
    times: int
    met: int
    counted: dict[str, int]
    cards: list[str]


def read_barred(folder: Path) -> list[Barred]:
    """Every row, the latest end first. Raises OfficeError when they cannot be read."""
    try:
        rows = read_beside(folder, TABLE, _READ, GUARD_ROWS_MAX)
        return [_barred(row) for row in rows]
    except (apsw.Error, msgspec.DecodeError, KeyError):
        path = folder / VITALS
        raise OfficeError(f"{path}: cannot be read; it may be deleted while the node is stopped") from None


def _barred(row: tuple[Any, ...]) -> Barred:
    *values, evidence = row
    why = msgspec.json.decode(evidence)
    whole = zip(Barred.__struct_fields__, (*values, why["counted"], why["cards"]), strict=True)
    return Barred(**dict(whole))


def _words(row: Barred, lang: str) -> tuple[str, str, str]:
    """What it is called, what was seen, what to do: two places are said only where two were noted."""
    usual = _WORDS[lang].get(row.guard, (row.guard, "", ""))
    one_place = not any(" " in place for place in row.counted)
    return _ONE_PLACE[lang].get(row.guard, usual) if one_place else usual


def sentence(row: Barred, lang: str, *, running: bool = True) -> str:
    """One row in words, `zh` or `en`; without a running node nobody is barred any more."""
    name, seen, remedy = _words(row, lang)
    until = clock_text(row.until_ns)
    counted = ", ".join(f"{what} × {count}" for what, count in row.counted.items())
    cards = _CARDS[lang].format(cards=", ".join(row.cards)) if row.cards else ""
    return _SENTENCE[lang].format(
        scope=_SCOPES[lang].get(row.scope, row.scope),
        subject=row.subject,
        name=name,
        stands=_STANDS[lang][row.mode == FORCE if running else None].format(
            until=until, times=row.times, met=row.met
        ),
        first=clock_text(row.first_ns),
        seen=seen,
        counted=counted,
        cards=cards,
        remedy=remedy,
    )


def plain(row: Barred) -> dict[str, Any]:
    """One row for machines, with what to do in both languages."""
    remedies = {f"remedy_{lang}": _words(row, lang)[2] for lang in _WORDS}
    return {**msgspec.structs.asdict(row), **remedies}
