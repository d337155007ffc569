"""What simulated issuers compute, against other people's code, and what they refuse."""

import psec
import pyemv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import CryptoError
from posswitch.crypto import issuer
from posswitch.crypto.ciphers import TDES, odd_parity, xor

pytestmark = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning"  # psec's own
)
digits = st.sampled_from("0123456789")
pans = st.text(digits, min_size=13, max_size=19)
keys16 = st.binary(min_size=16, max_size=16)
blocks8 = st.binary(min_size=8, max_size=8)
PAN = "6225000000000253"
KEY = bytes(range(16))


def of(length):
    return st.text(digits, min_size=length, max_size=length)


@given(keys16, pans, of(4), of(3))
def test_card_values_agree_with_psec(key, pan, expiry, service):
    assert issuer.cvv(key, pan, expiry, service) == psec.cvv.generate_cvv(key, pan, expiry, service)


@given(keys16, pans, of(1), of(4))
def test_pin_values_agree_with_psec(key, pan, index, pin):
    assert issuer.pvv(key, pan, index, pin) == psec.pin.generate_visa_pvv(key, index, pin, pan)


@given(keys16, pans, of(1), st.text(digits, min_size=5, max_size=12))
def test_a_longer_pin_counts_with_its_first_four_digits(key, pan, index, pin):
    assert issuer.pvv(key, pan, index, pin) == issuer.pvv(key, pan, index, pin[:4])


@given(keys16, st.text(digits, min_size=1, max_size=16), of(16), st.text(digits, min_size=4, max_size=16))
def test_ibm_3624_agrees_with_psec(key, validation, table, offset):
    theirs = psec.pin.generate_ibm3624_pin(key, table, offset, validation, 0, len(validation), "F")
    assert issuer.ibm3624_pin(key, validation, table, offset) == theirs


@pytest.mark.parametrize(
    ("block", "count", "digits_"),
    [
        ("ABCDEF0123456789", 4, "0123"),
        ("ABCDEFABCDEFAB12", 4, "1201"),
        ("FFFFFFFFFFFFFFFF", 4, "5555"),
        ("ABCDEFABCDEFABC9", 3, "901"),
    ],
)
def test_letters_stand_in_where_digits_are_too_few(block, count, digits_):
    assert issuer._decimal(bytes.fromhex(block), count) == digits_


@given(keys16, pans, of(2))
def test_a_cards_key_has_odd_parity_and_is_its_definition(key, pan, psn):
    data = bytes.fromhex((pan + psn)[-16:].rjust(16, "0"))
    assert issuer.icc_master_key(key, pan, psn) == odd_parity(
        TDES.encrypt(key, data) + TDES.encrypt(key, xor(data, b"\xff" * 8))
    )


@given(keys16, pans, of(2))
def test_a_cards_key_agrees_with_pyemv(key, pan, psn):
    assert issuer.icc_master_key(key, pan, psn) == pyemv.kd.derive_icc_mk_a(key, pan, psn)


@given(keys16, blocks8)
def test_a_session_key_agrees_with_pyemv(key, block):
    counter = block[:2]
    assert issuer.emv_session_key(key, counter) == pyemv.kd.derive_common_sk(key, counter.ljust(8, b"\0"))


@given(keys16, st.binary(max_size=300))
def test_a_cryptogram_agrees_with_pyemv(key, data):
    assert issuer.arqc(key, data) == pyemv.ac.generate_ac(key, data, pyemv.ac.PaddingType.EMV)


@given(keys16, blocks8, blocks8)
def test_an_answer_of_method_1_agrees_with_pyemv(key, request, block):
    assert issuer.arpc_1(key, request, block[:2]) == pyemv.ac.generate_arpc_1(key, request, block[:2])


@given(keys16, blocks8, st.binary(min_size=4, max_size=4), st.binary(max_size=8))
def test_an_answer_of_method_2_agrees_with_pyemv(key, request, status, proprietary):
    theirs = pyemv.ac.generate_arpc_2(key, request, status, proprietary)
    assert issuer.arpc_2(key, request, status, proprietary) == theirs


@given(keys16, pans, of(2), blocks8, st.binary(max_size=300))
def test_a_whole_chip_payment_agrees_with_pyemv(key, pan, psn, block, data):
    """From the issuer's key to its answer, each step upon the one before."""
    counter, response = block[:2], block[2:4]
    ours = issuer.emv_session_key(issuer.icc_master_key(key, pan, psn), counter)
    theirs = pyemv.kd.derive_common_sk(pyemv.kd.derive_icc_mk_a(key, pan, psn), counter.ljust(8, b"\0"))
    request = pyemv.ac.generate_ac(theirs, data)
    assert issuer.arqc(ours, data) == request
    assert issuer.arpc_1(ours, request, response) == pyemv.ac.generate_arpc_1(theirs, request, response)


@given(keys16, st.binary(min_size=8, max_size=8), st.binary(max_size=100))
def test_an_issuer_and_a_card_agree(key, request, data):
    session = issuer.emv_session_key(key, request[:2])
    assert session == odd_parity(session)
    padded = psec.mac.pad_iso_2(data)
    assert issuer.arqc(session, data) == psec.mac.generate_retail_mac(session[:8], session[8:], padded, 1)
    answer = issuer.arpc_1(session, request, b"00")
    assert xor(TDES.decrypt(session, answer), request) == b"00" + bytes(6)
    assert len(issuer.arpc_2(session, request, bytes(4), data[:8])) == 4


REFUSED = {
    "CVK of 8": lambda: issuer.cvv(KEY[:8], PAN, "9912", "101"),
    "PAN of 12": lambda: issuer.cvv(KEY, PAN[:12], "9912", "101"),
    "expiry of 3": lambda: issuer.cvv(KEY, PAN, "991", "101"),
    "service code with a letter": lambda: issuer.cvv(KEY, PAN, "9912", "1A1"),
    "PVK of 24": lambda: issuer.pvv(KEY + KEY[:8], PAN, "1", "1234"),
    "key index of 2": lambda: issuer.pvv(KEY, PAN, "12", "1234"),
    "PIN of 3": lambda: issuer.pvv(KEY, PAN, "1", "123"),
    "Arabic PIN": lambda: issuer.pvv(KEY, PAN, "1", "١٢٣٤"),
    "table of 15": lambda: issuer.ibm3624_pin(KEY, PAN, "1" * 15),
    "table of 17": lambda: issuer.ibm3624_pin(KEY, PAN, "1" * 17),
    "validation data of 17": lambda: issuer.ibm3624_pin(KEY, PAN + "1", "1" * 16),
    "offset of 17": lambda: issuer.ibm3624_pin(KEY, PAN, "1" * 16, "0" * 17),
    "no validation data": lambda: issuer.ibm3624_pin(KEY, "", "1" * 16),
    "offset of 3": lambda: issuer.ibm3624_pin(KEY, PAN, "1" * 16, "000"),
    "sequence number of 1": lambda: issuer.icc_master_key(KEY, PAN, "1"),
    "issuer key of 8": lambda: issuer.icc_master_key(KEY[:8], PAN, "01"),
    "counter of 3": lambda: issuer.emv_session_key(KEY, bytes(3)),
    "session key of 8": lambda: issuer.arqc(KEY[:8], b""),
    "cryptogram of 7": lambda: issuer.arpc_1(KEY, bytes(7), bytes(2)),
    "response code of 3": lambda: issuer.arpc_1(KEY, bytes(8), bytes(3)),
    "status of 3": lambda: issuer.arpc_2(KEY, bytes(8), bytes(3)),
    "proprietary data of 9": lambda: issuer.arpc_2(KEY, bytes(8), bytes(4), bytes(9)),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_unusable_input_is_a_crypto_error_that_says_nothing(call):
    with pytest.raises(CryptoError, match=r"^[^\n]+$") as raised:
        call()
    assert PAN[:12] not in str(raised.value)
