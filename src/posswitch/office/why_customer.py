"""The customer's answer: was I charged, is my money safe, when does it come back."""

from posswitch.codec.wording import Words
from posswitch.office.why_evidence import Evidence, Money
from posswitch.office.why_words import FLOWS, TEXTS, Flow, amount_words, said, soon_text

_ROOM = "customer"
_SINCE = {Flow.REFUND: "refunded-since", Flow.CHARGE: "completed-since"}
_STANDING = frozenset({"approved", "advising"})


def customer(evidence: Evidence) -> Words:
    """What the customer is told."""
    amount = amount_words(evidence.amount_minor, evidence.currency)
    by = soon_text(evidence.known_by_ns, evidence.now_ns)
    words = said(_ROOM, _key(evidence), a=amount, by=by)
    if evidence.money is not Money.STANDS:
        return words
    for flow, since in _SINCE.items():
        minor = _built_minor(evidence, flow)
        if minor:
            more = said(_ROOM, since, a=amount_words(minor, evidence.currency))
            words = Words(words.zh + more.zh, words.en + more.en)
    return words


def _key(evidence: Evidence) -> str:
    if evidence.money is Money.PENDING:
        return "pending-late" if evidence.known_by_ns <= evidence.now_ns else "pending"
    key = f"{evidence.money}.{FLOWS[evidence.kind]}"
    return key if (_ROOM, key) in TEXTS else f"{evidence.money}.{Flow.CHARGE}"


def _built_minor(evidence: Evidence, flow: Flow) -> int:
    """What was given back, or at last charged, of it since."""
    built = (one for one in evidence.built if FLOWS[one.kind] is flow and one.state in _STANDING)
    return sum(one.amount_minor for one in built)
