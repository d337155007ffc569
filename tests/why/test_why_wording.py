"""Every text about a payment: both languages, lengths, and nothing that makes anybody pay twice."""

import re
from collections import Counter
from pathlib import Path

import pytest
from engine_stories import Story, random_batches, short_lived
from why_rules import wording_faults
from why_world import evidence_of, texts_of
from world import BANK, OTHER_BANK, RULES, World

from posswitch.base.policy import Limit, StandIn
from posswitch.base.registry import Registry
from posswitch.diagnose.incident import Incident, Phase
from posswitch.diagnose.shelf import Shelf
from posswitch.engine.decide import Rules
from posswitch.engine.events import BatchTotaled, Item, ItemsUploaded, ReturnedUnread, UploadEnded
from posswitch.office.why_evidence import Decider, Money, Outcome, Place, Retry
from posswitch.scheme.kinds import PAYMENT_KINDS
from posswitch.scheme.settlement import Side

KINDS_THAT_BUILD = {"void": "sale", "preauth-void": "preauth", "completion": "preauth"}
REVERSIBLE = [name for name, kind in PAYMENT_KINDS.items() if kind.reversible and not kind.advice]


def begun(world, kind):
    """A payment of a kind, forwarded, with what it builds on approved."""
    if kind == "completion-void":
        begun(world, "completion")
        world.answer("00")
        return world.build(kind)
    if kind in KINDS_THAT_BUILD:
        begun(world, KINDS_THAT_BUILD[kind])
        world.answer("00")
        return world.build(kind)
    return world.sale(f"card of {kind}", kind=kind, amount_minor=0 if kind == "balance" else 12_345)


def told(world, kind):
    """An advice of a kind, accepted."""
    if kind == "refund":
        begun(world, "sale")
        world.answer("00")
        return world.build("refund", amount_minor=2_345)
    return world.sale(f"card of {kind}", kind=kind)


def check(base_config, world, payment=0, now_ns=0):
    """The evidence of a payment whose texts are all as they must be."""
    evidence = evidence_of(base_config, world, payment, now_ns)
    assert wording_faults(evidence, texts_of(evidence)) == []
    return evidence


def came_to(evidence):
    return evidence.outcome, evidence.reason, evidence.decided, evidence.money, evidence.retry


# What happens to a forwarded payment, and who has decided then that it does not stand.

WAYS_TO_REVERSE = {
    "timed-out": (lambda world, _: world.timer(), Decider.TIMER),
    "bank-unsure": (lambda world, _: world.answer("68"), Decider.BANK),
    "returned-unread": (lambda world, _: world.submit(ReturnedUnread(world.payment)), Decider.NETWORK),
    "restarted": (lambda world, _: world.restart(), Decider.RESTART),
    "terminal-reversed": (lambda world, request: world.reversal(request), Decider.TERMINAL),
    "undelivered": (lambda world, _: (world.answer("00"), world.undelivered()), Decider.LINE),
    "approved-after-all": (lambda world, _: (world.answer("51"), world.answer("00")), Decider.BANK),
}


@pytest.mark.parametrize("kind", REVERSIBLE)
@pytest.mark.parametrize("reason", WAYS_TO_REVERSE)
def test_what_is_unknown_waits_and_what_was_taken_back_may_be_paid_anew(base_config, world, kind, reason):
    request = begun(world, kind)
    payment = world.payment
    before = check(base_config, world)
    assert came_to(before) == (
        Outcome.UNDER_WAY, "no-answer", Decider.NOBODY, Money.PENDING, Retry.WAIT,
    )  # fmt: skip
    happens, decided = WAYS_TO_REVERSE[reason]
    happens(world, request)
    during = check(base_config, world, payment)
    assert came_to(during) == (Outcome.REVERSING, reason, decided, Money.UNDOING, Retry.WAIT)
    world.reversed("00", payment)
    after = check(base_config, world, payment)
    assert came_to(after) == (Outcome.REVERSED, reason, decided, Money.UNDONE, Retry.ANEW)


@pytest.mark.parametrize("kind", [*REVERSIBLE, "balance"])
@pytest.mark.parametrize("code", ["51", "55", "41", "91", "A0", "ZZ", "Z9", "A8", "89", "82", "N1"])
def test_a_bank_declines(base_config, world, kind, code):
    begun(world, kind)
    world.answer(code)
    evidence = check(base_config, world)
    assert (evidence.outcome, evidence.decided, evidence.money) == (
        Outcome.DECLINED, Decider.BANK, Money.NONE,
    )  # fmt: skip
    assert (evidence.made, evidence.bank.said) == (Place.BANK, code)
    assert evidence.code in texts_of(evidence)["cashier"][0]


@pytest.mark.parametrize("kind", [*REVERSIBLE, "balance"])
def test_a_bank_approves(base_config, world, kind):
    begun(world, kind)
    world.answer("00")
    evidence = check(base_config, world)
    assert came_to(evidence) == (
        Outcome.APPROVED, "bank-approved", Decider.BANK, Money.STANDS, Retry.DONE,
    )  # fmt: skip


def test_an_amount_as_large_as_it_can_be_still_fits_its_line(base_config, world):
    for kind in ("preauth", "offline-sale"):
        world.sale(kind, kind=kind, amount_minor=10**12 - 1, currency="156")
        check(base_config, world)


@pytest.mark.parametrize("kind", ["refund", "offline-sale", "completion-notice"])
def test_an_advice_is_told_until_it_is_acknowledged_or_a_person_looks(base_config, world, kind):
    told(world, kind)
    advising = check(base_config, world)
    assert came_to(advising) == (
        Outcome.ADVISING, "advice", Decider.CENTRE, Money.TELLING, Retry.DONE,
    )  # fmt: skip
    world.acknowledged("05")
    refused = check(base_config, world)
    assert came_to(refused)[:3] == (Outcome.NEEDS_OWNER, "bank-refused", Decider.BANK)
    world.rule("again")
    assert check(base_config, world).outcome is Outcome.ADVISING
    world.acknowledged()
    assert came_to(check(base_config, world))[:3] == (Outcome.APPROVED, "bank-acknowledged", Decider.BANK)
    told(world, kind)
    world.expire()
    assert came_to(check(base_config, world))[:3] == (Outcome.NEEDS_OWNER, "expired", Decider.TIMER)
    world.rule("reversed")
    assert came_to(check(base_config, world)) == (
        Outcome.REVERSED, "owner-reversed", Decider.OWNER, Money.UNDONE, Retry.ANEW,
    )  # fmt: skip
    world.rule("stands")
    assert "owner-too-late" in [hop.what for hop in check(base_config, world).hops]


def test_an_inquiry_moves_no_money(base_config, world):
    for happens, reason, decided in (
        (world.timer, "timed-out", Decider.TIMER),
        (lambda: world.answer("68"), "bank-unsure", Decider.BANK),
        (lambda: world.submit(ReturnedUnread(world.payment)), "returned-unread", Decider.NETWORK),
        (lambda: (world.restart(), world.timer()), "restarted", Decider.RESTART),
    ):
        request = begun(world, "balance")
        assert check(base_config, world).money is Money.NONE
        happens()
        evidence = check(base_config, world)
        assert came_to(evidence) == (Outcome.UNANSWERED, reason, decided, Money.NONE, Retry.ANEW)
    begun(world, "balance")
    world.restore()
    assert came_to(check(base_config, world))[:3] == (Outcome.UNANSWERED, "restored", Decider.RESTORE)
    request = begun(world, "balance")
    world.answer("00")
    world.repeat(request)
    world.repeat(request, declared=True)
    assert [one.code for one in check(base_config, world).told] == ["00", "94", "98"]


REFUSALS = {
    "barred": ({"barred": "card-testing"}, "guard", Decider.GUARD, Place.GUARD),
    "currency": ({"currency": "840"}, "message", Decider.CENTRE, Place.HERE),
    "amount": ({"amount_minor": 0}, "message", Decider.CENTRE, Place.HERE),
    "luhn": ({"luhn_ok": False}, "card", Decider.CENTRE, Place.HERE),
    "bin": ({"bank": ""}, "card", Decider.CENTRE, Place.HERE),
    "expired": ({"expiry": "2001"}, "card", Decider.CENTRE, Place.HERE),
    "day": ({"amount_minor": 900_000_000}, "limit", Decider.LIMIT, Place.LIMIT),
    "no original": ({"kind": "void", "orig_rrn": "X"}, "original", Decider.CENTRE, Place.HERE),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_refused_here_was_never_at_a_bank(base_config, world, name):
    changes, reason, decided, place = REFUSALS[name]
    world.sale(**changes)
    evidence = check(base_config, world)
    assert (evidence.outcome, evidence.reason, evidence.decided) == (Outcome.REFUSED, reason, decided)
    assert (evidence.made, evidence.money, evidence.bank.asked) == (place, Money.NONE, False)
    assert texts_of(evidence)["bank"][1].startswith("Nothing of it was sent")
    if reason == "guard":  # who tries cards shall learn nothing
        said = "".join(texts_of(evidence)["cashier"] + texts_of(evidence)["customer"])
        assert not re.search("card-testing|防护|guard|作弊|fraud", said)
        assert "card-testing" in texts_of(evidence)["operator"][0]


LIMITS = [
    (Limit("one", single_minor=100), {}),
    (Limit("count", day_count=1), {}),
    (Limit("month", month_minor=12_000), {}),
    (Limit("months", month_count=1), {}),
    (Limit("burst", burst_count=1, burst_seconds=60), {}),
    (Limit("night", hours="0100-0200"), {}),
    (Limit("refunds", of="terminal", refund_percent=1), {"refund": True}),
]


@pytest.mark.parametrize(("limit", "how"), LIMITS, ids=[row.id for row, _ in LIMITS])
def test_every_limit_is_said_in_both_languages(base_config, tmp_path, limit, how):
    world = World(tmp_path / "data", Rules(RULES.timers, RULES.limits, Registry([limit])))
    world.sale()
    if world.payment in world.asked:
        world.answer("00")
        world.build("refund") if how else world.sale()
    evidence = check(base_config, world)
    assert (evidence.reason, evidence.decided) == ("limit", Decider.LIMIT)
    assert limit.id in texts_of(evidence)["operator"][0]
    world.close()


@pytest.mark.parametrize("burden", [-1, -2, -3])
def test_where_no_bank_can_take_it(base_config, world, burden):
    world.burdens[BANK] = burden
    world.sale()
    evidence = check(base_config, world)
    assert came_to(evidence) == (Outcome.REFUSED, "route", Decider.ROUTE, Money.NONE, Retry.LATER)


def test_what_was_not_sent_is_nothing(base_config, world):
    for code, reason, decided in (("91", "no-link", Decider.ROUTE), ("96", "centre", Decider.CENTRE)):
        begun(world, "sale")
        world.not_sent(code)
        evidence = check(base_config, world)
        assert came_to(evidence)[:4] == (Outcome.NOT_SENT, reason, decided, Money.NONE)
        assert not evidence.bank.asked
        assert "sent" not in [hop.what for hop in evidence.hops]


def test_stand_in_is_approved_by_the_centre_and_told_to_the_bank(base_config, tmp_path):
    row = StandIn(BANK, 10**6, 10**6, 10**6, pins=True)
    world = World(tmp_path / "data", Rules(RULES.timers, RULES.limits, Registry([row])))
    world.serving[BANK] = False
    world.sale()
    advising = check(base_config, world)
    assert came_to(advising) == (
        Outcome.ADVISING, "stood-in", Decider.CENTRE, Money.TELLING, Retry.DONE,
    )  # fmt: skip
    world.acknowledged()
    assert check(base_config, world).outcome is Outcome.APPROVED
    request = world.sale("another")
    world.reversal(request)
    assert came_to(check(base_config, world))[:2] == (Outcome.REVERSING, "terminal-reversed")
    world.close()


def test_originals_and_what_is_built_on_them_are_named_at_both_ends(base_config, world):
    begun(world, "sale")
    world.answer("00")
    sale = world.payment
    world.build("refund", amount_minor=345)
    refund = check(base_config, world)
    assert (refund.original.payment, refund.original.kind) == (sale, "sale")
    evidence = check(base_config, world, sale)
    assert [(one.kind, one.amount_minor) for one in evidence.built] == [("refund", 345)]
    assert "3.45元" in texts_of(evidence)["customer"][0]
    begun(world, "void")
    voided = evidence_of(base_config, world).original.payment
    world.answer("00")
    evidence = check(base_config, world, voided)
    assert (evidence.money, evidence.retry) == (Money.UNDONE_LATER, Retry.DONE)
    begun(world, "preauth-void")
    hold = evidence_of(base_config, world).original.payment
    world.answer("00")
    assert check(base_config, world, hold).money is Money.UNDONE_LATER
    begun(world, "completion")
    hold = evidence_of(base_config, world).original.payment
    world.answer("00")
    assert "123.45" in texts_of(check(base_config, world, hold))["customer"][1].partition("completed")[2]


def test_a_settled_batch_and_what_differed(base_config, world):
    world.sign_on()
    requests = []
    for _ in range(2):
        requests.append(world.sale(amount_minor=5_000))
        world.answer("00")
    kept, lost = sorted(world.asked)[-2:]
    head = (world.ticket(), "T0000001", "M00000000000001", "000001", "900000")
    world.submit(BatchTotaled(*head, Side(5_000, 1), Side(), "00000001201"))
    world.submit(ItemsUploaded(*head, (Item(requests[0].stan, 5_000, b"", False),), "00000001201"))
    world.submit(UploadEnded(*head, 1, "00000001202"))
    evidence = check(base_config, world, lost)
    assert (evidence.settled.balanced, evidence.settled.differs) == (False, True)
    assert (evidence.settled.ours_minor, evidence.settled.theirs_minor) == (5_000, None)
    assert evidence.settled.at_ns == world.at_ns
    evidence = check(base_config, world, kept)
    assert (evidence.settled.balanced, evidence.settled.differs) == (False, False)


def test_repeats_and_reversals_say_what_they_were_told(base_config, world):
    request = begun(world, "sale")
    world.repeat(request)
    world.answer("00")
    world.repeat(request)
    world.repeat(request, amount_minor=1)
    world.wait(4_000)
    world.repeat(request)
    evidence = check(base_config, world)
    assert [(one.code, one.to) for one in evidence.told] == [
        ("00", "payment"), ("00", "repeat"), ("94", "other"), ("94", "repeat"),
    ]  # fmt: skip
    assert evidence.repeats == 3
    world.reversal(request, amount_minor=2)
    world.reversal(request, kind="preauth")
    world.reversal(request)
    world.reversal(request)
    evidence = check(base_config, world)
    assert [one.code for one in evidence.told if one.to == "reversal"] == ["64", "30", "00", "00"]
    assert evidence.terminal_reversals == 4


def test_a_reversal_whose_payment_never_came(base_config, world):
    request = world.request()
    world.reversal(request)
    evidence = check(base_config, world)
    assert came_to(evidence) == (
        Outcome.NEVER_CAME, "reversal-came-first", Decider.TERMINAL, Money.NONE, Retry.ANEW,
    )  # fmt: skip
    world.reversal(request)
    world.repeat(request)
    assert [one.code for one in check(base_config, world).told] == ["25", "25", "22"]


def test_after_a_restore_a_person_looks(base_config, world):
    begun(world, "sale")
    open_payment = world.payment
    world.restore()
    evidence = check(base_config, world, open_payment)
    assert came_to(evidence)[:4] == (Outcome.NEEDS_OWNER, "restored", Decider.RESTORE, Money.UNKNOWN)
    world.reversal(world.request("lost"))
    evidence = check(base_config, world)
    assert came_to(evidence)[:3] == (Outcome.NEEDS_OWNER, "reversal-of-lost", Decider.RESTORE)
    for kind in ("void", "preauth-void", "refund"):
        told(world, kind) if kind == "refund" else begun(world, kind)
        payment = world.payment
        world.restore()
        assert check(base_config, world, payment).outcome is Outcome.NEEDS_OWNER
    world.rule("stands", open_payment)
    evidence = check(base_config, world, open_payment)
    assert came_to(evidence)[:3] == (Outcome.APPROVED, "owner-approved", Decider.OWNER)


def test_what_should_have_been_known_by_now_waits_for_the_node(base_config, world):
    begun(world, "sale")
    late_ns = world.at_ns + 3600 * 10**9
    evidence = check(base_config, world, now_ns=late_ns)
    assert "交换中心恢复后可知" in texts_of(evidence)["cashier"][0]
    assert "when the centre is back" in texts_of(evidence)["cashier"][1]
    world.timer()
    evidence = check(base_config, world, now_ns=late_ns)
    assert "最迟06-16 10:00可知" in texts_of(evidence)["cashier"][0]


def test_evidence_of_banks_that_fits_nothing_is_shown(base_config, world):
    begun(world, "sale")
    world.spoiled()
    world.answer("00", amount_minor=1)
    world.timer()
    world.answer("00")
    world.reversed()
    world.answer("51")
    whats = [hop.what for hop in check(base_config, world).hops]
    assert {"answer-spoiled", "answer-differs", "late-approval-noted", "answer-to-closed"} <= set(whats)


def test_incidents_of_that_time_and_place_are_named(base_config, world):
    shelf = Shelf(world.folder)
    at_ns = world.at_ns
    rows = [
        ({"bank": BANK}, at_ns - 10, 0),
        ({"bank": OTHER_BANK}, at_ns - 10, 0),
        ({}, at_ns - 20, at_ns - 10),
        ({}, at_ns + 10**12, 0),
        ({"bank": BANK, "region": "west"}, at_ns - 10, 0),
        ({"kind": "sale", "terminal": "T0000001"}, at_ns - 10, at_ns + 10),
    ]
    for number, (place, since_ns, closed_ns) in enumerate(rows, 1):
        shelf.keep(
            [Incident(number, Phase.CONFIRMED, "", "network", place, since_ns, since_ns, since_ns, closed_ns)]
        )
    shelf.close()
    begun(world, "sale")
    world.timer()
    evidence = check(base_config, world)
    assert evidence.incidents == (1, 6)
    assert "1, 6" in texts_of(evidence)["operator"][0]
    begun(world, "sale")
    world.answer("00")
    assert check(base_config, world).incidents == ()


# Random lives: what is said agrees with what was done


@pytest.mark.parametrize("seed", range(12))
def test_in_random_lives_every_payment_is_told_as_its_terminal_was(base_config, seed):
    """The answers are the effects that the node released, not the journal."""
    with short_lived() as folder:
        story = Story(World(Path(folder)))
        world = story.world
        story.play(random_batches(seed, 60))
        found = Counter()
        said = {}
        for response in world.answers:
            said.setdefault(getattr(response.request, "key", ""), []).append(response.answer.code)
        rows = world.journal._db.execute("SELECT payment, key, state, code FROM payment").fetchall()
        for payment, key, state, code in rows:
            evidence = evidence_of(base_config, world, payment)
            assert (evidence.state, evidence.code) == (state, code)
            assert wording_faults(evidence, texts_of(evidence)) == []
            if evidence.outcome is not Outcome.UNANSWERED or evidence.reason != "restarted":
                assert [one.code for one in evidence.told] == said.get(key, []), evidence
            found[evidence.outcome] += 1
        world.close()
    assert len(found) >= 6, found
