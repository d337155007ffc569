"""The one sentence of the first screen: the switch is well, or what is wrong, where, and what was done."""

from collections.abc import Mapping, Sequence
from typing import Any

from posswitch.base.errors import PosswitchError
from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.incident import Incident, Phase
from posswitch.diagnose.observed import SEMICOLON, figure_words, finished, where_slots
from posswitch.diagnose.phrases import DEEDS, LANGS, TILES, fill, kind_of
from posswitch.diagnose.places import NO_NAMES, Names

HEADLINE_MAX = {"zh": 60, "en": 120}  # characters, as far as titles can be left out
_FAULTS = "faults"  # the tile of a node that says nothing
COMMA = {"zh": "，", "en": ", "}
_SILENT = {
    "zh": "异常：节点没有动静，请看它是否在运行",
    "en": "Abnormal: the node says nothing, see whether it runs",
}
_WELL = {"zh": "交换中心正常", "en": "The switch is well"}
_BEGINS = {
    "zh": {"firm": "异常：", "soft": "疑似异常：", "over": "已恢复："},
    "en": {"firm": "Abnormal: ", "soft": "Possibly abnormal: ", "over": "Over: "},
}
_TALLY = {
    "zh": {
        "affected": "{} 笔受影响",
        "lost": "{} 笔丢失",
        "verifying": "正在确认恢复",
        "rolled": "处置未奏效，需要人工",
        "more": "另有 {} 处",
        "lasted": "历时 {}",
    },
    "en": {
        "affected": "{} affected",
        "lost": "{} lost",
        "verifying": "recovery being verified",
        "rolled": "the remedy failed, a person is needed",
        "more": "{} more",
        "lasted": "lasted {}",
    },
}


def title(incident: Incident, lang: str, names: Names = NO_NAMES) -> str:
    """What is wrong and where, as a noun."""
    where = where_slots(incident.place, lang, names)
    return finished(fill(kind_of(incident.kind).say("title", lang), where), lang)


def headline(
    incidents: Sequence[Incident], lang: str, names: Names = NO_NAMES, lost: int | None = None
) -> str:
    """The sentence about all that is open, the worst first; `lost`: payments that are missing, if counted.

    PosswitchError on a language that is not known.
    """
    if lang not in LANGS:
        raise PosswitchError(f"language {lang!r} is not known: use zh or en")
    rows = sorted((one for one in incidents if one.open), key=_urgency)
    if not rows:
        return _WELL[lang]
    tail = COMMA[lang].join(_tally(rows, lang, lost))
    begin = _BEGINS[lang]["soft" if all(one.phase is Phase.SUSPECT for one in rows) else "firm"]
    titles = [*dict.fromkeys(title(one, lang, names) for one in rows)]
    for shown in range(len(titles), 0, -1):
        more = len(titles) - shown
        parts = titles[:shown] + [_TALLY[lang]["more"].format(more)] * bool(more)
        said = begin + COMMA[lang].join(filter(None, (SEMICOLON[lang].join(parts), tail)))
        if len(said) <= HEADLINE_MAX[lang]:
            break
    return said


def first_screen(
    incidents: Sequence[Incident],
    names: Mapping[str, Names],
    *,
    speaks: bool = True,
    lost: int | None = None,
) -> dict[str, Any]:
    """What the first screen shows, as `shelf.read_now` gives it; `names` by language.

    `speaks`: whether the node says how it is; where it does not, nothing is known, and that is no health.
    """
    rows = [one for one in incidents if one.open]
    shown = {tile: [one.number for one in rows if tile in kind_of(one.kind).shown_on] for tile in TILES}
    told = {lang: headline(rows, lang, names.get(lang, NO_NAMES), lost) for lang in LANGS}
    well = {tile: not shown[tile] and (speaks or tile != _FAULTS) for tile in TILES}
    return {
        **{f"sentence_{lang}": told[lang] if speaks else _SILENT[lang] for lang in LANGS},
        "well": speaks and not rows,
        "open": [one.number for one in rows],
        "tiles": {tile: {"well": well[tile], "incidents": shown[tile]} for tile in TILES},
    }


def over(incident: Incident, lang: str, names: Names = NO_NAMES) -> str:
    """The sentence about one that is over: what it was, how much, how long."""
    words = _TALLY[lang]
    said = [title(incident, lang, names)]
    said += [words["affected"].format(f"{incident.affected:,}")] * bool(incident.affected)
    end_ns = incident.closed_ns or incident.changed_ns
    seconds = max(end_ns - began_ns(incident), 0) // NS_PER_S
    said.append(words["lasted"].format(figure_words(seconds, "s", lang)))
    return _BEGINS[lang]["over"] + COMMA[lang].join(said)


def began_ns(incident: Incident) -> int:
    """When it began, as far as is known."""
    return incident.since_ns or incident.opened_ns


def _urgency(incident: Incident) -> tuple[bool, int, int]:
    return incident.phase is Phase.SUSPECT, -incident.affected, incident.number


def _tally(rows: Sequence[Incident], lang: str, lost: int | None) -> list[str]:
    """What follows the titles: how many, how many lost, what was done."""
    words, affected = _TALLY[lang], sum(one.affected for one in rows)
    said = [words["affected"].format(f"{affected:,}")] * bool(affected)
    if lost is not None:
        said.append(words["lost"].format(f"{lost:,}"))
    worked = [deed for one in rows for deed in one.deeds if deed.state == "worked" and deed.action in DEEDS]
    if worked:
        last = max(worked, key=lambda deed: deed.at_ns)
        said.append(DEEDS[last.action].say("done", lang))
    if any(one.phase is Phase.ROLLED_BACK for one in rows):
        said.append(words["rolled"])
    elif all(one.phase is Phase.VERIFYING for one in rows):
        said.append(words["verifying"])
    return said
