"""`posswitch why` beside a running node: every way to ask, exit codes, what vitals measured, no secret."""

import asyncio
import json
import shutil
import time

import pytest
from cli_runs import one_line, posswitch
from edge_kept import Kept
from edge_till import POS
from edge_town import TIMERS, Town, until
from msgspec.structs import replace

from posswitch.base.moment import NS_PER_S, stamp
from posswitch.scheme.settlement import Side
from posswitch.sim.city import build_city
from posswitch.sim.peers import pos

DAY_NS = 86_400 * NS_PER_S


@pytest.fixture(scope="module")
def town(runner, tmp_path_factory):
    opened = runner.run(Town.open(tmp_path_factory.mktemp("town")))
    yield opened
    runner.run(opened.close())


@pytest.fixture
def asked(town, capsys):
    """`posswitch why WORDS` about the town."""
    return lambda *words: posswitch(capsys, "why", *words, "-c", town.city.config)


@pytest.fixture
def told(asked):
    """The only payment that fits, as a program reads it."""

    def read(*words):
        ended = asked(*words, "--json")
        assert ended.code == 0, ended
        (payment,) = json.loads(ended.out)["payments"]
        return payment

    return read


def day_of(at_ns):
    day = stamp(at_ns).day
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"


def yuan(minor):
    return f"{minor // 100}.{minor % 100:02d}"


async def test_one_payment_by_everything_that_names_it(town, asked, told):
    till, bought = await town.till(), town.bought()
    answer = await town.approved(till, bought)
    payment = told(answer.fields[37])
    assert payment["outcome"] == "approved"
    await until(lambda: told(answer.fields[37])["bank"]["links_up"] == 2)
    slip = ("--terminal", till.id, "--stan", str(till.stan))
    amount = ("--last-four", bought.pan[-4:], "--amount", yuan(bought.amount_minor))
    minute = stamp(payment["at_ns"]).time
    for words in (
        (str(payment["payment"]),),
        (answer.fields[37].lower(),),
        slip,
        (*slip, "--batch", till.batch),
        amount,
        (*amount, "--on", day_of(payment["at_ns"])),
        ("--code", "00", "--terminal", till.id),
        ("--code", "00", "--terminal", till.id, "--at", f"{minute[:2]}:{minute[2:4]}"),
        ("--code", "00", "--terminal", till.id, "--on", day_of(payment["at_ns"])),
    ):
        assert told(*words)["payment"] == payment["payment"]
    ended = asked(answer.fields[37])
    assert ended.code == 0
    assert "Links to Bank A (90010000) that serve now: 2." in ended.out
    for title in ("[收银员]", "[运维]", "[致银行]", "[顾客]", "[Cashier]", "[Message to the bank]"):
        assert title in ended.out
    assert "收银员" not in asked(answer.fields[37], "--lang", "en").out
    assert "Cashier" not in asked(answer.fields[37], "--lang", "zh").out


async def test_nothing_secret_is_shown(town, asked):
    till, bought = await town.till(), town.bought()
    answer = await town.approved(till, bought)
    said = asked(answer.fields[37]).out + asked(answer.fields[37], "--json").out
    masked = f"{bought.pan[:6]}{'*' * (len(bought.pan) - 10)}{bought.pan[-4:]}"
    assert masked in said
    for secret in (bought.pan, bought.track2, bought.track2[:20], bought.pan[:12]):
        assert secret not in said


async def test_the_vitals_say_how_long_it_took(town, told, asked):
    till, bank = await town.till(), town.banks[0]
    forwarded = await town.forwarded(till, town.bought())
    await asyncio.sleep(0.3)
    bank.answer(forwarded)
    rrn = (await till.answer()).fields[37]
    await until(lambda: told(rrn)["waits"])
    payment = told(rrn)
    waits = payment["waits"]
    assert waits["wait_us"] >= waits["bank_us"] >= 300_000
    assert waits["told_ns"] >= payment["told"][0]["after_ns"]
    bank_ms = waits["bank_us"] / 1000
    assert f"{bank_ms:.1f} of them since it was sent to its bank" in asked(rrn).out
    refused = await town.till()
    rrn = (await refused.answered(refused.sale(town.bought(amount_minor=10**9)))).fields[37]
    await until(lambda: told(rrn)["waits"])
    assert told(rrn)["waits"]["bank_us"] == 0


async def test_a_trace_number_of_two_batches_is_two_payments(town, asked, told):
    till = await town.till()
    await town.approved(till, town.bought(amount_minor=1_111))
    first, stan = till.batch, till.stan
    await town.approved(till, town.bought(amount_minor=2_222))
    settled = till_settles(till, (1_111 + 2_222, 2))
    assert POS.unpack(await till.ask(settled)).fields[39] == "00"
    await till.sign_on()
    till.stan = stan - 1
    await town.approved(till, town.bought(amount_minor=3_333))
    words = ("--terminal", till.id, "--stan", f"{stan:06d}")
    ended = asked(*words)
    assert ended.code == 1
    assert "有 2 笔符合" in ended.out
    assert "2 payments fit" in ended.out
    assert ended.out.index("33.33元") < ended.out.index("11.11元"), "the newest first"
    found = json.loads(asked(*words, "--json").out)
    assert [one["amount_minor"] for one in found["payments"]] == [3_333, 1_111]
    payment = told(*words, "--batch", first)
    assert payment["settled"]["balanced"]
    assert "the batch balanced" in payment["texts"]["operator"]["en"]


def till_settles(till, debits):
    till.stan += 1
    message = pos.settlement(till.id, till.fitting.merchant, till.stan, till.batch, Side(*debits), Side())
    return POS.pack(message)


async def test_a_code_and_a_terminal_are_enough_for_candidates(town, asked, told):
    till, bank = await town.till(), town.banks[0]
    for code, said in (("51", "51"), ("A0", "96"), ("91", "91"), ("A0", "96")):
        bank.answer(await town.forwarded(till, town.bought()), code)
        assert (await till.answer()).fields[39] == said
    await town.forwarded(till, town.bought())
    assert (await till.answer()).fields[39] == "98"
    found = asked("--code", "96", "--terminal", till.id)
    assert found.code == 1
    assert "2 payments fit" in found.out
    rows = json.loads(asked("--code", "96", "--terminal", till.id, "--json").out)["payments"]
    assert rows[0]["at_ns"] > rows[1]["at_ns"]
    assert {one["bank"]["said"] for one in rows} == {"A0"}
    assert told("--code", "51", "--terminal", till.id)["outcome"] == "declined"
    assert told("--code", "98", "--terminal", till.id)["decided"] == "timer"
    earlier = stamp(time.time_ns() - 3 * 3600 * NS_PER_S).time
    ended = asked("--code", "96", "--terminal", till.id, "--at", f"{earlier[:2]}:{earlier[2:4]}")
    assert ended.code == 1
    assert "没有找到" in ended.out


async def test_what_the_edge_refused_has_no_record_and_that_is_said(town, asked):
    till = await town.till(signed_on=False)
    assert POS.unpack(await till.ask(till.sale(town.bought(pin=False)))).fields[39] == "77"
    await until(lambda: json.loads(asked("--code", "77", "--terminal", till.id, "--json").out)["at_edge"])
    ended = asked("--code", "77", "--terminal", till.id)
    assert ended.code == 1
    assert "a request 0200 of the terminal was refused at the edge with 77" in ended.out
    assert "没有问过银行，没有动账" in ended.out
    assert "重新签到" in ended.out, "what the code means"
    await till.sign_on()
    assert POS.unpack(await till.ask(till.sale(town.bought(), mak=bytes(16)))).fields[39] == "A0"
    ended = asked("--terminal", till.id, "--stan", str(till.stan))
    assert ended.code == 1
    assert "What is refused at the edge leaves no record: 97, 77, A0" in ended.out


async def test_what_is_not_found_says_what_to_check(town, asked):
    ended = asked("--terminal", "99999999", "--stan", "1")
    assert ended.code == 1
    assert "Terminal 99999999 is not in the configuration" in ended.out
    assert "没有登记" in ended.out
    ended = asked("63338ZZZZZZZ")
    assert "The RRN is of node 8, this is node 1" in ended.out
    answer = await town.approved(await town.till(), town.bought())
    rrn = answer.fields[37]
    other_day = f"{rrn[0]}{(int(rrn[1:4]) + 1) % 365:03d}{rrn[4:]}"
    assert asked(other_day).code == 1, "every digit of an RRN counts"
    assert asked("--last-four", "0000", "--amount", "0.01").code == 1
    day = day_of(time.time_ns() - 40 * DAY_NS)
    assert asked("--last-four", "0000", "--amount", "0.01", "--on", day).code == 1


WRONG = [
    ((), "give RRN or PAYMENT"),
    (("--terminal", "10000001"), "give RRN or PAYMENT"),
    (("--stan", "1"), "give RRN or PAYMENT"),
    (("7", "--terminal", "10000001", "--stan", "1"), "give RRN or PAYMENT"),
    (("--terminal", "10000001", "--stan", "1", "--on", "2026-11-29"), "give RRN or PAYMENT"),
    (("--last-four", "1234"), "give RRN or PAYMENT"),
    (("--code", "96"), "give RRN or PAYMENT"),
    (("--code", "96", "--at", "14:05"), "give RRN or PAYMENT"),
    (("abc",), "is no payment"),
    (("63331000000!",), "is no payment"),
    (("9" * 19,), "is no payment"),
    (("--terminal", "10000001", "--stan", "x"), "--stan: "),
    (("--terminal", "10000001", "--stan", "1234567"), "--stan: "),
    (("--terminal", "10000001", "--stan", "1", "--batch", "-1"), "--batch: "),
    (("--terminal", "a|b", "--stan", "1"), "--terminal: "),
    (("--last-four", "6290010000000211", "--amount", "1.00"), "--last-four: give the last four"),
    (("--last-four", "12a4", "--amount", "1.00"), "--last-four: "),
    (("--last-four", "1234", "--amount", "1.001"), "--amount: "),
    (("--last-four", "1234", "--amount", "-1"), "--amount: "),
    (("--last-four", "1234", "--amount", "1", "--on", "29.11.2026"), "--on: "),
    (("--last-four", "1234", "--amount", "1", "--on", "2026-02-30"), "--on: "),
    (("--code", "9", "--terminal", "10000001"), "--code: "),
    (("--code", "96", "--terminal", "10000001", "--at", "25:00"), "--at: "),
    (("--code", "96", "--terminal", "10000001", "--at", "14.05"), "--at: "),
]


@pytest.mark.parametrize(("words", "said"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_what_is_used_wrongly_is_said_in_one_line(asked, words, said):
    ended = asked(*words)
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)
    assert said in ended.err
    assert "6290010000000211" not in ended.err


def test_without_a_journal_it_says_so(capsys, tmp_path):
    city = build_city(tmp_path, 1, 1)
    ended = posswitch(capsys, "why", "7", "--data", city.folder)
    assert ended.code == 2
    assert one_line(ended.err)
    assert "no journal there" in ended.err


# What only a person can find out


@pytest.fixture
def impatient(runner, tmp_path):
    """A town whose lanes give up after less than a second."""
    timers = replace(TIMERS, reversal_hours=0.0001)
    opened = runner.run(Town(build_city(tmp_path, 7, 8, timers)).opened())
    yield opened
    runner.run(opened.close())


async def test_a_persons_word_ends_what_no_bank_has_answered(impatient, capsys):
    town, bank = impatient, impatient.banks[0]
    bank.acks = ""

    def told(payment):
        ended = posswitch(capsys, "why", payment, "-c", town.city.config, "--json")
        return json.loads(ended.out)["payments"][0]

    sale = await town.till()
    await town.forwarded(sale, town.bought())
    rrn = (await sale.answer()).fields[37]
    desk, bought = await town.till(), town.bought()
    await town.approved(desk, bought)
    offline = await town.till()
    message = offline.sale(town.bought(), changes={25: "00", 60: f"30{offline.batch}000601"}, mti="0220")
    noted = (await offline.answered(message)).fields[37]
    await asyncio.sleep(0.5)
    assert (told(rrn)["outcome"], told(noted)["outcome"]) == ("reversing", "advising")
    await town.supervisor.stop()
    await town.started_again()
    await until(lambda: told(rrn)["outcome"] == "needs-owner")
    for payment in (rrn, noted):
        assert (told(payment)["decided"], told(payment)["retry"]) == ("timer", "wait")
        assert told(payment)["safe"] == "open"
        assert "勿重刷" in told(payment)["texts"]["cashier"]["zh"]
    for payment, word in ((rrn, "--reversed"), (noted, "--stands")):
        words = ("unknowns", payment, word, "--by", "wang", "--reason", "bank list of 3 May")
        assert posswitch(capsys, *words, "-c", town.city.config).code == 0
    await until(lambda: told(rrn)["outcome"] == "reversed" and told(noted)["outcome"] == "approved")
    assert (told(rrn)["decided"], told(noted)["decided"]) == ("owner", "owner")
    assert "wang" in told(rrn)["texts"]["operator"]["zh"]
    bank.acks = "00"


async def test_after_a_restore_what_is_missing_may_have_been_lost(runner, tmp_path, capsys):
    town = await Town.open(tmp_path)
    till = await town.till()
    await town.approved(till, town.bought())
    open_till = await town.till()
    await town.forwarded(open_till, town.bought())
    kept = Kept(town)
    kept.backup()
    await town.approved(till, town.bought())
    lost = till.stan
    await town.supervisor.stop()
    shutil.rmtree(kept.data)
    kept.restore()
    await town.started_again()

    def asked(*words):
        return posswitch(capsys, "why", *words, "-c", town.city.config)

    found = json.loads(asked("--terminal", open_till.id, "--stan", str(open_till.stan), "--json").out)
    assert (found["payments"][0]["outcome"], found["payments"][0]["reason"]) == ("needs-owner", "restored")
    ended = asked("--terminal", till.id, "--stan", str(lost))
    assert ended.code == 1
    assert "This journal was restored from a backup" in ended.out
    await town.close()
