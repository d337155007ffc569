"""An incident in words for each who asks: the first line, cashier, operator, bank, customer; the evidence."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from posswitch.base.errors import PosswitchError
from posswitch.base.moment import clock_text, stamp
from posswitch.diagnose.headline import began_ns, headline, over, title
from posswitch.diagnose.incident import Deed, Guess, Incident, Phase, Tier
from posswitch.diagnose.observed import (
    SEMICOLON,
    finished,
    guess_words,
    observations,
    ruled_words,
    where_slots,
)
from posswitch.diagnose.phrases import DEEDS, LANGS, Kind, fill, kind_of
from posswitch.diagnose.places import (
    NO_CONTACTS,
    NO_NAMES,
    Contact,
    Contacts,
    Names,
    bank_of,
    link_index,
    spaced,
    target_words,
)

LIKELY_MIN = 0.01  # a guess that is less likely is not told
EVIDENCE_MAX = 3  # observations in a message to a bank
_NOTE_MAX = 120
_NO_BANK = "BANK"  # in a command, where the place belongs to none
_AND = {"zh": "、", "en": ", "}
_NOBODY = {"zh": "值班人员", "en": "the duty desk"}
_STATES = {
    "proposed": ("建议", "proposed"),
    "running": ("进行中", "under way"),
    "worked": ("已完成", "done"),
    "failed": ("未奏效", "did not help"),
    "undone": ("已撤回", "taken back"),
    "refused": ("未执行", "not done"),
}
_NEXT = {
    Phase.SUSPECT: ("证据还不够，继续观察", "Watching on: the evidence does not suffice yet"),
    Phase.CONFIRMED: ("原因已确定，正在选择处置", "The cause is established, the remedy is being chosen"),
    Phase.MITIGATING: ("处置已开始，随后核对效果", "The remedy is under way, its effect is checked next"),
    Phase.VERIFYING: (
        "正在核对是否恢复，恢复后自动结束",
        "Being verified: it closes by itself once all is well",
    ),
    Phase.ROLLED_BACK: (
        "处置未奏效并已撤回，需要人工",
        "The remedy failed and was taken back: a person is needed",
    ),
}
_TIERS = {Tier.AUTOMATIC: ("自动", "automatic"), Tier.PROPOSED: ("人工", "by a person")}
_DONE = {
    "zh": "{title}[（{target}）]：{state}，{time}[，{tier}][。{note}]",
    "en": "{title}[ ({target})]: {state}, {time}[, {tier}][. {note}]",
}
_PROPOSED = {"zh": "{title}[（{target}）][：{does}]", "en": "{title}[ ({target})][: {does}]"}
_FORBIDDEN = {"zh": "不要{title}[（{target}）][：{never}]", "en": "Not this: {title}[ ({target})][. {never}]"}


class Explained(NamedTuple):
    """An incident for each who asks, in one language; empty where there is nothing to say."""

    title: str
    headline: str  # as it would stand alone on the first screen
    sentence: str  # what is happening
    cashier: str
    operator: tuple[str, ...]  # step by step
    never: tuple[str, ...]
    bank: str  # the message that is ready to be sent
    customer: str
    likely: tuple[str, ...]  # causes that remain, as they are ranked
    supports: tuple[str, ...]
    opposes: tuple[str, ...]
    ruled_out: tuple[str, ...]
    done: tuple[str, ...]
    next: tuple[str, ...]
    after: tuple[str, ...]  # once it is over
    known: str


def explained(
    incident: Incident,
    lang: str,
    names: Names = NO_NAMES,
    contacts: Contacts = NO_CONTACTS,
    lost: int | None = None,
) -> Explained:
    """The incident for everybody; PosswitchError on a language that is not known."""
    if lang not in LANGS:
        raise PosswitchError(f"language {lang!r} is not known: use zh or en")
    kind, where = kind_of(incident.kind), where_slots(incident.place, lang, names)
    slots = {
        **where,
        "since": _since(incident),
        "affected": _affected(incident),
        "bank": bank_of(incident.place) or _NO_BANK,
    }
    seen = observations(incident.supports, where["place"], lang, names)
    against = observations(incident.opposes, where["place"], lang, names)
    forbidden = [deed for deed in incident.deeds if deed.tier is Tier.FORBIDDEN]
    allowed = [deed for deed in incident.deeds if deed.tier is not Tier.FORBIDDEN]
    return Explained(
        title=title(incident, lang, names),
        headline=headline([incident], lang, names, lost) if incident.open else over(incident, lang, names),
        sentence=finished(fill(kind.say("sentence", lang), slots), lang),
        cashier=kind.say("cashier", lang),
        operator=_steps(kind, "operator", lang, slots),
        never=(kind.say("never", lang), *(_offered(deed, _FORBIDDEN, lang, names) for deed in forbidden)),
        bank=_message(incident, kind, lang, {**where, "evidence": _few(seen, lang)}, contacts),
        customer=kind.say("customer", lang),
        likely=tuple(guess_words(guess, incident.place, lang, names) for guess in _remaining(incident)),
        supports=tuple(finished(row, lang) for row in seen),
        opposes=tuple(finished(row, lang) for row in against),
        ruled_out=tuple(ruled_words(guess, incident.place, lang, names) for guess in incident.ruled_out),
        done=tuple(_did(deed, lang, names) for deed in allowed if deed.state != "proposed"),
        next=_next(incident, kind, allowed, lang, names),
        after=_steps(kind, "after", lang, slots),
        known=kind.say("known", lang),
    )


def _remaining(incident: Incident) -> list[Guess]:
    """The guesses that are worth a line."""
    out = {guess.kind for guess in incident.ruled_out}
    return [one for one in incident.guesses if one.probability >= LIKELY_MIN and one.kind not in out]


def _next(incident: Incident, kind: Kind, deeds: Sequence[Deed], lang: str, names: Names) -> tuple[str, ...]:
    """What is proposed and what follows by itself; once it is over, what remains to be done."""
    if not incident.open:
        return _steps(kind, "after", lang, {})
    proposed = [_offered(deed, _PROPOSED, lang, names) for deed in deeds if deed.state == "proposed"]
    return (*proposed, _NEXT[incident.phase][LANGS.index(lang)])


def _since(incident: Incident) -> str:
    """The clock, with the day when it was another."""
    began, now = stamp(began_ns(incident)), stamp(incident.changed_ns)
    time = _clock(began_ns(incident))
    return time if began.day == now.day else f"{began.date[:2]}-{began.date[2:]} {time}"


def _clock(at_ns: int) -> str:
    time = stamp(at_ns).time
    return f"{time[:2]}:{time[2:4]}:{time[4:]}"


def _affected(incident: Incident) -> str:
    return f"{incident.affected:,}" if incident.affected else ""


def _few(seen: Sequence[str], lang: str) -> str:
    return SEMICOLON[lang].join(seen[:EVIDENCE_MAX])


def _steps(kind: Kind, column: str, lang: str, slots: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(finished(fill(step, slots), lang) for step in kind.say(column, lang).split("|"))


def _deed_slots(deed: Deed, lang: str, names: Names) -> dict[str, str]:
    row = DEEDS.get(deed.action)
    if row is None:  # of another version
        return {"title": deed.action, "target": target_words("", deed.target, lang)}
    said = {column: row.say(column, lang) for column in ("title", "does", "never")}
    return {**said, "target": target_words(row.of, deed.target, lang, names)}


def _offered(deed: Deed, form: Mapping[str, str], lang: str, names: Names) -> str:
    return spaced(fill(form[lang], _deed_slots(deed, lang, names)), lang)


def _did(deed: Deed, lang: str, names: Names) -> str:
    side = LANGS.index(lang)
    more = {
        "state": _STATES[deed.state][side] if deed.state in _STATES else deed.state,
        "time": _clock(deed.at_ns),
        "tier": _TIERS[deed.tier][side] if deed.tier in _TIERS else "",
        "note": " ".join(deed.note.split())[:_NOTE_MAX],
    }
    return spaced(fill(_DONE[lang], {**_deed_slots(deed, lang, names), **more}), lang)


def _message(incident: Incident, kind: Kind, lang: str, said: Mapping[str, str], contacts: Contacts) -> str:
    """What is ready to be sent to the bank or carrier."""
    contact = contacts.get(bank_of(incident.place) or incident.place.get("source", ""), Contact())
    index = link_index(incident.place.get("link", ""))
    circuits = contact.circuits if index is None else contact.circuits[index : index + 1]
    slots = {
        **said,
        "since": clock_text(began_ns(incident)),
        "affected": _affected(incident),
        "circuit": _AND[lang].join(filter(None, circuits)),
        "contact": str(contact) or _NOBODY[lang],
    }
    return spaced(fill(kind.say("bank", lang), slots), lang)
