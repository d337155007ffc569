"""Diagnosis in words: complete in both languages, safe at the till, nothing left open, nothing made up."""

import importlib
import re
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import PosswitchError
from posswitch.diagnose.facts import RULES
from posswitch.diagnose.headline import HEADLINE_MAX, first_screen, headline
from posswitch.diagnose.incident import Deed, Evidence, Guess, Incident, Phase, Tier
from posswitch.diagnose.observed import figure_words
from posswitch.diagnose.phrases import (
    CAUSES,
    DEEDS,
    FEATURES,
    INCONCLUSIVE,
    KINDS,
    LANGS,
    TILES,
    UNEXPLAINED,
    cause_words,
    fill,
    kind_of,
    mistakes,
)
from posswitch.diagnose.places import Contact, at_words, contacts_of, line_words, names_of, place_words
from posswitch.diagnose.signals import Dim
from posswitch.diagnose.suspects import SUSPECTS
from posswitch.diagnose.words import explained
from posswitch.settings.config import load_config
from posswitch.sim.city import build_city

ROOT = Path(__file__).parents[2]
REFERENCE = next(
    (
        path
        for folder in (ROOT.parent, ROOT.parent.parent)  # a checkout, or a worktree one folder deeper
        if (path := folder / "shared" / "reference" / "anomalies.tsv").exists()
    ),
    None,
)
CAUSE_OF_GROUP = {
    "system_fault": "fault",
    "crypto": "key",
    "time": "clock",
    "issuer": "bank",
    "other": "data",
}
OTHERWISE = {  # who has to act decides: the reference groups by what it looks like
    "sys-issuer-96-remote": "bank",
    "gen-code-unknown": "bank",
    "sys-hsm-down": "fault",
    "sys-hsm-slow": "fault",
    "time-cutover": "clock",
    "time-cutover-stuck": "clock",
}
MAY_BE_CHARGED = {"09", "68", "91", "92", "96", "98"}  # codes after which nobody knows
TRY_AGAIN = re.compile(
    "(?<!not )(try again|start again|retry|swipe again)|(?<!勿)(重试|重刷|重新交易|再试|重做)", re.IGNORECASE
)
HAN = re.compile("[一-鿿]")
ALL_KINDS = {**KINDS, INCONCLUSIVE: UNEXPLAINED}
NAMES = {
    "zh": {("bank", "90020000"): "乙银行", ("merchant", "898100"): "解放路超市"},
    "en": {("bank", "90020000"): "Bank B", ("merchant", "898100"): "Jiefang Road Market"},
}
PLACES = (
    {},
    {"bank": "90020000"},
    {"bank": "90020000", "link": "90020000/1"},
    {"link": "90020000/1"},
    {"bin": "629002/16"},
    {"merchant": "898100"},
    {"terminal": "10000001"},
    {"region": "华东"},
    {"source": "front-1"},
    {"model": "NL-8210/1.2"},
    {"kind": "sale"},
    {"entry": "051"},
    {"node": ""},
    {"bank": "90020000", "entry": "051"},
    {"bank": "90020000", "region": "华东", "kind": "refund"},
)
AT_NS = 1_800_000_000_000_000_000  # 2027-01-15 16:00:00 in Beijing
S = 1_000_000_000
OUTCOME_FEATURES = [
    "fast-refusals", "no-answer", "slow-answers", "bank-says-91", "bank-says-96", "here-96", "shed-96",
    "mac-wrong", "pin-wrong", "pin-block-wrong", "format", "order-mismatch", "duplicates", "batch", "limit",
    "declines", "no-money", "bad-card", "stolen", "unknown-terminal", "cutover", "volume-low",
    "volume-gone", "volume-high", "repeats", "many-cards", "few-cards-many-tries", "small-amounts",
    "one-terminal", "many-terminals", "chip-only", "big-messages-only", "only-this-bank", "all-banks",
    "only-this-model", "one-region", "changed-before", "others-are-well", "links-are-up", "echo-works",
    "began-suddenly", "began-slowly", "comes-and-goes",
]  # fmt: skip
DEED_NAMES = [
    "fence-link", "restore-link", "pause-route", "resume-route", "shed", "ban-source",
    "quarantine-terminal", "rekey-bank", "sign-on-again", "reverse-unknowns", "pause-merchant", "stand-in",
    "notify", "restart-node",
]  # fmt: skip
TILE_NAMES = [
    "network", "overload", "faults", "data", "attack", "stability", "transmission", "limits", "orders",
    "feedback",
]  # fmt: skip


def evidence(name, weight=1.0, **figures):
    return Evidence(name, figures, weight)


def deed(action, target, state="worked", tier=Tier.AUTOMATIC, at_ns=AT_NS + 5 * S, note=""):
    return Deed(action, target, tier, state, at_ns, note)


FENCED = deed("fence-link", "90020000/1", note="4 of 4 probes")


def incident(kind="net-one-way", place=None, phase=Phase.MITIGATING, **more):
    place = {"bank": "90020000"} if place is None else place
    cause = kind_of(kind).cause
    return Incident(
        **{
            "number": 1,
            "phase": phase,
            "kind": kind,
            "cause": cause,
            "place": place,
            "since_ns": AT_NS,
            "opened_ns": AT_NS + S,
            "changed_ns": AT_NS + 9 * S,
            "affected": 312,
            **more,
        }
    )


def full(kind, place, phase=Phase.MITIGATING):
    """An incident with something in every part."""
    return incident(
        kind,
        place,
        phase,
        guesses=(Guess(kind, "", 0.83), Guess("iss-slow", "bank", 0.12)),
        supports=(
            evidence("link-silent", figure=2300.0, place="link 90020000/1"),
            evidence("others-are-well"),
        ),
        opposes=(evidence("slow-answers", -1.0, figure=0.02), evidence("all-banks", figure=4)),
        ruled_out=(Guess("sys-hsm-down", "key", 0.01, ("hsm-down",)),),
        deeds=(
            FENCED,
            deed("pause-route", "90020000", "proposed", Tier.PROPOSED),
            deed("restart-node", "", "proposed", Tier.FORBIDDEN),
        ),
    )


def said(told):
    """Every text of what is explained."""
    for name, value in told._asdict().items():
        for text in (value,) if isinstance(value, str) else value:
            yield name, text


# The tables


def test_every_kind_feature_deed_and_tile_is_there():
    assert len(KINDS) >= 92
    assert INCONCLUSIVE not in KINDS
    assert set(FEATURES) >= {*RULES, *OUTCOME_FEATURES}
    assert list(DEEDS) == DEED_NAMES
    assert list(TILES) == TILE_NAMES
    assert [row.demand for row in TILES.values()] == [f"{part}{n}" for part in "AB" for n in range(1, 6)]


def test_kinds_agree_with_the_reference():
    if REFERENCE is None:
        pytest.skip("the reference does not lie beside the repository")
    head, *lines = (line.split("\t") for line in REFERENCE.read_text().splitlines())
    rows = [dict(zip(head, line, strict=True)) for line in lines]
    assert {row["id"] for row in rows} <= set(KINDS)
    for row in rows:
        kind, group = KINDS[row["id"]], row["group"]
        assert kind.cause == OTHERWISE.get(row["id"], CAUSE_OF_GROUP.get(group, group)), row["id"]
        codes = set(re.findall(r"\b[0-9A-Z]\d\b", row["codes"]))
        assert kind.outcome_unknown or not codes & MAY_BE_CHARGED, row["id"]


def test_all_that_diagnosis_may_say_has_words():
    for suspect in SUSPECTS:
        assert KINDS[suspect.kind].cause == suspect.cause, suspect.kind
        for feature, _, _ in (*suspect.speaks_for, *suspect.against):
            assert feature in FEATURES or "+" in feature, (suspect.kind, feature)


def test_every_tile_can_turn_red_and_every_cause_has_kinds_and_words():
    assert {tile for row in KINDS.values() for tile in row.shown_on} == set(TILES)
    assert {row.cause for row in KINDS.values()} == set(CAUSES)
    assert cause_words("clock", "zh") == "时钟"
    assert cause_words("", "en") == ""


@pytest.mark.parametrize(
    "table", [ALL_KINDS, FEATURES, DEEDS, TILES], ids=["kinds", "features", "deeds", "tiles"]
)
def test_rows_speak_both_languages_and_each_only_its_own(table):
    for name, row in table.items():
        assert mistakes(row) == []
        for field, text in msgspec.structs.asdict(row).items():
            assert text == text.strip(), (name, field)
            if field.endswith("_en"):
                assert not HAN.search(text), (name, field)
            elif field.endswith("_zh") and text:
                assert HAN.search(text), (name, field)
                assert not re.search(r"[,;!?]", re.sub(r"\d,\d", "", text)), (name, field)


@pytest.mark.parametrize("row", ALL_KINDS.values(), ids=ALL_KINDS)
def test_sentences_end_and_titles_and_steps_do_not(row):
    for column in ("sentence", "cashier", "never", "customer", "known", "bank"):
        assert row.say(column, "zh").endswith("。") or not row.say(column, "zh"), column
        assert row.say(column, "en").endswith(".") or not row.say(column, "en"), column
    for column in ("title", "operator", "after"):
        assert not re.search(r"[。.](\||$)", row.say(column, "zh") + "|" + row.say(column, "en")), column
    assert 1 <= row.operator_zh.count("|") + 1 <= 3


class Damage(NamedTuple):
    field: str
    text: str
    found: str


@pytest.mark.parametrize(
    "damage",
    [
        Damage("cashier_en", "", "empty"),
        Damage("bank_zh", "", "empty"),
        Damage("title_zh", "{place}在{who}", "nobody fills"),
        Damage("cashier_zh", "{place}", "nobody fills"),
        Damage("sentence_en", "a [b", "partner"),
        Damage("bank_en", "a] b", "partner"),
        Damage("operator_zh", "一步", "other steps"),
    ],
    ids=lambda damage: damage.field,
)
def test_the_check_of_rows_bites(damage):
    row = msgspec.structs.replace(KINDS["net-one-way"], **{damage.field: damage.text})
    assert any(damage.found in what for what in mistakes(row))


def test_commands_that_people_are_told_exist():
    tree = typer.main.get_command(importlib.import_module("posswitch.cli.main").app)
    told = 0
    for row in ALL_KINDS.values():
        for text in (row.operator_zh, row.operator_en, row.after_zh, row.after_en):
            for line in re.findall(r"posswitch ([^|]*)", text):
                command = tree
                for word in line.split():
                    if hasattr(command, "commands") and word[0].islower():
                        assert word in command.commands, (row.kind, line)
                        command = command.commands[word]
                    else:
                        assert re.fullmatch(r"[A-Z]+|\{bank\}", word), (row.kind, line)
                told += 1
    assert told > 100


# At the till


UNKNOWN = {name: row for name, row in ALL_KINDS.items() if row.outcome_unknown}


@pytest.mark.parametrize("row", UNKNOWN.values(), ids=UNKNOWN)
def test_nobody_is_told_to_pay_anew_while_the_outcome_may_be_unknown(row):
    texts = [row.say(column, lang) for column in ("cashier", "customer", "known") for lang in LANGS]
    assert not any(TRY_AGAIN.search(text) for text in texts), texts
    assert "请勿重刷" in row.cashier_zh
    assert "not swipe" in row.cashier_en


@pytest.mark.parametrize(
    "told", ["Please try again.", "Retry later.", "稍后重试。", "请顾客重刷。", "Swipe again."]
)
def test_the_search_for_bad_advice_bites(told):
    assert TRY_AGAIN.search(told)


@pytest.mark.parametrize("row", ALL_KINDS.values(), ids=ALL_KINDS)
def test_the_till_gets_one_line(row):
    assert len(row.cashier_zh) <= 60
    assert len(row.cashier_en) <= 160
    assert len(row.cashier_zh.encode("gbk")) <= 120, "it fits field 63 and a slip"


# Rendered


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_incident_renders_with_nothing_left_open(kind, lang):
    for place in PLACES:
        for phase in Phase:
            told = explained(full(kind, place, phase), lang, NAMES[lang], lost=0)
            for part, text in said(told):
                assert not re.search(r"[\[\]{}|]", text), (place, part, text)
                assert "  " not in text, (place, part, text)
                assert "线路线路" not in text, (place, part, text)
                if lang == "en" and "华东" not in str(place):
                    assert not HAN.search(text), (place, part, text)
        assert told.title
        assert told.cashier
        assert len(told.supports) == len(told.opposes) == 2


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_first_lines_are_short(kind, lang):
    for place in PLACES[:-2]:
        told = explained(full(kind, place), lang, NAMES[lang], lost=0)
        assert len(told.headline) <= HEADLINE_MAX[lang], told.headline
        assert len(told.sentence) <= {"zh": 60, "en": 160}[lang], told.sentence


def test_the_sentence_of_the_first_screen():
    one = incident(deeds=(FENCED,))
    zh = "异常：乙银行线路单向不通，312 笔受影响，0 笔丢失，已切换"
    assert headline([one], "zh", NAMES["zh"], lost=0) == zh
    en = "Abnormal: One-way line to Bank B, 312 affected, 0 lost, switched over"
    assert headline([one], "en", NAMES["en"], lost=0) == en
    assert headline([one], "zh", NAMES["zh"]) == "异常：乙银行线路单向不通，312 笔受影响，已切换"


@pytest.mark.parametrize(
    "closed",
    [[], [incident(phase=Phase.RESOLVED)], [incident(merged_into=7)]],
    ids=["none", "over", "merged"],
)
def test_all_is_well_when_nothing_is_open(closed):
    assert headline(closed, "zh") == "交换中心正常"
    assert headline(closed, "en", lost=3) == "The switch is well"


def test_several_incidents_are_one_sentence_the_worst_first():
    few = incident("iss-slow", {"bank": "90010000"}, number=2, affected=5)
    rows = [few, incident()]
    zh = "异常：乙银行线路单向不通；银行 90010000 应答慢，317 笔受影响"
    assert headline(rows, "zh", NAMES["zh"]) == zh
    many = [incident("sec-card-testing", {"merchant": f"8981{n}"}, number=n) for n in range(3, 9)]
    told = headline([*rows, *many], "zh", NAMES["zh"])
    assert re.match("异常：.*；另有 [0-9] 处，2,189 笔受影响$", told)
    assert len(told) <= HEADLINE_MAX["zh"]
    assert headline([incident(number=1), incident(number=2)], "zh", NAMES["zh"]).count("单向不通") == 1


def test_how_sure_and_how_far_is_said():
    assert headline([incident(phase=Phase.SUSPECT)], "zh").startswith("疑似异常：")
    assert headline([incident(phase=Phase.SUSPECT)], "en").startswith("Possibly abnormal: ")
    assert headline([incident(phase=Phase.SUSPECT), incident(number=2)], "zh").startswith("异常：")
    assert headline([incident(phase=Phase.VERIFYING)], "zh").endswith("正在确认恢复")
    assert headline([incident(phase=Phase.ROLLED_BACK)], "en").endswith("a person is needed")
    assert headline([incident(deeds=(deed("shed", "", "failed"),))], "zh").endswith("312 笔受影响")
    later = deed("stand-in", "90020000", at_ns=AT_NS + 9 * S)
    assert headline([incident(deeds=(later, FENCED))], "zh").endswith("已代授权")


def test_what_is_over_says_how_long_it_was():
    one = incident(phase=Phase.RESOLVED, closed_ns=AT_NS + 250 * S)
    assert (
        explained(one, "zh", NAMES["zh"]).headline == "已恢复：乙银行线路单向不通，312 笔受影响，历时 4 分钟"
    )
    told = explained(one, "en", NAMES["en"])
    assert told.headline == "Over: One-way line to Bank B, 312 affected, lasted 4 min"
    assert told.next == told.after


def test_the_first_screen_turns_the_tiles_of_what_is_open():
    rows = [incident(), incident("sec-card-testing", {}, number=4), incident(number=5, phase=Phase.RESOLVED)]
    told = first_screen(rows, NAMES, lost=0)
    assert told["sentence_zh"] == headline(rows, "zh", NAMES["zh"], 0)
    assert told["sentence_en"] == headline(rows, "en", NAMES["en"], 0)
    assert (told["well"], told["open"]) == (False, [1, 4])
    ill = {tile: row["incidents"] for tile, row in told["tiles"].items() if not row["well"]}
    assert ill == {"network": [1], "transmission": [1], "attack": [4], "feedback": [4]}
    assert list(told["tiles"]) == TILE_NAMES


def test_a_node_that_says_nothing_is_not_well():
    assert first_screen([], NAMES)["well"]
    told = first_screen([], NAMES, speaks=False)
    assert "没有动静" in told["sentence_zh"]
    assert "says nothing" in told["sentence_en"]
    assert not told["well"]
    assert [tile for tile, row in told["tiles"].items() if not row["well"]] == ["faults"]


def test_the_day_is_said_when_it_was_another():
    assert "16:00:00 起" in explained(incident(), "zh").sentence
    assert "01-15 16:00:00 起" in explained(incident(changed_ns=AT_NS + 86_400 * S), "zh").sentence
    assert "16:00:01" in explained(incident(since_ns=0), "en").sentence


def test_evidence_that_was_looked_for_and_is_not_there_is_said_so():
    one = incident(
        supports=(
            evidence("echo-missed", figure=3),
            evidence("volume-gone", figure=0.0),
            evidence("echo-missed", figure=3),
        ),
        opposes=(
            evidence("link-down", -2.0, figure=0.0),
            evidence("bank-says-96", figure=0.42),
            evidence("of-tomorrow"),
        ),
        ruled_out=(
            Guess("sys-hsm-down", "key", 0.0, ("hsm-down", "hsm-busy")),
            Guess("iss-slow", "bank", 0.1),
        ),
    )
    told = explained(one, "en", NAMES["en"])
    assert told.supports == (
        "Echoes are not answered (3)",
        "Next to no payments (0 % of the usual)",
    )
    assert told.opposes == (
        "The connection stands",
        "The bank itself answers 96 (42 % of the failures)",
        "Of-tomorrow",
    )
    assert told.ruled_out == (
        "HSM out of reach: the HSM answers; the HSM is not busy",
        "Slow answers from Bank B",
    )
    assert explained(one, "zh", NAMES["zh"]).opposes[0] == "乙银行连接正常"
    elsewhere = incident(supports=(evidence("link-down", figure=1.0, place="link 90020000/1"),))
    assert explained(elsewhere, "en", NAMES["en"]).supports == ("The connection is down: link 2 of Bank B",)
    assert explained(elsewhere, "zh", NAMES["zh"]).supports == ("乙银行第 2 条线路断开了",)


def test_only_what_is_still_likely_is_called_likely():
    guesses = (
        Guess("net-one-way", "network", 0.83),
        Guess("iss-slow", "bank", 0.04),
        Guess("iss-silent", "bank", 0.004),
    )
    one = incident(guesses=guesses, ruled_out=(Guess("iss-slow", "bank", 0.04),))
    assert explained(one, "zh", NAMES["zh"]).likely == ("乙银行线路单向不通，83 %",)
    assert len(explained(incident(guesses=guesses), "en").likely) == 2


def test_deeds_say_what_they_did_to_what_and_who_said_so():
    one = incident(
        deeds=(
            FENCED,
            deed("pause-route", "90020000", "proposed", Tier.PROPOSED),
            deed("rekey-bank", "90020000", "refused", Tier.FORBIDDEN),
            deed("of-tomorrow", "x", "odd"),
        )
    )
    told = explained(one, "zh", NAMES["zh"])
    assert told.done == (
        "隔离线路（乙银行第 2 条线路）：已完成，16:00:05，自动。4 of 4 probes",
        "of-tomorrow（x）：odd，16:00:05，自动",
    )
    assert told.next[0].startswith("暂停送该行（乙银行）：不再给该行送新交易")
    assert told.never[1].startswith("不要与银行重置密钥（乙银行）：")
    assert (
        explained(one, "en", NAMES["en"])
        .never[1]
        .startswith("Not this: Exchange keys with the bank (Bank B). ")
    )


# The message to the bank

CONTACTS = {"90020000": Contact("乙银行值班室", "0755 0000", ("SZ-1", "SZ-2"))}


def test_the_message_to_the_bank_is_ready():
    one = incident(
        supports=(
            evidence("link-silent", figure=2300.0),
            *(evidence("all-banks", figure=n) for n in range(9)),
        )
    )
    told = explained(one, "zh", NAMES["zh"], CONTACTS).bank
    assert told.startswith("致乙银行值班室 0755 0000：2027-01-15 16:00:00+08:00 起，")
    assert "影响 312 笔" in told
    assert "现象：乙银行发得出、收不到，连着却没有回音（最久已等 2.3 秒）；" in told
    assert told.count("；") == 2
    assert "线路号：SZ-1、SZ-2。" in told
    by_link = explained(incident(place={"link": "90020000/1"}), "en", NAMES["en"], CONTACTS).bank
    assert "Circuit: SZ-2." in by_link


def test_what_is_not_known_is_left_out_of_the_message():
    told = explained(incident(affected=0), "en").bank
    assert told.startswith("To the duty desk: since 2027-01-15 16:00:00+08:00 our messages leave")
    assert "affected" not in told
    assert "Circuit" not in told
    assert "What we see" not in told
    assert explained(incident(place={"link": "90020000/7"}), "en", {}, CONTACTS).bank.count("Circuit") == 0


@pytest.mark.parametrize("kind", ["ovl-peak", "sys-disk-full", "lim-card-limit", "ter-reversal-loop"])
def test_nobody_outside_is_written_to_about_what_is_ours(kind):
    assert explained(incident(kind), "zh", {}, CONTACTS).bank == ""


# Places


@pytest.mark.parametrize(
    ("place", "zh", "en"),
    [
        ({}, "交换中心", "at the switching centre"),
        ({"bank": "90020000"}, "乙银行", "at Bank B"),
        ({"bank": "90090000"}, "银行 90090000", "at bank 90090000"),
        ({"link": "90020000/1", "bank": "90020000"}, "乙银行第 2 条线路", "on link 2 of Bank B"),
        ({"link": "odd"}, "银行 odd 线路", "on line to bank odd"),
        ({"model": "NL-8210"}, "NL-8210 型终端", "at terminals of model NL-8210"),
        ({"region": "华东"}, "华东地区", "in region 华东"),
        ({"region": "广东省"}, "广东省", "in region 广东省"),
        ({"bin": "629002/16"}, "BIN 629002", "on BIN 629002"),
        ({"merchant": "898100"}, "商户 解放路超市", "at merchant Jiefang Road Market"),
        ({"merchant": "1"}, "商户 1", "at merchant 1"),
        ({"terminal": "10000001"}, "终端 10000001", "at terminal 10000001"),
        ({"source": "front-1"}, "接入方 front-1", "at source front-1"),
        ({"kind": "refund"}, "退货交易", "with refunds"),
        ({"kind": "sign-on"}, "签到", "with sign-ons"),
        ({"kind": "0620"}, "0620 报文", "with 0620 messages"),
        ({"entry": "051"}, "芯片卡（有密码）", "with chip cards with a PIN"),
        ({"entry": "02"}, "磁条卡", "with swiped cards"),
        ({"entry": "66"}, "输入方式 66", "with entry mode 66"),
        ({"band": "0"}, "10 以内的金额", "with amounts up to 10"),
        ({"node": ""}, "本节点", "on this node"),
        ({"node": "2"}, "节点 2", "on node 2"),
        ({"entry": "05", "bank": "90020000"}, "乙银行 × 芯片卡", "at Bank B × chip cards"),
        ({"odd": "x"}, "odd x", "at odd x"),
    ],
)  # fmt: skip
def test_places_in_words(place, zh, en):
    assert place_words(place, "zh", NAMES["zh"]) == zh
    assert at_words(place, "en", NAMES["en"]) == en
    assert at_words(place, "zh", NAMES["zh"]) == zh


@pytest.mark.parametrize(
    ("place", "zh", "en"),
    [
        ({}, "外联线路", "line of the centre"),
        ({"bank": "90020000"}, "乙银行线路", "line to Bank B"),
        ({"link": "90020000/0"}, "乙银行第 1 条线路", "line to Bank B (link 1)"),
        ({"source": "front-1"}, "接入方 front-1 线路", "line from source front-1"),
        ({"terminal": "10000001"}, "终端 10000001 的线路", "line of terminal 10000001"),
        ({"bank": "90020000", "entry": "05"}, "乙银行线路 × 芯片卡", "line to Bank B × chip cards"),
    ],
)
def test_lines_in_words(place, zh, en):
    assert line_words(place, "zh", NAMES["zh"]) == zh
    assert line_words(place, "en", NAMES["en"]) == en


def test_every_dimension_has_words():
    for dim in Dim:
        assert place_words({dim.name.lower(): "05"}, "en") != f"{dim.name.lower()} 05" or dim.name in (
            "BANK",
            "MERCHANT",
            "TERMINAL",
            "SOURCE",
            "REGION",
        )


def test_names_and_contacts_come_from_the_registry(tmp_path):
    registry = load_config(build_city(tmp_path, 1, 2).config).registry
    assert names_of(registry, "zh")["bank", "90020000"] == "乙银行"
    assert names_of(registry, "en")["bank", "90020000"] == "Bank B"
    merchant = next(iter(registry.merchants.values()))
    assert names_of(registry, "en")["merchant", merchant.id] == merchant.name
    assert contacts_of(registry).keys() == registry.banks.keys()


odd_text = st.text(max_size=40)


@given(
    st.dictionaries(st.sampled_from([dim.name.lower() for dim in Dim] + ["link", "node", "odd"]), odd_text),
    odd_text,
)
def test_whatever_a_place_is_called_it_can_be_said(place, name):
    names = dict.fromkeys(place.items(), name)
    for lang in LANGS:
        told = explained(full("net-one-way", place), lang, names, {name: Contact(name, name, (name,))})
        assert "\n" not in told.headline
        assert len(told.title) < 60 * (len(place) + 1)


def test_a_name_is_never_read_as_a_slot():
    names = {("bank", "90020000"): "{x}[y]|"}
    assert "{x}[y]|" in explained(incident(), "en", names).title


# Figures, languages, other versions


@pytest.mark.parametrize(
    ("value", "unit", "zh", "en"),
    [
        (3, "count", "3", "3"),
        (1234.0, "count", "1,234", "1,234"),
        (0.451, "share", "45 %", "45 %"),
        (0.021, "share", "2.1 %", "2.1 %"),
        (0.0, "share", "0 %", "0 %"),
        (3.16, "times", "3.2 倍", "3.2 times"),
        (820, "ms", "820 毫秒", "820 ms"),
        (2300, "ms", "2.3 秒", "2.3 s"),
        (180_000, "ms", "3 分钟", "3 min"),
        (640, "us", "640 微秒", "640 µs"),
        (8_200, "us", "8.2 毫秒", "8.2 ms"),
        (2_500_000, "us", "2.5 秒", "2.5 s"),
        (75, "s", "75 秒", "75 s"),
        (600, "s", "10 分钟", "10 min"),
        (9000, "s", "2.5 小时", "2.5 h"),
        (12.5, "rate", "12", "12"),
        (0.4, "rate", "0.4", "0.4"),
        ("registry 41", "text", "registry 41", "registry 41"),
        ("a\nb" + "c" * 99, "text", "a b" + "c" * 57, "a b" + "c" * 57),
    ],
)
def test_figures_in_words(value, unit, zh, en):
    assert figure_words(value, unit, "zh") == zh
    assert figure_words(value, unit, "en") == en


def test_a_part_falls_out_with_its_slot():
    assert fill("a[ {b}[, {c}]] d", {"b": "1", "c": "2"}) == "a 1, 2 d"
    assert fill("a[ {b}[, {c}]] d", {"b": "1", "c": ""}) == "a 1 d"
    assert fill("a[ {b}[, {c}]] d", {"c": "2"}) == "a d"


def test_an_unknown_kind_is_inconclusive():
    for kind in ("", "of-tomorrow"):
        assert kind_of(kind) is UNEXPLAINED
        assert explained(incident(kind), "zh", NAMES["zh"]).title == "乙银行异常，原因未明"


def test_another_language_is_refused():
    for call in (lambda: headline([], "fr"), lambda: explained(incident(), "fr")):
        with pytest.raises(PosswitchError, match="use zh or en"):
            call()
    with pytest.raises(PosswitchError, match="use zh or en"):
        KINDS["net-one-way"].say("title", "fr")
