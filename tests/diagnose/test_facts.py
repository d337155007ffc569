"""Each rule of facts: a scene by hand in which it holds, and one beside it in which it does not."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.facts import NODE, RULES, FactBoard

from .streams import AT_NS, TICK_NS

BANK, LINK = ("bank", "B1"), ("link", "B1/0")
B, L = "bank.B1.", "link.B1.0."


def well():
    """Gauges of a node that has run for an hour."""
    return {
        "began_s": AT_NS / NS_PER_S - 3600, "hsm_ready": 1, "hsm_cap": 100, "hsm_under_way": 1, "registry": 3,
        "memory_bytes": 200 << 20, "descriptors": 60, "descriptors_cap": 1000, "connections": 60,
        "connections_cap": 1000, "commit_mean_us": 2000,
        f"{B}cap": 100, f"{B}links": 1, f"{B}links_able": 1, f"{B}under_way": 3, f"{L}up": 1,
        f"{L}usual_ms": 50, f"{L}sent": 0, f"{L}answered": 0,
    }  # fmt: skip


def played(change, seconds=20.0):
    """The facts at the end of a scene: `change(gauges, second)` from 0 on."""
    board, facts = FactBoard(), []
    for number in range(int(seconds / 0.25) + 1):
        gauges = well()
        said = change(gauges, number * 0.25)
        jumped_s = said if type(said) is int else 0
        facts = board.look(AT_NS + number * TICK_NS + jumped_s * NS_PER_S, gauges)
    return {(fact.name, fact.place): fact for fact in facts}


def after(second, **values):
    """Gauges by name, from a second on; `_` at a beginning stands for a bank's or link's prefix."""

    def change(gauges, now):
        if now >= second:
            gauges.update({name.replace("B_", B).replace("L_", L): value for name, value in values.items()})

    return change


def counts(**rates):
    """Counts that rise by so many a second: at once from 0, or from a second on where a pair says so."""

    def change(gauges, now):
        for name, rate in rates.items():
            since, times = rate if isinstance(rate, tuple) else (0.0, rate)
            known = name.replace("B_", B).replace("L_", L).replace("__", "-").replace("c_", "count.")
            gauges[known] = gauges.get(known, 0) + int(max(now - since, 0) * times)

    return change


def both(*changes):
    def change(gauges, now):
        for one in changes:
            one(gauges, now)

    return change


def until(second, first, then):
    return lambda gauges, now: (first if now < second else then)(gauges, now)


def began(*seconds):
    """The node began anew at these seconds."""

    def change(gauges, now):
        for second in seconds:
            if now >= second:
                gauges["began_s"] = AT_NS / NS_PER_S + second

    return change


def grows(share_a_second):
    return lambda gauges, now: gauges.update(memory_bytes=(200 << 20) * (1 + share_a_second * now))


def steps(*seconds):
    return lambda gauges, now: gauges.update(registry=3 + sum(now >= second for second in seconds))


def two_links(gauges, now):
    gauges.update({f"{B}links": 2, "link.B1.1.up": 1})


def clock(second, by_s):
    """From a second on the clock of the node says so much more."""
    return lambda gauges, now: by_s if now >= second else 0


SILENT = {"L_waiting_ms": 900}
TRAFFIC = {"L_sent": 10, "L_answered": 10}
# Fact → where; a scene that has it; a scene beside that has it not; seconds.
SCENES = {
    "link-down": (LINK, after(15, L_up=0), after(15, L_up=1)),
    "link-refused": (LINK, counts(L_refused=0.5), counts(L_refused=0.05)),
    "link-lost": (LINK, counts(L_lost=0.2), until(2, counts(L_lost=0.6), after(2, L_lost=1))),
    "link-flaps": (LINK, counts(L_lost=0.2), counts(L_lost=0.1)),
    "link-silent": (LINK, both(counts(L_sent=10, L_answered=10), after(17, **SILENT),
                               lambda gauges, now: gauges.update({f"{L}answered": min(int(now * 10), 170)})),
                    both(counts(**TRAFFIC), after(17, **SILENT))),
    "link-fenced": (LINK, after(15, L_fenced=2), after(15, L_fenced=1)),
    "link-probed": (LINK, after(15, L_fenced=1), after(15, L_fenced=0)),
    "link-lossy": (LINK, counts(L_sent=10, L_answered=9, L_overdue=1), counts(L_sent=10, L_overdue=10)),
    "link-late": (LINK, counts(L_late=0.5), counts(L_late=0.2)),
    "link-comes-late": (
        LINK, counts(L_overdue=1, L_late=1), counts(L_overdue=2, L_late=0.5),
    ),
    "link-slower": (LINK, after(15, L_usual_ms=200), after(15, L_usual_ms=90)),
    "echo-missed": (LINK, counts(L_echoes=(14, 2)), counts(L_echoes=(14, 2), L_echoed=(14, 2))),
    "echoes-lost": (LINK, counts(L_echoes=2, L_echoed=1.6), counts(L_echoes=2, L_echoed=1.96)),
    "link-alone": (
        LINK,
        both(two_links, counts(**{"link.B1.1.sent": 10}, L_sent=10, L_overdue=0.5)),
        both(two_links, counts(**{"link.B1.1.sent": 10, "link.B1.1.overdue": 0.4}, L_sent=10, L_overdue=0.5)),
    ),
    "echo-works": (LINK, counts(L_echoes=2, L_echoed=2), counts(L_echoes=2, L_echoed=0.3)),
    "bank-unreachable": (BANK, after(15, L_up=0, B_links_able=0), after(15, B_links_able=0)),
    "bank-full": (BANK, after(15, B_under_way=95), after(15, B_under_way=85)),
    "lane-deep": (BANK, counts(B_lane=4), after(2, B_lane=80)),
    "lane-stale": (BANK, after(15, B_lane_age_s=90_000), after(15, B_lane_age_s=7200)),
    "lane-old": (BANK, after(15, B_lane_age_s=61), after(15, B_lane_age_s=59)),
    "bank-unreadable": (BANK, counts(**{f"{B}undecodable-answer": 0.5}),
                        counts(**{f"{B}answer-spoiled": 0.5})),
    "bank-mac-bad": (BANK, counts(**{f"{B}answer-spoiled": 0.5}), counts(**{f"{B}answer-spoiled": 0.1})),
    "bank-unmatched": (BANK, counts(**{f"{B}answer-unmatched": 0.5}), counts(**{f"{B}answer-differs": 0.5})),
    "bank-differs": (BANK, counts(**{f"{B}answer-differs": 0.5}), counts(**{f"{B}answer-differs": 0.1})),
    "bank-answers-again": (BANK, counts(**{f"{B}answer-again": 0.5}), counts(**{f"{B}answer-again": 0.1})),
    "bank-tls-expired": (BANK, counts(**{f"{B}link-tls-expired": 0.2}),
                         counts(**{f"{B}link-tls-refused": 0.2})),
    "bank-tls-not-yet": (BANK, counts(**{f"{B}link-tls-not-yet-valid": 0.2}),
                         counts(**{f"{B}link-tls-expired": 0.2})),
    "bank-tls-unknown": (BANK, counts(**{f"{B}link-tls-unknown-authority": 0.2}),
                         counts(**{f"{B}link-tls-expired": 0.2})),
    "node-restarted": (NODE, began(14), began(2)),
    "node-restarts": (NODE, began(2, 7, 12), began(2, 12)),
    "node-lags": (NODE, after(15, loop_lag_ms=160), after(15, loop_lag_ms=120)),
    "node-slow": (NODE, after(15, wait_us=150_000), after(19, wait_us=150_000)),
    "queue-stands": (NODE, after(15, rung=1), after(15, rung=0)),
    "sheds": (NODE, counts(shed=3), counts(shed=0.5)),
    "cpu-full": (NODE, after(15, cpu_share=0.9), after(15, cpu_share=0.8)),
    "cpu-taken": (NODE, after(15, cpu_wait_share=0.4), after(15, cpu_wait_share=0.3)),
    "fsync-slow": (NODE, after(15, commit_mean_us=30_000), after(0, commit_mean_us=30_000)),
    "disk-low": (NODE, after(15, disk_low=1), after(15, disk_low=0)),
    "memory-grows": (NODE, grows(0.002), until(8, grows(0), after(8, memory_bytes=300 << 20))),
    "descriptors-near": (NODE, after(15, descriptors=950), after(15, descriptors=850)),
    "connections-near": (NODE, after(15, connections=950), after(15, connections=850)),
    "hsm-down": (NODE, after(15, hsm_ready=0), lambda gauges, now: gauges.pop("hsm_ready") < 0),
    "hsm-busy": (NODE, after(15, hsm_under_way=12), after(19, hsm_under_way=12)),
    "hsm-refuses": (NODE, counts(**{"count.hsm-other-master-key": 0.5}),
                    counts(**{"count.hsm-refused": 0.5})),
    "hsm-fails": (NODE, counts(**{"count.hsm-down": 5}), counts(**{"count.hsm-down": 1})),
    "gate-crowded": (NODE, counts(**{"count.gate-crowded-out": 2}),
                     counts(**{"count.gate-crowded-out": 0.5})),
    "gate-bad-frames": (NODE, counts(**{"count.gate-bad-frames": 1}), counts(**{"count.gate-slowed": 1})),
    "gate-slowed": (NODE, counts(**{"count.gate-slowed": 1}), counts(**{"count.gate-slowed": 0.1})),
    "frames-unreadable": (NODE, counts(**{"count.frames-dropped": 3}), counts(**{"count.frames-dropped": 1})),
    "handshakes-fail": (NODE, counts(**{"count.tls-accept-failed": 2}),
                        counts(**{"count.tls-accept-failed": 0.5})),
    "guard-bars": (NODE, after(15, guards_barred=4), after(0, guards_barred=4)),
    "misfit-terminals": (NODE, after(15, misfit_terminals=1), after(15, misfit_links=1)),
    "misfit-links": (NODE, after(15, misfit_links=1), after(15, misfit_banks=1)),
    "misfit-banks": (NODE, after(15, misfit_banks=1), after(15, misfit_terminals=1)),
    "clock-off": (NODE, clock(15, 3600), clock(15, 10)),
    "registry-changed": (NODE, steps(15), steps()),
    "owners-rise": (NODE, counts(needs_owner=0.5), counts(needs_owner=0.1)),
    "key-exchange-failed": (NODE, counts(**{"count.zone-key-failed": 0.2}),
                            counts(**{"count.zone-key-ok": 1})),
}  # fmt: skip
_SECONDS = {"memory-grows": 320.0}


def test_every_rule_has_its_scenes():
    assert set(SCENES) == set(RULES)
    assert all(RULES[name][0] == where[0] for name, (where, _, _) in SCENES.items())


@pytest.mark.parametrize("name", RULES)
def test_a_fact_holds_in_its_scene_and_not_beside_it(name):
    where, has, lacks = SCENES[name]
    seconds = _SECONDS.get(name, 20.0)
    found = played(has, seconds)
    assert (name, where) in found, sorted(found)
    assert found[name, where].figure > 0
    assert (name, where) not in played(lacks, seconds)
    assert (name, where) not in played(lambda gauges, now: None)


_GAUGES = sorted(
    {*well(), *(f"{L}{name}" for name in (
        "overdue", "late", "lost", "refused", "echoes", "echoed", "waiting_ms", "under_way", "fenced",
    )), f"{B}lane", f"{B}lane_age_s", "rung", "shed", "guards_barred", "needs_owner", "link.B1.1.sent",
     "link.B1.1.overdue", "count.hsm-ill"}
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 40]))
def test_whatever_a_node_says_no_rule_falls_over_it(seed, top):
    chance, board = random.Random(seed), FactBoard()
    for number in range(100):
        gauges = {name: chance.choice([0, 1, chance.randrange(top), -1.0, 1e18]) for name in _GAUGES}
        at_ns = AT_NS + number * TICK_NS + chance.choice([0, 0, 0, -5, 90]) * NS_PER_S
        for fact in board.look(at_ns, {name: one for name, one in gauges.items() if chance.random() < 0.9}):
            assert math.isfinite(fact.figure) and fact.figure != 0


def test_a_healthy_node_has_no_facts_and_one_that_says_nothing_has_none():
    assert played(counts(**TRAFFIC)) == {}
    assert played(lambda gauges, now: gauges.clear()) == {}


def test_since_when_and_a_fact_lingers_for_a_moment_only():
    held = lambda gauges, now: gauges.update(disk_low=int(5 <= now < 10))  # noqa: E731
    fact = played(held, 9)["disk-low", NODE]
    assert 0 <= fact.since_ns - AT_NS - 5 * NS_PER_S <= NS_PER_S // 2
    assert ("disk-low", NODE) in played(held, 11)
    assert ("disk-low", NODE) not in played(held, 14)


def test_a_restart_forgets_the_past():
    """Counters begin at nothing: what stood before is no rise, and no fall."""
    lost = both(
        counts(L_lost=0.5), began(15), lambda gauges, now: now >= 15 and gauges.update({f"{L}lost": 0})
    )
    assert ("link-lost", LINK) not in played(lost)
    assert ("node-restarted", NODE) in played(lost)
    linking = both(began(15), after(15, L_up=0, B_links_able=0))
    assert not {"link-down", "bank-unreachable"} & {name for name, _ in played(linking)}
    assert ("link-down", LINK) in played(linking, 27)


def test_the_last_word_of_an_orderly_end_is_no_life_of_its_own():
    """It lacks what only the running loop says."""
    goes = both(began(14), lambda gauges, now: 10 <= now < 10.5 and not gauges.pop("began_s"))
    assert played(goes)["node-restarted", NODE].figure == 1


def test_a_clock_that_goes_back_leaves_no_fact_behind():
    board, gauges = FactBoard(), well() | {"disk_low": 1}
    for number in range(20):
        board.look(AT_NS + number * TICK_NS, gauges)
    back_ns = AT_NS - 3600 * NS_PER_S
    assert {fact.since_ns for fact in board.look(back_ns, gauges)} == {back_ns}
    for number in range(1, 40):
        facts = board.look(back_ns + number * TICK_NS, well())
    assert [fact.name for fact in facts] == ["clock-off"]  # which it is


def test_a_node_that_stood_still_has_no_other_time():
    """By the clock that nobody sets: a minute of silence is no jump, a jump is one."""
    for stood_s, jumped in ((60, False), (0, True)):
        board = FactBoard()
        board.look(AT_NS, well() | {"ticks_s": 5.0})
        board.look(AT_NS + 60 * NS_PER_S, well() | {"ticks_s": 5.0 + stood_s})
        facts = board.look(AT_NS + 61 * NS_PER_S, well() | {"ticks_s": 6.0 + stood_s})
        assert ("clock-off" in {fact.name for fact in facts}) is jumped


def test_banks_that_come_and_go_are_looked_at():
    board = FactBoard()
    board.look(AT_NS, well())
    other = {name.replace("B1", "B2"): value for name, value in well().items()} | {"link.B2.0.up": 0.0}
    facts = []
    for number in range(8):
        facts = board.look(AT_NS + 4 * NS_PER_S + number * TICK_NS, other)
    assert ("link-down", ("link", "B2/0")) in {(fact.name, fact.place) for fact in facts}
    assert not any(fact.place == LINK for fact in facts)


def test_the_past_is_bounded():
    board = FactBoard()
    for number in range(2000):
        board.look(AT_NS + number * NS_PER_S, well())
    assert len(board.past._coarse) <= 300
    assert len(board.past._fine) <= 60
