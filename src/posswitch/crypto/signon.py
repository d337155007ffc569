"""The working keys in field 62 of a POS sign-on answer, 40-byte form."""

from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import kcv, tdes_decrypt, tdes_encrypt
from posswitch.crypto.mac import same

F62_BYTES = 40
_UNUSED = bytes(8)  # a single-length MAC key leaves its second half empty


def pack_f62(tmk: bytes, pik16: bytes, mak8: bytes) -> bytes:
    """PIN key 16 + KCV 4, MAC key 8 + 8 zeros + KCV 4, keys under the TMK; CryptoError on a key length."""
    if len(pik16) != 16 or len(mak8) != 8:
        raise CryptoError("field 62: needs a PIN key of 16 and a MAC key of 8 bytes")
    pin_part = tdes_encrypt(tmk, pik16) + kcv(pik16)
    return pin_part + tdes_encrypt(tmk, mak8) + _UNUSED + kcv(mak8)


def open_f62(tmk: bytes, f62: bytes) -> tuple[bytes, bytes]:
    """The clear PIN key (16 bytes) and MAC key (8 bytes); CryptoError when form or check value do not fit."""
    if len(f62) != F62_BYTES or f62[28:36] != _UNUSED:
        raise CryptoError("field 62: not the 40-byte form")
    pik, mak = tdes_decrypt(tmk, f62[:16]), tdes_decrypt(tmk, f62[20:28])
    for name, key, check in (("PIN", pik, f62[16:20]), ("MAC", mak, f62[36:])):
        if not same(kcv(key), check):
            raise CryptoError(f"field 62: the {name} key does not fit its check value; sign on again")
    return pik, mak
