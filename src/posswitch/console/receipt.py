"""What does the receipt say? A code, a reference number, trace and terminal, last four and amount.

`answer` is the one door to everything that is known of a payment.
"""

import re
from typing import NamedTuple

import apsw

from posswitch.base.codes import CODES, Code, lookup
from posswitch.base.errors import PosswitchError
from posswitch.codec.wording import Words
from posswitch.office.why_bank import bank_message
from posswitch.office.why_cashier import cashier
from posswitch.office.why_customer import customer
from posswitch.office.why_evidence import Evidence
from posswitch.office.why_find import Asked, Found, find
from posswitch.office.why_operator import operator
from posswitch.settings.clock import Clock
from posswitch.settings.config import Config

TEXT_CHARS_MAX = 80
REGISTERS = {"cashier": cashier, "customer": customer, "operator": operator, "bank": bank_message}

_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_NUMBER = re.compile(r"#\s*([0-9]{1,18})")  # of a payment, as this program writes it
_WORD = re.compile(r"[0-9A-Z]+(?:\.[0-9]{1,2})?")
_CODE = re.compile(r"[0-9A-Z]{2}")
_RRN = re.compile(r"[0-9]{4}[0-9A-Z]{8}")
_STAN = re.compile(r"[0-9]{1,6}")
_FOUR = re.compile(r"[0-9]{4}")
_TERMINAL = re.compile(r"(?=.*[0-9])[0-9A-Z]{8}")
_AMOUNT = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,2})?")


class Told(NamedTuple):
    """The answer: the row of a code, or the payments that fit, or why there is none."""

    asked: Asked
    code: Code | None = None
    found: Found | None = None
    problem: str = ""  # why nobody could look


def understood(text: str) -> Asked:
    """What somebody may mean who types from a receipt, in any order, with or without words between."""
    text = _THOUSANDS.sub("", text[:TEXT_CHARS_MAX].upper())
    number = _NUMBER.search(text)
    if number is not None:
        return Asked(reference=number[1])
    words = _WORD.findall(text)
    terminal = next((word for word in words if _TERMINAL.fullmatch(word)), "")
    if terminal:
        code = next((word for word in words if _is_code(word)), "")
        stan = next((word for word in words if _STAN.fullmatch(word)), "")
        if code or stan:
            return Asked(terminal=terminal, code=code) if code else Asked(terminal=terminal, stan=stan)
    for place, four in enumerate(words):
        amounts = [word for word in words[:place] + words[place + 1 :] if _AMOUNT.fullmatch(word)]
        if _FOUR.fullmatch(four) and amounts:
            return Asked(last_four=four, amount=amounts[0])
    return next((asked for asked in map(_single, words) if asked != Asked()), Asked())


def _single(word: str) -> Asked:
    if _RRN.fullmatch(word):
        return Asked(reference=word)
    if _CODE.fullmatch(word) and (word in CODES or word.isdigit()):
        return Asked(code=word)
    return Asked(stan=word.zfill(6)) if _STAN.fullmatch(word) else Asked()


def _is_code(word: str) -> bool:
    return bool(_CODE.fullmatch(word)) and word in CODES


def answer(text: str, config: Config, clock: Clock) -> Told:
    """Looks it up; reads only, also beside a running node. Takes a moment: not for an event loop."""
    asked = understood(text)
    if asked.code and not asked.terminal:
        return Told(asked, lookup(asked.code))
    if not (asked.reference or asked.terminal or asked.last_four):
        return Told(asked)
    try:
        return Told(asked, lookup(asked.code) if asked.code else None, find(config, clock, asked))
    except (PosswitchError, apsw.Error) as error:
        return Told(asked, problem=str(error))


def said_of(evidence: Evidence) -> dict[str, Words]:
    """A payment for each who asks."""
    return {name: tells(evidence) for name, tells in REGISTERS.items()}
