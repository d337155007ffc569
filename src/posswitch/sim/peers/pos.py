"""What a terminal says: the messages of the `pos` dialect, packed and signed."""

from collections.abc import Callable
from typing import NamedTuple

from posswitch.base.amount import CNY
from posswitch.codec import Dialect, Message
from posswitch.crypto.ciphers import tdes_encrypt
from posswitch.crypto.mac import mac_by_name, same
from posswitch.crypto.pinblock import PinFormat, encode
from posswitch.crypto.signon import DOUBLE, DOUBLE_AND_TRACK, WorkingKeys
from posswitch.crypto.trackblock import split_track
from posswitch.scheme.kinds import SALE, Kind
from posswitch.scheme.settlement import Side, Uploaded, write_items, write_totals
from posswitch.sim.peers.customer import Purchase

HEADER = bytes.fromhex("6000030000603100311004")
_MAC_BYTES = 8
_WITHOUT_PAN = (PinFormat.CUP_1, PinFormat.ISO_1)
_READS_STRIPES = "601"  # F60.4, 60.5, 60.6
_OPERATOR = "01 "


class Seals(NamedTuple):
    """How a terminal makes its MACs and PIN blocks, and which keys it signs on for."""

    mac: str = "cup-ecb"
    pin_block: PinFormat = PinFormat.ISO_0
    layout: str = DOUBLE

    @property
    def security(self) -> str:
        """Field 53: about PIN block, algorithm, track."""
        pin, track = 1 if self.pin_block in _WITHOUT_PAN else 2, int(self.layout == DOUBLE_AND_TRACK)
        return f"{pin}6{track}".ljust(16, "0")


def signed(dialect: Dialect, message: Message, mak: bytes, how: str = Seals().mac) -> bytes:
    """The packed message with field 64 over everything from the MTI up to it."""
    message.fields[64] = bytes(_MAC_BYTES)
    payload = dialect.pack(message)
    return payload[:-_MAC_BYTES] + mac_by_name(how, mak, payload[len(HEADER) : -_MAC_BYTES])


def signature_fits(payload: bytes, mak: bytes, how: str = Seals().mac) -> bool:
    """True when field 64, the last of the payload, is the MAC of what stands before it."""
    return same(payload[-_MAC_BYTES:], mac_by_name(how, mak, payload[len(HEADER) : -_MAC_BYTES]))


def sign_on(terminal: str, merchant: str, stan: int, batch: str, layout: str = DOUBLE) -> Message:
    """0800: asks for working keys."""
    return Message(
        "0800",
        {11: f"{stan:06d}", 41: terminal, 42: merchant, 60: f"00{batch}{layout}", 63: _OPERATOR},
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
    keys: WorkingKeys,
    original: Receipt | None = None,
    *,
    swiped: bool = True,
    seals: Seals = Seals(),  # noqa: B008 - frozen
    entropy: Callable[[int], bytes] = bytes,
) -> Message:
    """A payment of any kind: a swiped card, the PIN when one was typed, what it builds on.

    `entropy` fills PIN blocks that are filled by chance.
    """
    fields: dict[int, str | bytes] = {
        22: "021" if purchase.pin else "022",
        **_money(kind, terminal, merchant, stan, batch, purchase.amount_minor),
    }
    if swiped:
        fields[2], fields[14], fields[35] = purchase.pan, purchase.expiry, purchase.track2
        if keys.track:
            parts = split_track(purchase.track2)
            fields[35] = parts.with_hidden(tdes_encrypt(keys.track, parts.hidden))
            fields[53] = seals.security
    if purchase.pin:
        fields[26] = "12"
        clear = encode(seals.pin_block, purchase.pin, purchase.pan, entropy)
        fields[52] = tdes_encrypt(keys.pin, clear)
        fields[53] = seals.security
    if original is not None:
        fields[61] = f"{original.batch}{original.stan:06d}{original.date}"
        if 37 in kind.need and original.rrn:  # what its answer had: a centre may forget
            fields[37] = original.rrn
        if 38 in kind.need and original.auth:
            fields[38] = original.auth
    return Message(kind.terminal[0], fields, HEADER)


def sale(terminal: str, merchant: str, stan: int, batch: str, purchase: Purchase, pik: bytes) -> Message:
    """0200: the most usual payment."""
    return payment(SALE, terminal, merchant, stan, batch, purchase, WorkingKeys(pik, b""))


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
