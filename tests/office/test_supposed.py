"""A payment that nobody has asked for: cards given in part, amounts, places; never a trace of a number."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from posswitch.base.card import is_pan, mask_pan
from posswitch.base.errors import OfficeError
from posswitch.base.registry import Bin, Merchant, Registry, Terminal
from posswitch.office.supposed import card_text, minor_of, of_part, placed

ROWS = [
    Bin("6290", 16, "1"), Bin("629055", 16, "2"), Bin("6229-6231", 19, "1", True), Bin("62299", 19, "3"),
    Merchant("802440354110001", "SHOP", "SHENZHEN", "5411"), Terminal("10000001", "802440354110001", b""),
]  # fmt: skip
REGISTRY = Registry(ROWS)


@pytest.mark.parametrize(
    ("text", "bank", "row"),
    [
        ("629012******1234", "1", "6290"), ("629055******1234", "2", "629055"), ("629055", "2", "629055"),
        ("6230*************89", "1", "6230"), ("62299**************", "3", "62299"),
        ("622 98", "1", "6229"), ("4000", "", ""), ("4000*********", "", ""),
    ],
)  # fmt: skip
def test_a_part_that_decides(text, bank, row):
    request = of_part(REGISTRY, text)
    assert (request.bank, request.bin) == (bank, row)
    assert request.pan_print == b""


@pytest.mark.parametrize("text", ["6290", "6290*********123", "62905", "6229***************"])
def test_a_part_that_does_not_decide_names_the_rows(text):
    with pytest.raises(OfficeError, match="may be of the BIN rows"):
        of_part(REGISTRY, text)


@given(st.text(max_size=24) | st.text("0123456789* ", max_size=24))
@example("６２９０５５")
@example("629055\n")
@example("6290550000000001")
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_given_as_a_card(text):
    try:
        request = of_part(REGISTRY, text)
    except OfficeError as error:
        assert "\n" not in str(error)
        assert not is_pan(text.replace(" ", "")) or text.replace(" ", "") not in str(error)
    else:
        assert not is_pan(text.replace(" ", ""))
        assert request.pan_digits in (0, 13, *range(14, 20))


@given(st.text(max_size=16) | st.from_regex(r"[0-9]{1,11}(\.[0-9]{1,3})?", fullmatch=True))
@example("١٢")
@example("9999999999.99")
def test_whatever_is_given_as_an_amount(text):
    try:
        minor = minor_of("--amount", text)
    except OfficeError as error:
        assert "\n" not in str(error)
    else:
        whole, _, part = text.partition(".")
        assert f"{minor // 100}" == f"{int(whole)}"
        assert f"{minor % 100:02d}".startswith(part)


def test_a_place_is_as_it_is_registered():
    request = placed(REGISTRY, of_part(REGISTRY, "629055"), "10000001", "")
    assert (request.merchant, request.mcc, request.currency) == ("802440354110001", "5411", "156")
    for terminal, merchant in (("10000002", ""), ("", "9"), ("10000001", "9")):
        with pytest.raises(OfficeError):
            placed(REGISTRY, request, terminal, merchant)


def test_a_card_is_shown_masked():
    request = of_part(REGISTRY, "629055******1234")
    assert card_text(request) == mask_pan("6290550000001234")
    assert card_text(of_part(REGISTRY, "62305**********1234")) == "6230******1234"
