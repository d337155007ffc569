"""The tables behind the texts: nothing missing, nothing idle, Chinese for all that the engine notes."""

import re
from pathlib import Path

import pytest

from posswitch import engine
from posswitch.cli import why as why_command
from posswitch.edge import dress
from posswitch.engine.lifecycle import LIFE
from posswitch.office import why_notes, why_words
from posswitch.office.why_cashier import F63_BYTES_MAX
from posswitch.office.why_evidence import Decider, Money, Outcome, Place, Retry
from posswitch.office.why_find import WAYS
from posswitch.office.why_track import _REPEATS
from posswitch.scheme.kinds import PAYMENT_KINDS

SOURCES = "".join(
    path.read_text(encoding="utf-8") for path in sorted((Path(why_words.__file__).parent).glob("why*.py"))
) + Path(why_command.__file__).read_text(encoding="utf-8")
FAMILIES = {
    ("operator", "outcome"): set(Outcome),
    ("operator", "decided"): set(Decider),
    ("operator", "made"): set(Place),
    ("operator", "money"): set(Money),
    ("operator", "next"): set(Outcome),
    ("word", "kind"): set(PAYMENT_KINDS),
    ("word", "state"): {*LIFE.values()},
    ("find", "title"): set(why_command.REGISTERS),
}


@pytest.mark.parametrize("family", FAMILIES, ids=".".join)
def test_every_member_of_a_family_has_its_words(family):
    room, prefix = family
    keys = {key.removeprefix(f"{prefix}.") for where, key in why_words.TEXTS if where == room}
    assert FAMILIES[family] <= keys


@pytest.mark.parametrize("row", why_words.TEXTS, ids=".".join)
def test_every_text_is_in_use_and_in_both_languages(row):
    _, key = row
    first, _, rest = key.partition(".")
    made = f'"{first}"', f'"{first}.', f"'{first}.", f'"{first.partition("-")[0]}-{{'
    assert any(way in SOURCES for way in made), "nobody says this"
    last = rest.split(".")[-1]
    members = {*why_words.Flow, *Outcome, *Decider, *Place, *Money, *Retry, *PAYMENT_KINDS, *LIFE.values()}
    assert not rest or last in members or f'"{last}"' in SOURCES, "nobody says this"
    zh, en = why_words.TEXTS[row]
    assert re.search(r"[\u4e00-\u9fff]|^\{", zh)
    assert en.isascii()
    assert set(re.findall(r"\{\w+\}", zh)) == set(re.findall(r"\{\w+\}", en)), "other places in each language"


def test_every_outcome_has_its_question_to_the_bank_or_nothing_was_sent():
    never_sent = {Outcome.REFUSED, Outcome.NOT_SENT, Outcome.NEVER_CAME}
    asked = {key.partition(".")[2] for room, key in why_words.TEXTS if key.startswith("question.")}
    assert asked == set(Outcome) - never_sent


ENGINE = Path(engine.__file__).parent
_SAID = re.compile(
    r'"(?:\d\d)", (f?)"([a-z][^"]+)"|why=(f?)"([a-z][^"]+)"|return (f?)"(the [^"]+|no [^"]+|too [^"]+)"'
)
_PLACES = {
    "first.kind": "refund", "kind.name": "void", "row.state": "reversed", "event.code": "05",
    "differs": "field 4", "pause.reason": "night", "COMPLETION_PERCENT_MAX": "115", "request.barred": "pace",
    "row.id": "shop",
}  # fmt: skip


def engine_notes():
    """Whatever the engine says of a payment, with values in its places."""
    for path in sorted(ENGINE.glob("*.py")):
        if path.name in ("batch.py", "invariants.py", "grounds.py", "replay.py"):
            continue  # of batches, and of journals that are not right
        for match in _SAID.finditer(path.read_text(encoding="utf-8")):
            text = next(group for group in match.groups()[1::2] if group)
            if text in _REPEATS or text.startswith("too late"):
                continue  # they are steps of their own
            yield re.sub(r"\{([^}]*)\}", lambda found: _PLACES.get(found[1], "7"), text)


def test_everything_that_the_engine_notes_has_chinese_words():
    notes = sorted(set(engine_notes()))
    assert len(notes) >= 25
    assert [note for note in notes if not re.search(r"[\u4e00-\u9fff]", why_notes.note_words(note).zh)] == []


def test_what_nobody_knows_stays_as_it_is():
    assert why_notes.note_words("something new").zh == "something new"
    assert why_notes.note_words("") == ("", "")
    zh = why_notes.note_words("stand-in: no link to the bank; on trial, limit a: 7 of 7 today").zh
    assert zh == "代授权：没有可用的银行线路；试行：限额 a：今日已7次，最多7次"


def test_each_way_to_ask_is_another():
    assert len({must for must, _ in WAYS}) == len(WAYS)


def test_the_cashiers_line_has_the_room_of_field_63():
    assert F63_BYTES_MAX == dress._CASHIER_BYTES
