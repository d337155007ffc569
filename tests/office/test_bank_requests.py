"""Requests to banks: evidence from the journal, a message that can be sent, signed rows, states."""

import json
import sys
from pathlib import Path

import pytest
from cli_runs import one_line, posswitch

from posswitch.base.card import mask_pan
from posswitch.base.errors import OfficeError
from posswitch.base.order import OFFICE
from posswitch.office import bank_requests
from posswitch.office.desk import Desk
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.sim.city import CONFIG_FILE

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from traffic import BANKS, CARDS, OTHER_SHOP, Traffic, build

WANT = "raise the daily limit of card 6290010000293584"
BANK = BANKS[0]


@pytest.fixture(scope="module")
def blueprint(tmp_path_factory):
    """A city where bank A has refused four payments with 61, two with 65 and one with 51."""
    folder = tmp_path_factory.mktemp("requests")
    city = build(folder)
    text = city.config.read_text()
    city.config.write_text(
        text.replace('name_en = "Bank A"\n', 'name_en = "Bank A"\ncontact = "duty room"\n')
    )
    world = Traffic(folder)
    for number, outcome in enumerate(("61", "00", "61", "65", "51", "61", "00", "65", "61", "")):
        world.pay(number % 2, 10_000 + number, outcome, **({"merchant": OTHER_SHOP} if number == 5 else {}))
        world.wait(60)
    world.pay(0, 99_000, "61", bank=BANKS[1])
    world.close()
    return folder


@pytest.fixture
def folder(blueprint):
    """The city, without what an earlier test has kept."""
    for path in (blueprint / "data").glob(f"{OFFICE}*"):
        path.unlink()
    return blueprint


@pytest.fixture
def bank(capsys, folder):
    """`posswitch limits bank WORDS --data CITY`."""
    return lambda *words: posswitch(capsys, "limits", "bank", *map(str, words), "--data", str(folder))


def desk_of(folder):
    return Desk(load_config(folder / CONFIG_FILE, serve=False), SystemClock())


def opened(bank, *words):
    ended = bank("open", BANK, "--by", "Wang", "--want", WANT, "--json", *words)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_the_evidence_is_what_the_journal_has(bank):
    said = opened(bank)
    assert said["codes"] == {"61": 4, "65": 2}
    assert said["minor"] == {"156": 4 * 10_000 + 0 + 2 + 5 + 8 + 2 * 10_000 + 3 + 7}
    assert (said["payments"], said["cards"], said["merchants"]) == (9, 2, 2)
    assert [one["code"] for one in said["examples"]] == ["61", "61", "65", "61", "65", "61"]
    assert [one["amount_minor"] for one in said["examples"]] == [
        10_000,
        10_002,
        10_003,
        10_005,
        10_007,
        10_008,
    ]
    assert {one["card"] for one in said["examples"]} == {mask_pan(CARDS[0]), mask_pan(CARDS[1])}
    assert 479 <= (said["last_ns"] - said["first_ns"]) // 10**9 <= 481


def test_other_codes_are_other_evidence(bank):
    said = opened(bank, "--code", "51")
    assert (said["codes"], said["minor"]) == ({"51": 1}, {"156": 10_004})


def test_the_message_is_ready_in_both_languages(bank):
    ended = bank("open", BANK, "--by", "Wang", "--want", WANT)
    for words in (
        "致：甲银行（机构号 90010000），联系人：duty room\n",
        "应答 61 4 笔、65 2 笔，合计 CNY 600.25，涉及 2 张卡、2 家商户。",
        f"我方请求：raise the daily limit of card {mask_pan(CARDS[0])}\n",
        "To: Bank A (institution 90010000), contact: duty room\n",
        "you answered 61 (4 times), 65 (2 times)",
        "you answered 9 payments;\n6 of them were refused like this.",
        "request 1: open\n",
    ):
        assert words in ended.out
    assert ended.out.count("  RRN ") == 12
    assert not any(pan in ended.out for pan in CARDS)
    assert "致" not in bank("show", 1, "--lang", "en").out
    assert "To:" not in bank("show", 1, "--lang", "zh").out


def test_from_open_to_closed(bank):
    opened(bank)
    states = [json.loads(bank("list", "--json").out)[0]["state"]]
    for words in (("answer", 1, "--by", "Li Wei", "--note", "they look into it"),
                  ("answer", 1, "--by", "Li Wei", "--note", "raised to 50,000 from Monday on"),
                  ("close", 1, "--by", "Wang", "--note", "no 61 since Monday")):  # fmt: skip
        ended = bank(*words)
        assert ended.code == 0, ended.err
        states.append(json.loads(bank("list", "--json").out)[0]["state"])
    assert states == ["open", "answered", "answered", "closed"]
    said = bank("show", 1, "--lang", "en").out
    assert "request 1: closed\n" in said
    assert "Li Wei  answered  raised to 50,000 from Monday on\n" in said
    assert "Wang  closed  no 61 since Monday\n" in said
    assert bank("list", "--open").out == "nothing\n"
    ended = bank("close", 1, "--by", "Wang", "--note", "again and again")
    assert (ended.code, one_line(ended.err)) == (2, True)
    assert "was closed by Wang at" in ended.err


def test_what_was_said_is_signed_and_no_history_of_keys(bank, folder, capsys):
    opened(bank)
    assert posswitch(capsys, "keys", "history", "--data", folder).out == "nothing\n"
    assert desk_of(folder).version == 0
    content = b"".join(path.read_bytes() for path in (folder / "data").glob(f"{OFFICE}*"))
    assert b"Wang" in content
    assert not any(pan.encode() in content for pan in CARDS)
    path = folder / "data" / OFFICE
    path.write_bytes(path.read_bytes().replace(b"Wang", b"Chen"))
    for name in (f"{OFFICE}-wal", f"{OFFICE}-shm"):
        (folder / "data" / name).unlink(missing_ok=True)
    ended = bank("list")
    assert ended.code == 2
    assert "its signature does not fit" in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("open", "90990000", "--by", "Wang", "--want", WANT), "no bank 90990000 is registered"),
        (("open", BANKS[2], "--by", "Wang", "--want", WANT), "has refused nothing with 61, 65"),
        (("open", BANK, "--by", "Wang", "--want", "x"), "--want: say it"),
        (("open", BANK, "--by", "Wang", "--want", "a\nb c d e"), "--want: say it"),
        (("open", BANK, "--by", "9", "--want", WANT), "give the name of a person"),
        (("open", BANK, "--by", "Wang", "--want", WANT, "--code", "00"), "--code: 00 refuses nothing"),
        (("open", BANK, "--by", "Wang", "--want", WANT, "--days", "0"), "--days: 1 to 31"),
        (("answer", 1, "--by", "Wang", "--note", "they agree"), "no request 1"),
        (("show", 7), "no request 7"),
    ],
)
def test_used_wrongly(bank, folder, words, said):
    ended = bank(*words)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert one_line(ended.err)
    assert not (folder / "data" / OFFICE).exists()


def test_no_more_than_so_many_are_open(folder, monkeypatch):
    monkeypatch.setattr(bank_requests, "OPEN_MAX", 2)
    for _ in range(2):
        bank_requests.open_request(desk_of(folder), BANK, "Wang", WANT, 7)
    with pytest.raises(OfficeError, match="2 requests are open"):
        bank_requests.open_request(desk_of(folder), BANK, "Wang", WANT, 7)
    bank_requests.close(desk_of(folder), 1, "Wang", "it is done")
    assert bank_requests.open_request(desk_of(folder), BANK, "Wang", WANT, 7).state == "open"


def test_an_act_that_others_made_meanwhile_is_not_lost(folder):
    first, second = desk_of(folder), desk_of(folder)
    bank_requests.open_request(first, BANK, "Wang", WANT, 7)
    with pytest.raises(OfficeError, match="somebody else acted meanwhile"):
        bank_requests.open_request(second, BANK, "Chen", WANT, 7)
    assert [one.asked.by for one in bank_requests.requests(desk_of(folder))] == ["Wang"]
