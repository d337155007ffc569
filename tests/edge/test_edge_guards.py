"""The guards by themselves: what each of them sees, whom it bars, for how long; and what it lets be."""

import random
from itertools import pairwise

import apsw
import pytest
from guard_scene import BIN, START_NS, Scene

from one_sale import sale
from posswitch.base.bounds import GUARD_SUBJECTS_MAX
from posswitch.base.moment import NS_PER_S
from posswitch.edge.guards import GUARD_ROWS_MAX, Guards
from posswitch.edge.verdicts import GUARDS, OPEN_MAX
from posswitch.engine.events import ReversalArrived
from posswitch.settings.machine import GuardsTable
from pressure.ordinary import Town, fed

TESTED = ("14",) * 7 + ("54", "05", "51")  # what banks say to made-up numbers, by how often
DAY_S = 86_400


def tried(scene, attempts, codes=TESTED, **request):
    """How many of so many made-up cards got through; `request` may say where, by number."""
    entropy = random.Random(5)
    passed = 0
    for number in range(attempts):
        made = {name: how(number) for name, how in request.items()}
        passed += not scene.pays(entropy.choice(codes), card=1_000_000 + entropy.randrange(10**8), **made)
    return passed


def test_ten_thousand_cards_at_one_terminal_are_cut_off_within_fifty():
    scene = Scene()
    assert tried(scene, 10_000) <= 50
    row = scene.evidence()["card-testing", "terminal", "T0000001"]
    assert row["mode"] == "force"
    assert row["met"] >= 1000
    assert row["evidence"]["counted"]["14"] >= 1


def test_ten_thousand_cards_at_the_terminals_of_one_merchant_are_cut_off_within_fifty():
    scene = Scene()
    assert tried(scene, 10_000, terminal=lambda number: f"T{number % 40:07d}") <= 50
    assert ("card-testing", "merchant", "802440354110001") in scene.evidence()


@pytest.mark.parametrize(("share", "codes"), [(1, TESTED), (4, TESTED), (4, ("05",))])
def test_cards_of_one_bin_at_three_hundred_merchants_are_cut_off_within_three_hundred(share, codes):
    """Alone, and one in four of the payments of this BIN; the bank may say why, or nothing but no."""
    scene, own = Scene(), iter(range(10**9))
    for number in range(2_000):  # whose customers are known
        scene.pays(terminal=f"R{number % 500:07d}", merchant=f"8{number % 500:014d}", card=number)

    def at(number):
        for _ in range(share - 1):
            customer = next(own)
            assert not scene.pays(
                terminal=f"R{customer % 500:07d}", merchant=f"8{customer % 500:014d}", card=customer % 2000
            )
        return f"T{number % 300:07d}"

    passed = tried(scene, 3_000, codes, terminal=at, merchant=lambda number: f"7{number % 300:014d}")
    assert passed <= 300
    assert ("bin-enumeration", "bin", BIN) in scene.evidence()


def test_numbers_one_after_the_other_are_seen_sooner():
    def until_barred(step):
        scene, number = Scene(bin_enumeration="off"), 0
        while not scene.pays(
            "51", card=0, last_four=f"{number * step % 1000:03d}0", pan_print=bytes([number]) * 16
        ):
            number += 1
        return number

    assert until_barred(1) < until_barred(37)


def test_one_card_counts_once_however_often_it_is_refused():
    scene = Scene()
    assert not any(scene.pays("14", card=7) for _ in range(200))


def test_one_good_card_does_not_wash_a_terminal():
    scene, passed = Scene(), 0
    for number in range(2_000):
        if number % 5:
            scene.pays(card=1)
        else:
            passed += not scene.pays("14", card=1_000 + number)
    assert passed <= 50


def test_customers_who_paid_here_before_do_not_count_and_are_not_barred_with_a_merchant():
    scene = Scene()
    for card in range(100):
        scene.pays(card=card)
    scene.later(7200)
    assert not any(scene.pays("05", card=card) for card in range(100))  # their bank is ill
    tried(scene, 200, terminal=lambda number: f"T{number % 40 + 50:07d}")
    assert scene.pays(terminal="T0000099", card=10**9) == "card-testing"
    assert not scene.pays(terminal="T0000099", card=5)


def test_a_sick_bank_is_no_enumeration_of_its_cards():
    scene = Scene(card_testing="off")
    for card in range(1000):
        scene.pays(card=card)
    refused = ("14" if number % 2 else "05" for number in range(10**6))
    strangers = iter(range(10**6, 10**7))
    barred = [
        scene.pays(
            next(refused), terminal=f"T{number:07d}", card=number % 1000 if number % 3 else next(strangers)
        )
        for number in range(2000)
    ]
    assert not any(barred)


@pytest.mark.parametrize("code", ["05", "51", "62"])
def test_a_bank_that_refuses_everybody_just_after_a_restart_bars_nobody(code):
    """No card is familiar yet, at a canteen whose guests all have this bank."""
    scene = Scene()
    for number in range(2000):
        canteen = number % 4
        terminal, merchant = ("CANTEEN1", "8" * 15) if canteen else (f"T{number:07d}", f"8{number:014d}")
        assert not scene.pays(code, terminal=terminal, merchant=merchant, card=number)


def test_wrong_pins_of_many_cards_at_one_terminal():
    scene = Scene()
    at = next(number for number in range(100) if scene.pays("55", card=number, has_pin=True))
    assert 5 <= at <= 20
    assert scene.pays(card=5000, has_pin=True) == "pin-guessing"
    assert not scene.pays(card=5000, has_pin=False)
    assert not scene.pays(terminal="T0000002", card=5000, has_pin=True)


def test_wrong_pins_of_one_card_anywhere():
    scene = Scene()
    barred = [scene.pays("55", terminal=f"T{number:07d}", card=7, has_pin=True) for number in range(7)]
    assert barred == [""] * 5 + ["pin-guessing"] * 2
    assert not scene.pays(terminal="T0000009", card=7)


def test_a_pin_typed_wrong_twice_and_then_right_leaves_nothing():
    scene = Scene()
    for number in range(500):
        for code in ("55", "55", "00"):
            assert not scene.pays(code, terminal=f"T{number % 50:07d}", card=number % 90, has_pin=True)
    assert not scene.evidence()


def test_a_pin_key_out_of_step_bars_no_terminal():
    """Every PIN is wrong, at every terminal of a bank: nobody guesses."""
    scene = Scene()
    for number in range(400):
        assert not scene.pays("55", terminal=f"T{number % 8:07d}", card=number, has_pin=True)


def test_amounts_tried_on_one_card():
    scene = Scene()
    barred = [scene.pays("51", card=7, amount_minor=100_000 - number * 777) for number in range(12)]
    assert barred == [""] * 10 + ["amount-probing"] * 2
    assert not any(
        scene.pays("51", card=8, amount_minor=5_000) for _ in range(50)
    )  # the same again is no probe


def test_refunds_of_a_terminal_are_counted_and_in_force_barred():
    shadow, force = Scene(), Scene(refund_abuse="force")
    for scene in (shadow, force):
        for number in range(40):
            scene.pays(card=number, kind="refund")
    assert ("refund-abuse", "terminal", "T0000001") in shadow.evidence()
    assert shadow.pays(kind="refund") == ""
    assert force.pays(kind="refund") == "refund-abuse"
    assert force.pays() == ""  # sales go on


def test_a_shop_that_takes_back_a_third_of_what_it_sells_is_fine():
    scene = Scene(refund_abuse="force")
    assert not any(
        scene.pays(card=number, kind="refund" if number % 4 == 0 else "sale") for number in range(4000)
    )


def test_sales_that_are_always_taken_back():
    scene = Scene(reversal_abuse="force")
    for number in range(60):
        scene.pays(card=number)
        back = ReversalArrived(0, "", "T0000001", "", "", "", 1, b"", "98", "")
        scene.guards.reversed(back, "00", scene.tick_ns)
    assert scene.pays() == "reversal-abuse"


def test_two_terminals_with_one_number_are_both_barred():
    scene = Scene()
    barred = []
    for number in range(4):
        barred.append(scene.pays(card=number, stan=500 + number, place="10.0.0.2"))
        barred.append(scene.pays(card=number, stan=20 + number, place="198.51.100.9"))
    assert barred == [""] * 4 + ["cloned-terminal"] * 4
    assert scene.pays(stan=600, kind="refund", place="10.0.0.2") == "cloned-terminal"
    row = scene.evidence()["cloned-terminal", "terminal", "T0000001"]
    assert row["evidence"]["counted"] == {"10.0.0.2 198.51.100.9": 2}


def test_two_terminals_with_one_number_behind_one_front_are_barred_later():
    scene = Scene()
    barred = [scene.pays(card=n, stan=n // 2 + (500 if n % 2 else 20)) for n in range(60)]
    assert 10 < barred.index("cloned-terminal") <= 25


def test_answers_that_overtake_each_other_are_no_clone():
    """A terminal that asks several at once, over two lines."""
    scene = Scene()
    for turn in range(0, 400, 4):
        some = [scene.request(card=turn + number) for number in range(4)]
        assert not any(scene.asked(one) for one in some)
        for one in reversed(some):
            scene.told(one, "00", place=f"10.0.0.{2 + int(one.stan) % 2}")
    assert not scene.asked(scene.request())


def test_a_new_machine_with_an_old_number_is_no_clone():
    scene = Scene()
    for stan in (*range(900, 950), *range(1, 50)):
        assert not scene.pays(card=stan, stan=stan, place="10.0.0.2" if stan >= 900 else "10.0.0.3")


def test_a_terminal_behind_two_lines_in_turn_is_noticed_and_pays():
    scene = Scene()
    assert not any(scene.pays(card=number, place=f"10.0.0.{2 + number % 2}") for number in range(100))
    assert ("two-places", "terminal", "T0000001") in scene.evidence()
    assert not any(name == "cloned-terminal" for name, *_ in scene.evidence())


def test_more_unanswered_at_once_than_a_terminal_has():
    scene = Scene()
    waiting = [scene.request(card=number) for number in range(OPEN_MAX + 2)]
    barred = [scene.guards.asked(request, BIN, scene.tick_ns) for request in waiting]
    assert barred == [""] * OPEN_MAX + ["terminal-pace"] * 2


def test_repeats_are_not_unanswered_requests():
    scene = Scene()
    request = scene.request()
    assert not any(scene.guards.asked(request, BIN, scene.tick_ns) for _ in range(1000))


def test_unanswered_requests_that_were_given_up_do_not_add_up():
    scene = Scene()
    for number in range(200):
        assert not scene.asked(scene.request(card=number))  # its answer never came
        assert not scene.pays(card=number)


def test_numbers_of_terminals_tried_from_one_address():
    scene = Scene()
    for number in range(25):
        scene.guards.strange("198.51.100.9", f"X{number:07d}", scene.tick_ns)
    assert scene.guards.shut("198.51.100.9", scene.tick_ns)
    assert not scene.guards.shut("198.51.100.10", scene.tick_ns)
    scene.later(61)
    assert not scene.guards.shut("198.51.100.9", scene.tick_ns)


def test_one_terminal_that_is_not_registered_may_try_for_ever():
    scene = Scene()
    for _ in range(1000):
        scene.guards.strange("198.51.100.9", "X0000001", scene.tick_ns)
    assert not scene.guards.shut("198.51.100.9", scene.tick_ns)


def test_an_allowed_peer_is_counted_and_never_shut_out():
    scene = Scene()
    for _ in range(10):
        scene.guards.unreadable("10.0.0.1", scene.tick_ns)
        scene.guards.unreadable("198.51.100.9", scene.tick_ns)
    assert scene.guards.shut("198.51.100.9", scene.tick_ns)
    assert not scene.guards.shut("10.0.0.1", scene.tick_ns)
    assert scene.evidence()["unreadable-frames", "peer", "10.0.0.1"]["mode"] == "shadow"


def test_an_address_from_which_people_pay_is_noticed_and_not_shut_out_for_a_broken_neighbour():
    """A carrier has many terminals behind one address."""
    scene, peer = Scene(), "198.51.100.9"
    scene.guards.paid(peer, scene.tick_ns)
    for number in range(30):
        scene.guards.strange(peer, f"X{number:07d}", scene.tick_ns)
    assert not scene.guards.shut(peer, scene.tick_ns)
    assert scene.evidence()["unknown-terminals", "peer", peer]["mode"] == "shadow"


def test_an_address_from_which_nobody_pays_any_more_is_shut_out():
    scene, peer = Scene(), "198.51.100.9"
    scene.guards.paid(peer, scene.tick_ns)
    scene.later(601)
    for number in range(30):
        scene.guards.strange(peer, f"X{number:07d}", scene.tick_ns)
    assert scene.guards.shut(peer, scene.tick_ns)


def test_payments_speak_for_an_address():
    scene, peer = Scene(), "198.51.100.9"
    for _ in range(100):
        for _ in range(20):
            scene.guards.paid(peer, scene.tick_ns)
        scene.guards.unreadable(peer, scene.tick_ns)
    assert not scene.evidence()


# Modes, ends, evidence, bounds


@pytest.mark.parametrize("mode", ["off", "shadow"])
def test_only_force_bars(mode):
    scene = Scene(card_testing=mode, bin_enumeration=mode)
    assert tried(scene, 500) == 500
    seen = {name for name, *_ in scene.evidence()}
    assert seen == (set() if mode == "off" else {"card-testing", "bin-enumeration"})
    if mode == "shadow":
        assert scene.guards.gauges(scene.tick_ns)["guards_shadow"] == 3
        assert scene.guards.counts["guard-shadow-card-testing"] > 100
    assert scene.guards.gauges(scene.tick_ns)["guards_barred"] == 0


def test_a_bar_ends_by_itself_and_the_next_one_lasts_twice_as_long():
    scene, lengths = Scene(bin_enumeration="off"), []
    for _ in range(4):
        tried(scene, 60)
        row = scene.evidence()["card-testing", "terminal", "T0000001"]
        lengths.append(row["until_ns"] - row["last_ns"])
        began_ns = scene.tick_ns
        while scene.pays(card=77):
            scene.later(4)
        lengths[-1] = round((scene.tick_ns - began_ns) / NS_PER_S / 60)
    assert lengths[0] <= 5
    for before, after in pairwise(lengths):
        assert before * 1.5 < after < before * 2.6 + 2
    scene.later(3 * DAY_S)
    tried(scene, 60)
    assert scene.evidence()["card-testing", "terminal", "T0000001"]["times"] == 1


def test_the_evidence_says_who_what_since_when_and_no_card_number():
    scene = Scene()
    began_ns = START_NS + scene.tick_ns
    tried(scene, 300)
    row = scene.evidence()["card-testing", "terminal", "T0000001"]
    assert began_ns <= row["first_ns"] <= row["last_ns"] < row["until_ns"]
    assert row["times"] == 1
    assert sum(row["evidence"]["counted"].values()) == row["evidence"]["events"] >= 5
    assert all(len(card) == 22 and card[16:18] == " …" for card in row["evidence"]["cards"])
    assert len(row["evidence"]["cards"]) == 3


def test_equal_stories_end_equally():
    def story():
        scene = Scene()
        tried(scene, 500)
        return scene.evidence(), scene.guards.counts

    assert story() == story()


def test_memory_is_bounded():
    scene = Scene()
    for number in range(GUARD_SUBJECTS_MAX + 500):
        scene.pays("51", terminal=f"T{number:07d}", merchant=f"8{number:014d}", card=number, bin_=str(number))
    assert max(len(watch.tallies) for watch in scene.guards.watches) == GUARD_SUBJECTS_MAX


def test_rows_are_kept_beside_the_vitals_and_nobody_is_barred_after_a_restart():
    db = apsw.Connection("")
    scene = Scene()
    tried(scene, 300)
    scene.guards.write(db)
    ((until_ns, met),) = db.execute("SELECT until_ns, met FROM guard WHERE scope = 'terminal'")
    assert until_ns > START_NS + scene.tick_ns
    assert met > 100
    Guards(GuardsTable(), lambda: START_NS + scene.tick_ns).write(db)
    ((ended_ns,),) = db.execute("SELECT until_ns FROM guard WHERE scope = 'terminal'")
    assert ended_ns == START_NS + scene.tick_ns
    assert len(GUARDS) <= GUARD_ROWS_MAX


def test_an_attack_inside_ordinary_business_bars_the_attacked_terminal_alone():
    town, scene = Town(3), Scene()
    target = town.tills[7]
    entropy = random.Random(9)
    passed, barred_others = 0, 0
    for number, moment in zip(range(20_000), town, strict=False):
        barred_others += bool(fed(scene.guards, moment)) and moment.request.terminal != target.terminal
        if number > 2_000 and number % 4 == 0:
            card = 10**9 + entropy.randrange(10**8)
            stolen = town.said(target, card, entropy.choice(TESTED), 100, target.kind, pin=False)
            passed += not fed(scene.guards, stolen._replace(bin=BIN))
    assert passed <= 50
    assert barred_others <= 20


def test_a_sale_without_a_card_or_a_bank_counts_for_nobody_else():
    scene = Scene()
    for number in range(200):
        scene.pays("25", terminal=f"T{number:07d}", kind="void", pan_print=b"", last_four="")
        scene.pays("15", terminal=f"T{number:07d}", merchant=f"8{number:014d}", card=number, bin_="", bank="")
    assert not scene.evidence()
    assert not scene.pays(bin_="")
    assert sale(1).barred == ""
