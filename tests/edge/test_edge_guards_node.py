"""The guards in a real node: who tries cards is refused durably, all others pay; replays post nothing."""

import asyncio
import json
import time

import apsw
from edge_till import POS
from edge_town import until
from typer.testing import CliRunner

from posswitch.base.bounds import BAD_FRAMES_MAX
from posswitch.cli.main import app
from posswitch.engine.events import RequestArrived
from posswitch.sim.peers.customer import VALID, Purchase, pan_at

ATTEMPTS_MAX = 50
REPLAYS, AT_ONCE = 1_000, 100


def made_up(switch, number):
    """A card that nobody has, of the first bank."""
    return Purchase(pan_at(switch.city.banks[0].ranges[0], 300_000 + number * 13), VALID, "", 100 + number)


def guard_rows(switch):
    """The evidence as the node has written it."""
    db = apsw.Connection(str(switch.city.data / "vitals.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(db.execute("SELECT guard, scope, subject, mode, until_ns, met FROM guard"))
    except apsw.SQLError:
        return []
    finally:
        db.close()


def command(switch, *options):
    """`posswitch guards`: its exit code and what it says."""
    ran = CliRunner().invoke(app, ["guards", "-c", str(switch.city.config), *options])
    return ran.exit_code, ran.stdout


async def tried(switch, till, attempts):
    """The answers to so many made-up cards."""
    return [(await till.answered(till.sale(made_up(switch, n)))).fields[39] for n in range(attempts)]


async def test_who_tries_cards_is_cut_off_and_others_pay(lone_switch):
    switch = lone_switch
    till, other, bank = await switch.till(), await switch.till(), switch.banks[0]
    sold = switch.bought()
    approved = await switch.approved(till, sold)
    stood, repeat = till.stan, till.sale_again()
    await until(switch.gauges)
    assert command(switch) == (0, "nobody is barred / 没有被拦截的对象\n")

    bank.says = "14"
    heard = len(bank.heard)
    answers = await tried(switch, till, 2 * ATTEMPTS_MAX)
    asked = len(bank.heard) - heard
    assert answers == ["14"] * asked + ["59"] * (2 * ATTEMPTS_MAX - asked)
    assert 3 <= asked <= ATTEMPTS_MAX
    bank.says = ""

    refused = [verdict for verdict in switch.verdicts(till.id) if verdict.code == "59"]
    assert {verdict.why for verdict in refused} == {"barred: card-testing"}
    assert all(not verdict.holds and verdict.state == "declined" for verdict in refused)
    barred = [
        row.event for row in switch.records() if isinstance(row.event, RequestArrived) and row.event.barred
    ]
    assert len(barred) == len(refused)

    # A bar takes nothing back, and hinders nobody from taking back.
    again = await till.answered(repeat)
    assert (again.fields[39], again.fields[37]) == ("00", approved.fields[37])
    assert (await till.answered(till.reversal(sold, stan=stood))).fields[39] == "00"
    await switch.approved(other, switch.bought())

    met = len(refused) + 1  # the repeat
    await until(lambda: switch.gauges().get("count.guard-card-testing") == met)
    assert switch.gauges()["guards_barred"] == 1
    await until(lambda: ("card-testing", "terminal", till.id) in [row[:3] for row in guard_rows(switch)])
    code, said = command(switch)
    assert code == 1
    assert f"terminal {till.id}" in said
    assert "14" in said
    assert "试卡" in said
    assert not any(made_up(switch, number).pan in said for number in range(2 * ATTEMPTS_MAX))
    code, said = command(switch, "--json", "--lang", "en")
    (row,) = [row for row in json.loads(said)["barred"] if row["scope"] == "terminal"]
    assert (row["guard"], row["subject"], row["mode"], row["times"]) == ("card-testing", till.id, "force", 1)
    assert row["counted"]["14"] >= 3


async def test_nobody_is_barred_after_a_restart_until_he_tries_again(lone_switch):
    switch = lone_switch
    till = await switch.till()
    switch.banks[0].says = "14"
    assert (await tried(switch, till, ATTEMPTS_MAX))[-1] == "59"
    await until(lambda: guard_rows(switch))
    old, at_ns = switch.supervisor.node_pid, time.time_ns()
    switch.supervisor.kill()
    await until(lambda: switch.supervisor.node_pid not in (None, old))
    await switch.linked(8, since_ns=at_ns)
    await until(lambda: all(until_ns <= time.time_ns() for *_, until_ns, _ in guard_rows(switch)))
    assert command(switch)[0] == 0
    await switch.redialled(till)
    answers = await tried(switch, till, ATTEMPTS_MAX)
    assert (answers[0], answers[-1]) == ("14", "59")


async def test_every_frame_replayed_a_thousand_times_across_a_restart_posts_nothing(lone_switch):
    """Sign-on, sale, reversal, refund, settlement, echo: as they were on the line."""
    switch = lone_switch
    till, bank = await switch.till(), switch.banks[0]
    kept, taken_back = switch.bought(), switch.bought()
    await switch.approved(till, kept)
    await switch.approved(till, taken_back)
    assert (await till.answered(till.reversal(taken_back))).fields[39] == "00"
    await bank.asked("0420", till.id)
    await till.hears_nothing_else()
    captured = list(till.cable.said)
    assert [POS.unpack(frame).mti for frame in captured] == ["0800", "0200", "0200", "0400", "0820"]

    def posted():
        """What banks were asked that moves money."""
        return [
            frame
            for one in switch.banks
            for frame in one.heard
            if one.dialect.unpack(frame).mti not in ("0820", "0810", "0830")
        ]

    before = posted()
    attacker = await switch.cable()
    for half in range(2):
        for frame in captured:
            for _ in range(REPLAYS // 2 // AT_ONCE):
                attacker.put_raw((len(frame).to_bytes(2, "big") + frame) * AT_ONCE)
                for _ in range(AT_ONCE):
                    await attacker.take()
        if not half:
            old, at_ns = switch.supervisor.node_pid, time.time_ns()
            switch.supervisor.kill()
            await until(lambda old=old: switch.supervisor.node_pid not in (None, old))
            await switch.linked(8, since_ns=at_ns)
            attacker = await switch.cable()
    await asyncio.sleep(switch.city.timers.reversal_max)
    assert posted() == before
    approvals = [verdict for verdict in switch.verdicts(till.id) if verdict.state == "approved"]
    assert len(approvals) == 2

    # The terminal itself pays on.
    await switch.redialled(till)
    async with asyncio.timeout(10):  # sign-ons were replayed, too: the next is allowed a second later
        while POS.unpack(answer := await till.ask(till.sign_on_request())).fields[39] != "00":  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    till.take_keys(POS.unpack(answer))
    await switch.approved(till, switch.bought())


async def test_a_refusal_that_is_told_again_counts_once(lone_switch):
    """A line that loses answers is no PIN guessing."""
    switch = lone_switch
    till, bank, customer = await switch.till(), switch.banks[0], switch.bought()
    bank.answer(await switch.forwarded(till, customer), "55")
    assert (await till.answer()).fields[39] == "55"
    for _ in range(10):
        assert (await till.answered(till.sale_again())).fields[39] == "55"
    await switch.approved(till, customer)


async def test_a_peer_that_nobody_can_read_again_and_again_waits_outside(lone_switch):
    switch = lone_switch
    for _ in range(5):
        cable = await switch.cable()
        for _ in range(BAD_FRAMES_MAX):
            cable.put(b"\x00 nothing that anybody can read")
        assert await cable.ended()
    late = await switch.cable()
    assert await late.ended()
    await switch.counted("gate-quarantined")
    await until(lambda: ("unreadable-frames", "peer", "127.0.0.1") in [row[:3] for row in guard_rows(switch)])
