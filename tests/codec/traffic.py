"""Seeded messages as payments make them: sales, answers, reversals, sign-on, echo, in any dialect's shape."""

import random

from posswitch.base.card import luhn_digit
from posswitch.codec import Message, cups_header, pack_tlv

POS_HEADER = bytes.fromhex("6000030000603100311004")
SHOPS = ("CORNER BOOKS", "RIVER CAFE", "CITY PHARMACY", "NORTH STATION KIOSK")


def draw_message(rng: random.Random, family: str, binary_chip: bool = True) -> Message:
    """One message of a family: pos, cups or iso87, with its usual header."""
    message = rng.choice(_KINDS)(rng, family)
    if family == "pos":
        message.header = POS_HEADER
    if family == "cups":
        message.header = cups_header("00010000", f"{rng.randrange(10**7, 10**8)}", 200)
    if family == "iso87" or not binary_chip:
        message.fields.pop(55, None)
    return message


def _digits(rng: random.Random, size: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(size))


def _pan(rng: random.Random) -> str:
    body = rng.choice(("62", "4", "51", "6229")) + _digits(rng, 14)
    body = body[: rng.choice((15, 15, 18))] if body.startswith("62") else body[:15]
    return body + luhn_digit(body)


def _date(rng: random.Random) -> str:
    return f"{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"


def _time(rng: random.Random) -> str:
    return f"{rng.randrange(24):02d}{rng.randrange(60):02d}{rng.randrange(60):02d}"


def _terminal(rng: random.Random, family: str) -> dict[int, str | bytes]:
    fields: dict[int, str | bytes] = {
        11: _digits(rng, 6),
        41: _digits(rng, 8),
        42: _digits(rng, 3) + "4403" + _digits(rng, 8),
    }
    if family != "pos":
        fields[7] = _date(rng) + _time(rng)
        fields[32] = "01" + _digits(rng, 6)
        fields[33] = "00010000"
    return fields


def _chip(rng: random.Random) -> bytes:
    return pack_tlv(
        [
            ("9F26", rng.randbytes(8)),
            ("9F27", b"\x80"),
            ("9F10", rng.randbytes(7)),
            ("9F37", rng.randbytes(4)),
            ("95", bytes(5)),
            ("9F02", bytes(6)),
        ]
    )


def _sale(rng: random.Random, family: str) -> Message:
    pan, chip = _pan(rng), rng.random() < 0.5
    pin = rng.random() < 0.6
    fields = _terminal(rng, family) | {
        2: pan,
        3: rng.choice(("000000", "000000", "200000", "310000")),
        4: f"{rng.randint(1, 999_999):012d}",
        14: f"{rng.randint(27, 35)}{rng.randint(1, 12):02d}",
        22: ("05" if chip else "02") + ("1" if pin else "2"),
        25: "00",
        35: f"{pan}{'D' if family == 'pos' else '='}{rng.randint(27, 35)}12{_digits(rng, 8)}",
        49: "156",
        64: rng.randbytes(8),
    }
    if family != "pos":
        fields |= {
            12: _time(rng),
            13: _date(rng),
            18: rng.choice(("5411", "5999", "4111")),
            37: _digits(rng, 12),
        }
        fields[43] = rng.choice(SHOPS).ljust(25) + "SHENZHEN".ljust(13) + "CN"
        fields[100] = fields[32]
        fields[128] = fields.pop(64)
    else:
        fields[60] = f"22{_digits(rng, 6)}000{rng.choice('256')}0{rng.choice('01')}"
    if pin:
        fields |= {26: "12", 52: rng.randbytes(8), 53: "2600000000000000"}
    if chip:
        fields |= {23: "001", 55: _chip(rng)}
    return Message(rng.choice(("0200", "0200", "0100")), fields)


def _answer(rng: random.Random, family: str) -> Message:
    asked = _sale(rng, family)
    kept = {
        number: value
        for number, value in asked.fields.items()
        if number in (2, 3, 4, 7, 11, 18, 25, 32, 33, 41, 42, 49, 60, 64, 128)
    }
    kept |= {12: _time(rng), 13: _date(rng), 15: _date(rng), 32: "01020000", 37: _digits(rng, 12)}
    kept[39] = rng.choice(("00", "00", "00", "51", "55", "91"))
    if kept[39] == "00":
        kept[38] = _digits(rng, 6)
    return Message("0210", kept)


def _reversal(rng: random.Random, family: str) -> Message:
    asked = _sale(rng, family)
    for number in (14, 26, 35, 52, 53, 55):
        asked.fields.pop(number, None)
    if family == "pos":
        asked.fields[39] = rng.choice(("98", "96", "A0"))
        return Message("0400", asked.fields)
    asked.fields[90] = "0200" + _digits(rng, 6) + _date(rng) + _time(rng) + "00001020000" + "00000010000"
    return Message("0420", asked.fields)


def _sign_on(rng: random.Random, family: str) -> Message:
    fields = _terminal(rng, family)
    if family == "pos":
        return Message("0800", fields | {60: f"00{_digits(rng, 6)}003", 63: "01 "})
    fields.pop(41), fields.pop(42), fields.pop(32)
    return Message("0820", fields | {70: rng.choice(("001", "002", "301"))})


def _keys(rng: random.Random, family: str) -> Message:
    if family != "pos":
        return _sign_on(rng, family)
    fields = _terminal(rng, family) | {
        12: _time(rng),
        13: _date(rng),
        32: "00010000",
        37: _digits(rng, 12),
        39: "00",
    }
    return Message("0810", fields | {60: f"00{_digits(rng, 6)}003", 62: rng.randbytes(40)})


_KINDS = (_sale, _sale, _sale, _answer, _answer, _answer, _reversal, _sign_on, _keys)
