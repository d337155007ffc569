"""What a terminal says: the messages of the `pos` dialect, packed and signed."""

from posswitch.base.amount import CNY
from posswitch.codec import Dialect, Message
from posswitch.crypto.ciphers import tdes_encrypt
from posswitch.crypto.mac import cup_mac, same
from posswitch.crypto.pinblock import encode_iso0
from posswitch.sim.peers.customer import Purchase

HEADER = bytes.fromhex("6000030000603100311004")
_MAC_BYTES = 8
_PIN_WITH_PAN_3DES = "2600000000000000"  # field 53
_READS_STRIPES = "601"  # F60.4, 60.5, 60.6
_OPERATOR = "01 "


def signed(dialect: Dialect, message: Message, mak: bytes) -> bytes:
    """The packed message with field 64 over everything from the MTI up to it."""
    message.fields[64] = bytes(_MAC_BYTES)
    payload = dialect.pack(message)
    return payload[:-_MAC_BYTES] + cup_mac(mak, payload[len(HEADER) : -_MAC_BYTES])


def signature_fits(payload: bytes, mak: bytes) -> bool:
    """True when field 64, the last of the payload, is the MAC of what stands before it."""
    return same(payload[-_MAC_BYTES:], cup_mac(mak, payload[len(HEADER) : -_MAC_BYTES]))


def sign_on(terminal: str, merchant: str, stan: int, batch: str) -> Message:
    """0800: asks for a double-length PIN key and a MAC key."""
    return Message(
        "0800",
        {11: f"{stan:06d}", 41: terminal, 42: merchant, 60: f"00{batch}003", 63: _OPERATOR},
        HEADER,
    )


def echo(terminal: str, merchant: str, batch: str) -> Message:
    """0820: is anybody there?"""
    return Message("0820", {41: terminal, 42: merchant, 60: f"00{batch}301"}, HEADER)


def sale(terminal: str, merchant: str, stan: int, batch: str, purchase: Purchase, pik: bytes) -> Message:
    """0200: a swiped card, with the PIN under `pik` when one was typed."""
    fields: dict[int, str | bytes] = {
        2: purchase.pan,
        14: purchase.expiry,
        22: "021" if purchase.pin else "022",
        35: purchase.track2,
        **_common(terminal, merchant, stan, batch, purchase.amount_minor),
    }
    if purchase.pin:
        fields[26] = "12"
        fields[52] = tdes_encrypt(pik, encode_iso0(purchase.pin, purchase.pan))
        fields[53] = _PIN_WITH_PAN_3DES
    return Message("0200", fields, HEADER)


def reversal(terminal: str, merchant: str, stan: int, batch: str, purchase: Purchase, why: str) -> Message:
    """0400 for the sale with this STAN and batch; `why` is 98, 96 or A0."""
    fields: dict[int, str | bytes] = {
        2: purchase.pan,
        22: "021" if purchase.pin else "022",
        39: why,
        **_common(terminal, merchant, stan, batch, purchase.amount_minor),
    }
    return Message("0400", fields, HEADER)


def _common(terminal: str, merchant: str, stan: int, batch: str, amount_minor: int) -> dict[int, str | bytes]:
    return {
        3: "000000",
        4: f"{amount_minor:012d}",
        11: f"{stan:06d}",
        25: "00",
        41: terminal,
        42: merchant,
        49: CNY,
        60: f"22{batch}000{_READS_STRIPES}",
    }
