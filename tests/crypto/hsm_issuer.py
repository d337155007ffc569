"""What is asked of an HSM, and the issuer that looks at what came of it: keys, typed PINs, faulty blocks."""

from typing import NamedTuple

from posswitch.crypto.ciphers import AES, TDES
from posswitch.crypto.commands import (
    Usage,
)
from posswitch.crypto.mac import MACS
from posswitch.crypto.pinblock import PinFormat, block_bytes, encipher, encode

# The table once more, by hand: what the room itself says is not asked.
WITH_PAN = (PinFormat.ISO_0, PinFormat.ISO_3, PinFormat.ISO_4)
MOVES = {(from_, to) for from_ in PinFormat if from_ is not PinFormat.ISO_2 for to in WITH_PAN}
PANS = ("6225000000000253", "6225880100000253", "6225000000010253", "6229002123456789401", "4111111111111")
PINS = ("1234", "0000", "987654", "80915263", "9081726354", "305172948106")
HOW = (*MACS, "x9.19 binary", "x9.19 pad-2", "tdes-cbc binary", "x9.9 binary", "aes-cmac hex", "nonsense")
SIZES = {
    Usage.TMK: (16, 24),
    Usage.TPK: (16, 16, 24),
    Usage.TAK: (8, 16),
    Usage.TDK: (16,),
    Usage.ZPK: (16, 16, 24),
    Usage.ZAK: (16,),
    Usage.ZMK: (16,),
}
MASTERS = {Usage.TMK, Usage.ZMK}
TWISTS = ("", "", "PAN", "PAN", "format", "damage", "cut", "foreign")
FAULTS = ("format", "short", "long", "letter", "filler", "PAN", "key", "noise")


class Key(NamedTuple):
    usage: Usage
    wrapped: bytes
    clear: bytes


class Typed(NamedTuple):
    """A PIN as a terminal enciphers it."""

    key: Key
    format: PinFormat
    pan: str
    pin: str
    clear: bytes
    block: bytes

    def fits(self, pan):
        """Whether the block is as good for this card number: the same digits, or those of format 3.

        Its filler is drawn from A to F, and another number fits as long as each of its digits stays there.
        """
        if self.format is PinFormat.ISO_4:
            return pan == self.pan
        changed = f"{int.from_bytes(self.clear, 'big') ^ int(pan[-13:-1], 16):016x}"
        own = f"{int.from_bytes(self.clear, 'big') ^ int(self.pan[-13:-1], 16):016x}"
        end = 2 + len(self.pin)
        loose = self.format is PinFormat.ISO_3 and set(changed[end:]) <= set("abcdef")
        return changed[:end] == own[:end] and (loose or changed == own)


def cipher_of(format_):
    return AES if format_ is PinFormat.ISO_4 else TDES


def enciphered(format_, key, clear, pan):
    return encipher(format_, cipher_of(format_).encryptor(key), clear, pan)


def faulty(format_, key, pan, fault):
    """An enciphered block in which one thing is wrong."""
    other = next(one for one in PANS if one[-13:-1] != pan[-13:-1])
    clear = encode(format_, "123456", other if fault == "PAN" else pan, lambda size: b"\xa5" * size)
    if format_ in (PinFormat.ISO_0, PinFormat.ISO_3):
        field = int(pan[-13:-1], 16)
        digits = f"{int.from_bytes(clear, 'big') ^ field:016x}"
    else:
        field, digits = 0, clear.hex()
    nibble, fill = digits[0], "0" if digits[8] != "0" else "f"
    digits = {
        "format": "9" + digits[1:],
        "short": f"{nibble}3" + digits[2:],
        "long": f"{nibble}d" + digits[2:],
        "letter": digits[:4] + "b" + digits[5:],
        "filler": digits[:9] + fill + digits[10:],
        "noise": "7" * len(digits),
    }.get(fault, digits)
    clear = (int(digits, 16) ^ field).to_bytes(block_bytes(format_), "big")
    return enciphered(format_, bytes(len(key.clear)) if fault == "key" else key.clear, clear, pan)
