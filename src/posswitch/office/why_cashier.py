"""The cashier's sentence: one line of a slip or of field 63, and nothing that makes anybody pay twice."""

from posswitch.base.codes import lookup
from posswitch.codec.wording import Words
from posswitch.office.why_evidence import Evidence, Money, Outcome
from posswitch.office.why_words import TEXTS, amount_words, by_flow, code_text, said, soon_text

ZH_MAX, EN_MAX = 40, 80  # characters of a slip's line
F63_BYTES_MAX = 60  # of GB 18030, what field 63 has for the cashier
_ROOM = "cashier"
_PLAIN = {
    Outcome.ADVISING: "advice",
    Outcome.UNANSWERED: "unanswered",
    Outcome.UNDER_WAY: "under-way",
    Outcome.REVERSING: "reversing",
    Outcome.REVERSED: "reversed",
    Outcome.NEEDS_OWNER: "needs-owner",
    Outcome.NEVER_CAME: "never-came",
}
# What the centre says of itself instead of the code's usual meaning; from guards nobody shall learn anything.
_OWN = {"centre": ("not-sent",), "route": ("no-way",), "no-link": ("no-way",), "guard": ("refused-short",)}
_REFUSED = ("refused", "refused-short")  # from the fullest to the shortest: the first that fits is said


def cashier(evidence: Evidence) -> Words:
    """What the cashier reads: at most ZH_MAX characters in Chinese, fit for field 63; EN_MAX in English."""
    amount = amount_words(evidence.amount_minor, evidence.currency)
    if evidence.outcome in (Outcome.DECLINED, Outcome.REFUSED, Outcome.NOT_SENT):
        return _refused(evidence)
    if evidence.outcome is Outcome.APPROVED:
        late = by_flow(_ROOM, "undone-later", evidence)
        if evidence.money is Money.UNDONE_LATER and (_ROOM, late) in TEXTS:
            return said(_ROOM, late, a=amount)
        return said(_ROOM, by_flow(_ROOM, "stands", evidence), a=amount)
    what = "stood-in" if evidence.reason == "stood-in" else _PLAIN[evidence.outcome]
    return said(_ROOM, by_flow(_ROOM, what, evidence), a=amount, t=_known(evidence))


def _known(evidence: Evidence) -> Words:
    """When it is known at the latest; what should have been known by now waits for the node."""
    if evidence.known_by_ns <= evidence.now_ns:
        return said(_ROOM, "when-back")
    return said(_ROOM, "by", t=soon_text(evidence.known_by_ns, evidence.now_ns))


def _refused(evidence: Evidence) -> Words:
    row = lookup(evidence.code)
    values: dict[str, Words | str] = {
        "no": said(_ROOM, by_flow(_ROOM, "not", evidence)),
        "code": code_text(evidence.code),
        "then": said(_ROOM, f"then.{evidence.retry}"),
    }
    forms = _OWN.get(evidence.reason, _REFUSED if row is not None else _REFUSED[1:])
    if row is not None:
        zh, en = row.meaning_zh.rstrip("。"), row.meaning_en.rstrip(".")
        values["meaning"] = Words(zh.partition("（")[0], en)
    lines = [said(_ROOM, form, **values) for form in forms]
    zh = next((line.zh for line in lines if len(line.zh.encode("gb18030")) <= F63_BYTES_MAX), lines[-1].zh)
    return Words(zh, next((line.en for line in lines if len(line.en) <= EN_MAX), lines[-1].en))
