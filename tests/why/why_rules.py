"""What must hold for every text about a payment, whatever became of it."""

import re

from posswitch.office.why_cashier import EN_MAX, F63_BYTES_MAX, ZH_MAX
from posswitch.office.why_evidence import Evidence, Retry, Safe

# Whatever could make a cashier take the money once more.
_INVITES_ZH = re.compile(r"可另|可重|请更正|请换|稍后|重试|再试|再次|重做")
_INVITES_EN = re.compile(
    r"\btry\b|\bagain\b|\bretry\b|\banew\b|\bnew (one|payment|void|refund)\b|another|\blater\b|correct it",
    re.IGNORECASE,
)
_NOT_YET = frozenset({Retry.DONE, Retry.WAIT})
_LEFT_OPEN = re.compile(r"[{}]|None|\bnan\b|\\n")
_ENGLISH = re.compile(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_CARD = re.compile(r"(?<![\d.])\d{13,19}(?!\d)")


def wording_faults(evidence: Evidence, texts: dict[str, tuple[str, str]]) -> list[str]:
    """Everything that is wrong with what is said of a payment."""
    found = [f"{name}: {fault}" for name, said in texts.items() for fault in _both_languages(*said)]
    found += [
        f"{name}: a card number: {card}"
        for name, said in texts.items()
        for card in _CARD.findall("".join(said).replace(evidence.merchant, ""))
    ]
    return found + [f"cashier: {fault}" for fault in _cashier(evidence, *texts["cashier"])]


def _both_languages(zh: str, en: str) -> list[str]:
    found = []
    if not zh.strip() or not en.strip():
        found.append("a language is missing")
    if _LEFT_OPEN.search(zh + en):
        found.append(f"a place was not filled: {zh} / {en}")
    if english := _ENGLISH.search(_without_words_of_people(zh)):
        found.append(f"English in Chinese: {english[0]!r} in {zh}")
    if not _CHINESE.search(zh):
        found.append(f"no Chinese: {zh}")
    if chinese := _CHINESE.search(_without_names(en)):
        found.append(f"Chinese in English: {chinese[0]!r} in {en}")
    return found


def _without_words_of_people(zh: str) -> str:
    """What people wrote stands in their own language; a command is a command."""
    return re.sub(r"(认定|要求再通知|没有变化)\S*（.*）|posswitch unknowns", "", zh)


def _without_names(en: str) -> str:
    """Whom to call, and what people wrote, stands in their own language."""
    return re.sub(r"Whom to call.*|record \d+  \S+: .*\(.*\)", "", en)


def _cashier(evidence: Evidence, zh: str, en: str) -> list[str]:
    found = []
    if len(zh) > ZH_MAX or len(en) > EN_MAX:
        found.append(f"too long ({len(zh)}, {len(en)}): {zh} / {en}")
    if len(zh.encode("gb18030")) > F63_BYTES_MAX:
        found.append(f"too long for field 63: {zh}")
    if "\n" in zh + en:
        found.append("more than one line")
    if evidence.retry in _NOT_YET:
        invites = _INVITES_ZH.search(zh) or _INVITES_EN.search(en)
        if invites:
            found.append(f"invites to pay twice ({invites[0]}): {zh} / {en}")
    if evidence.retry is Retry.WAIT:
        if "勿" not in zh or "Do not repeat" not in en:
            found.append(f"does not warn: {zh} / {en}")
        if not re.search("可知|通知", zh) or not re.search("known|be told", en):
            found.append(f"does not say when it will be known: {zh} / {en}")
    if evidence.safe is not Safe.SETTLED and evidence.retry not in _NOT_YET:
        found.append("something is open, and it may be paid once more")
    return found
