"""Payments that build on others, advices, and the races between them."""

import pytest
from world import BANK, World

from posswitch.engine.effects import SendRequest, WakeLane
from posswitch.engine.lifecycle import ADVISING, APPROVED, DECLINED, NEEDS_OWNER, REVERSED, REVERSING
from posswitch.engine.original import taken_key


def approved(world: World, kind: str = "sale", **changes: object) -> int:
    """A payment that its bank has approved; its number."""
    world.sale(kind=kind, **changes)
    world.answer("00")
    assert world.row().state == APPROVED
    return world.payment


def taken(world: World, payment: int) -> int:
    return world.journal.used(taken_key(payment))


def test_a_void_takes_the_whole_and_a_second_one_finds_nothing(world):
    sale = approved(world)
    world.build("void", sale)
    assert world.flight().original.payment == sale
    world.answer("00")
    world.build("void", sale)
    assert (world.row().state, world.told[-1]) == (DECLINED, "12")
    assert taken(world, sale) == 10_000


def test_a_void_without_a_card_has_its_sales_card_and_bank(world):
    sale = approved(world, "sale", card="card 7")
    world.build("void", sale, pan_print=b"", bank="", pan_digits=0, luhn_ok=False, pan_box=b"")
    request, first = world.flight().request, world.row(sale).request
    assert (request.pan_print, request.bank, request.pan_box) == (first.pan_print, first.bank, first.pan_box)


@pytest.mark.parametrize("end", ["51", "timed out", "not sent"])
def test_what_does_not_stand_gives_its_original_back(world, end):
    sale = approved(world)
    world.build("void", sale)
    if end == "timed out":
        world.timer()
    elif end == "not sent":
        world.not_sent()
    else:
        world.answer(end)
    assert taken(world, sale) == 0
    world.build("void", sale)
    world.answer("00")
    assert world.told[-1] == "00"


def test_refunds_add_up_to_the_amount_at_most(world):
    sale = approved(world)
    for amount_minor, told in ((6_000, "00"), (4_001, "64"), (4_000, "00"), (1, "12")):
        world.build("refund", sale, amount_minor=amount_minor)
        assert world.told[-1] == told
    assert taken(world, sale) == 10_000


def test_a_refund_is_answered_when_it_is_durable_and_told_until_acknowledged(world):
    sale = approved(world)
    world.serving[BANK] = False
    request = world.building("refund", sale)
    (decision,) = world.submit(request)
    assert world.told[-1] == "00"
    assert decision.effects[-1] == WakeLane(BANK)
    assert not any(isinstance(effect, SendRequest) for effect in decision.effects)
    assert (world.row().state, world.send_lane()) == (ADVISING, [(world.payment, False)])
    world.acknowledged("96")
    assert world.row().state == ADVISING
    world.restart()
    refund = world.payment
    assert world.row(refund).state == ADVISING
    assert world.send_lane() == [(refund, False)]
    world.acknowledged("00")
    assert world.row(refund).state == APPROVED
    world.repeat(request)
    assert world.told[-1] == "00"


def test_a_bank_that_refuses_an_advice_needs_a_person(world):
    world.build("refund", approved(world))
    world.acknowledged("51")
    assert (world.row().state, world.row().code) == (NEEDS_OWNER, "00")
    assert world.state.flights == {}
    world.acknowledged("00")
    assert world.row().state == APPROVED


def test_the_first_record_wins_a_void_before_the_reversal(world):
    request = world.sale()
    world.answer("00")
    sale = world.payment
    world.build("void", sale)
    world.reversal(request)
    assert world.told[-1] == "12"
    assert world.row(sale).state == APPROVED


def test_the_first_record_wins_a_reversal_before_the_void(world):
    request = world.sale()
    world.answer("00")
    sale = world.payment
    world.reversal(request)
    world.build("void", sale)
    assert (world.told[-1], world.row(sale).state) == ("12", REVERSING)


def test_a_void_that_is_taken_back_leaves_the_sale_standing(world):
    sale = approved(world)
    void = world.build("void", sale)
    world.answer("00")
    voided = world.payment
    world.reversal(void)
    assert (world.row(voided).state, world.row(sale).state, taken(world, sale)) == (REVERSING, APPROVED, 0)
    world.reversed()
    assert world.row(voided).state == REVERSED


@pytest.mark.parametrize(("amount_minor", "told"), [(1, "00"), (11_500, "00"), (11_501, "64")])
def test_a_completion_has_a_tolerance(world, amount_minor, told):
    preauth = approved(world, "preauth")
    world.build("completion", preauth, amount_minor=amount_minor)
    if told == "00":
        world.answer("00")
    assert world.told[-1] == told


def test_a_notice_is_taken_even_when_its_authorisation_is_not_found(world):
    world.build("completion-notice", approved(world, "preauth"), auth="XXXXXX")
    assert (world.told[-1], world.row().state) == ("00", ADVISING)
    assert world.flight().original is None


def test_an_inquiry_that_nobody_answers_is_forgotten(world):
    world.sale(kind="balance", amount_minor=0)
    world.timer()
    assert (world.row().state, world.told[-1]) == (DECLINED, "98")
    world.answer("00", payment=world.payment)
    assert world.row().state == DECLINED


def test_an_inquiry_outlives_a_restart_only_to_be_forgotten(world):
    world.sale(kind="balance", amount_minor=0)
    balance = world.payment
    world.restart()
    assert [timer.payment for timer in world.timers if timer.delay_s == 0.0] == [balance]
    world.timer(balance)
    assert world.row(balance).state == DECLINED


@pytest.mark.parametrize("change", [
    {"merchant": "M00000000000002"},
    {"terminal": "T0000002"},
    {"orig_stan": "999999"},
    {"orig_batch": "000002"},
    {"orig_rrn": "000000000000"},
    {"pan_print": b"another card"},
])  # fmt: skip
def test_an_original_is_found_by_all_its_numbers(world, change):
    world.build("void", approved(world), **change)
    assert world.told[-1] == "25"


def test_a_void_without_a_card_that_was_refused_is_taken_back_by_card_number(world):
    """Found by a city of 180 s: the terminal's 0400 names the card, the refused void never did."""
    sale = approved(world)
    world.serving[BANK] = False
    card = world.row(sale).request.pan_print
    void = world.build("void", sale, pan_print=b"", bank="", pan_digits=0, luhn_ok=False)
    assert world.told[-1] == "91"
    world.reversal(void, pan_print=card)
    assert world.told[-1] == "00"


def test_an_advice_told_again_after_a_long_silence_gets_its_answer(world):
    """Found by a city whose node was killed: the terminal tells its advice until it is answered."""
    request = world.request(kind="offline-sale")
    world.submit(request)
    world.acknowledged()
    world.wait(4_000)
    world.repeat(request)
    assert world.told == ["00", "00"]


@pytest.mark.parametrize(("date", "told"), [("0615", "00"), ("0616", "00"), ("0617", "25"), ("0614", "25")])
def test_a_receipt_from_midnight_bears_either_date(world, date, told):
    world.wait(14 * 3600 - 30)  # half a minute before midnight
    sale = approved(world)
    world.build("refund", sale, orig_date=date)
    assert world.told[-1] == told


def test_of_two_authorisations_with_one_code_the_free_one_is_completed(world):
    older, newer = approved(world, "preauth"), approved(world, "preauth", amount_minor=5_000)
    world.build("completion", newer)
    world.answer("00")
    world.build("completion", older)
    assert world.flight().original.payment == older
