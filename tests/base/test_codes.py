"""Field 39 in words: complete in both languages, safe for the cashier, and never an approval by accident."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.codes import APPROVALS, CODES, explain_text, lookup
from posswitch.base.errors import PosswitchError

# After these the customer may have been charged, whatever the code alone says.
OUTCOME_MAY_BE_UNKNOWN = ("09", "68", "91", "92", "96", "98")
TRY_AGAIN = re.compile(
    "(?<!not )(try again|start again|retry|swipe again)|(?<!勿)(重试|重刷|重新交易|再试|重做)", re.IGNORECASE
)
COMMON = (
    "00 01 03 04 05 12 13 14 15 22 25 30 38 40 41 51 54 55 58 61 65 68 75 77 90 91 92 94 95 96 97 98 99 A0 A7"
)


# Every value of field 39 that public tables of ISO 8583:1987, Chinese networks and EMV name.
ALL = f"""{COMMON}
02 06 07 08 09 10 11 16 17 18 19 20 21 23 24 26 27 28 29 31 32 33 34 35 36 37 39 42 43 44 45 46 52 53
56 57 59 60 62 63 64 66 67 70 71 76 78 79 80 81 82 83 84 85 86 87 88 89 93 A1 A2 A3 A4 A5 A6 A8 A9 B1
C1 C3 D1 D2 D3 D4 D5 D6 D7 D8 D9 DA DB DC N1 Q1 Y1 Y3 Z1 Z3
"""


def texts(row, lang):
    return {name: text for name, text in msgspec.structs.asdict(row).items() if name.endswith(f"_{lang}")}


def test_every_known_code_is_there():
    assert sorted(ALL.split()) == list(CODES)
    assert len(CODES) == 123


@pytest.mark.parametrize("row", CODES.values(), ids=CODES)
def test_a_row_is_complete_in_both_languages(row):
    assert re.fullmatch("[0-9A-Z]{2}", row.code)
    assert lookup(row.code) is row
    for lang, mark in (("en", "."), ("zh", "。")):
        for name, text in texts(row, lang).items():
            assert text == text.strip(), name
            assert text.endswith((mark, "?", "？")), name
    assert not re.search("[一-鿿]", "".join(texts(row, "en").values()))
    assert all(re.search("[一-鿿]", text) for text in texts(row, "zh").values())


def test_approvals_are_these_and_no_others():
    assert sorted(APPROVALS) == ["00", "08", "10", "11", "16", "A2", "A4", "A5", "A6"]


@pytest.mark.parametrize("code", sorted(APPROVALS))
def test_an_approval_tells_nobody_to_pay_again(code):
    row = CODES[code]
    assert row.retry in ("never", "other-means")
    assert not TRY_AGAIN.search(row.cashier_en + row.cashier_zh)


@pytest.mark.parametrize("code", OUTCOME_MAY_BE_UNKNOWN)
def test_while_the_outcome_may_be_unknown_nobody_is_told_to_try_again(code):
    row = CODES[code]
    assert row.retry == "later"
    assert not TRY_AGAIN.search(row.cashier_en), row.cashier_en
    assert not TRY_AGAIN.search(row.cashier_zh), row.cashier_zh
    assert "not swipe again" in row.cashier_en
    assert "请勿重刷" in row.cashier_zh
    assert "minute" in row.cashier_en, "it says when the outcome will be known"
    assert "分钟" in row.cashier_zh


@pytest.mark.parametrize("told", ["Please try again.", "Retry later.", "稍后重试。", "Swipe again."])
def test_the_search_for_bad_advice_bites(told):
    assert TRY_AGAIN.search(told)


@pytest.mark.parametrize("code", ["", "0", "000", "ZZ", "a0", " 00", "02 "])
def test_an_unknown_code_is_no_approval(code):
    assert lookup(code) is None
    assert code not in APPROVALS


@given(st.text(max_size=3))
def test_only_the_exact_code_approves(code):
    assert (code in APPROVALS) == (code in CODES and CODES[code].category == "approved")


def test_explained_in_either_language():
    assert explain_text("96", "zh").splitlines()[0].startswith("96：")
    assert explain_text(" a0 ", "en").splitlines()[0] == "A0: The message authentication code is wrong."
    for lang in ("zh", "en"):
        for row in CODES.values():
            lines = explain_text(row.code, lang).splitlines()
            assert len(lines) == 5
            assert all(any(text in line for line in lines) for text in texts(row, lang).values())


def test_an_unknown_code_is_explained_as_a_decline():
    assert "decline" in explain_text("ZZ", "en")
    assert "拒绝" in explain_text("{x}", "zh")


def test_another_language_is_refused():
    with pytest.raises(PosswitchError, match="use zh or en"):
        explain_text("00", "fr")


# What the switch itself refuses so, and the command that says more.
OWN_CAUSES = {
    "57": "posswitch limits", "58": "posswitch limits", "59": "posswitch guards",
    "61": "posswitch limits card", "65": "posswitch limits card", "91": "posswitch route",
    "96": "posswitch capacity",
}  # fmt: skip


@pytest.mark.parametrize(("code", "command"), OWN_CAUSES.items())
def test_the_operator_is_shown_the_command_for_causes_of_our_own(code, command):
    assert command in CODES[code].operator_en
    assert command in CODES[code].operator_zh
