"""Text for people outside: card numbers, tracks, and whatever may be a key are masked; in doubt it is."""

import re

from posswitch.base.card import luhn_ok, mask_pan, scrub

KEY_DIGITS_MIN = 24  # hex digits in one run that are taken for a key; check values and versions are shorter
_ALWAYS_DIGITS = 16  # a merchant has 15
_BASE64_MIN = 22  # of 16 bytes
_TRACK = re.compile(r"\d{13,19}[=Dd^]\d{4,}")
_SPACED = re.compile(r"(?<![\d.:+-])\d(?:[ -]?\d){12,18}(?![\d.:])")
_HEX = re.compile(rf"(?<![0-9A-Za-z])[0-9A-Fa-f]{{{KEY_DIGITS_MIN},}}(?![0-9A-Za-z])")
_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{{_BASE64_MIN},}}={{0,2}}")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def masked(text: str) -> str:
    """`text` without anything that could be a card number, a track or a key."""
    text = _PEM.sub("[private key]", text)
    text = _HEX.sub(lambda run: f"[{len(run[0])} hex digits]", text)
    text = _TRACK.sub("[track]", text)
    text = _BASE64.sub(lambda run: f"[{len(run[0])} letters]" if _mixed(run[0]) else run[0], text)
    return scrub(_SPACED.sub(_card, text))


def _mixed(run: str) -> bool:
    """Letters of both cases and something else in one run, as in base64 and hardly in a name."""
    upper, lower = sum(map(str.isupper, run)), sum(map(str.islower, run))
    return upper >= 2 and lower >= 2 and upper + lower < len(run)


def _card(run: "re.Match[str]") -> str:
    digits = re.sub("[ -]", "", run[0])
    certain = run[0] == digits and len(digits) >= _ALWAYS_DIGITS  # some banks' cards do not end as Luhn says
    return mask_pan(digits) if certain or luhn_ok(digits) else run[0]
