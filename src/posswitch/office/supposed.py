"""A payment that nobody has asked for yet, as the engine would see it."""

import re

import msgspec

from posswitch.base.amount import AMOUNT_MINOR_MAX, CNY
from posswitch.base.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN, is_pan, luhn_ok
from posswitch.base.errors import OfficeError
from posswitch.base.registry import Bin, Registry, key_of, prefixes_of
from posswitch.crypto.vault import Vault
from posswitch.engine.events import RequestArrived
from posswitch.scheme.kinds import ASKED_KINDS, Kind
from posswitch.settings.finding import brief

NOT_HERE = (
    "a card number on the command line stays in the shell's history; "
    "leave it out and type it when you are asked"
)
_PART = re.compile(r"\d{4,12}\**\d{0,4}", re.ASCII)
_AMOUNT = re.compile(r"\d{1,10}(\.\d{1,2})?", re.ASCII)

_NOBODY = RequestArrived(
    0, "sale", "", "", "", "", "", 0, CNY, "000000", "022", "00", "", b"", b"", 0, "", True, "", "", "",
    False, "",
)  # fmt: skip


def kind_named(name: str) -> Kind:
    """A kind of payment; OfficeError when there is none of that name."""
    kind = ASKED_KINDS.get(name)
    if kind is None:
        raise OfficeError(f"--kind: no kind {brief(name)}; there are {', '.join(ASKED_KINDS)}")
    return kind


def minor_of(what: str, text: str) -> int:
    """`12.34` as 1234; OfficeError when it is no amount."""
    if not _AMOUNT.fullmatch(text):
        raise OfficeError(f"{what}: {brief(text)} is no amount; write it as 12.34")
    whole, _, part = text.partition(".")
    minor = int(whole) * 100 + int(part.ljust(2, "0") or 0)
    if minor > AMOUNT_MINOR_MAX:
        raise OfficeError(f"{what}: more than a message can say; write it as 12.34")
    return minor


def of_number(registry: Registry, vault: Vault, pan: str) -> RequestArrived:
    """A payment with this card number; OfficeError when it is none, and nothing of it is repeated."""
    if not is_pan(pan):
        raise OfficeError("no card number: it has 13 to 19 digits; type it again")
    return _of_card(registry.bin_of(pan), vault.fingerprint(pan), len(pan), pan[-4:], luhn_ok(pan))


def of_part(registry: Registry, text: str) -> RequestArrived:
    """A payment with a card of which only the beginning is given (`622202`, `622202******1234`).

    OfficeError for a whole number, or where longer rows of the BIN table would decide.
    """
    text = text.replace(" ", "")
    if is_pan(text):
        raise OfficeError(f"--card: {NOT_HERE}, or give it masked, as 622202******1234")
    if not _PART.fullmatch(text) or not ("*" not in text or PAN_DIGITS_MIN <= len(text) <= PAN_DIGITS_MAX):
        raise OfficeError(f"--card: {brief(text)} is no card; write it masked, as 622202******1234")
    begins, ends = text.partition("*")[0], text.rpartition("*")[2] if "*" in text else ""
    bins = [row for row in registry.rows if isinstance(row, Bin)]
    lengths = [len(text)] if "*" in text else sorted({row.pan_digits for row in bins})
    found = {digits: registry.bin_of(begins.ljust(digits, "0")) for digits in lengths}
    longer = [
        row
        for row in bins
        if row.pan_digits in lengths
        and any(len(one) > len(begins) and one.startswith(begins) for one in prefixes_of(row.prefix))
    ]
    rows = {key_of(row): row for row in (*longer, *found.values()) if row is not None}
    if len({row.bank for row in rows.values()}) > 1 or longer:
        names = ", ".join(name for _, name in list(rows)[:5])
        raise OfficeError(f"--card: {text} may be of the BIN rows {names}; give more of it, or its length")
    row = next(iter(rows.values()), None)
    return _of_card(row, b"", row.pan_digits if row else lengths[0] if lengths else 0, ends, True)


def _of_card(row: Bin | None, pan_print: bytes, digits: int, last_four: str, luhn: bool) -> RequestArrived:
    return msgspec.structs.replace(
        _NOBODY,
        pan_print=pan_print,
        pan_digits=digits,
        last_four=last_four,
        luhn_ok=luhn,
        bank=row.bank if row else "",
        foreign=row.foreign if row else False,
        bin=row.prefix if row else "",
    )


def placed(registry: Registry, request: RequestArrived, terminal: str, merchant: str) -> RequestArrived:
    """The payment at a terminal or merchant as they are registered; OfficeError when they are not."""
    currency = request.currency
    if terminal:
        row = registry.terminals.get(terminal)
        if row is None:
            raise OfficeError(f"--terminal: no terminal {brief(terminal)}; see registry list terminal")
        if merchant not in ("", row.merchant):
            raise OfficeError(f"--merchant: terminal {terminal} is at {row.merchant}; leave one of them out")
        merchant, currency = row.merchant, row.currency
    shop = registry.merchants.get(merchant)
    if merchant and shop is None:
        raise OfficeError(f"--merchant: no merchant {brief(merchant)}; see registry list merchant")
    return msgspec.structs.replace(
        request, terminal=terminal, merchant=merchant, currency=currency, mcc=shop.mcc if shop else ""
    )


def card_text(request: RequestArrived) -> str:
    """A request's card as people may see it: the beginning of its BIN row and the last four digits."""
    begins = request.bin[:6] if request.bin.isdigit() else ""
    return f"{begins}******{request.last_four}" if request.pan_digits else ""
