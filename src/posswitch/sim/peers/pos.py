"""What a terminal says: the messages of the `pos` dialect, packed and signed."""

from typing import NamedTuple

from posswitch.base.amount import CNY
from posswitch.codec import Dialect, Message
from posswitch.crypto.ciphers import tdes_encrypt
from posswitch.crypto.mac import cup_mac, same
from posswitch.crypto.pinblock import encode_iso0
from posswitch.scheme.kinds import SALE, Kind
from posswitch.scheme.settlement import Side, Uploaded, write_items, write_totals
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


def sign_off(terminal: str, merchant: str, stan: int, batch: str) -> Message:
    """0820: the shop closes."""
    fields: dict[int, str | bytes] = {
        11: f"{stan:06d}", 41: terminal, 42: merchant, 60: f"00{batch}002", 63: _OPERATOR,
    }  # fmt: skip
    return Message("0820", fields, HEADER)


class Receipt(NamedTuple):
    """What a terminal keeps of an approved payment: enough to void it, refund it or complete it."""

    kind: str
    purchase: Purchase
    batch: str
    stan: int
    rrn: str
    auth: str
    date: str  # field 13 of the answer, MMDD

    @property
    def name(self) -> str:
        """Batch and trace number: what it is called at its terminal."""
        return f"{self.batch}/{self.stan:06d}"

    def __repr__(self) -> str:
        return f"Receipt({self.kind}, {self.purchase!r}, batch {self.batch}, {self.stan:06d})"


def payment(
    kind: Kind,
    terminal: str,
    merchant: str,
    stan: int,
    batch: str,
    purchase: Purchase,
    pik: bytes,
    original: Receipt | None = None,
    *,
    swiped: bool = True,
) -> Message:
    """A payment of any kind: a swiped card, the PIN under `pik` when one was typed, what it builds on."""
    fields: dict[int, str | bytes] = {
        22: "021" if purchase.pin else "022",
        **_money(kind, terminal, merchant, stan, batch, purchase.amount_minor),
    }
    if swiped:
        fields[2], fields[14], fields[35] = purchase.pan, purchase.expiry, purchase.track2
    if purchase.pin:
        fields[26] = "12"
        fields[52] = tdes_encrypt(pik, encode_iso0(purchase.pin, purchase.pan))
        fields[53] = _PIN_WITH_PAN_3DES
    if original is not None:
        fields[61] = f"{original.batch}{original.stan:06d}{original.date}"
        if 37 in kind.need and original.rrn:  # what its answer had: a centre may forget
            fields[37] = original.rrn
        if 38 in kind.need and original.auth:
            fields[38] = original.auth
    return Message(kind.terminal[0], fields, HEADER)


def sale(terminal: str, merchant: str, stan: int, batch: str, purchase: Purchase, pik: bytes) -> Message:
    """0200: the most usual payment."""
    return payment(SALE, terminal, merchant, stan, batch, purchase, pik)


def reversal(
    terminal: str, merchant: str, stan: int, batch: str, purchase: Purchase, why: str, kind: Kind = SALE
) -> Message:
    """0400 for the payment with this STAN and batch; `why` is 98, 96 or A0."""
    fields: dict[int, str | bytes] = {
        2: purchase.pan,
        22: "021" if purchase.pin else "022",
        39: why,
        **_money(kind, terminal, merchant, stan, batch, purchase.amount_minor),
    }
    return Message("0400", fields, HEADER)


def settlement(terminal: str, merchant: str, stan: int, batch: str, domestic: Side, foreign: Side) -> Message:
    """0500: what the batch comes to."""
    return _batch("0500", terminal, merchant, stan, f"00{batch}201", write_totals(domestic, foreign))


def upload(terminal: str, merchant: str, stan: int, batch: str, items: list[Uploaded]) -> Message:
    """0320: up to eight payments of a batch that did not balance."""
    return _batch("0320", terminal, merchant, stan, f"00{batch}201", write_items(items))


def upload_end(terminal: str, merchant: str, stan: int, batch: str, count: int) -> Message:
    """0320: that was all of it."""
    return _batch("0320", terminal, merchant, stan, f"00{batch}202", f"{count:04d}")


def _batch(mti: str, terminal: str, merchant: str, stan: int, f60: str, f48: str) -> Message:
    fields: dict[int, str | bytes] = {
        11: f"{stan:06d}", 41: terminal, 42: merchant, 48: f48, 49: CNY, 60: f60, 63: _OPERATOR,
    }  # fmt: skip
    return Message(mti, fields, HEADER)


def _money(
    kind: Kind, terminal: str, merchant: str, stan: int, batch: str, amount_minor: int
) -> dict[int, str | bytes]:
    _, processing, condition, message = kind.terminal
    fields: dict[int, str | bytes] = {
        3: processing,
        11: f"{stan:06d}",
        25: condition,
        41: terminal,
        42: merchant,
        49: CNY,
        60: f"{message}{batch}000{_READS_STRIPES}",
    }
    if 4 in kind.need:
        fields[4] = f"{amount_minor:012d}"
    return fields
