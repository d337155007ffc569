"""route: where a payment would go and why, new routes tried on the journal, a bank paused and resumed."""

import json
import os
import subprocess
import sys

import pytest
from cli_runs import one_line, posswitch
from traffic import BANKS, CARDS, DAY_S, OTHER_SHOP, SHOP, TILL, Traffic, build

from posswitch.base.card import mask_pan
from posswitch.base.moment import NS_PER_S, clock_text
from posswitch.base.order import OFFICE
from posswitch.base.policy import Pause, Route, StandIn
from posswitch.engine.lifecycle import ADVISING, FORWARDED, REVERSING
from posswitch.engine.routing import misfit
from posswitch.office.desk import Desk
from posswitch.office.drain import under_way
from posswitch.office.supposed import of_part
from posswitch.scheme.kinds import SALE
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.sim.city import CONFIG_FILE

A, B, C = BANKS
CARD = mask_pan(CARDS[0])
# Hours in which none of the payments was made: they are a few hours old.
NIGHT = "0200-0400" if clock_text(SystemClock().wall_ns())[11:13] >= "09" else "1400-1600"
SAID = f"{NIGHT[:2]}:{NIGHT[2:7]}:{NIGHT[7:]}"
ROUTES_TOML = f"""
[[route]]
id = "night"
rank = 10
to = ["{B}"]
hours = "{NIGHT}"

[[route]]
id = "large"
rank = 20
to = ["{B}", "{A}"]
from_minor = 100000
merchants = ["{SHOP}"]

[[route]]
id = "contactless"
rank = 30
to = ["{C}"]
entries = ["07"]
"""
ROWS = (
    Route("night", (B,), 10, hours=NIGHT),
    Route("large", (B, A), 20, from_minor=100_000, merchants=(SHOP,)),
    Route("contactless", (C,), 30, entries=("07",)),
)
NOON = "2026-10-01T12:00"


@pytest.fixture(scope="module")
def blueprint(tmp_path_factory):
    """A city with ROWS and eight payments under them."""
    folder = tmp_path_factory.mktemp("routes")
    build(folder, more=ROUTES_TOML)
    world = Traffic(folder, *ROWS)
    for number in range(6):
        world.pay(number % 3, 10_000 + number, entry="071" if number == 5 else "022")
    world.pay(0, 150_000)
    world.pay(0, 160_000, "", merchant=OTHER_SHOP)
    world.close()
    return folder


@pytest.fixture
def folder(blueprint):
    """The city, without what an earlier test has ordered."""
    for path in (blueprint / "data").glob(f"{OFFICE}*"):
        path.unlink()
    return blueprint


@pytest.fixture
def route(capsys, folder):
    """`posswitch route WORDS --data CITY`."""

    def run(*words, subcommand=""):
        words = [*map(str, words), "--data", str(folder)]
        return posswitch(capsys, "route", *([subcommand] if subcommand else []), *words)

    return run


@pytest.fixture
def way(route):
    """What `route --json` says of a card and an amount, and the exit code."""

    def run(amount, *words, card=CARD, at=NOON):
        ended = route("--card", card, "--amount", amount, "--at", at, "--json", *words)
        assert ended.err == ""
        return ended.code, json.loads(ended.out)

    return run


def desk_of(folder):
    return Desk(load_config(folder / CONFIG_FILE, serve=False), SystemClock())


def test_the_rules_that_were_tried_and_what_did_not_fit(way):
    code, said = way("1500", "--terminal", TILL)
    assert (code, said["bank"], said["rule"]) == (0, B, "large")
    assert said["rules"] == [
        {"id": "night", "rank": 10, "misfit": "hours"},
        {"id": "large", "rank": 20, "misfit": ""},
    ]
    assert [one["bank"] for one in said["banks"]] == [B, A]
    assert (said["card"], said["bin"], said["bin_bank"]) == (CARD, "629001", A)
    assert not said["node_running"]


@pytest.mark.parametrize(
    ("amount", "words", "at", "bank", "misfits"),
    [
        ("10", ("--terminal", TILL), NOON, A, ["hours", "from_minor", "entries"]),
        ("1500", ("--merchant", OTHER_SHOP), NOON, A, ["hours", "merchants", "entries"]),
        ("10", ("--entry", "071"), NOON, C, ["hours", "merchants", ""]),
        ("10", ("--terminal", TILL), f"2026-10-01T{int(NIGHT[5:7]) - 1:02d}:59", B, [""]),
        ("10", ("--terminal", TILL), f"2026-10-01T{NIGHT[5:7]}:00", A, ["hours", "from_minor", "entries"]),
    ],
)
def test_where_it_goes_and_why(way, amount, words, at, bank, misfits):
    code, said = way(amount, *words, at=at)
    assert (code, said["bank"]) == (0, bank)
    assert [one["misfit"] for one in said["rules"]] == misfits


def test_as_a_person_reads_it(route):
    ended = route("--card", CARD, "--amount", "1500", "--at", NOON, "--terminal", TILL, "--lang", "en")
    assert ended.out == (
        f"2026-10-01 12:00:00+08:00  sale CNY 1500.00  card {CARD}\n"
        f"  BIN 629001/16 → {A}\n"
        f"  rule night (10): hours {SAID}, this is 12:00\n"
        f"  rule large (20): fits → {B} {A}, in order\n"
        f"  {B} Bank B: open\n"
        f"  {A} Bank A: open\n"
        "  the node is not running: links are taken as up\n"
        f"goes to {B}\n"
    )
    assert f"规则 night (10): 时段 {SAID}, 本笔为 12:00" in route(
        "--card", CARD, "--amount", "10", "--at", NOON
    ).out  # fmt: skip


CONDITIONS = [
    ({"kinds": ("preauth",)}, "kinds"), ({"banks": (B,)}, "banks"), ({"bins": ("62900101",)}, "bins"),
    ({"bins": ("6290",)}, ""), ({"merchants": ("9",)}, "merchants"), ({"entries": ("05",)}, "entries"),
    ({"currency": "840"}, "currency"), ({"from_minor": 1}, "from_minor"), ({"hours": "1300-1400"}, "hours"),
    ({"kinds": ("preauth",), "hours": "1300-1400"}, "kinds"),
]  # fmt: skip


@pytest.mark.parametrize(("conditions", "named"), CONDITIONS)
def test_the_first_condition_that_fails_is_named(folder, conditions, named):
    request = of_part(desk_of(folder).registry, "629001")
    assert misfit(Route("r", (B,), **conditions), SALE, request, "120000") == named


def test_a_typed_number_is_masked_and_gone(folder):
    words = ["route", "--amount", "10", "--at", NOON, "--data", str(folder)]
    ended = subprocess.run(
        [sys.executable, "-m", "posswitch", *words], input=f"{CARDS[0]}\n", capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert CARD in ended.stdout
    assert CARDS[0] not in ended.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--card", CARDS[0], "--amount", "1"), "stays in the shell's history"),
        (("--card", "6290", "--amount", "1"), "may be of the BIN rows 629001/16"),
        (("--card", "x", "--amount", "1"), "is no card"),
        (("--card", "629001**1", "--amount", "1"), "is no card"),
        (("--card", CARD), "--amount: give it"),
        (("--card", CARD, "--amount", "1,5"), "is no amount"),
        (("--card", CARD, "--amount", "1", "--kind", "void"), "goes where the payment went"),
        (("--card", CARD, "--amount", "1", "--kind", "cash"), "no kind cash"),
        (("--card", CARD, "--amount", "1", "--entry", "7"), "is no field 22"),
        (("--card", CARD, "--amount", "1", "--at", "noon"), "is no time"),
        (("--card", CARD, "--amount", "1", "--terminal", "1"), "no terminal 1"),
    ],
)
def test_used_wrongly(route, words, said):
    ended = route(*words)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert one_line(ended.err)
    assert CARDS[0] not in ended.err


def test_a_card_of_nobody_is_refused_before_that(way):
    code, said = way("10", card="400000******0002")
    assert (code, said["bank"], said["refused"]) == (1, "", ["15", "no bank for this card"])


def test_why_it_is_refused_in_both_languages(route):
    out = route("--card", "400000******0002", "--amount", "10").out
    assert "refused before that with 15: no bank for this card\n" in out
    assert "将被拒绝，应答 15：" in out


# New routes on old payments


def trial(route, folder, text, *words):
    path = folder / "new.toml"
    path.write_text(text)
    ended = route(*([path] if text else []), "--json", *words, subcommand="try")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def loads(rows):
    return {row["bank"]: (row["payments"], row["minor"]["156"]) for row in rows}


def test_the_same_rules_move_nothing_and_agree_with_the_journal(route, folder):
    said = trial(route, folder, ROUTES_TOML)
    assert (said["asked"], said["moved"], said["moves"]) == (8, 0, [])
    assert said["really"] == said["before"] == said["after"]
    assert loads(said["after"]) == {
        A: (6, 10_000 + 10_001 + 10_002 + 10_003 + 10_004 + 160_000), B: (1, 150_000), C: (1, 10_005),
    }  # fmt: skip


def test_what_a_change_moves(route, folder):
    said = trial(route, folder, f'[[route]]\nid = "large"\nto = ["{C}"]\nmerchants = []\n')
    assert said["moves"] == [
        {"before": B, "after": C, "payments": 1},
        {"before": A, "after": C, "payments": 1},
    ]
    assert loads(said["after"])[C] == (3, 150_000 + 160_000 + 10_005)
    assert [one["amount_minor"] for one in said["examples"]] == [150_000, 160_000]
    assert {one["card"] for one in said["examples"]} == {CARD}


def test_shares_fall_as_the_node_lets_them(tmp_path, capsys):
    """The same payment numbers, the same draw: what a trial says of the rules in force is what they did."""
    text = f'[[route]]\nid = "split"\nto = ["{A}", "{B}", "{C}"]\nchoose = "split"\nsplit = [2, 1, 1]\n'
    build(tmp_path, more=text)
    world = Traffic(tmp_path, Route("split", (A, B, C), choose="split", split=(2, 1, 1)))
    for number in range(40):
        world.pay(0, 1_000 + number)
    world.close()
    ended = posswitch(capsys, "route", "try", "--without", C, "--data", tmp_path, "--json")
    said = json.loads(ended.out)
    assert said["before"] == said["really"]
    assert set(loads(said["before"])) == {A, B, C}
    assert set(loads(said["after"])) == {A, B}
    assert said["moved"] == loads(said["before"])[C][0]


def test_what_none_would_take_without_a_bank(route, folder):
    said = trial(route, folder, "", "--without", C, "--without", B)
    moves = {(move["before"], move["after"]): move["payments"] for move in said["moves"]}
    assert moves == {(B, A): 1, (C, ""): 1}
    assert loads(said["after"])[""] == (1, 10_005)


def test_a_trial_as_a_person_reads_it(route, folder):
    ended = route("--without", C, subcommand="try")
    assert f"  {C} → nobody: 1\n" in ended.out
    assert f"  {C} → 无处可送: 1\n" in ended.out
    assert f"  {C}: 1 (CNY 100.05) → 0  (really 1 (CNY 100.05))\n" in ended.out
    assert CARDS[2] not in ended.out


def test_a_trial_names_the_banks_that_are_paused(route, folder):
    assert pause(route, C).code == 0
    ended = route("--without", B, subcommand="try")
    assert f"  paused now, sent offline sales alone by both: {C}\n" in ended.out
    assert f"  现已暂停（两边只送离线结算）：{C}\n" in ended.out
    assert trial(route, folder, "", "--without", B)["paused"] == [C]


@pytest.mark.parametrize(
    ("text", "words", "code", "said"),
    [
        ("", (), 2, "give a file of routes, or --without BANK"),
        ("", ("--without", "99999999"), 2, "--without: no bank 99999999"),
        ('[[route]]\nid = "x"\nto = ["99999999"]\n', (), 1, "no bank 99999999"),
        ('[[limit]]\nid = "x"\nday_count = 1\n', (), 2, "only routes are tried"),
        (ROUTES_TOML, ("--days", "0"), 2, "--days: 1 to 31"),
    ],
)
def test_what_cannot_be_tried(route, folder, text, words, code, said):
    path = folder / "wrong.toml"
    path.write_text(text)
    ended = route(*([path] if text else []), *words, subcommand="try")
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err


# Pauses


def pause(route, bank, *words):
    return route(bank, "--by", "Wang", "--reason", "new host", *words, subcommand="pause")


def test_a_pause_is_one_change_and_says_what_is_under_way(route, folder, way):
    ended = pause(route, A, "--until", "2099-01-01 02:00")
    assert ended.code == 0, ended.err
    assert "version 1: 1 added, 0 changed, 0 removed\n" in ended.out
    assert ended.out.endswith(f"bank {A}: 1 forwarded under way / 在途 1 笔\n")
    assert desk_of(folder).registry.pauses == {A: Pause(A, "", "2099-01-01 02:00", "new host")}
    assert (desk_of(folder).entries[0].author, desk_of(folder).entries[0].note) == (
        "Wang",
        f"pause {A}: new host",
    )
    code, said = way("10", "--terminal", TILL, at=clock_text(SystemClock().wall_ns())[:19])
    assert (code, said["bank"], said["why"]) == (1, "", "the bank is paused: new host")
    ended = route(A, "--by", "Chen", subcommand="resume")
    assert (ended.code, desk_of(folder).registry.pauses) == (0, {})
    assert way("10", "--terminal", TILL)[0] == 0


def test_a_stand_in_is_named_where_nobody_takes_it(route, folder, way):
    now = clock_text(SystemClock().wall_ns())[:19]
    pause(route, A)
    assert not way("10", at=now)[1]["standin"]
    desk = desk_of(folder)
    desk.activate(desk.plan([StandIn(A, 1000, 1000, 9000)]), "Wang", "")
    code, said = way("10", at=now)
    assert (code, said["standin"]) == (1, True)
    assert not way("10.01", at=now)[1]["standin"]
    out = route("--card", CARD, "--amount", "10", "--at", now, "--lang", "en").out
    assert out.endswith("(or approved here within the bank's stand-in)\n")


def test_the_next_bank_of_a_rule_is_taken_while_one_is_paused(route, way):
    pause(route, B)
    code, said = way("1500", "--terminal", TILL)
    assert (code, said["bank"]) == (0, A)
    assert [one["shut"] for one in said["banks"]] == ["the bank is paused: new host", ""]


def test_a_pause_that_has_not_begun_lets_pass(route, way):
    begin = SystemClock().wall_ns() + DAY_S * NS_PER_S
    pause(route, A, "--from", clock_text(begin)[:19])
    assert way("10", at=clock_text(SystemClock().wall_ns())[:19])[0] == 0
    assert way("10", at=clock_text(begin + NS_PER_S)[:19])[0] == 1


@pytest.mark.parametrize(
    ("bank", "words", "code", "said"),
    [
        ("99999999", (), 2, "no bank 99999999 is registered"),
        (A, ("--until", "2020-01-01"), 2, "is past"),
        (A, ("--until", "soon"), 1, "is no time"),
        (A, ("--from", "2099-01-02", "--until", "2099-01-01"), 1, "is not after begin"),
        (A, ("--from", "2099-01-02", "--wait"), 2, "the pause has not begun"),
        (A, ("--reason", " "), 2, "--reason: say why"),
        (A, ("--reason", "x" * 101), 2, "at most 100 characters"),
        (A, ("--reason", "two\nlines"), 2, "in one line"),
        (A, ("--by", "1"), 2, "give the name of a person"),
    ],
)
def test_what_cannot_be_paused(route, folder, bank, words, code, said):
    ended = pause(route, bank, *words)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert not (folder / "data" / OFFICE).exists()


def test_what_is_not_paused_is_not_resumed(route):
    ended = route(A, "--by", "Wang", subcommand="resume")
    assert (ended.code, one_line(ended.err)) == (2, True)
    assert f"bank {A} is not paused" in ended.err


def test_nobody_waits_for_a_node_that_does_not_run(route):
    ended = pause(route, A, "--wait")
    assert ended.code == 1
    assert "no node is running" in ended.err
    assert "the pause stands" in ended.err


def test_a_card_number_in_a_reason_is_masked(route, folder):
    ended = pause(route, A, "--reason", f"card {CARDS[0]} is charged twice")
    assert ended.code == 0
    assert CARDS[0] not in ended.out
    content = b"".join(path.read_bytes() for path in (folder / "data").glob(f"{OFFICE}*"))
    assert CARDS[0].encode() not in content


def test_what_counts_as_under_way(tmp_path):
    build(tmp_path)
    world = Traffic(tmp_path, *ROWS)
    before = under_way(world.state, B)
    world.pay(0, 150_000, "")
    world.pay(0, 150_001, "")
    world.timer()
    world.pay(0, 150_002, kind="offline-sale")
    world.pay(0, 10)
    found = under_way(world.state, B)
    assert found - before == {FORWARDED: 1, REVERSING: 1, ADVISING: 1}
    world.close()


def test_a_closed_pipe_ends_it_quietly(folder):
    unread, out = os.pipe()
    os.close(unread)
    words = ["route", "try", "--without", C, "--data", str(folder)]
    ended = subprocess.run(
        [sys.executable, "-m", "posswitch", *words],
        stdout=out,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(out)
    assert (ended.returncode, ended.stderr) == (141, b"")
