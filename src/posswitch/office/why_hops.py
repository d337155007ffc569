"""The steps of a payment's way as sentences: each with its time, or that no record has it."""

from posswitch.base.moment import NS_PER_MS
from posswitch.codec.wording import Words
from posswitch.office.why_evidence import Evidence, Hop
from posswitch.office.why_notes import note_words
from posswitch.office.why_words import NO_WORDS, bank_words, code_text, code_words, fine_text, said

_ROOM, _LINES = "hop", "hop-line"
_PEOPLE = "owner-"  # whose words are not the engine's
_FULL_CODE = ("told-", "bank-", "refused", "not-sent", "advice-refused")


def hop_words(evidence: Evidence, hop: Hop) -> Words:
    """One step: when, by which record, what."""
    note = Words(hop.note, hop.note) if hop.what.startswith(_PEOPLE) else note_words(hop.note)
    what = said(
        _ROOM,
        hop.what,
        code=code_words(hop.code) if hop.what.startswith(_FULL_CODE) else code_text(hop.code),
        note=note,
        by=hop.by,
        bank=bank_words(evidence),
        more=Words(f"（{note.zh}）", f" ({note.en})") if hop.note else NO_WORDS,
        heard=NO_WORDS if _heard(evidence, hop) else said(_LINES, "unheard"),
    )
    return said(_LINES, "line" if hop.seq else "line-alone", at=_at(hop), seq=hop.seq, what=what)


def _heard(evidence: Evidence, hop: Hop) -> bool:
    return all(told.heard for told in evidence.told if (told.seq, told.to) == (hop.seq, "payment"))


def _at(hop: Hop) -> Words:
    if hop.at_ns:
        return Words(fine_text(hop.at_ns), fine_text(hop.at_ns))
    at_ns = hop.after_ns or hop.before_ns
    return said(_LINES, "after" if hop.after_ns else "before", at=fine_text(at_ns))


def waits_words(evidence: Evidence) -> Words:
    """What the node measured of it, or that this is not kept."""
    waits = evidence.waits
    if waits is None:
        return said(_LINES, "no-waits")
    bank = said(_LINES, "at-bank", ms=_ms(waits.bank_us)) if waits.bank_us else NO_WORDS
    return said(_LINES, "waits", wait=_ms(waits.wait_us), bank=bank, at=fine_text(waits.told_ns))


def _ms(us: int) -> str:
    return f"{us * 1000 / NS_PER_MS:.1f}"
