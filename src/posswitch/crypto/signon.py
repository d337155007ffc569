"""The working keys in field 62 of a POS sign-on answer, in every layout that a terminal may ask for."""

from collections.abc import Mapping

import msgspec

from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import kcv, tdes_decrypt, tdes_encrypt
from posswitch.crypto.mac import MACS, mac_in_words, same

_CHECK_BYTES = 4
F62_BYTES = 40
SINGLE, DOUBLE, DOUBLE_AND_TRACK = "001", "003", "004"  # field 60.3 of a sign-on


class WorkingKeys(msgspec.Struct, frozen=True):
    """Clear keys for PIN, MAC and, in layout 004, track data; shows their lengths alone."""

    pin: bytes
    mac: bytes
    track: bytes = b""

    def __repr__(self) -> str:
        return f"WorkingKeys(pin {len(self.pin)}, mac {len(self.mac)}, track {len(self.track)} bytes)"


class _Slot(msgspec.Struct, frozen=True):
    """Room for one key and its check value; a shorter key leaves the end of its room empty (zeros)."""

    name: str
    room_bytes: int
    key_bytes: tuple[int, ...]

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name.upper()

    def check(self, key: bytes, layout: str) -> None:
        """Raises CryptoError when the key does not fit in."""
        if len(key) not in self.key_bytes:
            lengths = " or ".join(map(str, self.key_bytes))
            raise CryptoError(f"field 62: the {self.title} key must be {lengths} bytes in layout {layout}")


_DOUBLE = (_Slot("pin", 16, (16,)), _Slot("mac", 16, (8, 16)))
LAYOUTS: Mapping[str, tuple[_Slot, ...]] = {
    SINGLE: (_Slot("pin", 8, (8,)), _Slot("mac", 8, (8,))),
    DOUBLE: _DOUBLE,
    DOUBLE_AND_TRACK: (*_DOUBLE, _Slot("track", 16, (16,))),
}
_OF_LENGTH = {sum(slot.room_bytes + _CHECK_BYTES for slot in slots): slots for slots in LAYOUTS.values()}


def field_bytes(asked: str) -> int:
    """The length of field 62 for what field 60.3 asks: 24, 40 or 60; CryptoError on anything else."""
    return sum(slot.room_bytes + _CHECK_BYTES for slot in layout_of(asked))


def sign_on_sizes(asked: str, mac: str) -> tuple[int, int]:
    """How long the PIN and the MAC key of a layout are, for a MAC of this name; 0 where none fits."""
    pin, mac_slot, *_ = layout_of(asked)
    name, _, _ = mac_in_words(mac)
    fitting = [size for size in MACS[name].key_bytes if size in mac_slot.key_bytes]
    return pin.key_bytes[0], fitting[0] if fitting else 0


def pack_working_keys(asked: str, tmk: bytes, keys: WorkingKeys) -> bytes:
    """Field 62: each key encrypted under the TMK, then its check value (4 bytes).

    `asked` is field 60.3 of the sign-on. CryptoError on another layout or a key length that it does not have.
    """
    field = b""
    for slot in layout_of(asked):
        key: bytes = getattr(keys, slot.name)
        slot.check(key, asked)
        field += tdes_encrypt(tmk, key).ljust(slot.room_bytes, b"\0") + kcv(key, _CHECK_BYTES)
    return field


def open_working_keys(tmk: bytes, f62: bytes) -> WorkingKeys:
    """The clear keys of field 62 in the layout that its length tells.

    CryptoError when there is none of that length, or a key does not fit its check value.
    """
    layout = _OF_LENGTH.get(len(f62))
    if layout is None:
        raise CryptoError("field 62: must have 24, 40 or 60 bytes")
    keys, at = {}, 0
    for slot in layout:
        room, check = f62[at : at + slot.room_bytes], f62[at + slot.room_bytes :][:_CHECK_BYTES]
        keys[slot.name] = _opened(tmk, slot, room, check)
        at += slot.room_bytes + _CHECK_BYTES
    return WorkingKeys(**keys)


def pack_f62(tmk: bytes, pik16: bytes, mak8: bytes) -> bytes:
    """The 40-byte form with a MAC key of 8 bytes, as most terminals have it; CryptoError on a key length."""
    if len(mak8) != 8:
        raise CryptoError("field 62: needs a PIN key of 16 and a MAC key of 8 bytes")
    return pack_working_keys(DOUBLE, tmk, WorkingKeys(pik16, mak8))


def open_f62(tmk: bytes, f62: bytes) -> tuple[bytes, bytes]:
    """The clear PIN key (16 bytes) and MAC key (8, or 16 where its second half is not empty).

    CryptoError when form or check value do not fit.
    """
    if len(f62) != F62_BYTES:
        raise CryptoError("field 62: not the 40-byte form")
    keys = open_working_keys(tmk, f62)
    return keys.pin, keys.mac


def layout_of(asked: str) -> tuple[_Slot, ...]:
    """The keys in field 62 for what field 60.3 asks, in order; CryptoError when it asks for none."""
    slots = LAYOUTS.get(asked)
    if slots is None:
        raise CryptoError("field 60.3: no working keys are asked for; 001, 003 or 004 does")
    return slots


def _opened(tmk: bytes, slot: _Slot, room: bytes, check: bytes) -> bytes:
    shortest = slot.key_bytes[0]
    key = tdes_decrypt(tmk, room if any(room[shortest:]) else room[:shortest])
    if not same(kcv(key, _CHECK_BYTES), check):
        raise CryptoError(f"field 62: the {slot.title} key does not fit its check value; sign on again")
    return key
