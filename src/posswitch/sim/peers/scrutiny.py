"""What a bank finds wrong with a request: the code that it answers, and the reason in words."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from posswitch.base.card import mask_pan
from posswitch.base.errors import CryptoError
from posswitch.codec import Message
from posswitch.crypto.ciphers import AES, TDES
from posswitch.crypto.pinblock import PinFormat, decipher, decode
from posswitch.scheme.kinds import Kind, text
from posswitch.sim.peers import cups

POSTED, REVERSED, REFUSED, VOIDED = "posted", "reversed", "refused", "voided"
CARD_NEEDS = (2, 3, 7, 11, 32, 33, 37, 41, 42)
MONEY_NEEDS = (*CARD_NEEDS, 4, 49)
REVERSAL_NEEDS = (*MONEY_NEEDS, 90)
BAD_MAC = "A0"
MAC_UNFIT, MAC_MISSING = "its MAC does not fit", "field 128 (MAC) is missing"
_BAD_FORMAT, _NO_CARD, _EXPIRED, _WRONG_PIN = "30", "14", "54", "55"
_UNKNOWN_ORIGINAL, _OTHER_AMOUNT, _DOES_NOT_ALLOW = "25", "64", "12"


class Charter(NamedTuple):
    """What makes a bank: id, zone keys in clear, how it knows the PIN of a card, and how it writes.

    A card whose PIN is "" has no other: every PIN that can be read is right.
    """

    id: str
    zpk: bytes
    zak: bytes
    pin_of: Callable[[str], str]
    dialect: str = "cups"
    framing: str = "ascii4"
    mac: str = cups.USUAL_MAC
    pin_block: PinFormat = PinFormat.ISO_0
    zmk: bytes = b""
    zpk_before: bytes = b""  # accepted for a while after an exchange
    zak_before: bytes = b""
    before_until_ns: int = 0
    issued: Callable[[str], bool] = lambda pan: True  # whether it has such a card

    def pin(self, block: bytes, pan: str) -> str:
        """The PIN in a block; CryptoError when it cannot be read with the zone PIN key."""
        cipher = AES if self.pin_block is PinFormat.ISO_4 else TDES
        for zpk in (self.zpk_before, self.zpk):
            try:
                clear = decipher(self.pin_block, cipher.decryptor(zpk), block, pan)
                return decode(self.pin_block, clear, pan)
            except CryptoError:
                if zpk is self.zpk:
                    raise
        raise AssertionError

    def fits(self, message: Message) -> bool:
        """Whether the message is signed with the zone MAC key."""
        keys = (self.zak, self.zak_before) if self.zak_before else (self.zak,)
        return any(cups.signature_fits(message, zak, self.mac) for zak in keys)

    def __repr__(self) -> str:
        return f"Charter({self.id})"


class Entry(msgspec.Struct):
    """A payment the bank remembers; `original`: the one that it took away."""

    pan: str
    terminal: str
    amount: int
    stan: str
    f7: str
    rrn: str
    code: str
    auth: str
    state: str
    kind: str = "sale"
    original: "Entry | None" = None

    def __repr__(self) -> str:
        return f"Entry({mask_pan(self.pan)}, {self.amount}, {self.state})"


class Fault(NamedTuple):
    """A reason to refuse: field 39, and why."""

    code: str
    why: str


NOT_OFFERED = Fault("12", "a message that this bank does not offer")


def unsound(request: Message, charter: Charter, needs: Sequence[int]) -> Fault | None:
    """What is wrong with the message itself."""
    if not charter.fits(request):
        return Fault(BAD_MAC, MAC_UNFIT if 128 in request.fields else MAC_MISSING)
    for field in needs:
        if not isinstance(request.fields.get(field), str):
            return Fault(_BAD_FORMAT, f"field {field} is missing")
    original = text(request, 90)
    if original and original[20:] != f"{text(request, 32):0>11}{text(request, 33):0>11}":
        return Fault(_BAD_FORMAT, "field 90 names other institutions than fields 32 and 33")
    return None


def refusal(kind: Kind, request: Message, charter: Charter, yymm: str) -> Fault | None:
    """The issuer's own reasons: an expired card, a wrong PIN."""
    if not kind.original and not charter.issued(text(request, 2)):
        return Fault(_NO_CARD, "no card of this bank")
    expiry = text(request, 14)
    if expiry and not kind.original and expiry < yymm:
        return Fault(_EXPIRED, "the card has expired")
    block = request.fields.get(52)
    if isinstance(block, bytes):
        pan = text(request, 2)
        try:
            pin = charter.pin(block, pan)
        except CryptoError:
            return Fault(_WRONG_PIN, "the PIN block cannot be read with this ZPK")
        if charter.pin_of(pan) not in ("", pin):
            return Fault(_WRONG_PIN, "the PIN is wrong")
    return None


def not_allowed(kind: Kind, original: Entry | None) -> Fault | None:
    """Why a payment that builds on another one cannot be done."""
    if not kind.original:
        return None
    if original is None:
        return Fault(_UNKNOWN_ORIGINAL, "its original (field 90) is not known")
    return None if original.state == POSTED else Fault(_DOES_NOT_ALLOW, f"its original is {original.state}")


def no_reversal(entry: Entry | None, request: Message) -> Fault | None:
    """Why a reversal cannot be done."""
    if entry is None:
        return Fault(_UNKNOWN_ORIGINAL, "its original (field 90) is not known")
    if (entry.pan, entry.amount) != (text(request, 2), int(text(request, 4))):
        return Fault(_OTHER_AMOUNT, "card or amount are not those of its original")
    return Fault(_DOES_NOT_ALLOW, "its original is voided") if entry.state == VOIDED else None
