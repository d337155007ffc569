"""The ready message to a bank: its own numbers of the payment, what was sent and heard, and one question."""

from posswitch.codec.wording import Words
from posswitch.office.why_evidence import Evidence, Outcome
from posswitch.office.why_words import (
    NO_WORDS,
    TEXTS,
    amount_words,
    bank_words,
    code_words,
    fine_text,
    kind_words,
    said,
)
from posswitch.scheme.kinds import PAYMENT_KINDS, REVERSAL

_ROOM = "bank"


def bank_message(evidence: Evidence) -> Words:
    """What is sent to the payment's bank, masked; or that there is nothing to ask."""
    bank, question = evidence.bank, f"question.{evidence.outcome}"
    if not bank.asked or (_ROOM, question) not in TEXTS:
        return said(_ROOM, "not-asked")
    lines = [_head(evidence)]
    if bank.said:
        lines.append(said(_ROOM, "said", code=code_words(bank.said), at=fine_text(bank.said_ns)))
    elif evidence.outcome is not Outcome.ADVISING:
        lines.append(said(_ROOM, "silent"))
    if bank.reversal_f7:
        stan, at = f"{bank.reversal_stan:06d}", fine_text(bank.reversal_since_ns)
        lines.append(said(_ROOM, "reversal", mti=REVERSAL.bank, stan=stan, f7=bank.reversal_f7, at=at))
    lines.append(said(_ROOM, question))
    return Words("\n".join(line.zh for line in lines), "\n".join(line.en for line in lines))


def _head(evidence: Evidence) -> Words:
    bank = evidence.bank
    return said(
        _ROOM,
        "head",
        bank=bank_words(evidence),
        kind=kind_words(evidence.kind),
        a=amount_words(evidence.amount_minor, evidence.currency),
        card=evidence.card,
        terminal=evidence.terminal,
        merchant=evidence.merchant,
        mti=PAYMENT_KINDS[evidence.kind].bank,
        stan=f"{bank.stan:06d}",
        f7=bank.f7,
        f32=evidence.acquirer,
        f33=evidence.centre,
        rrn=evidence.rrn,
        auth=said(_ROOM, "auth", auth=evidence.auth) if evidence.auth else NO_WORDS,
        at=fine_text(evidence.at_ns),
    )
