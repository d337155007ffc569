"""The words of a payment's story: `data/why_texts.tsv` in both languages, kinds, amounts, codes and times."""

from enum import StrEnum
from importlib.resources import files

from posswitch.base.amount import CNY, amount_text
from posswitch.base.codes import lookup
from posswitch.base.moment import clock_text, stamp
from posswitch.codec.wording import Words
from posswitch.office.why_evidence import Evidence

NO_WORDS = Words("", "")
CODE_LETTERS = 2


class Flow(StrEnum):
    """What a kind of payment does with the customer's money."""

    CHARGE = "charge"
    HOLD = "hold"
    VOID = "void"
    REFUND = "refund"
    FREE = "free"  # a hold is let go
    ASK = "ask"


FLOWS = {
    "sale": Flow.CHARGE,
    "void": Flow.VOID,
    "refund": Flow.REFUND,
    "balance": Flow.ASK,
    "preauth": Flow.HOLD,
    "preauth-void": Flow.FREE,
    "completion": Flow.CHARGE,
    "completion-void": Flow.VOID,
    "completion-notice": Flow.CHARGE,
    "offline-sale": Flow.CHARGE,
    "stood-in": Flow.CHARGE,
}


def _read() -> dict[tuple[str, str], Words]:
    text = (files("posswitch.office") / "data" / "why_texts.tsv").read_text(encoding="utf-8")
    rows = [line.replace("\\n", "\n").split("\t") for line in text.splitlines()[1:]]
    texts = {(room, key): Words(zh, en) for room, key, zh, en in rows}
    assert len(texts) == len(rows), "a text has one row"
    return texts


TEXTS = _read()  # by register and key


def said(room: str, key: str, **values: Words | str | int) -> Words:
    """A text of the table with its places filled, each in its language."""
    words = TEXTS[room, key]
    zh = {name: value.zh if isinstance(value, Words) else value for name, value in values.items()}
    en = {name: value.en if isinstance(value, Words) else value for name, value in values.items()}
    return Words(words.zh.format(**zh), words.en.format(**en))


def by_flow(room: str, what: str, evidence: Evidence) -> str:
    """The key of what is said of this kind of payment, or of every other."""
    key = f"{what}.{FLOWS[evidence.kind]}"
    return key if (room, key) in TEXTS else what


def kind_words(kind: str) -> Words:
    """The name of a kind of payment."""
    return TEXTS["word", f"kind.{kind}"]


def state_words(state: str) -> Words:
    """A state of the lifecycle."""
    return TEXTS["word", f"state.{state}"]


def amount_words(amount_minor: int, currency: str = CNY) -> Words:
    """An amount as each language writes it."""
    text = amount_text(amount_minor, currency)
    return Words(f"{text.removeprefix('CNY ')}元" if currency == CNY else text, text)


def code_text(code: str) -> str:
    """A DE39 as it can be shown: banks may send anything."""
    return code if code.isascii() and code.isalnum() and len(code) == CODE_LETTERS else "??"


def code_words(code: str) -> Words:
    """A DE39 and what it means."""
    row = lookup(code)
    if row is None:
        return said("word", "code-unknown", code=code_text(code))
    return Words(f"{code}（{row.meaning_zh.rstrip('。')}）", f"{code} ({row.meaning_en.rstrip('.')})")


def bank_words(evidence: Evidence) -> Words:
    """A bank's name and number."""
    bank = evidence.bank
    named = Words(f"{bank.name_zh}（{bank.id}）", f"{bank.name_en} ({bank.id})")
    return named if bank.name_zh else Words(f"银行（{bank.id}）", f"bank {bank.id}")


def soon_text(at_ns: int, now_ns: int) -> str:
    """A time near now as short as it can be said: 14:05:33, on another day 12-01 14:05."""
    at = stamp(at_ns)
    if at.day == stamp(now_ns).day:
        return f"{at.time[:2]}:{at.time[2:4]}:{at.time[4:]}"
    return f"{at.date[:2]}-{at.date[2:]} {at.time[:2]}:{at.time[2:4]}"


def fine_text(at_ns: int) -> str:
    """A recorded time, to the millisecond."""
    return clock_text(at_ns, fine=True)
