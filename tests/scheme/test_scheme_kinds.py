"""What a message is, what it must carry, what an answer means: the tables and their lookups."""

from itertools import combinations

import pytest

from posswitch.base.codes import APPROVALS, CODES
from posswitch.codec import Message
from posswitch.scheme.interbank import mac_text
from posswitch.scheme.kinds import (
    ECHO,
    HOP_CODES,
    KINDS,
    OUTCOME_UNKNOWN,
    REVERSAL,
    REVERSAL_DONE,
    REVERSAL_UNKNOWN,
    SALE,
    SIGN_ON,
    answer_mti,
    batch_of,
    is_request,
    kind_from_terminal,
    missing_field,
    text,
    texts,
)

FIELDS = dict.fromkeys(range(2, 65), "x")


def told(mti="0200", f3="000000", f25="00", f60="22000001") -> tuple[str, dict[int, str]]:
    return mti, {3: f3, 25: f25, 60: f60}


def without(*gone) -> dict[int, str]:
    return {number: "x" for number in FIELDS if number not in gone}


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (told(), SALE),
        (told("0400"), REVERSAL),
        (told("0800", f60="00000001003"), SIGN_ON),
        (told("0820", f60="00000001301"), ECHO),
        (told("0800", "", "", "00000001003"), SIGN_ON),
        (told(f3="200000"), None),
        (told(f25="06"), None),
        (told(f60="25000001"), None),
        (told(f60=""), None),
        (told("0100"), None),
        (told("0201"), SALE),
        (told("0401"), REVERSAL),
        (told("0203"), None),
        (told("0800", f60="00000001001"), SIGN_ON),
        (told("0800", f60="00000001004"), SIGN_ON),
        (told("0800", f60="00000001002"), None),
        (told("0800"), None),
    ],
)
def test_a_kind_is_named_by_mti_and_fields(asked, kind):
    assert kind_from_terminal(*asked) is kind


def test_a_message_without_fields_is_of_no_kind():
    for mti in ("0200", "0400", "0800", "0820", ""):
        assert kind_from_terminal(mti, {}) is None


def test_no_two_kinds_look_alike():
    assert len({kind.terminal for kind in KINDS}) == len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_mandatory_field_is_missed(kind):
    assert missing_field(kind, without()) is None
    for field in kind.need:
        assert missing_field(kind, without(field)) == field
    for first, second in combinations(kind.need, 2):
        assert missing_field(kind, without(first, second)) == first


def test_one_of_two_is_enough():
    assert missing_field(SALE, without(2)) is None
    assert missing_field(SALE, without(35)) is None
    assert missing_field(SALE, without(2, 35)) == 2


def test_money_moves_only_under_a_mac():
    for kind in KINDS:
        assert kind.mac or not kind.bank


@pytest.mark.parametrize(
    ("mti", "answer"),
    [
        ("0100", "0110"),
        ("0200", "0210"),
        ("0201", "0210"),
        ("0220", "0230"),
        ("0221", "0230"),
        ("0400", "0410"),
        ("0420", "0430"),
        ("0421", "0430"),
        ("0800", "0810"),
        ("0820", "0830"),
    ],
)
def test_an_answers_mti(mti, answer):
    assert answer_mti(mti) == answer
    assert is_request(mti)
    assert not is_request(answer)


def test_the_batch_and_texts_of_a_message():
    assert batch_of({60: "22123456001"}) == "123456"
    assert batch_of({}) == ""
    assert text(Message("0200", {4: "1", 52: b"pin"}), 4) == "1"
    assert text(Message("0200", {4: "1", 52: b"pin"}), 52) == ""
    assert text(Message("0200", {}), 4) == ""
    assert texts(Message("0200", {4: "1", 52: b"pin"})) == {4: "1"}


def test_words_about_outcomes_do_not_contradict_each_other():
    assert OUTCOME_UNKNOWN.isdisjoint(APPROVALS)
    assert OUTCOME_UNKNOWN.isdisjoint(HOP_CODES)
    assert REVERSAL_DONE.isdisjoint(REVERSAL_UNKNOWN)
    assert APPROVALS.isdisjoint(HOP_CODES)
    assert APPROVALS.isdisjoint(HOP_CODES.values())
    assert {*HOP_CODES, *HOP_CODES.values(), *OUTCOME_UNKNOWN, *REVERSAL_UNKNOWN} <= set(CODES)


def test_what_a_mac_covers_towards_banks():
    fields = {2: "PAN", 3: "000000", 4: "1", 5: "no", 7: "F7", 11: "000001", 39: "00", 52: b"pin", 70: "301"}
    assert list(mac_text(Message("0210", fields))) == ["0210", "PAN", "000000", "1", "F7", "000001", "00"]
    assert list(mac_text(Message("0820", fields))) == ["0820", "F7", "000001", "00", "301"]


def test_of_the_original_only_the_first_20_digits_are_covered():
    reversal = Message("0420", {90: "0200" + "000017" + "0615100000" + "1" * 22})
    assert list(mac_text(reversal)) == ["0420", "02000000170615100000"]
