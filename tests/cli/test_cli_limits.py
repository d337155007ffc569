"""limits: in words, what a card may still do, new ones tried on what the engine has written."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from cli_runs import one_line, posswitch
from traffic import CARDS, DAY_S, OTHER_SHOP, SHOP, TILL, Traffic, build

from posswitch.base.card import mask_pan
from posswitch.base.moment import NS_PER_S, stamp
from posswitch.base.policy import Limit
from posswitch.engine.limits import limit_named
from posswitch.journal.traffic import records_of, span_since
from posswitch.office.limit_words import hours_text
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.sim.city import CONFIG_FILE, build_city

NOW_NS = SystemClock().wall_ns()
LATER = "-".join(stamp(NOW_NS + hours * 3600 * NS_PER_S).time[:4] for hours in (6, 7))  # not now
ROWS = (
    Limit("shop", of="merchant", day_minor=50_000, day_count=20, month_count=500),
    Limit("burst", burst_count=3, burst_seconds=60),
    Limit("big", only=("629001",), single_minor=30_000, code="05"),
    Limit("till", of="terminal", hours=LATER, kinds=("preauth",)),
    Limit("soon", of="terminal", day_minor=5_000, trial=True),
)
LIMITS_TOML = """
[[limit]]
id = "shop"
of = "merchant"
day_minor = 50000
day_count = 20
month_count = 500

[[limit]]
id = "burst"
burst_count = 3
burst_seconds = 60

[[limit]]
id = "big"
only = ["629001"]
single_minor = 30000
code = "05"

[[limit]]
id = "till"
of = "terminal"
hours = "LATER"
kinds = ["preauth"]

[[limit]]
id = "soon"
of = "terminal"
day_minor = 5000
trial = true
""".replace("LATER", LATER)


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """A city whose limits are ROWS, registered and in force, with half a day of payments."""
    folder = tmp_path_factory.mktemp("limits")
    build(folder, more=LIMITS_TOML)
    world = Traffic(folder, *ROWS, ago_s=7200)
    world.told_codes = [
        world.pay(0, 10_000),
        world.pay(1, 20_000, "51"),
        world.pay(0, 31_000),
        world.pay(0, 15_000),
        world.pay(0, 5_000),
        world.pay(0, 1_000),
    ]
    world.wait(300)
    world.told_codes += [world.pay(2, 15_000), world.pay(2, 6_000), world.pay(2, 5_000, merchant=OTHER_SHOP)]
    world.close()
    assert world.told_codes == ["00", "51", "05", "00", "00", "65", "00", "61", "00"]
    return folder


@pytest.fixture
def typed(capsys):
    """The program with something on its standard input."""

    def run(text, *words):
        kept, (reads, writes) = os.dup(0), os.pipe()
        os.write(writes, text.encode())
        os.close(writes)
        os.dup2(reads, 0)
        os.close(reads)
        try:
            return posswitch(capsys, *words)
        finally:
            os.dup2(kept, 0)
            os.close(kept)

    return run


def test_every_limit_in_words_in_both_languages(city, capsys):
    ended = posswitch(capsys, "limits", "--data", city)
    assert ended.code == 0, ended.err
    for words in (
        "card-day\n  每张卡，消费、预授权：每日合计最高 CNY 200000.00。超出应答 61。\n",
        "  each merchant, sale, preauth: at most CNY 500.00 a day; at most 20 payments a day; at most 500 ",
        "; at most 500 payments a month. Beyond it: 61, 65.\n",
        "每张卡（卡 BIN 以 629001 开头），消费、预授权：单笔最高 CNY 300.00。超出应答 05。\n",
        "  each card, sale, preauth: in any 60 seconds at most 3 payments. Beyond it: 65.\n",
        f"  each terminal, preauth: only from {hours_text(LATER)}. Beyond it: 58.\n",
        "On trial: it only notes whom it would refuse.\n",
    ):
        assert words in ended.out
    said = json.loads(posswitch(capsys, "limits", "--data", city, "--json").out)
    assert [row["id"] for row in said["limits"]] == ["card-day", *(row.id for row in ROWS)]
    assert all(row["words_zh"] and row["words_en"] for row in said["limits"])
    assert "每" not in posswitch(capsys, "limits", "--data", city, "--lang", "en").out


def may(typed, city, pan, *words):
    ended = typed(f"{pan}\n", "limits", "card", "--data", city, "--json", *words)
    assert ended.code == 0, ended.err
    assert pan not in ended.out + ended.err
    said = json.loads(ended.out)
    return said, {(one["limit"], one["what"]): one for one in said["allowances"]}


def test_what_a_card_may_still_do_at_a_till(city, typed):
    said, rows = may(typed, city, CARDS[0], "--terminal", TILL)
    assert (said["card"], said["merchant"]) == (mask_pan(CARDS[0]), SHOP)
    shop = rows["shop", "day"]
    assert [shop[name] for name in ("cap", "used", "left", "code")] == [50_000, 45_000, 5_000, "61"]
    assert [rows["shop", "day#"][name] for name in ("used", "left", "code")] == [4, 16, "65"]
    assert [rows["card-day", "day"][name] for name in ("used", "left")] == [30_000, 19_970_000]
    assert [rows["burst", "burst#"][name] for name in ("used", "left")] == [0, 3]  # an hour ago
    assert [rows["big", "single"][name] for name in ("cap", "code")] == [30_000, "05"]
    assert rows["soon", "day"]["trial"]
    assert (said["most_minor"], said["code"], said["unknown"]) == (5_000, "", [])
    assert ("till", "hours") not in rows


def test_what_it_may_is_what_the_engine_lets_through(city, typed, tmp_path):
    """To the last fen: what is said to be left is approved, and one more is refused as it is said."""
    copy = shutil.copytree(city, tmp_path / "copy")
    said, rows = may(typed, copy, CARDS[1], "--terminal", TILL)
    world = Traffic(copy, *ROWS, ago_s=0)
    assert world.pay(1, said["most_minor"] + 1) == rows["shop", "day"]["code"] == "61"
    assert world.pay(1, said["most_minor"]) == "00"
    world.close()
    said, _ = may(typed, copy, CARDS[1], "--terminal", TILL)
    assert (said["most_minor"], said["code"]) == (0, "61")


def test_a_burst_counts_until_its_span_is_over(tmp_path, typed):
    build(tmp_path, more=LIMITS_TOML)
    world = Traffic(tmp_path, *ROWS, ago_s=20)  # a slice of it is 15 seconds
    world.pay(0, 1_000)
    world.pay(0, 1_000)
    world.close()
    _, rows = may(typed, tmp_path, CARDS[0])
    assert [rows["burst", "burst#"][name] for name in ("used", "left")] == [2, 1]


def test_without_a_till_its_limits_are_named_and_not_counted(city, typed):
    said, rows = may(typed, city, CARDS[0])
    assert said["unknown"] == ["shop", "till", "soon"]
    assert not any(name in ("shop", "till", "soon") for name, _ in rows)
    assert said["most_minor"] == 30_000


def test_a_closed_hour_refuses_now(city, typed):
    said, rows = may(typed, city, CARDS[0], "--terminal", TILL, "--kind", "preauth")
    assert said["code"] == rows["till", "hours"]["code"] == "58"


def test_the_card_of_a_payment_at_its_own_till(city, typed, capsys):
    world_first = json.loads(typed(f"{CARDS[0]}\n", "card", "find", "--json", "--data", city).out)["payments"]
    payment = str(world_first[-1]["payment"])
    ended = posswitch(capsys, "limits", "card", "--payment", payment, "--data", city, "--json")
    said = json.loads(ended.out)
    assert (said["card"], said["terminal"], said["most_minor"]) == (mask_pan(CARDS[0]), TILL, 5_000)
    there = posswitch(
        capsys, "limits", "card", "--payment", payment, "--merchant", OTHER_SHOP, "--data", city, "--json"
    )
    other = json.loads(there.out)
    assert {one["limit"]: one["used"] for one in other["allowances"]}["shop"] != 45_000


def test_the_card_of_a_void_that_came_without_one(tmp_path, capsys):
    build(tmp_path)
    world = Traffic(tmp_path)
    world.pay(0, 1_000)
    none = {"pan_box": b"", "pan_print": b"", "pan_digits": 0, "last_four": "", "bank": "", "bin": ""}
    world.build("void", world.payment, **none)
    payment = str(world.payment)
    world.close()
    ended = posswitch(capsys, "limits", "card", "--payment", payment, "--data", tmp_path, "--json")
    said = json.loads(ended.out)
    assert said["card"] == mask_pan(CARDS[0])
    assert [one["used"] for one in said["allowances"]] == [1_000]


def test_as_a_person_reads_it(city, typed):
    ended = typed(f"{CARDS[0]}\n", "limits", "card", "--data", city, "--terminal", TILL, "--lang", "en")
    assert f"card {mask_pan(CARDS[0])}, sale, {TILL} {SHOP}\n" in ended.out
    assert (
        "  shop: amount today: cap CNY 500.00, used CNY 450.00, left CNY 50.00; beyond it 61  [shop:day "
        in ended.out
    )
    assert ended.out.endswith("the next payment may be CNY 50.00 at most\n")
    ended = typed(f"{CARDS[0]}\n", "limits", "card", "--data", city, "--terminal", TILL, "--lang", "zh")
    assert "今日金额: 上限 CNY 500.00，已用 CNY 450.00，剩余 CNY 50.00；超出应答 61" in ended.out


WRONG_DIGIT = f"{CARDS[0][:-1]}{(int(CARDS[0][-1]) + 1) % 10}"


@pytest.mark.parametrize(("pan", "code"), [("4000000000000002", "15"), (WRONG_DIGIT, "14")])
def test_a_card_that_the_switch_refuses_has_no_most(city, typed, pan, code):
    ended = typed(f"{pan}\n", "limits", "card", "--data", city, "--terminal", TILL)
    assert (ended.code, ended.err) == (1, "")
    assert f"the switch refuses it: {code}" in ended.out
    assert f"本中心拒绝此卡，应答 {code}" in ended.out
    assert "at most" not in ended.out
    assert pan not in ended.out
    said = json.loads(typed(f"{pan}\n", "limits", "card", "--data", city, "--json").out)
    assert (said["code"], said["most_minor"]) == (code, 0)


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("123\n", (), "no card number"),
        (f"{CARDS[0]}\n", ("--terminal", "99999999"), "no terminal 99999999"),
        (f"{CARDS[0]}\n", ("--merchant", "9"), "no merchant 9"),
        (f"{CARDS[0]}\n", ("--terminal", TILL, "--merchant", OTHER_SHOP), "leave one of them out"),
        (f"{CARDS[0]}\n", ("--kind", "sail"), "no kind sail"),
        ("", ("--payment", "99999"), "no payment 99999"),
        ("", (CARDS[0],), "stays in the shell's history"),
    ],
)
def test_used_wrongly(city, typed, text, words, said):
    ended = typed(text, "limits", "card", "--data", city, *words)
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)
    assert said in ended.err
    assert CARDS[0] not in ended.err


# Tried on what has been


def trial(capsys, city, text, *words, name="new.toml"):
    path = city / name
    path.write_text(text)
    ended = posswitch(capsys, "limits", "try", path, "--data", city, "--json", *words)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_the_same_limits_change_nothing_and_agree_with_the_journal(city, capsys):
    said = trial(capsys, city, LIMITS_TOML)
    assert said["asked"] == 9
    assert (said["kept"], said["otherwise"]) == (3, 0)
    assert said["refused"]["payments"] == said["let_through"]["payments"] == 0


def test_whom_a_tighter_limit_would_refuse(city, capsys):
    said = trial(capsys, city, '[[limit]]\nid = "shop"\nday_minor = 20000\n')
    refused = said["refused"]
    assert (refused["payments"], refused["minor"]) == (3, {"156": 50_000})
    assert refused["limits"] == {"shop": 3}
    assert refused["merchants"] == [{"name": SHOP, "payments": 3, "minor": {"156": 50_000}}]
    assert {one["name"] for one in refused["cards"]} == {mask_pan(pan) for pan in CARDS}
    assert [one["why"] for one in refused["examples"]] == [
        "limit shop: 100.00 of 200.00 today",  # 200.00, which its bank declined
        "limit shop: 100.00 of 200.00 today",  # 150.00
        "limit shop: 160.00 of 200.00 today",  # 150.00 of another card
    ]
    assert said["let_through"]["limits"] == {"burst": 1}  # the third before it would have been refused


def test_its_examples_are_records_of_the_journal(city, capsys):
    config = load_config(city / CONFIG_FILE, serve=False)
    written = dict(records_of(config.data, span_since(config.data, 0)))
    said = trial(capsys, city, '[[limit]]\nid = "shop"\nday_minor = 20000\n')
    for one in said["refused"]["examples"]:
        record = written[one["payment"]]
        assert (record.event.amount_minor, record.event.merchant) == (one["amount_minor"], one["merchant"])
        assert record.verdict.cause == "accepted"


def test_whom_a_wider_set_would_let_through(city, capsys):
    said = trial(
        capsys,
        city,
        '[[limit]]\nid = "big"\nsingle_minor = 40000\n[[limit]]\nid = "burst"\nburst_count = 9\n',
    )
    through = said["let_through"]
    assert through["limits"]["big"] == 1
    assert through["limits"]["burst"] == 1
    assert through["minor"] == {"156": 32_000}


def test_replace_takes_the_others_away(city, capsys):
    said = trial(capsys, city, '[[limit]]\nid = "none"\nof = "all"\nday_count = 1000\n', "--replace")
    assert said["let_through"]["payments"] == 3
    assert said["refused"]["payments"] == 0


def test_a_trial_row_is_counted_apart(city, capsys):
    said = trial(
        capsys, city, '[[limit]]\nid = "one"\nof = "all"\nday_count = 1\ntrial = true\n', "--replace"
    )
    assert said["refused"]["payments"] == 0
    assert said["noted"] == 8


def test_a_sheet_is_tried_too(city, capsys):
    said = trial(capsys, city, "id,of,day_count\nfew,merchant,1\n", name="few.csv")
    assert said["refused"]["limits"] == {"few": 4}


def test_nothing_is_changed_by_a_trial(city, capsys):
    before = posswitch(capsys, "registry", "list", "--json", "--data", city).out
    trial(capsys, city, '[[limit]]\nid = "few"\nday_count = 1\n')
    assert posswitch(capsys, "registry", "list", "--json", "--data", city).out == before
    assert not (city / "data" / "office.db").exists()


def test_a_trial_as_a_person_reads_it(city, capsys):
    path = city / "new.toml"
    path.write_text('[[limit]]\nid = "shop"\nday_minor = 20000\n')
    ended = posswitch(capsys, "limits", "try", path, "--data", city)
    assert "would be refused that are not: 3 payments, CNY 500.00\n  limits: shop 3\n" in ended.out
    assert "将新被拒绝: 3 笔, CNY 500.00\n" in ended.out
    assert ended.out.count("limit shop: 100.00 of 200.00 today") == 2
    assert ended.out.count("本商户今日还可用100.00元") == 2
    for pan in CARDS:
        assert pan not in ended.out


def test_days_that_are_too_long_ago_count_only_in_counters(city, capsys, tmp_path):
    """What was before the days is no example, and yet its day is used up."""
    build(tmp_path)
    world = Traffic(tmp_path, ago_s=DAY_S + 600)
    world.pay(0, 1_000)
    world.wait(1200)  # now it is a day ago, and the same business date
    world.pay(0, 1_000)
    world.close()
    text = '[[limit]]\nid = "m"\nday_count = 1\n'
    said = trial(capsys, tmp_path, text, "--days", "1")
    assert (said["asked"], said["refused"]["payments"]) == (1, 1)
    said = trial(capsys, tmp_path, text, "--days", "2")
    assert (said["asked"], said["refused"]["payments"]) == (2, 1)


def test_a_month_is_used_up_by_what_was_before_the_days(capsys, tmp_path):
    build(tmp_path)
    world = Traffic(tmp_path, ago_s=4 * DAY_S)
    for _ in range(4):
        world.pay(0, 1_000)
        world.wait(DAY_S - 60)
    months = [one.window[:6] for verdict in world.verdicts() for one in verdict.holds]
    world.close()
    said = trial(capsys, tmp_path, '[[limit]]\nid = "m"\nmonth_count = 1\n', "--days", "3")
    assert said["asked"] == 2
    assert said["refused"]["payments"] == sum(months[at] in months[:at] for at in (2, 3))


@pytest.mark.parametrize(
    ("text", "words", "code", "said"),
    [
        ('[[limit]]\nid = "x"\nof = "cards"\nday_count = 1\n', (), 1, "did you mean card?"),
        ('[[limit]]\nid = "x"\n', (), 1, "has no cap"),
        ('[[route]]\nid = "x"\nto = ["90010000"]\n', (), 2, "only limits are tried"),
        ("[[limit]\n", (), 2, "not TOML"),
        ('[[limit]]\nid = "x"\nday_count = 1\n', ("--days", "32"), 2, "--days: 1 to 31"),
    ],
)
def test_what_cannot_be_tried(city, capsys, text, words, code, said):
    path = city / "wrong.toml"
    path.write_text(text)
    ended = posswitch(capsys, "limits", "try", path, "--data", city, *words)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err


def test_a_trial_whose_reader_has_gone_ends_quietly(city):
    unread, out = os.pipe()
    os.close(unread)
    path = city / "quiet.toml"
    path.write_text('[[limit]]\nid = "x"\nday_count = 1\n')
    words = ("limits", "try", str(path), "--data", str(city))
    ended = subprocess.run(
        [sys.executable, "-m", "posswitch", *words],
        stdout=out,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(out)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_a_journal_that_is_not_there(tmp_path, capsys):
    build_city(tmp_path, 1, 2)
    (tmp_path / "x.toml").write_text('[[limit]]\nid = "x"\nday_count = 1\n')
    ended = posswitch(capsys, "limits", "try", tmp_path / "x.toml", "--data", tmp_path)
    assert ended.code == 2
    assert one_line(ended.err)
    assert "no journal there" in ended.err


def test_words_of_refusals_name_their_limit():
    assert limit_named("limit shop: 1.00 of 2.00 today") == "shop"
    assert limit_named("card's limit of the day: 1.00 of 2.00 today") == "card-day"
    assert limit_named("no bank for this card") == ""
