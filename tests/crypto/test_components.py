"""Key components: what two people carry makes one wrapped key, and no weak one."""

import os

import pytest

from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import kcv, odd_parity, xor
from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm


@pytest.fixture
def hsm():
    return SoftHsm(bytes(range(32)), os.urandom)


@pytest.mark.parametrize("count", [2, 3])
def test_the_key_is_the_exclusive_or_of_its_components(hsm, count):
    parts = [hsm.new_component(Usage.TMK) for _ in range(count)]
    key = bytes(16)
    for part in parts:
        assert part == odd_parity(part)
        key = xor(key, part)
    assert hsm.check_value(Usage.TMK, hsm.form_key(Usage.TMK, parts)) == kcv(key)


def test_a_known_key(hsm):
    parts = [bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"), bytes.fromhex("1111222233334444") + bytes(8)]
    key = bytes.fromhex("10326745BA9889ABFEDCBA9876543210")
    assert hsm.check_value(Usage.TMK, hsm.form_key(Usage.TMK, parts)) == kcv(key)


A = bytes.fromhex("00112233445566778899aabbccddeeff")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([], "two components"),
        ([A], "two components"),
        ([A, A], "weak key"),
        ([A, bytes(byte ^ 0xFF for byte in A)], "weak key"),
        ([A, bytes(byte ^ 1 for byte in A)], "weak key"),  # equal but for parity
        ([A, A + bytes(8)], "one length"),
        ([A[:8], A[8:]], "wrong length"),
    ],
)
def test_components_that_make_no_key(hsm, parts, said):
    with pytest.raises(CryptoError, match=said) as raised:
        hsm.form_key(Usage.TMK, parts)
    assert "99aabb" not in str(raised.value)
