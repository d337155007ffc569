"""Field 39: what each response code means, why it happens, and what cashier and operator do about it.

The table is `data/codes.tsv`: ISO 8583:1987 codes and the private ones of Chinese networks.
"""

from importlib.resources import files

import msgspec

from posswitch.base.errors import PosswitchError

RETRIES = ("now", "later", "other-means", "never")
CATEGORIES = (
    "approved", "card", "data", "issuer", "limit", "network", "order", "overload", "security", "system",
)  # fmt: skip


class Code(msgspec.Struct, frozen=True):
    """One response code in words; `retry` (one of RETRIES) says when the same payment may be tried again."""

    code: str
    meaning_en: str
    meaning_zh: str
    cause_en: str
    cause_zh: str
    cashier_en: str
    cashier_zh: str
    operator_en: str
    operator_zh: str
    retry: str
    category: str


def _read() -> dict[str, Code]:
    text = (files("posswitch.base") / "data" / "codes.tsv").read_text(encoding="utf-8")
    head, *rows = (line.split("\t") for line in text.splitlines())
    codes = {row[0]: Code(**dict(zip(head, row, strict=True))) for row in rows}
    assert len(codes) == len(rows), "a code has one row"
    assert all(row.retry in RETRIES and row.category in CATEGORIES for row in codes.values())
    return codes


CODES = _read()
APPROVALS = frozenset(code for code, row in CODES.items() if row.category == "approved")

_AGAIN = {
    "en": {
        "now": "at once, after correcting the cause",
        "later": "later, and only when the outcome of this one is known",
        "other-means": "with another card or means",
        "never": "no",
    },
    "zh": {
        "now": "纠正后可立即重试",
        "later": "稍后，且须先知道本笔结果",
        "other-means": "换卡或换支付方式",
        "never": "不可",
    },
}
_LINES = {
    "en": "{code}: {meaning_en}\nCause: {cause_en}\nCashier: {cashier_en}\n"
    "Operator: {operator_en}\nRetry: {again}",
    "zh": "{code}：{meaning_zh}\n原因：{cause_zh}\n收银员：{cashier_zh}\n运维：{operator_zh}\n重试：{again}",
}
_UNKNOWN = {
    "en": "{code}: not in the table. A decline, never an approval; ask the bank what it means.",
    "zh": "{code}：表中没有。按拒绝处理，绝不视为成功；请向银行询问含义。",
}


def lookup(code: str) -> Code | None:
    """The row of a field 39 value, or None when it is unknown (which is a decline, never an approval)."""
    return CODES.get(code)


def explain_text(code: str, lang: str) -> str:
    """A few lines about a code for people, in `zh` or `en`; PosswitchError on another language."""
    if lang not in _UNKNOWN:
        raise PosswitchError(f"language {lang!r} is not known: use zh or en")
    row = lookup(code.strip().upper())
    if row is None:
        return _UNKNOWN[lang].format(code=code)
    return _LINES[lang].format(again=_AGAIN[lang][row.retry], **msgspec.structs.asdict(row))
