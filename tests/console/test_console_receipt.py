"""What people type from a receipt is understood, and answered from the journal."""

import pytest
from msgspec.structs import replace
from puppet import BANKS

from posswitch.base.codes import CODES
from posswitch.console.receipt import TEXT_CHARS_MAX, answer, said_of, understood
from posswitch.office.why_evidence import Outcome
from posswitch.office.why_find import Asked
from posswitch.settings.clock import SystemClock


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("96", Asked(code="96")),
        (" a0 ", Asked(code="A0")),
        ("应答码 96", Asked(code="96")),
        ("DE39: 98", Asked(code="98")),
        ("333410000002", Asked(reference="333410000002")),
        ("参考号 33341000000A", Asked(reference="33341000000A")),
        ("#17", Asked(reference="17")),
        ("000123 10000001", Asked(terminal="10000001", stan="000123")),
        ("终端 10000001，流水号 123", Asked(terminal="10000001", stan="123")),
        ("10000001 96", Asked(terminal="10000001", code="96")),
        ("1234 56.78", Asked(last_four="1234", amount="56.78")),
        ("尾号1234 金额 ¥1,056.70元", Asked(last_four="1234", amount="1056.70")),
        ("88.00/3584", Asked(last_four="3584", amount="88.00")),
        ("000123", Asked(stan="000123")),
        ("", Asked()),
        ("hello", Asked()),
        ("💳" * 200, Asked()),
    ],
)
def test_a_line_is_understood(text, asked):
    assert understood(text) == asked


def test_only_the_beginning_of_a_long_line_is_read():
    assert understood("x" * TEXT_CHARS_MAX + " 96") == Asked()


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_of_the_table_is_answered_by_its_row(code):
    assert answer(code, None, None).code.code == code


def test_a_code_that_nobody_knows():
    told = answer("Z9 00Z", None, None)
    assert told.code is None and told.found is None


def one(puppet, text):
    found = answer(text, puppet.config, SystemClock()).found
    assert len(found.payments) == 1
    return found.payments[0]


def test_a_payment_is_found_by_everything_that_a_receipt_shows(puppet):
    paid = one(puppet, "10000001 000002")
    assert paid.outcome is Outcome.APPROVED and paid.amount_minor == 12_300
    assert one(puppet, paid.rrn).payment == one(puppet, f"#{paid.payment}").payment == paid.payment
    assert one(puppet, "3584 123.00").payment == paid.payment
    assert one(puppet, "10000001 51").outcome is Outcome.DECLINED
    assert one(puppet, "3584 88.00").outcome is Outcome.REVERSING


def test_the_story_is_told_to_everybody_and_never_with_a_card_number(puppet):
    told = said_of(one(puppet, "10000001 000002"))
    assert told.keys() == {"cashier", "customer", "operator", "bank"}
    assert all(words.zh and words.en for words in told.values())
    assert not any("6290010000293584" in words.zh + words.en for words in told.values())


def test_what_is_not_in_the_journal_is_said_with_what_to_check(puppet):
    found = answer("10000001 000999", puppet.config, SystemClock()).found
    assert found.payments == [] and found.checks


def test_a_journal_that_is_not_there_is_one_line(puppet, tmp_path):
    told = answer("#2", replace(puppet.config, data=tmp_path / "none"), SystemClock())
    assert told.found is None and "no journal" in told.problem and "\n" not in told.problem


def test_the_pretended_city_has_the_banks_of_the_configuration(puppet):
    assert set(BANKS) == set(puppet.config.registry.banks)
